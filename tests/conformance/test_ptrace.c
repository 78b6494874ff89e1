/* ptrace(2): a child that is traced stops for who waits for it */
#include "conf_threads.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static pid_t start_traced(int delay_ms)
{
    pid_t child = fork();

    CONF_CHECK(child >= 0);
    if (child != 0)
        return child;
    conf_child_begin();
    sleep_ms(delay_ms);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(9);
    raise(SIGSTOP);
    raise(SIGUSR1);
    _exit(3);
}

static int wait_by(int how, pid_t child)
{
    siginfo_t info;
    int status = 0;

    if (how == 0) {
        CONF_CHECK(waitpid(child, &status, 0) == child);
        return WIFSTOPPED(status) ? WSTOPSIG(status) : -WEXITSTATUS(status);
    }
    CONF_CHECK(waitid(P_PID, child, &info, WEXITED) == 0);
    return info.si_code == CLD_EXITED ? -info.si_status : info.si_status;
}

/* All of it by one thread: the tracer is a thread. */
static void *trace(void *argument)
{
    int how = *(int *)argument;

    for (int delay = 0; delay <= 100; delay += 50) {
        pid_t child = start_traced(delay);

        CONF_CHECK(wait_by(how, child) == SIGSTOP);
        CONF_CHECK(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
        CONF_CHECK(wait_by(how, child) == SIGUSR1);
        CONF_CHECK(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
        CONF_CHECK(wait_by(how, child) == -3);
    }
    return argument;
}

START_TEST(stops_for_a_thread_that_waits)
    {
        int how = _i, counter = 0;
        pthread_t other = start_thread(count_meanwhile, &counter);

        join_thread(start_thread(trace, &how));
        join_thread(other);
        ck_assert_int_gt(counter, 0);
    }
END_TEST

static void add(TCase *tcase)
{
    if (conf_emulated())
        conf_skip("the emulator has no ptrace()");
    else
        conf_test(tcase, stops_for_a_thread_that_waits, 2);
}

int main(void)
{
    return conf_main("ptrace", add, CONF_THREADS);
}
