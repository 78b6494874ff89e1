/* signal_owner.c - files whose signals are for one thread: F_SETOWN_EX
 *
 * The kernel does not know our ids; it is told the thread that it knows, and the
 * signal goes to whom it was asked for.  SIGIO of a file without F_SETSIG says
 * nothing of the file: the kernel is asked for SIGIO by F_SETSIG, and what that
 * adds is taken away before the program sees it.  Nor does SIGURG, which is for
 * the owners of those files that have urgent data.  What a number was noted for
 * counts only while the kernel says that its file is owned by that thread, so
 * that nothing needs to be forgotten. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/signal_impl.h"

#include <fcntl.h>
#include <poll.h>

enum { OWNERS = 256 };

static struct owner {
    uint32_t thread; /* atomic: its id; 0: free */
    int fd;
    bool plain; /* the program has chosen no signal by F_SETSIG */
} owners[OWNERS];
static int used; /* atomic: those behind were never used */

static bool kernel_owner(int fd, struct f_owner_ex *owner)
{
    return SYS_CALL(SYS_fcntl, fd, F_GETOWN_EX, owner, 0, 0, 0) == 0;
}

static pid_t kernel_id(void)
{
    return (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static bool still_owns(int fd)
{
    struct f_owner_ex owner;

    return kernel_owner(fd, &owner) && owner.type == F_OWNER_TID &&
           owner.pid == kernel_id();
}

static long kernel_signal(int fd)
{
    return SYS_CALL(SYS_fcntl, fd, F_GETSIG, 0, 0, 0, 0);
}

static long choose_signal(int fd, long number)
{
    return SYS_CALL(SYS_fcntl, fd, F_SETSIG, number, 0, 0, 0);
}

static struct owner *find(int fd)
{
    int count = __atomic_load_n(&used, __ATOMIC_ACQUIRE);

    for (int i = 0; i < count; i++)
        if (owners[i].fd == fd &&
            __atomic_load_n(&owners[i].thread, __ATOMIC_ACQUIRE) != 0)
            return &owners[i];
    return NULL;
}

static struct mp__thread *thread_of(const struct owner *owner)
{
    uint32_t id = __atomic_load_n(&owner->thread, __ATOMIC_ACQUIRE);

    return id == mp__main.id ? &mp__main : mp__thread_by_id((pid_t)id);
}

/* 0 or EAGAIN.  Mapped threads only, so nobody else is at it. */
static int note(int fd, uint32_t id)
{
    struct owner *owner = find(fd);

    for (int i = 0; owner == NULL && i < used; i++)
        if (owners[i].thread == 0 || !still_owns(owners[i].fd))
            owner = &owners[i];
    if (owner == NULL) {
        if (used == OWNERS)
            return EAGAIN;
        owner = &owners[used];
    }
    __atomic_store_n(&owner->thread, 0, __ATOMIC_RELEASE);
    owner->fd = fd;
    __atomic_store_n(&owner->thread, id, __ATOMIC_RELEASE);
    if (owner == &owners[used])
        __atomic_store_n(&used, used + 1, __ATOMIC_RELEASE);
    return 0;
}

/* The file is not a thread's any more: its signal is what the program chose. */
static void forget(int fd)
{
    struct owner *owner = find(fd);

    if (owner == NULL)
        return;
    if (owner->plain && still_owns(fd) && kernel_signal(fd) == SIGIO)
        choose_signal(fd, 0);
    __atomic_store_n(&owner->thread, 0, __ATOMIC_RELEASE);
}

/* Noted before it is the owner: the signal may come at once. */
static long set_thread(int fd, uint32_t id)
{
    struct f_owner_ex owner = { F_OWNER_TID, kernel_id() };
    long number = kernel_signal(fd);
    bool plain;
    int error;

    if (number < 0)
        return number;
    plain = number == 0 ||
            (number == SIGIO && find(fd) != NULL && still_owns(fd) &&
             find(fd)->plain);
    error = note(fd, id);
    if (error != 0)
        return -error;
    find(fd)->plain = plain;
    if (plain)
        choose_signal(fd, SIGIO);
    return SYS_CALL(SYS_fcntl, fd, F_SETOWN_EX, &owner, 0, 0, 0);
}

static long set_owner(int fd, const struct f_owner_ex *wanted)
{
    struct f_owner_ex owner;

    if (!mp__readable(wanted, sizeof *wanted))
        return -EFAULT;
    owner = *wanted;
    if (owner.type == F_OWNER_TID &&
        ((uint32_t)owner.pid == mp__main.id ||
         mp__thread_by_id(owner.pid) != NULL))
        return set_thread(fd, (uint32_t)owner.pid);
    forget(fd);
    return SYS_CALL(SYS_fcntl, fd, F_SETOWN_EX, &owner, 0, 0, 0);
}

/* Of a file that a mapped thread owns. */
static bool signal_call(int fd, int command, long number, long *rc)
{
    struct owner *owner = find(fd);

    if (owner == NULL || !still_owns(fd))
        return false;
    if (command == F_GETSIG) {
        *rc = kernel_signal(fd);
        if (*rc == SIGIO && owner->plain)
            *rc = 0;
        return true;
    }
    *rc = choose_signal(fd, number == 0 ? SIGIO : number);
    if (*rc >= 0)
        owner->plain = number == 0;
    return true;
}

/* Who has ended owns nothing. */
static pid_t noted_id(int fd, pid_t id)
{
    const struct owner *owner = id == kernel_id() ? find(fd) : NULL;
    struct mp__thread *thread;

    if (owner == NULL)
        return id;
    thread = thread_of(owner);
    return thread == NULL || thread->ended ? 0 : (pid_t)owner->thread;
}

static long get_owner(int fd, int command, struct f_owner_ex *wanted)
{
    struct f_owner_ex owner;
    long rc = SYS_CALL(SYS_fcntl, fd, command,
                       command == F_GETOWN ? NULL : wanted, 0, 0, 0);

    if (rc < 0 || used == 0 || !kernel_owner(fd, &owner) ||
        owner.type != F_OWNER_TID)
        return rc;
    if (command == F_GETOWN)
        return noted_id(fd, (pid_t)rc);
    wanted->pid = noted_id(fd, owner.pid);
    return rc;
}

bool mp__owner_call(int fd, int command, void *arg, long *rc)
{
    if (mp__self == NULL)
        return false;
    if (command == F_SETOWN_EX)
        *rc = set_owner(fd, arg);
    else if (command == F_GETOWN || command == F_GETOWN_EX)
        *rc = get_owner(fd, command, arg);
    else if (command == F_GETSIG || command == F_SETSIG)
        return used != 0 && signal_call(fd, command, (long)arg, rc);
    else if (command == F_SETOWN && used != 0)
        return forget(fd), false;
    else
        return false;
    return true;
}

/* ---- its signals ---- */

static bool is_urgent(int fd)
{
    return sys_poll_one(fd, POLLPRI) > 0;
}

static bool sends(const struct owner *owner, const siginfo_t *info)
{
    if (__atomic_load_n(&owner->thread, __ATOMIC_ACQUIRE) == 0)
        return false;
    if (info->si_code != SI_KERNEL)
        return info->si_fd == owner->fd && still_owns(owner->fd);
    return info->si_signo == SIGURG && still_owns(owner->fd) &&
           is_urgent(owner->fd);
}

static bool is_of_a_file(const siginfo_t *info)
{
    if (info->si_code == SI_KERNEL)
        return info->si_signo == SIGURG;
    return info->si_code >= POLL_IN && info->si_code <= POLL_HUP &&
           info->si_signo != SIGCHLD;
}

/* As the kernel tells it without F_SETSIG. */
static void make_plain(siginfo_t *info)
{
    int number = info->si_signo;

    memset(info, 0, sizeof *info);
    info->si_signo = number;
    info->si_code = SI_KERNEL;
}

bool mp__owners(siginfo_t *info, struct mp__thread **first,
                int (*leave)(struct mp__thread *, const siginfo_t *))
{
    int count = __atomic_load_n(&used, __ATOMIC_ACQUIRE);
    struct mp__thread *thread;
    bool owned = false, plain = false;

    if (likely(count == 0) || !is_of_a_file(info))
        return false;
    for (int i = 0; i < count; i++) {
        if (!sends(&owners[i], info))
            continue;
        owned = true;
        plain |= owners[i].plain && info->si_signo == SIGIO;
        thread = thread_of(&owners[i]);
        if (thread == NULL || thread->ended || thread == *first)
            continue;
        if (*first == NULL)
            *first = thread;
        else
            leave(thread, info);
    }
    if (plain)
        make_plain(info);
    return owned;
}
