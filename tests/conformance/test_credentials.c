/* Credentials that the kernel keeps for each thread
 *
 * setfsuid(), capset() and the raw set*id calls change the calling thread
 * alone; what libc calls setuid() changes every thread.  A runtime that puts
 * several threads on one kernel thread may refuse the first kind with EPERM,
 * but must never let one thread's change show in another. */
#include "conformance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OTHER = 65534 };

enum { CAPS = _LINUX_CAPABILITY_U32S_3 };

static bool is_root(void)
{
    if (geteuid() == 0)
        return true;
    conf_skip("only root can change its credentials");
    return false;
}

static void get_caps(struct __user_cap_data_struct caps[CAPS])
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };

    CONF_CHECK(syscall(SYS_capget, &header, caps) == 0);
}

static int set_caps(const struct __user_cap_data_struct caps[CAPS])
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };

    return (int)syscall(SYS_capset, &header, caps);
}

/* What shows of a thread's credentials. */
struct shown {
    unsigned fsuid, fsgid, euid, egid, caps;
    int owner;
};

static void look(struct shown *shown)
{
    struct __user_cap_data_struct caps[CAPS];
    struct stat file;
    int fd = open("/tmp", O_TMPFILE | O_WRONLY, 0600);

    shown->fsuid = (unsigned)syscall(SYS_setfsuid, -1);
    shown->fsgid = (unsigned)syscall(SYS_setfsgid, -1);
    shown->euid = geteuid();
    shown->egid = getegid();
    get_caps(caps);
    shown->caps = caps[0].effective;
    shown->owner = -1;
    if (fd >= 0) {
        CONF_CHECK(fstat(fd, &file) == 0);
        shown->owner = (int)file.st_uid;
        close(fd);
    }
}

static bool same(const struct shown *one, const struct shown *two)
{
    return one->fsuid == two->fsuid && one->fsgid == two->fsgid &&
           one->euid == two->euid && one->egid == two->egid &&
           one->caps == two->caps && one->owner == two->owner;
}

/* Each changes the calling thread; false: it was refused. */
static bool by_setfsuid(void)
{
    setfsuid(OTHER);
    return (unsigned)setfsuid((uid_t)-1) == OTHER;
}

static bool by_setfsgid(void)
{
    setfsgid(OTHER);
    return (unsigned)setfsgid((gid_t)-1) == OTHER;
}

static bool by_raw_setfsuid(void)
{
    syscall(SYS_setfsuid, OTHER);
    return syscall(SYS_setfsuid, -1) == OTHER;
}

static bool by_raw_setresuid(void)
{
    return syscall(SYS_setresuid, -1, OTHER, -1) == 0;
}

static bool by_raw_setresgid(void)
{
    return syscall(SYS_setresgid, -1, OTHER, -1) == 0;
}

static bool by_capset(void)
{
    struct __user_cap_data_struct caps[CAPS];

    get_caps(caps);
    caps[0].effective = 0;
    return set_caps(caps) == 0;
}

static bool (*const changes[])(void) = {
    by_setfsuid,      by_setfsgid,      by_raw_setfsuid,
    by_raw_setresuid, by_raw_setresgid, by_capset,
};
enum { CHANGES = 6 };

struct change {
    bool (*function)(void);
    volatile bool changed, done;
    volatile bool leave;
};

/* Changes, waits so that others run, and sees its change still there. */
static void *change_and_wait(void *argument)
{
    struct change *change = argument;
    struct shown before, first, then;

    look(&before);
    change->changed = change->function();
    look(&first);
    CONF_CHECK(change->changed == !same(&before, &first));
    change->done = true;
    while (!change->leave) {
        sleep_ms(1);
        look(&then);
        CONF_CHECK(same(&first, &then));
    }
    return NULL;
}

static void *see_none(void *expected)
{
    struct shown now;

    for (int i = 0; i < 5; i++) {
        look(&now);
        CONF_CHECK(same(&now, expected));
        sleep_ms(1);
    }
    return NULL;
}

START_TEST(of_one_thread_never_show_in_another)
{
    struct change change = { .function = changes[_i] };
    struct shown before, now;
    pthread_t changer, watchers[3];

    if (!is_root())
        return;
    look(&before);
    watchers[0] = start_thread(see_none, &before);
    changer = start_thread(change_and_wait, &change);
    while (!change.done)
        sleep_ms(1);
    look(&now);
    ck_assert(same(&before, &now));
    for (int i = 1; i < 3; i++) /* threads that begin after the change */
        watchers[i] = start_thread(see_none, &before);
    for (int i = 0; i < 3; i++)
        join_thread(watchers[i]);
    change.leave = true;
    join_thread(changer);
    look(&now);
    ck_assert(same(&before, &now));
    if (!change.changed)
        conf_skip("the change was refused, so there was nothing to leak");
}
END_TEST

/* A thread inherits from the thread that made it. */
static void *make_a_thread(void *argument)
{
    struct shown mine;

    setfsuid(OTHER);
    look(&mine);
    join_thread(start_thread(see_none, &mine));
    return argument;
}

START_TEST(are_inherited_by_the_threads_a_thread_makes)
{
    if (!is_root())
        return;
    join_thread(start_thread(make_a_thread, NULL));
    ck_assert_int_eq(setfsuid((uid_t)-1), 0);
}
END_TEST

/* setuid() and its kind change every thread: in a child, as it is for good. */
static volatile bool gone;

static void *see_change(void *argument)
{
    while (!gone)
        sleep_ms(1);
    CONF_CHECK(geteuid() == OTHER && getegid() == OTHER);
    CONF_CHECK(syscall(SYS_setfsuid, -1) == OTHER);
    CONF_CHECK(getgroups(0, NULL) == 0);
    return argument;
}

static void see_change_of(const char *task)
{
    unsigned real, effective, saved, file;
    char path[300], line[200];
    bool found = false;
    FILE *status;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    status = fopen(path, "r");
    if (status == NULL)
        return; /* it has ended */
    while (!found && fgets(line, sizeof line, status) != NULL)
        found = sscanf(line, "Uid: %u %u %u %u", &real, &effective, &saved,
                       &file) == 4;
    fclose(status);
    CONF_CHECK(!found || (real == OTHER && effective == OTHER &&
                          saved == OTHER && file == OTHER));
}

/* Threads that the program did not make, too; but an emulator's own keep what they
 * had. */
static void see_change_of_all_tasks(void)
{
    const struct dirent *entry;
    DIR *tasks;

    if (conf_emulated())
        return;
    tasks = opendir("/proc/self/task");
    CONF_CHECK(tasks != NULL);
    while ((entry = readdir(tasks)) != NULL)
        if (entry->d_name[0] != '.')
            see_change_of(entry->d_name);
    closedir(tasks);
}

/* Something that a runtime may hand to a thread of its own. */
static void look_up_somebody(void)
{
    int fd = open("/tmp", O_TMPFILE | O_WRONLY, 0600);

    CONF_CHECK(getpwuid(0) != NULL);
    if (fd >= 0) {
        CONF_CHECK(fsync(fd) == 0);
        close(fd);
    }
}

static void *drop_root(void *argument)
{
    CONF_CHECK(setgroups(0, NULL) == 0);
    CONF_CHECK(setresgid(OTHER, OTHER, OTHER) == 0);
    CONF_CHECK(setresuid(OTHER, OTHER, OTHER) == 0);
    CONF_CHECK(setuid(0) == -1 && errno == EPERM);
    gone = true;
    return argument;
}

START_TEST(that_setuid_drops_are_dropped_for_all_threads)
{
    pid_t child;

    if (!is_root())
        return;
    child = fork();
    if (child == 0) {
        pthread_t watchers[3];

        conf_child_begin();
        for (int i = 0; i < 3; i++)
            watchers[i] = start_thread(see_change, NULL);
        look_up_somebody();
        if (_i == 0)
            drop_root(NULL);
        else
            join_thread(start_thread(drop_root, NULL));
        see_change(NULL);
        see_change_of_all_tasks();
        for (int i = 0; i < 3; i++)
            join_thread(watchers[i]);
        look_up_somebody();
        see_change_of_all_tasks();
        _exit(0);
    }
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, of_one_thread_never_show_in_another, CHANGES);
    conf_test(tcase, are_inherited_by_the_threads_a_thread_makes, 1);
    conf_test(tcase, that_setuid_drops_are_dropped_for_all_threads, 2);
}

int main(void)
{
    return conf_main("credentials", add, CONF_THREADS);
}
