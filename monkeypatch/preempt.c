/* preempt.c - a thread that computes is taken off its OS thread
 *
 * A timer on the CPU time of each OS thread that has a hub sends it a signal every
 * SLICE_NS.  The handler lets others run if the program's own code was
 * interrupted: there the program must expect to lose its turn at any
 * instruction.  In libc (but for some places, preempt_leaf.c), ld.so, the unwinder and this library there may be locks
 * and half-changed lists that those who run next would meet: not there, nor in
 * what these call back with something held.
 *
 * The signal is the one that libc keeps for setuid() among threads: no program
 * can block it, wait for it or replace its handler.  Libc's own use of it is
 * passed on. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/control_impl.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/onlook.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/signal_impl.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNAL 33 /* libc's SIGSETXID */
#define SLICE_NS 10000000
#define STACK_MOST ((uintptr_t)64 << 20)

/* As the kernel has it, on both architectures. */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static struct kernel_action libcs;
static bool refused; /* this system cannot do it, or the user will not have it */
static bool ticking;

/* ---- whose code it is ---- */

/* A sanitizer's runtime has locks that are not pthread's, and may be a part of
 * the program itself. */
extern int __asan_init __attribute__((weak));

/* An allocator of the program's is called by this library too. */
static const struct link_map *allocator;

static bool is_programs(const char *path)
{
    static const char *const others[] = {
        "libc.so", "ld-linux", "linux-vdso", "libvireo", "libgcc_s", "libnss_",
        "libresolv", "libpthread"
    };
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(name, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

/* What no object has was compiled at run time, or is the kernel's page. */
bool mp__preempt_in_program(uintptr_t pc)
{
    struct dl_find_object found;

    if (mp__find_object((void *)pc, &found) != 0)
        return pc < (uintptr_t)1 << 47;
    return found.dlfo_link_map != allocator &&
           is_programs(found.dlfo_link_map->l_name);
}

static void find_allocator(void)
{
    struct dl_find_object found;

    if (mp__find_object((void *)(uintptr_t)malloc, &found) == 0 &&
        *found.dlfo_link_map->l_name != '\0')
        allocator = found.dlfo_link_map;
}

/* ---- in the signal handler ---- */

/* The program's handler runs below the frame that called it, until it returns or
 * jumps out. */
static bool in_handler(const struct mp__thread *self, uintptr_t sp)
{
    uintptr_t frame = (uintptr_t)self->handler_frame;

    return frame != 0 && sp <= frame && frame - sp < STACK_MOST;
}

bool mp__preempt_may(const struct mp__thread *self, const ucontext_t *context)
{
    const struct hub *hub = self->identity->os->hub;

    return mp__live > 1 && hub->critical == 0 &&
           !self->forking && !in_handler(self, CONTEXT_SP(context)) &&
           mp__may_park() &&
           (mp__preempt_in_program(CONTEXT_PC(context)) ||
            mp__preempt_at_leaf(context));
}

/* Meanwhile others have changed what returning from a signal brings back. */
void mp__preempt_renew(ucontext_t *context)
{
    uint64_t mask = mp__signal_mask_applied();

    memcpy(&context->uc_sigmask, &mask, sizeof mask);
    SYS_CALL(SYS_sigaltstack, NULL, &context->uc_stack, 0, 0, 0, 0);
}

static void change_mask(int how)
{
    const uint64_t bit = mp__signal_bit(SIGNAL);

    SYS_CALL(SYS_rt_sigprocmask, how, &bit, NULL, sizeof bit, 0, 0);
}

/* Whoever runs next has it let in.  Until here it is blocked: several that are pending
 * when the OS thread has been away come one after the other, not each on top of the one
 * before, for which a small stack has no room. */
void mp__preempt_let_in(void)
{
    change_mask(SIG_UNBLOCK);
}

/* Behind all others waits who has computed since it last went on, or is to go on as
 * soon as what is due is done; who has run for less keeps its place. */
static bool wait_for_turn(struct mp__thread *self, bool due)
{
    struct hub *hub = self->identity->os->hub;

    if (due || mp__watch_is_hog(self->carrier))
        return mp__hog_gives_way(due);
    hub->look_at = hub->switches; /* at the world outside, too */
    mp__yield_now();
    return false;
}

/* `since`: when the handler began. */
static void give_way(struct mp__thread *self, bool due, int64_t since,
                     ucontext_t *context)
{
    struct mp__carrier *carrier = self->carrier;
    int64_t before = mp__now() - since, again;
    bool granted;

    mp__count(preemptions);
    mp__preempt_let_in(); /* what is pending comes here, and finds it busy */
    carrier->watch.busy = false;
    granted = wait_for_turn(self, due);
    change_mask(SIG_BLOCK);
    carrier->watch.busy = true;
    again = mp__now();
    mp__preempt_renew(context);
    mp__watch_cost(carrier, before + mp__now() - again);
    mp__watch_arm(carrier, granted);
    if (self->cancel_type == PTHREAD_CANCEL_ASYNCHRONOUS) {
        carrier->watch.busy = false;
        mp__preempt_let_in();
        mp__testcancel();
    }
}

/* Libc knows the OS thread by its own block. */
struct call {
    int number;
    siginfo_t *info;
    void *context;
};

static void call_there(void *arg)
{
    struct call *call = arg;

    libcs.handler(call->number, call->info, call->context);
}

static void call_libcs(int number, siginfo_t *info, void *context)
{
    struct call call = { number, info, context };

    mp__on_os_tcb(call_there, &call);
}

bool mp__carrier_send(const struct mp__carrier *carrier, uint32_t *word)
{
    siginfo_t info;

    if (__atomic_exchange_n(word, 1, __ATOMIC_ACQ_REL) != 0)
        return true;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGNAL;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)SYS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
    info.si_ptr = word;
    if (SYS_CALL(SYS_rt_tgsigqueueinfo, info.si_pid, carrier->tid, SIGNAL, &info,
                 0, 0) == 0)
        return true;
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
    return false;
}

bool mp__carrier_is(const uint32_t *word, const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_ptr == word;
}

bool mp__carrier_takes(uint32_t *word, const siginfo_t *info)
{
    if (!mp__carrier_is(word, info))
        return false;
    __atomic_exchange_n(word, 0, __ATOMIC_ACQ_REL);
    return true;
}

/* Another carrier wants the thread that runs to look at what it was sent. */
static bool is_poke(const siginfo_t *info)
{
    struct mp__carrier *own = mp__carrier_now();

    return own != NULL && mp__carrier_takes(&own->poked, info);
}

void mp__preempt_poke(struct mp__carrier *carrier)
{
    if (libcs.handler != NULL && !refused)
        mp__carrier_send(carrier, &carrier->poked);
}

/* The timer's, or another carrier's. */
static void slice_ends(struct mp__thread *self, ucontext_t *context,
                       int64_t since)
{
    if (mp__preempt_may(self, context))
        give_way(self, false, since, context);
    else
        mp__watch_over(self->carrier, since);
}

/* Something is due; or its slice was over some time ago.  It may have let others run
 * since. */
static void something_is_due(struct mp__thread *self, ucontext_t *context,
                             int64_t since)
{
    if (mp__watch_is_hog(self->carrier) && mp__preempt_may(self, context))
        give_way(self, !mp__watch_is_over(self->carrier), since, context);
    else
        mp__watch_cost(self->carrier, mp__now() - since);
}

/* One comes while another has not let go yet, or just after it, where a tracer steps
 * through all this: then nobody would get on. */
static void interrupt(void (*handle)(struct mp__thread *, ucontext_t *, int64_t),
                      ucontext_t *context)
{
    struct mp__thread *self = mp__self;
    int64_t since;

    if (self == NULL || self->carrier->watch.busy || mp__carrier_loops() ||
        self->yields || self->parked != NULL)
        return; /* in the library, on its way to others */
    since = mp__now();
    if (since < self->carrier->watch.rest)
        return;
    self->carrier->watch.busy = true;
    handle(self, context, since);
    self->carrier->watch.busy = false;
}

static bool is_slice(const siginfo_t *info)
{
    return info->si_code == SI_TIMER;
}

/* Where many have run in it, each for a short time, who runs now has not run for
 * long, or it is seen at the end of the next one.  To stop him brings nothing, and may
 * cost much: he may have a lock, an interpreter's before all, and all others would run
 * in vain. */
static void slice_is_over(ucontext_t *context)
{
    struct mp__carrier *own = mp__carrier_now();

    if (own != NULL)
        mp__watch_slice(own);
    if (own == NULL || mp__watch_long_runs(own))
        interrupt(slice_ends, context);
}

static void on_tick(int number, siginfo_t *info, void *context)
{
    struct mp__thread *self = mp__self;
    int before = errno;

    if (mp__control_is(info)) {
        mp__control_answer(context);
    } else if (mp__compensate_is(info)) {
        mp__compensate(self, context);
    } else if (mp__late_is(info)) {
        mp__late_look(mp__carrier_loops() ? NULL : self, info, context);
    } else if (mp__watch_is(info)) {
        mp__carrier_takes(&mp__carrier_now()->watch.poked, info);
        interrupt(something_is_due, context);
    } else if (is_slice(info)) {
        slice_is_over(context);
    } else if (is_poke(info)) {
        interrupt(slice_ends, context);
    } else {
        call_libcs(number, info, context);
    }
    errno = before;
}

/* ---- start ---- */

static bool take_signal(void)
{
    struct kernel_action ours;

    if (SYS_CALL(SYS_rt_sigaction, SIGNAL, NULL, &libcs, sizeof libcs.mask, 0,
                 0) != 0 ||
        libcs.handler == NULL)
        return false;
    ours = libcs; /* with the restorer, where there is one */
    ours.handler = on_tick;
    ours.flags = (libcs.flags | SA_SIGINFO | SA_RESTART) &
                 ~(unsigned long)(SA_ONSTACK | SA_NODEFER);
    ours.mask = 0;
    return SYS_CALL(SYS_rt_sigaction, SIGNAL, &ours, NULL, sizeof ours.mask, 0,
                    0) == 0;
}

/* On the carrier itself: it is its CPU time. */
static bool start_timer(struct mp__carrier *carrier)
{
    struct itimerspec every = {{0, SLICE_NS}, {0, SLICE_NS}};
    struct sigevent event;

    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGNAL;
    event._sigev_un._tid = (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    return SYS_CALL(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event,
                    &carrier->ticks, 0, 0, 0) == 0 &&
           SYS_CALL(SYS_timer_settime, carrier->ticks, 0, &every, NULL, 0, 0) == 0;
}

/* The first has begun, or the others' handler is not there yet either. */
void mp__preempt_carrier_starts(struct mp__carrier *carrier)
{
    if (libcs.handler == NULL)
        return;
    mp__late_begin(carrier, SIGNAL);
    if (!refused)
        start_timer(carrier);
}

static void begin_ticking(void)
{
    if (mp__find_object == NULL || &__asan_init != NULL ||
        (libcs.handler == NULL && !take_signal())) {
        refused = true;
        mp__control_begin(0);
        mp__onlook_begin();
        return;
    }
    mp__control_begin(SIGNAL);
    mp__late_begin(mp__self->carrier, SIGNAL);
    mp__onlook_begin();
    refused |= !mp__options.preempt;
    if (refused)
        return;
    find_allocator();
    mp__preempt_leaf_begin();
    refused = !start_timer(mp__self->carrier);
    if (!refused)
        mp__compensate_begin(SIGNAL);
}

void mp__preempt_begin(void)
{
    if (ticking)
        return;
    ticking = true;
    begin_ticking();
    if (refused)
        mp__say(2, "threads that compute are not interrupted here");
}

void mp__preempt_never(void)
{
    refused = true;
    for (unsigned i = 0; i < mp__options.hubs; i++) {
        int *timer = &mp__carriers[i].ticks;

        if (*timer >= 0 && mp__carriers[i].state == CARRIER_RUNS)
            SYS_CALL(SYS_timer_delete, *timer, 0, 0, 0, 0, 0);
        *timer = -1;
        mp__watch_never(&mp__carriers[i]);
    }
}

/* The child has its parent's handlers and none of its timers. */
void mp__preempt_forked(void)
{
    ticking = false;
    for (unsigned i = 0; i < mp__options.hubs; i++) {
        mp__carriers[i].ticks = mp__carriers[i].late = -1;
        mp__carriers[i].poked = mp__carriers[i].late_poked = 0;
        mp__watch_forked(&mp__carriers[i]);
    }
    mp__control_forked();
}
