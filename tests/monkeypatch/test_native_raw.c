/* Threads made by clone() in threads that stay the kernel's (VIREO_NATIVE_THREADS).
 * The program runs itself again with the variable set. */
#include "../conformance/conf_raw.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

/* Found by dladdr(): exported. */
void *chosen_maker(void *argument);

static sem_t begun, go_on;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct raw one;

static void setup(void)
{
    ck_assert_int_eq(sem_init(&begun, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
}

void *chosen_maker(void *argument)
{
    void (*function)(void) = *(void (**)(void))argument;

    function();
    return NULL;
}

/* ---- a copy of its maker's block ---- */

static int wait_twice(void *argument)
{
    (void)argument;
    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(sem_post(&begun) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    return 0;
}

static void make_one_that_waits(void)
{
    start_raw(&one, wait_twice, COPIED);
    CONF_CHECK(sem_post(&go_on) == 0);
    while (sem_wait(&begun) != 0)
        CONF_CHECK(errno == EINTR);
}

/* Its waits are not the maker's, whose stack is gone. */
START_TEST(with_a_copied_block_it_outlives_its_maker)
{
    void (*function)(void) = make_one_that_waits;
    char *stack = memory(STACK);
    pthread_attr_t attributes;
    pthread_t maker;

    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, STACK), 0);
    ck_assert_int_eq(
        pthread_create(&maker, &attributes, chosen_maker, (void *)&function), 0);
    pthread_attr_destroy(&attributes);
    join_thread(maker);
    ck_assert_int_eq(munmap(stack, STACK), 0);
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_raw(&one);
}
END_TEST

static int try_it(void *argument)
{
    (void)argument;
    CONF_CHECK(pthread_mutex_trylock(&recursive) == EBUSY);
    return 0;
}

static void lock_and_make(void)
{
    CONF_CHECK(pthread_mutex_lock(&recursive) == 0);
    start_raw(&one, try_it, COPIED);
    join_raw(&one);
    CONF_CHECK(pthread_mutex_unlock(&recursive) == 0);
}

START_TEST(with_a_copied_block_it_is_no_owner_of_its_makers_locks)
{
    void (*function)(void) = lock_and_make;

    join_thread(start_thread(chosen_maker, (void *)&function));
}
END_TEST

/* ---- without one ---- */

static __thread int users;
static bool other_block; /* the library gives them some; natively it is the maker's */
static int rounds;

static int use_block(void *argument)
{
    struct timespec pause = { 0, 0 };
    long turns = (long)((struct raw *)argument)->tid % 3;

    CONF_CHECK(__atomic_add_fetch(&users, 1, __ATOMIC_SEQ_CST) == 1);
    for (long i = 0; i < turns; i++) {
        pause.tv_nsec = 1000 * i;
        syscall(SYS_nanosleep, &pause, NULL);
        sched_yield();
    }
    CONF_CHECK(__atomic_sub_fetch(&users, 1, __ATOMIC_SEQ_CST) == 0);
    return 0;
}

static int find_block(void *argument)
{
    other_block = __atomic_load_n(&users, __ATOMIC_SEQ_CST) == 0;
    (void)argument;
    return 0;
}

static void make_many(void)
{
    struct raw raws[4];

    users = 1;
    start_raw(&raws[0], find_block, MAKERS);
    join_raw(&raws[0]);
    for (int round = 0; other_block && round < rounds; round++) {
        for (int i = 0; i < 4; i++)
            start_raw(&raws[i], use_block, MAKERS);
        for (int i = 0; i < 4; i++)
            join_raw(&raws[i]);
    }
}

START_TEST(blocks_are_each_of_one_thread)
{
    void (*function)(void) = make_many;
    pthread_t makers[3];

    rounds = conf_emulated() ? 25 : 500;
    if (conf_emulated())
        printf("reduced: %d rounds of each maker\n", rounds);
    for (int i = 0; i < 3; i++)
        makers[i] = start_thread(chosen_maker, (void *)&function);
    for (int i = 0; i < 3; i++)
        join_thread(makers[i]);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, with_a_copied_block_it_outlives_its_maker, 1);
    conf_test(tcase, with_a_copied_block_it_is_no_owner_of_its_makers_locks, 1);
    conf_test(tcase, blocks_are_each_of_one_thread, 1);
}

int main(int count, char **arguments)
{
    (void)count;
    if (getenv("VIREO_NATIVE_THREADS") == NULL) {
        setenv("VIREO_NATIVE_THREADS", "chosen_*", 1);
        execv("/proc/self/exe", arguments);
    }
    return conf_main("native_raw", add, CONF_THREADS);
}
