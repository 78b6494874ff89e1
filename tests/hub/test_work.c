/* Thread pools: results, limits, cancellation, and what a fork leaves of them. */
#include "../unit.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

static int doubles(void *arg, void **result)
{
    *result = (void *)((intptr_t)arg * 2);
    return 0;
}

static int fails(void *arg, void **result)
{
    (void)result;
    return (int)(intptr_t)arg;
}

/* Blocks its thread until told. */
static int gate;
static int runs, most;

static int waits_at_gate(void *arg, void **result)
{
    int now = __atomic_add_fetch(&runs, 1, __ATOMIC_SEQ_CST);
    int before = __atomic_load_n(&most, __ATOMIC_SEQ_CST);

    while (now > before && !__atomic_compare_exchange_n(
                               &most, &before, now, false, __ATOMIC_SEQ_CST,
                               __ATOMIC_SEQ_CST))
        ;
    while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
        usleep(1000);
    __atomic_sub_fetch(&runs, 1, __ATOMIC_SEQ_CST);
    *result = arg;
    return 0;
}

static void until_they_run(int wanted)
{
    while (__atomic_load_n(&runs, __ATOMIC_SEQ_CST) < wanted)
        hub_sleep(MS);
}

static void open_gate(void)
{
    __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
}

START_TEST(a_result_comes_back_to_the_one_who_applies)
{
    struct hub_threadpool *pool = hub_threadpool_new(2, 0);
    void *result = NULL;

    ck_assert_int_eq(hub_threadpool_apply(pool, doubles, (void *)21,
                                          HUB_FOREVER, &result),
                     0);
    ck_assert_int_eq((intptr_t)result, 42);
    hub_threadpool_unref(pool);
}
END_TEST

static int reported;

static void count_report(struct hub *hub, const struct greenlet *context,
                         const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    ck_assert_int_eq(exception->error, -EDOM);
    reported++;
}

START_TEST(a_failure_is_reported_once_and_given_to_each_who_asks)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 0);
    struct hub_work *work;

    hub_set_error_handler(count_report, NULL);
    ck_assert_int_eq(hub_threadpool_spawn(pool, fails, (void *)-EDOM,
                                          HUB_FOREVER, &work),
                     0);
    ck_assert_int_eq(hub_work_get(work, HUB_FOREVER, NULL), -EDOM);
    ck_assert_int_eq(hub_work_get(work, HUB_FOREVER, NULL), -EDOM);
    ck_assert_int_eq(reported, 1);
    ck_assert_int_eq(hub_work_exception(work)->error, -EDOM);
    hub_set_error_handler(NULL, NULL);
    hub_work_unref(work);
    hub_threadpool_unref(pool);
}
END_TEST

START_TEST(spawn_waits_when_all_threads_are_busy)
{
    struct hub_threadpool *pool = hub_threadpool_new(2, 0);

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(hub_threadpool_spawn(pool, waits_at_gate, NULL,
                                              HUB_FOREVER, NULL),
                         0);
    ck_assert_int_eq(hub_threadpool_spawn(pool, doubles, NULL, HUB_NOWAIT,
                                          NULL),
                     -EAGAIN);
    ck_assert_int_eq(hub_threadpool_spawn(pool, doubles, NULL,
                                          hub_deadline(5 * MS), NULL),
                     -ETIMEDOUT);
    until_they_run(2);
    open_gate();
    ck_assert_int_eq(hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER,
                                          NULL),
                     0);
    ck_assert_int_eq(hub_threadpool_join(pool, HUB_FOREVER), 0);
    ck_assert_int_eq(most, 2);
    hub_threadpool_unref(pool);
}
END_TEST

START_TEST(queued_work_can_be_cancelled_and_running_work_not)
{
    struct hub_threadpool *pool =
        hub_threadpool_new(1, HUB_THREADPOOL_UNBOUNDED);
    struct hub_work *running, *queued;

    ck_assert_int_eq(hub_threadpool_spawn(pool, waits_at_gate, &gate,
                                          HUB_FOREVER, &running),
                     0);
    until_they_run(1);
    ck_assert_int_eq(hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER,
                                          &queued),
                     0);
    ck_assert_int_eq(hub_work_cancel(queued), 0);
    ck_assert(hub_work_ready(queued));
    ck_assert_int_eq(hub_work_get(queued, HUB_FOREVER, NULL), -ECANCELED);
    ck_assert_int_eq(hub_work_cancel(queued), -EALREADY);
    ck_assert_int_eq(hub_work_cancel(running), -EBUSY);
    open_gate();
    ck_assert_int_eq(hub_work_get(running, HUB_FOREVER, NULL), 0);
    hub_work_unref(running);
    hub_work_unref(queued);
    hub_threadpool_unref(pool);
}
END_TEST

struct spawner {
    struct hub_threadpool *pool;
    int rc;
    char name, *log;
};

static void spawns(void *arg)
{
    struct spawner *s = arg;

    s->rc = hub_threadpool_spawn(s->pool, doubles, NULL, HUB_FOREVER, NULL);
    if (s->rc == 0)
        s->log[strlen(s->log)] = s->name;
}

START_TEST(places_go_to_the_oldest_and_past_one_that_was_killed)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 0);
    char log[8] = "";
    struct spawner s[3] = { { pool, 1, 'a', log }, { pool, 1, 'b', log },
                            { pool, 1, 'c', log } };
    struct greenlet *g[3];
    struct hub_threadpool_counts counts;

    hub_threadpool_spawn(pool, waits_at_gate, NULL, HUB_FOREVER, NULL);
    for (int i = 0; i < 3; i++)
        g[i] = hub_spawn_raw(spawns, &s[i]);
    hub_yield();
    hub_threadpool_count(pool, &counts);
    ck_assert_uint_eq(counts.waiting, 3);
    hub_kill(g[1]);
    open_gate();
    for (int i = 0; i < 3; i++) {
        hub_join(g[i], HUB_FOREVER);
        greenlet_unref(g[i]);
    }
    ck_assert_str_eq(log, "ac");
    ck_assert_int_eq(s[1].rc, -ECANCELED);
    ck_assert_int_eq(hub_threadpool_join(pool, HUB_FOREVER), 0);
    hub_threadpool_unref(pool);
}
END_TEST

/* Kill comes when the place has just been given: it must not be lost. */
START_TEST(a_place_that_a_killed_one_was_given_is_passed_on)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 0);
    char log[8] = "";
    struct spawner s = { pool, 1, 'a', log };
    struct hub_work *work;
    struct greenlet *g;

    hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER, &work);
    g = hub_spawn_raw(spawns, &s);
    hub_yield(); /* it waits */
    hub_work_get(work, HUB_FOREVER, NULL);
    hub_kill(g);
    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(hub_threadpool_spawn(pool, doubles, NULL,
                                          hub_deadline(2 * HUB_SECOND), NULL),
                     0);
    ck_assert_int_eq(hub_threadpool_join(pool, HUB_FOREVER), 0);
    greenlet_unref(g);
    hub_work_unref(work);
    hub_threadpool_unref(pool);
}
END_TEST

START_TEST(threads_grow_with_work_and_end_when_idle)
{
    struct hub_threadpool *pool = hub_threadpool_new(4, 4);
    struct hub_threadpool_counts counts;

    hub_threadpool_set_idle(pool, 20 * MS);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(hub_threadpool_spawn(pool, waits_at_gate, NULL,
                                              HUB_NOWAIT, NULL),
                         0);
    hub_threadpool_count(pool, &counts);
    ck_assert_uint_eq(counts.threads, 4);
    ck_assert_uint_eq(counts.queued + counts.running, 8);
    until_they_run(4);
    open_gate();
    ck_assert_int_eq(hub_threadpool_join(pool, HUB_FOREVER), 0);
    ck_assert_int_eq(most, 4);
    do {
        hub_sleep(5 * MS);
        hub_threadpool_count(pool, &counts);
    } while (counts.threads > 0);
    hub_threadpool_unref(pool);
}
END_TEST

/* One that idles already would else stay as long as was said before. */
START_TEST(how_long_threads_idle_counts_for_those_that_do_already)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 0);
    struct hub_threadpool_counts counts;
    int64_t end = hub_now() + 30 * HUB_SECOND;

    hub_threadpool_set_idle(pool, HUB_SECOND * 60);
    hub_threadpool_apply(pool, doubles, NULL, HUB_FOREVER, NULL);
    do
        hub_threadpool_count(pool, &counts);
    while (counts.idle == 0 && hub_sleep(MS) == 0);
    ck_assert_int_eq(hub_threadpool_set_idle(pool, MS), 0);
    do {
        hub_sleep(5 * MS);
        hub_threadpool_count(pool, &counts);
    } while (counts.threads > 0 && hub_now() < end);
    ck_assert_uint_eq(counts.threads, 0);
    hub_threadpool_unref(pool);
}
END_TEST

static int applies_inside(void *arg, void **result)
{
    return hub_threadpool_apply(arg, doubles, (void *)4, HUB_FOREVER, result);
}

START_TEST(apply_on_a_thread_of_the_pool_calls_at_once)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 0);
    void *result;

    ck_assert_int_eq(hub_threadpool_apply(pool, applies_inside, pool,
                                          HUB_FOREVER, &result),
                     0);
    ck_assert_int_eq((intptr_t)result, 8);
    hub_threadpool_unref(pool);
}
END_TEST

START_TEST(killing_a_pool_cancels_what_is_queued)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 1);
    struct hub_work *queued;

    hub_threadpool_spawn(pool, waits_at_gate, NULL, HUB_FOREVER, NULL);
    until_they_run(1);
    hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER, &queued);
    ck_assert_int_eq(hub_threadpool_kill(pool, hub_deadline(5 * MS)),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_work_get(queued, HUB_FOREVER, NULL), -ECANCELED);
    ck_assert_int_eq(hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER,
                                          NULL),
                     -ESHUTDOWN);
    open_gate();
    ck_assert_int_eq(hub_threadpool_kill(pool, HUB_FOREVER), 0);
    hub_work_unref(queued);
    hub_threadpool_unref(pool);
}
END_TEST

static void *uses_from_outside(void *pool)
{
    return (void *)(intptr_t)hub_threadpool_spawn(pool, doubles, NULL,
                                                  HUB_FOREVER, NULL);
}

START_TEST(another_thread_is_refused)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 0);
    pthread_t thread;
    void *rc;

    ck_assert_int_eq(pthread_create(&thread, NULL, uses_from_outside, pool), 0);
    pthread_join(thread, &rc);
    ck_assert_int_eq((intptr_t)rc, -EXDEV);
    hub_threadpool_unref(pool);
}
END_TEST

START_TEST(a_child_makes_threads_of_its_own)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 1);
    struct hub_work *running, *queued;
    int status;
    pid_t pid;

    if (WITH_TSAN) {
        fprintf(stderr, "work: ThreadSanitizer allows no threads in the "
                        "child of a fork()\n");
        hub_threadpool_unref(pool);
        return;
    }
    hub_threadpool_spawn(pool, waits_at_gate, NULL, HUB_FOREVER, &running);
    until_they_run(1);
    hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER, &queued);
    pid = fork();
    if (pid == 0) {
        void *result = NULL;
        int ok = hub_work_get(running, HUB_FOREVER, NULL) == -ECANCELED &&
                 hub_work_get(queued, HUB_FOREVER, NULL) == -ECANCELED &&
                 hub_threadpool_apply(pool, doubles, (void *)3, HUB_FOREVER,
                                      &result) == 0 &&
                 (intptr_t)result == 6;

        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    open_gate();
    ck_assert_int_eq(hub_work_get(queued, HUB_FOREVER, NULL), 0);
    hub_work_unref(running);
    hub_work_unref(queued);
    hub_threadpool_unref(pool);
}
END_TEST

static void *has_a_pool(void *arg)
{
    struct hub_threadpool *pool = hub_threadpool_new(1, 1);
    struct hub_work **works = arg;

    hub_threadpool_spawn(pool, waits_at_gate, NULL, HUB_FOREVER, &works[0]);
    until_they_run(1);
    hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER, &works[1]);
    hub_threadpool_unref(pool);
    return NULL;
}

/* The hub of the thread is gone, with work under way. */
START_TEST(work_outlives_its_hub)
{
    struct hub_work *works[2];
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, has_a_pool, works), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(hub_work_get(works[0], HUB_FOREVER, NULL), -ECANCELED);
    ck_assert_int_eq(hub_work_get(works[1], HUB_FOREVER, NULL), -ECANCELED);
    open_gate();
    hub_work_unref(works[0]);
    hub_work_unref(works[1]);
    while ((hub__own_threads() - hub__monitor_threads()) > 0)
        hub_sleep(MS);
}
END_TEST

START_TEST(the_default_pool_has_ten_threads)
{
    struct hub_threadpool_counts counts;
    struct hub_threadpool *pool = hub_threadpool_default();

    hub_threadpool_count(pool, &counts);
    ck_assert_uint_eq(counts.maxsize, 10);
    ck_assert_ptr_eq(pool, hub_threadpool_default());
    ck_assert_int_eq(hub_threadpool_kill(pool, HUB_FOREVER), 0);
}
END_TEST

static void *links_elsewhere(void *arg)
{
    struct hub_object object = hub_work_object(arg);
    static int rc;

    rc = hub_wait(&object, 1, HUB_FOREVER, 0, NULL);
    return &rc;
}

static void is_told(struct hub_object object, void *arg)
{
    ck_assert(hub_object_ready(object));
    ++*(int *)arg;
}

/* With other objects; the work of a killed pool is ready, too. */
START_TEST(work_is_an_object_that_can_be_waited_for)
{
    struct hub_threadpool *pool =
        hub_threadpool_new(1, HUB_THREADPOOL_UNBOUNDED);
    struct hub_event never = { { 0 } };
    struct hub_work *running, *queued;
    struct hub_object objects[3];
    struct hub_link link = { { 0 } }, unlinked = { { 0 } };
    size_t places[3];
    pthread_t thread;
    void *rc;
    int told = 0, untold = 0;

    hub_threadpool_spawn(pool, waits_at_gate, &gate, HUB_FOREVER, &running);
    until_they_run(1);
    hub_threadpool_spawn(pool, doubles, NULL, HUB_FOREVER, &queued);
    objects[0] = hub_event_object(&never);
    objects[1] = hub_work_object(running);
    objects[2] = hub_work_object(queued);
    ck_assert_int_eq(hub_wait(objects, 3, hub_deadline(2 * MS), 1, places), 0);
    ck_assert_int_eq(hub_rawlink(&link, objects[2], is_told, &told), 0);
    ck_assert_int_eq(hub_rawlink(&unlinked, objects[2], is_told, &untold), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, links_elsewhere, running), 0);
    pthread_join(thread, &rc);
    ck_assert_int_eq(*(int *)rc, -EXDEV);
    ck_assert_int_eq(hub_unlink(&unlinked), 0);
    open_gate();
    ck_assert_int_eq(hub_wait(objects, 3, HUB_FOREVER, 2, places), 2);
    ck_assert_uint_eq(places[0], 1);
    ck_assert_uint_eq(places[1], 2);
    hub_yield();
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(untold, 0);
    ck_assert_int_eq(hub_unlink(&link), -ENOENT);
    hub_work_unref(running);
    hub_work_unref(queued);
    hub_threadpool_unref(pool);
}
END_TEST

static void start_hub(void)
{
    hub_yield();
    __atomic_store_n(&gate, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&runs, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&most, 0, __ATOMIC_SEQ_CST);
    reported = 0;
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start_hub, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, a_result_comes_back_to_the_one_who_applies);
    tcase_add_test(tcase,
                   a_failure_is_reported_once_and_given_to_each_who_asks);
    tcase_add_test(tcase, spawn_waits_when_all_threads_are_busy);
    tcase_add_test(tcase, queued_work_can_be_cancelled_and_running_work_not);
    tcase_add_test(tcase,
                   places_go_to_the_oldest_and_past_one_that_was_killed);
    tcase_add_test(tcase, a_place_that_a_killed_one_was_given_is_passed_on);
    tcase_add_test(tcase, threads_grow_with_work_and_end_when_idle);
    tcase_add_test(tcase,
                   how_long_threads_idle_counts_for_those_that_do_already);
    tcase_add_test(tcase, apply_on_a_thread_of_the_pool_calls_at_once);
    tcase_add_test(tcase, killing_a_pool_cancels_what_is_queued);
    tcase_add_test(tcase, another_thread_is_refused);
    tcase_add_test(tcase, a_child_makes_threads_of_its_own);
    tcase_add_test(tcase, work_is_an_object_that_can_be_waited_for);
    tcase_add_test(tcase, work_outlives_its_hub);
    tcase_add_test(tcase, the_default_pool_has_ten_threads);
    return unit_run("work", tcase);
}
