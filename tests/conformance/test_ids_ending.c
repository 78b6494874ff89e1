/* Ids of threads that end while others ask about them, and tell them things:
 * what is told goes to that thread or to nobody, and never to one that comes
 * later */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Clocks: as the kernel has them, ~id << 3 | kind. */
enum { MAKERS = 2, ASKERS = 4, EACH = 4, SLOTS = MAKERS * EACH, ALIVE = 32 };
enum { CLOCK_KIND = 6 };
enum { IO_WHO_PROCESS = 1, IO_BEST_EFFORT = 2 << 13 };

static pid_t slots[SLOTS];
static int lives, made, ended, makers;
static int only; /* of the uses, this one; USES: all */
static int base_nice, base_policy;
static cpu_set_t base_cpus;
static int file;

static int first_cpu(void)
{
    int cpu = 0;

    while (!CPU_ISSET(cpu, &base_cpus))
        cpu++;
    return cpu;
}

/* ---- what is done with an id; the thread may have ended ---- */

static void check(long rc, int gone)
{
    CONF_CHECK(rc >= 0 || errno == gone ||
               (errno == ENOSYS && conf_emulated())); /* it has not all of them */
}

static void ask_cpus(pid_t id)
{
    cpu_set_t now;

    check(sched_getaffinity(id, sizeof now, &now), ESRCH);
}

static void tell_cpus(pid_t id)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(first_cpu(), &one);
    check(sched_setaffinity(id, sizeof one, &one), ESRCH);
}

static void ask_policy(pid_t id)
{
    struct sched_param param;

    check(sched_getscheduler(id), ESRCH);
    check(sched_getparam(id, &param), ESRCH);
}

static void tell_policy(pid_t id)
{
    struct sched_param param = {0};

    check(sched_setscheduler(id, SCHED_BATCH, &param), ESRCH);
    check(sched_setparam(id, &param), ESRCH);
}

static void ask_nice(pid_t id)
{
    errno = 0;
    if (getpriority(PRIO_PROCESS, (id_t)id) == -1)
        CONF_CHECK(errno == 0 || errno == ESRCH);
}

static void tell_nice(pid_t id)
{
    check(setpriority(PRIO_PROCESS, (id_t)id, 19), ESRCH);
}

static void use_io(pid_t id)
{
    check(syscall(SYS_ioprio_set, IO_WHO_PROCESS, id, IO_BEST_EFFORT | 7),
          ESRCH);
    check(syscall(SYS_ioprio_get, IO_WHO_PROCESS, id), ESRCH);
}

static void ask_clock(pid_t id)
{
    clockid_t clock = (clockid_t)(~(unsigned)id << 3 | CLOCK_KIND);
    struct timespec now;

    check(clock_gettime(clock, &now), EINVAL);
    check(clock_getres(clock, &now), EINVAL);
}

static void ask_list(pid_t id)
{
    void *list;
    size_t size;

    check(syscall(SYS_get_robust_list, id, &list, &size), ESRCH);
}

static void send(pid_t id)
{
    check(tgkill(getpid(), id, 0), ESRCH);
    check(tgkill(getpid(), id, SIGUSR1), ESRCH);
}

static void give_file(pid_t id)
{
    struct f_owner_ex owner = {F_OWNER_TID, id};

    check(fcntl(file, F_SETOWN_EX, &owner), ESRCH);
    check(fcntl(file, F_GETOWN_EX, &owner), ESRCH);
}

static void name_process(pid_t id)
{
    check(getpgid(id), ESRCH);
}

static void (*const uses[])(pid_t) = {
    ask_cpus,  tell_cpus, ask_policy, tell_policy, ask_nice,     tell_nice,
    ask_clock, ask_list,  send,       give_file,   name_process, use_io,
};
enum { USES = sizeof uses / sizeof *uses };

/* ---- those who ask, and those who come and go ---- */

static int add(int *counter, int by)
{
    return __atomic_add_fetch(counter, by, __ATOMIC_SEQ_CST);
}

static void *ask(void *argument)
{
    unsigned state = (unsigned)(intptr_t)argument * 7919u + 1;

    while (add(&makers, 0) > 0) {
        pid_t id =
            __atomic_load_n(&slots[state >> 8 & (SLOTS - 1)], __ATOMIC_SEQ_CST);

        state = state * 1664525u + 1013904223u;
        if (id != 0)
            uses[only < USES ? only : (int)((state >> 16) % USES)](id);
        sched_yield(); /* who shares the core with us */
    }
    return argument;
}

/* Nobody knows its id yet: it is as its maker, whom nobody tells anything. */
static void check_is_new(void)
{
    cpu_set_t now;

    CONF_CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    CONF_CHECK(CPU_EQUAL(&now, &base_cpus));
    CONF_CHECK(sched_getscheduler(0) == base_policy);
    CONF_CHECK(getpriority(PRIO_PROCESS, 0) == base_nice);
}

static void *live(void *argument)
{
    pid_t *slot = argument;

    check_is_new();
    __atomic_store_n(slot, gettid(), __ATOMIC_SEQ_CST);
    sched_yield();
    __atomic_store_n(slot, 0, __ATOMIC_SEQ_CST);
    add(&ended, 1);
    return argument;
}

static void *make(void *argument)
{
    pid_t *own = &slots[(intptr_t)argument * EACH];
    pthread_attr_t detached;
    pthread_t thread;

    CONF_CHECK(pthread_attr_init(&detached) == 0);
    CONF_CHECK(
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    for (int i = 0; i < lives; i++) {
        while (add(&made, 0) - add(&ended, 0) > ALIVE)
            sched_yield();
        add(&made, 1);
        CONF_CHECK(pthread_create(&thread, &detached, live, &own[i % EACH]) ==
                   0);
    }
    pthread_attr_destroy(&detached);
    add(&makers, -1);
    return argument;
}

static void handler(int number)
{
    (void)number;
}

static void begin(void)
{
    ck_assert_int_eq(sched_getaffinity(0, sizeof base_cpus, &base_cpus), 0);
    base_policy = sched_getscheduler(0);
    base_nice = getpriority(PRIO_PROCESS, 0);
    signal(SIGUSR1, handler);
    file = dup(0);
    ck_assert_int_ge(file, 0);
    made = ended = 0;
    makers = MAKERS;
    lives = conf_emulated() ? 200 : 2000;
    if (conf_emulated())
        printf("reduced: %d threads of each maker\n", lives);
}

START_TEST(what_is_told_reaches_no_other)
    {
        pthread_t threads[MAKERS + ASKERS];

        only = _i;
        begin();
        conf_expect_threads(2 * ALIVE);
        for (int i = 0; i < MAKERS + ASKERS; i++)
            threads[i] =
                start_thread(i < MAKERS ? make : ask, (void *)(intptr_t)i);
        for (int i = 0; i < MAKERS + ASKERS; i++)
            join_thread(threads[i]);
        for (int i = 0; i < 10000 && add(&ended, 0) < made; i++)
            sleep_ms(1);
        ck_assert_int_eq(ended, made);
        close(file);
        signal(SIGUSR1, SIG_DFL);
    }
END_TEST

/* ---- the clock of one that lives, on another core ---- */

static int working;

static void *work(void *argument)
{
    while (add(&working, 0) != 0) {
        for (volatile int i = 0; i < 10000; i++)
            ;
        sched_yield();
    }
    return argument;
}

static void *watch_clock(void *argument)
{
    int64_t before = 0, now;
    struct timespec time;
    clockid_t clock;

    CONF_CHECK(pthread_getcpuclockid(*(pthread_t *)argument, &clock) == 0);
    for (int i = 0; i < 30000; i++) {
        CONF_CHECK(clock_gettime(clock, &time) == 0);
        now = time.tv_sec * CONF_S + time.tv_nsec;
        CONF_CHECK(now >= before);
        before = now;
        if (i % 64 == 0)
            sched_yield();
    }
    return argument;
}

START_TEST(a_clock_never_goes_back)
    {
        pthread_t workers[ASKERS], watchers[ASKERS];

        working = 1;
        for (int i = 0; i < ASKERS; i++)
            workers[i] = start_thread(work, NULL);
        for (int i = 0; i < ASKERS; i++)
            watchers[i] = start_thread(watch_clock, &workers[(i + 1) % ASKERS]);
        for (int i = 0; i < ASKERS; i++)
            join_thread(watchers[i]);
        add(&working, -1);
        for (int i = 0; i < ASKERS; i++)
            join_thread(workers[i]);
    }
END_TEST

static void add_tests(TCase *tcase)
{
    conf_test(tcase, what_is_told_reaches_no_other, USES + 1);
    conf_test(tcase, a_clock_never_goes_back, 1);
}

int main(void)
{
    return conf_main("ids_ending", add_tests, CONF_THREADS);
}
