/* state.c - who the caller is, and how it waits */
#include "monkeypatch/carrier.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/signal_own.h"
#include "monkeypatch/sys.h"
#include "thread_pointer.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread struct mp__thread *mp__self;
__thread struct mp__thread *mp__here;
ptrdiff_t mp__self_offset;
struct mp__thread mp__main;
struct mp__thread *mp__all;
uint32_t mp__live;
__thread int mp__in_vfork_child;
bool mp__several;
bool greenlet__fsgsbase; /* libvireo.so's, for mp__on_os_tcb() */

static __thread uint32_t native_id
    __attribute__((tls_model("initial-exec")));

uint32_t mp__owner_id(void)
{
    struct mp__thread *self = mp__self;
    uint32_t id = unlikely(mp__hosts) ? mp__hub->owner_id() : 0;

    if (id != 0)
        return id;
    if (likely(self != NULL))
        return self->id;
    if (unlikely(native_id == 0))
        native_id = (uint32_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return native_id;
}

const void *mp__native_id(void)
{
    return &native_id;
}

void mp__owner_id_forked(void)
{
    native_id = 0;
}

bool mp__may_park(void)
{
    struct mp__thread *self = mp__here;

    if (self == NULL || mp__in_vfork_child != 0 || self->deny_park != 0 ||
        mp__signal_on_ours())
        return false;
    if (self->host && !mp__hub->can_park())
        return false;
    /* The hub runs on the main thread's block: a handler may be interrupting it. */
    if (self == &mp__main) {
        const struct hub *hub = self->identity->os->hub;

        if (self->identity->current == hub->greenlet)
            return false;
    }
    return !mp__hub->in_loader();
}

/* The word of the block that `handle` stands for: any thread's block has it. */
struct mp__thread *mp__thread_of(pthread_t handle)
{
    char *pointer = (char *)handle - (mp__hub != NULL
                                          ? mp__hub->tls->pthread_start
                                          : 0);

    if (mp__main.identity == NULL)
        return NULL; /* nothing was ever mapped */
    return *(struct mp__thread **)(pointer + mp__self_offset);
}

struct mp__thread *mp__thread_by_id(pid_t id)
{
    struct mp__thread *thread;
    MP_ALL_STAY;

    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if ((pid_t)thread->id == id)
            return thread;
    return NULL;
}

void mp__on_os_tcb(void (*function)(void *), void *arg)
{
    struct mp__thread *self = mp__self;

    if (self != NULL && self->mapped != NULL) {
        greenlet__set_thread_pointer(self->identity->os->thread_pointer);
        function(arg);
        greenlet__set_thread_pointer(self->identity->thread_pointer);
    } else {
        function(arg);
    }
}

/* ---- waiting ---- */

static bool cancel_is_due(const struct mp__thread *self)
{
    return self->cancel_pending && !self->exiting &&
           self->cancel_state == PTHREAD_CANCEL_ENABLE;
}

void mp__testcancel(void)
{
    struct mp__thread *self = mp__self;

    if (self == NULL)
        return;
    if (unlikely(cancel_is_due(self)))
        mp__thread_exit(PTHREAD_CANCELED);
}

/* In words, for those who look (hub/control.h). */
static const struct hub__wait_kind waits_for_fd = { "fd", NULL },
                                   waits_for_fds = { "fds", NULL },
                                   waits_for_time = { "time", NULL };

/* By MP_OF(), with where in the object its word is. */
static const struct {
    struct hub__wait_kind kind;
    size_t at;
} waits_for_lot[] = {
    { { "lock", NULL }, 0 },
    [MP_OF(MP_OF_MUTEX)] = { { "mutex", NULL }, 0 },
    [MP_OF(MP_OF_GATE)] = { { "shared mutex", NULL }, 0 },
    [MP_OF(MP_OF_READ)] = { { "rwlock", NULL }, 8 },
    [MP_OF(MP_OF_WRITE)] = { { "rwlock", NULL }, 12 },
    [MP_OF(MP_OF_COND)] = { { "condition", NULL }, 0 },
    [MP_OF(MP_OF_SEM)] = { { "semaphore", NULL }, 0 },
    [MP_OF(MP_OF_BARRIER)] = { { "barrier", NULL }, 4 },
    [MP_OF(MP_OF_ONCE)] = { { "once", NULL }, 0 },
    [MP_OF(MP_OF_JOIN)] = { { "thread", NULL }, 0 },
    [MP_OF(MP_OF_END)] = { { "threads", NULL }, 0 },
    [MP_OF(MP_OF_FUTEX)] = { { "futex", NULL }, 0 }
};

/* What all waits do before the greenlet is suspended ... */
static void wait_begins(struct mp__thread *self, struct hub__waiter *waiter,
                        const struct hub__wait_kind *kind, const void *object,
                        unsigned flags)
{
    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    mp__hub->waiter_init(waiter);
    waiter->kind = kind;
    waiter->object = object;
    if ((flags & MP_INTERRUPTIBLE) && (self == &mp__main || self->host))
        waiter->interruptible = flags & MP_RESTARTS
                                    ? HUB_INTERRUPTED_UNLESS_RESTART
                                    : HUB_ALWAYS_INTERRUPTED;
    self->parked = waiter;
    self->parked_flags = flags;
    if ((flags & (MP_CANCEL | MP_CANCEL_ENDS)) ||
        self->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
        self->waiter = waiter;
    mp__count(parks);
}

void mp__runs_again(struct mp__thread *self)
{
    if (unlikely(mp__signal_stacks || mp__signal_own || mp__cpu_clocks) &&
        self == mp__self) {
        if (mp__signal_stacks)
            mp__signal_stack_enter(self);
        if (mp__signal_own)
            mp__signal_own_enter(self);
        if (mp__cpu_clocks)
            mp__cpu_switch(self);
    }
    if (unlikely((self->signals_pending & ~self->signal_mask) != 0))
        mp__signals_deliver(self);
}

/* ... and after it runs again. */
static void wait_ends(struct mp__thread *self)
{
    self->waiter = NULL;
    self->parked = NULL;
    mp__runs_again(self);
}

/* A greenlet of the program's own, and no thread: hub_kill() ends its wait, and
 * it is told so. */
static bool is_killable(const struct mp__thread *self)
{
    return unlikely(mp__hosts) && (self->host || mp__hub->owner_id() != 0);
}

/* A cancelled wait unwinds when nothing of it is linked any more. */
static int wait_result(struct mp__thread *self, int rc, unsigned flags)
{
    if ((flags & MP_CANCEL) || self->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS)
        mp__testcancel();
    return rc == -ECANCELED && !is_killable(self) ? -EINTR : rc;
}

/* A wait of a killable greenlet that may be cancelled ends by hub_kill() too. */
static int park(struct mp__thread *self, struct hub__waiter *waiter,
                int64_t deadline, unsigned flags)
{
    if (unlikely(mp__real_time_was_set))
        deadline = mp__real_time_now(deadline);
    if ((flags & MP_CANCEL) != 0 && is_killable(self))
        return mp__hub->park_cancelable(waiter, deadline);
    return mp__hub->park(waiter, deadline);
}

/* What the hub knows nothing of may end the wait: a thread that unlocks, a signal
 * handler.  Its loop has something to wait for. */
static void expect(struct hub *hub, int by)
{
    if (unlikely(mp__hosts) && hub != NULL)
        hub->active += by;
}

static int watch_and_park(struct mp__thread *self, struct hub__fd_wait *wait,
                          int64_t deadline, unsigned flags)
{
    struct hub *hub = self->identity->os->hub;
    int failed = mp__hub->watch(hub, wait), rc;

    /* One that has been woken meanwhile, by a signal, is on its way to run. */
    if (failed < 0 && mp__hub->waiter_close(wait->waiter))
        return failed;
    rc = park(self, wait->waiter, deadline, flags);
    if (failed < 0)
        return failed;
    mp__hub->unwatch(hub, wait);
    return rc;
}

int mp__wait_fd(int *fd, int events, int64_t deadline, unsigned flags)
{
    struct mp__thread *self = mp__here;
    struct hub__waiter waiter;
    struct hub__fd_wait wait = { .waiter = &waiter,
                                 .fd = *fd,
                                 .events = (uint8_t)events,
                                 .exclusive = 1 };
    int rc;

    if (flags & MP_CANCEL)
        mp__testcancel();
    wait_begins(self, &waiter, &waits_for_fd, (void *)(intptr_t)*fd, flags);
    if (unlikely(flags & MP_WRITER))
        mp__io_writer_parks((struct mp__io *)(void *)fd, &waiter);
    rc = watch_and_park(self, &wait, deadline, flags);
    if (unlikely(flags & MP_WRITER))
        mp__io_writer_runs((struct mp__io *)(void *)fd);
    wait_ends(self);
    if (unlikely(wait.fd != *fd)) {
        if ((flags & MP_CANCEL) && cancel_is_due(self))
            mp__hub->fd_release(wait.fd);
        *fd = wait.fd;
    }
    return wait_result(self, rc, flags);
}

void mp__wait_done(int original, int fd)
{
    if (unlikely(fd != original))
        mp__hub->fd_release(fd);
}

int mp__wait_fds(struct hub__fd_wait *waits, unsigned count, int64_t deadline,
                 unsigned flags)
{
    struct mp__thread *self = mp__here;
    struct hub *hub = self->identity->os->hub;
    struct hub__waiter waiter;
    unsigned watched = 0;
    int rc = 0;

    if (flags & MP_CANCEL)
        mp__testcancel();
    wait_begins(self, &waiter, &waits_for_fds, NULL, flags);
    for (; watched < count && rc == 0; watched++) {
        waits[watched].waiter = &waiter;
        waits[watched].exclusive = 0;
        rc = mp__hub->watch(hub, &waits[watched]);
    }
    expect(waiter.hub, 1);
    if (rc == 0 || !mp__hub->waiter_close(&waiter))
        rc = park(self, &waiter, deadline, flags);
    expect(waiter.hub, -1);
    while (watched-- > 0)
        mp__hub->unwatch(hub, &waits[watched]);
    wait_ends(self);
    return wait_result(self, rc, flags);
}

int mp__sleep_until(int64_t deadline, unsigned flags)
{
    struct mp__thread *self = mp__here;
    struct hub__waiter waiter;
    int rc;

    if (flags & MP_CANCEL)
        mp__testcancel();
    wait_begins(self, &waiter, &waits_for_time, NULL, flags);
    expect(waiter.hub, 1);
    rc = park(self, &waiter, deadline, flags);
    expect(waiter.hub, -1);
    wait_ends(self);
    return wait_result(self, rc, flags);
}

/* Who sleeps in the kernel on a lot word. */
static uint32_t kernel_waiters;

/* While nothing is mapped all threads are real and a futex of the kernel's does;
 * and for those without a hub where others have one.  It ends when a signal's
 * handler has run, and a handler may wake. */
static int kernel_wait(uint32_t *address, uint32_t expected, int64_t deadline,
                       uint32_t bits)
{
    struct timespec until;
    unsigned clock = mp__futex_until(deadline, &until);
    int rc;

    __atomic_add_fetch(&kernel_waiters, 1, __ATOMIC_SEQ_CST);
    rc = (int)SYS_CALL(SYS_futex, address, FUTEX_WAIT_BITSET_PRIVATE | clock,
                       expected, deadline == HUB_FOREVER ? NULL : &until, NULL,
                       bits);
    __atomic_sub_fetch(&kernel_waiters, 1, __ATOMIC_SEQ_CST);
    return rc;
}

static int kernel_wake(uint32_t *address, int n)
{
    return (int)SYS_CALL(SYS_futex, address, FUTEX_WAKE_PRIVATE, n, NULL, NULL,
                         0);
}

static void native_wait_left(bool *noted)
{
    if (*noted)
        mp__native_wait_ends();
}

static inline void choose(struct hub__waiter *waiter, uint32_t bits)
{
    if (bits == FUTEX_BITSET_MATCH_ANY)
        return;
    waiter->chooses = 1;
    waiter->bits = bits;
}

/* Cancellation of a real thread is libc's: it only looks when it is woken. */
static int real_thread_waits(uint32_t *address, uint32_t expected,
                             int64_t deadline, unsigned flags, uint32_t bits)
{
    __attribute__((cleanup(native_wait_left))) bool noted = false;
    struct hub__waiter waiter;
    int rc;

    mp__hub->waiter_init(&waiter);
    choose(&waiter, bits);
    if ((flags & MP_CANCEL) == 0 || mp__in_vfork_child != 0)
        return mp__hub->lot_wait_on(&waiter, address, expected, deadline);
    noted = mp__native_wait_begins(&waiter);
    mp__real.pthread_testcancel();
    rc = mp__hub->lot_wait_on(&waiter, address, expected, deadline);
    mp__real.pthread_testcancel();
    return rc == -ECANCELED ? -EINTR : rc;
}

static inline __attribute__((always_inline)) int
lot_wait(uint32_t *address, uint32_t expected, int64_t deadline, unsigned flags,
         uint32_t bits)
{
    struct mp__thread *self = mp__here;
    struct hub__waiter waiter;
    int rc;

    if (unlikely(mp__self_offset == 0) || (self == NULL && mp__hosts))
        return kernel_wait(address, expected, deadline, bits);
    if (self == NULL || unlikely(mp__in_vfork_child != 0))
        return real_thread_waits(address, expected, deadline, flags, bits);
    if (flags & MP_CANCEL)
        mp__testcancel();
    if ((flags & MP_CANCEL_ENDS) && cancel_is_due(self))
        return -EINTR;
    if (unlikely(mp__real_time_was_set))
        deadline = mp__real_time_now(deadline);
    wait_begins(self, &waiter, &waits_for_lot[MP_OF(flags)].kind,
                (char *)address - waits_for_lot[MP_OF(flags)].at, flags);
    waiter.first = (flags & MP_FIRST) != 0;
    choose(&waiter, bits);
    expect(waiter.hub, 1);
    /* hub_kill() ends no wait for a lock, whose callers would ask again. */
    if ((flags & MP_CANCEL_ENDS) && is_killable(self))
        rc = mp__hub->lot_wait_cancelable(&waiter, address, expected, deadline);
    else
        rc = mp__hub->lot_wait_on(&waiter, address, expected, deadline);
    expect(waiter.hub, -1);
    wait_ends(self);
    return wait_result(self, rc, flags);
}

int mp__lot_wait(uint32_t *address, uint32_t expected, int64_t deadline,
                 unsigned flags)
{
    return lot_wait(address, expected, deadline, flags, FUTEX_BITSET_MATCH_ANY);
}

int mp__lot_wait_bits(uint32_t *address, uint32_t expected, int64_t deadline,
                      unsigned flags, uint32_t bits)
{
    return lot_wait(address, expected, deadline, flags, bits);
}

int mp__lot_wake(uint32_t *address, int n)
{
    static uint32_t turn; /* of everybody: neither kind is always the second */
    int woken = 0;

    if (unlikely(mp__self_offset == 0))
        return kernel_wake(address, n);
    if (unlikely(__atomic_load_n(&kernel_waiters, __ATOMIC_SEQ_CST) != 0) &&
        (__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) & 1) != 0)
        woken = kernel_wake(address, n);
    if (woken < n)
        woken += mp__hub->lot_wake(address, n - woken);
    /* A thread that is not ours may sleep since before the first mapped one. */
    if (woken < n && __atomic_load_n(&kernel_waiters, __ATOMIC_SEQ_CST) != 0)
        woken += kernel_wake(address, n - woken);
    return woken;
}

/* A call on a helper, and what it raised there. */
struct helped_call {
    void (*function)(void *);
    void *arg;
    struct mp__raised raised;
};

static void call_on_helper(void *arg)
{
    struct helped_call *call = arg;

    call->function(call->arg);
    mp__raised_take(&call->raised);
}

/* Without a helper to be had everybody stops. */
static void offload(struct helped_call *call, enum hub__offload_kind kind)
{
    mp__count(offloads);
    if (mp__hub->offload(call_on_helper, call, kind) == 0)
        return;
    mp__count(native_waits);
    call->function(call->arg);
}

int mp__offload(void (*function)(void *), void *arg,
                enum hub__offload_kind kind)
{
    struct helped_call call;

    if (mp__here == NULL || !mp__may_park()) {
        function(arg);
        return 0;
    }
    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    call.function = function;
    call.arg = arg;
    call.raised.count = 0;
    offload(&call, kind);
    if (unlikely(mp__self == NULL))
        return 0;
    mp__runs_again(mp__self);
    mp__raised_give(&call.raised);
    return 0;
}

void mp__yield(void)
{
    if (mp__may_park())
        mp__yield_now();
}

void mp__yield_now(void)
{
    struct mp__thread *self = mp__here;
    const struct hub *hub = self->identity->os->hub;

    if (unlikely(hub->critical != 0))
        return; /* in a handler that came while its lists were changed */
    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    self->yields = true;
    mp__hub->yield();
    self->yields = false;
    if (likely(mp__self != NULL))
        mp__runs_again(mp__self);
}

/* Asked: mp__may_park(), and that hub->critical is 0. */
bool mp__hog_gives_way(bool first)
{
    struct mp__thread *self = mp__here;
    bool granted;

    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    self->yields = true;
    granted = mp__hub->hog_gives_way(self->identity->os->hub, first);
    self->yields = false;
    if (likely(mp__self != NULL))
        mp__runs_again(mp__self);
    return granted;
}
