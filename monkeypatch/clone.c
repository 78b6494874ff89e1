/* clone.c - threads and processes that the program makes by clone()
 *
 * A thread without CLONE_SETTLS shares the TLS block of its maker.  If that is a
 * mapped thread, both would be one to us, on two kernel threads: such a thread
 * gets a block of its own and is a real thread to us.  With CLONE_SETTLS the
 * block is the program's; what it may have copied from the maker's is cleared.
 *
 * Without CLONE_VM it is a fork() that runs no handlers.  With CLONE_VFORK the
 * child borrows the maker's block while the maker waits, as after vfork(). */
#include "monkeypatch/clone.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sys.h"
#include "monkeypatch/thread_impl.h"

#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool mp__tids_cleared;

/* One thread that has a block of ours.  Never freed: used again.
 *
 * The kernel says when that may be: at the end of a thread it clears a word and, in
 * other processes with our memory, also when they are killed or exec.  Where the program
 * has a word of its own for that we ask for the thread, and a process that does not
 * return from its function keeps the block. */
struct bare {
    struct bare *next; /* all of them */
    int (*function)(void *);
    void *arg;
    char *pointer; /* of its block; NULL: has none now */
    struct greenlet__bare_words words;
    uint32_t used; /* atomic: some thread has it, or may have */
    bool cleared;  /* `used`, by the kernel */
    bool is_thread;
    pid_t group, tid; /* tid 0: has not begun, or is no thread */
};

static struct bare *all;
static bool taken; /* guards `all` and what is unused */

static void lock(void)
{
    while (__atomic_test_and_set(&taken, __ATOMIC_ACQUIRE))
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void unlock(void)
{
    __atomic_clear(&taken, __ATOMIC_RELEASE);
}

/* Nobody is here but the caller. */
void mp__clones_forked(void)
{
    taken = false;
    for (struct bare *bare = all; bare != NULL; bare = bare->next)
        if (bare->pointer != (char *)__builtin_thread_pointer())
            bare->used = 0;
}

/* It may have ended by a system call.  A process with our memory, in which this may
 * run, knows nothing of our threads. */
static bool is_gone(const struct bare *bare, pid_t group)
{
    pid_t tid = __atomic_load_n(&bare->tid, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&bare->used, __ATOMIC_ACQUIRE) == 0)
        return true;
    return tid > 0 && bare->group == group &&
           SYS_CALL(SYS_tgkill, group, tid, 0, 0, 0, 0) == -ESRCH;
}

static struct bare *find_gone(void)
{
    pid_t group = getpid();
    struct bare *bare;

    lock();
    for (bare = all; bare != NULL && !is_gone(bare, group);)
        bare = bare->next;
    if (bare != NULL) {
        bare->tid = 0;
        __atomic_store_n(&bare->used, 1, __ATOMIC_RELAXED);
    }
    unlock();
    return bare;
}

/* Behind the struct in the same pages is the block. */
static void *block_of(struct bare *bare)
{
    return bare + 1;
}

static struct bare *make_one(void)
{
    struct bare *bare =
        mmap(NULL, sizeof *bare + mp__hub->bare_size(), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bare == MAP_FAILED)
        return NULL;
    bare->used = 1;
    lock();
    bare->next = all;
    all = bare;
    unlock();
    return bare;
}

static struct bare *take(void)
{
    struct bare *bare = find_gone();

    if (bare == NULL)
        bare = make_one();
    if (bare == NULL)
        return NULL;
    if (bare->pointer != NULL)
        mp__hub->bare_end(bare->pointer, &bare->words);
    bare->pointer = mp__hub->bare_new(block_of(bare), &bare->words);
    if (bare->pointer != NULL)
        return bare;
    __atomic_store_n(&bare->used, 0, __ATOMIC_RELEASE);
    return NULL;
}

/* By itself: who made it may come back from the call when it has ended, and another
 * has the block. */
static void note_tid(struct bare *bare)
{
    bare->group = getpid();
    __atomic_store_n(&bare->tid,
                     (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0),
                     __ATOMIC_RELEASE);
}

/* After the last store the block may be another thread's: no handler may run on
 * it, and libc ends the thread with nothing but a system call. */
static int run_bare(void *arg)
{
    struct bare *bare = arg;
    uint64_t every = ~(uint64_t)0;
    int status;

    mp__hub->bare_enter();
    if (bare->is_thread)
        note_tid(bare);
    status = bare->function(bare->arg);
    if (bare->cleared)
        return status;
    SYS_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &every, NULL, sizeof every, 0, 0);
    __atomic_store_n(&bare->used, 0, __ATOMIC_RELEASE);
    return status;
}

/* ---- the program's own block ---- */

/* A variable of the caller's, of 8 bytes at most, where it is the same there. */
static void clear(char *pointer, const void *own, size_t size)
{
    static const char none[8];
    const char *caller = __builtin_thread_pointer();
    char *at = pointer + ((const char *)own - caller);

    if (memcmp(own, none, size) != 0 && mp__readable(at, size) &&
        memcmp(at, own, size) == 0)
        memset(at, 0, size);
}

/* A copy of the maker's block is not the maker's. */
static void disown(char *pointer)
{
    char *own = __builtin_thread_pointer();

    if (pointer == NULL || pointer == own)
        return;
    clear(pointer, &mp__self, sizeof mp__self);
    clear(pointer, &mp__here, sizeof mp__here);
    clear(pointer, mp__native_self(), sizeof(void *));
    clear(pointer, mp__native_id(), sizeof(uint32_t));
    clear(pointer, mp__hub->identity_in(own), sizeof(void *));
}

/* ---- the call ---- */

struct clone {
    int (*function)(void *);
    void *stack, *arg, *tls;
    pid_t *parent_tid, *child_tid;
    int flags;
};

static int call(const struct clone *clone, int (*function)(void *), void *arg)
{
    int rc;

    mp__own_mask_begins();
    rc = mp__real.clone(function, clone->stack, clone->flags, arg,
                        clone->parent_tid, clone->tls, clone->child_tid);
    mp__own_mask_ends();
    return rc;
}

/* What is copied with the stack of the maker. */
static int run_forked(void *arg)
{
    const struct clone *clone = arg;

    mp__fork_child_begins();
    return clone->function(clone->arg);
}

static int run_vforked(void *arg)
{
    const struct clone *clone = arg;

    mp__in_vfork_child = 1;
    return clone->function(clone->arg);
}

static int clone_vforked(struct clone *clone)
{
    int rc = call(clone, run_vforked, clone);

    mp__in_vfork_child = 0;
    return rc;
}

static int clone_with_block(struct clone *clone)
{
    const char *why;
    struct bare *bare;
    int rc;

    if (mp__tls_find(&why) < 0)
        return call(clone, clone->function, clone->arg);
    bare = take();
    if (bare == NULL)
        return mp__fail(-ENOMEM);
    bare->function = clone->function;
    bare->arg = clone->arg;
    bare->is_thread = (clone->flags & CLONE_THREAD) != 0;
    bare->cleared =
        (clone->flags & (CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID)) == 0;
    if (bare->cleared) {
        clone->flags |= CLONE_CHILD_CLEARTID;
        clone->child_tid = (pid_t *)&bare->used;
    }
    clone->flags |= CLONE_SETTLS;
    clone->tls = bare->pointer;
    rc = call(clone, run_bare, bare);
    if (rc < 0)
        __atomic_store_n(&bare->used, 0, __ATOMIC_RELEASE);
    return rc;
}

static int clone_any(struct clone *clone)
{
    bool memory = (clone->flags & CLONE_VM) != 0;
    bool block = (clone->flags & CLONE_SETTLS) != 0;

    if (!(clone->flags & CLONE_THREAD))
        mp__fd_shared();
    if (memory && (clone->flags & CLONE_CHILD_CLEARTID))
        __atomic_store_n(&mp__tids_cleared, true, __ATOMIC_RELAXED);
    if (mp__hub == NULL || clone->function == NULL || clone->stack == NULL ||
        mp__in_vfork_child)
        return call(clone, clone->function, clone->arg);
    if (!memory && !block && mp__self != NULL)
        return call(clone, run_forked, clone);
    if (memory && !block && (clone->flags & CLONE_VFORK))
        return clone_vforked(clone);
    if (memory && !block)
        return clone_with_block(clone);
    if (memory)
        disown(clone->tls);
    return call(clone, clone->function, clone->arg);
}

MP_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *arg,
                    ...)
{
    struct clone all_of_it = { .function = function, .stack = stack,
                               .flags = flags, .arg = arg };
    va_list list;

    /* More than the caller passed are read, and ignored, as by libc. */
    va_start(list, arg);
    all_of_it.parent_tid = va_arg(list, pid_t *);
    all_of_it.tls = va_arg(list, void *);
    all_of_it.child_tid = va_arg(list, pid_t *);
    va_end(list);
    mp__init();
    return clone_any(&all_of_it);
}
MP_SPELLING(clone, __clone);
