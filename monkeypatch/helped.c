/* helped.c - a real thread for one wait, which a signal of ours ends
 *
 * The thread blocks all signals but one, which nobody else uses and whose handler
 * does nothing: a system call that waits ends with EINTR then.  The program is
 * not shown that handler (signal.c shows it its own table); should it ask for
 * this very signal later, another is taken for the waits that begin then. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/helped.h"
#include "monkeypatch/own_thread.h"
#include "monkeypatch/signal_own.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define AGAIN_NS 1000000 /* the thread may not have been in its call yet */

/* Never freed, only used again: a wake that comes late harms nobody. */
struct helped {
    struct helped *next;
    mp__helped_call *function;
    void *call;
    long rc;
    uint32_t done; /* lot word */
    uint32_t stop; /* atomic */
    uint32_t tid;  /* atomic; 0: not running yet */
    int kick;      /* the signal that ends its calls; <= 0: none */
    struct mp__raised raised;
};

static struct helped *unused;
static bool lock;
static int chosen; /* the signal; 0: none yet, -1: none is free */

static struct helped *take(void)
{
    struct helped *helped;

    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        continue;
    helped = unused;
    if (helped != NULL)
        unused = helped->next;
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    return helped != NULL ? helped : malloc(sizeof *helped);
}

static void give_back(struct helped *helped)
{
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        continue;
    helped->next = unused;
    unused = helped;
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* ---- the signal ---- */

static void on_kick(int number)
{
    (void)number;
}

bool mp__helped_handler(void (*handler)(int))
{
    return handler == on_kick;
}

static bool is_ours(int number)
{
    struct sigaction now;

    return mp__real.sigaction(number, NULL, &now) == 0 &&
           mp__helped_handler(now.sa_handler);
}

static int choose(void)
{
    struct sigaction now, ours = { .sa_handler = on_kick };

    if (chosen < 0 || (chosen > 0 && is_ours(chosen)))
        return chosen;
    sigfillset(&ours.sa_mask);
    for (int number = SIGRTMAX - 2; number > SIGRTMIN + 2; number--)
        if (mp__real.sigaction(number, NULL, &now) == 0 &&
            now.sa_handler == SIG_DFL &&
            mp__real.sigaction(number, &ours, NULL) == 0)
            return chosen = number;
    return chosen = -1;
}

/* ---- the thread ---- */

static void *help(void *arg)
{
    struct helped *helped = arg;
    long rc = -EINTR;

    __atomic_store_n(&helped->tid,
                     (uint32_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0),
                     __ATOMIC_RELEASE);
    while (rc == -EINTR && !__atomic_load_n(&helped->stop, __ATOMIC_ACQUIRE))
        rc = helped->function(helped->call);
    helped->rc = rc;
    mp__raised_take(&helped->raised);
    __atomic_store_n(&helped->done, 1, __ATOMIC_RELEASE);
    mp__lot_wake(&helped->done, INT_MAX);
    return NULL;
}

static int start(struct helped *helped)
{
    helped->kick = choose();
    return mp__own_thread(help, helped, helped->kick, NULL);
}

static bool is_done(struct helped *helped)
{
    return __atomic_load_n(&helped->done, __ATOMIC_ACQUIRE) != 0;
}

/* End its call, if it is still in it, and wait for it. */
static void stop(struct helped *job)
{
    __atomic_store_n(&job->stop, 1, __ATOMIC_RELEASE);
    while (!is_done(job)) {
        uint32_t tid = __atomic_load_n(&job->tid, __ATOMIC_ACQUIRE);

        if (tid != 0 && job->kick > 0 && is_ours(job->kick))
            SYS_CALL(SYS_tgkill, getpid(), tid, job->kick, 0, 0, 0);
        mp__lot_wait(&job->done, 0, mp__now() + AGAIN_NS, 0);
    }
}

static void finish(struct helped **helped)
{
    int before = errno;

    stop(*helped);
    give_back(*helped);
    errno = before;
}

static uint32_t handlers(unsigned flags)
{
    return __atomic_load_n(mp__handler_count((flags & MP_RESTARTS) != 0),
                           __ATOMIC_SEQ_CST);
}

/* Nobody unwinds in the wait: what the call has done by then is the caller's to
 * have, and its thread is cancelled later. */
static int wait_until_done(struct helped *helped, unsigned flags,
                           uint32_t before)
{
    unsigned how = (flags & ~(unsigned)MP_CANCEL) |
                   (flags & MP_CANCEL ? MP_CANCEL_ENDS : 0);
    int rc = 0;

    while (!is_done(helped) && rc != -EINTR && rc != -ECANCELED) {
        if ((flags & MP_INTERRUPTIBLE) && handlers(flags) != before)
            return -EINTR;
        rc = mp__lot_wait(&helped->done, 0, HUB_FOREVER, how);
    }
    return rc;
}

/* Its result outlives it: it may be used again as soon as it is given back. */
static long wait_for(struct helped *helped, unsigned flags, uint32_t before)
{
    struct mp__raised raised;
    long result;
    int rc;

    {
        __attribute__((cleanup(finish))) struct helped *guard = helped;

        rc = wait_until_done(guard, flags, before);
        stop(guard);
        result = guard->rc;
        raised = guard->raised;
    }
    mp__raised_give(&raised);
    if (result != -EINTR)
        return result;
    if (flags & MP_CANCEL)
        mp__testcancel();
    return rc == -ECANCELED ? rc : result;
}

long mp__helped_wait(mp__helped_call *function, void *call, unsigned flags)
{
    uint32_t before = handlers(flags);
    struct helped *helped;

    if (flags & MP_CANCEL)
        mp__testcancel();
    helped = mp__may_park() ? take() : NULL;
    if (helped == NULL)
        return function(call);
    *helped = (struct helped){ .function = function, .call = call };
    mp__count(offloads);
    if (start(helped) != 0) {
        give_back(helped);
        mp__count(native_waits);
        return function(call);
    }
    return wait_for(helped, flags, before);
}

/* Another thread may have held it. */
void mp__helped_forked(void)
{
    lock = false;
}
