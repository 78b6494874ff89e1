/* monitor.c, blocked.c, memory.c, events.c: hubs that are blocked, memory, and
 * functions of the program. */
#define UNIT_MONITOR
#include "../unit.h"
#include "hub/hub.h"
#include "hub/sight.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int reports; /* what is printed */

static void setup(void)
{
    ck_assert_int_eq(hub_config_set("max_blocking_time", "50ms"), 0);
    ck_assert_int_eq(hub_config_set("monitor_report_interval", "0"), 0);
    ck_assert(hub_monitor_running());
    reports = hub__text_fd();
    ck_assert_int_eq(hub_set_error_fd(reports), 0);
    hub_sleep(HUB_MILLISECOND);
}

static void teardown(void)
{
    hub_set_error_fd(2);
    close(reports);
}

static unsigned count_of(const char *what)
{
    char *text = hub__text_of(reports);
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    free(text);
    return count;
}

static __attribute__((noinline)) void spin_in_circles(int64_t ns)
{
    int64_t until = hub_now() + ns;

    while (hub_now() < until)
        for (volatile int i = 0; i < 1000; i++)
            ;
}

static int ignored;

static int spins(void *arg, void **result)
{
    (void)result;
    hub_yield();
    if (ignored)
        ck_assert(!hub_monitor_ignore(true));
    spin_in_circles((long)arg * HUB_MILLISECOND);
    if (ignored)
        ck_assert(hub_monitor_ignore(false));
    return 0;
}

static int sleeps_natively(void *arg, void **result)
{
    (void)result;
    *(int *)arg = usleep(300000);
    return 0;
}

static void run(int (*body)(void *, void **), void *arg)
{
    struct greenlet *g = hub_spawn(body, arg);

    greenlet_set_name(g, "culprit");
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
}

/* Until it is so: how long a machine may take is not known. */
#define WAIT_UNTIL(what)                           \
    do {                                           \
        int64_t until_ = hub_deadline(20 * HUB_SECOND); \
        while (!(what) && hub_now() < until_)      \
            hub_sleep(5 * HUB_MILLISECOND);        \
        ck_assert(what);                           \
    } while (0)

START_TEST(a_greenlet_that_spins_is_named_with_its_function)
{
    for (int i = 0; i < 5 && count_of("is blocked") == 0; i++)
        run(spins, (void *)400L);
    ck_assert_uint_ge(count_of("is blocked"), 1);
    ck_assert_uint_ge(count_of("\"culprit\""), 1);
    if (hub__rawthread_allowed()) /* TSan keeps signals back */
        ck_assert_uint_ge(count_of("spin_in_circles"), 1);
}
END_TEST

START_TEST(one_that_sleeps_in_the_kernel_is_found_and_not_disturbed)
{
    int rc = 1;

    for (int i = 0; i < 10 && count_of("is blocked") == 0; i++) {
        run(sleeps_natively, &rc);
        ck_assert_int_eq(rc, 0); /* no EINTR */
    }
    ck_assert_uint_ge(count_of("is blocked"), 1);
}
END_TEST

START_TEST(one_that_may_block_is_not_reported)
{
    ignored = 1;
    run(spins, (void *)300L);
    ignored = 0;
    ck_assert_uint_eq(count_of("is blocked"), 0);
}
END_TEST

START_TEST(who_lets_others_run_is_not_reported)
{
    int64_t until = hub_deadline(300 * HUB_MILLISECOND);

    while (hub_now() < until)
        hub_sleep(HUB_MILLISECOND);
    ck_assert_uint_eq(count_of("is blocked"), 0);
}
END_TEST

START_TEST(a_main_greenlet_that_is_alone_blocks_nobody)
{
    spin_in_circles(300 * HUB_MILLISECOND);
    ck_assert_uint_eq(count_of("is blocked"), 0);
}
END_TEST

START_TEST(reports_of_one_hub_come_at_most_so_often)
{
    ck_assert_int_eq(hub_config_set("monitor_report_interval", "1000"), 0);
    for (int i = 0; i < 5; i++)
        run(spins, (void *)150L);
    ck_assert_uint_le(count_of("is blocked"), 1);
}
END_TEST

START_TEST(a_long_stretch_is_reported_a_few_times)
{
    unsigned runs = 0;

    /* On a busy machine the monitor may be late for one. */
    while (count_of("is blocked") == 0 && runs++ < 10)
        run(spins, (void *)900L);
    ck_assert_uint_ge(count_of("is blocked"), 1);
    ck_assert_uint_le(count_of("is blocked"), 2);
}
END_TEST

START_TEST(reports_can_be_switched_off)
{
    ck_assert_int_eq(hub_config_set("monitor_reports", "0"), 0);
    run(spins, (void *)300L);
    ck_assert_int_eq(hub_config_set("monitor_reports", "1"), 0);
    ck_assert_uint_eq(count_of("is blocked"), 0);
}
END_TEST

START_TEST(a_stopped_monitor_reports_nothing)
{
    hub_monitor_stop();
    ck_assert(!hub_monitor_running());
    run(spins, (void *)300L);
    ck_assert_uint_eq(count_of("is blocked"), 0);
    ck_assert_int_eq(hub_monitor_start(), 0);
    ck_assert(hub_monitor_running());
}
END_TEST

START_TEST(the_loop_runs_dry_in_spite_of_it)
{
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_uint_ge(hub__own_threads(), 1);
    ck_assert_int_eq(hub_sleep_unreferenced(1000 * HUB_SECOND), -EDEADLK);
    ck_assert_uint_ge(count_of("would block forever"), 1);
}
END_TEST

START_TEST(libc_does_not_notice_it)
{
    if (hub__rawthread_allowed())
        ck_assert_int_eq(__libc_single_threaded, 1);
}
END_TEST

/* The thread of that name; 0: none. */
static int tid_of(const char *wanted)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int found = 0;

    ck_assert_ptr_nonnull(tasks);
    while (found == 0 && (task = readdir(tasks)) != NULL) {
        char path[300], name[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        file = fopen(path, "r");
        if (file != NULL && fgets(name, sizeof name, file) != NULL &&
            strncmp(name, wanted, strlen(wanted)) == 0)
            found = atoi(task->d_name);
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    return found;
}

static int files_of(int tid)
{
    char path[64];
    DIR *files;
    int count = -2; /* "." and ".." */

    snprintf(path, sizeof path, "/proc/self/task/%d/fd", tid);
    files = opendir(path);
    ck_assert_ptr_nonnull(files);
    while (readdir(files) != NULL)
        count++;
    closedir(files);
    return count;
}

static bool can_be_apart(void)
{
    return hub__rawthread_allowed() &&
           syscall(SYS_pidfd_open, 0L, 0L) < 0 && errno == EINVAL &&
           syscall(SYS_pidfd_getfd, -1L, 0L, 0L) < 0 && errno == EBADF;
}

/* Or each call on a descriptor would count references. */
START_TEST(it_shares_no_descriptors)
{
    int tid;

    hub_monitor_stop(); /* functions of earlier tests made it a thread */
    ck_assert_int_eq(hub_monitor_start(), 0);
    if (!can_be_apart())
        return;
    WAIT_UNTIL((tid = tid_of("vireo-monitor")) != 0);
    WAIT_UNTIL(files_of(tid) == 0);
}
END_TEST

/* And yet it reports to what stderr is by then. */
START_TEST(reports_go_to_what_has_the_number_by_then)
{
    int before = dup(2);

    ck_assert_int_eq(hub_set_error_fd(2), 0);
    ck_assert_int_ge(dup2(reports, 2), 0);
    for (int i = 0; i < 5 && count_of("is blocked") == 0; i++)
        run(spins, (void *)400L);
    ck_assert_int_ge(dup2(before, 2), 0);
    close(before);
    ck_assert_uint_ge(count_of("\"culprit\""), 1);
}
END_TEST

/* ---- functions and subscribers: a real thread ---- */

static unsigned calls;

static void count_call(void *data)
{
    ck_assert_ptr_eq(data, &calls);
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
}

START_TEST(functions_are_called_with_their_period_until_they_are_removed)
{
    unsigned last;

    calls = 0;
    ck_assert_int_eq(hub_monitor_add(count_call, &calls, 1), -EINVAL);
    ck_assert_int_eq(hub_monitor_add(count_call, &calls,
                                     10 * HUB_MILLISECOND), 0);
    WAIT_UNTIL(__atomic_load_n(&calls, __ATOMIC_RELAXED) >= 3);
    ck_assert_int_eq(hub_monitor_remove(count_call, &calls), 0);
    last = __atomic_load_n(&calls, __ATOMIC_RELAXED);
    hub_sleep(50 * HUB_MILLISECOND);
    ck_assert_uint_eq(__atomic_load_n(&calls, __ATOMIC_RELAXED), last);
    ck_assert_int_eq(hub_monitor_remove(count_call, &calls), -ENOENT);
}
END_TEST

static struct {
    unsigned blocked, over, under, frames, hub_id;
    uint64_t memory;
} seen;

static void see(const struct hub_notice *event, void *data)
{
    ck_assert_ptr_eq(data, &seen);
    ck_assert_uint_ge(event->size, sizeof *event);
    if (event->kind == HUB_NOTICE_LOOP_BLOCKED) {
        __atomic_store_n(&seen.hub_id, event->hub_id, __ATOMIC_RELAXED);
        __atomic_store_n(&seen.frames, (unsigned)event->frame_count,
                         __ATOMIC_RELAXED);
        __atomic_add_fetch(&seen.blocked, 1, __ATOMIC_RELAXED);
    } else if (event->kind == HUB_NOTICE_MEMORY_OVER) {
        __atomic_store_n(&seen.memory, event->memory, __ATOMIC_RELAXED);
        __atomic_add_fetch(&seen.over, 1, __ATOMIC_RELAXED);
    } else if (event->kind == HUB_NOTICE_MEMORY_UNDER) {
        __atomic_add_fetch(&seen.under, 1, __ATOMIC_RELAXED);
    }
}

START_TEST(subscribers_hear_of_a_blocked_hub)
{
    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(hub_subscribe(see, &seen), 0);
    ck_assert_int_eq(hub_subscribe(see, &seen), -EEXIST);
    for (int i = 0; i < 5 && greenlet__read(seen.blocked) == 0; i++)
        run(spins, (void *)400L);
    ck_assert_uint_ge(greenlet__read(seen.blocked), 1);
    ck_assert_uint_eq(greenlet__read(seen.hub_id), hub_id(hub_current()));
    ck_assert_int_eq(hub_unsubscribe(see, &seen), 0);
    ck_assert_int_eq(hub_unsubscribe(see, &seen), -ENOENT);
}
END_TEST

START_TEST(memory_over_a_limit_and_under_it_again_is_told)
{
    enum { SIZE = 64 << 20 };
    char *memory;

    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(hub_subscribe(see, &seen), 0);
    ck_assert_int_eq(hub_config_set("monitor_memory_period", "0.1"), 0);
    ck_assert_int_eq(hub_config_set("monitor_memory_max", "1k"), 0);
    WAIT_UNTIL(greenlet__read(seen.over) == 1);
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    memset(memory, 1, SIZE);
    WAIT_UNTIL(greenlet__read(seen.memory) >= SIZE);
    ck_assert_uint_ge(greenlet__read(seen.over), 2); /* still growing */
    ck_assert_uint_eq(greenlet__read(seen.under), 0);
    ck_assert_int_eq(hub_config_set("monitor_memory_max", "100g"), 0);
    WAIT_UNTIL(greenlet__read(seen.under) == 1);
    munmap(memory, SIZE);
    ck_assert_int_eq(hub_config_set("monitor_memory_max", "0"), 0);
    ck_assert_int_eq(hub_unsubscribe(see, &seen), 0);
}
END_TEST

static void unsubscribes_itself(const struct hub_notice *event, void *data)
{
    (void)event;
    ck_assert_int_eq(hub_unsubscribe(unsubscribes_itself, data), 0);
    __atomic_add_fetch(&seen.blocked, 1, __ATOMIC_RELAXED);
}

START_TEST(a_subscriber_may_end_its_subscription)
{
    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(hub_subscribe(unsubscribes_itself, &seen), 0);
    for (int i = 0; i < 3; i++)
        run(spins, (void *)300L);
    ck_assert_uint_le(greenlet__read(seen.blocked), 1);
    hub_unsubscribe(unsubscribes_itself, &seen);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_set_timeout(tcase, 0);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, libc_does_not_notice_it);
    tcase_add_test(tcase, it_shares_no_descriptors);
    tcase_add_test(tcase, reports_go_to_what_has_the_number_by_then);
    tcase_add_test(tcase, a_greenlet_that_spins_is_named_with_its_function);
    tcase_add_test(tcase,
                   one_that_sleeps_in_the_kernel_is_found_and_not_disturbed);
    tcase_add_test(tcase, one_that_may_block_is_not_reported);
    tcase_add_test(tcase, who_lets_others_run_is_not_reported);
    tcase_add_test(tcase, a_main_greenlet_that_is_alone_blocks_nobody);
    tcase_add_test(tcase, reports_of_one_hub_come_at_most_so_often);
    tcase_add_test(tcase, a_long_stretch_is_reported_a_few_times);
    tcase_add_test(tcase, reports_can_be_switched_off);
    tcase_add_test(tcase, a_stopped_monitor_reports_nothing);
    tcase_add_test(tcase, the_loop_runs_dry_in_spite_of_it);
    tcase_add_test(
        tcase, functions_are_called_with_their_period_until_they_are_removed);
    tcase_add_test(tcase, subscribers_hear_of_a_blocked_hub);
    tcase_add_test(tcase, memory_over_a_limit_and_under_it_again_is_told);
    tcase_add_test(tcase, a_subscriber_may_end_its_subscription);
    return unit_run("monitor", tcase);
}
