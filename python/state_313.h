/* state_313.h - the thread state of CPython 3.13 (see state.h) */
#ifndef PYTHON_STATE_313_H
#define PYTHON_STATE_313_H

#ifdef Py_GIL_DISABLED
#error "python/: not for an interpreter without a GIL"
#endif

#define Py_BUILD_CORE 1
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE

struct pyg__state {
    struct _PyInterpreterFrame *frame; /* innermost; some lie on the C stack */
    _PyErr_StackItem *exc_info;
    PyObject *context;
    _PyStackChunk *chunk;
    PyObject **chunk_top, **chunk_limit;
    PyObject *delete_later;
    int depth; /* of recursion: the limit may change meanwhile */
    int c_remaining;
    int headroom;
    _PyErr_StackItem bottom; /* the outermost one, of all but a main greenlet */
};

static inline bool pyg__finalizing(void)
{
    return Py_IsFinalizing();
}

static inline void pyg__state_save(struct pyg__state *state,
                                   PyThreadState *tstate)
{
    state->frame = tstate->current_frame;
    state->exc_info = tstate->exc_info;
    state->context = tstate->context;
    state->chunk = tstate->datastack_chunk;
    state->chunk_top = tstate->datastack_top;
    state->chunk_limit = tstate->datastack_limit;
    state->delete_later = tstate->delete_later;
    state->depth =
        tstate->py_recursion_limit - tstate->py_recursion_remaining;
    state->c_remaining = tstate->c_recursion_remaining;
    state->headroom = tstate->recursion_headroom;
}

/* Who is traced is not a matter of frames any more. */
static inline uint8_t pyg__state_tracing(const PyThreadState *tstate)
{
    (void)tstate;
    return 0;
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
    (void)tracing;
    tstate->current_frame = state->frame;
    tstate->exc_info = state->exc_info;
    pyg__state_set_context(tstate, state->context);
    state->context = NULL;
    tstate->datastack_chunk = state->chunk;
    tstate->datastack_top = state->chunk_top;
    tstate->datastack_limit = state->chunk_limit;
    tstate->delete_later = state->delete_later;
    tstate->py_recursion_remaining = tstate->py_recursion_limit - state->depth;
    tstate->c_recursion_remaining = state->c_remaining;
    tstate->recursion_headroom = state->headroom;
}

/* Calls of C: the interpreter counts down from what 8 MiB have room for. */
static inline int pyg__state_c_limit(size_t stack)
{
    const size_t full = (size_t)8 << 20;

    return stack >= full ? Py_C_RECURSION_LIMIT
                         : (int)(Py_C_RECURSION_LIMIT * stack / full);
}

/* Its frames begin in `memory`: the first chunk is never freed by the interpreter,
 * which marks it as one by a word that it skips.  The depth of Python calls goes on
 * from who started it (G-153); that of C begins, since the stack does. */
static inline void pyg__state_begin(struct pyg__state *state,
                                    PyThreadState *tstate, uint8_t tracing,
                                    void *memory, size_t size, size_t stack)
{
    _PyStackChunk *chunk = memory;

    (void)tracing;
    chunk->previous = NULL;
    chunk->size = size;
    chunk->top = 0;
    tstate->datastack_chunk = chunk;
    tstate->datastack_top = &chunk->data[1];
    tstate->datastack_limit = (PyObject **)((char *)memory + size);
    tstate->current_frame = NULL;
    state->bottom.exc_value = NULL;
    state->bottom.previous_item = NULL;
    tstate->exc_info = &state->bottom;
    pyg__state_set_context(tstate, state->context);
    state->context = NULL;
    tstate->delete_later = NULL;
    tstate->c_recursion_remaining = pyg__state_c_limit(stack);
    tstate->recursion_headroom = 0;
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
    struct _PyInterpreterFrame *running = tstate->current_frame;
    int collects = PyGC_Disable();
    PyFrameObject *frame;

    tstate->current_frame = state->frame;
    frame = PyThreadState_GetFrame(tstate);
    tstate->current_frame = running;
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
    _PyInterpreterFrame *frame = state->frame, *previous;
    bool free = true;

    Py_CLEAR(state->bottom.exc_value);
    for (; frame != NULL; frame = previous) {
        previous = frame->previous;
        if (frame->owner == FRAME_OWNED_BY_CSTACK)
            continue;
        if (frame->frame_obj != NULL && Py_REFCNT(frame->frame_obj) > 1)
            free = false;
        if (frame->owner == FRAME_OWNED_BY_GENERATOR)
            frame->previous = NULL;
    }
    return free;
}

#endif
