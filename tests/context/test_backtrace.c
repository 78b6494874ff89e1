/* The frames of a suspended greenlet, from the outside (G-160, G-161). */
#include "../unit.h"
#include "context/inspect.h"

#include <alloca.h>
#include <errno.h>
#include <execinfo.h>

void greenlet__entry(void);

enum { DEEP = 3, MANY = 64 };

/* Where each of the three was called from, innermost first. */
static void *called_from[DEEP];
static void *seen_inside[MANY];
static int count_inside;

/* To whom the third frame switches. */
static struct greenlet *switches_to;

static __attribute__((noinline)) void third(size_t size)
{
    volatile char *room = alloca(size); /* a frame with a frame pointer */

    room[0] = 1;
    called_from[0] = __builtin_return_address(0);
    greenlet_switch(switches_to, NULL, NULL);
    count_inside = backtrace(seen_inside, MANY);
    room[1] = 2;
}

static __attribute__((noinline)) long second(long a, long b)
{
    called_from[1] = __builtin_return_address(0);
    third((size_t)(a + b));
    return a * b;
}

static __attribute__((noinline)) long first(long a)
{
    called_from[2] = __builtin_return_address(0);
    return second(a, a + 1) + a;
}

static int body(void *value, void **result)
{
    *result = (void *)first((long)value);
    return 0;
}

static struct greenlet *three_deep(void)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);

    switches_to = greenlet_current();
    ck_assert_int_eq(greenlet_switch(g, (void *)20, NULL), 0);
    return g;
}

static void finish(struct greenlet *g)
{
    void *result;

    ck_assert_int_eq(greenlet_switch(g, NULL, &result), 0);
    ck_assert_int_eq((long)result, 20 * 21 + 20);
    ck_assert_int_eq(greenlet_backtrace(g, seen_inside, MANY), 0);
    greenlet_unref(g);
}

static int index_of(const void *address, void *const *frames, int count)
{
    for (int i = 0; i < count; i++)
        if (frames[i] == address)
            return i;
    return -1;
}

static void check_three(void *const *frames, int count)
{
    int at = index_of(called_from[0], frames, count);
    uintptr_t entry = (uintptr_t)greenlet__entry;
    uintptr_t last = (uintptr_t)frames[count - 1];

    ck_assert_int_ge(at, 1); /* below third() itself */
    for (int i = 1; i < DEEP; i++)
        ck_assert_ptr_eq(frames[at + i], called_from[i]);
    ck_assert_int_lt(count, at + 8);
    ck_assert_uint_gt(last, entry);
    ck_assert_uint_lt(last, entry + 40);
}

START_TEST(g161_walks_from_the_innermost_frame_to_the_entry)
{
    struct greenlet *g = three_deep();
    void *frames[MANY];
    int count = greenlet_backtrace(g, frames, MANY);

    check_three(frames, count);
    ck_assert_int_eq(greenlet_backtrace(g, seen_inside, MANY), count);
    ck_assert_mem_eq(frames, seen_inside, (size_t)count * sizeof *frames);
    finish(g);
    check_three(seen_inside, count_inside); /* as it saw itself, running */
}
END_TEST

START_TEST(g161_stops_at_as_many_as_there_is_room_for)
{
    struct greenlet *g = three_deep();
    void *frames[MANY], *few[MANY] = { NULL };
    void **many = calloc(1000, sizeof *many);
    int count = greenlet_backtrace(g, frames, MANY);

    for (int max = 0; max <= count; max++) {
        ck_assert_int_eq(greenlet_backtrace(g, few, max), max);
        ck_assert_mem_eq(frames, few, (size_t)max * sizeof *frames);
        ck_assert_ptr_null(few[max]);
    }
    ck_assert_int_eq(greenlet_backtrace(g, many, 1000), count);
    ck_assert_mem_eq(frames, many, (size_t)count * sizeof *frames);
    free(many);
    finish(g);
}
END_TEST

static int looks_at_others(void *value, void **result)
{
    void *frames[MANY];
    struct greenlet *self = greenlet_current();
    int count = greenlet_backtrace(value, frames, MANY);

    check_three(frames, count);
    ck_assert_int_eq(greenlet_backtrace(self, frames, MANY), 0);
    count = greenlet_backtrace(greenlet_parent(self), frames, MANY);
    ck_assert_int_gt(count, 1); /* main, which waits for this one */
    *result = NULL;
    return 0;
}

START_TEST(g160_is_empty_unless_suspended)
{
    struct greenlet *g = three_deep();
    struct greenlet *other = greenlet_new(looks_at_others, NULL, 0);
    void *frames[MANY];

    ck_assert_int_eq(greenlet_backtrace(other, frames, MANY), 0);
    ck_assert_int_eq(greenlet_backtrace(greenlet_current(), frames, MANY), 0);
    ck_assert_int_eq(greenlet_switch(other, g, NULL), 0);
    ck_assert_int_eq(greenlet_backtrace(other, frames, MANY), 0);
    greenlet_unref(other);
    finish(g);
}
END_TEST

static int looks_at_its_parent(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    void *frames[MANY];

    (void)value;
    check_three(frames, greenlet_backtrace(parent, frames, MANY));
    *result = NULL;
    return 0;
}

/* Who started another is suspended by another way than who switched to it. */
START_TEST(g161_walks_one_that_has_started_another)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);
    void *result;

    switches_to = greenlet_new(looks_at_its_parent, g, 0);
    ck_assert_int_eq(greenlet_switch(g, (void *)20, &result), 0);
    ck_assert_int_eq((long)result, 20 * 21 + 20);
    check_three(seen_inside, count_inside);
    greenlet_unref(switches_to);
    greenlet_unref(g);
}
END_TEST

static void *other_thread(void *g)
{
    void *frames[MANY];

    return (void *)(long)greenlet_backtrace(g, frames, MANY);
}

START_TEST(g160_is_refused_for_another_thread)
{
    struct greenlet *g = three_deep();
    pthread_t thread;
    void *result;

    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, g), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_int_eq((long)result, -EXDEV);
    finish(g);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, g161_walks_from_the_innermost_frame_to_the_entry);
    tcase_add_test(tcase, g161_stops_at_as_many_as_there_is_room_for);
    tcase_add_test(tcase, g161_walks_one_that_has_started_another);
    tcase_add_test(tcase, g160_is_empty_unless_suspended);
    tcase_add_test(tcase, g160_is_refused_for_another_thread);
    return unit_run("backtrace", tcase);
}
