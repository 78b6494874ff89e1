/* Threads and processes made by clone()
 *
 * libc knows nothing of them.  Without CLONE_SETTLS such a thread has the TLS
 * block of the thread that made it, so it may not allocate or look at errno; but
 * it may use the locks that have no owner's checks, and calls that wait are its
 * own. */
#include "conf_raw.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAW = 3, ROUNDS = 400 };

static struct raw raws[RAW];

/* ---- locks ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t forth, back;
static pthread_barrier_t barrier;
static volatile long left, right;
static int turn;

static void touch(int round)
{
    CONF_CHECK(left == right);
    left++;
    if (round % 64 == 0)
        usleep(10);
    right++;
}

static int use_mutex(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        touch(i);
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return 0;
}

static int use_cond(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        while (turn % 2 == 0)
            CONF_CHECK(pthread_cond_wait(&cond, &mutex) == 0);
        turn++;
        CONF_CHECK(pthread_cond_broadcast(&cond) == 0);
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return 0;
}

static int use_semaphores(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        while (sem_wait(&forth) != 0)
            continue;
        CONF_CHECK(sem_post(&back) == 0);
    }
    return 0;
}

static int use_barrier(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++)
        pthread_barrier_wait(&barrier);
    return 0;
}

/* What the other side does, on an ordinary thread. */
static void *take_other_turns(void *argument)
{
    for (int i = 0; i < ROUNDS * RAW; i++) {
        CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
        while (turn % 2 == 1)
            CONF_CHECK(pthread_cond_wait(&cond, &mutex) == 0);
        turn++;
        CONF_CHECK(pthread_cond_broadcast(&cond) == 0);
        CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return argument;
}

static void *ping(void *argument)
{
    for (int i = 0; i < ROUNDS * RAW; i++) {
        CONF_CHECK(sem_post(&forth) == 0);
        CONF_CHECK(sem_wait(&back) == 0);
    }
    return argument;
}

static void *mutex_too(void *argument)
{
    use_mutex(NULL);
    return argument;
}

static void *barrier_too(void *argument)
{
    use_barrier(NULL);
    return argument;
}

static const struct {
    int (*raw)(void *);
    void *(*ordinary)(void *);
} uses[] = {
    { use_mutex, mutex_too },
    { use_cond, take_other_turns },
    { use_semaphores, ping },
    { use_barrier, barrier_too },
};
enum { USES = sizeof uses / sizeof *uses };

struct together {
    int use;
    enum tls kind;
};

/* The ordinary threads are made first, so that the raw ones find them waiting;
 * and a thread that is not main makes those. */
static void *make_raw_threads(void *argument)
{
    const struct together *together = argument;

    for (int i = 0; i < RAW; i++)
        start_raw(&raws[i], uses[together->use].raw, together->kind);
    for (int i = 0; i < RAW; i++)
        join_raw(&raws[i]);
    return NULL;
}

START_TEST(share_locks_with_ordinary_threads)
{
    struct together together = { _i / TLS_KINDS, _i % TLS_KINDS };
    pthread_t ordinary, maker;

    left = right = turn = 0;
    ck_assert_int_eq(sem_init(&forth, 0, 0), 0);
    ck_assert_int_eq(sem_init(&back, 0, 0), 0);
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, RAW + 1), 0);
    ordinary = start_thread(uses[together.use].ordinary, NULL);
    sleep_ms(2);
    maker = start_thread(make_raw_threads, &together);
    join_thread(ordinary);
    join_thread(maker);
    ck_assert_int_eq(left, right);
    ck_assert_int_eq(pthread_barrier_destroy(&barrier), 0);
    ck_assert_int_eq(sem_destroy(&forth), 0);
    ck_assert_int_eq(sem_destroy(&back), 0);
}
END_TEST

START_TEST(of_main_share_locks_too)
{
    pthread_t ordinary;

    left = right = 0;
    ordinary = start_thread(mutex_too, NULL);
    start_raw(&raws[0], use_mutex, _i);
    join_raw(&raws[0]);
    join_thread(ordinary);
    ck_assert_int_eq(left, 2 * ROUNDS);
}
END_TEST

/* ---- waits ---- */

static int ends[2];

/* A runtime that took it for its maker would stop, or run, that one. */
static int wait_for_bytes(void *argument)
{
    struct pollfd poll_fd = { .fd = ends[0], .events = POLLIN };
    struct timespec pause = { 0, 2000000 };
    char byte;

    (void)argument;
    CONF_CHECK(poll(&poll_fd, 1, -1) == 1);
    CONF_CHECK(nanosleep(&pause, NULL) == 0);
    CONF_CHECK(read(ends[0], &byte, 1) == 1);
    CONF_CHECK(read(ends[0], &byte, 1) == 1);
    sched_yield();
    return 0;
}

static volatile bool go_on;

static void *count_naps(void *argument)
{
    while (!go_on) {
        sleep_ms(1);
        ++*(volatile int *)argument;
    }
    return NULL;
}

START_TEST(wait_alone)
{
    int naps = 0, before;
    pthread_t other;

    conf_pipe(ends);
    go_on = false;
    other = start_thread(count_naps, &naps);
    start_raw(&raws[0], wait_for_bytes, _i);
    sleep_ms(10);
    conf_write_all(ends[1], "a", 1);
    before = naps;
    sleep_ms(30);
    ck_assert_int_gt(naps, before);
    conf_write_all(ends[1], "b", 1);
    join_raw(&raws[0]);
    go_on = true;
    join_thread(other);
    conf_close_both(ends);
}
END_TEST

static int ask_tid(void *argument)
{
    struct raw *raw = argument;
    pid_t tid = (pid_t)syscall(SYS_gettid);

    CONF_CHECK(tid == raw->tid && tid != getpid());
    CONF_CHECK(syscall(SYS_tgkill, getpid(), tid, 0) == 0);
    return 0;
}

START_TEST(have_the_id_that_the_kernel_gave_them)
{
    start_raw(&raws[0], ask_tid, _i);
    join_raw(&raws[0]);
}
END_TEST

/* ---- processes ---- */

static int in_child(void *argument)
{
    char byte;

    conf_child_begin();
    usleep(1000);
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    CONF_CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    return *(int *)argument;
}

static void *make_process(void *argument)
{
    char *stack = memory(STACK);
    int answer = 7;
    pid_t child = clone(in_child, stack + STACK, SIGCHLD, &answer);

    CONF_CHECK(child > 0);
    sleep_ms(5);
    conf_write_all(ends[1], "x", 1);
    CONF_CHECK(conf_child_status(child) == 7);
    CONF_CHECK(munmap(stack, STACK) == 0);
    return argument;
}

START_TEST(as_processes_are_like_fork)
{
    pthread_t other;
    int naps = 0;

    conf_pipe(ends);
    go_on = false;
    other = start_thread(count_naps, &naps);
    if (_i == 0)
        make_process(NULL);
    else
        join_thread(start_thread(make_process, NULL));
    go_on = true;
    join_thread(other);
    conf_close_both(ends);
}
END_TEST

static volatile int shared;

static int as_vfork(void *argument)
{
    shared = 5;
    usleep(2000);
    CONF_CHECK(pthread_mutex_lock(&mutex) == 0);
    CONF_CHECK(pthread_mutex_unlock(&mutex) == 0);
    return *(int *)argument;
}

static void *make_vfork(void *argument)
{
    char *stack = memory(STACK);
    int answer = 9;
    pid_t child = clone(as_vfork, stack + STACK,
                        CLONE_VM | CLONE_VFORK | SIGCHLD, &answer);

    CONF_CHECK(child > 0);
    CONF_CHECK(shared == 5 || conf_emulated()); /* qemu makes a fork() of it */
    sleep_ms(2);
    CONF_CHECK(conf_child_status(child) == 9);
    CONF_CHECK(munmap(stack, STACK) == 0);
    return argument;
}

START_TEST(as_processes_may_borrow_the_memory)
{
    shared = 0;
    if (_i == 0)
        make_vfork(NULL);
    else
        join_thread(start_thread(make_vfork, NULL));
}
END_TEST

static int return_at_once(void *argument)
{
    (void)argument;
    return 0;
}

START_TEST(come_and_go_without_a_trace)
{
    for (int i = 0; i < 200; i++) {
        start_raw(&raws[0], return_at_once, MAKERS);
        join_raw(&raws[0]);
    }
}
END_TEST

static __thread volatile int mine;
static volatile bool leave;

static int keep_what_is_mine(void *argument)
{
    struct timespec pause = { 0, 200000 };

    (void)argument;
    mine = 5;
    CONF_CHECK(sem_post(&forth) == 0);
    while (!leave)
        syscall(SYS_nanosleep, &pause, NULL);
    CONF_CHECK(mine == 5);
    return 0;
}

/* It has our memory, but our threads are none of its own. */
static int make_a_thread(void *argument)
{
    start_raw(argument, return_at_once, MAKERS);
    join_raw(argument);
    return 0;
}

START_TEST(of_a_process_with_our_memory_are_not_ours)
{
    char *stack;
    pid_t child;

    if (conf_emulated()) {
        conf_skip("qemu makes no process with the memory of its maker");
        return;
    }
    stack = memory(STACK);
    leave = false;
    ck_assert_int_eq(sem_init(&forth, 0, 0), 0);
    start_raw(&raws[0], keep_what_is_mine, MAKERS);
    while (sem_wait(&forth) != 0)
        continue;
    child = clone(make_a_thread, stack + STACK, CLONE_VM | SIGCHLD, &raws[1]);
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(conf_child_status(child), 0);
    leave = true;
    join_raw(&raws[0]);
    ck_assert_int_eq(sem_destroy(&forth), 0);
    ck_assert_int_eq(munmap(stack, STACK), 0);
}
END_TEST

/* ---- what they leave behind ---- */

enum { WARM = 8, GONE = 200, PER_CHILD = 512 };

/* In pages of its own, so that nobody's memory is counted but what one of them keeps. */
static long size_of_memory(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CONF_CHECK(file != NULL && fscanf(file, "%ld", &pages) == 1);
    fclose(file);
    return pages * PAGE;
}

static int wait_for_signal(void *argument)
{
    while (argument == NULL)
        syscall(SYS_nanosleep, &(struct timespec){ 1, 0 }, NULL);
    return 0;
}

static int exec_true(void *argument)
{
    static char *arguments[] = { (char *)"true", NULL };
    static char *none[] = { NULL };

    (void)argument;
    syscall(SYS_execve, "/bin/true", arguments, none);
    return 1;
}

static int end_by_call(void *argument)
{
    (void)argument;
    syscall(SYS_exit_group, 0);
    return 1;
}

static int (*const ends_of_children[])(void *) = { wait_for_signal, exec_true,
                                                    end_by_call };
enum { ENDS = sizeof ends_of_children / sizeof *ends_of_children };

static void make_some_with_memory(int (*function)(void *), int count)
{
    char *stack = memory(STACK);

    for (int i = 0; i < count; i++) {
        int status;
        pid_t child = clone(function, stack + STACK, CLONE_VM | SIGCHLD, NULL);

        CONF_CHECK(child > 0);
        if (function == wait_for_signal) {
            if (i % 2 == 0)
                usleep(500); /* or before it has begun */
            CONF_CHECK(kill(child, SIGKILL) == 0);
        }
        CONF_CHECK(waitpid(child, &status, 0) == child);
    }
    CONF_CHECK(munmap(stack, STACK) == 0);
}

/* By a signal, by execve() and by a system call: none returns from its function. */
START_TEST(as_processes_with_our_memory_leave_none_behind)
{
    long before;

    if (conf_emulated()) {
        conf_skip("qemu makes no process with the memory of its maker");
        return;
    }
    make_some_with_memory(ends_of_children[_i], WARM);
    before = size_of_memory();
    make_some_with_memory(ends_of_children[_i], GONE);
    ck_assert_int_le(size_of_memory() - before, GONE * PER_CHILD);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, share_locks_with_ordinary_threads, USES * TLS_KINDS);
    conf_test(tcase, of_main_share_locks_too, TLS_KINDS);
    conf_test(tcase, wait_alone, TLS_KINDS);
    conf_test(tcase, have_the_id_that_the_kernel_gave_them, TLS_KINDS);
    conf_test(tcase, as_processes_are_like_fork, 2);
    conf_test(tcase, as_processes_may_borrow_the_memory, 2);
    conf_test(tcase, come_and_go_without_a_trace, 1);
    conf_test(tcase, of_a_process_with_our_memory_are_not_ours, 1);
    conf_test(tcase, as_processes_with_our_memory_leave_none_behind, ENDS);
}

/* Where nothing lies below main's block it stays so: who reads there faults each
 * time, and not where the libraries happen to lie so. */
static void guard_main_block(void)
{
#ifdef __x86_64__
    uintptr_t own = (uintptr_t)__builtin_thread_pointer();
    uintptr_t page = (own - below_pointer()) / PAGE * PAGE - PAGE;

    mmap((void *)page, PAGE, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
#endif
}

int main(void)
{
    guard_main_block();
    return conf_main("raw_threads", add, CONF_THREADS);
}
