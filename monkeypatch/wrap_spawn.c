/* wrap_spawn.c - programs that libc starts
 *
 * A child begins with the signal mask of the kernel thread that makes it, which
 * is nobody's while several threads are mapped: it is set to the caller's for
 * the time of the call.  posix_spawn() and popen() are made in place and not by
 * a helper: a child that wants to die with its parent (PR_SET_PDEATHSIG) would
 * die with that helper.  They last until the child has called exec, as vfork(). */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sync_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static void end_mask(const bool *on)
{
    int before = errno;

    if (*on)
        mp__own_mask_ends();
    errno = before;
}

static bool begin_mask(void)
{
    bool on = mp__self != NULL && mp__in_vfork_child == 0;

    mp__fd_shared(); /* the child has what is open and not close-on-exec */
    mp__privileges_settle();
    if (on)
        mp__own_mask_begins();
    return on;
}

#define OWN_MASK \
    __attribute__((cleanup(end_mask), unused)) const bool own = begin_mask()

#define SPAWN(name, first)                                                \
    MP_EXPORT int mp__wrap_##name(                                        \
        first *id, const char *path,                                      \
        const posix_spawn_file_actions_t *actions,                        \
        const posix_spawnattr_t *attributes, char *const argv[],          \
        char *const envp[]) __asm__(#name);                               \
    MP_EXPORT int mp__wrap_##name(                                        \
        first *id, const char *path,                                      \
        const posix_spawn_file_actions_t *actions,                        \
        const posix_spawnattr_t *attributes, char *const argv[],          \
        char *const envp[])                                               \
    {                                                                     \
        if (!MP_REAL_FOUND(name))                                         \
            return ENOSYS;                                                \
        OWN_MASK;                                                         \
        return mp__real.name(id, path, actions, attributes, argv, envp);  \
    }

SPAWN(posix_spawn, pid_t)
SPAWN(posix_spawnp, pid_t)
SPAWN(pidfd_spawn, int)
SPAWN(pidfd_spawnp, int)

MP_EXPORT FILE *popen(const char *command, const char *mode)
{
    FILE *(*original)(const char *, const char *) = MP_REAL(popen);

    OWN_MASK;
    return original(command, mode);
}
MP_SPELLING(popen, _IO_popen);

/* ---- system() ----
 *
 * libc's would wait for the command where it is.  Its steps as POSIX has them:
 * SIGINT and SIGQUIT are ignored while any is under way, SIGCHLD is blocked, the
 * command begins with what was there before. */

static const int ignored[] = { SIGINT, SIGQUIT };
static struct sigaction ignored_before[2];
static unsigned under_way; /* of mapped threads */
static uint32_t changes;   /* sync_impl.h's word: guards both */

struct command {
    pid_t pid; /* 0: it is over */
    sigset_t mask;
};

static void ignore(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    sync_word_lock(&changes, HUB_FOREVER, MP_OF_ONCE);
    for (int i = 0; i < 2 && under_way == 0; i++)
        sigaction(ignored[i], &ignore, &ignored_before[i]);
    under_way++;
    sync_word_unlock(&changes);
}

/* A thread that is cancelled meanwhile takes the command along. */
static void end_command(struct command *command)
{
    int before = errno;

    if (command->pid > 0) {
        kill(command->pid, SIGKILL);
        mp__real.waitpid(command->pid, NULL, 0);
    }
    sync_word_lock(&changes, HUB_FOREVER, MP_OF_ONCE);
    under_way--;
    for (int i = 0; i < 2 && under_way == 0; i++)
        sigaction(ignored[i], &ignored_before[i], NULL);
    sync_word_unlock(&changes);
    pthread_sigmask(SIG_SETMASK, &command->mask, NULL);
    errno = before;
}

/* 0 or an error. */
static int start_command(struct command *command, const char *text)
{
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)text, NULL };
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int rc;

    sigemptyset(&defaults);
    for (int i = 0; i < 2; i++)
        if (ignored_before[i].sa_handler != SIG_IGN)
            sigaddset(&defaults, ignored[i]);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &command->mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    mp__fd_shared();
    mp__privileges_settle();
    rc = mp__real.posix_spawn(&command->pid, "/bin/sh", NULL, &attributes,
                              argv, environ);
    posix_spawnattr_destroy(&attributes);
    if (rc != 0)
        command->pid = 0;
    return rc;
}

static int run_command(const char *text)
{
    __attribute__((cleanup(end_command))) struct command command = { 0 };
    sigset_t child;
    int status, rc;
    pid_t found;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, &command.mask);
    ignore();
    rc = start_command(&command, text);
    if (rc != 0) {
        errno = rc;
        return W_EXITCODE(127, 0);
    }
    do {
        found = waitpid(command.pid, &status, 0);
    } while (found < 0 && errno == EINTR);
    command.pid = 0;
    return found < 0 ? -1 : status;
}

/* By their plain names sigaction(), pthread_sigmask() and waitpid() are ours. */
MP_EXPORT int system(const char *text)
{
    if (!MP_ACTIVE(process) || mp__self == NULL || !mp__may_park())
        return MP_REAL(system)(text);
    mp__testcancel();
    if (text == NULL)
        return run_command("exit 0") == 0;
    return run_command(text);
}
