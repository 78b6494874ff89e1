/* The gate: versions, the self-test, and that it fails closed. */
#include "../unit.h"
#include "context/gate.h"
#include "context/pep440.h"
#include "context/testhook.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- versions --------------------------------------------------------------
 */

/* All as Python's packaging 23.0 has them. */
static const struct {
    const char *a, *b;
    int order;
} orders[] = {
    {"1.0", "1.0", 0},
    {"1.0", "1", 0},
    {"1.0.0.0", "1", 0},
    {"1.0", "1.1", -1},
    {"1.9", "1.10", -1},
    {"01.02", "1.2", 0},
    {"v1.0", "1.0", 0},
    {" 1.0 ", "1.0", 0},
    {"0!1.0", "1.0", 0},
    {"1!1.0", "2021.12", 1},
    {"2!0", "10!0", -1},
    {"1.0.dev1", "1.0a1", -1},
    {"1.0a1.dev1", "1.0a1", -1},
    {"1.0a1", "1.0a2", -1},
    {"1.0a2", "1.0a10", -1},
    {"1.0a9", "1.0b1", -1},
    {"1.0b9", "1.0rc1", -1},
    {"1.0rc1", "1.0", -1},
    {"1.0c1", "1.0rc1", 0},
    {"1.0-alpha.1", "1.0a1", 0},
    {"1.0BETA2", "1.0b2", 0},
    {"1.0preview3", "1.0rc3", 0},
    {"1.0a", "1.0a0", 0},
    {"1.0", "1.0.post1", -1},
    {"1.0-1", "1.0.post1", 0},
    {"1.0.rev1", "1.0.post1", 0},
    {"1.0r1", "1.0.post1", 0},
    {"1.0.post1.dev1", "1.0.post1", -1},
    {"1.0", "1.0.post1.dev1", -1},
    {"1.0a1.post1", "1.0a1", 1},
    {"1.0a1.post1.dev1", "1.0a1.dev1", 1},
    {"1.0.dev2", "1.0.dev10", -1},
    {"1.0.dev", "1.0.dev0", 0},
    {"1.0", "1.0+local", -1},
    {"1.0+abc", "1.0+1", -1},
    {"1.0+1", "1.0+1.1", -1},
    {"1.0+ubuntu-1", "1.0+UBUNTU_1", 0},
    {"1.0+a.9", "1.0+a.10", -1},
    {"1.0+5", "1.0.post1", -1},
    {"3.5.4.dev0", "3.5.3", 1},
    {"99999999999999999999999999", "100000000000000000000000000", -1},
};

START_TEST(versions_are_ordered)
{
    int order = 7;

    ck_assert_int_eq(
        greenlet__version_compare(orders[_i].a, orders[_i].b, &order), 0);
    ck_assert_msg(order == orders[_i].order, "%s and %s: %d", orders[_i].a,
                  orders[_i].b, order);
    ck_assert_int_eq(
        greenlet__version_compare(orders[_i].b, orders[_i].a, &order), 0);
    ck_assert_int_eq(order, -orders[_i].order);
}
END_TEST

static const char *const no_versions[] = {
    "",      "x",       "1.",       "1..0",         ".1",       "1.0.*",
    "1.0x1", "!1.0",    "1!",       "1.0+",         "1.0+a..b", "1.0 1",
    "1.0-",  "1.0a1a2", "1.0dev1a", "french toast",
};

START_TEST(what_is_no_version_is_refused)
{
    int order;

    ck_assert_int_eq(greenlet__version_compare(no_versions[_i], "1", &order),
                     -EINVAL);
    ck_assert_int_eq(greenlet__version_compare("1", no_versions[_i], &order),
                     -EINVAL);
}
END_TEST

/* Is version met by requirement? */
static const struct {
    const char *version, *requirement;
    int met;
} meets[] = {
    {"3.5.3", "greenlet", 1},
    {"3.5.3", " greenlet ", 1},
    {"3.5.3", "Greenlet>=1.0", 1},
    {"3.5.3", "GREENLET >= 1.0", 1},
    {"3.5.3", ">=1.0", 1},
    {"3.5.3", "greenlet>=1.0a1", 1},
    {"3.5.3", "greenlet>=3.5.3", 1},
    {"3.5.3", "greenlet>=3.5.3.post1", 0},
    {"3.5.3", "greenlet>=3.5.3rc1", 1},
    {"3.5.3", "greenlet>=3.5.4.dev0", 0},
    {"3.5.3", "greenlet>=4", 0},
    {"3.5.3", "greenlet<3.6.dev0", 1},
    {"3.5.3", "greenlet<3.5.3", 0},
    {"3.5.3", "greenlet<3.5.3.post1", 1},
    {"3.5.3", "greenlet<=3.5.3", 1},
    {"3.5.3", "greenlet<=3.5", 0},
    {"3.5.3", "greenlet>3.5", 1},
    {"3.5.3", "greenlet>3.5.3", 0},
    {"3.5.3", "greenlet>3.5.3rc9", 1},
    {"3.5.3", "greenlet==3.5.3", 1},
    {"3.5.3", "greenlet==3.5.3.0", 1},
    {"3.5.3", "greenlet==3.5", 0},
    {"3.5.3", "greenlet==3.5.*", 1},
    {"3.5.3", "greenlet==3.*", 1},
    {"3.5.3", "greenlet==3.5.3.*", 1},
    {"3.5.3", "greenlet==3.5.3.0.*", 1},
    {"3.5.3", "greenlet==3.50.*", 0},
    {"3.5.3", "greenlet==0!3.5.*", 1},
    {"3.5.3", "greenlet==1!3.5.*", 0},
    {"3.5.3", "greenlet!=3.5.*", 0},
    {"3.5.3", "greenlet!=3.4.*", 1},
    {"3.5.3", "greenlet!=3.5.3", 0},
    {"3.5.3", "greenlet~=3.5", 1},
    {"3.5.3", "greenlet~=3.5.0", 1},
    {"3.5.3", "greenlet~=3.4", 1},
    {"3.5.3", "greenlet~=3.4.9", 0},
    {"3.5.3", "greenlet~=3.5.4", 0},
    {"3.5.3", "greenlet~=3.5.3rc1", 1},
    {"3.5.3", "greenlet~=2.0", 0},
    {"3.5.3", "greenlet===3.5.3", 1},
    {"3.5.3", "greenlet===3.5.3.0", 0},
    {"3.5.3", "greenlet===whatever", 0},
    {"3.5.3", "greenlet>=1.0,<4", 1},
    {"3.5.3", "greenlet >=1.0 , !=3.5.3", 0},
    {"3.5.3", "greenlet>=1.0,!=2.0.0,~=3.0", 1},
    {"3.5.3", "greenlet==3.5.3+local", 0},
    {"3.5.3+local", "==3.5.3", 1},
    {"3.5.3+local", "<=3.5.3", 1},
    {"3.5.3+local", ">3.5.3", 0},
    {"3.5.3+local", "==3.5.3+LOCAL", 1},
    {"3.5.3+local", "==3.5.*", 1},
    {"3.6rc1", "<3.6", 0},
    {"3.6rc1", "<3.6rc2", 1},
    {"3.6rc1", "==3.6.*", 1},
    {"3.6.post1", ">3.6", 0},
    {"3.6.post1", ">3.6.post0", 1},
    {"3.6.post1", ">=3.6", 1},
    {"1.0a1", ">=1.0.dev1", 1},
    {"1!1.0", ">=2021", 1},
    {"3.5.3", "greenlet>=1.0,<2,", -EINVAL},
    {"3.5.3", "greenlet>=", -EINVAL},
    {"3.5.3", "greenlet>=x", -EINVAL},
    {"3.5.3", "greenlet>=1.0;python_version>'3'", -EINVAL},
    {"3.5.3", "greenlet=1.0", -EINVAL},
    {"3.5.3", "greenlet=>1.0", -EINVAL},
    {"3.5.3", "greenlet>=1.0.*", -EINVAL},
    {"3.5.3", "greenlet~=3", -EINVAL},
    {"3.5.3", "greenlet~=3.5.*", -EINVAL},
    {"3.5.3", "greenlet>=3.5.3+local", -EINVAL},
    {"3.5.3", "greenlet==3.5.3rc1.*", -EINVAL},
    {"3.5.3", "greenlet===", -EINVAL},
    {"3.5.3", "greenlet 1.0", -EINVAL},
    {"3.5.3", "greenlet>=1.0 <4", -EINVAL},
    {"3.5.3", "greenlet>=4,nonsense", -EINVAL},
    {"3.5.3", "greenlets>=1.0", -EINVAL},
    {"3.5.3", "gevent>=1.0", -EINVAL},
    {"3.5.3", ",>=1.0", -EINVAL},
    {"3.5.3", "", -EINVAL},
    {"3.5.3", "  ", -EINVAL},
};

START_TEST(requirements_are_met_or_not)
{
    int met = greenlet__version_meets("greenlet", meets[_i].version,
                                      meets[_i].requirement);

    ck_assert_msg(met == meets[_i].met, "%s for '%s': %d", meets[_i].version,
                  meets[_i].requirement, met);
}
END_TEST

START_TEST(g177_what_it_says_it_is)
{
    ck_assert_str_eq(greenlet_compatible_version(), "3.5.3");
    ck_assert_str_eq(greenlet_build_version(), VIREO_VERSION);
    ck_assert_str_eq(GREENLET_VERSION, "1.0.0");
    ck_assert_int_eq(greenlet_feature("GREENLET_USE_GC"), 1);
    ck_assert_int_eq(greenlet_feature("GREENLET_USE_TRACING"), 1);
    ck_assert_int_eq(greenlet_feature("GREENLET_USE_CONTEXT_VARS"), 1);
    ck_assert_int_eq(greenlet_feature("GREENLET_USE_STANDARD_THREADING"),
                     -ENOENT);
    ck_assert_int_eq(greenlet_feature(NULL), -ENOENT);
}
END_TEST

/* ---- the self-test ---------------------------------------------------------
 */

enum { CASES = 13 };

START_TEST(the_gate_opens)
{
    struct greenlet_gate_report report;
    int rc = greenlet_gate("greenlet>=1.0", &report);

    ck_assert_msg(rc == 0, "%d: %s", rc, report.line);
    ck_assert_int_eq(report.passed, CASES);
    ck_assert_int_eq(report.failed, 0);
    ck_assert_ptr_nonnull(strstr(report.line, "yes"));
    ck_assert_int_eq(greenlet_gate("~=3.5", NULL), 0);
}
END_TEST

START_TEST(another_version_is_refused_untested)
{
    struct greenlet_gate_report report;

    ck_assert_int_eq(greenlet_gate("greenlet>=4", &report), -ENOTSUP);
    ck_assert_int_eq(report.passed + report.failed, 0);
    ck_assert_ptr_nonnull(strstr(report.line, "greenlet>=4"));
    ck_assert_int_eq(greenlet_gate("greenlet>", &report), -EINVAL);
    ck_assert_ptr_nonnull(strstr(report.line, "no requirement"));
    ck_assert_int_eq(greenlet_gate(NULL, &report), -EINVAL);
    ck_assert_int_eq(greenlet_gate("gevent", NULL), -EINVAL);
}
END_TEST

static int traced;

static int counts_events(enum greenlet_event event, struct greenlet *origin,
                         struct greenlet *target, void *data)
{
    (void)event;
    (void)origin;
    (void)target;
    ++*(int *)data;
    return 0;
}

static const struct greenlet_class own_class = {
    "own", &greenlet_exception_class, -EPROTO};

/* In whatever greenlet: everything is as before afterwards. */
static int asks_the_gate(void *value, void **result)
{
    struct greenlet_exception pending = {.cls = &own_class, .payload = value};
    struct greenlet_context *before = NULL, *after = NULL;
    struct greenlet_var *var = greenlet_var_new("own", NULL);
    struct greenlet_exception caught;
    void *found = NULL;

    ck_assert_int_eq(greenlet_var_set(var, value, NULL), 0);
    ck_assert_int_eq(greenlet_get_context(greenlet_current(), &before), 0);
    ck_assert_int_eq(greenlet_raise(&pending), -EPROTO);
    traced = 0;
    greenlet_settrace(counts_events, &traced, NULL);
    ck_assert_int_eq(greenlet_gate("greenlet", NULL), 0);
    ck_assert_ptr_eq(greenlet_settrace(NULL, NULL, &found), counts_events);
    ck_assert_ptr_eq(found, &traced);
    ck_assert_int_eq(traced, 0);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &own_class);
    ck_assert_ptr_eq(caught.payload, value);
    greenlet_exception_clear(&caught);
    ck_assert_int_eq(greenlet_get_context(greenlet_current(), &after), 0);
    ck_assert_ptr_eq(after, before);
    ck_assert_int_eq(greenlet_var_get(var, &found), 0);
    ck_assert_ptr_eq(found, value);
    greenlet_context_unref(before);
    greenlet_context_unref(after);
    greenlet_set_context(greenlet_current(), NULL);
    greenlet_var_unref(var);
    *result = value;
    return 0;
}

START_TEST(nothing_is_changed_by_asking)
{
    struct greenlet *g = greenlet_new(asks_the_gate, NULL, 0);
    void *result = NULL;
    int token;

    ck_assert_int_eq(asks_the_gate(&token, &result), 0);
    ck_assert_int_eq(greenlet_switch(g, &token, &result), 0);
    ck_assert_ptr_eq(result, &token);
    greenlet_unref(g);
    ck_assert_int_eq(greenlet_gate("greenlet", NULL), 0);
    ck_assert_ptr_null(greenlet_caught_peek());
}
END_TEST

static void *asks_often(void *failures)
{
    for (int i = 0; i < 20; i++)
        if (greenlet_gate("greenlet>=1.0", NULL) != 0)
            __atomic_add_fetch((int *)failures, 1, __ATOMIC_RELAXED);
    return NULL;
}

START_TEST(threads_may_ask_at_once)
{
    pthread_t threads[4];
    int failures = 0;

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, asks_often, &failures), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(failures, 0);
    greenlet_current(); /* what they left is cleared up */
}
END_TEST

START_TEST(a_signal_handler_gets_no)
{
    struct greenlet_gate_report report;

    greenlet_signal_enter();
    ck_assert_int_eq(greenlet_gate("greenlet>=1.0", &report), -ENOTSUP);
    greenlet_signal_leave();
    ck_assert_int_gt(report.failed, 0);
    ck_assert_int_eq(greenlet_gate("greenlet>=1.0", NULL), 0);
}
END_TEST

/* ---- it fails closed -------------------------------------------------------
 */

#ifdef VIREO_TEST_HOOKS

START_TEST(without_memory_it_says_no)
{
    struct greenlet_gate_report report;
    int rc = -1;
    long n;

    for (n = 1; rc != 0 && n < 2000; n++) {
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        rc = greenlet_gate("greenlet>=1.0", &report);
        if (greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0) >= n)
            ck_assert_msg(rc == -ENOMEM || rc == -ENOTSUP, "%ld: %d", n, rc);
        else
            ck_assert_msg(rc == 0, "%ld: %d %s", n, rc, report.line);
    }
    ck_assert_int_gt(n, CASES);
    ck_assert_int_eq(rc, 0);
}
END_TEST

enum { SAID_YES, SAID_NO, WRONG };

static _Noreturn void ask_with_failing_switch(long n)
{
    bool failed;
    int rc;

    greenlet_current();
    freopen("/dev/null", "w", stderr);
    greenlet_test_fail(GREENLET_TEST_SWITCH, n);
    rc = greenlet_gate("greenlet>=1.0", NULL);
    failed = greenlet_test_fail(GREENLET_TEST_SWITCH, 0) >= n;
    if (failed != (rc == -ENOTSUP))
        _exit(WRONG);
    _exit(failed ? SAID_NO : SAID_YES);
}

/* In children: where the switch fails by which a greenlet ends, nobody is left to
 * go to, and the process aborts (G-035). */
START_TEST(a_switch_that_fails_is_a_no)
{
    int status = -1;
    long n;

    for (n = 1; status != 0 && n < 2000; n++) {
        pid_t pid = fork();

        if (pid == 0)
            ask_with_failing_switch(n);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT
                                          : WEXITSTATUS(status) != WRONG,
                      "%ld: %x", n, (unsigned)status);
    }
    ck_assert_int_gt(n, CASES);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* Each in a child, which knows what is broken before it uses the library. */
static struct {
    const char *id;
    int rc;
    struct greenlet_gate_report report;
    char named[16];
} broken[] = {
    {.id = "G-007"}, {.id = "G-113"}, {.id = "G-114"}, {.id = "G-115"},
    {.id = "G-116"}, {.id = "G-117"}, {.id = "G-118"}, {.id = "G-119"},
    {.id = "G-120"}, {.id = "G-130"}, {.id = "G-133"}, {.id = "G-134"},
    {.id = "G-176"},
};
enum { BROKEN = sizeof broken / sizeof *broken };

static _Noreturn void ask_broken(int i, int to)
{
    struct greenlet_gate_report report;

    setenv("VIREO_TEST_BREAK", broken[i].id, 1);
    broken[i].rc = greenlet_gate("greenlet>=1.0", &report);
    broken[i].report.passed = report.passed;
    broken[i].report.failed = report.failed;
    memcpy(broken[i].report.line, report.line, sizeof report.line);
    for (int n = 0; n < report.failed; n++)
        if (strcmp(report.failures[n].id, broken[i].id) == 0)
            strcpy(broken[i].named, report.failures[n].id);
    _exit(write(to, &broken[i], sizeof broken[i]) == sizeof broken[i] ? 0 : 1);
}

static void ask_all_broken(void)
{
    for (int i = 0; i < BROKEN; i++) {
        const char *id = broken[i].id;
        int ends[2], status = -1;
        pid_t pid;

        if (pipe(ends) != 0)
            abort();
        pid = fork();
        if (pid == 0)
            ask_broken(i, ends[1]);
        close(ends[1]);
        if (read(ends[0], &broken[i], sizeof broken[i]) != sizeof broken[i] ||
            waitpid(pid, &status, 0) != pid || status != 0)
            broken[i].rc = 1;
        broken[i].id = id;
        close(ends[0]);
    }
}

START_TEST(what_is_broken_is_found)
{
    ck_assert_msg(broken[_i].rc == -ENOTSUP, "%s: %d %s", broken[_i].id,
                  broken[_i].rc, broken[_i].report.line);
    ck_assert_str_eq(broken[_i].named, broken[_i].id);
    ck_assert_int_eq(broken[_i].report.passed + broken[_i].report.failed,
                     CASES);
    ck_assert_ptr_nonnull(strstr(broken[_i].report.line, "no: "));
}
END_TEST

static void add_broken(TCase *tcase)
{
    tcase_add_test(tcase, without_memory_it_says_no);
    tcase_add_test(tcase, a_switch_that_fails_is_a_no);
    tcase_add_loop_test(tcase, what_is_broken_is_found, 0, BROKEN);
}

#else

static void ask_all_broken(void)
{
}

static void add_broken(TCase *tcase)
{
    (void)tcase;
    puts("not tested: breaking the library needs VIREO_TEST_HOOKS");
}

#endif

#define COUNT(array) ((int)(sizeof array / sizeof *array))

int main(void)
{
    TCase *tcase = unit_case();

    ask_all_broken();
    tcase_add_loop_test(tcase, versions_are_ordered, 0, COUNT(orders));
    tcase_add_loop_test(tcase, what_is_no_version_is_refused, 0,
                        COUNT(no_versions));
    tcase_add_loop_test(tcase, requirements_are_met_or_not, 0, COUNT(meets));
    tcase_add_test(tcase, g177_what_it_says_it_is);
    tcase_add_test(tcase, the_gate_opens);
    tcase_add_test(tcase, another_version_is_refused_untested);
    tcase_add_test(tcase, nothing_is_changed_by_asking);
    tcase_add_test(tcase, threads_may_ask_at_once);
    tcase_add_test(tcase, a_signal_handler_gets_no);
    add_broken(tcase);
    return unit_run("gate", tcase);
}
