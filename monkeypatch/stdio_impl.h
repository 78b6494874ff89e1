/* stdio_impl.h - what the wrappers of stdio share
 *
 * libc's own lock of a FILE is the lock: it is tried, and where another mapped
 * thread has it the caller parks, so that libc itself never waits for it.  A
 * call that may wait for its fd runs on a helper, which is made the owner of
 * the lock for that time. */
#ifndef MONKEYPATCH_STDIO_IMPL_H
#define MONKEYPATCH_STDIO_IMPL_H

#include "monkeypatch/io_impl.h"

#include <stdio.h>

/* What a call may do with the fd of its FILE. */
enum mp__stdio_kind {
    STDIO_QUIET, /* nothing */
    STDIO_FLUSH, /* write what is buffered, and `size` bytes */
    STDIO_WRITE, /* the same, if the buffer or its kind asks for it */
    STDIO_STORE, /* the same, and there is no end of a line among them */
    STDIO_READ,  /* read once, when nothing is buffered */
    STDIO_SCAN   /* read as often as it likes */
};

#define STDIO_UNKNOWN_SIZE ((size_t)-1)

/* The lock.  Cooperative; recursive. */
void mp__stdio_lock(FILE *file);
void mp__stdio_unlock(FILE *file);

struct mp__stdio_guard {
    FILE *file;
};
void mp__stdio_release(struct mp__stdio_guard *guard);
#define STDIO_LOCKED(file_)                                               \
    __attribute__((cleanup(mp__stdio_release), unused))                   \
    struct mp__stdio_guard guard = { file_ };                             \
    mp__stdio_lock(file_)

/* True where a call on the fd behind it may wait.  Only then the functions
 * below do anything. */
bool mp__stdio_may_wait(const FILE *file);

/* With the lock held: run(call), here or on a helper. */
void mp__stdio_run(FILE *file, enum mp__stdio_kind kind, size_t size,
                   void (*run)(void *), void *call);
/* The same, taking the lock; may unwind (cancellation).  False: the wait for input
 * was interrupted, run() was not called, errno and the FILE's error mark are set. */
bool mp__stdio_do(FILE *file, enum mp__stdio_kind kind, size_t size,
                  void (*run)(void *), void *call);

/* The same for what error() and its like print: no cancellation point. */
bool mp__stdio_complain(void (*run)(void *), void *call);

/* STDIO_STORE or STDIO_WRITE, for this text; looked at only where it counts. */
enum mp__stdio_kind mp__stdio_kind_of(const FILE *file, const void *text,
                                      size_t len);

/* With the lock held and the buffer empty: wait for input, read once.  1: there
 * is some, 0: end of file, -1: error (errno, error mark). */
int mp__stdio_fill(FILE *file);
bool mp__stdio_has_input(const FILE *file);

/* Flush every FILE there is, as fflush(NULL). */
int mp__stdio_flush_all(void);

/* <libio.h> is gone, the flags are for ever. */
enum {
    FILE_UNBUFFERED = 0x2,
    FILE_NO_READS = 0x4,
    FILE_NO_WRITES = 0x8,
    FILE_ERROR = 0x20,
    FILE_IN_BACKUP = 0x100,
    FILE_LINE_BUFFERED = 0x200,
    FILE_PUTTING = 0x800
};

/* ---- wrappers from one line ----
 *
 * The parameters become members of a struct, so that the call can be made by a
 * helper.  `argument` is one name of the list in parentheses. */
#define STDIO_1(f, a) f(a)
#define STDIO_2(f, a, ...) f(a) STDIO_1(f, __VA_ARGS__)
#define STDIO_3(f, a, ...) f(a) STDIO_2(f, __VA_ARGS__)
#define STDIO_4(f, a, ...) f(a) STDIO_3(f, __VA_ARGS__)
#define STDIO_5(f, a, ...) f(a) STDIO_4(f, __VA_ARGS__)
#define STDIO_COUNT(a, b, c, d, e, n, ...) STDIO_##n
#define STDIO_EACH(f, ...) \
    STDIO_COUNT(__VA_ARGS__, 5, 4, 3, 2, 1, 0)(f, __VA_ARGS__)
#define STDIO_L1(f, a) f(a)
#define STDIO_L2(f, a, ...) f(a), STDIO_L1(f, __VA_ARGS__)
#define STDIO_L3(f, a, ...) f(a), STDIO_L2(f, __VA_ARGS__)
#define STDIO_L4(f, a, ...) f(a), STDIO_L3(f, __VA_ARGS__)
#define STDIO_L5(f, a, ...) f(a), STDIO_L4(f, __VA_ARGS__)
#define STDIO_COUNT_L(a, b, c, d, e, n, ...) STDIO_L##n
#define STDIO_LIST(f, ...) \
    STDIO_COUNT_L(__VA_ARGS__, 5, 4, 3, 2, 1, 0)(f, __VA_ARGS__)
#define STDIO_MEMBER(parameter) parameter;
#define STDIO_MEMBERS(...) STDIO_EACH(STDIO_MEMBER, __VA_ARGS__)
#define STDIO_LOAD(argument) call->argument
#define STDIO_LOADS(...) STDIO_LIST(STDIO_LOAD, __VA_ARGS__)
#define STDIO_STORE(argument) .argument = argument
#define STDIO_STORES(...) STDIO_LIST(STDIO_STORE, __VA_ARGS__)

/* The C names are ours, since headers redirect libc's. */
#define STDIO_NAME(name) mp__wrap_##name
#define STDIO_HEAD(ret, name, params)                                     \
    MP_EXPORT ret STDIO_NAME(name) params __asm__(#name);                 \
    MP_EXPORT ret STDIO_NAME(name) params

/* struct stdio_name and run_name(). */
#define STDIO_CALL(ret, name, params, args)                               \
    struct stdio_##name {                                                 \
        STDIO_MEMBERS params                                              \
        ret returned;                                                     \
    };                                                                    \
    static void run_##name(void *arg)                                     \
    {                                                                     \
        struct stdio_##name *call = arg;                                  \
        call->returned = mp__real.name(STDIO_LOADS args);                 \
    }

/* A function of one FILE: `stream`, with kind and size (in bytes) of what it
 * may write; `failed` is returned when the wait is interrupted. */
#define STDIO_FUNCTION(ret, name, params, args, stream, kind, size, failed) \
    STDIO_CALL(ret, name, params, args)                                   \
    STDIO_HEAD(ret, name, params)                                         \
    {                                                                     \
        if (!MP_ACTIVE(stdio) || (stream) == NULL)                        \
            return MP_REAL(name) args;                                    \
        struct stdio_##name call = { STDIO_STORES args };                 \
        if (!mp__stdio_do(stream, kind, size, run_##name, &call))         \
            return failed;                                                \
        return call.returned;                                             \
    }

/* One without parameters. */
#define STDIO_NULLARY(ret, name, stream, kind, failed)                    \
    static void run_##name(void *arg)                                     \
    {                                                                     \
        *(ret *)arg = mp__real.name();                                    \
    }                                                                     \
    STDIO_HEAD(ret, name, (void))                                         \
    {                                                                     \
        ret returned = failed;                                            \
                                                                          \
        if (!MP_ACTIVE(stdio) || (stream) == NULL)                        \
            return MP_REAL(name)();                                       \
        mp__stdio_do(stream, kind, 0, run_##name, &returned);             \
        return returned;                                                  \
    }

#define STDIO_PROCEDURE(name, params, args, stream, kind, size)           \
    struct stdio_##name {                                                 \
        STDIO_MEMBERS params                                              \
    };                                                                    \
    static void run_##name(void *arg)                                     \
    {                                                                     \
        struct stdio_##name *call = arg;                                  \
        mp__real.name(STDIO_LOADS args);                                  \
    }                                                                     \
    STDIO_HEAD(void, name, params)                                        \
    {                                                                     \
        if (!MP_ACTIVE(stdio) || (stream) == NULL) {                      \
            MP_REAL(name) args;                                           \
            return;                                                       \
        }                                                                 \
        struct stdio_##name call = { STDIO_STORES args };                 \
        mp__stdio_do(stream, kind, size, run_##name, &call);              \
    }

#endif
