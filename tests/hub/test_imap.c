/* Calls of a group, and their results one by one. */
#include "order.h"

#include "context/testhook.h"

static struct hub_group *group;
static int dropped, running, most;

static void drop(void *result)
{
    (void)result;
    dropped++;
}

/* Sleeps so many ms, and returns the number; 13 fails. */
static int works(void *arg, void **result)
{
    intptr_t ms = (intptr_t)arg;
    int rc;

    if (++running > most)
        most = running;
    rc = hub_sleep(ms * MS);
    running--;
    *result = arg;
    return rc < 0 ? rc : ms == 13 ? -ENOENT : 0;
}

struct numbers {
    const int *list;
    int left, error;
};

static int next_number(void *data, void **item)
{
    struct numbers *numbers = data;

    if (numbers->left == 0)
        return numbers->error;
    numbers->left--;
    *item = (void *)(intptr_t)*numbers->list++;
    note('n');
    return 1;
}

static const int three[] = { 90, 1, 30 };

static void begin(size_t size)
{
    group = hub_pool_new(size);
    dropped = running = most = 0;
}

static void end(void)
{
    ck_assert_int_eq(hub_group_join(group, HUB_FOREVER, 0), 0);
    hub_group_free(group);
    hub_drain(HUB_FOREVER);
}

/* works() in a pool of so many, with the numbers. */
static struct hub_imap *begin_imap(size_t size, struct numbers *numbers,
                                   struct hub_imap_options how)
{
    begin(size);
    how.run = works;
    how.next = next_number;
    how.data = numbers;
    return hub_group_imap(group, &how);
}

static intptr_t read_one(struct hub_imap *imap)
{
    void *result = NULL;
    int rc = hub_imap_next(imap, HUB_FOREVER, &result);

    return rc > 0 ? (intptr_t)result : rc;
}

START_TEST(imap_gives_results_in_the_order_of_items)
{
    struct numbers numbers = { three, 3, 0 };
    struct hub_imap *imap;

    imap = begin_imap(3, &numbers, (struct hub_imap_options){ 0 });
    ck_assert_int_eq(read_one(imap), 90);
    ck_assert_int_eq(read_one(imap), 1);
    ck_assert_int_eq(read_one(imap), 30);
    ck_assert_int_eq(read_one(imap), 0);
    ck_assert_int_eq(read_one(imap), 0);
    hub_imap_free(imap);
    ck_assert_int_eq(most, 3);
    end();
}
END_TEST

START_TEST(unordered_it_gives_them_as_they_come)
{
    struct numbers numbers = { three, 3, 0 };
    struct hub_imap *imap;

    imap = begin_imap(3, &numbers,
                      (struct hub_imap_options){ .unordered = true });
    ck_assert_int_eq(read_one(imap), 1);
    ck_assert_int_eq(read_one(imap), 30);
    ck_assert_int_eq(read_one(imap), 90);
    ck_assert_int_eq(read_one(imap), 0);
    hub_imap_free(imap);
    end();
}
END_TEST

static void fail_in_the_middle(bool unordered)
{
    static const int list[] = { 1, 13, 2 };
    struct numbers numbers = { list, 3, 0 };
    struct hub_imap *imap;

    imap = begin_imap(1, &numbers,
                      (struct hub_imap_options){ .unordered = unordered });
    ck_assert_int_eq(read_one(imap), 1);
    ck_assert(!hub_imap_failed(imap));
    ck_assert_int_eq(read_one(imap), -ENOENT);
    ck_assert(hub_imap_failed(imap));
    ck_assert_int_eq(read_one(imap), 2); /* it goes on */
    ck_assert_int_eq(read_one(imap), 0);
    ck_assert_int_eq(reports, 0); /* who reads it has been told */
    hub_imap_free(imap);
    end();
}

START_TEST(an_error_comes_to_who_reads_when_it_is_reached)
{
    fail_in_the_middle(false);
    fail_in_the_middle(true);
}
END_TEST

START_TEST(an_error_of_the_source_comes_after_all_results)
{
    struct numbers numbers = { three, 2, -EDOM };
    struct hub_imap *imap;

    imap = begin_imap(2, &numbers, (struct hub_imap_options){ 0 });
    ck_assert_int_eq(read_one(imap), 90);
    ck_assert_int_eq(read_one(imap), 1);
    ck_assert_int_eq(read_one(imap), -EDOM);
    ck_assert(hub_imap_failed(imap));
    ck_assert_int_eq(read_one(imap), 0);
    hub_imap_free(imap);
    end();
}
END_TEST

START_TEST(maxsize_bounds_the_results_that_are_unread)
{
    static const int list[] = { 0, 0, 0, 0, 0, 0 };
    struct numbers numbers = { list, 6, 0 };
    struct hub_imap *imap;

    imap = begin_imap(10, &numbers, (struct hub_imap_options){ .maxsize = 2 });
    hub_sleep(5 * MS);
    ck_assert_str_eq(order, "nnn"); /* the third waits for one to be read */
    read_one(imap);
    hub_sleep(5 * MS);
    ck_assert_str_eq(order, "nnnn");
    hub_imap_free(imap);
    hub_sleep(5 * MS);
    ck_assert_str_eq(order, "nnnn");
    end();
}
END_TEST

START_TEST(what_nobody_reads_is_dropped)
{
    static const int list[] = { 1, 13, 20, 21 };
    struct numbers numbers = { list, 4, 0 };
    struct hub_imap *imap;

    imap = begin_imap(10, &numbers, (struct hub_imap_options){ .drop = drop });
    hub_sleep(16 * MS);
    hub_imap_free(imap);
    ck_assert_int_ge(dropped, 1);
    end();
    ck_assert_int_eq(dropped, 3);
    ck_assert_int_eq(reports, 1); /* and the failure reported */
}
END_TEST

START_TEST(reading_may_time_out)
{
    static const int list[] = { 100 };
    struct numbers numbers = { list, 1, 0 };
    struct hub_imap *imap;
    void *result;

    imap = begin_imap(1, &numbers, (struct hub_imap_options){ 0 });
    ck_assert_int_eq(hub_imap_next(imap, hub_now(), &result), -ETIMEDOUT);
    ck_assert(!hub_imap_failed(imap));
    ck_assert_int_eq(read_one(imap), 100);
    hub_imap_free(imap);
    end();
}
END_TEST

START_TEST(given_up_at_once_it_takes_nothing)
{
    struct numbers numbers = { three, 3, 0 };

    hub_imap_free(begin_imap(1, &numbers, (struct hub_imap_options){ 0 }));
    hub_imap_free(NULL);
    ck_assert_ptr_null(hub_group_imap(group, &(struct hub_imap_options){
                                                 .run = NULL }));
    end();
    ck_assert_str_eq(order, "");
}
END_TEST

START_TEST(map_waits_for_all)
{
    void *items[] = { (void *)6, (void *)1, (void *)3 }, *results[3];

    begin(2);
    ck_assert_int_eq(hub_group_map(group, works, items, 3, HUB_FOREVER, results,
                                   NULL),
                     0);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(results[i], items[i]);
    ck_assert_int_eq(most, 2);
    ck_assert_int_eq(hub_group_map(group, works, items, 0, 0, NULL, NULL), 0);
    ck_assert_int_eq(hub_group_map(group, NULL, items, 3, 0, results, NULL),
                     -EINVAL);
    end();
}
END_TEST

START_TEST(map_ends_by_the_first_error_and_drops_the_rest)
{
    void *items[] = { (void *)1, (void *)13, (void *)20 }, *results[3];

    begin(3);
    ck_assert_int_eq(hub_group_map(group, works, items, 3, HUB_FOREVER, results,
                                   drop),
                     -ENOENT);
    ck_assert_ptr_eq(results[0], items[0]);
    ck_assert_ptr_null(results[1]);
    ck_assert_ptr_null(results[2]);
    end();
    ck_assert_int_eq(dropped, 1);
}
END_TEST

static int where(void *arg, void **result)
{
    *(struct greenlet **)arg = greenlet_current();
    *result = arg;
    return 0;
}

static int applies(void *arg, void **result)
{
    struct greenlet *inner;

    (void)result;
    /* The pool is full of this one: it would wait for itself. */
    ck_assert_int_eq(hub_group_apply(group, where, &inner, HUB_FOREVER, NULL),
                     0);
    ck_assert_ptr_eq(inner, greenlet_current());
    *(int *)arg = 1;
    return 0;
}

START_TEST(apply_runs_in_the_group_or_inline_if_it_is_there_already)
{
    struct greenlet *outer = NULL;
    void *result = NULL;
    int done = 0;

    begin(1);
    ck_assert_int_eq(hub_group_apply(group, where, &outer, HUB_FOREVER,
                                     &result),
                     0);
    ck_assert_ptr_ne(outer, greenlet_current());
    ck_assert_ptr_eq(result, &outer);
    ck_assert_int_eq(hub_group_apply(group, applies, &done, HUB_FOREVER, NULL),
                     0);
    ck_assert_int_eq(done, 1);
    ck_assert_int_eq(hub_group_apply(group, works, (void *)13, HUB_FOREVER,
                                     &result),
                     -ENOENT);
    ck_assert_int_eq(hub_group_apply(group, works, (void *)200,
                                     hub_deadline(MS), &result),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_group_apply(group, works, (void *)20, hub_now(),
                                     &result),
                     -EAGAIN); /* no place */
    end();
}
END_TEST

static int scenario(void)
{
    void *items[] = { (void *)0, (void *)1, (void *)0 }, *results[3];
    int rc;

    group = hub_pool_new(2);
    if (group == NULL)
        return -ENOMEM;
    rc = hub_group_map(group, works, items, 3, HUB_FOREVER, results, drop);
    if (rc == 0)
        rc = hub_group_apply(group, works, (void *)1, HUB_FOREVER, NULL);
    hub_group_join(group, HUB_FOREVER, 0);
    hub_group_free(group);
    return rc;
}

START_TEST(each_allocation_may_fail)
{
    bool ran_through = false;

    for (int n = 1; n < 200 && !ran_through; n++) {
        int rc;

        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        rc = scenario();
        ran_through = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0) < n;
        ck_assert(rc == 0 || rc == -ENOMEM);
        hub_drain(HUB_FOREVER);
    }
    ck_assert(ran_through);
}
END_TEST

int main(void)
{
    TCase *tcase = order_case();

    tcase_add_test(tcase, imap_gives_results_in_the_order_of_items);
    tcase_add_test(tcase, unordered_it_gives_them_as_they_come);
    tcase_add_test(tcase, an_error_comes_to_who_reads_when_it_is_reached);
    tcase_add_test(tcase, an_error_of_the_source_comes_after_all_results);
    tcase_add_test(tcase, maxsize_bounds_the_results_that_are_unread);
    tcase_add_test(tcase, what_nobody_reads_is_dropped);
    tcase_add_test(tcase, reading_may_time_out);
    tcase_add_test(tcase, given_up_at_once_it_takes_nothing);
    tcase_add_test(tcase, map_waits_for_all);
    tcase_add_test(tcase, map_ends_by_the_first_error_and_drops_the_rest);
    tcase_add_test(tcase,
                   apply_runs_in_the_group_or_inline_if_it_is_there_already);
    tcase_add_test(tcase, each_allocation_may_fail);
    return unit_run("imap", tcase);
}
