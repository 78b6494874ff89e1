/* cxx.c - exceptions of C++: whose they are, and where they end
 *
 * What a thread handles at the moment (the exceptions in its catch blocks, how
 * many are on their way) is in two words of its TLS block.  Greenlets that
 * share the block need words of their own: who is suspended with words that are
 * not zero takes them along, so that whoever runs next finds zeros. */
#include "context/switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

/* Of the runtime of C++, where the process has one. */
extern void *__cxa_get_globals(void) __attribute__((weak));

uint8_t greenlet__cxx_asks = 1;
bool greenlet__exit_in_greenlet;
static void *(*later_get_globals)(void); /* atomic */

void greenlet__cxx_thread(struct greenlet__thread *thread)
{
    void *(*get)(void) = __cxa_get_globals;

    thread->cxx_globals = NULL;
    thread->tools &= (uint8_t)~TOOL_CXX;
    if (thread->thread_pointer != greenlet__thread_pointer())
        return; /* a block that is being made */
    thread->cxx_asked = greenlet__read(greenlet__cxx_asks);
    if (get == NULL)
        get = __atomic_load_n(&later_get_globals, __ATOMIC_ACQUIRE);
    if (get != NULL) {
        thread->cxx_globals = get();
        thread->tools |= TOOL_CXX;
    }
}

void greenlet_cxx_runtime(void *(*get_globals)(void))
{
    struct greenlet__thread *self = greenlet__thread_peek();

    if (__cxa_get_globals != NULL ||
        __atomic_exchange_n(&later_get_globals, get_globals,
                            __ATOMIC_ACQ_REL) == get_globals)
        return;
    __atomic_add_fetch(&greenlet__cxx_asks, 1, __ATOMIC_RELEASE);
    if (self != NULL)
        greenlet__cxx_thread(self);
}

void greenlet__cxx_save(struct greenlet *from)
{
    uintptr_t *globals = greenlet__read(from->thread)->cxx_globals;

    if (likely((globals[0] | globals[1]) == 0))
        return;
    memcpy(from->cxx, globals, sizeof from->cxx);
    memset(globals, 0, sizeof from->cxx);
    from->has |= HAS_CXX;
}

void greenlet__cxx_restore(struct greenlet *to)
{
    if (!(to->has & HAS_CXX))
        return;
    memcpy(greenlet__read(to->thread)->cxx_globals, to->cxx, sizeof to->cxx);
    to->has &= (uint8_t)~HAS_CXX;
}

/* ---- the outermost frame ---- */

static const char *kind_of(_Unwind_Exception_Class cls)
{
    const _Unwind_Exception_Class any_vendor =
        ~(_Unwind_Exception_Class)0 >> 32;
    const _Unwind_Exception_Class cxx = 0x432b2b00; /* "C++\0" */

    return (cls & any_vendor & ~(_Unwind_Exception_Class)0xff) == cxx
               ? "a C++ exception"
               : "an exception";
}

static void say_left(const struct greenlet *g, const char *what)
{
    char line[160];
    int length =
        snprintf(line, sizeof line, "vireo: %s left greenlet %p \"%s\"\n", what,
                 (const void *)g, greenlet_name(g));
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);

    (void)ignored;
}

_Unwind_Reason_Code greenlet__personality(int version, _Unwind_Action actions,
                                          _Unwind_Exception_Class cls,
                                          struct _Unwind_Exception *exception,
                                          struct _Unwind_Context *context)
    __attribute__((visibility("hidden")));

/* Asked about the frame that every stack begins with (entry.S): what comes here
 * was caught by nobody, and there is no frame beyond.  For an exception the
 * search is over: std::terminate() is next, with the stack as it was at the
 * throw.  pthread_exit() and cancellation unwind as they go and would carry on
 * in frames of another stack.  Mapped threads are threads: libc's own way is
 * right for them, which ends before it comes here. */
_Unwind_Reason_Code greenlet__personality(int version, _Unwind_Action actions,
                                          _Unwind_Exception_Class cls,
                                          struct _Unwind_Exception *exception,
                                          struct _Unwind_Context *context)
{
    const struct greenlet *self = greenlet__word->current;

    (void)version;
    (void)exception;
    (void)context;
    if (self->is_main)
        return _URC_CONTINUE_UNWIND;
    if ((actions & _UA_FORCE_UNWIND) && greenlet__exit_in_greenlet)
        return _URC_CONTINUE_UNWIND; /* libc jumps to the thread's beginning */
    if (actions & _UA_FORCE_UNWIND) {
        say_left(self, "pthread_exit() or cancellation of the thread");
        abort();
    }
    if (actions & _UA_SEARCH_PHASE)
        say_left(self, kind_of(cls));
    return _URC_CONTINUE_UNWIND;
}
