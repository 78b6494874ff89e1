/* Child processes: pipes, ends, signals, what they inherit. */
#include "../unit.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

/* sh -c script; what it wrote is compared. */
static const char *const *shell(const char *script)
{
    static const char *argv[4];

    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    return argv;
}

static void says(struct hub_process_options *options, const char *input,
                 const char *out, const char *err, int wanted)
{
    struct hub_process_output got = { NULL, NULL, 0, 0 };
    int code = -1000;
    int rc = hub_process_run(options, input, input != NULL ? strlen(input) : 0,
                             hub_deadline(20 * HUB_SECOND), &got, &code);

    ck_assert_int_eq(rc, 0);
    if (out != NULL)
        ck_assert_str_eq(got.out, out);
    if (err != NULL)
        ck_assert_str_eq(got.err, err);
    ck_assert_int_eq(code, wanted);
    free(got.out);
    free(got.err);
}

START_TEST(communicate_feeds_it_and_reads_both_outputs)
{
    struct hub_process_options options = {
        .argv = shell("cat; echo oops >&2; exit 3"),
        .in = HUB_PROCESS_PIPE,
        .out = HUB_PROCESS_PIPE,
        .err = HUB_PROCESS_PIPE
    };

    says(&options, "hello", "hello", "oops\n", 3);
}
END_TEST

START_TEST(more_than_the_pipes_hold_does_not_block)
{
    struct hub_process_options options = {
        .argv = shell("tee /dev/stderr"),
        .in = HUB_PROCESS_PIPE,
        .out = HUB_PROCESS_PIPE,
        .err = HUB_PROCESS_PIPE
    };
    const size_t size = 1000000;
    char *input = malloc(size);
    struct hub_process_output got;
    int code;

    memset(input, 'x', size);
    ck_assert_int_eq(hub_process_run(&options, input, size,
                                     hub_deadline(30 * HUB_SECOND), &got,
                                     &code),
                     0);
    ck_assert_uint_eq(got.out_size, size);
    ck_assert_uint_eq(got.err_size, size);
    ck_assert_int_eq(memcmp(got.out, input, size), 0);
    free(got.out);
    free(got.err);
    free(input);
}
END_TEST

START_TEST(one_that_does_not_read_is_no_error)
{
    struct hub_process_options options = { .argv = shell("exit 0"),
                                           .in = HUB_PROCESS_PIPE };
    char *input = calloc(1, 1000000);
    int code = -1;

    ck_assert_int_eq(hub_process_run(&options, input, 1000000,
                                     hub_deadline(20 * HUB_SECOND), NULL,
                                     &code),
                     0);
    ck_assert_int_eq(code, 0);
    free(input);
}
END_TEST

START_TEST(it_gets_the_folder_and_the_environment)
{
    static const char *const env[] = { "PATH=/usr/bin:/bin", "WORD=here",
                                       NULL };
    struct hub_process_options options = { .argv = shell("pwd; echo $WORD$HOME"),
                                           .out = HUB_PROCESS_PIPE,
                                           .env = env,
                                           .cwd = "/" };

    says(&options, NULL, "/\nhere\n", NULL, 0);
}
END_TEST

START_TEST(errors_may_go_where_output_goes)
{
    struct hub_process_options options = { .argv = shell("echo a; echo b >&2"),
                                           .in = HUB_PROCESS_NULL,
                                           .out = HUB_PROCESS_PIPE,
                                           .err = HUB_PROCESS_OUT };

    says(&options, NULL, "a\nb\n", NULL, 0);
}
END_TEST

START_TEST(what_cannot_be_run_is_said)
{
    static const char *const none[] = { "no-such-program-here", NULL };
    static const char *const folder[] = { "/", NULL };
    struct hub_process_options options = { .argv = none };
    struct hub_process *process;

    ck_assert_int_eq(hub_process_spawn(&options, &process), -ENOENT);
    options.argv = folder;
    ck_assert_int_eq(hub_process_spawn(&options, &process), -EACCES);
    options.argv = shell("true");
    options.cwd = "/no/such/folder";
    ck_assert_int_eq(hub_process_spawn(&options, &process), -ENOENT);
    options.argv = NULL;
    ck_assert_int_eq(hub_process_spawn(&options, &process), -EINVAL);
    options.argv = shell("true");
    options.cwd = NULL;
    options.in = HUB_PROCESS_OUT;
    ck_assert_int_eq(hub_process_spawn(&options, &process), -EINVAL);
}
END_TEST

START_TEST(other_fds_are_closed_but_for_those_passed)
{
    int passed = fcntl(2, F_DUPFD, 20), other = fcntl(2, F_DUPFD, 30);
    struct hub_process_options options = {
        .argv = shell("for f in /proc/self/fd/20 /proc/self/fd/30; do"
                      " test -e $f && echo ${f##*/}; done; true"),
        .in = HUB_PROCESS_NULL,
        .out = HUB_PROCESS_PIPE
    };

    ck_assert_int_eq(passed, 20);
    ck_assert_int_eq(other, 30);
    says(&options, NULL, "", NULL, 0);
    options.pass_fds = &passed;
    options.pass_count = 1;
    says(&options, NULL, "20\n", NULL, 0);
    options.flags = HUB_PROCESS_KEEP_FDS;
    says(&options, NULL, "20\n30\n", NULL, 0);
    close(passed);
    close(other);
}
END_TEST

/* A pipe of ours does not block, but what the next program reads does. */
START_TEST(the_output_of_one_is_the_input_of_the_next)
{
    struct hub_process_options first = { .argv = shell("sleep 0.1; echo text"),
                                         .out = HUB_PROCESS_PIPE };
    struct hub_process_options second = { .out = HUB_PROCESS_PIPE };
    struct hub_process *process;

    ck_assert_int_eq(hub_process_spawn(&first, &process), 0);
    second.argv = shell("exec cat");
    second.in = hub_process_out(process);
    says(&second, NULL, "text\n", NULL, 0);
    hub_process_wait(process, HUB_FOREVER, NULL);
    hub_process_unref(process);
}
END_TEST

static void handler(int number)
{
    (void)number;
}

START_TEST(signals_are_native_in_it_and_the_mask_is_ours)
{
    struct hub_process_options options = {
        .argv = shell("exec grep -E '^Sig(Blk|Ign)' /proc/self/status"),
        .out = HUB_PROCESS_PIPE
    };
    struct hub_process_output got;
    sigset_t mask, before;
    int code;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, handler);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    ck_assert_int_eq(hub_process_run(&options, NULL, 0, HUB_FOREVER, &got,
                                     &code),
                     0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ck_assert_ptr_nonnull(strstr(got.out, "SigBlk:\t0000000000000800"));
    ck_assert_ptr_null(strstr(got.out, "SigIgn:\t0000000000001000"));
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    free(got.out);
}
END_TEST

struct ticking {
    int ticked;
    struct hub_process *process;
};

/* The child ends when it has ticked for a while. */
static void ticks(void *arg)
{
    struct ticking *ticking = arg;

    while (++ticking->ticked < 20)
        hub_sleep(MS);
    hub_process_close_in(ticking->process);
}

START_TEST(others_run_while_one_waits_for_the_end)
{
    struct hub_process_options options = { .argv = shell("read line; exit 3"),
                                           .in = HUB_PROCESS_PIPE };
    struct ticking ticking = { 0 };
    int code = -1;
    struct greenlet *g;

    ck_assert_int_eq(hub_process_spawn(&options, &ticking.process), 0);
    ck_assert_int_eq(hub_process_poll(ticking.process, &code), 0);
    ck_assert_int_eq(
        hub_process_wait(ticking.process, hub_deadline(5 * MS), &code),
        -ETIMEDOUT);
    g = hub_spawn_raw(ticks, &ticking);
    ck_assert_int_eq(hub_process_wait(ticking.process, HUB_FOREVER, &code), 0);
    ck_assert_int_eq(ticking.ticked, 20);
    ck_assert_int_eq(hub_process_wait(ticking.process, HUB_FOREVER, &code), 0);
    ck_assert_int_eq(hub_process_poll(ticking.process, &code), 1);
    ck_assert_int_eq(code, 3);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    hub_process_unref(ticking.process);
}
END_TEST

START_TEST(a_signal_ends_it_and_the_code_says_which)
{
    struct hub_process_options options = { .argv = shell("exec sleep 100") };
    struct hub_process *process;
    int code = 0;

    ck_assert_int_eq(hub_process_spawn(&options, &process), 0);
    ck_assert_int_eq(hub_process_signal(process, SIGTERM), 0);
    ck_assert_int_eq(hub_process_wait(process, HUB_FOREVER, &code), 0);
    ck_assert_int_eq(code, -SIGTERM);
    ck_assert_int_eq(hub_process_signal(process, SIGTERM), -ESRCH);
    hub_process_unref(process);
}
END_TEST

START_TEST(communication_goes_on_after_a_timeout)
{
    struct hub_process_options options = {
        .argv = shell("echo one; sleep 0.2; cat; echo two"),
        .in = HUB_PROCESS_PIPE,
        .out = HUB_PROCESS_PIPE
    };
    struct hub_process_output got;
    struct hub_process *process;

    ck_assert_int_eq(hub_process_spawn(&options, &process), 0);
    ck_assert_int_eq(hub_process_communicate(process, "in\n", 3,
                                             hub_deadline(20 * MS), &got),
                     -ETIMEDOUT);
    ck_assert_int_eq(
        hub_process_communicate(process, NULL, 0, HUB_FOREVER, &got), 0);
    ck_assert_str_eq(got.out, "one\nin\ntwo\n");
    ck_assert_ptr_null(got.err);
    free(got.out);
    hub_process_unref(process);
}
END_TEST

START_TEST(a_run_that_times_out_leaves_no_child)
{
    struct hub_process_options options = { .argv = shell("exec sleep 100"),
                                           .out = HUB_PROCESS_PIPE };
    struct hub_process_output got;
    int code;

    ck_assert_int_eq(hub_process_run(&options, NULL, 0, hub_deadline(20 * MS),
                                     &got, &code),
                     -ETIMEDOUT);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static void notes(struct hub_process *process, void *arg)
{
    ck_assert_int_eq(hub_process_poll(process, NULL), 1);
    ++*(int *)arg;
}

START_TEST(links_are_called_at_its_end_and_after)
{
    struct hub_process_options options = { .argv = shell("exit 1") };
    struct hub_process *process;
    int told = 0;

    ck_assert_int_eq(hub_process_spawn(&options, &process), 0);
    ck_assert_int_eq(hub_process_link(process, notes, &told), 0);
    ck_assert_int_eq(hub_process_link(process, notes, &told), 0);
    ck_assert_int_eq(told, 0);
    ck_assert_int_eq(hub_process_wait(process, HUB_FOREVER, NULL), 0);
    for (int i = 0; i < 20000 && told < 2; i++)
        hub_sleep(MS); /* who looks for it may be another thread */
    ck_assert_int_eq(told, 2);
    ck_assert_int_eq(hub_process_link(process, notes, &told), 0);
    ck_assert_int_eq(told, 2); /* not at once */
    hub_sleep(MS);
    ck_assert_int_eq(told, 3);
    hub_process_unref(process);
}
END_TEST

START_TEST(one_that_is_let_go_leaves_no_zombie)
{
    struct hub_process_options options = { .argv = shell("exit 0"),
                                           .out = HUB_PROCESS_PIPE };
    struct hub_process *process;
    pid_t pid;

    ck_assert_int_eq(hub_process_spawn(&options, &process), 0);
    pid = hub_process_pid(process);
    hub_process_unref(process);
    ck_assert_int_eq(hub_drain(hub_deadline(20 * HUB_SECOND)), 0);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(hub_waitpid(pid, NULL, 0, HUB_FOREVER), pid); /* kept */
    ck_assert_int_eq(hub_waitpid(pid, NULL, 0, HUB_FOREVER), -ECHILD);
}
END_TEST

START_TEST(a_status_taken_by_hand_is_not_known)
{
    struct hub_process_options options = { .argv = shell("exit 5") };
    struct hub_process *process;
    int code, status;

    ck_assert_int_eq(hub_process_spawn(&options, &process), 0);
    ck_assert_int_gt(waitpid(hub_process_pid(process), &status, 0), 0);
    ck_assert_int_eq(hub_process_wait(process, HUB_FOREVER, &code), -ECHILD);
    ck_assert_int_eq(hub_process_poll(process, &code), -ECHILD);
    hub_process_unref(process);
    hub_waitpid(-1, NULL, WNOHANG, HUB_FOREVER);
}
END_TEST

static void *waits_for_it(void *process)
{
    return (void *)(intptr_t)hub_process_wait(process, HUB_FOREVER, NULL);
}

START_TEST(another_thread_is_refused)
{
    struct hub_process_options options = { .argv = shell("exit 0") };
    struct hub_process *process;
    pthread_t thread;
    void *rc;

    ck_assert_int_eq(hub_process_spawn(&options, &process), 0);
    pthread_create(&thread, NULL, waits_for_it, process);
    pthread_join(thread, &rc);
    ck_assert_int_eq((intptr_t)rc, -EXDEV);
    hub_process_wait(process, HUB_FOREVER, NULL);
    hub_process_unref(process);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
}

/* Own threads that look out end with their child. */
static void no_threads(void)
{
    hub_drain(HUB_FOREVER);
    while ((hub__own_threads() - hub__monitor_threads()) > 0)
        hub_sleep(MS);
    hub_sleep(5 * MS); /* those whom they woke have run */
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, NULL, no_threads);
    tcase_add_test(tcase, communicate_feeds_it_and_reads_both_outputs);
    tcase_add_test(tcase, more_than_the_pipes_hold_does_not_block);
    tcase_add_test(tcase, one_that_does_not_read_is_no_error);
    tcase_add_test(tcase, it_gets_the_folder_and_the_environment);
    tcase_add_test(tcase, errors_may_go_where_output_goes);
    tcase_add_test(tcase, what_cannot_be_run_is_said);
    tcase_add_test(tcase, other_fds_are_closed_but_for_those_passed);
    tcase_add_test(tcase, the_output_of_one_is_the_input_of_the_next);
    tcase_add_test(tcase, signals_are_native_in_it_and_the_mask_is_ours);
    tcase_add_test(tcase, others_run_while_one_waits_for_the_end);
    tcase_add_test(tcase, a_signal_ends_it_and_the_code_says_which);
    tcase_add_test(tcase, communication_goes_on_after_a_timeout);
    tcase_add_test(tcase, a_run_that_times_out_leaves_no_child);
    tcase_add_test(tcase, links_are_called_at_its_end_and_after);
    tcase_add_test(tcase, one_that_is_let_go_leaves_no_zombie);
    tcase_add_test(tcase, a_status_taken_by_hand_is_not_known);
    tcase_add_test(tcase, another_thread_is_refused);
    return unit_run("process", tcase);
}
