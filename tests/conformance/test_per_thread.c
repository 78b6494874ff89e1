/* What the kernel keeps for each thread
 *
 * Each call changes the calling thread alone.  A runtime that puts several
 * threads on one kernel thread may refuse some with EPERM, but one thread's
 * change must never show in another. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <limits.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- namespaces: the inode of what a thread is in ---- */

static long namespace_of(const char *kind)
{
    char path[64];
    struct stat file;

    snprintf(path, sizeof path, "/proc/thread-self/ns/%s", kind);
    return stat(path, &file) == 0 ? (long)file.st_ino : -1;
}

static long look_net(void)
{
    return namespace_of("net");
}

static long look_uts(void)
{
    return namespace_of("uts");
}

static long look_mnt(void)
{
    return namespace_of("mnt");
}

static bool unshare_net(void)
{
    return unshare(CLONE_NEWNET) == 0;
}

static bool unshare_uts(void)
{
    return unshare(CLONE_NEWUTS) == 0;
}

static bool unshare_mnt(void)
{
    return unshare(CLONE_NEWNS) == 0;
}

static bool raw_unshare_uts(void)
{
    return syscall(SYS_unshare, CLONE_NEWUTS) == 0;
}

/* The namespace of a child that has one of its own. */
static bool set_uts(void)
{
    int tell[2], hold[2], fd;
    char path[64], byte;
    pid_t child;
    bool changed;

    CONF_CHECK(pipe(tell) == 0 && pipe(hold) == 0);
    child = fork();
    if (child == 0) {
        conf_child_begin();
        byte = unshare(CLONE_NEWUTS) == 0;
        conf_write_all(tell[1], &byte, 1);
        conf_read_all(hold[0], &byte, 1);
        _exit(0);
    }
    conf_read_all(tell[0], &byte, 1);
    snprintf(path, sizeof path, "/proc/%d/ns/uts", child);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    changed = byte && setns(fd, CLONE_NEWUTS) == 0;
    conf_write_all(hold[1], "x", 1);
    CONF_CHECK(conf_child_status(child) == 0);
    close(fd);
    conf_close_both(tell);
    conf_close_both(hold);
    return changed;
}

/* ---- what threads share, until they do not ---- */

static bool unshare_folder(void)
{
    return unshare(CLONE_FS) == 0 && chdir("/dev") == 0;
}

static long look_folder(void)
{
    char path[PATH_MAX];
    long sum = 0;

    CONF_CHECK(getcwd(path, sizeof path) != NULL);
    for (const char *at = path; *at != '\0'; at++)
        sum = sum * 31 + *at;
    return sum;
}

static bool unshare_files(void)
{
    return unshare(CLONE_FILES) == 0 && dup2(2, 700) == 700;
}

static long look_files(void)
{
    return fcntl(700, F_GETFD) >= 0;
}

/* ---- rights ---- */

static bool drop_from_bounds(void)
{
    return prctl(PR_CAPBSET_DROP, CAP_SYS_PACCT, 0, 0, 0) == 0;
}

static long look_bounds(void)
{
    return prctl(PR_CAPBSET_READ, CAP_SYS_PACCT, 0, 0, 0);
}

static bool keep_caps(void)
{
    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0;
}

static long look_keeps(void)
{
    return prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0);
}

static bool secure_bits(void)
{
    return prctl(PR_SET_SECUREBITS, 1, 0, 0, 0) == 0;
}

static long look_secure(void)
{
    return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
}

static bool no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static long look_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

/* The personality that nobody has asked for is an error of its own then. */
enum { FILTERED = 333 };

static struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | FILTERED),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
static struct sock_fprog program = { 4, filter };

static bool filter_by_seccomp(void)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static bool filter_by_prctl(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static long look_filter(void)
{
    return syscall(SYS_personality, 0xffffffff) < 0 ? errno : 0;
}

static bool be_another_person(void)
{
    return personality(ADDR_NO_RANDOMIZE) >= 0;
}

static bool be_another_person_by_number(void)
{
    return syscall(SYS_personality, ADDR_NO_RANDOMIZE) >= 0;
}

static long look_person(void)
{
    return personality(0xffffffff);
}

static bool join_keyring(void)
{
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) > 0;
}

static long look_keyring(void)
{
    long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
                      KEY_SPEC_SESSION_KEYRING, 0);

    return id < 0 ? -errno : id;
}

static bool make_own_keyring(void)
{
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING,
                   1) > 0;
}

static bool add_to_own_keyring(void)
{
    return syscall(SYS_add_key, "user", "of one thread", "x", 1,
                   KEY_SPEC_THREAD_KEYRING) > 0;
}

static long look_own_keyring(void)
{
    long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
                      KEY_SPEC_THREAD_KEYRING, 0);

    return id < 0 ? -errno : id;
}

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif

/* No more reading of folders. */
static bool restrict_self(void)
{
    uint64_t handled = 1 << 3;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled,
                          0);
    bool done;

    if (fd < 0)
        return false;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    done = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    close(fd);
    return done;
}

static long look_restricted(void)
{
    int fd = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* ---- what it costs ---- */

static bool set_slack(void)
{
    return prctl(PR_SET_TIMERSLACK, 123456, 0, 0, 0) == 0;
}

static long look_slack(void)
{
    return prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
}

enum { WHO_PROCESS = 1, BEST_EFFORT = 2 };
#define IO_PRIORITY(class, data) ((class) << 13 | (data))

static bool set_io_priority(void)
{
    return syscall(SYS_ioprio_set, WHO_PROCESS, 0,
                   IO_PRIORITY(BEST_EFFORT, 7)) == 0;
}

static bool set_io_priority_by_id(void)
{
    return syscall(SYS_ioprio_set, WHO_PROCESS, syscall(SYS_gettid),
                   IO_PRIORITY(BEST_EFFORT, 6)) == 0;
}

static long look_io_priority(void)
{
    return syscall(SYS_ioprio_get, WHO_PROCESS, 0);
}

/* ---- all of them ---- */

static const struct change {
    const char *name;
    bool (*change)(void); /* false: was refused, or is not there */
    long (*look)(void);
    bool may_be_refused;
} changes[] = {
    { "unshare(CLONE_NEWNET)", unshare_net, look_net, true },
    { "unshare(CLONE_NEWUTS)", unshare_uts, look_uts, true },
    { "unshare(CLONE_NEWNS)", unshare_mnt, look_mnt, true },
    { "SYS_unshare", raw_unshare_uts, look_uts, true },
    { "setns()", set_uts, look_uts, true },
    { "unshare(CLONE_FS)", unshare_folder, look_folder, true },
    { "unshare(CLONE_FILES)", unshare_files, look_files, true },
    { "PR_CAPBSET_DROP", drop_from_bounds, look_bounds, true },
    { "PR_SET_KEEPCAPS", keep_caps, look_keeps, true },
    { "PR_SET_SECUREBITS", secure_bits, look_secure, true },
    { "PR_SET_NO_NEW_PRIVS", no_new_privileges, look_privileges, false },
    { "SYS_seccomp", filter_by_seccomp, look_filter, true },
    { "PR_SET_SECCOMP", filter_by_prctl, look_filter, true },
    { "personality()", be_another_person, look_person, true },
    { "SYS_personality", be_another_person_by_number, look_person, true },
    { "a session keyring", join_keyring, look_keyring, true },
    { "a thread keyring", make_own_keyring, look_own_keyring, true },
    { "add_key()", add_to_own_keyring, look_own_keyring, true },
    { "landlock", restrict_self, look_restricted, true },
    { "PR_SET_TIMERSLACK", set_slack, look_slack, false },
    { "ioprio_set()", set_io_priority, look_io_priority, false },
    { "ioprio_set() of an id", set_io_priority_by_id, look_io_priority, false },
};
enum { CHANGES = sizeof changes / sizeof *changes };

struct scene {
    const struct change *change;
    long before;
    volatile bool done, leave, changed;
};

static void *change_and_wait(void *argument)
{
    struct scene *scene = argument;
    long own;

    scene->changed = scene->change->change();
    own = scene->change->look();
    if (!scene->changed)
        CONF_CHECK(own == scene->before);
    else
        CONF_CHECK(own != scene->before);
    scene->done = true;
    while (!scene->leave) {
        sleep_ms(1);
        CONF_CHECK(scene->change->look() == own);
    }
    return NULL;
}

static void *see_none(void *argument)
{
    const struct scene *scene = argument;

    for (int i = 0; i < 5; i++) {
        CONF_CHECK(scene->change->look() == scene->before);
        sleep_ms(1);
    }
    return NULL;
}

START_TEST(of_one_thread_does_not_show_in_another)
{
    struct scene scene = { .change = &changes[_i] };
    pthread_t changer, watchers[2];

    scene.before = scene.change->look();
    watchers[0] = start_thread(see_none, &scene);
    changer = start_thread(change_and_wait, &scene);
    while (!scene.done)
        sleep_ms(1);
    watchers[1] = start_thread(see_none, &scene);
    see_none(&scene);
    for (int i = 0; i < 2; i++)
        join_thread(watchers[i]);
    scene.leave = true;
    join_thread(changer);
    ck_assert_int_eq(scene.change->look(), scene.before);
    if (!scene.changed) {
        conf_skip(scene.change->name);
        ck_assert(scene.change->may_be_refused || conf_emulated());
    }
}
END_TEST

/* ---- programs that a thread without new privileges starts ---- */

static const char *const ask[] = {
    "/bin/sh", "-c", "grep -q 'NoNewPrivs:.1' /proc/self/status", NULL
};

static int by_fork(void)
{
    pid_t child = fork();

    if (child == 0) {
        execv(ask[0], (char *const *)ask);
        _exit(99);
    }
    return conf_child_status(child);
}

static int by_vfork(void)
{
    pid_t child = vfork();

    if (child == 0) {
        execv(ask[0], (char *const *)ask);
        _exit(99);
    }
    return conf_child_status(child);
}

static int by_spawn(void)
{
    pid_t child;

    CONF_CHECK(posix_spawn(&child, ask[0], NULL, NULL, (char *const *)ask,
                           environ) == 0);
    return conf_child_status(child);
}

static int by_system(void)
{
    return WEXITSTATUS(system(ask[2]));
}

static int (*const starts[])(void) = { by_fork, by_vfork, by_spawn, by_system };
enum { STARTS = sizeof starts / sizeof *starts };

static void *start_one_without(void *which)
{
    int (*start)(void) = starts[(intptr_t)which];

    CONF_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0) == -1);
    CONF_CHECK(errno == EINVAL);
    CONF_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1);
    CONF_CHECK(errno == EINVAL);
    CONF_CHECK(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1);
    CONF_CHECK(errno == EINVAL);
    CONF_CHECK(start() == 1);
    CONF_CHECK(no_new_privileges());
    CONF_CHECK(start() == 0);
    CONF_CHECK(look_privileges() == 1);
    return NULL;
}

static void *look_inherited(void *unused)
{
    CONF_CHECK(look_privileges() == 1);
    return unused;
}

static void *inherit(void *unused)
{
    CONF_CHECK(look_privileges() == 0);
    CONF_CHECK(no_new_privileges());
    join_thread(start_thread(look_inherited, NULL));
    return unused;
}

static void without_in_child(int which)
{
    join_thread(start_thread(inherit, NULL));
    CONF_CHECK(look_privileges() == 0);
    join_thread(start_thread(start_one_without, (void *)(intptr_t)which));
    CONF_CHECK(no_new_privileges());
    CONF_CHECK(starts[which]() == 0);
    join_thread(start_thread(look_inherited, NULL));
}

START_TEST(what_is_started_gains_no_privileges_either)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        without_in_child(_i);
        _exit(0);
    }
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

/* The only thread of a process is not refused what all of it gets. */
START_TEST(a_child_of_one_thread_may_change)
{
    pid_t child = fork();

    if (child == 0) {
        bool done;

        conf_child_begin();
        done = no_new_privileges() && look_privileges() == 1 &&
               be_another_person() && look_person() == ADDR_NO_RANDOMIZE;
        _exit(done ? 0 : 1);
    }
    ck_assert_int_eq(conf_child_status(child), 0);
}
END_TEST

static void *fork_and_change(void *argument)
{
    pid_t child = fork();

    if (child == 0) {
        conf_child_begin();
        _exit(keep_caps() && look_keeps() == 1 ? 0 : 1);
    }
    CONF_CHECK(conf_child_status(child) == 0);
    return argument;
}

START_TEST(so_may_the_child_of_any_thread)
{
    join_thread(start_thread(fork_and_change, NULL));
    ck_assert_int_eq(look_keeps(), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, of_one_thread_does_not_show_in_another, CHANGES);
    conf_test(tcase, what_is_started_gains_no_privileges_either, STARTS);
    conf_test(tcase, a_child_of_one_thread_may_change, 1);
    conf_test(tcase, so_may_the_child_of_any_thread, 1);
}

int main(void)
{
    return conf_main("per_thread", add, CONF_THREADS);
}
