/* wrap_syscall.c - syscall(): the numbers whose functions are wrapped
 *
 * Rust, GLib, libstdc++ and the interpreters call the kernel this way.  All
 * other numbers, and all of them outside mapped threads, go to the kernel. */
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/wrap_syscall.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/resource.h>

/* sync_futex.c */
long mp__futex(uint32_t *uaddr, int op, uint32_t val,
               const struct timespec *timeout, uint32_t *uaddr2,
               uint32_t val3);

/* The wrappers of this library: its own names, hidden from nobody. */
static bool transfer(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_read:
        *rc = read(INT(0), PTR(1), SIZE(2));
        return true;
    case SYS_readv:
        *rc = readv(INT(0), PTR(1), INT(2));
        return true;
    case SYS_write:
        *rc = write(INT(0), PTR(1), SIZE(2));
        return true;
    case SYS_writev:
        *rc = writev(INT(0), PTR(1), INT(2));
        return true;
    case SYS_recvfrom:
        *rc = recvfrom(INT(0), PTR(1), SIZE(2), INT(3), PTR(4), PTR(5));
        return true;
    case SYS_recvmsg:
        *rc = recvmsg(INT(0), PTR(1), INT(2));
        return true;
    case SYS_sendto:
        *rc = sendto(INT(0), PTR(1), SIZE(2), INT(3), PTR(4),
                     (socklen_t)call->a[5]);
        return true;
    case SYS_sendmsg:
        *rc = sendmsg(INT(0), PTR(1), INT(2));
        return true;
    case SYS_accept:
        *rc = accept(INT(0), PTR(1), PTR(2));
        return true;
    case SYS_accept4:
        *rc = accept4(INT(0), PTR(1), PTR(2), INT(3));
        return true;
    case SYS_connect:
        *rc = connect(INT(0), PTR(1), (socklen_t)call->a[2]);
        return true;
    default:
        return false;
    }
}

static bool descriptor(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_close:
        *rc = close(INT(0));
        return true;
    case SYS_close_range:
        *rc = close_range((unsigned)call->a[0], (unsigned)call->a[1], INT(2));
        return true;
    case SYS_dup:
        *rc = dup(INT(0));
        return true;
#ifdef SYS_dup2
    case SYS_dup2:
        *rc = dup2(INT(0), INT(1));
        return true;
#endif
    case SYS_dup3:
        *rc = dup3(INT(0), INT(1), INT(2));
        return true;
    case SYS_fcntl:
        *rc = fcntl(INT(0), INT(1), PTR(2));
        return true;
    case SYS_setsockopt:
        *rc = setsockopt(INT(0), INT(1), INT(2), PTR(3),
                         (socklen_t)call->a[4]);
        return true;
    default:
        return false;
    }
}

/* The kernel's masks have another size than libc's type, and the same bits. */
static bool polling(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
#ifdef SYS_poll
    case SYS_poll:
        *rc = poll(PTR(0), (nfds_t)call->a[1], INT(2));
        return true;
    case SYS_select:
        *rc = select(INT(0), PTR(1), PTR(2), PTR(3), PTR(4));
        return true;
    case SYS_epoll_wait:
        *rc = epoll_wait(INT(0), PTR(1), INT(2), INT(3));
        return true;
#endif
    case SYS_ppoll:
        *rc = ppoll(PTR(0), (nfds_t)call->a[1], PTR(2), PTR(3));
        return true;
    case SYS_epoll_pwait:
        *rc = epoll_pwait(INT(0), PTR(1), INT(2), INT(3), PTR(4));
        return true;
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
        *rc = epoll_pwait2(INT(0), PTR(1), INT(2), PTR(3), PTR(4));
        return true;
#endif
    default:
        return false;
    }
}

static long from_error(int error)
{
    return error == 0 ? 0 : mp__fail(-error);
}

static bool timing(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_nanosleep:
        *rc = nanosleep(PTR(0), PTR(1));
        return true;
    case SYS_clock_nanosleep:
        *rc = from_error(
            clock_nanosleep((clockid_t)call->a[0], INT(1), PTR(2), PTR(3)));
        return true;
    case SYS_clock_gettime:
        *rc = clock_gettime((clockid_t)call->a[0], PTR(1));
        return true;
    case SYS_clock_getres:
        *rc = clock_getres((clockid_t)call->a[0], PTR(1));
        return true;
    case SYS_getrusage:
        *rc = getrusage((__rusage_who_t)INT(0), PTR(1));
        return true;
    case SYS_sched_yield:
        *rc = sched_yield();
        return true;
    default:
        return false;
    }
}

/* Virtual ids are the program's; its own process is all they name.  No thread of
 * the kernel's has one of them. */
static bool is_ours(pid_t id)
{
    return id >= MP_FIRST_ID || id == getpid();
}

bool mp__syscall_sends(const struct mp__arguments *call, long *rc)
{
    long sent;

    if (call->n == SYS_rt_tgsigqueueinfo) {
        if (!mp__signal_queue_info(call, &sent))
            return false;
        *rc = sent < 0 ? mp__fail((int)sent) : sent;
        return true;
    }
    if (call->n == SYS_kill)
        *rc = kill((pid_t)call->a[0], INT(1));
    else if (call->n == SYS_tgkill)
        *rc = tgkill((pid_t)call->a[0], (pid_t)call->a[1], INT(2));
    else if (call->n == SYS_tkill && is_ours((pid_t)call->a[0]))
        *rc = tgkill(getpid(), (pid_t)call->a[0], INT(1));
    else
        return false;
    return true;
}

static bool credentials(const struct mp__arguments *call, long *rc)
{
    bool handled = false;
    long done = mp__credential_syscall(call, &handled);

    if (handled)
        *rc = done < 0 ? mp__fail((int)done) : done;
    return handled;
}

static bool at_the_end(const struct mp__arguments *call, long *rc)
{
    bool handled = false;
    long done = mp__words_syscall(call, &handled);

    if (handled)
        *rc = done < 0 ? mp__fail((int)done) : done;
    return handled;
}

long mp__raw_syscall(const struct mp__arguments *call)
{
    return MP_REAL(syscall)(call->n, call->a[0], call->a[1], call->a[2],
                            call->a[3], call->a[4], call->a[5]);
}

static long futex(const struct mp__arguments *call)
{
    long rc = mp__futex(PTR(0), INT(1), (uint32_t)call->a[2], PTR(3), PTR(4),
                        (uint32_t)call->a[5]);

    return rc < 0 ? mp__fail((int)rc) : rc;
}

static long mapped_syscall(const struct mp__arguments *call)
{
    long rc;

    if (call->n == SYS_futex)
        return MP_ACTIVE(sync) ? futex(call) : mp__raw_syscall(call);
    if (call->n == SYS_gettid)
        return mp__in_vfork_child != 0 || mp__self == NULL
                   ? mp__raw_syscall(call)
                   : (long)mp__self->id;
    if (transfer(call, &rc) || descriptor(call, &rc) || polling(call, &rc) ||
        timing(call, &rc) || mp__syscall_sends(call, &rc) || credentials(call, &rc) ||
        at_the_end(call, &rc) ||
        mp__syscall_moves(call, &rc) || mp__syscall_waits(call, &rc) ||
        mp__syscall_signals(call, &rc) ||
        mp__syscall_schedules(call, &rc) || mp__syscall_timers(call, &rc) ||
        mp__syscall_ids(call, &rc))
        return rc;
    return mp__raw_syscall(call);
}

MP_EXPORT long syscall(long n, ...)
{
    struct mp__arguments call = { .n = n };
    va_list list;
    long rc;

    va_start(list, n);
    for (int i = 0; i < 6; i++)
        call.a[i] = va_arg(list, long);
    va_end(list);
    if (unlikely(mp__here != NULL))
        return mapped_syscall(&call);
    /* A real thread may share the word with mapped ones. */
    if (n == SYS_futex && mp__self_offset != 0 && mp__hub != NULL &&
        (mp__options.groups & MP_sync) != 0)
        return futex(&call);
    if (mp__hub != NULL && mp__in_vfork_child == 0 &&
        mp__syscall_elsewhere(&call, &rc))
        return rc;
    return mp__raw_syscall(&call);
}
