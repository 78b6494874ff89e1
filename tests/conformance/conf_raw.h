/* conf_raw.h - threads made by clone(), as a program makes them */
#ifndef CONFORMANCE_RAW_H
#define CONFORMANCE_RAW_H

#include "conf_threads.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>

enum { STACK = 256 * 1024, BLOCK = 64 * 1024, PAGE = 4096 };

#define THREAD                                                             \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |    \
     CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID)

struct raw {
    int (*function)(void *);
    char *stack, *block;
    volatile int32_t tid;
};

enum tls { MAKERS, EMPTY, COPIED, TLS_KINDS };

#ifdef __x86_64__
/* How much of the calling thread's block lies below its pointer.  Of main's, which
 * ld.so has made as small as it may be, no page need be there below that. */
static inline size_t below_pointer(void)
{
    const uint32_t *pthread = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");
    void (*info)(size_t *, size_t *);
    size_t size, alignment;

    *(void **)&info = dlsym(RTLD_DEFAULT, "_dl_get_tls_static_info");
    CONF_CHECK(pthread != NULL && info != NULL);
    info(&size, &alignment);
    size -= *pthread;
    return size < BLOCK / 2 ? size : BLOCK / 2;
}

/* tcbhead_t: its address at 0 and 16, the guards at 40 and 48. */
static inline char *fill_block(char *block, enum tls kind)
{
    char *pointer = block + BLOCK / 2;
    const char *own = __builtin_thread_pointer();

    if (kind == COPIED) {
        size_t below = below_pointer();

        memcpy(pointer - below, own - below, below + 704);
    }
    memcpy(pointer, (void *)&pointer, sizeof(char *));
    memcpy(pointer + 16, (void *)&pointer, sizeof(char *));
    memcpy(pointer + 40, own + 40, 16);
    return pointer;
}
#else
static inline char *fill_block(char *block, enum tls kind)
{
    char *pointer = block + BLOCK / 2;
    const char *own = __builtin_thread_pointer();

    if (kind == COPIED)
        memcpy(pointer, own, 256);
    return pointer;
}
#endif

static inline void *memory(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CONF_CHECK(at != MAP_FAILED);
    return at;
}

static inline void start_raw(struct raw *raw, int (*function)(void *), enum tls kind)
{
    int flags = THREAD | (kind != MAKERS ? CLONE_SETTLS : 0);
    char *pointer = NULL;
    pid_t tid;

    raw->stack = memory(STACK);
    raw->block = memory(BLOCK);
    if (kind != MAKERS)
        pointer = fill_block(raw->block, kind);
    raw->tid = -1;
    tid = clone(function, raw->stack + STACK, flags, raw, &raw->tid, pointer,
                &raw->tid);
    CONF_CHECK(tid > 0);
}

/* The kernel clears the word, and wakes who waits for it by a futex that is not
 * private. */
static inline void join_raw(struct raw *raw)
{
    int32_t tid;

    while ((tid = raw->tid) != 0)
        syscall(SYS_futex, &raw->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
    CONF_CHECK(munmap(raw->stack, STACK) == 0);
    CONF_CHECK(munmap(raw->block, BLOCK) == 0);
}

#endif
