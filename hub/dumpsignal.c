/* dumpsignal.c - a signal that prints a dump
 *
 * The handler may have interrupted anything.  It has a thread that libc does not
 * know do the asking; where there can be none, it asks the loops itself, and
 * answers for a greenlet that runs here. */
#include "hub/dump.h"
#include "hub/sight.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct hub__rawthread dumper;
static struct sigaction before;
static int chosen; /* 0: none */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int dump(void *unused)
{
    (void)unused;
    syscall(SYS_prctl, PR_SET_NAME, "vireo-dump");
    hub__dump_all(STDERR_FILENO);
    return 0;
}

static void ask_without_waiting(void *interrupted)
{
    struct hub *own = hub__peek(), *hub;

    if (!hub__all_try_lock())
        return;
    for (hub = hub__all; hub != NULL; hub = hub->next_hub) {
        hub->sight->ask_fd = STDERR_FILENO;
        hub->sight->ask_about = NULL;
        hub->sight->ask_tree = false;
        hub__ask_only(hub);
    }
    hub__all_unlock();
    if (own != NULL && own->os->first->current != own->greenlet &&
        own->critical == 0)
        hub__answer(own, interrupted);
}

static void on_signal(int number, siginfo_t *info, void *interrupted)
{
    int saved = errno;

    (void)number;
    (void)info;
    if (hub__rawthread_allowed())
        hub__rawthread_run(&dumper, dump, NULL);
    else
        ask_without_waiting(interrupted);
    errno = saved;
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

static void give_back(void)
{
    struct sigaction now;

    if (chosen != 0 && sigaction(chosen, NULL, &now) == 0 && is_ours(&now))
        sigaction(chosen, &before, NULL);
    chosen = 0;
}

static int choose(int signal_number)
{
    struct sigaction action = { .sa_sigaction = on_signal,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                            SA_RESTART };
    struct sigaction now;

    if (signal_number == SIGKILL || signal_number == SIGSTOP ||
        signal_number < 0 || sigaction(signal_number, NULL, &now) != 0)
        return -EINVAL;
    if (is_ours(&now))
        return 0;
    if (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN)
        return -EBUSY;
    sigfillset(&action.sa_mask);
    give_back();
    if (sigaction(signal_number, &action, NULL) != 0)
        return -EINVAL;
    before = now;
    chosen = signal_number;
    return 0;
}

int hub_dump_on_signal(int signal_number)
{
    int saved = errno, rc = 0;

    hub__sample_start();
    pthread_mutex_lock(&lock);
    if (signal_number == 0)
        give_back();
    else
        rc = choose(signal_number);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return rc;
}

bool hub__dump_signal_set(void)
{
    return __atomic_load_n(&chosen, __ATOMIC_RELAXED) != 0;
}

unsigned hub__dump_threads(void)
{
    return hub__rawthread_runs(&dumper) ? 1 : 0;
}

void hub__dump_forked(void)
{
    dumper.tid = 0;
    dumper.busy = 0;
}
