/* signal.c - handlers of threads that share one kernel thread
 *
 * From the first mapped thread on the kernel is given ours, which finds the
 * thread that the signal is for.  If that one runs just now, its handler runs
 * at once; else the signal waits for it (signal_queue.c) and ends its wait.
 *
 * Of a signal to the process: the thread that runs, if it does not block it,
 * else main, else any that does not.  A handler that runs on another thread
 * than main ends waits of main, too, since natively it would be main's.
 *
 * Where threads are real and have hubs (host.c) the kernel gives a signal to the
 * thread it takes, with its mask.  Ours calls the program's handler, and ends the
 * waits of that thread's greenlets. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/sys.h"

#include <stdlib.h>
#include <unistd.h>

struct action {
    union {
        void (*simple)(int);
        void (*full)(int, siginfo_t *, void *);
    } handler;
    int flags;
    sigset_t mask;
};

static struct action actions[MP_SIGNALS + 1]; /* the program's, if tracked */

uint32_t mp__handlers_run;

static bool is_handler(void (*handler)(int))
{
    return handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR;
}

bool mp__signal_has_handler(int number, bool *restarts)
{
    *restarts = (actions[number].flags & SA_RESTART) != 0;
    return is_handler(actions[number].handler.simple);
}

int mp__signal_flags(int number)
{
    return actions[number].flags;
}

bool mp__signal_is_ignored(int number)
{
    void (*handler)(int) = actions[number].handler.simple;

    return handler == SIG_IGN ||
           (handler == SIG_DFL && (number == SIGCHLD || number == SIGURG ||
                                   number == SIGWINCH || number == SIGCONT));
}

/* ---- running one ---- */

/* Another thread may be setting one. */
static struct action action_now(int number)
{
    struct action *kept = &actions[number], action = { .mask = kept->mask };

    action.handler.simple =
        __atomic_load_n(&kept->handler.simple, __ATOMIC_ACQUIRE);
    action.flags = __atomic_load_n(&kept->flags, __ATOMIC_RELAXED);
    return action;
}

/* Both kinds get all that the full one wants, as the kernel has it.
 * handler_frame: preempt.c lets it go on to its end. */
static void call(const struct action *action, int number, siginfo_t *info,
                 void *context)
{
    struct mp__thread *self = mp__self;
    void *outer = self != NULL ? self->handler_frame : NULL;

    if (self != NULL) {
        mp__gate_remove(self, context);
        self->handler_frame = __builtin_frame_address(0);
    }
    if (is_handler(action->handler.simple))
        action->handler.full(number, info, context);
    if (self != NULL)
        self->handler_frame = outer;
}

static void count_run(struct mp__thread *thread, bool restarts)
{
    __atomic_add_fetch(&thread->handlers_run, 1, __ATOMIC_SEQ_CST);
    if (!restarts)
        __atomic_add_fetch(&thread->handlers_interrupting, 1,
                           __ATOMIC_SEQ_CST);
}

static void end_waits(const struct mp__thread *thread, bool restarts)
{
    struct hub *hub = thread->host ? thread->identity->os->hub
                                   : thread->carrier->hub;

    if (hub != NULL)
        mp__hub->signal_seen(hub, restarts);
}

/* What handlers do to the waits of others.  In the child of a vfork() the hubs are
 * its parent's. */
static void handler_runs(int number, const struct action *action)
{
    bool restarts = (action->flags & SA_RESTART) != 0;

    if (mp__in_vfork_child)
        return;
    __atomic_add_fetch(&mp__handlers_run, 1, __ATOMIC_SEQ_CST);
    count_run(mp__self != NULL ? mp__self : &mp__host, restarts);
    if (mp__here != NULL && mp__here->host)
        end_waits(mp__here, restarts);
    if (mp__main.identity == NULL || mp__main.ended != 0 ||
        (mp__main.signal_mask & mp__signal_bit(number)) != 0)
        return;
    if (mp__self != &mp__main)
        count_run(&mp__main, restarts);
    end_waits(&mp__main, restarts);
}

void mp__signal_forget_handler(int number)
{
    struct sigaction none = { .sa_handler = SIG_DFL };

    actions[number].handler.simple = SIG_DFL;
    mp__real.sigaction(number, &none, NULL);
}

/* The kernel's set is shorter than libc's, and the siginfo begins behind it. */
static void set_kernels(sigset_t *set, uint64_t word)
{
    memcpy(set, &word, sizeof word);
}

/* Who handles overflows of its own is told once, and where natively there would
 * have been more room. */
static void report_overflow(const struct mp__thread *self, const void *address)
{
    static bool reported;
    const struct greenlet__slot *slot;

    if (reported || self == NULL || self->mapped == NULL)
        return;
    slot = &self->identity->main.slot;
    if (slot->size - slot->guard == mp__options.stack)
        reported = mp__hub->overflow_report(address);
}

/* As the kernel does it: the handler may change the mask that is in `context`,
 * which is the thread's when it returns, by `leave`. */
static void run(int number, siginfo_t *info, void *context,
                void (*leave)(struct mp__thread *, uint64_t))
{
    struct action action = action_now(number);
    struct mp__thread *self = mp__self;
    ucontext_t *interrupted = context;
    uint64_t before = self != NULL ? self->signal_mask : 0;
    uint64_t mask = before | mp__signal_word(&action.mask);

    if ((action.flags & SA_NODEFER) == 0)
        mask |= mp__signal_bit(number);
    if (action.flags & (int)SA_RESETHAND)
        mp__signal_forget_handler(number);
    if (number == SIGSEGV && self != NULL)
        report_overflow(self, info->si_addr);
    handler_runs(number, &action);
    if (self == NULL || mp__in_vfork_child) {
        call(&action, number, info, context);
        return;
    }
    set_kernels(&interrupted->uc_sigmask, before);
    mp__signal_mask_set(self, mask);
    call(&action, number, info, context);
    leave(self, mp__signal_word(&interrupted->uc_sigmask));
}

void mp__signal_run(int number, siginfo_t *info, void *context)
{
    run(number, info, context, mp__signal_mask_leave);
}

/* What the kernel calls.  Its own mask is ours to bring back. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    int saved = errno;

    if ((mp__self == NULL && mp__carrier_here == NULL) || mp__in_vfork_child) {
        mp__signal_run(number, info, context);
    } else {
        if (!mp__signal_hand_over(number, info, context))
            run(number, info, context, mp__signal_mask_return);
        set_kernels(&interrupted->uc_sigmask, mp__signal_mask_applied());
    }
    errno = saved;
}

/* ---- sigaction ---- */

static void remember(int number, const struct sigaction *action)
{
    struct action *kept = &actions[number];

    kept->mask = action->sa_mask;
    __atomic_store_n(&kept->flags, action->sa_flags, __ATOMIC_RELAXED);
    __atomic_store_n(&kept->handler.simple, action->sa_handler,
                     __ATOMIC_RELEASE);
}

static void recall(int number, struct sigaction *action)
{
    action->sa_handler = actions[number].handler.simple;
    action->sa_flags = actions[number].flags;
    action->sa_mask = actions[number].mask;
}

/* A handler that is to run once may have to wait for its thread, so the kernel
 * must not forget ours. */
static struct sigaction ours_for(const struct sigaction *wanted)
{
    struct sigaction action = *wanted;

    if (is_handler(wanted->sa_handler)) {
        action.sa_sigaction = on_signal;
        action.sa_flags |= SA_SIGINFO;
        action.sa_flags &= ~(int)SA_RESETHAND;
    }
    return action;
}

static void discard_pending(int number)
{
    struct mp__thread *thread;
    MP_ALL_STAY;

    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        mp__signal_discard(thread, mp__signal_bit(number));
}

static int change_action(int number, const struct sigaction *action,
                         struct sigaction *kernels)
{
    struct action kept = actions[number];
    struct sigaction ours = ours_for(action);
    bool first = is_handler(action->sa_handler);
    int rc;

    /* Ours finds in the table what it is to call: it may come at once, and another
     * thread may be on its way there. */
    if (first)
        remember(number, action);
    rc = mp__real.sigaction(number, &ours, kernels);
    if (rc < 0 && first)
        actions[number] = kept;
    else if (rc == 0 && !first)
        remember(number, action);
    if (rc == 0 && mp__self != NULL && mp__signal_is_ignored(number))
        discard_pending(number);
    return rc;
}

/* Where no threads are mapped a handler of libvireo.so's may be what is there. */
static bool is_in_table(const struct sigaction *kernels)
{
    return (mp__self != NULL && !mp__in_vfork_child) ||
           kernels->sa_sigaction == on_signal;
}

static int change_or_ask(int number, const struct sigaction *action,
                         struct sigaction *kernels)
{
    return action != NULL && mp__signals_tracked()
               ? change_action(number, action, kernels)
               : mp__real.sigaction(number, action, kernels);
}

/* What has come while the library was at work, and is brought a little later, came
 * before this call. */
static void take_what_came(void)
{
    struct mp__thread *self = mp__here;

    if (self != NULL && unlikely((self->signals_pending & ~self->signal_mask) != 0))
        mp__signals_deliver(self);
}

static int set_action(int number, const struct sigaction *action,
                      struct sigaction *old)
{
    struct sigaction before, kernels;
    int rc;

    if (number < 1 || number > MP_SIGNALS)
        return mp__real.sigaction(number, action, old);
    take_what_came();
    recall(number, &before);
    rc = change_or_ask(number, action, &kernels);
    if (rc < 0 || old == NULL)
        return rc;
    *old = is_in_table(&kernels) ? before : kernels;
    if (mp__helped_handler(old->sa_handler))
        old->sa_handler = SIG_DFL;
    return 0;
}

MP_EXPORT int sigaction(int number, const struct sigaction *action,
                        struct sigaction *old)
{
    int rc;

    mp__init();
    rc = set_action(number, action, old);
    if (mp__here != NULL)
        mp__io_spend();
    return rc;
}

MP_SPELLING(sigaction, __sigaction);

/* BSD's meaning, which is glibc's: restarting, not reset. */
MP_EXPORT __sighandler_t signal(int number, __sighandler_t handler)
{
    struct sigaction action = { .sa_handler = handler };
    struct sigaction old;

    mp__init();
    if (!mp__signals_tracked())
        return mp__real.signal(number, handler);
    if (handler == SIG_ERR || number < 1 || number > MP_SIGNALS) {
        errno = EINVAL;
        return SIG_ERR;
    }
    action.sa_flags = mp__signal_interrupts(number) ? 0 : SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, number);
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}
MP_SPELLING(signal, bsd_signal);
MP_SPELLING(signal, ssignal);

/* What the program has set before, or what was set for it. */
static void take_over(int number)
{
    struct sigaction now, ours;

    if (mp__real.sigaction(number, NULL, &now) < 0 ||
        now.sa_sigaction == on_signal)
        return;
    if (mp__helped_handler(now.sa_handler))
        now.sa_handler = SIG_DFL;
    remember(number, &now);
    if (!is_handler(now.sa_handler))
        return;
    ours = ours_for(&now);
    mp__real.sigaction(number, &ours, NULL);
}

void mp__signals_start_hosts(void)
{
    for (int number = 1; number <= MP_SIGNALS; number++)
        if (number != 32 && number != 33)
            take_over(number);
}

void mp__signals_start(void)
{
    mp__signals_start_hosts();
    mp__signal_masks_start();
    mp__signal_stacks_start();
}
