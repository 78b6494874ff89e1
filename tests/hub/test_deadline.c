/* Sleeps of the loop: by the poll's own time, and by a timer where the kernel has no
 * such poll or a filter forbids it. */
#include "../unit.h"

#include "hub/hub.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

enum { SLEEPERS = 20, SKIPPED = 77 };

static int order[SLEEPERS], count;

struct sleeper {
    int number;
    int64_t ns;
};

static void sleep_and_note(void *arg)
{
    const struct sleeper *sleeper = arg;
    int64_t deadline = hub_deadline(sleeper->ns);

    if (hub_sleep(sleeper->ns) < 0 || hub_now() < deadline)
        _exit(2);
    order[count++] = sleeper->number;
}

/* Near and far ones beside each other; the first to be spawned sleeps longest. */
static int all_sleep(void)
{
    struct sleeper sleepers[SLEEPERS];
    struct greenlet *all[SLEEPERS];

    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){ i, (SLEEPERS - i) * 4 * HUB_MILLISECOND };
        all[i] = hub_spawn_raw(sleep_and_note, &sleepers[i]);
        if (all[i] == NULL)
            return 3;
    }
    for (int i = 0; i < SLEEPERS; i++) {
        hub_join(all[i], HUB_FOREVER);
        greenlet_unref(all[i]);
    }
    for (int i = 0; i < SLEEPERS; i++)
        if (order[i] != SLEEPERS - 1 - i)
            return 4;
    return 0;
}

/* Where the machine is busy one may begin to sleep too late for its place. */
static int sleeps_in_order(void)
{
    int rc = 4;

    for (int i = 0; i < 20 && rc == 4; i++) {
        count = 0;
        rc = all_sleep();
    }
    return rc;
}

static bool forbid(long call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { sizeof code / sizeof *code, code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* The loop sees first that it makes its own polls; and silences the timer. */
static int naps(void)
{
    for (int i = 0; i < 50; i++) {
        if (i == 3 && !forbid(SYS_timerfd_settime, EPERM))
            return SKIPPED;
        if (hub_sleep(HUB_MILLISECOND) < 0)
            return 5;
    }
    return 0;
}

static bool has_pwait2(void)
{
    struct timespec none = { 0, 0 };

    return syscall(SYS_epoll_pwait2, -1, NULL, 0, &none, NULL, 0) == 0 ||
           errno != ENOSYS;
}

/* In a child, for which a call fails (0: none does). */
static void check(int (*run)(void), long call, int error)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(call != 0 && !forbid(call, error) ? SKIPPED : run());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        printf("skipped: no filter of system calls here\n");
    else
        ck_assert_int_eq(status, 0);
}

START_TEST(near_and_far_ones_end_in_their_order)
{
    check(sleeps_in_order, 0, 0);
}
END_TEST

START_TEST(so_they_do_without_a_poll_that_is_so_exact)
{
    check(sleeps_in_order, SYS_epoll_pwait2, ENOSYS);
    check(sleeps_in_order, SYS_epoll_pwait2, EPERM);
}
END_TEST

START_TEST(near_ones_need_no_timer)
{
    if (WITH_TSAN)
        printf("skipped: ThreadSanitizer makes the loop's calls\n");
    else if (has_pwait2())
        check(naps, 0, 0);
    else
        printf("skipped: no epoll_pwait2() here\n");
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, near_and_far_ones_end_in_their_order);
    tcase_add_test(tcase, so_they_do_without_a_poll_that_is_so_exact);
    tcase_add_test(tcase, near_ones_need_no_timer);
    return unit_run("deadline", tcase);
}
