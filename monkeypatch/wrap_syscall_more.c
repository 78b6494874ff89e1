/* wrap_syscall_more.c - syscall(): numbers that are rarer, or that the kernel
 * and libc spell differently
 *
 * By their plain names the functions are this library's wrappers. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/wrap_syscall.h"
#include "monkeypatch/wrap_uring.h"

#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/swap.h>
#include <sys/wait.h>

/* ---- bytes from fd to fd, files, sockets ---- */

static bool opens(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
#ifdef SYS_open
    case SYS_open:
        *rc = open(PTR(0), INT(1), (mode_t)call->a[2]);
        return true;
    case SYS_creat:
        *rc = creat(PTR(0), (mode_t)call->a[1]);
        return true;
#endif
    case SYS_openat:
        *rc = openat(INT(0), PTR(1), INT(2), (mode_t)call->a[3]);
        return true;
    case SYS_ioctl:
        *rc = ioctl(INT(0), (unsigned long)call->a[1], PTR(2));
        return true;
    case SYS_socket:
        *rc = socket(INT(0), INT(1), INT(2));
        return true;
    case SYS_shutdown:
        *rc = shutdown(INT(0), INT(1));
        return true;
    case SYS_sendmmsg:
        *rc = sendmmsg(INT(0), PTR(1), UINT(2), INT(3));
        return true;
    case SYS_recvmmsg:
        *rc = recvmmsg(INT(0), PTR(1), UINT(2), INT(3), PTR(4));
        return true;
    default:
        return false;
    }
}

bool mp__syscall_moves(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_pread64:
        *rc = pread(INT(0), PTR(1), SIZE(2), (off_t)call->a[3]);
        return true;
    case SYS_pwrite64:
        *rc = pwrite(INT(0), PTR(1), SIZE(2), (off_t)call->a[3]);
        return true;
    /* The offset is in two registers, of which the kernel takes one. */
    case SYS_preadv:
        *rc = preadv(INT(0), PTR(1), INT(2), (off_t)call->a[3]);
        return true;
    case SYS_pwritev:
        *rc = pwritev(INT(0), PTR(1), INT(2), (off_t)call->a[3]);
        return true;
    case SYS_preadv2:
        *rc = preadv2(INT(0), PTR(1), INT(2), (off_t)call->a[3], INT(5));
        return true;
    case SYS_pwritev2:
        *rc = pwritev2(INT(0), PTR(1), INT(2), (off_t)call->a[3], INT(5));
        return true;
    case SYS_sendfile:
        *rc = sendfile(INT(0), INT(1), PTR(2), SIZE(3));
        return true;
    case SYS_splice:
        *rc = splice(INT(0), PTR(1), INT(2), PTR(3), SIZE(4), UINT(5));
        return true;
    case SYS_tee:
        *rc = tee(INT(0), INT(1), SIZE(2), UINT(3));
        return true;
    case SYS_vmsplice:
        *rc = vmsplice(INT(0), PTR(1), SIZE(2), UINT(3));
        return true;
    case SYS_copy_file_range:
        *rc = copy_file_range(INT(0), PTR(1), INT(2), PTR(3), SIZE(4),
                              UINT(5));
        return true;
    default:
        return opens(call, rc);
    }
}

/* ---- waits ---- */

static bool queues(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_mq_timedsend:
        *rc = mq_timedsend(INT(0), PTR(1), SIZE(2), UINT(3), PTR(4));
        return true;
    case SYS_mq_timedreceive:
        *rc = mq_timedreceive(INT(0), PTR(1), SIZE(2), PTR(3), PTR(4));
        return true;
    case SYS_msgsnd:
        *rc = msgsnd(INT(0), PTR(1), SIZE(2), INT(3));
        return true;
    case SYS_msgrcv:
        *rc = msgrcv(INT(0), PTR(1), SIZE(2), call->a[3], INT(4));
        return true;
    case SYS_semop:
        *rc = semop(INT(0), PTR(1), SIZE(2));
        return true;
    case SYS_semtimedop:
        *rc = semtimedop(INT(0), PTR(1), SIZE(2), PTR(3));
        return true;
    default:
        return false;
    }
}

static bool storage(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_flock:
        *rc = flock(INT(0), INT(1));
        return true;
    case SYS_fsync:
        *rc = fsync(INT(0));
        return true;
    case SYS_fdatasync:
        *rc = fdatasync(INT(0));
        return true;
    case SYS_sync_file_range:
        *rc = sync_file_range(INT(0), call->a[1], call->a[2], UINT(3));
        return true;
    case SYS_sync:
        sync();
        *rc = 0;
        return true;
    case SYS_syncfs:
        *rc = syncfs(INT(0));
        return true;
    case SYS_msync:
        *rc = msync(PTR(0), SIZE(1), INT(2));
        return true;
    case SYS_readahead:
        *rc = readahead(INT(0), call->a[1], SIZE(2));
        return true;
    case SYS_mount:
        *rc = mount(PTR(0), PTR(1), PTR(2), (unsigned long)call->a[3], PTR(4));
        return true;
    case SYS_umount2:
        *rc = umount2(PTR(0), INT(1));
        return true;
    case SYS_swapoff:
        *rc = swapoff(PTR(0));
        return true;
    case SYS_syslog:
        *rc = klogctl(INT(0), PTR(1), INT(2));
        return true;
    default:
        return false;
    }
}

static bool submissions(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_io_getevents:
#ifdef SYS_io_pgetevents
    case SYS_io_pgetevents:
#endif
        *rc = mp__io_end(mp__aio_getevents(call));
        return true;
    case SYS_io_uring_enter:
        *rc = mp__io_end(mp__uring_enter(call));
        return true;
    default:
        return false;
    }
}

struct pselect_mask { /* the kernel's sixth argument */
    const sigset_t *mask;
    size_t size;
};

bool mp__syscall_waits(const struct mp__arguments *call, long *rc)
{
    const struct pselect_mask *mask;

    switch (call->n) {
    case SYS_wait4:
        *rc = wait4((pid_t)call->a[0], PTR(1), INT(2), PTR(3));
        return true;
    case SYS_waitid:
        if (PTR(4) != NULL) /* with what it used: libc's has no such thing */
            return false;
        *rc = waitid((idtype_t)call->a[0], (id_t)call->a[1], PTR(2), INT(3));
        return true;
    case SYS_pselect6:
        mask = PTR(5);
        *rc = pselect(INT(0), PTR(1), PTR(2), PTR(3), PTR(4),
                      mask != NULL ? mask->mask : NULL);
        return true;
#ifdef SYS_pause
    case SYS_pause:
        *rc = pause();
        return true;
#endif
    case SYS_exit: /* of this thread alone */
        pthread_exit(NULL);
    default:
        return queues(call, rc) || storage(call, rc) || submissions(call, rc);
    }
}

/* ---- signals and children ---- */

/* What the kernel reads: both architectures have the restorer. */
struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static void widen(sigset_t *set, uint64_t word)
{
    memset(set, 0, sizeof *set);
    memcpy(set, &word, sizeof word);
}

/* glibc's two signals are between it and the kernel. */
static bool set_action(const struct mp__arguments *call, long *rc)
{
    const struct kernel_action *wanted = PTR(1);
    struct sigaction action = { 0 }, before = { 0 };
    struct kernel_action *old = PTR(2);

    if (call->a[3] != MP_SIGSET_BYTES || INT(0) == 32 || INT(0) == 33 ||
        mp__self == NULL ||
        (wanted != NULL && !mp__readable(wanted, sizeof *wanted)))
        return false;
    if (wanted != NULL) {
        action.sa_handler = wanted->handler;
        action.sa_flags = (int)wanted->flags;
        widen(&action.sa_mask, wanted->mask);
    }
    *rc = sigaction(INT(0), wanted != NULL ? &action : NULL, &before);
    if (*rc == 0 && old != NULL) {
        *old = (struct kernel_action){ .handler = before.sa_handler,
                                       .flags = (unsigned)before.sa_flags };
        memcpy(&old->mask, &before.sa_mask, sizeof old->mask);
    }
    return true;
}

static bool set_mask(const struct mp__arguments *call, long *rc)
{
    sigset_t set, before;

    if (call->a[3] != MP_SIGSET_BYTES || mp__self == NULL ||
        (PTR(1) != NULL && !mp__readable(PTR(1), MP_SIGSET_BYTES)))
        return false;
    if (PTR(1) != NULL)
        widen(&set, *(const uint64_t *)PTR(1));
    *rc = sigprocmask(INT(0), PTR(1) != NULL ? &set : NULL, &before);
    if (*rc == 0 && PTR(2) != NULL)
        memcpy(PTR(2), &before, MP_SIGSET_BYTES);
    return true;
}

/* A fork() in other words: without CLONE_VM and the like. */
static bool is_fork(const struct mp__arguments *call)
{
#ifdef SYS_fork
    if (call->n == SYS_fork)
        return true;
#endif
    return call->n == SYS_clone && call->a[0] == SIGCHLD && call->a[1] == 0;
}

static bool show_signals(const struct mp__arguments *call, int flags, long *rc)
{
    if (SIZE(2) != MP_SIGSET_BYTES)
        return false;
    *rc = signalfd(INT(0), PTR(1), flags);
    return true;
}

bool mp__syscall_signals(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_rt_sigaction:
        return set_action(call, rc);
    case SYS_rt_sigprocmask:
        return set_mask(call, rc);
    case SYS_rt_sigtimedwait:
        *rc = sigtimedwait(PTR(0), PTR(1), PTR(2));
        return true;
    case SYS_rt_sigsuspend:
        if (!mp__readable(PTR(0), MP_SIGSET_BYTES))
            return false;
        *rc = sigsuspend(PTR(0));
        return true;
#ifdef SYS_signalfd
    case SYS_signalfd:
        return show_signals(call, 0, rc);
#endif
    case SYS_signalfd4:
        return show_signals(call, INT(3), rc);
    case SYS_sigaltstack:
        *rc = sigaltstack(PTR(0), PTR(1));
        return true;
    case SYS_execve:
        *rc = execve(PTR(0), PTR(1), PTR(2));
        return true;
    case SYS_execveat:
        *rc = execveat(INT(0), PTR(1), PTR(2), PTR(3), INT(4));
        return true;
    default:
        if (mp__self == NULL || !is_fork(call))
            return false;
        *rc = _Fork();
        return true;
    }
}

/* ---- scheduling: ids of ours ---- */

static long get_cpus(const struct mp__arguments *call)
{
    struct mp__arguments own = *call;
    pid_t id = (pid_t)call->a[0];
    long size;

    if (id != 0 && id != getpid() && !mp__is_thread_id(id))
        return mp__raw_syscall(call);
    own.a[0] = 0;
    size = mp__raw_syscall(&own);
    if (size < 0 || sched_getaffinity(id, SIZE(1), PTR(2)) < 0)
        return -1;
    return size;
}

/* The kernel's is never negative. */
static long get_nice(const struct mp__arguments *call)
{
    int before = errno, nice;

    errno = 0;
    nice = getpriority((__priority_which_t)call->a[0], (id_t)call->a[1]);
    if (nice == -1 && errno != 0)
        return -1;
    errno = before;
    return 20 - nice;
}

static bool schedules_thread(const struct mp__arguments *call, long *rc)
{
    pid_t id = (pid_t)call->a[0];

    switch (call->n) {
    case SYS_sched_setaffinity:
        *rc = sched_setaffinity(id, SIZE(1), PTR(2));
        return true;
    case SYS_sched_setscheduler:
        *rc = sched_setscheduler(id, INT(1), PTR(2));
        return true;
    case SYS_sched_getscheduler:
        *rc = sched_getscheduler(id);
        return true;
    case SYS_sched_setparam:
        *rc = sched_setparam(id, PTR(1));
        return true;
    case SYS_sched_getparam:
        *rc = sched_getparam(id, PTR(1));
        return true;
    case SYS_sched_rr_get_interval:
        *rc = sched_rr_get_interval(id, PTR(1));
        return true;
    case SYS_sched_setattr:
        *rc = mp__sched_setattr(id, PTR(1), UINT(2));
        return true;
    case SYS_sched_getattr:
        *rc = mp__sched_getattr(id, PTR(1), UINT(2), UINT(3));
        return true;
    default:
        return false;
    }
}

static bool io_priority(const struct mp__arguments *call, long *rc)
{
    bool handled = false;
    long done = 0;

    if (call->n == SYS_ioprio_set)
        done = mp__ioprio_set(INT(0), INT(1), INT(2), &handled);
    else if (call->n == SYS_ioprio_get)
        done = mp__ioprio_get(INT(0), INT(1), &handled);
    if (handled)
        *rc = done < 0 ? mp__fail((int)done) : done;
    return handled;
}

bool mp__syscall_schedules(const struct mp__arguments *call, long *rc)
{
    if (mp__self == NULL)
        return false;
    switch (call->n) {
    case SYS_sched_getaffinity:
        *rc = get_cpus(call);
        return true;
    case SYS_getpriority:
        *rc = get_nice(call);
        return true;
    case SYS_setpriority:
        *rc = setpriority((__priority_which_t)call->a[0], (id_t)call->a[1],
                          INT(2));
        return true;
    case SYS_prctl:
        *rc = prctl(INT(0), call->a[1], call->a[2], call->a[3], call->a[4]);
        return true;
    default:
        return schedules_thread(call, rc) || io_priority(call, rc);
    }
}
