/* credentials.c - calls that change who the process is, or one thread of it
 *
 * libc's setuid() and its like change all threads of the process: it sends a
 * signal to each block on its list whose kernel thread is not the caller's.  A
 * mapped thread's block is not on that list and its kernel thread's is, so libc
 * would signal itself and never see an answer: such a call runs with the kernel
 * thread's own block loaded.
 *
 * Other calls change one kernel thread, on which all mapped threads run.  What
 * one of them asked for would hold for all: refused with EPERM and one line,
 * unless the caller is the only one there is. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sys.h"
#include "monkeypatch/wrap_syscall.h"

#include <grp.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

/* ---- the process's ---- */

/* A call of libc, to be made with the kernel thread's block loaded. */
struct broadcast {
    enum { UID_1, UID_2, UID_3, GROUPS } shape;
    union {
        int (*one)(uid_t);
        int (*two)(uid_t, uid_t);
        int (*three)(uid_t, uid_t, uid_t);
        int (*groups)(size_t, const gid_t *);
    } call;
    uid_t ids[3];
    size_t count;
    const gid_t *groups;
    int result, error;
};

static void broadcast(void *arg)
{
    struct broadcast *b = arg;

    switch (b->shape) {
    case UID_1:
        b->result = b->call.one(b->ids[0]);
        break;
    case UID_2:
        b->result = b->call.two(b->ids[0], b->ids[1]);
        break;
    case UID_3:
        b->result = b->call.three(b->ids[0], b->ids[1], b->ids[2]);
        break;
    case GROUPS:
        b->result = b->call.groups(b->count, b->groups);
        break;
    }
    b->error = errno;
}

static int run(struct broadcast *b)
{
    if (mp__mapped())
        mp__on_os_tcb(broadcast, b);
    else
        broadcast(b);
    if (b->result < 0)
        errno = b->error; /* of another block, perhaps */
    return b->result;
}

/* Before the constructor too. */
#define ORIGINAL(name) (mp__init(), mp__real.name)

#define DEFINE_ONE(name, type)                                              \
    MP_EXPORT int name(type id)                                             \
    {                                                                       \
        struct broadcast b = {.shape = UID_1, .call.one = ORIGINAL(name),   \
                              .ids = {id}};                                 \
        return run(&b);                                                     \
    }
#define DEFINE_TWO(name, type)                                              \
    MP_EXPORT int name(type real_id, type effective)                        \
    {                                                                       \
        struct broadcast b = {.shape = UID_2, .call.two = ORIGINAL(name),   \
                              .ids = {real_id, effective}};                 \
        return run(&b);                                                     \
    }
#define DEFINE_THREE(name, type)                                            \
    MP_EXPORT int name(type real_id, type effective, type saved)            \
    {                                                                       \
        struct broadcast b = {.shape = UID_3, .call.three = ORIGINAL(name), \
                              .ids = {real_id, effective, saved}};          \
        return run(&b);                                                     \
    }

DEFINE_ONE(setuid, uid_t)
DEFINE_ONE(seteuid, uid_t)
DEFINE_ONE(setgid, gid_t)
DEFINE_ONE(setegid, gid_t)
DEFINE_TWO(setreuid, uid_t)
DEFINE_TWO(setregid, gid_t)
DEFINE_THREE(setresuid, uid_t)
DEFINE_THREE(setresgid, gid_t)

MP_EXPORT int setgroups(size_t count, const gid_t *groups)
{
    struct broadcast b = {.shape = GROUPS, .call.groups = ORIGINAL(setgroups),
                          .count = count, .groups = groups};

    return run(&b);
}

/* ---- one kernel thread's ---- */

/* True if nobody else runs on this kernel thread. */
static bool alone(void)
{
    const struct mp__thread *thread;
    MP_ALL_STAY;

    if (!mp__mapped())
        return true;
    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if (thread != mp__self)
            return false;
    return mp__self == &mp__main || mp__main.ended != 0;
}

/* ---- no new privileges ----
 *
 * What a thread gives up so counts when it, or a child of its, calls exec, or
 * asks for a filter: until then it is only noted. */

static bool kernel_gains_none(void)
{
    return SYS_CALL(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) == 1;
}

/* Async-signal-safe; also in the child of vfork(), which is a task of its own. */
void mp__privileges_settle(void)
{
    if (mp__self != NULL && unlikely(mp__self->gains_none))
        SYS_CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
}

static bool all_gain_none(void)
{
    const struct mp__thread *thread;
    MP_ALL_STAY;

    for (thread = mp__all; thread != NULL; thread = thread->all_next)
        if (!thread->gains_none)
            return false;
    return mp__main.gains_none || mp__main.ended != 0;
}

/* True: *result is set. */
static bool privileges(int option, const unsigned long values[4], long *result)
{
    if (option != PR_SET_NO_NEW_PRIVS && option != PR_GET_NO_NEW_PRIVS)
        return false;
    *result = -EINVAL;
    if (values[0] != (option == PR_SET_NO_NEW_PRIVS) || values[1] != 0 ||
        values[2] != 0 || values[3] != 0)
        return true;
    if (option == PR_GET_NO_NEW_PRIVS) {
        *result = mp__self->gains_none || kernel_gains_none();
        return true;
    }
    mp__self->gains_none = true;
    if (all_gain_none())
        mp__privileges_settle();
    *result = 0;
    return true;
}

static bool refused(const char *what)
{
    static const char *said[16]; /* literals: each is said once */
    unsigned i;

    if (alone()) {
        mp__privileges_settle(); /* who has them not may do more */
        return false;
    }
    for (i = 0; i < 16 && said[i] != NULL; i++)
        if (said[i] == what)
            return true;
    if (i < 16)
        said[i] = what;
    mp__say(0, "%s refused: it would change all threads, which share one "
            "kernel thread", what);
    return true;
}

/* setfsuid() and setfsgid() tell the old id and no error. */
static long set_fs_id(const char *what, long number, long id)
{
    long now = SYS_CALL(number, -1L, 0, 0, 0, 0, 0);

    if ((uint32_t)now == (uint32_t)id || (uint32_t)id == (uint32_t)-1)
        return now;
    if (refused(what))
        return now;
    return SYS_CALL(number, id, 0, 0, 0, 0, 0);
}

MP_EXPORT int setfsuid(uid_t uid)
{
    if (!mp__mapped())
        return ORIGINAL(setfsuid)(uid);
    return (int)set_fs_id("setfsuid()", SYS_setfsuid, (long)uid);
}

MP_EXPORT int setfsgid(gid_t gid)
{
    if (!mp__mapped())
        return ORIGINAL(setfsgid)(gid);
    return (int)set_fs_id("setfsgid()", SYS_setfsgid, (long)gid);
}

MP_EXPORT int capset(void *header, const void *data);
MP_EXPORT int capset(void *header, const void *data)
{
    if (refused("capset()"))
        return mp__fail(-EPERM);
    return ORIGINAL(capset)(header, data);
}

MP_EXPORT int unshare(int flags)
{
    if (flags != 0 && refused("unshare()"))
        return mp__fail(-EPERM);
    return ORIGINAL(unshare)(flags);
}

MP_EXPORT int setns(int fd, int type)
{
    if (refused("setns()"))
        return mp__fail(-EPERM);
    return ORIGINAL(setns)(fd, type);
}

MP_EXPORT int personality(unsigned long wanted)
{
    if (wanted != 0xffffffff && refused("personality()"))
        return mp__fail(-EPERM);
    return ORIGINAL(personality)(wanted);
}

/* Options by which a kernel thread changes what it may do from now on. */
static bool prctl_changes(int option, unsigned long value)
{
    switch (option) {
    case PR_SET_KEEPCAPS:
    case PR_SET_SECCOMP:
    case PR_CAPBSET_DROP:
    case PR_SET_SECUREBITS:
    case PR_SET_TSC:
    case PR_MCE_KILL:
    case PR_SET_SPECULATION_CTRL:
#ifdef PR_SET_IO_FLUSHER
    case PR_SET_IO_FLUSHER:
#endif
#ifdef PR_SVE_SET_VL
    case PR_SVE_SET_VL:
#endif
#ifdef PR_SME_SET_VL
    case PR_SME_SET_VL:
#endif
#ifdef PR_PAC_RESET_KEYS
    case PR_PAC_RESET_KEYS:
#endif
#ifdef PR_PAC_SET_ENABLED_KEYS
    case PR_PAC_SET_ENABLED_KEYS:
#endif
#ifdef PR_SET_TAGGED_ADDR_CTRL
    case PR_SET_TAGGED_ADDR_CTRL:
#endif
#ifdef PR_SET_SYSCALL_USER_DISPATCH
    case PR_SET_SYSCALL_USER_DISPATCH:
#endif
        return true;
    case PR_CAP_AMBIENT:
        return value != PR_CAP_AMBIENT_IS_SET;
    default:
        return false;
    }
}

MP_EXPORT int prctl(int option, ...)
{
    unsigned long values[4];
    va_list list;
    long result;
    size_t i;

    /* More than the caller passed are read, and ignored, as by libc. */
    va_start(list, option);
    for (i = 0; i < 4; i++)
        values[i] = va_arg(list, unsigned long);
    va_end(list);
    if (mp__mapped()) {
        if (privileges(option, values, &result) ||
            mp__prctl_recorded(option, values[0], &result))
            return result < 0 ? mp__fail((int)result) : (int)result;
        if (prctl_changes(option, values[0]) && refused("prctl()"))
            return mp__fail(-EPERM);
    }
    return ORIGINAL(prctl)(option, values[0], values[1], values[2], values[3]);
}

static const struct {
    long number;
    const char *what;
} one_threads[] = {
    {SYS_setuid, "syscall(SYS_setuid)"},
    {SYS_setgid, "syscall(SYS_setgid)"},
    {SYS_setreuid, "syscall(SYS_setreuid)"},
    {SYS_setregid, "syscall(SYS_setregid)"},
    {SYS_setresuid, "syscall(SYS_setresuid)"},
    {SYS_setresgid, "syscall(SYS_setresgid)"},
    {SYS_setgroups, "syscall(SYS_setgroups)"},
    {SYS_capset, "syscall(SYS_capset)"},
    {SYS_unshare, "syscall(SYS_unshare)"},
    {SYS_setns, "syscall(SYS_setns)"},
    {SYS_seccomp, "syscall(SYS_seccomp)"},
    {SYS_personality, "syscall(SYS_personality)"},
    {SYS_landlock_restrict_self, "syscall(SYS_landlock_restrict_self)"},
    {SYS_keyctl, "syscall(SYS_keyctl)"},
    {SYS_add_key, "syscall(SYS_add_key)"},
    {SYS_request_key, "syscall(SYS_request_key)"},
};

/* A thread may have a keyring of its own, and another session's. */
static bool keyring_of_thread(const struct mp__arguments *call)
{
    switch (call->n) {
    case SYS_add_key:
        return INT(4) == KEY_SPEC_THREAD_KEYRING;
    case SYS_request_key:
        return INT(3) == KEY_SPEC_THREAD_KEYRING;
    default:
        break;
    }
    switch (INT(0)) {
    case KEYCTL_JOIN_SESSION_KEYRING:
    case KEYCTL_SET_REQKEY_KEYRING:
    case KEYCTL_ASSUME_AUTHORITY:
        return true;
    case KEYCTL_GET_KEYRING_ID:
        return INT(1) == KEY_SPEC_THREAD_KEYRING && INT(2) != 0;
    case KEYCTL_LINK:
        return INT(2) == KEY_SPEC_THREAD_KEYRING;
    default:
        return false;
    }
}

/* It also asks, or is for all threads. */
static bool is_harmless(const struct mp__arguments *call)
{
    switch (call->n) {
    case SYS_seccomp:
        if (call->a[0] == SECCOMP_SET_MODE_FILTER &&
            (call->a[1] & SECCOMP_FILTER_FLAG_TSYNC) != 0) {
            mp__privileges_settle(); /* as for all natively */
            return true;
        }
        return call->a[0] > SECCOMP_SET_MODE_FILTER;
    case SYS_personality:
        return (uint32_t)call->a[0] == 0xffffffffu;
    case SYS_keyctl:
    case SYS_add_key:
    case SYS_request_key:
        return !keyring_of_thread(call);
    default:
        return false;
    }
}

long mp__credential_syscall(const struct mp__arguments *call, bool *handled)
{
    long number = call->n, a = call->a[0], b = call->a[1], result;
    size_t i;

    *handled = mp__mapped();
    if (!*handled)
        return 0;
    if (number == SYS_setfsuid || number == SYS_setfsgid)
        return set_fs_id("syscall(SYS_setfs*id)", number, a);
    if (number == SYS_prctl) {
        if (privileges((int)a, (const unsigned long *)&call->a[1], &result) ||
            mp__prctl_recorded((int)a, (unsigned long)b, &result))
            return result;
        if (prctl_changes((int)a, (unsigned long)b) &&
            refused("syscall(SYS_prctl)"))
            return -EPERM;
    }
    for (i = 0; i < sizeof one_threads / sizeof *one_threads; i++)
        if (one_threads[i].number == number && !is_harmless(call) &&
            refused(one_threads[i].what))
            return -EPERM;
    *handled = false;
    return 0;
}
