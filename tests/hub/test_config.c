/* config.c, values.c, effects.c: options of the hub. */
#define UNIT_MONITOR
#include "../unit.h"
#include "hub/config_impl.h"
#include "hub/hub_impl.h"

#include <signal.h>

static const struct {
    const char *name, *text;
    int64_t number; /* -1: it is refused */
} cases[] = {
    { "monitor", "0", 0 },
    { "monitor", "Off", 0 },
    { "monitor", "no", 0 },
    { "MONITOR", "true", 1 },
    { "monitor", "2", -1 },
    { "monitor", "", -1 },
    { "max_blocking_time", "0.1", 100000000 },
    { "max_blocking_time", "250ms", 250000000 },
    { "max_blocking_time", "50us", 50000 },
    { "max_blocking_time", "2s", 2000000000 },
    { "max_blocking_time", "0", 0 },
    { "max_blocking_time", "-1", -1 },
    { "max_blocking_time", "nan", -1 },
    { "max_blocking_time", "inf", -1 },
    { "max_blocking_time", "1e3", -1 },
    { "max_blocking_time", "0x10", -1 },
    { "max_blocking_time", "1 s", -1 },
    { "max_blocking_time", "99999999999999999999", -1 },
    { "max_blocking_time", "5 apples", -1 },
    { "monitor_memory_period", "0.01", -1 },
    { "monitor_memory_max", "1024", 1024 },
    { "monitor_memory_max", "10kb", 10240 },
    { "monitor_memory_max", "3MB", 3 << 20 },
    { "monitor_memory_max", "1g", 1 << 30 },
    { "monitor_memory_max", "1.5k", 1536 },
    { "monitor_memory_max", "-5k", -1 },
    { "resolver", "block", 0 }, /* a text has no number */
    { "resolver", "THREAD,block", 0 },
    { "resolver", "dnspython", -1 },
    { "resolver", "thread,dnspython", -1 },
    { "resolver", "", -1 },
    { "fork", "all", 1 },
    { "fork", "Caller", 0 },
    { "fork", "none", -1 },
    { "resolver_udp_port", "65535", 65535 },
    { "resolver_udp_port", "65536", -1 },
    { "resolver_udp_port", "5.5", -1 },
    { "threadpool_size", "0", -1 },
    { "threadpool_size", "7", 7 },
};

static void reset_all(void)
{
    struct hub_option_info info;

    for (int i = 0; hub_config_info((enum hub_option)i, &info) == 0; i++) {
        unsetenv(info.environment);
        ck_assert_int_eq(hub_config_reset(info.name), 0);
    }
    hub_monitor_stop(); /* it opens files while fds are counted */
    unit_teardown();
}

START_TEST(a_text_is_a_value_or_is_refused)
{
    int option = hub_config_find(cases[_i].name);
    int64_t before = hub_config_number((enum hub_option)option);
    int rc = hub_config_set(cases[_i].name, cases[_i].text);

    ck_assert_int_ge(option, 0);
    if (cases[_i].number < 0) {
        ck_assert_int_eq(rc, -EINVAL);
        ck_assert_int_eq(hub_config_number((enum hub_option)option), before);
        return;
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(hub_config_number((enum hub_option)option),
                     cases[_i].number);
}
END_TEST

START_TEST(the_environment_is_read_when_the_option_is_asked_for)
{
    struct hub_option_info info;

    ck_assert_int_eq(hub_config_info(HUB_OPTION_MAX_BLOCKING_TIME, &info), 0);
    ck_assert_str_eq(info.environment, "VIREO_MAX_BLOCKING_TIME");
    setenv(info.environment, "0.25", 1);
    ck_assert_int_eq(hub_config_reset(info.name), 0);
    ck_assert_int_eq(hub_config_number(HUB_OPTION_MAX_BLOCKING_TIME),
                     250 * HUB_MILLISECOND);
    ck_assert_int_eq(hub_config_set(info.name, "1"), 0); /* a call wins */
    ck_assert_int_eq(hub_config_number(HUB_OPTION_MAX_BLOCKING_TIME),
                     HUB_SECOND);
}
END_TEST

START_TEST(what_the_environment_has_wrong_leaves_the_default)
{
    setenv("VIREO_MAX_BLOCKING_TIME", "soon", 1);
    ck_assert_int_eq(hub_config_reset("max_blocking_time"), 0);
    ck_assert_int_eq(hub_config_number(HUB_OPTION_MAX_BLOCKING_TIME),
                     100 * HUB_MILLISECOND);
}
END_TEST

START_TEST(every_option_reads_as_a_text_that_can_be_set)
{
    struct hub_option_info info;
    char text[64], again[64];
    int i;

    for (i = 0; hub_config_info((enum hub_option)i, &info) == 0; i++) {
        ck_assert_int_eq(hub_config_find(info.name), i);
        ck_assert_int_ge(hub_config_get(info.name, text, sizeof text), 0);
        ck_assert_int_eq(hub_config_set(info.name, text), 0);
        ck_assert_int_ge(hub_config_get(info.name, again, sizeof again), 0);
        ck_assert_str_eq(text, again);
        ck_assert_int_gt(strlen(info.summary), 0);
    }
    ck_assert_int_eq(i, HUB_OPTION_COUNT);
}
END_TEST

START_TEST(numbers_can_be_set_and_texts_cannot_be_numbers)
{
    ck_assert_int_eq(
        hub_config_set_number(HUB_OPTION_THREADPOOL_SIZE, 12), 0);
    ck_assert_int_eq(hub_config_number(HUB_OPTION_THREADPOOL_SIZE), 12);
    ck_assert_int_eq(hub_config_set_number(HUB_OPTION_THREADPOOL_SIZE, 0),
                     -EINVAL);
    ck_assert_int_eq(hub_config_set_number(HUB_OPTION_CONSOLE, 0), -EINVAL);
    ck_assert_int_eq(hub_config_set_number(HUB_OPTION_COUNT, 0), -ENOENT);
    ck_assert_int_eq(hub_config_number(HUB_OPTION_COUNT), 0);
    ck_assert_int_eq(hub_config_number(HUB_OPTION_CONSOLE), 0);
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    char text[8];

    ck_assert_int_eq(hub_config_find("colour"), -ENOENT);
    ck_assert_int_eq(hub_config_set("colour", "1"), -ENOENT);
    ck_assert_int_eq(hub_config_get("colour", text, sizeof text), -ENOENT);
    ck_assert_int_eq(hub_config_reset("colour"), -ENOENT);
    ck_assert_int_eq(hub_config_info(HUB_OPTION_COUNT, NULL), -ENOENT);
}
END_TEST

START_TEST(a_text_is_cut_off_as_by_snprintf)
{
    char text[4];

    ck_assert_int_eq(hub_config_set("resolver_nameservers", "127.0.0.1"), 0);
    ck_assert_int_eq(hub_config_get("resolver_nameservers", text, sizeof text),
                     9);
    ck_assert_str_eq(text, "127");
}
END_TEST

START_TEST(signals_have_names_and_numbers)
{
    ck_assert_int_eq(hub__signal_number("USR2"), SIGUSR2);
    ck_assert_int_eq(hub__signal_number("sigusr2"), SIGUSR2);
    ck_assert_int_eq(hub__signal_number("12"), 12);
    ck_assert_int_eq(hub__signal_number("RTMIN+2"), SIGRTMIN + 2);
    ck_assert_int_eq(hub__signal_number(""), 0);
    ck_assert_int_eq(hub__signal_number("none"), 0);
    ck_assert_int_eq(hub__signal_number("USR"), -EINVAL);
    ck_assert_int_eq(hub__signal_number("99"), -EINVAL);
    ck_assert_int_eq(hub__signal_number("-1"), -EINVAL);
}
END_TEST

START_TEST(the_dump_signal_is_set_at_once)
{
    struct sigaction now;

    ck_assert_int_eq(hub_config_set("dump_signal", "USR2"), 0);
    sigaction(SIGUSR2, NULL, &now);
    ck_assert(now.sa_handler != SIG_DFL);
    ck_assert_int_eq(hub_config_set("dump_signal", "KILL"), -EINVAL);
    ck_assert_int_eq(hub_config_set("dump_signal", "nonsense"), -EINVAL);
    ck_assert_int_eq(hub_config_set("dump_signal", ""), 0);
    sigaction(SIGUSR2, NULL, &now);
    ck_assert(now.sa_handler == SIG_DFL);
}
END_TEST

START_TEST(the_monitor_is_stopped_and_started_by_its_option)
{
    hub_yield();
    ck_assert_int_eq(hub_config_set("monitor", "0"), 0);
    ck_assert(!hub_monitor_running());
    ck_assert_int_eq(hub_config_set("monitor", "1"), 0);
    ck_assert(hub_monitor_running());
}
END_TEST

/* ---- one truth: a call and its option agree ---- */

START_TEST(the_rule_of_forks_is_an_option)
{
    char text[16];

    ck_assert_int_eq(hub_set_fork_rule(HUB_FORK_ALL), HUB_FORK_ALONE);
    ck_assert_int_ge(hub_config_get("fork", text, sizeof text), 0);
    ck_assert_str_eq(text, "all");
    ck_assert_int_eq(hub_config_set("fork", "caller"), 0);
    ck_assert(!hub__fork_keeps());
    setenv("VIREO_FORK", "all", 1);
    ck_assert_int_eq(hub_config_reset("fork"), 0);
    ck_assert(hub__fork_keeps());
    ck_assert_int_eq(hub_set_fork_rule(HUB_FORK_ALONE), HUB_FORK_ALL);
}
END_TEST

START_TEST(the_resolver_is_an_option)
{
    char text[16];

    ck_assert_int_eq(hub_resolver_set("block"), 0);
    ck_assert_int_ge(hub_config_get("resolver", text, sizeof text), 0);
    ck_assert_str_eq(text, "block");
    ck_assert_int_eq(hub_config_set("resolver", "thread"), 0);
    ck_assert_str_eq(hub_resolver_name(), "thread");
    setenv("VIREO_RESOLVER", "block,thread", 1);
    ck_assert_int_eq(hub_config_reset("resolver"), 0);
    ck_assert_str_eq(hub_resolver_name(), "block");
    setenv("VIREO_RESOLVER", "dnspython", 1); /* says so, in one line */
    ck_assert_int_eq(hub_config_reset("resolver"), 0);
    ck_assert_str_eq(hub_resolver_name(), "thread");
}
END_TEST

static uint32_t size_of(struct hub_threadpool *pool)
{
    struct hub_threadpool_counts counts;

    hub_threadpool_count(pool, &counts);
    return counts.maxsize;
}

START_TEST(thread_pools_have_the_size_that_the_option_says)
{
    struct hub_threadpool *own;

    ck_assert_uint_eq(size_of(hub_threadpool_default()),
                      HUB_THREADPOOL_MAXSIZE);
    ck_assert_int_eq(hub_config_set("threadpool_size", "3"), 0);
    ck_assert_uint_eq(size_of(hub_threadpool_default()), 3);
    setenv("VIREO_THREADPOOL_SIZE", "4", 1);
    ck_assert_int_eq(hub_config_reset("threadpool_size"), 0);
    ck_assert_uint_eq(size_of(hub_threadpool_default()), 4);
    own = hub_threadpool_new(0, 0);
    ck_assert_uint_eq(size_of(own), 4);
    hub_threadpool_unref(own);
}
END_TEST

static int does_nothing(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return 0;
}

START_TEST(idle_threads_of_a_pool_end_when_the_option_says)
{
    struct hub_threadpool *pool = hub_threadpool_default();
    struct hub_threadpool_counts counts;

    ck_assert_int_eq(hub_config_set("threadpool_idle_timeout", "100m"), 0);
    ck_assert_int_eq(hub_threadpool_apply(pool, does_nothing, NULL,
                                          HUB_FOREVER, NULL), 0);
    hub_threadpool_count(pool, &counts);
    ck_assert_uint_eq(counts.threads, 1);
    ck_assert_int_eq(hub_config_set("threadpool_idle_timeout", "1ms"), 0);
    ck_assert_int_eq(hub_threadpool_apply(pool, does_nothing, NULL,
                                          HUB_FOREVER, NULL), 0);
    for (int i = 0; counts.threads > 0 && i < 10000; i++) {
        hub_sleep(HUB_MILLISECOND);
        hub_threadpool_count(pool, &counts);
    }
    ck_assert_uint_eq(counts.threads, 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    hub_monitor_stop();
    tcase_add_checked_fixture(tcase, unit_setup, reset_all);
    tcase_add_loop_test(tcase, a_text_is_a_value_or_is_refused, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tcase,
                   the_environment_is_read_when_the_option_is_asked_for);
    tcase_add_test(tcase, what_the_environment_has_wrong_leaves_the_default);
    tcase_add_test(tcase, every_option_reads_as_a_text_that_can_be_set);
    tcase_add_test(tcase, numbers_can_be_set_and_texts_cannot_be_numbers);
    tcase_add_test(tcase, unknown_names_are_refused);
    tcase_add_test(tcase, a_text_is_cut_off_as_by_snprintf);
    tcase_add_test(tcase, signals_have_names_and_numbers);
    tcase_add_test(tcase, the_dump_signal_is_set_at_once);
    tcase_add_test(tcase, the_monitor_is_stopped_and_started_by_its_option);
    tcase_add_test(tcase, the_rule_of_forks_is_an_option);
    tcase_add_test(tcase, the_resolver_is_an_option);
    tcase_add_test(tcase, thread_pools_have_the_size_that_the_option_says);
    tcase_add_test(tcase, idle_threads_of_a_pool_end_when_the_option_says);
    return unit_run("config", tcase);
}
