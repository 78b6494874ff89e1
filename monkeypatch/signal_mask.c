/* signal_mask.c - a signal mask for each mapped thread
 *
 * Each thread has its own word; a kernel thread blocks what all that it runs block,
 * so that a signal that one thread lets through arrives.  Two signals come from
 * what the running thread calls, and are nobody else's: while one that blocks
 * them runs, so does the kernel thread, and what came is taken from it before
 * another runs.  Each carrier counts its own threads. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/signal_own.h"

#include <stdlib.h>
#include <sys/syscall.h>

bool mp__signal_own;

/* glibc's own two real-time signals, SIGKILL and SIGSTOP cannot be blocked. */
#define NEVER                                                     \
    ((uint64_t)3 << 31 | (uint64_t)1 << (SIGKILL - 1) |           \
     (uint64_t)1 << (SIGSTOP - 1))

/* Of nobody it blocks all that can be: those of the others take them. */
#define FAULTS                                                     \
    (mp__signal_bit(SIGSEGV) | mp__signal_bit(SIGBUS) |            \
     mp__signal_bit(SIGFPE) | mp__signal_bit(SIGILL) |             \
     mp__signal_bit(SIGTRAP) | mp__signal_bit(SIGSYS))

uint64_t mp__signal_mask_applied(void)
{
    const struct mp__carrier *carrier = mp__carrier_now();

    return (carrier != NULL ? carrier : mp__carriers)->applied;
}

static void kernel_mask(uint64_t word)
{
    mp__real.syscall(SYS_rt_sigprocmask, SIG_SETMASK, &word, NULL,
                     sizeof word);
}

/* Write to who does not read, and write beyond the limit. */
#define OWN (mp__signal_bit(SIGPIPE) | mp__signal_bit(SIGXFSZ))

static uint64_t own_of(const struct mp__thread *thread)
{
    return thread != NULL ? thread->signal_mask & OWN : 0;
}

static void find_applied(struct mp__carrier *carrier, struct mp__thread *self)
{
    uint64_t wanted = 0;

    for (unsigned i = 0; i < MP_SIGNALS; i++)
        if (carrier->blocked_by[i] == carrier->counted)
            wanted |= (uint64_t)1 << i;
    if (carrier->counted == 0)
        wanted &= ~(NEVER | FAULTS);
    carrier->common = wanted;
    carrier->holder = self;
    carrier->applied = carrier->common | own_of(self);
}

/* Unblocking lets signals in at once, and their handler asks for `applied`. */
static void apply(struct mp__carrier *carrier, struct mp__thread *self)
{
    find_applied(carrier, self);
    kernel_mask(carrier->applied);
}

/* What the kernel thread has pending of `set`: false, nothing. */
static bool take(uint64_t set, siginfo_t *info)
{
    const struct timespec zero = { 0, 0 };

    return SYS_CALL(SYS_rt_sigtimedwait, &set, info, &zero, sizeof set, 0, 0) >
           0;
}

void mp__raised_take(struct mp__raised *raised)
{
    raised->count = 0;
    while (raised->count < 2 && take(OWN, &raised->info[raised->count]))
        raised->count++;
}

void mp__raised_give(const struct mp__raised *raised)
{
    struct mp__thread *self = mp__self;

    if (likely(raised->count == 0) || self == NULL)
        return;
    for (int i = 0; i < raised->count; i++)
        mp__signal_enqueue(self, &raised->info[i]);
    if ((self->signals_pending & ~self->signal_mask) != 0)
        mp__signals_deliver(self);
}

/* What its calls have raised waits for the thread that has run until now.  On a
 * carrier all threads may block it, and then it is no less that one's. */
static void take_own(const struct mp__carrier *carrier)
{
    uint64_t own = mp__several ? carrier->applied & own_of(carrier->holder)
                               : carrier->applied & ~carrier->common;
    siginfo_t info;

    while (unlikely(own != 0) && carrier->holder != NULL && take(own, &info))
        mp__signal_enqueue(carrier->holder, &info);
}

void mp__signal_own_enter(struct mp__thread *self)
{
    struct mp__carrier *carrier = self->carrier;
    uint64_t wanted = carrier->common | own_of(self);
    int saved = errno;

    if (carrier->holder == self)
        return;
    take_own(carrier);
    carrier->holder = self;
    if (wanted != carrier->applied) {
        carrier->applied = wanted;
        kernel_mask(wanted);
    }
    errno = saved;
}

/* All threads block what the kernel thread does and nothing more: then one more
 * or one less of them changes nothing. */
static bool all_masks_equal(const struct mp__carrier *carrier)
{
    return carrier->applied == carrier->common &&
           carrier->bits_blocked ==
               carrier->counted *
                   (unsigned)__builtin_popcountll(carrier->common);
}

static void count(struct mp__carrier *carrier, uint64_t word, int by)
{
    carrier->bits_blocked += (unsigned)(__builtin_popcountll(word) * by);
    for (; word != 0; word &= word - 1)
        carrier->blocked_by[__builtin_ctzll(word)] += (unsigned)by;
}

/* Leaves the kernel thread with all blocked, and says in `applied` what is wanted. */
static void change_word(struct mp__thread *self, uint64_t word)
{
    struct mp__carrier *carrier = self->carrier;
    uint64_t before, all = ~(uint64_t)0;

    word &= ~NEVER;
    kernel_mask(all); /* a handler that counts, too, must not come between */
    take_own(carrier);
    before = self->signal_mask;
    count(carrier, before & ~word, -1);
    count(carrier, word & ~before, 1);
    self->signal_mask = word;
    if (unlikely((word & OWN) != 0))
        mp__signal_own = true;
    find_applied(carrier, self);
}

static void deliver_unblocked(struct mp__thread *self)
{
    if (unlikely((self->signals_pending & ~self->signal_mask) != 0))
        mp__signals_deliver(self);
}

/* Always by a call of the kernel: the caller may be in a handler, with the mask
 * that the kernel gave it. */
void mp__signal_mask_set(struct mp__thread *self, uint64_t word)
{
    change_word(self, word);
    kernel_mask(self->carrier->applied);
    deliver_unblocked(self);
}

/* Signals that come faster than they are handled would pile up on the stack if they
 * were let in before the frame of this one is gone. */
void mp__signal_mask_return(struct mp__thread *self, uint64_t word)
{
    change_word(self, word);
    if (unlikely((self->signals_pending & ~self->signal_mask) != 0))
        mp__signals_bring(self);
}

/* So, too, what has been kept for the thread: who brings it brings the next. */
void mp__signal_mask_leave(struct mp__thread *self, uint64_t word)
{
    change_word(self, word);
}

void mp__signal_mask_let_in(struct mp__thread *self)
{
    kernel_mask(self->carrier->applied);
}

static int change_mask(int how, const sigset_t *set, sigset_t *old)
{
    struct mp__thread *self = mp__self;
    uint64_t before = self->signal_mask, word = before;

    if (set != NULL) {
        uint64_t given = mp__signal_word(set);

        if (how == SIG_BLOCK)
            word |= given;
        else if (how == SIG_UNBLOCK)
            word &= ~given;
        else if (how == SIG_SETMASK)
            word = given;
        else
            return EINVAL;
    }
    if (old != NULL)
        mp__signal_set(old, before);
    if ((word & ~NEVER) != before)
        mp__signal_mask_set(self, word);
    return 0;
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

/* What waits for the process is the kernel's. */
MP_EXPORT int sigpending(sigset_t *set)
{
    struct mp__thread *self = mp__self;
    int rc;

    mp__init();
    rc = mp__real.sigpending(set);
    if (rc == 0 && self != NULL && !mp__in_vfork_child)
        mp__signal_set(set, (mp__signal_word(set) | self->signals_pending) &
                                self->signal_mask);
    return rc;
}

/* vfork.S: the child must have its parent's own mask, since a handler in it
 * would change the parent's memory; so must one that execs or is spawned. */
void mp__vfork_begins(void) __attribute__((visibility("hidden")));
void mp__vfork_ends(void) __attribute__((visibility("hidden")));

void mp__own_mask_begins(void)
{
    if (mp__self != NULL)
        kernel_mask(mp__self->signal_mask);
}

void mp__own_mask_ends(void)
{
    if (mp__self != NULL)
        kernel_mask(mp__self->carrier->applied);
}

void mp__vfork_begins(void)
{
    mp__fd_shared(); /* before the child has them */
    mp__init();
    mp__own_mask_begins();
}

void mp__vfork_ends(void)
{
    mp__own_mask_ends();
}

/* ---- life of threads ---- */

void mp__signal_masks_start(void)
{
    struct mp__carrier *carrier = mp__main.carrier;

    mp__real.syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &carrier->applied,
                     sizeof carrier->applied);
    mp__main.signal_mask = carrier->common = carrier->applied;
    carrier->counted = 1;
    count(carrier, carrier->applied, 1);
}

/* Without threads yet. */
void mp__signal_mask_carrier_starts(struct mp__carrier *carrier)
{
    apply(carrier, NULL);
}

static uint64_t mask_of(const pthread_attr_t *attr, uint64_t inherited)
{
    sigset_t set;

    return attr != NULL && pthread_attr_getsigmask_np(attr, &set) == 0
               ? mp__signal_word(&set) & ~NEVER
               : inherited;
}

/* Where it inherits its maker's mask, what all blocked before, all block now. */
void mp__signals_thread_begins(struct mp__thread *thread,
                               const pthread_attr_t *attr)
{
    struct mp__thread *self = mp__self;
    struct mp__carrier *carrier = self->carrier;

    thread->signal_mask = mask_of(attr, self->signal_mask);
    if (unlikely((thread->signal_mask & OWN) != 0))
        mp__signal_own = true;
    if (unlikely(thread->carrier != carrier))
        return; /* it is counted when it arrives there */
    if (unlikely(thread->signal_mask != self->signal_mask)) {
        kernel_mask(~(uint64_t)0); /* as in mp__signal_mask_set() */
        take_own(carrier);
    }
    carrier->counted++;
    if (unlikely(thread->signal_mask != 0))
        count(carrier, thread->signal_mask, 1);
    if (unlikely(thread->signal_mask != self->signal_mask))
        apply(carrier, self);
}

/* In the loop, as the holder whoever ran last. */
void mp__signals_thread_arrives(struct mp__thread *thread)
{
    struct mp__carrier *carrier = thread->carrier;

    carrier->counted++;
    count(carrier, thread->signal_mask, 1);
    if (carrier->counted > 1 && (carrier->common & ~thread->signal_mask) == 0)
        return;
    kernel_mask(~(uint64_t)0);
    take_own(carrier);
    apply(carrier, NULL);
}

void mp__signals_thread_ends(struct mp__thread *thread)
{
    struct mp__carrier *carrier = thread->carrier;

    take_own(carrier);
    carrier->counted--;
    if (thread->signal_mask != 0)
        count(carrier, thread->signal_mask, -1);
    if (unlikely(thread->signals_pending != 0))
        mp__signal_discard(thread, ~(uint64_t)0);
    if (unlikely(mp__signal_stacks))
        mp__signal_stack_leave(thread);
    if (carrier->counted > 0 ? !all_masks_equal(carrier) : mp__several)
        apply(carrier, NULL);
    carrier->holder = NULL;
}

void mp__signals_forked(struct mp__thread *self)
{
    struct mp__carrier *carrier = self->carrier;

    memset(carrier->blocked_by, 0, sizeof carrier->blocked_by);
    carrier->bits_blocked = 0;
    carrier->counted = 1;
    count(carrier, self->signal_mask, 1);
    carrier->applied = carrier->common = self->signal_mask;
    carrier->holder = self;
    mp__signal_queue_forked();
    self->signals_pending = 0;
    self->signal_queue = NULL;
    kernel_mask(carrier->applied);
}
