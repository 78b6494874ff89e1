/* thread_ids.c - calls about a process, to which any thread's id names it
 *
 * The kernel does not know our ids: it is given the process's instead. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/wrap_syscall.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

bool mp__is_thread_id(pid_t id)
{
    uint64_t before;
    bool found;

    if (likely(id < MP_FIRST_ID) || mp__in_vfork_child)
        return false;
    if (mp__self != NULL)
        return mp__thread_by_id(id) != NULL;
    before = mp__all_lock_elsewhere();
    found = mp__thread_by_id(id) != NULL;
    mp__all_unlock_elsewhere(before);
    return found;
}

pid_t mp__process_of(pid_t id)
{
    return mp__is_thread_id(id) ? getpid() : id;
}

/* Before the constructor too. */
#define ORIGINAL(name) (mp__init(), mp__real.name)

MP_EXPORT pid_t getpgid(pid_t id)
{
    return ORIGINAL(getpgid)(mp__process_of(id));
}
MP_SPELLING(getpgid, __getpgid);

MP_EXPORT pid_t getsid(pid_t id)
{
    return ORIGINAL(getsid)(mp__process_of(id));
}

/* A thread that leads no process belongs to no group of its own. */
MP_EXPORT int setpgid(pid_t id, pid_t group)
{
    mp__init();
    if (mp__is_thread_id(id))
        return mp__fail(-EINVAL);
    return mp__real.setpgid(id, group);
}
MP_SPELLING(setpgid, __setpgid);

/* More than the caller passed are read, and ignored, as by libc.  The process
 * is refused just as any of its threads. */
MP_EXPORT long ptrace(enum __ptrace_request request, ...)
{
    void *address, *data;
    va_list list;
    pid_t id;

    va_start(list, request);
    id = va_arg(list, pid_t);
    address = va_arg(list, void *);
    data = va_arg(list, void *);
    va_end(list);
    return ORIGINAL(ptrace)(request, mp__process_of(id), address, data);
}

MP_EXPORT int prlimit(pid_t id, __rlimit_resource_t which,
                      const struct rlimit *wanted, struct rlimit *old)
{
    return ORIGINAL(prlimit)(mp__process_of(id), which, wanted, old);
}
MP_SPELLING(prlimit, prlimit64);

MP_EXPORT ssize_t process_vm_readv(pid_t id, const struct iovec *to,
                                   unsigned long to_count,
                                   const struct iovec *from,
                                   unsigned long from_count,
                                   unsigned long flags)
{
    return ORIGINAL(process_vm_readv)(mp__process_of(id), to, to_count, from,
                                      from_count, flags);
}

MP_EXPORT ssize_t process_vm_writev(pid_t id, const struct iovec *from,
                                    unsigned long from_count,
                                    const struct iovec *to,
                                    unsigned long to_count, unsigned long flags)
{
    return ORIGINAL(process_vm_writev)(mp__process_of(id), from, from_count, to,
                                       to_count, flags);
}

/* ---- pidfd_open(): kernels differ in what they say of a thread ---- */

struct opening {
    unsigned flags;
    long rc;
};

/* On a thread that the kernel knows.  It cannot stand for the one that was
 * named: what asks for a descriptor of a thread is refused as before Linux 6.9.
 */
static void open_own(void *arg)
{
    struct opening *call = arg;
    pid_t id = (pid_t)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);

    call->rc = -EINVAL;
    if (id != getpid())
        call->rc = SYS_CALL(SYS_pidfd_open, id, call->flags, 0, 0, 0, 0);
    if (call->rc >= 0) {
        SYS_CALL(SYS_close, call->rc, 0, 0, 0, 0, 0);
        call->rc = -EINVAL;
    }
}

static int refuse_thread(unsigned flags)
{
    struct opening call = {flags, -EINVAL};

    mp__offload(open_own, &call, HUB_OFFLOAD_QUICK);
    return mp__fail((int)call.rc);
}

MP_EXPORT int pidfd_open(pid_t id, unsigned flags);
MP_EXPORT int pidfd_open(pid_t id, unsigned flags)
{
    mp__init();
    if (mp__is_thread_id(id))
        return refuse_thread(flags);
    if (mp__real.pidfd_open == NULL) /* glibc before 2.36 */
        return (int)MP_REAL(syscall)(SYS_pidfd_open, id, flags);
    return mp__real.pidfd_open(id, flags);
}

/* ---- capget(): the id is in what it is told, and all threads have the same
 * ---- */

static long caps_of(const struct __user_cap_header_struct *header, void *data)
{
    struct __user_cap_header_struct own = *header;

    own.pid = mp__process_of(own.pid);
    return MP_REAL(syscall)(SYS_capget, &own, data);
}

static bool is_about_a_thread(const struct __user_cap_header_struct *header)
{
    return mp__readable(header, sizeof *header) &&
           mp__is_thread_id(header->pid);
}

MP_EXPORT int capget(void *header, void *data);
MP_EXPORT int capget(void *header, void *data)
{
    if (is_about_a_thread(header))
        return (int)caps_of(header, data);
    return ORIGINAL(capget)(header, data);
}

/* ---- by number ---- */

/* What only the kernel tells of a signal others may not tell. */
bool mp__may_queue(pid_t id, const siginfo_t *info)
{
    return !mp__readable(info, sizeof *info) ||
           (info->si_code < 0 && info->si_code != SI_TKILL) || id == gettid();
}

static const struct {
    long number;
    unsigned arguments; /* bit n: argument n is an id */
} takes_ids[] = {
    {SYS_getpgid, 1},           {SYS_getsid, 1},
    {SYS_prlimit64, 1},         {SYS_process_vm_readv, 1},
    {SYS_process_vm_writev, 1}, {SYS_kcmp, 3},
    {SYS_rt_sigqueueinfo, 1},   {SYS_migrate_pages, 1},
    {SYS_move_pages, 1},        {SYS_ptrace, 2},
    {SYS_perf_event_open, 2},
};

/* Those that are more than another number in the kernel's call. */
static bool by_function(const struct mp__arguments *call, long *rc)
{
    switch (call->n) {
    case SYS_capget:
        if (!is_about_a_thread(PTR(0)))
            return false;
        *rc = caps_of(PTR(0), PTR(1));
        return true;
    case SYS_setpgid:
        *rc = setpgid((pid_t)call->a[0], (pid_t)call->a[1]);
        return true;
    case SYS_pidfd_open:
        *rc = pidfd_open((pid_t)call->a[0], UINT(1));
        return true;
    case SYS_rt_sigqueueinfo:
        if (mp__may_queue((pid_t)call->a[0], PTR(2)))
            return false;
        *rc = mp__fail(-EPERM);
        return true;
    default:
        return false;
    }
}

bool mp__syscall_ids(const struct mp__arguments *call, long *rc)
{
    struct mp__arguments own = *call;

    if (by_function(call, rc))
        return true;
    for (size_t i = 0; i < sizeof takes_ids / sizeof *takes_ids; i++) {
        if (takes_ids[i].number != call->n)
            continue;
        for (int a = 0; a < 2; a++)
            if (takes_ids[i].arguments & 1u << a)
                own.a[a] = mp__process_of((pid_t)own.a[a]);
        *rc = mp__raw_syscall(&own);
        return true;
    }
    return false;
}

/* In a pointer of these the id may be. */
static bool may_name(const struct mp__arguments *call)
{
    return call->n == SYS_capget || call->n == SYS_timer_create ||
           call->n == SYS_timer_delete || (pid_t)call->a[0] >= MP_FIRST_ID ||
           (pid_t)call->a[1] >= MP_FIRST_ID;
}

/* A real thread, which may know the id of a mapped one. */
bool mp__syscall_elsewhere(const struct mp__arguments *call, long *rc)
{
    return may_name(call) &&
           (mp__syscall_sends(call, rc) || mp__syscall_timers(call, rc) ||
            mp__syscall_ids(call, rc));
}
