/* prefork.c - a process per core: started, started again, told of signals
 *
 * A greenlet for each child forks it and waits for it; one for each signal that
 * is handed on.  Children get all of that undone before their function runs. */
#include "hub/hub_impl.h"
#include "hub/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_NS (100 * HUB_MILLISECOND)
#define PAUSE_MAX_NS (30 * HUB_SECOND)
#define GRACE_NS (10 * HUB_SECOND)

static const int handed_on[] = { SIGTERM, SIGINT,  SIGQUIT,
                                 SIGHUP,  SIGUSR1, SIGUSR2 };
#define HANDED_ON (sizeof handed_on / sizeof *handed_on)

struct herd;
struct child {
    struct herd *herd;
    unsigned index;
    pid_t pid; /* 0: none now */
    struct greenlet *keeper;
};

struct herd {
    unsigned count, restarts_left;
    int (*run)(unsigned index, void *arg);
    void *arg;
    struct hub_prefork_options options;
    bool ends; /* no child is started any more */
    int error;
    pid_t parent;
    struct hub_signal *watchers[HANDED_ON];
    struct greenlet *killer; /* waits for the end of the grace */
    struct child *children;
};

/* ---- in a child ---- */

static void stop_watching(struct herd *herd)
{
    for (size_t i = 0; i < HANDED_ON; i++)
        if (herd->watchers[i] != NULL)
            hub_signal_stop(herd->watchers[i]);
}

/* The greenlet that forked is the child's main one. */
static void be_child(struct herd *herd, unsigned index, const sigset_t *mask)
    __attribute__((noreturn));
static void be_child(struct herd *herd, unsigned index, const sigset_t *mask)
{
    int rc;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    stop_watching(herd);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    if (getppid() != herd->parent)
        raise(SIGTERM);
    rc = herd->run(index, herd->arg);
    hub_destroy();
    exit(rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- in the parent ---- */

static void tell_all(struct herd *herd, int number)
{
    for (unsigned i = 0; i < herd->count; i++)
        if (herd->children[i].pid > 0)
            kill(herd->children[i].pid, number);
}

static bool have_children(const struct herd *herd)
{
    for (unsigned i = 0; i < herd->count; i++)
        if (herd->children[i].pid > 0)
            return true;
    return false;
}

static void kill_after_grace(void *arg)
{
    struct herd *herd = arg;
    int64_t until = hub_deadline(herd->options.grace_ns);

    while (have_children(herd) && hub_now() < until)
        if (hub_sleep(10 * HUB_MILLISECOND) < 0)
            return;
    tell_all(herd, SIGKILL);
}

static void hand_on(int number, void *arg)
{
    struct herd *herd = arg;

    tell_all(herd, number);
    if (number != SIGTERM && number != SIGINT && number != SIGQUIT)
        return;
    if (herd->ends)
        return;
    herd->ends = true;
    for (unsigned i = 0; i < herd->count; i++) /* those that pause */
        if (herd->children[i].pid == 0)
            hub_kill(herd->children[i].keeper);
    herd->killer = hub_spawn_raw(kill_after_grace, herd);
    if (herd->killer == NULL)
        tell_all(herd, SIGKILL);
}

static bool is_to_start_again(struct herd *herd)
{
    if (herd->ends)
        return false;
    if (herd->restarts_left == 0) {
        herd->error = -ECHILD;
        return false;
    }
    herd->restarts_left--;
    return true;
}

/* One that leaves at once is not to be forked as fast as we can. */
static int pause_before(const struct herd *herd, int64_t began, int64_t *pause)
{
    if (hub_now() - began >= HUB_SECOND)
        *pause = herd->options.pause_ns;
    else if (*pause < PAUSE_MAX_NS / 2)
        *pause *= 2;
    return hub_sleep(*pause);
}

/* What we hand on to a child that still has our watchers would end there: it is
 * held back until the child has its own. */
static pid_t fork_child(struct herd *herd, unsigned index)
{
    sigset_t held, before;
    pid_t pid;

    sigemptyset(&held);
    for (size_t i = 0; i < HANDED_ON; i++)
        sigaddset(&held, handed_on[i]);
    pthread_sigmask(SIG_BLOCK, &held, &before);
    pid = fork();
    if (pid == 0)
        be_child(herd, index, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -errno : pid;
}

/* Until its end: 0, or a failure of the child's (-ECHILD) or of ours. */
static int one_life(struct herd *herd, struct child *child)
{
    struct hub_shield shield;
    int status = 0, rc;
    pid_t pid = fork_child(herd, child->index);

    if (pid < 0)
        return pid;
    child->pid = pid;
    hub_shield_begin(&shield); /* it is ended by signals, never left */
    while ((rc = hub_waitpid(pid, &status, 0, HUB_FOREVER)) < 0 &&
           rc != -ECHILD)
        hub_yield(); /* there was no memory for a wait, or something was thrown */
    hub_shield_end(&shield);
    child->pid = 0;
    return status == 0 || herd->ends ? 0 : -ECHILD;
}

static int keep(void *arg, void **result)
{
    struct child *child = arg;
    struct herd *herd = child->herd;
    int64_t pause = herd->options.pause_ns / 2;
    int rc;

    (void)result;
    do {
        int64_t began = hub_now();

        rc = one_life(herd, child);
        if (rc == 0 || !is_to_start_again(herd))
            break;
        rc = pause_before(herd, began, &pause);
    } while (rc == 0 && !herd->ends);
    if (rc < 0 && rc != -ECHILD && rc != -ECANCELED && herd->error == 0)
        herd->error = rc;
    return 0;
}

/* ---- the herd ---- */

static int watch_all(struct herd *herd)
{
    int rc = 0;

    for (size_t i = 0; i < HANDED_ON && rc == 0; i++)
        rc = hub_signal_start(handed_on[i], hand_on, herd, &herd->watchers[i]);
    return rc;
}

static int start_all(struct herd *herd)
{
    for (unsigned i = 0; i < herd->count; i++) {
        struct child *child = &herd->children[i];

        child->herd = herd;
        child->index = i;
        child->keeper = hub_spawn(keep, child);
        if (child->keeper == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int join_all(struct herd *herd)
{
    int rc = 0;

    for (unsigned i = 0; i < herd->count && rc == 0; i++)
        if (herd->children[i].keeper != NULL)
            rc = hub_join(herd->children[i].keeper, HUB_FOREVER);
    return rc;
}

static void end_all(struct herd *herd)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    hand_on(SIGTERM, herd);
    join_all(herd);
    hub_shield_end(&shield);
}

/* Handlers and keepers have the herd, which is on the caller's stack. */
static void dismiss(struct herd *herd)
{
    struct hub_shield shield;

    stop_watching(herd);
    for (unsigned i = 0; i < herd->count; i++)
        if (herd->children[i].keeper != NULL)
            greenlet_unref(herd->children[i].keeper);
    if (herd->killer != NULL) {
        hub_shield_begin(&shield);
        hub_kill(herd->killer);
        hub_join(herd->killer, HUB_FOREVER);
        hub_shield_end(&shield);
        greenlet_unref(herd->killer);
    }
    free(herd->children);
}

static void fill_in(struct herd *herd, const struct hub_prefork_options *options)
{
    if (options != NULL)
        herd->options = *options;
    if (herd->options.pause_ns <= 0)
        herd->options.pause_ns = PAUSE_NS;
    if (herd->options.grace_ns <= 0)
        herd->options.grace_ns = GRACE_NS;
    herd->restarts_left = herd->options.restarts;
}

int hub_prefork(unsigned count, int (*run)(unsigned index, void *arg),
                void *arg, const struct hub_prefork_options *options)
{
    struct hub *hub = hub__get();
    struct herd herd = { .count = count != 0 ? count : hub__cores(),
                         .run = run, .arg = arg, .parent = getpid() };
    int rc;

    if (hub == NULL)
        return -ENOMEM;
    if (greenlet__word->current != hub->main)
        return -EPERM;
    herd.children = greenlet__calloc(herd.count, sizeof *herd.children);
    if (herd.children == NULL)
        return -ENOMEM;
    fill_in(&herd, options);
    rc = watch_all(&herd);
    if (rc == 0)
        rc = start_all(&herd);
    if (rc == 0)
        rc = join_all(&herd);
    if (rc < 0)
        end_all(&herd);
    dismiss(&herd);
    return rc < 0 ? rc : herd.error;
}
