/* thread_sched.c - CPUs, policy, priority and nice value of mapped threads
 *
 * One kernel thread runs them all, so these are recorded for each, checked as
 * the kernel would, reported, and not applied; so is the rest that only says how
 * soon something is done.  Before the first thread, and
 * for real threads and other processes, the kernel's own. */
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sys.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct mp__attr_record {
    bool has_cpus, has_policy, has_nice, has_io, has_slack;
    bool is_explicit; /* its attribute said PTHREAD_EXPLICIT_SCHED */
    cpu_set_t cpus;
    int policy, priority, nice, io;
    unsigned long slack, born_with; /* timer slack: now, and at first */
};

/* ---- finding ---- */

static struct mp__thread *by_handle(pthread_t handle)
{
    mp__init();
    return mp__thread_of(handle);
}

/* 0 is the caller.  NULL: not a mapped thread. */
static struct mp__thread *by_id(pid_t id)
{
    mp__init();
    if (!mp__mapped())
        return NULL;
    if (id == 0)
        return mp__self;
    return (uint32_t)id == mp__main.id ? &mp__main : mp__thread_by_id(id);
}

/* NULL: no memory. */
static struct mp__attr_record *record_of(struct mp__thread *thread)
{
    if (thread->sched == NULL)
        thread->sched = calloc(1, sizeof *thread->sched);
    return thread->sched;
}

void mp__sched_free(struct mp__thread *thread)
{
    free(thread->sched);
    thread->sched = NULL;
}

/* ---- CPUs; these return an error number ---- */

/* What the kernel would make of the set: the process may not have all of them, and
 * more than it uses now.  Only the kernel knows: it is asked to do it for a moment. */
static int restrict_cpus(cpu_set_t *cpus)
{
    cpu_set_t now, both;
    int error = errno, rc = 0;

    if (mp__real.sched_getaffinity(0, sizeof now, &now) != 0) {
        errno = error;
        return 0;
    }
    CPU_AND(&both, cpus, &now);
    if (!CPU_EQUAL(&both, cpus)) {
        if (mp__real.sched_setaffinity(0, sizeof *cpus, cpus) != 0)
            rc = errno;
        else
            mp__real.sched_getaffinity(0, sizeof *cpus, cpus);
        mp__real.sched_setaffinity(0, sizeof now, &now);
    }
    errno = error;
    return rc;
}

static int set_cpus(struct mp__thread *thread, size_t size,
                    const cpu_set_t *wanted)
{
    struct mp__attr_record *record;
    cpu_set_t cpus;
    int rc;

    CPU_ZERO(&cpus);
    memcpy(&cpus, wanted, size < sizeof cpus ? size : sizeof cpus);
    if (CPU_COUNT(&cpus) == 0)
        return EINVAL;
    rc = restrict_cpus(&cpus);
    if (rc != 0)
        return rc;
    record = record_of(thread);
    if (record == NULL)
        return ENOMEM;
    record->cpus = cpus;
    record->has_cpus = true;
    return 0;
}

/* The kernel has checked the size and filled `set`. */
static void get_cpus(const struct mp__thread *thread, size_t size,
                     cpu_set_t *set)
{
    const struct mp__attr_record *record = thread->sched;

    if (record != NULL && record->has_cpus)
        memcpy(set, &record->cpus,
               size < sizeof record->cpus ? size : sizeof record->cpus);
}

MP_EXPORT int pthread_setaffinity_np(pthread_t handle, size_t size,
                                     const cpu_set_t *set)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_setaffinity_np(handle, size, set);
    return set_cpus(thread, size, set);
}

MP_EXPORT int pthread_getaffinity_np(pthread_t handle, size_t size,
                                     cpu_set_t *set)
{
    struct mp__thread *thread = by_handle(handle);
    int rc = mp__real.pthread_getaffinity_np(handle, size, set);

    if (thread != NULL && rc == 0)
        get_cpus(thread, size, set);
    return rc;
}

MP_EXPORT int sched_setaffinity(pid_t id, size_t size, const cpu_set_t *set)
{
    struct mp__thread *thread = by_id(id);
    int rc;

    if (thread == NULL)
        return mp__real.sched_setaffinity(id, size, set);
    rc = set_cpus(thread, size, set);
    return rc == 0 ? 0 : mp__fail(-rc);
}

MP_EXPORT int sched_getaffinity(pid_t id, size_t size, cpu_set_t *set)
{
    struct mp__thread *thread = by_id(id);
    int rc = mp__real.sched_getaffinity(thread != NULL ? 0 : id, size, set);

    if (thread != NULL && rc == 0)
        get_cpus(thread, size, set);
    return rc;
}

/* ---- policy and priority; these return an error number ---- */

static int get_policy(const struct mp__thread *thread, int *policy,
                      int *priority)
{
    const struct mp__attr_record *record = thread->sched;
    struct sched_param param;

    if (record != NULL && record->has_policy) {
        *policy = record->policy;
        *priority = record->priority;
        return 0;
    }
    *policy = mp__real.sched_getscheduler(0);
    if (*policy < 0 || mp__real.sched_getparam(0, &param) < 0)
        return errno;
    *priority = param.sched_priority;
    return 0;
}

static int set_policy(struct mp__thread *thread, int policy, int priority)
{
    int plain = policy & ~SCHED_RESET_ON_FORK;
    struct mp__attr_record *record;
    struct rlimit limit = {0, 0};

    if (plain != SCHED_OTHER && plain != SCHED_BATCH && plain != SCHED_IDLE &&
        plain != SCHED_FIFO && plain != SCHED_RR)
        return EINVAL;
    if (priority < sched_get_priority_min(plain) ||
        priority > sched_get_priority_max(plain))
        return EINVAL;
    if (priority > 0 && geteuid() != 0 &&
        (getrlimit(RLIMIT_RTPRIO, &limit) < 0 ||
         (rlim_t)priority > limit.rlim_cur))
        return EPERM;
    record = record_of(thread);
    if (record == NULL)
        return ENOMEM;
    record->policy = policy;
    record->priority = priority;
    record->has_policy = true;
    return 0;
}

static int set_priority_only(struct mp__thread *thread, int priority)
{
    int policy, old;
    int rc = get_policy(thread, &policy, &old);

    return rc != 0 ? rc : set_policy(thread, policy, priority);
}

MP_EXPORT int pthread_setschedparam(pthread_t handle, int policy,
                                    const struct sched_param *param)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_setschedparam(handle, policy, param);
    if (thread->ended)
        return ESRCH;
    return set_policy(thread, policy, param->sched_priority);
}

MP_EXPORT int pthread_getschedparam(pthread_t handle, int *policy,
                                    struct sched_param *param)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_getschedparam(handle, policy, param);
    if (thread->ended)
        return ESRCH;
    return get_policy(thread, policy, &param->sched_priority);
}

MP_EXPORT int pthread_setschedprio(pthread_t handle, int priority)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_setschedprio(handle, priority);
    if (thread->ended)
        return ESRCH;
    return set_priority_only(thread, priority);
}

MP_EXPORT int sched_setscheduler(pid_t id, int policy,
                                 const struct sched_param *param)
{
    struct mp__thread *thread = by_id(id);
    int rc;

    if (thread == NULL || param == NULL)
        return mp__real.sched_setscheduler(id, policy, param);
    rc = set_policy(thread, policy, param->sched_priority);
    return rc == 0 ? 0 : mp__fail(-rc);
}

MP_EXPORT int sched_getscheduler(pid_t id)
{
    struct mp__thread *thread = by_id(id);
    int policy, priority, rc;

    if (thread == NULL)
        return mp__real.sched_getscheduler(id);
    rc = get_policy(thread, &policy, &priority);
    return rc == 0 ? policy : mp__fail(-rc);
}

MP_EXPORT int sched_setparam(pid_t id, const struct sched_param *param)
{
    struct mp__thread *thread = by_id(id);
    int rc;

    if (thread == NULL || param == NULL)
        return mp__real.sched_setparam(id, param);
    rc = set_priority_only(thread, param->sched_priority);
    return rc == 0 ? 0 : mp__fail(-rc);
}

MP_EXPORT int sched_getparam(pid_t id, struct sched_param *param)
{
    struct mp__thread *thread = by_id(id);
    int policy, rc;

    if (thread == NULL || param == NULL)
        return mp__real.sched_getparam(id, param);
    rc = get_policy(thread, &policy, &param->sched_priority);
    return rc == 0 ? 0 : mp__fail(-rc);
}
MP_SPELLING(sched_setscheduler, __sched_setscheduler);
MP_SPELLING(sched_getscheduler, __sched_getscheduler);
MP_SPELLING(sched_getparam, __sched_getparam);

/* ---- nice ---- */

/* A mapped thread other than the main one, whose value is the kernel's. */
static struct mp__thread *niced(__priority_which_t which, id_t who)
{
    struct mp__thread *thread;

    if (which != PRIO_PROCESS)
        return NULL;
    thread = by_id((pid_t)who);
    return thread == &mp__main ? NULL : thread;
}

static int get_nice(const struct mp__thread *thread)
{
    if (thread->sched != NULL && thread->sched->has_nice)
        return thread->sched->nice;
    return mp__real.getpriority(PRIO_PROCESS, 0);
}

/* Returns an error number. */
static int set_nice(struct mp__thread *thread, int nice_value)
{
    struct mp__attr_record *record;
    struct rlimit limit = {0, 0};

    if (nice_value < -20)
        nice_value = -20;
    if (nice_value > 19)
        nice_value = 19;
    if (nice_value < get_nice(thread) && geteuid() != 0 &&
        (getrlimit(RLIMIT_NICE, &limit) < 0 ||
         20 - nice_value > (long)limit.rlim_cur))
        return EACCES;
    record = record_of(thread);
    if (record == NULL)
        return ENOMEM;
    record->nice = nice_value;
    record->has_nice = true;
    return 0;
}

MP_EXPORT int setpriority(__priority_which_t which, id_t who, int priority)
{
    struct mp__thread *thread = niced(which, who);
    int rc;

    if (thread == NULL)
        return mp__real.setpriority(which, who, priority);
    rc = set_nice(thread, priority);
    return rc == 0 ? 0 : mp__fail(-rc);
}

MP_EXPORT int getpriority(__priority_which_t which, id_t who)
{
    struct mp__thread *thread = niced(which, who);

    if (thread == NULL)
        return mp__real.getpriority(which, who);
    return get_nice(thread);
}

MP_EXPORT int nice(int increment)
{
    struct mp__thread *thread = niced(PRIO_PROCESS, 0);
    int rc;

    if (thread == NULL)
        return mp__real.nice(increment);
    rc = set_nice(thread, get_nice(thread) + increment);
    if (rc != 0)
        return mp__fail(rc == EACCES ? -EPERM : -rc);
    return get_nice(thread);
}

/* ---- priority of input and output ---- */

enum { IO_NONE, IO_REAL_TIME, IO_BEST_EFFORT, IO_IDLE, IO_SHIFT = 13 };
enum { IO_WHO_PROCESS = 1, IO_LEVELS = 8 };

static bool may_have_real_time(void)
{
    /* As the kernel asks for CAP_SYS_NICE or CAP_SYS_ADMIN. */
    return geteuid() == 0;
}

/* As the kernel checks it. */
static int check_io(int value)
{
    int data = value & ((1 << IO_SHIFT) - 1);

    switch (value >> IO_SHIFT) {
    case IO_NONE:
        return data != 0 ? EINVAL : 0;
    case IO_REAL_TIME:
        if (!may_have_real_time())
            return EPERM;
        return data >= IO_LEVELS ? EINVAL : 0;
    case IO_BEST_EFFORT:
        return data >= IO_LEVELS ? EINVAL : 0;
    case IO_IDLE:
        return 0;
    default:
        return EINVAL;
    }
}

static struct mp__thread *io_thread(int which, int who)
{
    return which == IO_WHO_PROCESS ? niced(PRIO_PROCESS, (id_t)who) : NULL;
}

long mp__ioprio_set(int which, int who, int value, bool *handled)
{
    struct mp__thread *thread = io_thread(which, who);
    struct mp__attr_record *record;
    int error;

    *handled = thread != NULL;
    if (thread == NULL)
        return 0;
    error = check_io(value);
    record = error == 0 ? record_of(thread) : NULL;
    if (record == NULL)
        return -(error != 0 ? error : ENOMEM);
    record->has_io = value >> IO_SHIFT != IO_NONE;
    record->io = value;
    return 0;
}

/* What was never set is the kernel's to say. */
long mp__ioprio_get(int which, int who, bool *handled)
{
    struct mp__thread *thread = io_thread(which, who);

    *handled = thread != NULL;
    if (thread == NULL)
        return 0;
    if (thread->sched != NULL && thread->sched->has_io)
        return thread->sched->io;
    return SYS_CALL(SYS_ioprio_get, IO_WHO_PROCESS, 0, 0, 0, 0, 0);
}

/* ---- timer slack: the caller's, which is not main ---- */

long mp__slack_get(void)
{
    const struct mp__attr_record *record = mp__self->sched;

    return record != NULL && record->has_slack
               ? (long)record->slack
               : SYS_CALL(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0, 0);
}

/* 0 is what the thread began with. */
long mp__slack_set(unsigned long value)
{
    long now = mp__slack_get();
    struct mp__attr_record *record = record_of(mp__self);

    if (record == NULL)
        return -ENOMEM;
    if (!record->has_slack)
        record->born_with = (unsigned long)now;
    record->slack = (long)value > 0 ? value : record->born_with;
    record->has_slack = true;
    return 0;
}

/* ---- new threads ---- */

/* Returns an error number: what the kernel refuses, and no memory. */
static int apply_attr(struct mp__thread *thread, const pthread_attr_t *attr)
{
    struct sched_param param = {0};
    cpu_set_t cpus;
    int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER, rc = 0;

    if (pthread_attr_getaffinity_np(attr, sizeof cpus, &cpus) == 0 &&
        CPU_COUNT(&cpus) < CPU_SETSIZE) /* all bits: none was set */
        rc = set_cpus(thread, sizeof cpus, &cpus);
    pthread_attr_getinheritsched(attr, &inherit);
    if (rc != 0 || inherit != PTHREAD_EXPLICIT_SCHED)
        return rc;
    if (record_of(thread) == NULL)
        return ENOMEM;
    thread->sched->is_explicit = true;
    pthread_attr_getschedpolicy(attr, &policy);
    pthread_attr_getschedparam(attr, &param);
    return set_policy(thread, policy, param.sched_priority);
}

int mp__sched_created(struct mp__thread *thread, const pthread_attr_t *attr)
{
    const struct mp__thread *parent = mp__self;

    if (parent != NULL) {
        memcpy(thread->name, parent->name, sizeof thread->name);
        thread->gains_none = parent->gains_none;
        if (parent->sched != NULL && record_of(thread) != NULL)
            *thread->sched = *parent->sched;
        if (thread->sched != NULL)
            thread->sched->born_with = thread->sched->slack;
    }
    return attr != NULL ? apply_attr(thread, attr) : 0;
}

/* For pthread_getattr_np(): libc reports what the thread runs with. */
void mp__sched_report(const struct mp__thread *thread, pthread_attr_t *attr)
{
    struct sched_param param = { 0 };
    cpu_set_t cpus;
    int policy;

    if (pthread_getaffinity_np(thread->handle, sizeof cpus, &cpus) == 0)
        pthread_attr_setaffinity_np(attr, sizeof cpus, &cpus);
    pthread_attr_setinheritsched(attr, thread->sched != NULL &&
                                               thread->sched->is_explicit
                                           ? PTHREAD_EXPLICIT_SCHED
                                           : PTHREAD_INHERIT_SCHED);
    if (get_policy(thread, &policy, &param.sched_priority) != 0)
        return;
    pthread_attr_setschedpolicy(attr, policy);
    pthread_attr_setschedparam(attr, &param);
}
