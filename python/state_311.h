/* state_311.h - the thread state of CPython 3.11 (see state.h) */
#ifndef PYTHON_STATE_311_H
#define PYTHON_STATE_311_H

#include <internal/pycore_frame.h>

#define PYG__HAS_TRASH_NESTING 1

struct pyg__state {
    _PyCFrame *cframe; /* innermost; its current_frame is the innermost frame */
    _PyErr_StackItem *exc_info;
    PyObject *context;
    _PyStackChunk *chunk;
    PyObject **chunk_top, **chunk_limit;
    int depth; /* of recursion: the limit may change meanwhile */
    int headroom;
    int trash_nesting;
    /* The outermost ones, of all but a main greenlet, which has the thread's.
     * Generators that it runs link to the one, frames of C to the other. */
    _PyErr_StackItem bottom;
    _PyCFrame root;
};

static inline bool pyg__finalizing(void)
{
    return _Py_IsFinalizing();
}

static inline void pyg__state_save(struct pyg__state *state,
                                   PyThreadState *tstate)
{
    state->cframe = tstate->cframe;
    state->exc_info = tstate->exc_info;
    state->context = tstate->context;
    state->chunk = tstate->datastack_chunk;
    state->chunk_top = tstate->datastack_top;
    state->chunk_limit = tstate->datastack_limit;
    state->depth = tstate->recursion_limit - tstate->recursion_remaining;
    state->headroom = tstate->recursion_headroom;
    state->trash_nesting = tstate->trash_delete_nesting;
}

static inline uint8_t pyg__state_tracing(const PyThreadState *tstate)
{
    return tstate->cframe->use_tracing;
}

/* A cached value of a context variable is good for one context_ver. */
static inline void pyg__state_set_context(PyThreadState *tstate,
                                          PyObject *context)
{
    tstate->context = context;
    tstate->context_ver++;
}

static inline void pyg__state_load(struct pyg__state *state,
                                   PyThreadState *tstate, uint8_t tracing)
{
    tstate->cframe = state->cframe;
    tstate->cframe->use_tracing = tracing;
    tstate->exc_info = state->exc_info;
    pyg__state_set_context(tstate, state->context);
    state->context = NULL;
    tstate->datastack_chunk = state->chunk;
    tstate->datastack_top = state->chunk_top;
    tstate->datastack_limit = state->chunk_limit;
    tstate->recursion_remaining = tstate->recursion_limit - state->depth;
    tstate->recursion_headroom = state->headroom;
    tstate->trash_delete_nesting = state->trash_nesting;
}

/* Its frames begin in `memory`: the first chunk is never freed by the interpreter,
 * which marks it as one by a word that it skips.  The depth of recursion goes on
 * from who started it (G-153). */
static inline void pyg__state_begin(struct pyg__state *state,
                                    PyThreadState *tstate, uint8_t tracing,
                                    void *memory, size_t size, size_t stack)
{
    _PyStackChunk *chunk = memory;

    (void)stack;
    chunk->previous = NULL;
    chunk->size = size;
    chunk->top = 0;
    tstate->datastack_chunk = chunk;
    tstate->datastack_top = &chunk->data[1];
    tstate->datastack_limit = (PyObject **)((char *)memory + size);
    state->root.use_tracing = tracing;
    state->root.current_frame = NULL;
    state->root.previous = NULL;
    tstate->cframe = &state->root;
    state->bottom.exc_value = NULL;
    state->bottom.previous_item = NULL;
    tstate->exc_info = &state->bottom;
    pyg__state_set_context(tstate, state->context);
    state->context = NULL;
    tstate->recursion_headroom = 0;
    tstate->trash_delete_nesting = 0;
}

static inline void pyg__state_end(struct pyg__state *state,
                                  PyThreadState *tstate)
{
    state->context = tstate->context;
    tstate->context = NULL;
}

/* The interpreter makes frame objects when they are asked for, and only of the
 * running greenlet: for that moment it is this one.  The collector, which would
 * run code in it, must not start meanwhile. */
static inline PyObject *pyg__state_frame(struct pyg__state *state,
                                         PyThreadState *tstate)
{
    _PyCFrame *running = tstate->cframe;
    int collects = PyGC_Disable();
    PyFrameObject *frame;

    tstate->cframe = state->cframe;
    frame = PyThreadState_GetFrame(tstate);
    tstate->cframe = running;
    if (collects)
        PyGC_Enable();
    return (PyObject *)frame;
}

static inline int pyg__state_traverse(struct pyg__state *state,
                                      visitproc visit, void *arg)
{
    Py_VISIT(state->context);
    Py_VISIT(state->bottom.exc_value);
    return 0;
}

static inline void pyg__state_clear(struct pyg__state *state)
{
    Py_CLEAR(state->context);
}

/* What its frames refer to stays alive for ever, as upstream has it.  A generator
 * that it was running must not lead to frames that are gone. */
static inline bool pyg__state_abandon(struct pyg__state *state)
{
    _PyInterpreterFrame *frame = state->cframe->current_frame, *previous;
    bool free = true;

    Py_CLEAR(state->bottom.exc_value);
    for (; frame != NULL; frame = previous) {
        previous = frame->previous;
        if (frame->frame_obj != NULL && Py_REFCNT(frame->frame_obj) > 1)
            free = false;
        if (frame->owner == FRAME_OWNED_BY_GENERATOR)
            frame->previous = NULL;
    }
    return free;
}

#endif
