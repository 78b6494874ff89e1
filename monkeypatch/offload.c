/* offload.c - calls that run on a helper thread while their greenlet is parked
 *
 * A system call that waits there ends with EINTR when its greenlet is cancelled
 * or has a signal to handle: a timer of the kernel signals the helper until it is
 * out of the call, since one signal might come before it is in.  What that costs
 * is paid by those that are interrupted. */
#include "monkeypatch/offload_impl.h"
#include "monkeypatch/sys.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define AGAIN_NS 5000000

enum { WAITS_FOR_HELPER, RUNS, HAS_RUN };

struct mp__job {
    void (*function)(void *);
    void *arg;
    uint8_t state;
    bool wanted, timed; /* it is to be interrupted; by this timer */
    int timer;
    int helper; /* its tid */
};

static bool taken;  /* guards all jobs; held with all signals blocked */
static int number;  /* of our signal; 0: not chosen, -1: there is none */

static uint64_t lock(void)
{
    uint64_t all = ~(uint64_t)0, before = 0;

    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all, 0, 0);
    while (__atomic_test_and_set(&taken, __ATOMIC_ACQUIRE))
        continue;
    return before;
}

static void unlock(uint64_t before)
{
    __atomic_clear(&taken, __ATOMIC_RELEASE);
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before, 0,
             0);
}

static void ends_calls(int ignored)
{
    (void)ignored;
}

/* The highest real-time signal that the program has no use for. */
static void choose_number(void)
{
    struct sigaction ours = { .sa_handler = ends_calls }, now;

    number = -1;
    for (int i = SIGRTMAX; i >= SIGRTMAX - 8; i--) {
        if (mp__real.sigaction(i, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
            continue;
        if (mp__real.sigaction(i, &ours, NULL) < 0)
            continue;
        number = i;
        return;
    }
}

/* Under the lock, and the job runs. */
static void start_timer(struct mp__job *job)
{
    struct itimerspec often = { { 0, AGAIN_NS }, { 0, 1 } };
    struct sigevent event;

    if (number <= 0 || job->timed)
        return;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = number;
    event._sigev_un._tid = job->helper;
    if (SYS_CALL(SYS_timer_create, CLOCK_MONOTONIC, &event, &job->timer, 0, 0,
                 0) < 0)
        return;
    job->timed = true;
    SYS_CALL(SYS_timer_settime, job->timer, 0, &often, NULL, 0, 0);
}

static void let_in(bool on)
{
    uint64_t set = (uint64_t)1 << (number - 1);

    if (number > 0)
        SYS_CALL(SYS_rt_sigprocmask, on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL,
                 sizeof set, 0, 0);
}

/* On the helper. */
static void run_job(void *data)
{
    struct mp__job *job = data;
    uint64_t before = lock();

    job->helper = (int)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
    job->state = RUNS;
    if (job->wanted)
        start_timer(job);
    unlock(before);
    let_in(true);
    job->function(job->arg);
    let_in(false);
    before = lock();
    job->state = HAS_RUN;
    if (job->timed)
        SYS_CALL(SYS_timer_delete, job->timer, 0, 0, 0, 0, 0);
    unlock(before);
}

void mp__job_interrupt(struct mp__thread *thread)
{
    uint64_t before = lock();
    struct mp__job *job = thread->job;

    if (job != NULL && !job->wanted) {
        job->wanted = true;
        if (job->state == RUNS)
            start_timer(job);
    }
    unlock(before);
}

bool mp__job_signal(int signal_number)
{
    return signal_number == number;
}

void mp__jobs_forked(void)
{
    taken = false;
}

static void set_job(struct mp__thread *self, struct mp__job *job)
{
    uint64_t before = lock();

    self->job = job;
    unlock(before);
}

static void offload(void (*function)(void *), void *arg,
                    enum hub__offload_kind kind)
{
    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    mp__stats.offloads++;
    if (mp__hub->offload(function, arg, kind) < 0) {
        mp__stats.native_waits++; /* no thread to be had: stop everybody */
        function(arg);
    }
}

int mp__offload(void (*function)(void *), void *arg,
                enum hub__offload_kind kind)
{
    if (mp__here == NULL || !mp__may_park()) {
        function(arg);
        return 0;
    }
    offload(function, arg, kind);
    if (likely(mp__self != NULL))
        mp__runs_again(mp__self);
    return 0;
}

uint32_t mp__offload_seen(bool restarts)
{
    return __atomic_load_n(mp__handler_count(restarts), __ATOMIC_SEQ_CST);
}

void mp__offload_call(void (*function)(void *), void *arg)
{
    struct mp__job job = { .function = function, .arg = arg };
    struct mp__thread *self = mp__self;

    mp__testcancel();
    if (self == NULL || !mp__may_park()) {
        mp__offload(function, arg, HUB_OFFLOAD_LONG);
        return;
    }
    if (unlikely(number == 0))
        choose_number();
    set_job(self, &job);
    offload(run_job, &job, HUB_OFFLOAD_LONG);
    set_job(self, NULL);
    mp__runs_again(self);
}

bool mp__offload_again(uint32_t seen, bool restarts)
{
    mp__testcancel();
    return mp__self != NULL && mp__offload_seen(restarts) == seen;
}
