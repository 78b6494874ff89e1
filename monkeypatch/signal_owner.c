/* signal_owner.c - files whose signals are for who is named by a thread's id
 *
 * The kernel does not know our ids; it is told the thread that it knows, and
 * the signal goes to whom it was asked for.  SIGIO of a file without F_SETSIG
 * says nothing of the file: the kernel is asked for SIGIO by F_SETSIG, and what
 * that adds is taken away before the program sees it.  Nor does SIGURG, which
 * is for the owners of those files that have urgent data.  What a number was
 * noted for counts only while the kernel says that its file is owned by that
 * thread, so that nothing needs to be forgotten.
 *
 * As a process's the id of one of its threads names that process; but the
 * kernel, which knows who leads it, then says that the file has no owner.  A
 * process group of such an id has nobody in it. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/signal_impl.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

enum { OWNERS = 256 };

static struct owner {
    uint32_t thread; /* atomic: its id; 0: free */
    int fd, type;    /* F_OWNER_TID; F_OWNER_PID: its process's */
    pid_t kernels;   /* what the kernel was told */
    bool plain;      /* the program has chosen no signal by F_SETSIG */
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

static bool is_noted(const struct owner *noted, const struct f_owner_ex *owner)
{
    return (int)owner->type == noted->type &&
           owner->pid == noted->kernels;
}

static bool still_owns(const struct owner *noted)
{
    struct f_owner_ex owner;

    return kernel_owner(noted->fd, &owner) && is_noted(noted, &owner);
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

/* 0 or EAGAIN.  Mapped threads only. */
static int note(int fd, uint32_t id, int type)
{
    struct owner *owner;
    MP_ALL_STAY;

    owner = find(fd);
    for (int i = 0; owner == NULL && i < used; i++)
        if (owners[i].thread == 0 || !still_owns(&owners[i]))
            owner = &owners[i];
    if (owner == NULL) {
        if (used == OWNERS)
            return EAGAIN;
        owner = &owners[used];
    }
    __atomic_store_n(&owner->thread, 0, __ATOMIC_RELEASE);
    owner->fd = fd;
    owner->type = type;
    owner->kernels = type == F_OWNER_PID ? getpid() : kernel_id();
    owner->plain = false;
    __atomic_store_n(&owner->thread, id, __ATOMIC_RELEASE);
    if (owner == &owners[used])
        __atomic_store_n(&used, used + 1, __ATOMIC_RELEASE);
    return 0;
}

/* The file is not a thread's any more: its signal is what the program chose. */
static void forget(int fd)
{
    struct owner *owner;
    MP_ALL_STAY;

    owner = find(fd);
    if (owner == NULL)
        return;
    if (owner->plain && still_owns(owner) && kernel_signal(fd) == SIGIO)
        choose_signal(fd, 0);
    __atomic_store_n(&owner->thread, 0, __ATOMIC_RELEASE);
}

/* Noted before it is the owner: the signal may come at once.  Until then nobody
 * else may take the place, since the kernel says that it is free. */
static long set_thread(int fd, uint32_t id)
{
    struct f_owner_ex owner = {F_OWNER_TID, kernel_id()};
    long number = kernel_signal(fd);
    const struct owner *before;
    bool plain;
    int error;
    MP_ALL_STAY;

    before = find(fd);
    if (number < 0)
        return number;
    plain = number == 0 || (number == SIGIO && before != NULL &&
                            before->plain && still_owns(before));
    error = note(fd, id, F_OWNER_TID);
    if (error != 0)
        return -error;
    find(fd)->plain = plain;
    if (plain)
        choose_signal(fd, SIGIO);
    return SYS_CALL(SYS_fcntl, fd, F_SETOWN_EX, &owner, 0, 0, 0);
}

/* What is not noted is told as the process's own. */
static long set_process(int fd, pid_t id)
{
    long rc = SYS_CALL(SYS_fcntl, fd, F_SETOWN, getpid(), 0, 0, 0);

    if (rc == 0 && mp__self != NULL)
        note(fd, (uint32_t)id, F_OWNER_PID);
    return rc;
}

static long set_nobody(int fd)
{
    struct f_owner_ex owner = {F_OWNER_PGRP, 0};

    return SYS_CALL(SYS_fcntl, fd, F_SETOWN_EX, &owner, 0, 0, 0);
}

/* As F_SETOWN takes it.  True: it is, or would be, a thread's. */
static bool set_by_number(int fd, pid_t id, long *rc)
{
    if (id > 0 && mp__is_thread_id(id))
        *rc = set_process(fd, id);
    else if (id < -MP_FIRST_ID && mp__is_thread_id(-id))
        *rc = set_nobody(fd);
    else
        return false;
    return true;
}

static bool set_by_type(int fd, const struct f_owner_ex *wanted, long *rc)
{
    if (wanted->type == F_OWNER_PID)
        return wanted->pid > 0 && set_by_number(fd, wanted->pid, rc);
    return wanted->type == F_OWNER_PGRP && wanted->pid > 0 &&
           set_by_number(fd, -wanted->pid, rc);
}

static long set_owner(int fd, const struct f_owner_ex *wanted)
{
    long rc;

    struct f_owner_ex owner;

    if (!mp__readable(wanted, sizeof *wanted))
        return -EFAULT;
    owner = *wanted;
    if (owner.type == F_OWNER_TID && ((uint32_t)owner.pid == mp__main.id ||
                                      mp__thread_by_id(owner.pid) != NULL))
        return set_thread(fd, (uint32_t)owner.pid);
    forget(fd);
    if (set_by_type(fd, &owner, &rc))
        return rc;
    return SYS_CALL(SYS_fcntl, fd, F_SETOWN_EX, &owner, 0, 0, 0);
}

/* Of a file that a mapped thread owns. */
static bool signal_call(int fd, int command, long number, long *rc)
{
    struct owner *owner;
    MP_ALL_STAY;

    owner = find(fd);
    if (owner == NULL || owner->type != F_OWNER_TID || !still_owns(owner))
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

/* Who has ended owns nothing, nor does who leads no process. */
static pid_t noted_id(int fd, const struct f_owner_ex *owner)
{
    const struct owner *noted;
    const struct mp__thread *thread;
    MP_ALL_STAY;

    noted = find(fd);
    if (noted == NULL || !is_noted(noted, owner))
        return owner->pid;
    thread = thread_of(noted);
    return noted->type == F_OWNER_PID || thread == NULL || thread->ended
               ? 0
               : (pid_t)noted->thread;
}

/* By F_GETOWN and its like.  False: as the kernel says, to which a process
 * group is a negative number. */
static bool get_number(int fd, long *id)
{
    struct f_owner_ex owner;

    if (used == 0 || !kernel_owner(fd, &owner) || owner.type == F_OWNER_PGRP)
        return false;
    *id = noted_id(fd, &owner);
    return true;
}

static long get_owner(int fd, struct f_owner_ex *wanted)
{
    long rc = SYS_CALL(SYS_fcntl, fd, F_GETOWN_EX, wanted, 0, 0, 0);

    if (rc >= 0 && used != 0)
        wanted->pid = noted_id(fd, wanted);
    return rc;
}

/* A real thread may know a mapped one's id. */
static bool call_elsewhere(int fd, int command, void *arg, long *rc)
{
    if (command == F_SETOWN)
        return set_by_number(fd, (pid_t)(long)arg, rc);
    return command == F_SETOWN_EX &&
           mp__readable(arg, sizeof(struct f_owner_ex)) &&
           set_by_type(fd, arg, rc);
}

bool mp__owner_call(int fd, int command, void *arg, long *rc)
{
    if (mp__self == NULL)
        return call_elsewhere(fd, command, arg, rc);
    switch (command) {
    case F_SETOWN_EX:
        *rc = set_owner(fd, arg);
        return true;
    case F_GETOWN_EX:
        *rc = get_owner(fd, arg);
        return true;
    case F_GETOWN:
        return get_number(fd, rc);
    case F_GETSIG:
    case F_SETSIG:
        return used != 0 && signal_call(fd, command, (long)arg, rc);
    case F_SETOWN:
        forget(fd);
        return set_by_number(fd, (pid_t)(long)arg, rc);
    default:
        return false;
    }
}

/* ---- by ioctl(), which sockets have ---- */

static bool ask_socket(int fd, unsigned long request, int *id, long *rc)
{
    long number;

    *rc = SYS_CALL(SYS_ioctl, fd, request, id, 0, 0, 0);
    if (*rc == 0 && get_number(fd, &number))
        *id = (int)number;
    return true;
}

static bool tell_socket(int fd, unsigned long request, const int *id, long *rc)
{
    pid_t wanted = *id;
    int nobody = 0;

    if (mp__self != NULL)
        forget(fd);
    if (!mp__is_thread_id(wanted > 0 ? wanted : -wanted))
        return false;
    *rc = SYS_CALL(SYS_ioctl, fd, request, &nobody, 0, 0, 0);
    return *rc < 0 || set_by_number(fd, wanted, rc);
}

bool mp__owner_ioctl(int fd, unsigned long request, void *arg, long *rc)
{
    if (mp__in_vfork_child != 0)
        return false;
    switch (request) {
    case FIOGETOWN:
    case SIOCGPGRP:
        return used != 0 && mp__self != NULL &&
               mp__readable(arg, sizeof(int)) &&
               ask_socket(fd, request, arg, rc);
    case FIOSETOWN:
    case SIOCSPGRP:
        return mp__readable(arg, sizeof(int)) &&
               tell_socket(fd, request, arg, rc);
    default:
        return false;
    }
}

/* ---- its signals ---- */

static bool is_urgent(int fd)
{
    return sys_poll_one(fd, POLLPRI) > 0;
}

static bool sends(const struct owner *owner, const siginfo_t *info)
{
    if (__atomic_load_n(&owner->thread, __ATOMIC_ACQUIRE) == 0 ||
        owner->type != F_OWNER_TID)
        return false;
    if (info->si_code != SI_KERNEL)
        return info->si_fd == owner->fd && still_owns(owner);
    return info->si_signo == SIGURG && still_owns(owner) &&
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
