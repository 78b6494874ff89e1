/* thread_ids.c - calls about a process, to which any thread's id names it
 *
 * The kernel does not know our ids: it is given the process's instead. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/wrap_syscall.h"

#include <linux/capability.h>
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
                                    unsigned long to_count,
                                    unsigned long flags)
{
    return ORIGINAL(process_vm_writev)(mp__process_of(id), from, from_count, to,
                                       to_count, flags);
}

/* ---- capget(): the id is in what it is told, and all threads have the same ---- */

static long caps_of(const struct __user_cap_header_struct *header, void *data)
{
    struct __user_cap_header_struct own = *header;

    own.pid = mp__process_of(own.pid);
    return MP_REAL(syscall)(SYS_capget, &own, data);
}

static bool is_about_a_thread(const struct __user_cap_header_struct *header)
{
    return mp__mapped() && mp__readable(header, sizeof *header) &&
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

static const struct {
    long number;
    unsigned arguments; /* bit n: argument n is an id */
} takes_ids[] = {
    { SYS_getpgid, 1 },           { SYS_getsid, 1 },
    { SYS_prlimit64, 1 },         { SYS_process_vm_readv, 1 },
    { SYS_process_vm_writev, 1 }, { SYS_kcmp, 3 },
    { SYS_rt_sigqueueinfo, 1 },   { SYS_migrate_pages, 1 },
    { SYS_move_pages, 1 },
};

bool mp__syscall_ids(const struct mp__arguments *call, long *rc)
{
    struct mp__arguments own = *call;

    if (call->n == SYS_capget && is_about_a_thread(PTR(0))) {
        *rc = caps_of(PTR(0), PTR(1));
        return true;
    }
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
