/* orphan.c - a worker whose master is gone ends, whatever it is doing
 *
 * One that still runs its loop hears of it by the channel.  A view that
 * computes for ever keeps the loop from running, and a worker that was stopped
 * runs nothing at all: so the kernel sends it SIGCONT when its parent dies,
 * which wakes it if it was stopped, and the handler starts a timer whose signal
 * is SIGKILL.  Nothing of the worker's can hold that one up.
 *
 * A program that is to take over, or has, ends by SIGTERM when its master dies.
 * If it was stopped then, that alone would wait for ever, and so would clients
 * in the queues of its listeners: SIGCONT is what the kernel sends there, too.
 */
#include "http/worker.h"

#include "hub/hub.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define BEYOND_NS (2 * HUB_SECOND) /* as the master has it */

/* A handler has no argument of ours. */
static struct {
    pid_t worker, program, master;
    timer_t timer;
    int64_t drain_ns;
    bool has_timer;
    bool began; /* atomic */
} self;

/* Async-signal-safe. */
void http__orphan_begin(void)
{
    int64_t ns = self.drain_ns + BEYOND_NS;
    const struct itimerspec when = {
        .it_value = {ns / HUB_SECOND, ns % HUB_SECOND}};
    int saved = errno;

    if (self.has_timer &&
        !__atomic_exchange_n(&self.began, true, __ATOMIC_SEQ_CST))
        timer_settime(self.timer, 0, &when, NULL);
    errno = saved;
}

/* Somebody else may send it, and a child of the worker's has this handler, too.
 */
static void on_continue(int number)
{
    (void)number;
    if (getppid() == self.master)
        return;
    if (getpid() == self.worker)
        http__orphan_begin();
    else if (getpid() == self.program)
        kill(self.program, SIGTERM);
}

static void wait_for_death(void)
{
    struct sigaction action = {.sa_handler = on_continue,
                               .sa_flags = SA_RESTART | SA_ONSTACK};

    sigaction(SIGCONT, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    on_continue(SIGCONT); /* it may have gone before */
}

void http__orphan_program(pid_t master)
{
    self.program = getpid();
    self.master = master;
    wait_for_death();
}

void http__orphan_prepare(pid_t master, int64_t drain_ns)
{
    struct sigevent kills = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = SIGKILL};

    self.worker = getpid();
    self.master = master;
    self.drain_ns = drain_ns;
    self.has_timer = timer_create(CLOCK_MONOTONIC, &kills, &self.timer) == 0;
    wait_for_death();
}
