/* wrap_process.c - waiting for children, and calls that hide a fork()
 *
 * A wait for one child parks on its pidfd; for a wait for any child, or for a
 * child to stop, see children.c.  Then the caller looks again.
 *
 * A child that is traced stops for who waits, whatever that has asked for, and
 * its pidfd does not tell.  Whether a child lets itself be traced is not known
 * here; it says so soon if it does.  So waits by a pidfd look at the child a
 * few times, until one has been seen to stop so: then children.c is for all. */
#include "monkeypatch/children.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/private_fd.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <utmp.h>

/* What a wait is for, as waitid() says it. */
struct children {
    idtype_t type;
    id_t id;
    int options; /* WEXITED and its like; no WNOHANG */
    int64_t pause; /* until the next look at one that may be traced */
};

#define FIRST_PAUSE_NS 2000000
#define LAST_PAUSE_NS  1000000000

static bool traces; /* a child has stopped for us to trace it */

static int open_pidfd(pid_t pid)
{
    if (mp__options.masked & FEATURE_PIDFD)
        return -ENOSYS;
    return (int)SYS_CALL(SYS_pidfd_open, pid, 0, 0, 0, 0, 0);
}

static int wait_on_pidfd(int low, struct children *children)
{
    MP_PRIVATE_FD fd = {-1, -1};
    int64_t until = HUB_FOREVER;
    int rc = mp__private_fd(&fd, low);

    if (rc < 0)
        return rc;
    if (children->pause < LAST_PAUSE_NS) {
        until = mp__now() + children->pause;
        children->pause *= 2;
    }
    rc = mp__wait_fd(&fd.now, HUB_READ, until,
                     MP_CANCEL | MP_INTERRUPTIBLE | MP_RESTARTS);
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* Park until a look at the children may find something; `seen` is from before
 * the last one.  0 or -errno. */
static int wait_for(struct children *children, uint32_t seen)
{
    int saved = errno, rc;

    if (children->type == P_PID && !traces &&
        (children->options & (WEXITED | WSTOPPED | WCONTINUED)) == WEXITED) {
        int fd = open_pidfd((pid_t)children->id);

        if (fd >= 0) {
            rc = wait_on_pidfd(fd, children);
            errno = saved;
            return rc;
        }
        if (fd == -ESRCH)
            return 0; /* the look will say ECHILD */
    }
    rc = mp__children_wait(seen, children->options);
    errno = saved;
    return rc;
}

static bool may_park(int options)
{
    /* __WALL and __WCLONE tell threads apart, and one watches: native. */
    if (!MP_ACTIVE(process))
        return false;
    mp__testcancel();
    if (!mp__may_park())
        return false;
    if ((options & (WNOHANG | __WALL | __WCLONE | __WNOTHREAD)) == 0)
        return true;
    mp__io_spend(); /* it may be asked in a loop */
    return false;
}

static struct children children_of(pid_t pid, int options)
{
    struct children children = {P_ALL, 0, WEXITED, FIRST_PAUSE_NS};

    if (pid > 0)
        children.type = P_PID, children.id = (id_t)pid;
    else if (pid < -1)
        children.type = P_PGID, children.id = (id_t)-pid;
    else if (pid == 0)
        children.type = P_PGID, children.id = (id_t)getpgrp();
    if (options & WUNTRACED)
        children.options |= WSTOPPED;
    if (options & WCONTINUED)
        children.options |= WCONTINUED;
    return children;
}

static pid_t wait_child(pid_t pid, int *status, int options,
                        struct rusage *usage)
{
    struct children children = children_of(pid, options);
    int own;

    if (status == NULL)
        status = &own;
    for (;;) {
        uint32_t seen = mp__children_seen();
        pid_t found = mp__real.wait4(pid, status, options | WNOHANG, usage);
        int rc;

        if (found > 0 && WIFSTOPPED(*status) && !(options & WUNTRACED))
            traces = true;
        if (found > 0)
            mp__children_taken();
        if (found != 0)
            return found;
        rc = wait_for(&children, seen);
        if (rc < 0)
            return mp__fail(rc);
    }
}

MP_EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    pid_t (*original)(pid_t, int *, int, struct rusage *) = MP_REAL(wait4);

    if (!may_park(options))
        return original(pid, status, options, usage);
    return wait_child(pid, status, options, usage);
}

MP_EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
    pid_t (*original)(pid_t, int *, int) = MP_REAL(waitpid);

    if (!may_park(options))
        return original(pid, status, options);
    return wait_child(pid, status, options, NULL);
}
MP_SPELLING(waitpid, __waitpid);

MP_EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
    pid_t (*original)(int *, int, struct rusage *) = MP_REAL(wait3);

    if (!may_park(options))
        return original(status, options, usage);
    return wait_child(-1, status, options, usage);
}

MP_EXPORT pid_t wait(int *status)
{
    pid_t (*original)(int *) = MP_REAL(wait);

    if (!may_park(0))
        return original(status);
    return wait_child(-1, status, 0, NULL);
}
MP_SPELLING(wait, __wait);

MP_EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    int (*original)(idtype_t, id_t, siginfo_t *, int) = MP_REAL(waitid);
    struct children children = {
        type, id, options & (WEXITED | WSTOPPED | WCONTINUED),
        FIRST_PAUSE_NS};
    siginfo_t own;

    /* P_PIDFD and what Linux may add wait natively. */
    if (!may_park(options) ||
        (type != P_PID && type != P_PGID && type != P_ALL))
        return original(type, id, info, options);
    if (info == NULL)
        info = &own;
    for (;;) {
        uint32_t seen = mp__children_seen();
        int rc;

        info->si_pid = 0;
        rc = original(type, id, info, options | WNOHANG);
        if (rc == 0 && info->si_pid != 0 && !(options & WSTOPPED) &&
            (info->si_code == CLD_TRAPPED || info->si_code == CLD_STOPPED))
            traces = true;
        if (rc == 0 && info->si_pid != 0 && !(options & WNOWAIT))
            mp__children_taken();
        if (rc < 0 || info->si_pid != 0)
            return rc;
        rc = wait_for(&children, seen);
        if (rc < 0)
            return mp__fail(rc);
    }
}

/* libc's daemon() and forkpty() call a fork() of its own, which knows nothing
 * of greenlets.  What is called by its plain name here is meant to be ours. */
static int become_session(int keep_directory, int keep_files)
{
    int fd;

    if (setsid() < 0)
        return -1;
    if (!keep_directory && chdir("/") < 0)
        return -1;
    if (keep_files)
        return 0;
    fd = mp__real.open("/dev/null", O_RDWR, 0);
    if (fd < 0)
        return -1;
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    return 0;
}

MP_EXPORT int daemon(int keep_directory, int keep_files)
{
    int (*original)(int, int) = MP_REAL(daemon);
    pid_t child;

    if (!mp__mapped())
        return original(keep_directory, keep_files);
    child = fork();
    if (child < 0)
        return -1;
    if (child > 0)
        _exit(0);
    return become_session(keep_directory, keep_files);
}

MP_EXPORT int forkpty(int *master, char *name, const struct termios *termios,
                      const struct winsize *size)
{
    int (*original)(int *, char *, const struct termios *,
                    const struct winsize *) = MP_REAL(forkpty);
    int ours, theirs;
    pid_t child;

    if (!mp__mapped())
        return original(master, name, termios, size);
    if (openpty(&ours, &theirs, name, termios, size) < 0)
        return -1;
    child = fork();
    if (child == 0) {
        close(ours);
        if (login_tty(theirs) < 0)
            _exit(1);
        return 0;
    }
    close(theirs);
    if (child < 0)
        close(ours);
    else
        *master = ours;
    return child;
}
