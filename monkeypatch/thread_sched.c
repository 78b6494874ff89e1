/* thread_sched.c - CPUs, policy, priority and nice value of mapped threads
 *
 * One kernel thread runs them all, so these are recorded for each, checked as the
 * kernel would, reported, and not applied; so is the rest that only says how soon
 * something is done.  Before the first thread, and for others, the kernel's own. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sys.h"

#include <errno.h>
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

/* ---- whose ---- */

/* Who is named by an id may end at any moment, on another carrier, but not while the
 * list of threads is locked; who is named by a handle is there until it is joined.
 * Records are read and written under that lock: others are given copies.  Nothing
 * is allocated there, and nothing of the program's touched. */
struct named {
    struct mp__thread *thread; /* NULL: by `id` */
    pid_t id;
};

static struct named of_id(pid_t id)
{
    return (struct named){ id == 0 ? mp__self : NULL, id };
}

static struct named of(struct mp__thread *thread)
{
    return (struct named){ thread, 0 };
}

static struct mp__thread *by_handle(pthread_t handle)
{
    mp__init();
    return mp__thread_of(handle);
}

/* 0 is the caller.  NULL: not a mapped thread, or none any more. */
static struct mp__thread *find(struct named who)
{
    if (who.thread != NULL)
        return who.thread;
    return (uint32_t)who.id == mp__main.id ? &mp__main
                                           : mp__thread_by_id(who.id);
}

bool mp__sched_is_ours(pid_t id)
{
    mp__init();
    return mp__mapped() && mp__in_vfork_child == 0 &&
           (id == 0 || (uint32_t)id == mp__main.id || mp__is_thread_id(id));
}

/* False: it has ended. */
static bool ask(struct named who, struct mp__attr_record *copy)
{
    const struct mp__thread *thread;
    MP_ALL_STAY;

    thread = find(who);
    if (thread == NULL)
        return false;
    if (thread->sched != NULL)
        *copy = *thread->sched;
    else
        memset(copy, 0, sizeof *copy);
    return true;
}

/* What is set in `wanted`. */
static void merge(struct mp__attr_record *record,
                  const struct mp__attr_record *wanted)
{
    if (wanted->has_cpus) {
        record->has_cpus = true;
        record->cpus = wanted->cpus;
    }
    if (wanted->has_policy) {
        record->has_policy = true;
        record->policy = wanted->policy;
        record->priority = wanted->priority;
    }
    if (wanted->has_nice) {
        record->has_nice = true;
        record->nice = wanted->nice;
    }
    if (wanted->has_io) {
        record->has_io = true;
        record->io = wanted->io;
    }
    if (wanted->has_slack) {
        record->has_slack = true;
        record->slack = wanted->slack;
        record->born_with = wanted->born_with;
    }
    record->is_explicit |= wanted->is_explicit;
}

static void free_spare(struct mp__attr_record **spare)
{
    free(*spare);
}

/* Returns an error number. */
static int tell(struct named who, const struct mp__attr_record *wanted)
{
    __attribute__((cleanup(free_spare))) struct mp__attr_record *spare =
        calloc(1, sizeof *spare);
    struct mp__thread *thread;
    MP_ALL_STAY;

    thread = find(who);
    if (thread == NULL)
        return ESRCH;
    if (thread->sched == NULL) {
        thread->sched = spare;
        spare = NULL;
    }
    if (thread->sched == NULL)
        return ENOMEM;
    merge(thread->sched, wanted);
    return 0;
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

static int set_cpus(struct named who, size_t size, const cpu_set_t *wanted)
{
    struct mp__attr_record record = { .has_cpus = true };
    int rc;

    memcpy(&record.cpus, wanted,
           size < sizeof record.cpus ? size : sizeof record.cpus);
    if (CPU_COUNT(&record.cpus) == 0)
        return EINVAL;
    rc = restrict_cpus(&record.cpus);
    return rc != 0 ? rc : tell(who, &record);
}

/* The kernel has checked the size and filled `set`. */
static int get_cpus(struct named who, size_t size, cpu_set_t *set)
{
    struct mp__attr_record record;

    if (!ask(who, &record))
        return ESRCH;
    if (record.has_cpus)
        memcpy(set, &record.cpus,
               size < sizeof record.cpus ? size : sizeof record.cpus);
    return 0;
}

MP_EXPORT int pthread_setaffinity_np(pthread_t handle, size_t size,
                                     const cpu_set_t *set)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_setaffinity_np(handle, size, set);
    return set_cpus(of(thread), size, set);
}

MP_EXPORT int pthread_getaffinity_np(pthread_t handle, size_t size,
                                     cpu_set_t *set)
{
    struct mp__thread *thread = by_handle(handle);
    int rc = mp__real.pthread_getaffinity_np(handle, size, set);

    return thread != NULL && rc == 0 ? get_cpus(of(thread), size, set) : rc;
}

/* The errno boundary, for error numbers. */
static int result_of(int error)
{
    return error == 0 ? 0 : mp__fail(-error);
}

MP_EXPORT int sched_setaffinity(pid_t id, size_t size, const cpu_set_t *set)
{
    if (!mp__sched_is_ours(id))
        return mp__real.sched_setaffinity(id, size, set);
    return result_of(set_cpus(of_id(id), size, set));
}

MP_EXPORT int sched_getaffinity(pid_t id, size_t size, cpu_set_t *set)
{
    bool ours = mp__sched_is_ours(id);
    int rc = mp__real.sched_getaffinity(ours ? 0 : id, size, set);

    return ours && rc == 0 ? result_of(get_cpus(of_id(id), size, set)) : rc;
}

/* ---- policy and priority; these return an error number ---- */

static int get_policy(struct named who, int *policy, int *priority)
{
    struct mp__attr_record record;
    struct sched_param param;

    if (!ask(who, &record))
        return ESRCH;
    if (record.has_policy) {
        *policy = record.policy;
        *priority = record.priority;
        return 0;
    }
    *policy = mp__real.sched_getscheduler(0);
    if (*policy < 0 || mp__real.sched_getparam(0, &param) < 0)
        return errno;
    *priority = param.sched_priority;
    return 0;
}

static int set_policy(struct named who, int policy, int priority)
{
    struct mp__attr_record record = { .has_policy = true,
                                      .policy = policy,
                                      .priority = priority };
    int plain = policy & ~SCHED_RESET_ON_FORK;
    struct rlimit limit = { 0, 0 };

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
    return tell(who, &record);
}

static int set_priority_only(struct named who, int priority)
{
    int policy, old;
    int rc = get_policy(who, &policy, &old);

    return rc != 0 ? rc : set_policy(who, policy, priority);
}

MP_EXPORT int pthread_setschedparam(pthread_t handle, int policy,
                                    const struct sched_param *param)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_setschedparam(handle, policy, param);
    if (thread->ended)
        return ESRCH;
    return set_policy(of(thread), policy, param->sched_priority);
}

MP_EXPORT int pthread_getschedparam(pthread_t handle, int *policy,
                                    struct sched_param *param)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_getschedparam(handle, policy, param);
    if (thread->ended)
        return ESRCH;
    return get_policy(of(thread), policy, &param->sched_priority);
}

MP_EXPORT int pthread_setschedprio(pthread_t handle, int priority)
{
    struct mp__thread *thread = by_handle(handle);

    if (thread == NULL)
        return mp__real.pthread_setschedprio(handle, priority);
    if (thread->ended)
        return ESRCH;
    return set_priority_only(of(thread), priority);
}

MP_EXPORT int sched_setscheduler(pid_t id, int policy,
                                 const struct sched_param *param)
{
    if (!mp__sched_is_ours(id) || param == NULL)
        return mp__real.sched_setscheduler(id, policy, param);
    return result_of(set_policy(of_id(id), policy, param->sched_priority));
}

MP_EXPORT int sched_getscheduler(pid_t id)
{
    int policy, priority, rc;

    if (!mp__sched_is_ours(id))
        return mp__real.sched_getscheduler(id);
    rc = get_policy(of_id(id), &policy, &priority);
    return rc == 0 ? policy : mp__fail(-rc);
}

MP_EXPORT int sched_setparam(pid_t id, const struct sched_param *param)
{
    if (!mp__sched_is_ours(id) || param == NULL)
        return mp__real.sched_setparam(id, param);
    return result_of(set_priority_only(of_id(id), param->sched_priority));
}

MP_EXPORT int sched_getparam(pid_t id, struct sched_param *param)
{
    int policy;

    if (!mp__sched_is_ours(id) || param == NULL)
        return mp__real.sched_getparam(id, param);
    return result_of(get_policy(of_id(id), &policy, &param->sched_priority));
}
MP_SPELLING(sched_setscheduler, __sched_setscheduler);
MP_SPELLING(sched_getscheduler, __sched_getscheduler);
MP_SPELLING(sched_getparam, __sched_getparam);

/* ---- nice ---- */

/* A mapped thread other than the main one, whose value is the kernel's. */
static bool is_niced(__priority_which_t which, id_t who)
{
    return which == PRIO_PROCESS && mp__sched_is_ours((pid_t)who) &&
           (who == 0 ? mp__self != &mp__main : (uint32_t)who != mp__main.id);
}

/* False: it has ended. */
static bool get_nice(struct named who, int *value)
{
    struct mp__attr_record record;

    if (!ask(who, &record))
        return false;
    *value = record.has_nice ? record.nice
                             : mp__real.getpriority(PRIO_PROCESS, 0);
    return true;
}

/* Returns an error number. */
static int set_nice(struct named who, int value)
{
    struct mp__attr_record record = { .has_nice = true };
    struct rlimit limit = { 0, 0 };
    int before;

    value = value < -20 ? -20 : value > 19 ? 19 : value;
    if (!get_nice(who, &before))
        return ESRCH;
    if (value < before && geteuid() != 0 &&
        (getrlimit(RLIMIT_NICE, &limit) < 0 ||
         20 - value > (long)limit.rlim_cur))
        return EACCES;
    record.nice = value;
    return tell(who, &record);
}

MP_EXPORT int setpriority(__priority_which_t which, id_t who, int priority)
{
    if (!is_niced(which, who))
        return mp__real.setpriority(which, who, priority);
    return result_of(set_nice(of_id((pid_t)who), priority));
}

MP_EXPORT int getpriority(__priority_which_t which, id_t who)
{
    int value;

    if (!is_niced(which, who))
        return mp__real.getpriority(which, who);
    return get_nice(of_id((pid_t)who), &value) ? value : mp__fail(-ESRCH);
}

MP_EXPORT int nice(int increment)
{
    int value, rc;

    if (!is_niced(PRIO_PROCESS, 0))
        return mp__real.nice(increment);
    get_nice(of(mp__self), &value);
    rc = set_nice(of(mp__self), value + increment);
    if (rc != 0)
        return mp__fail(rc == EACCES ? -EPERM : -rc);
    get_nice(of(mp__self), &value);
    return value;
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

static bool is_io_ours(int which, int who)
{
    return which == IO_WHO_PROCESS && is_niced(PRIO_PROCESS, (id_t)who);
}

long mp__ioprio_set(int which, int who, int value, bool *handled)
{
    struct mp__attr_record record = { .has_io = true, .io = value };
    int error;

    *handled = is_io_ours(which, who);
    if (!*handled)
        return 0;
    error = check_io(value);
    return -(error != 0 ? error : tell(of_id(who), &record));
}

/* What was never set is the kernel's to say. */
long mp__ioprio_get(int which, int who, bool *handled)
{
    struct mp__attr_record record;

    *handled = is_io_ours(which, who);
    if (!*handled)
        return 0;
    if (!ask(of_id(who), &record))
        return -ESRCH;
    if (record.has_io && record.io >> IO_SHIFT != IO_NONE)
        return record.io;
    return SYS_CALL(SYS_ioprio_get, IO_WHO_PROCESS, 0, 0, 0, 0, 0);
}

/* ---- timer slack: the caller's, which is not main ---- */

static unsigned long slack_of(const struct mp__attr_record *record)
{
    return record->has_slack
               ? record->slack
               : (unsigned long)SYS_CALL(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0,
                                         0, 0);
}

long mp__slack_get(void)
{
    struct mp__attr_record record;

    ask(of(mp__self), &record);
    return (long)slack_of(&record);
}

/* 0 is what the thread began with. */
long mp__slack_set(unsigned long value)
{
    struct mp__attr_record record;

    ask(of(mp__self), &record);
    if (!record.has_slack)
        record.born_with = slack_of(&record);
    record = (struct mp__attr_record){ .has_slack = true,
                                       .born_with = record.born_with };
    record.slack = (long)value > 0 ? value : record.born_with;
    return -tell(of(mp__self), &record);
}

/* ---- new threads ---- */

/* Returns an error number: what the kernel refuses, and no memory. */
static int apply_attr(struct named thread, const pthread_attr_t *attr)
{
    struct mp__attr_record explicit = { .is_explicit = true };
    struct sched_param param = { 0 };
    cpu_set_t cpus;
    int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER, rc = 0;

    if (pthread_attr_getaffinity_np(attr, sizeof cpus, &cpus) == 0 &&
        CPU_COUNT(&cpus) < CPU_SETSIZE) /* all bits: none was set */
        rc = set_cpus(thread, sizeof cpus, &cpus);
    pthread_attr_getinheritsched(attr, &inherit);
    if (rc != 0 || inherit != PTHREAD_EXPLICIT_SCHED)
        return rc;
    rc = tell(thread, &explicit);
    if (rc != 0)
        return rc;
    pthread_attr_getschedpolicy(attr, &policy);
    pthread_attr_getschedparam(attr, &param);
    return set_policy(thread, policy, param.sched_priority);
}

/* Without memory it is as if nothing had been set. */
static void inherit(struct mp__thread *thread, struct mp__thread *parent)
{
    struct mp__attr_record record;

    memcpy(thread->name, parent->name, sizeof thread->name);
    thread->gains_none = parent->gains_none;
    if (parent->sched == NULL)
        return;
    ask(of(parent), &record);
    record.born_with = record.slack;
    tell(of(thread), &record);
}

/* Nobody knows the thread yet. */
int mp__sched_created(struct mp__thread *thread, const pthread_attr_t *attr)
{
    if (mp__self != NULL)
        inherit(thread, mp__self);
    return attr != NULL ? apply_attr(of(thread), attr) : 0;
}

/* Where the machine has more than fit, as if nothing was chosen. */
static int report_cpus(struct mp__thread *thread, pthread_attr_t *attr)
{
    cpu_set_t cpus;
    int saved = errno;

    CPU_ZERO(&cpus);
    if (mp__real.sched_getaffinity(0, sizeof cpus, &cpus) >= 0) {
        get_cpus(of(thread), sizeof cpus, &cpus);
        return pthread_attr_setaffinity_np(attr, sizeof cpus, &cpus);
    }
    errno = saved;
    return 0;
}

/* For pthread_getattr_np(): libc reports what the thread runs with. */
int mp__sched_report(struct mp__thread *thread, pthread_attr_t *attr)
{
    struct mp__attr_record record;
    struct sched_param param = { 0 };
    int policy;

    ask(of(thread), &record);
    pthread_attr_setinheritsched(
        attr, record.is_explicit ? PTHREAD_EXPLICIT_SCHED : PTHREAD_INHERIT_SCHED);
    if (get_policy(of(thread), &policy, &param.sched_priority) == 0) {
        pthread_attr_setschedpolicy(attr, policy);
        pthread_attr_setschedparam(attr, &param);
    }
    return report_cpus(thread, attr);
}
