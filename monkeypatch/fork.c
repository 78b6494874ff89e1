/* fork.c - the child has the calling thread alone, on a loop of its own */
#include "monkeypatch/clone.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/preempt_watch.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/sync_impl.h"
#include "monkeypatch/thread_impl.h"

#include <unistd.h>

/* fork() runs the program's handlers with a lock of libc's held; a handler may
 * wait for a lock of the program's, so a second fork() must wait here. */
static uint32_t forking;

static void lock_forks(void)
{
    while (__atomic_exchange_n(&forking, 1, __ATOMIC_ACQUIRE) != 0)
        mp__lot_wait(&forking, 1, HUB_FOREVER, 0);
}

static void unlock_forks(void)
{
    __atomic_store_n(&forking, 0, __ATOMIC_RELEASE);
    mp__lot_wake(&forking, 1);
}

bool mp__fork_keep_out(void)
{
    return __atomic_exchange_n(&forking, 1, __ATOMIC_ACQUIRE) == 0;
}

void mp__fork_let_in(void)
{
    unlock_forks();
}

/* The last handler before the fork, and the first after it: the list of threads is
 * whole in the child. */
static bool stays;

static void parent_begins(void)
{
    stays = mp__all_stay();
}

static void parent_goes_on(void)
{
    mp__all_stayed(&stays);
    stays = false;
}

static void child_begins(void)
{
    struct mp__thread *self = mp__self;
    pid_t pid = getpid();

    stays = false;
    mp__blocks_linked = 0; /* libc has made its lists anew */
    mp__owner_id_forked();
    mp__preempt_forked();
    mp__sync_forked();
    if (mp__hub != NULL)
        mp__hub->fork_child();
    if (mp__here != NULL)
        mp__stdio_forked();
    if (self == NULL)
        return;
    mp__end_wait_forked(); /* the locks, which others may have had */
    mp__signal_queue_forked();
    mp__threads_forked(self);
    mp__hub->forked(self->mapped, pid);
    self->id = (uint32_t)pid;
    mp__privileges_settle();
    mp__signals_forked(self);
    mp__cpu_forked(self);
    mp__helped_forked();
    mp__natives_forked();
    mp__clones_forked();
    mp__accept_forked();
    if (self != &mp__main)
        mp__main.ended = 1;
}

void mp__fork_child_begins(void)
{
    child_begins();
}

MP_EXPORT pid_t fork(void)
{
    struct mp__thread *self = mp__self;
    pid_t pid;

    mp__init();
    mp__fd_shared();
    if (self == NULL || mp__in_vfork_child)
        return mp__real.fork();
    lock_forks();
    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    self->forking = true;
    pid = mp__real.fork();
    self->forking = false;
    if (pid == 0)
        forking = 0;
    else
        unlock_forks();
    return pid;
}

MP_SPELLING(fork, __fork);

/* No handlers, async-signal-safe (POSIX 2024). */
MP_EXPORT pid_t _Fork(void)
{
    pid_t pid;

    mp__init();
    mp__fd_shared();
    pid = mp__real._Fork();
    if (pid == 0)
        child_begins();
    return pid;
}

/* vfork.S calls this with a positive error number. */
long mp__vfork_failed(int error) __attribute__((visibility("hidden")));
long mp__vfork_failed(int error)
{
    return mp__fail(-error);
}

/* The child must be ready before the program's own child handlers run; libc
 * runs them in the order of registration, and ours is registered first. */
__attribute__((constructor(102))) static void watch_forks(void)
{
    pthread_atfork(parent_begins, parent_goes_on, child_begins);
}
