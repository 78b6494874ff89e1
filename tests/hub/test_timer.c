/* The heap of deadlines. */
#include "../unit.h"
#include "hub/hub_impl.h"

enum { N = 500 };

static struct hub hub;
static struct hub__waiter waiters[N];

static unsigned random_number(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

static void fill(unsigned seed)
{
    for (int i = 0; i < N; i++) {
        waiters[i].heap_index = HUB__NO_INDEX;
        waiters[i].deadline = random_number(&seed) % 1000;
        ck_assert_int_eq(hub__timer_add(&hub, &waiters[i]), 0);
    }
}

static int64_t take_first(void)
{
    struct hub__waiter *first = hub.heap[0];

    ck_assert_int_eq(hub__timer_next(&hub), first->deadline);
    hub__timer_remove(&hub, first);
    ck_assert_uint_eq(first->heap_index, HUB__NO_INDEX);
    return first->deadline;
}

START_TEST(the_earliest_comes_first)
{
    int64_t last = 0;

    fill(1 + (unsigned)_i);
    for (int i = 0; i < N; i++) {
        int64_t deadline = take_first();

        ck_assert_int_ge(deadline, last);
        last = deadline;
    }
    ck_assert_int_eq(hub__timer_next(&hub), HUB_FOREVER);
}
END_TEST

START_TEST(any_may_be_taken_out)
{
    int64_t last = 0;

    fill(100 + (unsigned)_i);
    for (int i = 0; i < N; i += 3)
        hub__timer_remove(&hub, &waiters[i]);
    while (hub.heap_count > 0) {
        int64_t deadline = take_first();

        ck_assert_int_ge(deadline, last);
        last = deadline;
    }
}
END_TEST

START_TEST(an_empty_heap_has_no_deadline)
{
    ck_assert_int_eq(hub__timer_next(&hub), HUB_FOREVER);
}
END_TEST

static void start(void)
{
    memset(&hub, 0, sizeof hub);
}

static void stop(void)
{
    free(hub.heap);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, an_empty_heap_has_no_deadline);
    tcase_add_loop_test(tcase, the_earliest_comes_first, 0, 10);
    tcase_add_loop_test(tcase, any_may_be_taken_out, 0, 10);
    return unit_run("timer", tcase);
}
