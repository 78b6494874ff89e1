/* launch.c - from vfork() to execve()
 *
 * The child shares our memory until it has begun its program: it calls nothing but
 * system calls, writes to its own frames and to no object of ours, and all signals
 * are blocked until it has no handlers.  What fails is told by a pipe, since an
 * emulator may make a vfork() into a fork(). */
#include "hub/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in the child ---- */

static void fails(const struct hub__launch *launch, int error)
    __attribute__((noreturn));
static void fails(const struct hub__launch *launch, int error)
{
    ssize_t put = write(launch->error, &error, sizeof error);

    (void)put;
    _exit(127);
}

/* Handlers would run on the parent's memory; what is ignored is inherited. */
static void reset_signals(unsigned flags)
{
    struct sigaction native = { .sa_handler = SIG_DFL }, now;

    for (int number = 1; number <= 64; number++) {
        bool ignored;

        if (sigaction(number, NULL, &now) < 0 || now.sa_handler == SIG_DFL)
            continue;
        ignored = now.sa_handler == SIG_IGN;
        if (!ignored || (!(flags & HUB_PROCESS_KEEP_SIGNALS) &&
                         (number == SIGPIPE || number == SIGXFSZ)))
            sigaction(number, &native, NULL);
    }
}

/* First out of the way of the others, then to their places. */
static void place_fds(const struct hub__launch *launch)
{
    int from[3];

    for (int i = 0; i < 3; i++) {
        from[i] = launch->fds[i];
        if (from[i] < 0)
            continue;
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
        if (from[i] < 0)
            fails(launch, errno);
    }
    for (int i = 0; i < 3; i++)
        if (from[i] >= 0 && dup2(from[i], i) < 0)
            fails(launch, errno);
}

static bool is_passed(const struct hub__launch *launch, int fd)
{
    const struct hub_process_options *options = launch->options;

    for (size_t i = 0; i < options->pass_count; i++)
        if (options->pass_fds[i] == fd)
            return true;
    return fd == launch->error;
}

/* The kernel's struct linux_dirent64, of which libc has none. */
struct entry {
    uint64_t ino;
    int64_t off;
    uint16_t length;
    unsigned char type;
    char name[];
};

static int number_of(const char *text)
{
    int number = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    return *text == '\0' ? number : -1;
}

/* A kernel without close_range(). */
static void mark_listed(const struct hub__launch *launch)
{
    _Alignas(struct entry) char buffer[4096];
    int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long got;

    if (folder < 0)
        fails(launch, errno);
    while ((got = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got;) {
            struct entry *entry = (struct entry *)(void *)(buffer + at);
            int fd = number_of(entry->name);

            if (fd >= 3 && !is_passed(launch, fd))
                fcntl(fd, F_SETFD, FD_CLOEXEC);
            at += entry->length;
        }
    close(folder);
}

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* The next that is passed, from `at` on. */
static unsigned next_passed(const struct hub__launch *launch, unsigned at)
{
    const struct hub_process_options *options = launch->options;
    unsigned next = ~0U;

    for (size_t i = 0; i < options->pass_count; i++) {
        unsigned fd = (unsigned)options->pass_fds[i];

        if (fd >= at && fd < next)
            next = fd;
    }
    return next;
}

/* All from 3 on are closed by execve(), but for those that are passed. */
static void mark_fds(const struct hub__launch *launch)
{
    unsigned at = 3, next;

    if (launch->options->flags & HUB_PROCESS_KEEP_FDS)
        return;
    do {
        next = next_passed(launch, at);
        if (next > at && syscall(SYS_close_range, at, next - 1,
                                 CLOSE_RANGE_CLOEXEC) < 0) {
            mark_listed(launch);
            return;
        }
        at = next + 1;
    } while (next != ~0U);
}

static void pass_fds(const struct hub__launch *launch)
{
    const struct hub_process_options *options = launch->options;

    for (size_t i = 0; i < options->pass_count; i++)
        if (options->pass_fds[i] >= 3 &&
            fcntl(options->pass_fds[i], F_SETFD, 0) < 0)
            fails(launch, errno);
}

/* The first that there is; a folder that may not be read is told of only if no
 * other has it (execvp()). */
static void run_program(const struct hub__launch *launch)
{
    char *const *argv = (char *const *)(uintptr_t)launch->options->argv;
    char *const *env = (char *const *)(uintptr_t)launch->env;
    int error = ENOENT;

    for (char *const *file = launch->files; *file != NULL; file++) {
        execve(*file, argv, env);
        if (errno == EACCES)
            error = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR)
            fails(launch, errno);
    }
    fails(launch, error);
}

static void be_child(const struct hub__launch *launch)
    __attribute__((noreturn, noinline));
static void be_child(const struct hub__launch *launch)
{
    const struct hub_process_options *options = launch->options;

    reset_signals(options->flags);
    place_fds(launch);
    if (options->cwd != NULL && chdir(options->cwd) < 0)
        fails(launch, errno);
    if (options->flags & HUB_PROCESS_NEW_SESSION)
        setsid();
    mark_fds(launch);
    pass_fds(launch);
    sigprocmask(SIG_SETMASK, &launch->mask, NULL);
    run_program(launch);
    _exit(127);
}

/* ---- in the parent ---- */

/* Nothing of this frame changes in the child. */
static __attribute__((noinline)) pid_t split(const struct hub__launch *launch)
{
    pid_t pid = vfork();

    if (pid == 0)
        be_child(launch);
    return pid < 0 ? -errno : pid;
}

/* What the child said before it failed; 0: it runs. */
static int read_error(int fd)
{
    int error = 0;
    ssize_t got;

    do {
        got = read(fd, &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? error : 0;
}

/* A pipe that is not where 0, 1 and 2 will be. */
static int make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] < 3) {
            int high = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);

            close(ends[i]);
            ends[i] = high;
        }
    if (ends[0] >= 0 && ends[1] >= 0)
        return 0;
    close(ends[0]);
    close(ends[1]);
    return -EMFILE;
}

pid_t hub__launch(struct hub__launch *launch)
{
    sigset_t all;
    int ends[2], error;
    pid_t pid = make_pipe(ends);

    if (pid < 0)
        return pid;
    launch->error = ends[1];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &launch->mask);
    pid = split(launch);
    pthread_sigmask(SIG_SETMASK, &launch->mask, NULL);
    close(ends[1]);
    error = pid > 0 ? read_error(ends[0]) : 0;
    close(ends[0]);
    if (error == 0)
        return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return -error;
}
