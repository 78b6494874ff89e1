/* system.c - processes, signals, workers, consoles, dumps */
#include "torture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- processes ---- */

enum { BIG = 200000 }; /* more than a pipe takes */

static int communicates(void)
{
    static const char *const argv[] = { "sh", "-c", "tee /dev/stderr", NULL };
    const struct hub_process_options options = { .argv = argv,
                                                 .in = HUB_PROCESS_PIPE,
                                                 .out = HUB_PROCESS_PIPE,
                                                 .err = HUB_PROCESS_PIPE };
    struct hub_process_output output;
    char *input = malloc(BIG);
    int rc, code = -1;

    memset(input, 'x', BIG);
    rc = hub_process_run(&options, input, BIG, SOON, &output, &code);
    if (rc == 0) {
        must(code == 0);
        must(output.out_size == BIG && output.err_size == BIG);
        must(memcmp(output.out, input, BIG) == 0);
        must(memcmp(output.err, input, BIG) == 0);
        free(output.out);
        free(output.err);
    }
    free(input);
    return rc;
}

static int cannot_start(void)
{
    static const char *const argv[] = { "/no/such/program", NULL };
    const struct hub_process_options options = { .argv = argv };
    struct hub_process *process;
    int rc = hub_process_spawn(&options, &process);

    must(rc < 0);
    return rc == -ENOENT ? 0 : rc;
}

static void counts_end(struct hub_process *process, void *arg)
{
    (void)process;
    ++*(int *)arg;
}

static int is_linked(void)
{
    static const char *const argv[] = { "true", NULL };
    const struct hub_process_options options = { .argv = argv };
    struct hub_process *process;
    int rc = hub_process_spawn(&options, &process), ended = 0, code = -1, next;

    if (rc < 0)
        return rc;
    rc = hub_process_link(process, counts_end, &ended);
    next = hub_process_wait(process, SOON, &code);
    must(next < 0 || code == 0);
    if (rc == 0 && next == 0) {
        for (int i = 0; i < 100 && ended == 0; i++)
            hub_yield();
        must(ended == 1);
    }
    hub_process_unref(process);
    return first_of(rc, next);
}

static int forks(void)
{
    pid_t pid = hub_fork();
    int status, rc;

    if (pid == 0)
        _exit(3);
    if (pid < 0)
        return pid;
    rc = hub_waitpid(pid, &status, 0, SOON);
    must(rc < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 3));
    if (rc < 0)
        waitpid(pid, NULL, 0);
    return rc < 0 ? rc : 0;
}

TORTURE(processes)
{
    int rc = communicates();

    rc = first_of(rc, cannot_start());
    rc = first_of(rc, is_linked());
    return first_of(rc, forks());
}

/* ---- signals ---- */

static int handled;

static void handles(int number, void *arg)
{
    (void)arg;
    must(number == SIGUSR1);
    handled++;
}

/* A handler's greenlet may have no memory: then it is said, and not lost in
 * silence; the one who waits needs none. */
TORTURE(signals)
{
    struct hub_signal *first = NULL, *second = NULL;
    int rc = hub_signal_start(SIGUSR1, handles, NULL, &first), next;

    if (rc < 0)
        return rc;
    handled = 0;
    rc = hub_signal_start(SIGUSR1, NULL, NULL, &second);
    if (rc == 0) {
        kill(getpid(), SIGUSR1);
        rc = hub_signal_wait(second, SOON);
        must(rc < 0 || rc == SIGUSR1);
        next = hub_sleep(2 * MS);
        must(rc < 0 || next < 0 || handled <= 1);
        rc = first_of(rc, next);
        must(hub_signal_stop(second) == 0);
    }
    must(hub_signal_stop(first) == 0);
    return rc;
}

/* ---- workers ---- */

static int called;

static void is_called(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&called, 1, __ATOMIC_SEQ_CST);
}

/* The other one may have failed, and ended. */
static int unless_gone(int rc)
{
    return rc == -ESRCH ? 0 : rc;
}

static int works(struct hub_worker *worker, void *arg)
{
    unsigned other = 1 - hub_worker_index(worker);
    int rc, next;

    (void)arg;
    rc = unless_gone(hub_worker_call(worker, other, is_called, NULL));
    next = unless_gone(hub_worker_spawn(worker, other, is_called, NULL));
    rc = first_of(rc, next);
    next = hub_sleep(2 * MS);
    hub_worker_stop(worker);
    rc = first_of(rc, next);
    next = hub_worker_wait(worker, SOON);
    return first_of(rc, next);
}

TORTURE(workers)
{
    int rc;

    called = 0;
    rc = hub_workers(2, works, NULL);
    must(called <= 4);
    return rc;
}

/* ---- the console ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* Asks everything, and reads until the connection is closed. */
static int asks(int fd)
{
    static const char all[] = "help\nlist\nbt 1\nwatchers\nstats\ndump\ntree\n"
                              "config\nnonsense\nquit\n";
    char piece[4096];
    ssize_t got;
    int rc = 0;

    must(write(fd, all, sizeof all - 1) == sizeof all - 1);
    while (rc == 0 && (got = read(fd, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == ECONNRESET)
            break;
        if (got < 0)
            rc = hub_wait_fd(fd, HUB_READ, SOON);
    }
    hub_fd_closed(fd);
    close(fd);
    return rc > 0 ? 0 : rc;
}

TORTURE(console)
{
    struct hub_console *console;
    char path[64];
    int rc;

    snprintf(path, sizeof path, "/tmp/vireo-torture.%d", (int)getpid());
    rc = hub_console_open(path, &console);
    if (rc < 0) {
        must(access(path, F_OK) != 0);
        return rc;
    }
    rc = asks(connect_to(path));
    hub_console_close(console);
    must(access(path, F_OK) != 0);
    return rc;
}

/* ---- dumps ---- */

TORTURE(dumps)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), rc = hub_dump(fd);
    char *text = hub_dump_text();

    must(rc == 0);
    must(hub_dump_tree(fd) == 0);
    close(fd);
    free(text);
    return text != NULL ? 0 : -ENOMEM;
}
