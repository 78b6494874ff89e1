/* run.c - one program in a session of its own, and nothing that outlives it
 *
 * These programs fork, kill and daemonise.  What they leave behind becomes our
 * child, is given a moment to end by itself, and is then killed: it and nobody
 * else, found as a child of this process. */
#include "preload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MS = 1000, LOOK_MS = 20, SLICE_MS = 250, LATE_MS = 1000 };

volatile sig_atomic_t stopped_by;
sigset_t run_outside;

static void on_stop(int number)
{
    stopped_by = number;
}

static void on_child(int number)
{
    (void)number; /* it ends a wait */
}

static void take_stop(int number, bool is_worker)
{
    struct sigaction before, stop = {.sa_handler = on_stop};

    if (is_worker && number != SIGTERM)
        stop.sa_handler = SIG_IGN;
    else if (!is_worker && sigaction(number, NULL, &before) == 0 &&
             before.sa_handler == SIG_IGN)
        return;
    sigaction(number, &stop, NULL);
}

void run_prepare(bool is_worker)
{
    static const int stops[] = {SIGINT, SIGHUP, SIGTERM};
    struct sigaction child = {.sa_handler = on_child};
    sigset_t held;

    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    sigaction(SIGCHLD, &child, NULL);
    sigemptyset(&held);
    sigaddset(&held, SIGCHLD);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        take_stop(stops[i], is_worker);
        sigaddset(&held, stops[i]);
    }
    sigprocmask(SIG_BLOCK, &held, NULL);
    sigemptyset(&run_outside);
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- in the child ---- */

/* What nohup, a shell's background job or a library has left to us is not what
 * the program is tried with. */
static void forget_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &usual, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_all_but_three(void)
{
    struct rlimit limit = {1024, 1024};

    if (syscall(SYS_close_range, 3, ~0U, 0) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 3; fd < (int)limit.rlim_cur && fd < 65536; fd++)
        close(fd);
}

static _Noreturn void be_the_program(const struct request *request, int output)
{
    static const struct rlimit no_core = {0, 0};
    int nothing = open("/dev/null", O_RDONLY);

    setsid();
    forget_signals();
    setrlimit(RLIMIT_CORE, &no_core);
    if (nothing >= 0)
        dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close_all_but_three();
    request_execute(request);
}

/* ---- what it says ---- */

static void take_line(struct run *run, const char *line)
{
    static const char mark[] = "skipped: ";

    if (strncmp(line, mark, sizeof mark - 1) != 0)
        return;
    if (run->skips++ == 0)
        snprintf(run->reason, sizeof run->reason, "%s", line + sizeof mark - 1);
}

/* Lines come in pieces. */
static void look_for_skips(struct run *run, char line[REASON], size_t *length,
                           const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == '\n') {
            line[*length] = '\0';
            take_line(run, line);
            *length = 0;
        } else if (*length < REASON - 1) {
            line[(*length)++] = bytes[i];
        }
}

/* The head stays, and the end. */
static void keep(struct run *run, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (run->length == TEXT) {
            size_t gone = (TEXT - HEAD) / 2;

            memmove(run->text + HEAD, run->text + HEAD + gone,
                    TEXT - HEAD - gone);
            run->length -= gone;
            run->cut += gone;
        }
        run->text[run->length++] = bytes[i] != '\0' ? bytes[i] : '?';
    }
    run->text[run->length] = '\0';
}

struct listener {
    int input; /* -1: it has ended */
    char line[REASON];
    size_t length;
};

/* False: there is nothing more at this moment. */
static bool take(struct listener *listener, struct run *run)
{
    char bytes[4096];
    ssize_t got = -1;

    if (listener->input >= 0)
        got = read(listener->input, bytes, sizeof bytes);
    if (got > 0) {
        keep(run, bytes, (size_t)got);
        look_for_skips(run, listener->line, &listener->length, bytes,
                       (size_t)got);
        return true;
    }
    if (got == 0) {
        close(listener->input);
        listener->input = -1;
    }
    return false;
}

/* Until something is said, a child ends, or the time is over.  Returns how much
 * too long that took. */
static long wait_a_moment(struct listener *listener, struct run *run, long ms)
{
    struct pollfd watch = {listener->input, POLLIN, 0};
    struct timespec time = {0, 0};
    long start = now_ms(), late;

    if (ms <= 0)
        return 0;
    ms = ms < SLICE_MS ? ms : SLICE_MS;
    time.tv_nsec = ms * 1000000;
    if (ppoll(&watch, 1, &time, &run_outside) > 0)
        take(listener, run);
    late = now_ms() - start - ms;
    if (late < LATE_MS)
        return 0;
    run->stalled += late;
    return late;
}

/* ---- its end ---- */

/* Calls `each` for each child of this process. */
static int each_child(void (*each)(pid_t))
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[300], line[512] = "";
        const char *end;
        int fd, parent;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        end = read(fd, line, sizeof line - 1) > 0 ? strrchr(line, ')') : NULL;
        close(fd);
        if (end != NULL && sscanf(end, ") %*c %d", &parent) == 1 &&
            parent == getpid()) {
            each((pid_t)atoi(entry->d_name));
            count++;
        }
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

static void kill_it(pid_t pid)
{
    kill(pid, SIGKILL);
}

/* Takes all that have ended; the status of `program` goes into the run.  False:
 * there are no children. */
static bool reap(struct run *run, pid_t *program)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
        if (pid == *program) {
            run->status = status;
            *program = 0;
        }
    return pid == 0;
}

/* What it has left ends by itself, or else by us; those whose parent that was
 * are our children then. */
static void clear(struct listener *listener, struct run *run)
{
    long until = now_ms() + (run->in_time && !stopped_by ? GRACE_MS : 0);
    pid_t none = 0;

    while (reap(run, &none)) {
        int left = now_ms() >= until ? each_child(kill_it) : 0;

        run->left = left > run->left ? left : run->left;
        wait_a_moment(listener, run, LOOK_MS);
    }
    while (take(listener, run))
        ;
}

int run_clear(void)
{
    struct listener listener = {.input = -1};
    static struct run run;

    clear(&listener, &run);
    return run.left;
}

static void follow(struct listener *listener, struct run *run, pid_t program,
                   long until)
{
    pid_t running = program;

    while (reap(run, &running) && running != 0) {
        long left = until - now_ms();

        if (left <= 0 || stopped_by) {
            run->in_time = false;
            kill(-program, SIGKILL); /* the session's first group */
            kill(program, SIGKILL);
            left = LOOK_MS;
        }
        until += wait_a_moment(listener, run, left);
    }
}

bool run_program(const struct request *request, long seconds, struct run *run)
{
    struct listener listener = {.input = -1};
    long start = now_ms();
    int ends[2];
    pid_t pid = -1;

    memset(run, 0, sizeof *run);
    run->in_time = true;
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) == 0) {
        pid = fork();
        if (pid == 0)
            be_the_program(request, ends[1]);
        close(ends[1]);
        listener.input = ends[0];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    }
    if (pid < 0) {
        snprintf(run->text, sizeof run->text, "cannot start: %s\n",
                 strerror(errno));
    } else {
        run->started = true;
        follow(&listener, run, pid, start + seconds * 1000);
        clear(&listener, run);
    }
    if (listener.input >= 0)
        close(listener.input);
    run->milliseconds = now_ms() - start;
    return stopped_by == 0;
}

bool run_passed(const struct run *run)
{
    return run->started && run->in_time && WIFEXITED(run->status) &&
           WEXITSTATUS(run->status) == 0;
}

const char *run_told(const struct run *run, char text[100])
{
    if (!run->started)
        snprintf(text, 100, "could not be started");
    else if (!run->in_time)
        snprintf(text, 100, "no end within %ld ms", run->milliseconds);
    else if (run_passed(run))
        snprintf(text, 100, run->skips > 0 ? "skipped" : "passed");
    else if (WIFSIGNALED(run->status))
        snprintf(text, 100, "ended by signal %d (%s)", WTERMSIG(run->status),
                 strsignal(WTERMSIG(run->status)));
    else
        snprintf(text, 100, "exit status %d", WEXITSTATUS(run->status));
    return text;
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *where)
{
    (void)st;
    (void)where;
    if (kind == FTW_DP || kind == FTW_DNR)
        rmdir(path);
    else
        unlink(path);
    return 0;
}

void remove_folder(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
