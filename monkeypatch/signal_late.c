/* signal_late.c - signals that come while the library's own code runs
 *
 * A handler may leave by siglongjmp(), out of read() or sleep(), which must not
 * cut this library off in the middle of a switch or of a list.  So a signal for
 * the running thread that interrupts our own code is kept for it, and its
 * handler runs where that code is left: at the end of a wait, or, found by a timer
 * that looks again soon, in the program's code, to which the kernel then brings
 * it anew.  A switch without FSGSBASE is a system call, at whose end signals
 * come with preference.
 *
 * Where a wrapper makes the program's call it is not kept: what that call raises
 * (SIGPIPE, SIGIO, ...) is handled before it returns. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/sys.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks are first at once and then rarer.  Who is still in the library after the
 * last one, a second later, is stuck in a call there: the handler ends it. */
enum { LOOK_NS = 20000, LOOK_MOST_NS = 10000000, LOOKS = 100 };

struct range {
    uintptr_t begin, end;
};

static struct range wrappers, runtime; /* libvireo-preload.so, libvireo.so */
static int signal_number; /* of all timers */

static bool find(struct range *range, const void *address)
{
    struct dl_find_object found;

    if (mp__find_object == NULL ||
        mp__find_object((void *)(uintptr_t)address, &found) != 0)
        return false;
    range->begin = (uintptr_t)found.dlfo_map_start;
    range->end = (uintptr_t)found.dlfo_map_end;
    return true;
}

static bool make_timer(struct mp__carrier *carrier)
{
    struct sigevent event;

    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal_number;
    event.sigev_value.sival_ptr = carrier;
    event._sigev_un._tid = (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return SYS_CALL(SYS_timer_create, CLOCK_MONOTONIC, &event,
                    &carrier->late, 0, 0, 0) == 0;
}

void mp__late_begin(struct mp__carrier *carrier, int number)
{
    signal_number = number;
    if (!find(&wrappers, (void *)(uintptr_t)mp__late_begin) ||
        !find(&runtime, (void *)(uintptr_t)mp__hub->wake) ||
        !make_timer(carrier))
        carrier->late = -1;
}

bool mp__late_is(const siginfo_t *info)
{
    struct mp__carrier *own = mp__carrier_now();

    return own != NULL &&
           ((info->si_code == SI_TIMER && info->si_value.sival_ptr == own) ||
            mp__carrier_is(&own->late_poked, info));
}

void mp__late_poke(struct mp__carrier *carrier)
{
    if (carrier->late >= 0)
        mp__carrier_send(carrier, &carrier->late_poked);
}

static bool has(const struct range *range, uintptr_t pc)
{
    return pc >= range->begin && pc < range->end;
}

/* `running` is NULL in the hub; others have `parked` from before a wait until
 * after it, and `yields`.  In between it is all the library's, with what that
 * calls of libc's (epoll_ctl() of a descriptor that has been put on the hub's list,
 * the clock): but not the program's own code, which was jumped to out of a wait
 * that could not end. */
static bool in_library(const struct mp__thread *running,
                       const ucontext_t *context)
{
    const struct hub *hub = mp__carrier_now()->hub;
    uintptr_t pc = CONTEXT_PC(context);

    if (hub->critical != 0 || has(&runtime, pc))
        return true;
    if (running == NULL)
        return has(&wrappers, pc);
    return (running->parked != NULL || running->yields) &&
           !mp__preempt_in_program(pc);
}

static void look_again(struct mp__carrier *own)
{
    long ns = own->looks < 9 ? (long)LOOK_NS << own->looks : LOOK_MOST_NS;
    struct itimerspec in = { { 0, 0 }, { 0, ns } };

    own->looks++;
    SYS_CALL(SYS_timer_settime, own->late, 0, &in, NULL, 0, 0);
}

bool mp__late_keeps(const struct mp__thread *running,
                    const ucontext_t *context, bool in_list)
{
    struct mp__carrier *own = mp__carrier_now();

    if (own->insists || own->late < 0 ||
        (!in_list && !in_library(running, context))) {
        own->insists = false;
        return false;
    }
    own->looks = 0;
    look_again(own);
    return true;
}

/* Blocked until the handler that calls this returns: then they come where that
 * one came. */
static void bring_anew(struct mp__thread *self)
{
    siginfo_t info;

    while (mp__signal_dequeue(self, ~self->signal_mask, &info)) {
        uint64_t bit = mp__signal_bit(info.si_signo);
        long pid = SYS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
        long tid = SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);

        SYS_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, sizeof bit, 0, 0);
        if (SYS_CALL(SYS_rt_tgsigqueueinfo, pid, tid, info.si_signo, &info, 0,
                     0) != 0)
            SYS_CALL(SYS_tgkill, pid, tid, info.si_signo, 0, 0, 0);
    }
}

/* It has begun to wait since: as if the signal came now. */
static void end_wait_of(struct mp__thread *thread)
{
    uint64_t due = thread->signals_pending & ~thread->signal_mask;
    bool restarts;

    if (due == 0)
        return;
    mp__signal_has_handler(__builtin_ctzll(due) + 1, &restarts);
    mp__end_wait(thread, restarts ? MP_END_RESTART : MP_END_INTERRUPT);
    if (thread == &mp__main)
        mp__hub->signal_seen(thread->carrier->hub, restarts);
}

static void end_waits(const struct mp__thread *running)
{
    const struct mp__carrier *own = mp__carrier_now();
    struct mp__thread *thread;

    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if (thread != running && thread->carrier == own)
            end_wait_of(thread);
}

/* Until the handler returns: else the next comes on top of it, and again. */
static void let_none_in(void)
{
    const uint64_t every = ~(uint64_t)0;

    SYS_CALL(SYS_rt_sigprocmask, SIG_BLOCK, &every, NULL, sizeof every, 0, 0);
}

void mp__late_look(struct mp__thread *running, const siginfo_t *info,
                   const ucontext_t *context)
{
    struct mp__carrier *own = mp__carrier_now();
    bool in;

    let_none_in();
    mp__carrier_takes(&own->late_poked, info);
    if (own->late < 0)
        return;
    in = mp__all_is_held() || in_library(running, context);
    if ((in && own->looks < LOOKS) || !mp__all_try()) {
        look_again(own);
        return;
    }
    own->insists = in;
    end_waits(running);
    mp__all_unlock();
    if (running != NULL)
        bring_anew(running);
    own->looks = 0;
}
