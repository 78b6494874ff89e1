/* pthread_join(3), and its tryjoin, timedjoin and clockjoin variants
 *
 * Two joiners of one thread, and two threads that join each other, are not
 * tried: both are undefined, and glibc 2.36 sees neither. */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>

static sem_t go_on;

static void setup(void)
{
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(sem_destroy(&go_on), 0);
}

static void post(void *argument)
{
    (void)argument;
    CONF_CHECK(sem_post(&go_on) == 0);
}

static void *wait_to_go_on(void *argument)
{
    CONF_CHECK(sem_wait(&go_on) == 0);
    return argument;
}

static void *end_at_once(void *argument)
{
    return argument;
}

START_TEST(waits_for_the_value)
{
    pthread_t thread = start_thread(wait_to_go_on, &go_on);
    pthread_t other = start_later(30, post, NULL);
    void *value = NULL;

    ck_assert_int_eq(pthread_join(thread, &value), 0);
    ck_assert_ptr_eq(value, &go_on);
    join_thread(other);
}
END_TEST

START_TEST(finds_the_value_of_one_that_ended)
{
    pthread_t thread = start_thread(end_at_once, &go_on);
    void *value = NULL;

    sleep_ms(30);
    ck_assert_int_eq(pthread_join(thread, &value), 0);
    ck_assert_ptr_eq(value, &go_on);
}
END_TEST

START_TEST(needs_no_place_for_the_value)
{
    ck_assert_int_eq(pthread_join(start_thread(end_at_once, &go_on), NULL), 0);
}
END_TEST

START_TEST(joins_many_one_after_the_other)
{
    int64_t stamp = 0;
    char *wrote = (char *)&stamp;

    for (int i = 0; i < 100; i++) {
        ck_assert_ptr_eq(join_thread(start_thread(end_at_once, wrote)), wrote);
        wrote++;
    }
}
END_TEST

/* Each of a chain joins the next; the last waits. */
struct link {
    pthread_t thread;
    struct link *next;
};

static void *join_next(void *argument)
{
    struct link *self = argument;

    if (self->next == NULL)
        return wait_to_go_on(argument);
    self->next->thread = start_thread(join_next, self->next);
    return join_thread(self->next->thread);
}

START_TEST(chains)
{
    enum { LENGTH = 50 };
    struct link chain[LENGTH];
    pthread_t other;

    for (int i = 0; i < LENGTH; i++)
        chain[i].next = i + 1 < LENGTH ? &chain[i + 1] : NULL;
    chain[0].thread = start_thread(join_next, &chain[0]);
    other = start_later(20, post, NULL);
    ck_assert_ptr_eq(join_thread(chain[0].thread), &chain[LENGTH - 1]);
    join_thread(other);
}
END_TEST

static pthread_t starter;

static void *join_starter(void *argument)
{
    pthread_join(starter, NULL);
    return argument;
}

/* Not refused as a circle: its own wait ends. */
START_TEST(who_waits_for_us_and_is_cancelled_is_joined)
{
    pthread_t thread;
    void *result = NULL;

    starter = pthread_self();
    thread = start_thread(join_starter, NULL);
    sleep_ms(30);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}
END_TEST

START_TEST(refuses_oneself)
{
    ck_assert_int_eq(pthread_join(pthread_self(), NULL), EDEADLK);
}
END_TEST

START_TEST(refuses_a_detached_thread)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    ck_assert_int_eq(pthread_detach(thread), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), EINVAL);
    post(NULL);
    let_block();
}
END_TEST

static void *get_cancelled_joining(void *argument)
{
    pthread_join(*(pthread_t *)argument, NULL);
    return NULL;
}

START_TEST(a_cancelled_joiner_leaves_it_joinable)
{
    pthread_t thread = start_thread(wait_to_go_on, &go_on);
    pthread_t first = start_thread(get_cancelled_joining, &thread);

    let_block();
    ck_assert_int_eq(pthread_cancel(first), 0);
    ck_assert_ptr_eq(join_thread(first), PTHREAD_CANCELED);
    post(NULL);
    ck_assert_ptr_eq(join_thread(thread), &go_on);
}
END_TEST

START_TEST(tryjoin_does_not_wait)
{
    pthread_t thread = start_thread(wait_to_go_on, &go_on);
    void *value = NULL;
    int err;

    ck_assert_int_eq(pthread_tryjoin_np(thread, &value), EBUSY);
    post(NULL);
    while ((err = pthread_tryjoin_np(thread, &value)) == EBUSY)
        sleep_ms(1);
    ck_assert_int_eq(err, 0);
    ck_assert_ptr_eq(value, &go_on);
}
END_TEST

static int timed_join(int variant, pthread_t thread, void **value, int ms)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_REALTIME,
                                       CLOCK_MONOTONIC};
    struct timespec when = deadline_in(clocks[variant], ms);

    if (variant == 0)
        return pthread_timedjoin_np(thread, value, &when);
    return pthread_clockjoin_np(thread, value, clocks[variant], &when);
}

START_TEST(gives_up_at_the_deadline)
{
    pthread_t thread = start_thread(wait_to_go_on, &go_on);
    int64_t before = now_ns();
    void *value = NULL;

    ck_assert_int_eq(timed_join(_i, thread, &value, 30), ETIMEDOUT);
    ck_assert_int_ge(now_ns() - before, 29 * CONF_MS);
    ck_assert_int_eq(timed_join(_i, thread, &value, -30), ETIMEDOUT);
    ck_assert_ptr_null(value);
    post(NULL);
    ck_assert_int_eq(timed_join(_i, thread, &value, 20000), 0);
    ck_assert_ptr_eq(value, &go_on);
}
END_TEST

START_TEST(joins_before_the_deadline)
{
    pthread_t thread = start_thread(wait_to_go_on, &go_on);
    pthread_t other = start_later(20, post, NULL);
    void *value = NULL;

    ck_assert_int_eq(timed_join(_i, thread, &value, 20000), 0);
    ck_assert_ptr_eq(value, &go_on);
    join_thread(other);
}
END_TEST

START_TEST(one_that_ended_is_joined_past_the_deadline)
{
    pthread_t thread = start_thread(end_at_once, &go_on);
    void *value = NULL;

    sleep_ms(30);
    ck_assert_int_eq(timed_join(_i, thread, &value, -1000), 0);
    ck_assert_ptr_eq(value, &go_on);
}
END_TEST

START_TEST(no_deadline_is_for_ever)
{
    pthread_t thread = start_thread(wait_to_go_on, &go_on);
    pthread_t other = start_later(20, post, NULL);
    void *value = NULL;

    ck_assert_int_eq(pthread_timedjoin_np(thread, &value, NULL), 0);
    ck_assert_ptr_eq(value, &go_on);
    join_thread(other);
}
END_TEST

START_TEST(refuses_a_clock_that_nobody_waits_on)
{
    struct timespec when = deadline_in(CLOCK_MONOTONIC, 100);
    pthread_t thread = start_thread(wait_to_go_on, &go_on);

    ck_assert_int_eq(
        pthread_clockjoin_np(thread, NULL, CLOCK_PROCESS_CPUTIME_ID, &when),
        EINVAL);
    post(NULL);
    join_thread(thread);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, waits_for_the_value, 1);
    conf_test(tcase, finds_the_value_of_one_that_ended, 1);
    conf_test(tcase, needs_no_place_for_the_value, 1);
    conf_test(tcase, joins_many_one_after_the_other, 1);
    conf_test(tcase, chains, 1);
    conf_test(tcase, refuses_oneself, 1);
    conf_test(tcase, who_waits_for_us_and_is_cancelled_is_joined, 1);
    conf_test(tcase, refuses_a_detached_thread, 1);
    conf_test(tcase, a_cancelled_joiner_leaves_it_joinable, 1);
    conf_test(tcase, tryjoin_does_not_wait, 1);
    conf_test(tcase, gives_up_at_the_deadline, 3);
    conf_test(tcase, joins_before_the_deadline, 3);
    conf_test(tcase, one_that_ended_is_joined_past_the_deadline, 3);
    conf_test(tcase, no_deadline_is_for_ever, 1);
    conf_test(tcase, refuses_a_clock_that_nobody_waits_on, 1);
}

int main(void)
{
    return conf_main("pthread_join", add, CONF_THREADS);
}
