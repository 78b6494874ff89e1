/* signal_mask.c - a signal mask for each mapped thread
 *
 * Each thread has its own word; the kernel thread blocks what all of them block,
 * so that a signal that one thread lets through arrives.  Two signals come from
 * what the running thread calls, and are nobody else's: while one that blocks
 * them runs, so does the kernel thread, and what came is taken from it before
 * another runs. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/signal_own.h"

#include <stdlib.h>
#include <sys/syscall.h>

static unsigned blocked_by[MP_SIGNALS]; /* threads whose mask has the bit */
static unsigned bits_blocked; /* sum of blocked_by: 0 in most programs */
static unsigned counted;      /* threads */
static uint64_t common;       /* what all block */
static uint64_t applied;      /* the kernel thread's mask: that, and ... */
static struct mp__thread *holder; /* ... what this one blocks of OWN */
bool mp__signal_own;

/* glibc's own two real-time signals, SIGKILL and SIGSTOP cannot be blocked. */
#define NEVER                                                     \
    ((uint64_t)3 << 31 | (uint64_t)1 << (SIGKILL - 1) |           \
     (uint64_t)1 << (SIGSTOP - 1))

uint64_t mp__signal_mask_applied(void)
{
    return applied;
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

/* Unblocking lets signals in at once, and their handler asks for `applied`. */
static void apply(struct mp__thread *self)
{
    uint64_t wanted = 0;

    for (unsigned i = 0; i < MP_SIGNALS; i++)
        if (blocked_by[i] == counted)
            wanted |= (uint64_t)1 << i;
    common = wanted;
    holder = self;
    applied = common | own_of(self);
    kernel_mask(applied);
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

/* What its calls have raised waits for the thread that has run until now. */
static void take_own(void)
{
    uint64_t own = applied & ~common;
    siginfo_t info;

    while (unlikely(own != 0) && holder != NULL && take(own, &info))
        mp__signal_enqueue(holder, &info);
}

void mp__signal_own_enter(struct mp__thread *self)
{
    uint64_t wanted = common | own_of(self);
    int saved = errno;

    if (holder == self)
        return;
    take_own();
    holder = self;
    if (wanted != applied) {
        applied = wanted;
        kernel_mask(wanted);
    }
    errno = saved;
}

/* All threads block what the kernel thread does and nothing more: then one more
 * or one less of them changes nothing. */
static bool all_masks_equal(void)
{
    return applied == common &&
           bits_blocked == counted * (unsigned)__builtin_popcountll(common);
}

static void count(uint64_t word, int by)
{
    bits_blocked += (unsigned)(__builtin_popcountll(word) * by);
    for (; word != 0; word &= word - 1)
        blocked_by[__builtin_ctzll(word)] += (unsigned)by;
}

/* Always by a call of the kernel: the caller may be in a handler, with the mask
 * that the kernel gave it. */
void mp__signal_mask_set(struct mp__thread *self, uint64_t word)
{
    uint64_t before = self->signal_mask, all = ~(uint64_t)0;

    word &= ~NEVER;
    kernel_mask(all); /* a handler that counts, too, must not come between */
    take_own();
    before = self->signal_mask;
    count(before & ~word, -1);
    count(word & ~before, 1);
    self->signal_mask = word;
    if (unlikely((word & OWN) != 0))
        mp__signal_own = true;
    apply(self);
    if (unlikely((self->signals_pending & ~word) != 0))
        mp__signals_deliver(self);
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
        kernel_mask(applied);
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
    mp__real.syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &applied,
                     sizeof applied);
    mp__main.signal_mask = common = applied;
    counted = 1;
    count(applied, 1);
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

    thread->signal_mask = mask_of(attr, self->signal_mask);
    if (unlikely(thread->signal_mask != self->signal_mask)) {
        kernel_mask(~(uint64_t)0); /* as in mp__signal_mask_set() */
        take_own();
        if ((thread->signal_mask & OWN) != 0)
            mp__signal_own = true;
    }
    counted++;
    if (unlikely(thread->signal_mask != 0))
        count(thread->signal_mask, 1);
    if (unlikely(thread->signal_mask != self->signal_mask))
        apply(self);
}

void mp__signals_thread_ends(struct mp__thread *thread)
{
    take_own();
    counted--;
    if (thread->signal_mask != 0)
        count(thread->signal_mask, -1);
    if (unlikely(thread->signals_pending != 0))
        mp__signal_discard(thread, ~(uint64_t)0);
    if (unlikely(mp__signal_stacks))
        mp__signal_stack_leave(thread);
    if (counted > 0 && !all_masks_equal())
        apply(NULL);
    holder = NULL;
}

void mp__signals_forked(struct mp__thread *self)
{
    memset(blocked_by, 0, sizeof blocked_by);
    bits_blocked = 0;
    counted = 1;
    count(self->signal_mask, 1);
    applied = common = self->signal_mask;
    holder = self;
    mp__signal_queue_forked();
    self->signals_pending = 0;
    self->signal_queue = NULL;
    kernel_mask(applied);
}
