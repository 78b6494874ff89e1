/* pthread_setname_np(3) and pthread_getname_np(3) */
#include "conf_threads.h"

#include <errno.h>
#include <semaphore.h>

enum { NAME_SIZE = 16 };

static char name_before[NAME_SIZE];
static sem_t named, go_on;

static void setup(void)
{
    ck_assert_int_eq(sem_init(&named, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    ck_assert_int_eq(pthread_getname_np(pthread_self(), name_before, NAME_SIZE),
                     0);
}

static void teardown(void)
{
    ck_assert_int_eq(pthread_setname_np(pthread_self(), name_before), 0);
}

static const char *name_of(pthread_t thread)
{
    static char name[NAME_SIZE];

    ck_assert_int_eq(pthread_getname_np(thread, name, sizeof name), 0);
    return name;
}

START_TEST(main_has_the_name_of_the_process)
{
    char name[NAME_SIZE + 1] = "";
    FILE *file = fopen("/proc/self/comm", "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(name, sizeof name, file));
    fclose(file);
    name[strcspn(name, "\n")] = 0;
    ck_assert_str_eq(name_before, name);
}
END_TEST

START_TEST(keeps_a_name)
{
    ck_assert_int_eq(pthread_setname_np(pthread_self(), "fifteen letters"), 0);
    ck_assert_str_eq(name_of(pthread_self()), "fifteen letters");
    ck_assert_int_eq(pthread_setname_np(pthread_self(), ""), 0);
    ck_assert_str_eq(name_of(pthread_self()), "");
}
END_TEST

START_TEST(refuses_what_is_too_long)
{
    ck_assert_int_eq(pthread_setname_np(pthread_self(), "sixteen letters!"),
                     ERANGE);
    ck_assert_str_eq(name_of(pthread_self()), name_before);
}
END_TEST

START_TEST(refuses_a_place_that_is_too_small)
{
    char name[NAME_SIZE];

    ck_assert_int_eq(pthread_getname_np(pthread_self(), name, NAME_SIZE - 1),
                     ERANGE);
}
END_TEST

static void *take_name(void *name)
{
    char seen[NAME_SIZE];

    CONF_CHECK(pthread_setname_np(pthread_self(), name) == 0);
    CONF_CHECK(sem_post(&named) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(pthread_getname_np(pthread_self(), seen, sizeof seen) == 0);
    CONF_CHECK(strcmp(seen, name) == 0);
    return NULL;
}

START_TEST(each_thread_has_its_own)
{
    pthread_t first = start_thread(take_name, "first");
    pthread_t second = start_thread(take_name, "second");

    ck_assert_int_eq(sem_wait(&named), 0);
    ck_assert_int_eq(sem_wait(&named), 0);
    ck_assert_str_eq(name_of(first), "first");
    ck_assert_str_eq(name_of(second), "second");
    ck_assert_str_eq(name_of(pthread_self()), name_before);
    ck_assert_int_eq(sem_post(&go_on), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(first);
    join_thread(second);
}
END_TEST

static void *wait_to_go_on(void *argument)
{
    CONF_CHECK(sem_wait(&go_on) == 0);
    return argument;
}

START_TEST(a_thread_can_name_another)
{
    pthread_t thread = start_thread(wait_to_go_on, NULL);

    ck_assert_int_eq(pthread_setname_np(thread, "other"), 0);
    ck_assert_str_eq(name_of(thread), "other");
    ck_assert_str_eq(name_of(pthread_self()), name_before);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

START_TEST(a_new_thread_inherits_the_name_of_its_maker)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_setname_np(pthread_self(), "maker"), 0);
    thread = start_thread(wait_to_go_on, NULL);
    ck_assert_str_eq(name_of(thread), "maker");
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, main_has_the_name_of_the_process, 1);
    conf_test(tcase, keeps_a_name, 1);
    conf_test(tcase, refuses_what_is_too_long, 1);
    conf_test(tcase, refuses_a_place_that_is_too_small, 1);
    conf_test(tcase, each_thread_has_its_own, 1);
    conf_test(tcase, a_thread_can_name_another, 1);
    conf_test(tcase, a_new_thread_inherits_the_name_of_its_maker, 1);
}

int main(void)
{
    return conf_main("pthread_names", add, CONF_THREADS);
}
