/* A descriptor that is closed in one thread while the hub of another waits. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static int ends[2];
static uint32_t waiting; /* atomic */

static void *waits(void *arg)
{
    int *rc = arg;

    hub_yield();
    __atomic_store_n(&waiting, 1, __ATOMIC_RELEASE);
    *rc = hub_wait_fd(ends[0], HUB_READ, hub_deadline(20 * HUB_SECOND));
    return NULL;
}

static pthread_t start(int *rc)
{
    pthread_t thread;

    waiting = 0;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, waits, rc), 0);
    while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) == 0)
        hub_sleep(HUB_MILLISECOND);
    hub_sleep(20 * HUB_MILLISECOND); /* it is in the wait, most likely */
    return thread;
}

START_TEST(the_wait_of_another_hub_ends)
{
    int rc = 1;
    pthread_t thread = start(&rc);

    ck_assert_int_eq(hub_close(ends[0]), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(rc, -EBADF);
    close(ends[1]);
}
END_TEST

static int reads(void *arg, void **result)
{
    (void)result;
    return hub_wait_fd(*(int *)arg, HUB_READ, hub_deadline(20 * HUB_SECOND));
}

START_TEST(a_number_that_is_used_again_at_once_is_left_alone)
{
    int rc = 1, fresh[2], number, other;
    pthread_t thread = start(&rc);
    struct greenlet *g;

    number = ends[0];
    other = ends[1];
    ck_assert_int_eq(hub_close(number), 0);
    ck_assert_int_eq(hub_pipe(fresh), 0);
    ck_assert_int_eq(fresh[0], number);
    g = hub_spawn(reads, &fresh[0]);
    hub_sleep(20 * HUB_MILLISECOND);
    ck_assert(!hub_ready(g)); /* the other hub's end is not ours */
    ck_assert_int_eq(write(fresh[1], "x", 1), 1);
    ck_assert_int_eq(hub_get(g, HUB_FOREVER, NULL), 0);
    greenlet_unref(g);
    pthread_join(thread, NULL);
    ck_assert_int_eq(rc, -EBADF);
    hub_close(fresh[0]);
    hub_close(fresh[1]);
    close(other);
}
END_TEST

static void *closes(void *arg)
{
    hub_close(*(int *)arg);
    return NULL;
}

START_TEST(a_thread_without_a_hub_may_close)
{
    pthread_t closer;
    struct greenlet *g;

    ck_assert_int_eq(hub_pipe(ends), 0);
    g = hub_spawn(reads, &ends[0]);
    hub_sleep(HUB_MILLISECOND);
    ck_assert_int_eq(pthread_create(&closer, NULL, closes, &ends[0]), 0);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    pthread_join(closer, NULL);
    ck_assert_int_eq(hub_exception(g)->error != 0
                         ? hub_exception(g)->error
                         : hub_get(g, HUB_FOREVER, NULL),
                     -EBADF);
    greenlet_unref(g);
    hub_close(ends[1]);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    if (hub_current() == NULL)
        return EXIT_FAILURE;
    hub_set_error_fd(-1); /* a wait that ends so is a failure, and reported */
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, the_wait_of_another_hub_ends);
    tcase_add_test(tcase, a_number_that_is_used_again_at_once_is_left_alone);
    tcase_add_test(tcase, a_thread_without_a_hub_may_close);
    return unit_run("fdshare", tcase);
}
