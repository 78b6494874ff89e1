/* Pools of connections: bounded, fair, checked. */
#include "../unit.h"

#include "hub/connpool.h"
#include "hub/spawn.h"
#include "hub/timeout.h"

#include <errno.h>

static int opened, closed, open_rc;
static bool sick;
static char connections[100];

static int open_one(void *arg, void **connection)
{
    (void)arg;
    if (open_rc == 0)
        *connection = &connections[opened++];
    return open_rc != 1 ? open_rc : hub_sleep(HUB_FOREVER);
}

static void close_one(void *connection, void *arg)
{
    (void)arg;
    ck_assert_ptr_nonnull(connection);
    ck_assert_int_eq(hub_sleep(0), 0); /* also when its user was killed */
    closed++;
}

static bool healthy(void *connection, void *arg)
{
    (void)arg;
    return !sick || connection != &connections[0];
}

static struct hub_connpool *make(int most, int64_t idle_ns)
{
    const struct hub_connpool_options options = { .open = open_one,
                                                  .close = close_one,
                                                  .healthy = healthy,
                                                  .most = most,
                                                  .idle_ns = idle_ns };
    struct hub_connpool *pool;

    opened = closed = open_rc = 0;
    sick = false;
    ck_assert_int_eq(hub_connpool_new(&options, &pool), 0);
    return pool;
}

static void counts(const struct hub_connpool *pool, int all, int used)
{
    int is_all, is_used;

    hub_connpool_count(pool, &is_all, &is_used);
    ck_assert_int_eq(is_all, all);
    ck_assert_int_eq(is_used, used);
}

START_TEST(what_was_used_last_is_taken_first)
{
    struct hub_connpool *pool = make(3, 0);
    void *a, *b, *c;

    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &b), 0);
    ck_assert_ptr_ne(a, b);
    counts(pool, 2, 2);
    hub_connpool_give(pool, b, false);
    hub_connpool_give(pool, a, false);
    counts(pool, 2, 0);
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &c), 0);
    ck_assert_ptr_eq(c, a);
    hub_connpool_give(pool, c, false);
    ck_assert_int_eq(opened, 2);
    hub_connpool_free(pool);
    ck_assert_int_eq(closed, 2);
}
END_TEST

START_TEST(what_is_broken_sick_or_stale_is_closed)
{
    struct hub_connpool *pool = make(3, HUB_MILLISECOND);
    void *a;

    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    hub_connpool_give(pool, a, true);
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    hub_connpool_give(pool, a, false);
    hub_sleep(5 * HUB_MILLISECOND);
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    ck_assert_int_eq(closed, 2);
    hub_connpool_give(pool, a, false);
    hub_connpool_free(pool);
    pool = make(3, -1);
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    sick = true;
    hub_connpool_give(pool, a, false); /* in the middle of a query */
    ck_assert_int_eq(closed, 1);
    counts(pool, 0, 0);
    hub_connpool_free(pool);
}
END_TEST

START_TEST(one_that_became_sick_while_idle_is_replaced)
{
    struct hub_connpool *pool = make(3, 0);
    void *a;

    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    hub_connpool_give(pool, a, false);
    sick = true;
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    ck_assert_ptr_eq(a, &connections[1]);
    ck_assert_int_eq(closed, 1);
    hub_connpool_give(pool, a, false);
    hub_connpool_free(pool);
}
END_TEST

static char order[16];

static int takes(void *arg, void **result)
{
    struct hub_connpool *pool = arg;
    void *a;
    int rc = hub_connpool_take(pool, HUB_FOREVER, &a);

    (void)result;
    if (rc < 0)
        return rc;
    strcat(order, greenlet_name(greenlet_current()));
    hub_yield();
    hub_connpool_give(pool, a, false);
    return 0;
}

START_TEST(who_waits_longest_goes_first_and_waits_have_deadlines)
{
    static const char *const names[] = { "1", "2", "3" };
    struct hub_connpool *pool = make(1, 0);
    struct greenlet *list[3];
    void *a, *b;

    order[0] = '\0';
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    ck_assert_int_eq(hub_connpool_take(pool, hub_deadline(HUB_MILLISECOND), &b),
                     -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        list[i] = hub_spawn(takes, pool);
        greenlet_set_name(list[i], names[i]);
    }
    hub_yield();
    hub_kill(list[1]);
    hub_connpool_give(pool, a, false);
    for (int i = 0; i < 3; i++) {
        hub_join(list[i], HUB_FOREVER);
        greenlet_unref(list[i]);
    }
    ck_assert_str_eq(order, "13");
    counts(pool, 1, 0);
    hub_connpool_free(pool);
}
END_TEST

START_TEST(what_cannot_be_opened_takes_no_place)
{
    struct hub_connpool *pool = make(1, 0);
    void *a;

    open_rc = -ECONNREFUSED;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a),
                         -ECONNREFUSED);
    open_rc = 1; /* waits: the deadline is of all of it */
    ck_assert_int_eq(hub_connpool_take(pool, hub_deadline(HUB_MILLISECOND), &a),
                     -ETIMEDOUT);
    open_rc = 0;
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    hub_connpool_give(pool, a, false);
    hub_connpool_free(pool);
}
END_TEST

START_TEST(a_pool_that_is_freed_ends_with_the_last_given_back)
{
    struct hub_connpool *pool = make(2, 0);
    void *a;

    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &a), 0);
    hub_connpool_free(pool);
    ck_assert_int_eq(closed, 0);
    hub_connpool_give(pool, a, false);
    ck_assert_int_eq(closed, 1);
    hub_connpool_free(NULL);
}
END_TEST

START_TEST(options_that_are_none_are_refused)
{
    struct hub_connpool_options options = { .open = open_one };
    struct hub_connpool *pool;

    ck_assert_int_eq(hub_connpool_new(&options, &pool), -EINVAL);
    ck_assert_int_eq(hub_connpool_take(NULL, HUB_FOREVER, NULL), -EINVAL);
    options.close = close_one;
    options.most = -1;
    ck_assert_int_eq(hub_connpool_new(&options, &pool), -EINVAL);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_add_test(tcase, what_was_used_last_is_taken_first);
    tcase_add_test(tcase, what_is_broken_sick_or_stale_is_closed);
    tcase_add_test(tcase, one_that_became_sick_while_idle_is_replaced);
    tcase_add_test(tcase,
                   who_waits_longest_goes_first_and_waits_have_deadlines);
    tcase_add_test(tcase, what_cannot_be_opened_takes_no_place);
    tcase_add_test(tcase, a_pool_that_is_freed_ends_with_the_last_given_back);
    tcase_add_test(tcase, options_that_are_none_are_refused);
    return unit_run("connpool", tcase);
}
