/* signal.c - handlers of threads that share one kernel thread
 *
 * From the first mapped thread on the kernel is given ours, which finds the
 * thread that the signal is for.  If that one runs just now, its handler runs
 * at once; else the signal waits for it (signal_queue.c) and ends its wait.
 *
 * Of a signal to the process: the thread that runs, if it does not block it,
 * else main, else any that does not.  A handler that runs on another thread
 * than main ends waits of main, too, since natively it would be main's. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/signal_impl.h"

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

static struct action actions[MP_SIGNALS + 1]; /* the program's; valid if mapped */

uint32_t mp__handlers_run; /* how many, round and round */
uint32_t mp__handlers_interrupting;

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

/* handler_frame: preempt.c lets it go on to its end. */
static void call(const struct action *action, int number, siginfo_t *info,
                 void *context)
{
    struct mp__thread *self = mp__self;
    void *outer = self != NULL ? self->handler_frame : NULL;

    if (self != NULL)
        self->handler_frame = __builtin_frame_address(0);
    if (action->flags & SA_SIGINFO)
        action->handler.full(number, info, context);
    else if (is_handler(action->handler.simple))
        action->handler.simple(number);
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

/* What handlers do to the waits of others. */
static void handler_runs(int number, const struct action *action)
{
    bool restarts = (action->flags & SA_RESTART) != 0;

    __atomic_add_fetch(&mp__handlers_run, 1, __ATOMIC_SEQ_CST);
    if (!restarts)
        __atomic_add_fetch(&mp__handlers_interrupting, 1, __ATOMIC_SEQ_CST);
    if (mp__self != NULL)
        count_run(mp__self, restarts);
    if ((mp__main.signal_mask & mp__signal_bit(number)) != 0)
        return;
    if (mp__self != &mp__main)
        count_run(&mp__main, restarts);
    mp__hub->signal_seen(mp__main.identity->os->hub, restarts);
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
 * which is the thread's when it returns. */
void mp__signal_run(int number, siginfo_t *info, void *context)
{
    struct action action = actions[number];
    struct mp__thread *self = mp__self;
    ucontext_t *interrupted = context;
    uint64_t before = self != NULL ? self->signal_mask : 0;
    uint64_t mask = before | mp__signal_word(&action.mask);

    if ((action.flags & SA_NODEFER) == 0)
        mask |= mp__signal_bit(number);
    if (action.flags & (int)SA_RESETHAND)
        mp__signal_forget_handler(number);
    if (number == SIGSEGV)
        report_overflow(self, info->si_addr);
    handler_runs(number, &action);
    if (self == NULL || mp__in_vfork_child) {
        call(&action, number, info, context);
        return;
    }
    set_kernels(&interrupted->uc_sigmask, before);
    mp__signal_mask_set(self, mask);
    call(&action, number, info, context);
    mp__signal_mask_set(self, mp__signal_word(&interrupted->uc_sigmask));
}

/* What the kernel calls.  Its own mask is ours to bring back. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    int saved = errno;

    if (mp__self == NULL || mp__in_vfork_child) {
        mp__signal_run(number, info, context);
    } else {
        if (!mp__signal_hand_over(number, info))
            mp__signal_run(number, info, context);
        set_kernels(&interrupted->uc_sigmask, mp__signal_mask_applied());
    }
    errno = saved;
}

/* ---- sigaction ---- */

static void remember(int number, const struct sigaction *action)
{
    actions[number].handler.simple = action->sa_handler;
    actions[number].flags = action->sa_flags;
    actions[number].mask = action->sa_mask;
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

    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        mp__signal_discard(thread, mp__signal_bit(number));
}

static int change_action(int number, const struct sigaction *action)
{
    struct action kept = actions[number];
    struct sigaction ours = ours_for(action);
    int rc;

    /* The table first: the signal may come at once. */
    remember(number, action);
    rc = mp__real.sigaction(number, &ours, NULL);
    if (rc < 0)
        actions[number] = kept;
    else if (mp__signal_is_ignored(number))
        discard_pending(number);
    return rc;
}

static int set_action(int number, const struct sigaction *action,
                      struct sigaction *old)
{
    struct sigaction before, kernels;
    int rc;

    if (mp__self == NULL || mp__in_vfork_child || number < 1 ||
        number > MP_SIGNALS) {
        rc = mp__real.sigaction(number, action, old);
        if (rc == 0 && old != NULL && mp__helped_handler(old->sa_handler))
            old->sa_handler = SIG_DFL;
        return rc;
    }
    recall(number, &before);
    rc = action != NULL ? change_action(number, action)
                        : mp__real.sigaction(number, NULL, &kernels);
    if (rc == 0 && old != NULL)
        *old = before;
    return rc;
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
    if (mp__self == NULL)
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

void mp__signals_start(void)
{
    for (int number = 1; number <= MP_SIGNALS; number++) {
        struct sigaction now, ours;

        if (number == 32 || number == 33 ||
            mp__real.sigaction(number, NULL, &now) < 0)
            continue;
        if (mp__helped_handler(now.sa_handler))
            now.sa_handler = SIG_DFL;
        remember(number, &now);
        if (!is_handler(now.sa_handler))
            continue;
        ours = ours_for(&now);
        mp__real.sigaction(number, &ours, NULL);
    }
    mp__signal_masks_start();
    mp__signal_stacks_start();
}
