/* The heap of deadlines. */
#include "../unit.h"
#include "hub/hub_impl.h"

enum { N = 500 };

static struct hub hub;
static struct hub__timer timers[N];
static int fired[2 * N], count;

static unsigned random_number(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

static void note(struct hub *of, struct hub__timer *timer)
{
    ck_assert_ptr_eq(of, &hub);
    fired[count++] = (int)(timer - timers);
}

static void fill(unsigned seed)
{
    for (int i = 0; i < N; i++) {
        hub__timer_init(&timers[i], note);
        ck_assert_int_eq(
            hub__timer_add(&hub, &timers[i], random_number(&seed) % 1000), 0);
    }
}

static int64_t take_first(void)
{
    struct hub__timer *first = hub.heap.timers[hub.heap.entries[0].slot];

    ck_assert_int_eq(hub__timer_next(&hub), first->deadline);
    hub__timer_remove(&hub, first);
    ck_assert_uint_eq(first->slot, HUB__NO_INDEX);
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
        hub__timer_remove(&hub, &timers[i]);
    while (hub.heap.count > 0) {
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

START_TEST(equal_deadlines_keep_their_order)
{
    for (int i = 0; i < N; i++) {
        hub__timer_init(&timers[i], note);
        timers[i].early = 1;
        ck_assert_int_eq(hub__timer_add(&hub, &timers[i], i % 5), 0);
    }
    hub__timer_run(&hub, 4);
    ck_assert_int_eq(count, N);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(fired[i], i % (N / 5) * 5 + i / (N / 5));
    ck_assert_int_eq(hub.active, 0);
}
END_TEST

/* What is set while others fire waits for the next turn. */
static void set_again(struct hub *of, struct hub__timer *timer)
{
    note(of, timer);
    ck_assert_int_eq(hub__timer_add(of, timer, 0), 0);
}

START_TEST(one_that_sets_itself_again_fires_once_a_turn)
{
    hub__timer_init(&timers[0], set_again);
    timers[0].early = 1;
    ck_assert_int_eq(hub__timer_add(&hub, &timers[0], 0), 0);
    hub__timer_run(&hub, 10);
    ck_assert_int_eq(count, 1);
    hub__timer_run(&hub, 10);
    ck_assert_int_eq(count, 2);
}
END_TEST

/* Sleeps before fds, time-outs after them; one of these may be taken back by an
 * fd in between. */
START_TEST(late_ones_fire_with_the_second_call_unless_taken_out)
{
    for (int i = 0; i < 4; i++) {
        hub__timer_init(&timers[i], note);
        timers[i].early = i == 3;
        ck_assert_int_eq(hub__timer_add(&hub, &timers[i], i), 0);
    }
    hub__timer_run(&hub, 10);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(fired[0], 3);
    hub__timer_remove(&hub, &timers[1]);
    hub__timer_run_late(&hub);
    ck_assert_int_eq(count, 3);
    ck_assert_int_eq(fired[1], 0);
    ck_assert_int_eq(fired[2], 2);
    ck_assert_int_eq(hub.active, 0);
}
END_TEST

static void start(void)
{
    memset(&hub, 0, sizeof hub);
    count = 0;
}

static void stop(void)
{
    hub__timers_free(&hub);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, an_empty_heap_has_no_deadline);
    tcase_add_test(tcase, equal_deadlines_keep_their_order);
    tcase_add_test(tcase, one_that_sets_itself_again_fires_once_a_turn);
    tcase_add_test(tcase, late_ones_fire_with_the_second_call_unless_taken_out);
    tcase_add_loop_test(tcase, the_earliest_comes_first, 0, 10);
    tcase_add_loop_test(tcase, any_may_be_taken_out, 0, 10);
    return unit_run("timer", tcase);
}
