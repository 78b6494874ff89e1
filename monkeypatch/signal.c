/* signal.c - handlers and masks of threads that share one kernel thread
 *
 * Handlers: from the first mapped thread on the kernel is given ours, which
 * notes that a handler ran (waits of the main thread end with EINTR, as signal(7)
 * has it) and calls the program's.
 *
 * Masks: each thread has its own word; the kernel thread blocks what all of
 * them block, so that a signal that one thread lets through arrives. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIGNALS 64

struct action {
    union {
        void (*simple)(int);
        void (*full)(int, siginfo_t *, void *);
    } handler;
    int flags;
    sigset_t mask;
};

static struct action actions[SIGNALS + 1]; /* the program's; valid if mapped */
static unsigned blocked_by[SIGNALS];       /* threads whose mask has the bit */
static unsigned counted;                   /* threads */
static uint64_t applied;                   /* the kernel thread's mask */

uint32_t mp__handlers_run; /* how many, round and round */
uint32_t mp__handlers_interrupting;

static bool is_handler(void (*handler)(int))
{
    return handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR;
}

static uint64_t bit_of(int number)
{
    return (uint64_t)1 << (number - 1);
}

/* ---- handlers ---- */

static void run_handler(int number, siginfo_t *info, void *context)
{
    struct mp__thread *self = mp__self;
    void *outer = self != NULL ? self->handler_frame : NULL;
    struct action action = actions[number];
    int saved = errno;

    __atomic_add_fetch(&mp__handlers_run, 1, __ATOMIC_SEQ_CST);
    if (!(action.flags & SA_RESTART))
        __atomic_add_fetch(&mp__handlers_interrupting, 1, __ATOMIC_SEQ_CST);
    if (action.flags & SA_RESETHAND)
        actions[number].handler.simple = SIG_DFL;
    if (number == SIGSEGV)
        mp__hub->overflow_report(info->si_addr);
    if ((mp__main.signal_mask & bit_of(number)) == 0)
        mp__hub->signal_seen(mp__main.identity->os->hub,
                             (action.flags & SA_RESTART) != 0);
    errno = saved;
    if (self != NULL)
        self->handler_frame = __builtin_frame_address(0);
    if (action.flags & SA_SIGINFO)
        action.handler.full(number, info, context);
    else if (is_handler(action.handler.simple))
        action.handler.simple(number);
    if (self != NULL)
        self->handler_frame = outer;
}

bool mp__signal_has_handler(int number, bool *restarts)
{
    *restarts = (actions[number].flags & SA_RESTART) != 0;
    return is_handler(actions[number].handler.simple);
}

/* What the kernel calls. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    bool restarts = (actions[number].flags & SA_RESTART) != 0;
    int saved = errno;

    if (mp__signal_hand_over(number, info, restarts))
        mp__hub->signal_seen(mp__main.identity->os->hub, restarts);
    else
        run_handler(number, info, context);
    errno = saved;
}

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

static struct sigaction ours_for(const struct sigaction *wanted)
{
    struct sigaction action = *wanted;

    if (is_handler(wanted->sa_handler)) {
        action.sa_sigaction = on_signal;
        action.sa_flags |= SA_SIGINFO;
    }
    return action;
}

static int set_action(int number, const struct sigaction *action,
                      struct sigaction *old)
{
    struct sigaction before, ours;
    int rc;

    if (mp__self == NULL || mp__in_vfork_child || number < 1 ||
        number > SIGNALS)
        return mp__real.sigaction(number, action, old);
    recall(number, &before);
    if (action != NULL) {
        struct action kept = actions[number];

        /* The table first: the signal may come at once. */
        ours = ours_for(action);
        remember(number, action);
        rc = mp__real.sigaction(number, &ours, NULL);
        if (rc < 0)
            actions[number] = kept;
    } else {
        rc = mp__real.sigaction(number, NULL, &ours);
    }
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
    if (handler == SIG_ERR || number < 1 || number > SIGNALS) {
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

/* ---- masks ---- */

static uint64_t word_of(const sigset_t *set)
{
    uint64_t word;

    memcpy(&word, set, sizeof word);
    return word;
}

static void kernel_mask(int how, uint64_t word)
{
    if (word != 0 || how == SIG_SETMASK)
        mp__real.syscall(SYS_rt_sigprocmask, how, &word, NULL, sizeof word);
}

static void apply(void)
{
    uint64_t wanted = 0;

    for (unsigned i = 0; i < SIGNALS; i++)
        if (blocked_by[i] == counted)
            wanted |= (uint64_t)1 << i;
    kernel_mask(SIG_BLOCK, wanted & ~applied);
    kernel_mask(SIG_UNBLOCK, applied & ~wanted);
    applied = wanted;
}

static unsigned bits_blocked; /* sum of blocked_by: 0 in most programs */

/* All threads block what the kernel thread does and nothing more: then one more
 * or one less of them changes nothing. */
static bool all_masks_equal(void)
{
    return bits_blocked ==
           counted * (unsigned)__builtin_popcountll(applied);
}

static void count(uint64_t word, int by)
{
    bits_blocked += (unsigned)(__builtin_popcountll(word) * by);
    for (; word != 0; word &= word - 1)
        blocked_by[__builtin_ctzll(word)] += (unsigned)by;
}

static int change_mask(int how, const sigset_t *set, sigset_t *old)
{
    /* glibc's own two real-time signals cannot be blocked. */
    const uint64_t internal = (uint64_t)3 << 31;
    struct mp__thread *self = mp__self;
    uint64_t before = self->signal_mask, word = before;

    if (set != NULL) {
        uint64_t given = word_of(set) & ~internal;

        if (how == SIG_BLOCK)
            word |= given;
        else if (how == SIG_UNBLOCK)
            word &= ~given;
        else if (how == SIG_SETMASK)
            word = given;
        else
            return EINVAL;
    }
    if (old != NULL) {
        memset(old, 0, sizeof *old);
        memcpy(old, &before, sizeof before);
    }
    if (word == before)
        return 0;
    count(before & ~word, -1);
    count(word & ~before, 1);
    self->signal_mask = word;
    apply();
    if (unlikely((self->signals_pending & ~word) != 0))
        mp__signals_deliver(self);
    return 0;
}

/* What the kernel does around a handler, with its mask: that is what libc's
 * sigsetjmp() has saved and siglongjmp() out of the handler brings back. */
void mp__signal_run(int number, siginfo_t *info, void *context)
{
    struct action action = actions[number];

    if ((action.flags & SA_NODEFER) == 0)
        sigaddset(&action.mask, number);
    kernel_mask(SIG_BLOCK, word_of(&action.mask));
    run_handler(number, info, context);
    kernel_mask(SIG_SETMASK, applied);
}

MP_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    int saved = errno, rc;

    mp__init();
    if (mp__self == NULL || mp__in_vfork_child)
        return mp__real.pthread_sigmask(how, set, old);
    rc = change_mask(how, set, old);
    errno = saved;
    return rc;
}

MP_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    int rc = pthread_sigmask(how, set, old);

    return rc != 0 ? mp__fail(-rc) : 0;
}

/* vfork.S: the child must have its parent's own mask, since a handler in it
 * would change the parent's memory. */
void mp__vfork_begins(void) __attribute__((visibility("hidden")));
void mp__vfork_ends(void) __attribute__((visibility("hidden")));

void mp__vfork_begins(void)
{
    mp__fd_shared(); /* before the child has them */
    mp__init();
    if (mp__self != NULL)
        kernel_mask(SIG_SETMASK, mp__self->signal_mask);
}

void mp__vfork_ends(void)
{
    if (mp__self != NULL)
        kernel_mask(SIG_SETMASK, applied);
}

/* ---- life of threads ---- */

uint64_t mp__signals_mask(void)
{
    return applied;
}

void mp__signals_start(void)
{
    for (int number = 1; number <= SIGNALS; number++) {
        struct sigaction now, ours;

        if (number == 32 || number == 33 ||
            mp__real.sigaction(number, NULL, &now) < 0)
            continue;
        remember(number, &now);
        if (!is_handler(now.sa_handler))
            continue;
        ours = ours_for(&now);
        mp__real.sigaction(number, &ours, NULL);
    }
    mp__hub->overflow_watch();
    mp__real.syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &applied,
                     sizeof applied);
    mp__main.signal_mask = applied;
    counted = 1;
    count(applied, 1);
}

/* It inherits its maker's mask: what all blocked before, all block now. */
void mp__signals_thread_begins(struct mp__thread *thread)
{
    thread->signal_mask = mp__self->signal_mask;
    counted++;
    if (unlikely(thread->signal_mask != 0))
        count(thread->signal_mask, 1);
}

void mp__signals_thread_ends(struct mp__thread *thread)
{
    counted--;
    if (thread->signal_mask != 0)
        count(thread->signal_mask, -1);
    if (counted > 0 && !all_masks_equal())
        apply();
}

void mp__signals_forked(struct mp__thread *self)
{
    memset(blocked_by, 0, sizeof blocked_by);
    bits_blocked = 0;
    counted = 1;
    count(self->signal_mask, 1);
    applied = self->signal_mask;
    kernel_mask(SIG_SETMASK, applied);
}
