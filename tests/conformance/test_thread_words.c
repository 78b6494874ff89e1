/* set_robust_list(2) and set_tid_address(2), which have no functions: what the
 * kernel is to do in memory when a thread ends */
#include "conf_threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static uint32_t word; /* a lock, or an id */
static sem_t ready;

static void setup(void)
{
    word = 0;
    ck_assert_int_eq(sem_init(&ready, 0, 0), 0);
}

static uint32_t value(void)
{
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

static void wait_while(uint32_t expected)
{
    while (value() == expected)
        if (syscall(SYS_futex, &word, FUTEX_WAIT, expected, NULL, NULL, 0) != 0)
            CONF_CHECK(errno == EAGAIN || errno == EINTR);
}

static void *get_list(size_t *size)
{
    void *list = NULL;

    if (syscall(SYS_get_robust_list, 0, &list, size) != 0)
        return NULL;
    return list;
}

static void *set_back(void *argument)
{
    size_t size = 0;
    void *list = get_list(&size);

    (void)argument;
    CONF_CHECK(list != NULL && size == sizeof(struct robust_list_head));
    CONF_CHECK(syscall(SYS_set_robust_list, list, size) == 0);
    CONF_CHECK(get_list(&size) == list);
    errno = 0;
    CONF_CHECK(syscall(SYS_set_robust_list, list, size + 1) == -1);
    CONF_CHECK(errno == EINVAL);
    return NULL;
}

/* qemu-user has none of them. */
static bool has_lists(void)
{
    size_t size;

    if (get_list(&size) != NULL)
        return true;
    puts("  skipped: get_robust_list() is not there");
    return false;
}

START_TEST(a_thread_gets_its_list_and_sets_it_back)
{
    if (!has_lists())
        return;
    join_thread(start_thread(set_back, NULL));
    set_back(NULL);
}
END_TEST

static void *list_of_other(void *argument)
{
    size_t size;
    void *list = get_list(&size);

    CONF_CHECK(list != NULL && list != argument);
    return NULL;
}

START_TEST(each_thread_has_a_list_of_its_own)
{
    size_t size;

    if (!has_lists())
        return;
    join_thread(start_thread(list_of_other, get_list(&size)));
}
END_TEST

static struct robust_list_head head;
static struct robust_list entry;
static pid_t id;

static void *die_as_owner(void *argument)
{
    (void)argument;
    head.futex_offset = (char *)&word - (char *)&entry;
    head.list.next = &entry;
    entry.next = &head.list;
    CONF_CHECK(syscall(SYS_set_robust_list, &head, sizeof head) == 0);
    id = gettid();
    __atomic_store_n(&word, (uint32_t)id | FUTEX_WAITERS,
                     __ATOMIC_RELEASE);
    CONF_CHECK(sem_post(&ready) == 0);
    let_block();
    return NULL;
}

START_TEST(who_waits_for_a_lock_of_the_list_is_told_of_the_end)
{
    pthread_t thread;

    if (!has_lists())
        return;
    thread = start_thread(die_as_owner, NULL);
    ck_assert_int_eq(sem_wait(&ready), 0);
    wait_while((uint32_t)id | FUTEX_WAITERS);
    ck_assert_uint_eq(value(), FUTEX_WAITERS | FUTEX_OWNER_DIED);
    join_thread(thread);
}
END_TEST

/* A list that was on its stack, say: nothing is made of it. */
static void *leave_nonsense(void *argument)
{
    head.list.next = argument;
    CONF_CHECK(syscall(SYS_set_robust_list, &head, sizeof head) == 0);
    return NULL;
}

START_TEST(a_list_that_leads_nowhere_does_no_harm)
{
    if (!has_lists())
        return;
    memset(&head, 0, sizeof head);
    join_thread(start_thread(leave_nonsense, NULL));
    join_thread(start_thread(leave_nonsense, (void *)16));
    head.list_op_pending = (void *)24;
    join_thread(start_thread(leave_nonsense, &head.list));
}
END_TEST

static void *set_address(void *argument)
{
    (void)argument;
    CONF_CHECK(syscall(SYS_set_tid_address, &word) == gettid());
    CONF_CHECK(sem_post(&ready) == 0);
    let_block();
    return NULL;
}

/* libc waits for that word in pthread_join(): nobody joins it. */
START_TEST(the_word_of_a_thread_is_cleared_at_its_end)
{
    word = 77;
    ck_assert_int_eq(pthread_detach(start_thread(set_address, NULL)), 0);
    ck_assert_int_eq(sem_wait(&ready), 0);
    wait_while(77);
    ck_assert_uint_eq(value(), 0);
}
END_TEST

static void *address_and_back(void *argument)
{
    void *before = NULL, *now = NULL;

    (void)argument;
    if (prctl(PR_GET_TID_ADDRESS, &before) != 0)
        return NULL; /* not of this kernel */
    CONF_CHECK(syscall(SYS_set_tid_address, &word) == gettid());
    CONF_CHECK(prctl(PR_GET_TID_ADDRESS, &now) == 0 && now == &word);
    CONF_CHECK(syscall(SYS_set_tid_address, before) == gettid());
    CONF_CHECK(prctl(PR_GET_TID_ADDRESS, &now) == 0 && now == before);
    return NULL;
}

START_TEST(the_word_may_be_changed_for_a_while)
{
    word = 77;
    join_thread(start_thread(address_and_back, NULL));
    ck_assert_uint_eq(value(), 77);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, NULL);
    conf_test(tcase, a_thread_gets_its_list_and_sets_it_back, 1);
    conf_test(tcase, each_thread_has_a_list_of_its_own, 1);
    conf_test(tcase, who_waits_for_a_lock_of_the_list_is_told_of_the_end, 1);
    conf_test(tcase, a_list_that_leads_nowhere_does_no_harm, 1);
    conf_test(tcase, the_word_of_a_thread_is_cleared_at_its_end, 1);
    conf_test(tcase, the_word_may_be_changed_for_a_while, 1);
}

int main(void)
{
    return conf_main("thread_words", add, CONF_THREADS);
}
