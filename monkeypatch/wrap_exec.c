/* wrap_exec.c - the program becomes another
 *
 * What begins then has the signal mask of the kernel thread that calls exec, and
 * the signals that are pending for it: these are to be the calling thread's own.
 * Async-signal-safe, and the same in
 * the child of vfork(), whose kernel mask is its own already. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/signal_impl.h"

#include <stdarg.h>
#include <unistd.h>

/* What was in effect for the thread alone; `moved`: numbers of its signals. */
struct own {
    struct mp__thread *self; /* NULL: nothing to do */
    uint64_t moved;
};

/* What is pending for the thread is pending for what begins; the kernel has it
 * from now on. */
static uint64_t move_signals(struct mp__thread *self)
{
    uint64_t moved = 0;
    siginfo_t info;

    while (mp__signal_dequeue(self, self->signal_mask, &info)) {
        SYS_CALL(SYS_rt_tgsigqueueinfo, getpid(),
                 SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0), info.si_signo, &info,
                 0, 0);
        moved |= mp__signal_bit(info.si_signo);
    }
    return moved;
}

static void move_back(struct mp__thread *self, uint64_t moved)
{
    const struct timespec zero = { 0, 0 };
    siginfo_t info;
    sigset_t set;

    mp__signal_set(&set, moved);
    while (moved != 0 && mp__real.sigtimedwait(&set, &info, &zero) > 0)
        mp__signal_enqueue(self, &info);
}

static struct own own_begins(void)
{
    struct own own = { mp__in_vfork_child == 0 ? mp__self : NULL, 0 };

    mp__privileges_settle();
    if (own.self == NULL)
        return own;
    mp__own_mask_begins();
    if (own.self->signals_pending != 0)
        own.moved = move_signals(own.self);
    return own;
}

/* It has failed. */
static void own_ends(const struct own *own)
{
    int before = errno;

    if (own->self == NULL)
        return;
    move_back(own->self, own->moved);
    mp__own_mask_ends();
    errno = before;
}

#define AS_ITSELF \
    __attribute__((cleanup(own_ends), unused)) const struct own own = \
        own_begins()

#define EXEC(name, params, args)              \
    MP_EXPORT int name params                 \
    {                                         \
        if (!MP_REAL_FOUND(name))             \
            return mp__fail(-ENOSYS);         \
        AS_ITSELF;                            \
        return mp__real.name args;            \
    }

EXEC(execve, (const char *path, char *const argv[], char *const envp[]),
     (path, argv, envp))
EXEC(execv, (const char *path, char *const argv[]), (path, argv))
EXEC(execvp, (const char *file, char *const argv[]), (file, argv))
EXEC(execvpe, (const char *file, char *const argv[], char *const envp[]),
     (file, argv, envp))
EXEC(fexecve, (int fd, char *const argv[], char *const envp[]),
     (fd, argv, envp))
EXEC(execveat,
     (int dir, const char *path, char *const argv[], char *const envp[],
      int flags),
     (dir, path, argv, envp, flags))

/* ---- arguments one by one, up to a null pointer ---- */

static size_t count(const char *first, va_list *rest)
{
    size_t found = 0;

    for (const char *next = first; next != NULL; found++)
        next = va_arg(*rest, const char *);
    return found;
}

static void collect(char **argv, size_t number, const char *first,
                    va_list *rest)
{
    argv[0] = (char *)first;
    for (size_t i = 1; i <= number; i++)
        argv[i] = va_arg(*rest, char *);
}

/* `argv`, on the stack: nothing else may be asked for memory here. */
#define COLLECT(first)                             \
    va_list list;                                  \
    size_t number;                                 \
    va_start(list, first);                         \
    number = count(first, &list);                  \
    va_end(list);                                  \
    char *argv[number + 1];                        \
    va_start(list, first);                         \
    collect(argv, number, first, &list)

MP_EXPORT int execl(const char *path, const char *first, ...)
{
    COLLECT(first);
    va_end(list);
    return execv(path, argv);
}

MP_EXPORT int execlp(const char *file, const char *first, ...)
{
    COLLECT(first);
    va_end(list);
    return execvp(file, argv);
}

MP_EXPORT int execle(const char *path, const char *first, ...)
{
    char *const *envp;

    COLLECT(first);
    envp = va_arg(list, char *const *);
    va_end(list);
    return execve(path, argv, envp);
}
