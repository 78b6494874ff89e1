/* master.c - processes that serve, and are replaced without a request lost
 *
 * step() looks at what there is and does what is to be done next; it is called
 * again whenever something has changed or a time has come.  So nothing depends
 * on the order in which children end and signals come. */
#include "http/master_impl.h"
#include "http/memory.h"

#include "hub/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG      4096
#define DRAIN_NS     (30 * HUB_SECOND)
#define READY_NS     (60 * HUB_SECOND)
#define PAUSE_NS     (100 * HUB_MILLISECOND)
#define PAUSE_MAX_NS (5 * HUB_SECOND)

const int http__master_signals[HTTP__MASTER_SIGNALS] = {
    SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

void http__master_say(const char *format, ...)
{
    char line[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (size < 0)
        return;
    dprintf(STDERR_FILENO, "vireo[%ld]: %s\n", (long)getpid(), line);
}

/* ---- signals ---- */

static void on_signal(int number, void *arg)
{
    struct http__master *master = arg;
    struct http__child *child;

    if (number == SIGUSR1 || number == SIGUSR2) {
        for (child = master->children; child != NULL; child = child->next)
            if (!child->ended)
                kill(child->pid, number);
        return;
    }
    if (number == SIGHUP)
        master->restart = true;
    else
        master->stops++;
    hub_event_set(&master->changed);
}

static int watch_signals(struct http__master *master)
{
    int rc = 0;

    for (size_t i = 0; i < HTTP__MASTER_SIGNALS && rc == 0; i++)
        rc = hub_signal_start(http__master_signals[i], on_signal, master,
                              &master->watchers[i]);
    return rc;
}

/* ---- children that have ended ---- */

static void say_end(const struct http__child *child, const char *what)
{
    if (WIFSIGNALED(child->status))
        http__master_say("%s %ld was ended by signal %d", what,
                         (long)child->pid, WTERMSIG(child->status));
    else
        http__master_say("%s %ld ended with status %d", what, (long)child->pid,
                         WEXITSTATUS(child->status));
}

/* One that leaves at once is not to be started as fast as we can. */
static int64_t pause_after(const struct http__child *child, int64_t *pause)
{
    int64_t now = hub_now();

    if (now - child->began >= HUB_SECOND)
        *pause = 0;
    else if (*pause == 0)
        *pause = PAUSE_NS;
    else if (*pause < PAUSE_MAX_NS / 2)
        *pause *= 2;
    else
        *pause = PAUSE_MAX_NS;
    return now + *pause;
}

static void worker_ended(struct http__master *master, struct http__child *child)
{
    struct http__slot *slot = &master->slots[child->index];

    if (slot->leaving == child)
        slot->leaving = NULL;
    if (slot->current != child)
        return;
    slot->current = NULL;
    if (master->ends || !master->serves_own)
        return;
    say_end(child, "worker");
    if (!master->started && master->error == 0)
        master->error = -ECHILD;
    slot->start_at = pause_after(child, &slot->pause_ns);
}

static void candidate_fails(struct http__master *master)
{
    master->candidate = NULL;
    http__listeners_settle(&master->listeners, false);
}

static void program_ended(struct http__master *master,
                          struct http__child *child)
{
    bool was_program = master->program == child;

    if (!was_program && master->candidate != child)
        return;
    if (was_program)
        master->program = NULL;
    else
        candidate_fails(master);
    if (master->ends)
        return;
    say_end(child, "program");
    if (!was_program)
        http__master_say("the program did not start; the old one goes on");
    if (master->program == NULL && !master->serves_own)
        master->retry_at = pause_after(child, &master->retry_ns);
}

static void reap(struct http__master *master)
{
    struct http__child **at = &master->children;

    while (*at != NULL) {
        struct http__child *child = *at;

        if (!child->ended) {
            at = &child->next;
            continue;
        }
        *at = child->next;
        if (child->channel >= 0) {
            worker_ended(master, child);
            hub_close(child->channel);
        } else {
            program_ended(master, child);
        }
        http__child_unref(child);
    }
}

/* ---- workers ---- */

static void start_worker(struct http__master *master, unsigned index)
{
    struct http__slot *slot = &master->slots[index];
    int rc = http__child_worker(master, index);

    if (rc == 0)
        return;
    http__master_say("no worker could be made: %s", strerror(-rc));
    if (!master->started && master->error == 0)
        master->error = rc;
    slot->start_at = hub_deadline(HUB_SECOND);
}

/* One that wants to leave may when its successor accepts. */
static void look_at_slot(struct http__master *master, unsigned index)
{
    struct http__slot *slot = &master->slots[index];

    if (slot->current != NULL && slot->current->leaves &&
        slot->leaving == NULL) {
        slot->leaving = slot->current;
        slot->current = NULL;
        slot->start_at = 0;
    }
    if (slot->current == NULL && hub_now() >= slot->start_at)
        start_worker(master, index);
    if (slot->current != NULL && slot->current->ready && slot->leaving != NULL)
        http__child_stop(slot->leaving);
}

static void stop_workers(struct http__master *master)
{
    struct http__child *child;

    for (child = master->children; child != NULL; child = child->next)
        if (child->channel >= 0)
            http__child_stop(child);
}

static bool all_ready(const struct http__master *master)
{
    for (unsigned i = 0; i < master->options.workers; i++)
        if (master->slots[i].current == NULL ||
            !master->slots[i].current->ready)
            return false;
    return true;
}

static void write_pid_file(const struct http__master *master)
{
    const char *path = master->options.pid_file;
    char other[4096];
    FILE *file;

    if (path == NULL || master->is_kept)
        return;
    snprintf(other, sizeof other, "%s.%ld", path, (long)getpid());
    file = fopen(other, "we");
    if (file == NULL || fprintf(file, "%ld\n", (long)getpid()) < 0 ||
        fclose(file) != 0 || rename(other, path) < 0)
        http__master_say("%s: %s", path, strerror(errno));
}

static void look_at_start(struct http__master *master)
{
    if (master->started || !all_ready(master))
        return;
    master->started = true;
    write_pid_file(master);
    http__keeper_started(master);
}

/* ---- programs ---- */

static void start_program(struct http__master *master)
{
    int rc = http__takeover_start(master);

    master->restart = false;
    http__keeper_reloading(master);
    if (rc == 0)
        return;
    http__master_say("no program could be started: %s", strerror(-rc));
    http__keeper_ready(master);
    master->retry_at = hub_deadline(HUB_SECOND);
}

static void take_over(struct http__master *master)
{
    struct http__child *before = master->program;

    master->program = master->candidate;
    master->candidate = NULL;
    master->serves_own = false;
    master->program->ready_by = HUB_FOREVER;
    http__listeners_settle(&master->listeners, true);
    http__master_say("program %ld serves now", (long)master->program->pid);
    if (before != NULL)
        http__child_stop(before);
    stop_workers(master);
    http__keeper_ready(master);
}

static void look_at_programs(struct http__master *master)
{
    struct http__child *candidate = master->candidate;
    bool down = !master->serves_own && master->program == NULL;

    if (candidate != NULL && candidate->ready) {
        take_over(master);
        down = false;
    } else if (candidate != NULL && hub_now() >= candidate->ready_by) {
        http__master_say("program %ld was not ready in time; the old one goes "
                         "on",
                         (long)candidate->pid);
        candidate_fails(master);
        if (down)
            master->retry_at = pause_after(candidate, &master->retry_ns);
        http__child_stop(candidate);
        http__keeper_ready(master);
    }
    if (master->candidate == NULL && master->started &&
        (master->restart || (down && hub_now() >= master->retry_at)))
        start_program(master);
}

/* ---- the end ---- */

/* What the program after us serves is kept above us, and a client of what
 * nobody serves is to be refused, not to wait until our last worker has ended.
 */
static void let_listeners_go(struct http__master *master)
{
    if (master->is_kept && master->notes == NULL)
        http__listeners_free(&master->listeners);
}

static void look_at_end(struct http__master *master)
{
    struct http__child *child;

    if (master->stops == 0 && master->error == 0)
        return;
    if (!master->ends && master->is_kept && getppid() != master->kept_by)
        http__master_say("the master %ld has gone, and this program ends",
                         (long)master->kept_by);
    if (!master->ends)
        http__keeper_stopping(master);
    master->ends = true;
    let_listeners_go(master);
    for (child = master->children; child != NULL; child = child->next) {
        http__child_stop(child);
        if (master->stops > 1 && child->channel < 0)
            kill(child->pid, SIGTERM); /* it hears of the second, too */
        if (master->stops > 1 && child->channel >= 0)
            child->kill_at = 0;
    }
    if (master->stops > 1)
        master->stops = 1;
}

static void kill_late(struct http__master *master)
{
    struct http__child *child;

    for (child = master->children; child != NULL; child = child->next)
        if (!child->ended && hub_now() >= child->kill_at) {
            http__master_say("%ld does not end and is killed",
                             (long)child->pid);
            kill(child->pid, SIGKILL);
            child->kill_at = HUB_FOREVER;
        }
}

/* ---- the loop ---- */

static void step(struct http__master *master)
{
    reap(master);
    look_at_end(master);
    if (!master->ends) {
        for (unsigned i = 0; i < master->options.workers; i++)
            if (master->serves_own)
                look_at_slot(master, i);
        look_at_start(master);
        look_at_programs(master);
        look_at_end(master); /* a worker could not be started */
    }
    kill_late(master);
}

static void earlier(int64_t *deadline, int64_t at)
{
    if (at < *deadline)
        *deadline = at;
}

static int64_t next_time(const struct http__master *master)
{
    const struct http__child *child;
    int64_t next = HUB_FOREVER;

    for (child = master->children; child != NULL; child = child->next) {
        earlier(&next, child->kill_at);
        earlier(&next, child->ready_by);
    }
    if (master->ends)
        return next;
    for (unsigned i = 0; master->serves_own && i < master->options.workers; i++)
        if (master->slots[i].current == NULL)
            earlier(&next, master->slots[i].start_at);
    if (!master->serves_own && master->program == NULL &&
        master->candidate == NULL)
        earlier(&next, master->retry_at);
    return next;
}

/* A wait that somebody ends is as good as SIGTERM. */
static void serve(struct http__master *master)
{
    struct hub_shield shield;
    int rc;

    step(master);
    while (!master->ends) {
        rc = hub_event_wait(&master->changed, next_time(master));
        hub_event_clear(&master->changed);
        if (rc < 0 && hub_canceled() < 0) /* no deadline of ours */
            master->error = hub_canceled();
        else if (rc < 0 && rc != -ETIMEDOUT)
            hub_yield(); /* there was no memory for a wait */
        step(master);
    }
    hub_shield_begin(&shield);
    while (master->children != NULL) {
        rc = hub_event_wait(&master->changed, next_time(master));
        hub_event_clear(&master->changed);
        if (rc < 0 && rc != -ETIMEDOUT)
            hub_yield();
        step(master);
    }
    hub_shield_end(&shield);
}

/* ---- the master ---- */

static void set_defaults(struct http_master_options *options)
{
    cpu_set_t set;

    if (options->workers == 0)
        options->workers = sched_getaffinity(0, sizeof set, &set) == 0
                               ? (unsigned)CPU_COUNT(&set)
                               : 1;
    if (options->hubs == 0)
        options->hubs = 1;
    if (options->backlog == 0)
        options->backlog = BACKLOG;
    if (options->drain_ns == 0)
        options->drain_ns = DRAIN_NS;
    if (options->ready_ns == 0)
        options->ready_ns = READY_NS;
}

static int open_all(struct http__master *master)
{
    const char *failed = NULL;
    int rc = http__listeners_inherit(&master->listeners);

    if (rc == 0)
        rc = http__listeners_open(
            &master->listeners, master->options.listen, master->options.backlog,
            master->options.workers * master->options.hubs, &failed);
    if (rc < 0)
        http__master_say("%s: %s", failed != NULL ? failed : "no listener",
                         failed != NULL && rc == -EINVAL
                             ? "no address, as 127.0.0.1:8080 or unix:/path"
                             : strerror(-rc));
    return rc;
}

static void clear(struct http__master *master)
{
    for (size_t i = 0; i < HTTP__MASTER_SIGNALS; i++)
        if (master->watchers[i] != NULL)
            hub_signal_stop(master->watchers[i]);
    if (master->started && !master->is_kept) {
        http__listeners_unlink(&master->listeners);
        if (master->options.pid_file != NULL)
            unlink(master->options.pid_file);
    }
    http__keeper_free(master);
    http__takeover_free(master);
    hub_sleep(0); /* who listened has gone */
    http__listeners_free(&master->listeners);
    free(master->slots);
}

int http_master_run(const struct http_master_options *options,
                    int (*run)(struct http_worker *worker, void *arg),
                    void *arg)
{
    struct http__master master = {
        .run = run, .arg = arg, .tells = -1, .notify = -1};
    int rc;

    if (!greenlet_main(greenlet_current()))
        return -EPERM;
    if (options != NULL)
        master.options = *options;
    set_defaults(&master.options);
    hub_event_init(&master.changed);
    master.serves_own = true;
    master.slots = http__calloc(master.options.workers, sizeof *master.slots);
    rc = master.slots != NULL ? http__takeover_prepare(&master) : -ENOMEM;
    if (rc == 0)
        rc = watch_signals(&master);
    if (rc == 0)
        rc = open_all(&master);
    if (rc == 0) {
        serve(&master);
        rc = master.error;
    }
    clear(&master);
    return rc;
}
