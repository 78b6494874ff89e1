/* Thread-specific data: keys, values, destructors, limits */
#include "conf_threads.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>

static pthread_key_t key;
static int destroyed;
static sem_t go_on;

static void setup(void)
{
    destroyed = 0;
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
}

static void *get_and_set(void *argument)
{
    CONF_CHECK(pthread_getspecific(key) == NULL);
    CONF_CHECK(pthread_setspecific(key, argument) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(pthread_getspecific(key) == argument);
    sleep_ms(1);
    CONF_CHECK(pthread_getspecific(key) == argument);
    return NULL;
}

START_TEST(each_thread_has_its_value)
{
    pthread_t threads[20];
    int places[20];

    ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
    ck_assert_ptr_null(pthread_getspecific(key));
    ck_assert_int_eq(pthread_setspecific(key, &key), 0);
    for (int i = 0; i < 20; i++)
        threads[i] = start_thread(get_and_set, &places[i]);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(sem_post(&go_on), 0);
    for (int i = 0; i < 20; i++)
        join_thread(threads[i]);
    ck_assert_ptr_eq(pthread_getspecific(key), &key);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void count_destroyed(void *value)
{
    CONF_CHECK(pthread_getspecific(key) == NULL);
    CONF_CHECK(value == &key);
    destroyed++;
}

static void *set_and_end(void *value)
{
    CONF_CHECK(pthread_setspecific(key, value) == 0);
    return NULL;
}

START_TEST(destructors_run_for_values)
{
    ck_assert_int_eq(pthread_key_create(&key, count_destroyed), 0);
    join_thread(start_thread(set_and_end, &key));
    ck_assert_int_eq(destroyed, 1);
    join_thread(start_thread(set_and_end, NULL));
    ck_assert_int_eq(destroyed, 1);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void *set_and_take_back(void *value)
{
    CONF_CHECK(pthread_setspecific(key, value) == 0);
    CONF_CHECK(pthread_setspecific(key, NULL) == 0);
    return NULL;
}

START_TEST(a_value_taken_back_is_not_destroyed)
{
    ck_assert_int_eq(pthread_key_create(&key, count_destroyed), 0);
    join_thread(start_thread(set_and_take_back, &key));
    ck_assert_int_eq(destroyed, 0);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void *set_and_wait(void *value)
{
    CONF_CHECK(pthread_setspecific(key, value) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    return NULL;
}

START_TEST(a_deleted_key_destroys_nothing)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_key_create(&key, count_destroyed), 0);
    thread = start_thread(set_and_wait, &key);
    let_block();
    ck_assert_int_eq(pthread_key_delete(key), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(destroyed, 0);
}
END_TEST

START_TEST(a_new_key_forgets_what_an_old_one_held)
{
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
        ck_assert_ptr_null(pthread_getspecific(key));
        ck_assert_int_eq(pthread_setspecific(key, &key), 0);
        ck_assert_int_eq(pthread_key_delete(key), 0);
    }
}
END_TEST

START_TEST(refuses_what_is_no_key)
{
    ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
    ck_assert_int_eq(pthread_key_delete(key), 0);
    ck_assert_int_eq(pthread_key_delete(key), EINVAL);
    ck_assert_int_eq(pthread_setspecific(key, &key), EINVAL);
    ck_assert_int_eq(pthread_setspecific(PTHREAD_KEYS_MAX, &key), EINVAL);
    ck_assert_ptr_null(pthread_getspecific(PTHREAD_KEYS_MAX));
}
END_TEST

/* A sanitizer has keys of its own; nothing else that is linked has. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAKEN 8
#else
#define TAKEN 0
#endif

static pthread_key_t keys[PTHREAD_KEYS_MAX];
static int many, many_destroyed;

static void count_one_of_many(void *value)
{
    CONF_CHECK(value == &keys);
    many_destroyed++;
}

static void *set_all(void *argument)
{
    for (int i = 0; i < many; i++)
        CONF_CHECK(pthread_setspecific(keys[i], &keys) == 0);
    sleep_ms(1);
    for (int i = 0; i < many; i++)
        CONF_CHECK(pthread_getspecific(keys[i]) == &keys);
    return argument;
}

START_TEST(there_are_as_many_as_posix_wants_and_no_more)
{
    int err = 0;

    many = many_destroyed = 0;
    while (many < PTHREAD_KEYS_MAX && err == 0) {
        err = pthread_key_create(&keys[many], count_one_of_many);
        many += err == 0;
    }
    ck_assert_int_ge(many, PTHREAD_KEYS_MAX - TAKEN);
    ck_assert_int_eq(pthread_key_create(&key, NULL), EAGAIN);
    join_thread(start_thread(set_all, NULL));
    ck_assert_int_eq(many_destroyed, many);
    for (int i = 0; i < many; i++)
        ck_assert_int_eq(pthread_key_delete(keys[i]), 0);
}
END_TEST

/* A destructor may set values again, its own or another's. */
static pthread_key_t other;
static int rounds;

static void set_the_other(void *value)
{
    rounds++;
    if (rounds < 3)
        CONF_CHECK(pthread_setspecific(other, value) == 0);
}

static void *set_the_first(void *value)
{
    CONF_CHECK(pthread_setspecific(other, value) == 0);
    return NULL;
}

START_TEST(a_value_set_by_a_destructor_is_destroyed)
{
    rounds = 0;
    ck_assert_int_eq(pthread_key_create(&other, set_the_other), 0);
    join_thread(start_thread(set_the_first, &other));
    ck_assert_int_eq(rounds, 3);
    ck_assert_int_eq(pthread_key_delete(other), 0);
}
END_TEST

static void set_for_ever(void *value)
{
    rounds++;
    CONF_CHECK(pthread_setspecific(other, value) == 0);
}

START_TEST(rounds_of_destructors_are_bounded)
{
    rounds = 0;
    ck_assert_int_eq(pthread_key_create(&other, set_for_ever), 0);
    join_thread(start_thread(set_the_first, &other));
    ck_assert_int_eq(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    ck_assert_int_eq(pthread_key_delete(other), 0);
}
END_TEST

static void block_in_destructor(void *value)
{
    sleep_ms(5);
    CONF_CHECK(sem_wait(value) == 0);
    destroyed++;
}

START_TEST(a_destructor_may_block)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_key_create(&key, block_in_destructor), 0);
    thread = start_thread(set_and_end, &go_on);
    let_block();
    ck_assert_int_eq(destroyed, 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(destroyed, 1);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

/* Many threads, values that change, switches in between. */
static pthread_key_t stress_keys[40];

static void *change_values(void *argument)
{
    char *mine = argument;

    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 40; i++)
            CONF_CHECK(pthread_setspecific(stress_keys[i], mine + round + i) ==
                       0);
        sched_yield();
        for (int i = 0; i < 40; i++)
            CONF_CHECK(pthread_getspecific(stress_keys[i]) == mine + round + i);
    }
    return NULL;
}

START_TEST(values_do_not_mix_under_stress)
{
    static char places[16][1024];
    pthread_t threads[16];

    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(pthread_key_create(&stress_keys[i], NULL), 0);
    for (int i = 0; i < 16; i++)
        threads[i] = start_thread(change_values, places[i]);
    for (int i = 0; i < 16; i++)
        join_thread(threads[i]);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(pthread_key_delete(stress_keys[i]), 0);
}
END_TEST

static pthread_key_t plain;
static void *seen[2];
static int looks;

static void look_twice(void *value)
{
    if (looks < 2)
        seen[looks++] = pthread_getspecific(plain);
    if (looks < 2)
        CONF_CHECK(pthread_setspecific(key, value) == 0);
}

static void *have_two_values(void *argument)
{
    CONF_CHECK(pthread_setspecific(key, &key) == 0);
    CONF_CHECK(pthread_setspecific(plain, &plain) == 0);
    return argument;
}

/* In the first round it depends on which key is first. */
START_TEST(values_without_a_destructor_go_with_the_others)
{
    seen[1] = &seen;
    looks = 0;
    ck_assert_int_eq(pthread_key_create(&key, look_twice), 0);
    ck_assert_int_eq(pthread_key_create(&plain, NULL), 0);
    join_thread(start_thread(have_two_values, NULL));
    ck_assert_int_eq(looks, 2);
    ck_assert_ptr_null(seen[1]);
    ck_assert_int_eq(pthread_key_delete(plain), 0);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, values_without_a_destructor_go_with_the_others, 1);
    conf_test(tcase, each_thread_has_its_value, 1);
    conf_test(tcase, destructors_run_for_values, 1);
    conf_test(tcase, a_value_taken_back_is_not_destroyed, 1);
    conf_test(tcase, a_deleted_key_destroys_nothing, 1);
    conf_test(tcase, a_new_key_forgets_what_an_old_one_held, 1);
    conf_test(tcase, refuses_what_is_no_key, 1);
    conf_test(tcase, there_are_as_many_as_posix_wants_and_no_more, 1);
    conf_test(tcase, a_value_set_by_a_destructor_is_destroyed, 1);
    conf_test(tcase, rounds_of_destructors_are_bounded, 1);
    conf_test(tcase, a_destructor_may_block, 1);
    conf_test(tcase, values_do_not_mix_under_stress, 1);
}

int main(void)
{
    return conf_main("keys", add, CONF_THREADS);
}
