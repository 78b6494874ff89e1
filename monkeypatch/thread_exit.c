/* thread_exit.c - the end of a thread: pthread_exit, destructors, main */
#include "monkeypatch/carrier.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/thread_impl.h"

#include <limits.h>
#include <stdlib.h>

#define KEYS 1024 /* PTHREAD_KEYS_MAX */

static void (*key_destructors[KEYS])(void *);
static unsigned keys_end; /* above the highest key that there was */

MP_EXPORT int pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
    int rc;

    mp__init();
    rc = mp__real.pthread_key_create(key, destroy);
    if (rc == 0 && *key < KEYS) {
        unsigned end = keys_end;

        key_destructors[*key] = destroy;
        while (*key >= end &&
               !__atomic_compare_exchange_n(&keys_end, &end, *key + 1, false,
                                            __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED))
            ;
    }
    return rc;
}

MP_SPELLING(pthread_key_create, __pthread_key_create);

MP_EXPORT int pthread_key_delete(pthread_key_t key)
{
    mp__init();
    if (key < KEYS)
        key_destructors[key] = NULL;
    return mp__real.pthread_key_delete(key);
}

/* POSIX: in no order, again while there are values, a bounded number of times.  libc
 * takes those away, too, that have no destructor. */
static bool destroy_values_once(void)
{
    bool any = false;

    for (unsigned key = 0; key < keys_end; key++) {
        void (*destroy)(void *) = key_destructors[key];
        void *value = pthread_getspecific(key);

        if (value == NULL)
            continue;
        pthread_setspecific(key, NULL);
        if (destroy == NULL)
            continue;
        destroy(value);
        any = true;
    }
    return any;
}

static void destroy_values(void)
{
    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; round++)
        if (!destroy_values_once())
            break;
}

void mp__thread_destructors(void)
{
    static void (*call_tls_dtors)(void);
    static bool looked;

    if (!__atomic_load_n(&looked, __ATOMIC_ACQUIRE)) {
        *(void **)&call_tls_dtors = mp__real_symbol("__call_tls_dtors");
        __atomic_store_n(&looked, true, __ATOMIC_RELEASE);
    }
    if (call_tls_dtors != NULL)
        call_tls_dtors(); /* C++ thread_local: a list in our own block */
    destroy_values();
    if (call_tls_dtors != NULL)
        call_tls_dtors(); /* what key destructors made */
}

_Noreturn void mp__thread_exit(void *result)
{
    struct mp__thread *self = mp__self;

    self->exiting = 1;
    self->result = result;
    mp__real.pthread_exit(result); /* unwinds to run_start() or call_main() */
    abort();
}

MP_EXPORT void pthread_exit(void *result)
{
    mp__init();
    if (mp__self != NULL)
        mp__thread_exit(result);
    mp__real.pthread_exit(result);
    abort();
}

/* ---- the main thread ---- */

/* main() ended by pthread_exit(): the process goes on until its last thread
 * ends, which calls exit(); for one of the kernel's this one does. */
static _Noreturn void main_exits(void)
{
    struct mp__thread *self = mp__self;
    uint32_t live;

    destroy_values(); /* thread_local objects of main: exit() */
    mp__thread_exit_if_last();
    mp__mutex_thread_ends(self);
    mp__words_end(self);
    mp__signals_thread_ends(self);
    __atomic_store_n(&mp__main.ended, 1, __ATOMIC_SEQ_CST);
    mp__lot_wake(&mp__main.ended, INT_MAX);
    while ((live = __atomic_load_n(&mp__live, __ATOMIC_SEQ_CST)) > 1)
        mp__lot_wait(&mp__live, live, HUB_FOREVER, MP_OF_END);
    while ((live = __atomic_load_n(&mp__natives, __ATOMIC_SEQ_CST)) > 0)
        mp__lot_wait(&mp__natives, live, HUB_FOREVER, 0);
    mp__signals_thread_arrives(self); /* for those that exit() calls */
    exit(0);
}

static int (*program_main)(int, char **, char **);

/* The frame below main(): what pthread_exit() in main unwinds to, in exit() too.
 * As in libc nothing between main() and exit() needs a register or the stack: Free
 * Pascal's halt() comes back here by a jump, from wherever it was called. */
static int call_main(int argc, char **argv, char **envp)
{
    __pthread_unwind_buf_t buffer;

    if (mp__set_jump(&buffer, 0) == 0) {
        __pthread_register_cancel(&buffer);
        exit(program_main(argc, argv, envp));
    }
    if (mp__self == NULL)
        __pthread_unwind_next(&buffer); /* on to libc's own */
    __pthread_unregister_cancel(&buffer);
    main_exits();
}

int __libc_start_main(int (*main)(int, char **, char **), int argc,
                      char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);

MP_EXPORT int __libc_start_main(int (*main)(int, char **, char **), int argc,
                                char **argv, void (*init)(void),
                                void (*fini)(void), void (*rtld_fini)(void),
                                void *stack_end)
{
    mp__init();
    program_main = main;
    return mp__real.__libc_start_main(call_main, argc, argv, init, fini,
                                      rtld_fini, stack_end);
}
