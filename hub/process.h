/* process.h - child processes: spawn them, talk to them, wait for them
 *
 * A wait for a child parks on its pidfd; where the kernel has none a real thread
 * waits in waitid().  SIGCHLD stays the program's.  A struct hub_process belongs
 * to the hub that spawned it (others get -EXDEV); hub_waitpid() is for all. */
#ifndef VIREO_PROCESS_H
#define VIREO_PROCESS_H

#include "hub/hub.h"

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hub_process;

/* Where a standard descriptor of a child comes from, unless it is an fd. */
enum {
    HUB_PROCESS_INHERIT = 0, /* the parent's own */
    HUB_PROCESS_PIPE = -1,   /* a pipe; the other end is the parent's */
    HUB_PROCESS_NULL = -2,   /* /dev/null */
    HUB_PROCESS_OUT = -3     /* err alone: where out goes */
};
enum {
    HUB_PROCESS_KEEP_FDS = 1,    /* leave fds from 3 on as they are */
    HUB_PROCESS_KEEP_SIGNALS = 2, /* what is ignored stays so: SIGPIPE, SIGXFSZ */
    HUB_PROCESS_NEW_SESSION = 4  /* setsid() */
};

/* All zero but for argv is good.  Borrowed for the call. */
struct hub_process_options {
    const char *const *argv; /* ends with NULL */
    const char *file;        /* NULL: argv[0]; without a slash: looked for in
                                the PATH of the child */
    const char *const *env;  /* "NAME=value", ends with NULL; NULL: ours */
    const char *cwd;         /* NULL: ours */
    int in, out, err;        /* HUB_PROCESS_..., or an fd above 0; it gets a
                                pipe that does not block as one that does */
    const int *pass_fds;     /* fds from 3 on that it gets, under their numbers */
    size_t pass_count;
    unsigned flags;
};

/* Start a program.  Descriptors from 3 on are closed in it, but for pass_fds;
 * signals have their default actions and the caller's mask.  The thread stands
 * still until the program has begun (vfork()); nothing of fork()'s handlers runs.
 *
 * Ownership: *process is given (hub_process_unref()).
 * Returns 0; -EINVAL for options that make no sense; the error of chdir(), of
 * execve() (-ENOENT, -EACCES ...), of pipe2(), of vfork(); -ENOMEM. */
HUB_API int hub_process_spawn(const struct hub_process_options *options,
                              struct hub_process **process);

/* Nobody asks any more: pipes are closed, communication ends.  The child goes on,
 * and leaves no zombie. */
HUB_API void hub_process_unref(struct hub_process *process);

/* Its process id. */
HUB_API pid_t hub_process_pid(const struct hub_process *process);

/* Our ends of its pipes, non-blocking and close-on-exec; -1: no pipe, or closed.
 * Borrowed. */
HUB_API int hub_process_in(const struct hub_process *process);
HUB_API int hub_process_out(const struct hub_process *process);
HUB_API int hub_process_err(const struct hub_process *process);

/* Close our end of its standard input: it reads the end. */
HUB_API void hub_process_close_in(struct hub_process *process);

/* Has it ended?  Returns 1 with *code (see hub_process_wait()), 0 not yet, or
 * -ECHILD. */
HUB_API int hub_process_poll(struct hub_process *process, int *code);

/* Wait until it has ended.  *code (unless NULL): its exit status, or minus the
 * number of the signal that ended it.  Any number may ask, any time.  Switches.
 * Returns 0; -ECHILD when somebody else has taken its status (waitpid() by hand, or
 * SIGCHLD is ignored; or this is the child of a fork()); -EXDEV; or why it ended
 * early. */
HUB_API int hub_process_wait(struct hub_process *process, int64_t deadline_ns,
                             int *code);

/* Send it a signal; never to another process that has its number by now.
 * Returns 0, -ESRCH when it has ended, -EINVAL, -EPERM. */
HUB_API int hub_process_signal(struct hub_process *process, int number);

/* Call function(process, arg) in the loop once it has ended, or soon if it has.
 * It must not wait.  Not called if the process is let go before.
 * Returns 0, -ENOMEM, -EXDEV. */
HUB_API int hub_process_link(struct hub_process *process,
                             void (*function)(struct hub_process *process,
                                              void *arg),
                             void *arg);

/* What it wrote.  Each ends with a NUL that is not counted; NULL: no pipe.
 * Ownership: given, free(). */
struct hub_process_output {
    char *out, *err;
    size_t out_size, err_size;
};

/* Write `input` to its standard input and close that, read all of its output, and
 * wait for its end: a greenlet for each pipe, so that no pipe can fill up and
 * block the others.  `input` is copied.  It is no error when the child does not
 * read it all.  When the wait ends early nothing is lost: call it again (input is
 * not looked at then).  Switches.
 * Returns 0 with *output filled (unless NULL); -ENOMEM; an error of read(); or as
 * hub_process_wait(). */
HUB_API int hub_process_communicate(struct hub_process *process,
                                    const void *input, size_t size,
                                    int64_t deadline_ns,
                                    struct hub_process_output *output);

/* hub_process_spawn(), hub_process_communicate(), and the end: when that fails or
 * is ended early the child is killed and waited for.  Switches.
 * Returns as they do. */
HUB_API int hub_process_run(const struct hub_process_options *options,
                            const void *input, size_t size, int64_t deadline_ns,
                            struct hub_process_output *output, int *code);

/* fork() by the rule of hub_set_fork_rule(), and the parent watches the child: no
 * zombie is left, and hub_waitpid() can tell for 60 s how it ended.
 * Returns 0 in the child; in the parent its process id, or the negative errno of
 * fork(), -ENOMEM. */
HUB_API pid_t hub_fork(void);

/* waitpid(), which lets others run.  pid -1 takes the watched child that ended
 * first, if one has, then any.  WNOHANG, WUNTRACED and WCONTINUED as there.
 * Switches unless WNOHANG.  For all threads.
 * Returns the process id with *status (unless NULL); 0 with WNOHANG and no change;
 * -ECHILD, -EINVAL, or why it ended early. */
HUB_API pid_t hub_waitpid(pid_t pid, int *status, int options,
                          int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
