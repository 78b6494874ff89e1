/* Stacks: slots are reused, guarded, and of the size asked for. */
#include "../unit.h"
#include "context/slot.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct greenlet__pool pool;

START_TEST(the_last_slot_given_is_the_first_taken)
{
    struct greenlet__slot a, b, again;

    ck_assert_int_eq(greenlet__slot_take(&pool, 65536, 4096, &a), 0);
    ck_assert_int_eq(greenlet__slot_take(&pool, 65536, 4096, &b), 0);
    ck_assert_ptr_ne(a.base, b.base);
    ck_assert_uint_eq(a.size, 65536 + 4096);
    ck_assert_uint_eq(greenlet__pool_free(&pool), 0);
    greenlet__slot_give(&pool, &a);
    greenlet__slot_give(&pool, &b);
    ck_assert_uint_eq(greenlet__pool_free(&pool), 2);
    ck_assert_int_eq(greenlet__slot_take(&pool, 65536, 4096, &again), 0);
    ck_assert_ptr_eq(again.base, b.base);
    ck_assert_int_eq(greenlet__slot_take(&pool, 65536, 4096, &b), 0);
    ck_assert_ptr_eq(b.base, a.base);
}
END_TEST

START_TEST(sizes_do_not_mix)
{
    struct greenlet__slot small, large;

    ck_assert_int_eq(greenlet__slot_take(&pool, 16384, 4096, &small), 0);
    greenlet__slot_give(&pool, &small);
    ck_assert_int_eq(greenlet__slot_take(&pool, 1 << 20, 4096, &large), 0);
    ck_assert_uint_ge(large.size, (1 << 20) + 4096);
    memset(large.base + large.guard, 1, large.size - large.guard);
    ck_assert_uint_eq(greenlet__pool_free(&pool), 1);
}
END_TEST

/* The next greenlet there relies on it; a mapped thread writes all over. */
START_TEST(a_free_slot_of_the_default_size_says_which_it_is)
{
    struct greenlet__slot slot;
    struct greenlet *g;

    ck_assert_int_eq(greenlet__slot_take(&pool, GREENLET__STACK_DEFAULT, 4096,
                                         &slot), 0);
    memset(slot.base + slot.guard, 0xff, slot.size - slot.guard);
    greenlet__slot_give(&pool, &slot);
    g = greenlet__in_slot(&slot);
    ck_assert_ptr_eq(g->slot.base, slot.base);
    ck_assert_uint_eq(g->slot.size, slot.size);
    ck_assert_uint_eq(g->slot.guard, slot.guard);
    ck_assert_ptr_eq(greenlet__above(g), greenlet__top_of(&slot));
}
END_TEST

static size_t reserved_by(size_t size)
{
    struct greenlet *g = greenlet_new(NULL, NULL, size);
    struct greenlet_stack_use use;

    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(greenlet_stack_use(g, &use), 0);
    greenlet_unref(g);
    return use.reserved;
}

START_TEST(sizes_of_greenlets_do_not_mix)
{
    const size_t usual = GREENLET__STACK_DEFAULT + 4096;

    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(reserved_by(0), usual);
        ck_assert_uint_eq(reserved_by(16384), 16384 + 4096);
        ck_assert_uint_eq(reserved_by(1 << 20), (1 << 20) + 4096);
        ck_assert_uint_eq(reserved_by(GREENLET__STACK_DEFAULT), usual);
    }
}
END_TEST

/* design: then a guard shares a page-table page with its lower neighbour. */
START_TEST(large_slots_start_in_the_middle_of_two_mebibytes)
{
    struct greenlet__slot slot;

    ck_assert_int_eq(greenlet__slot_take(&pool, 8 << 20, 4096, &slot), 0);
    ck_assert_uint_eq((uintptr_t)slot.base % (2 << 20), 1 << 20);
}
END_TEST

static int touch_guard(size_t offset)
{
    struct greenlet__slot slot;
    pid_t child;
    int status;

    ck_assert_int_eq(greenlet__slot_take(&pool, 65536, 4096, &slot), 0);
    child = fork();
    if (child == 0) {
        struct rlimit none = { 0, 0 };

        setrlimit(RLIMIT_CORE, &none);
        ((volatile char *)slot.base)[offset] = 1;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status; /* a signal, or what a sanitizer's handler makes of it */
}

START_TEST(the_guard_is_real)
{
    ck_assert_int_ne(touch_guard(0), 0);
    ck_assert_int_ne(touch_guard(4095), 0);
    ck_assert_int_eq(touch_guard(4096), 0);
    if (greenlet__masked & FEATURE_GUARD)
        ck_assert_str_eq(greenlet__guard_kind(), "mprotect");
}
END_TEST

START_TEST(an_address_in_a_guard_is_recognised)
{
    struct greenlet__slot slot, hit;
    int local;

    ck_assert_int_eq(greenlet__slot_take(&pool, 65536, 4096, &slot), 0);
    ck_assert(greenlet__slot_guard_hit(slot.base + 100, &hit));
    ck_assert_ptr_eq(hit.base, slot.base);
    ck_assert(!greenlet__slot_guard_hit(slot.base + 4096, &hit));
    ck_assert(!greenlet__slot_guard_hit(&local, &hit));
}
END_TEST

START_TEST(what_cannot_be_mapped_is_an_error)
{
    struct greenlet__slot slot;

    ck_assert_int_eq(greenlet__slot_take(&pool, (size_t)1 << 60, 0, &slot),
                     -ENOMEM);
    ck_assert_int_eq(greenlet__slot_take(&pool, SIZE_MAX, 0, &slot), -ENOMEM);
}
END_TEST

/* Threads come and go, and the next one begins before what the last one left has
 * been collected: in the end there are as many slots as were in use at once. */
START_TEST(what_ended_threads_leave_is_shared)
{
    enum { THREADS = 50, SLOTS = 100, EACH = 96 * 1024 };
    struct greenlet__pool own[2];
    struct greenlet__slot slots[SLOTS];
    size_t before = 0;

    memset(own, 0, sizeof own);
    for (int i = 0; i < THREADS; i++) {
        struct greenlet__pool *mine = &own[i % 2];

        for (int j = 0; j < SLOTS; j++)
            ck_assert_int_eq(greenlet__slot_take(mine, EACH, 4096, &slots[j]),
                             0);
        for (int j = 0; j < SLOTS; j++)
            greenlet__slot_give(mine, &slots[j]);
        greenlet__pool_close(&own[(i + 1) % 2]);
        if (i == 2)
            before = greenlet__slots_made();
    }
    ck_assert_uint_eq(greenlet__slots_made(), before);
    greenlet__pool_close(&own[0]);
    greenlet__pool_close(&own[1]);
}
END_TEST

static void fresh_pool(void)
{
    memset(&pool, 0, sizeof pool);
}

static void close_pool(void)
{
    greenlet__pool_close(&pool);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, fresh_pool, close_pool);
    tcase_add_test(tcase, the_last_slot_given_is_the_first_taken);
    tcase_add_test(tcase, sizes_do_not_mix);
    tcase_add_test(tcase, a_free_slot_of_the_default_size_says_which_it_is);
    tcase_add_test(tcase, sizes_of_greenlets_do_not_mix);
    tcase_add_test(tcase, large_slots_start_in_the_middle_of_two_mebibytes);
    tcase_add_test(tcase, the_guard_is_real);
    tcase_add_test(tcase, an_address_in_a_guard_is_recognised);
    tcase_add_test(tcase, what_cannot_be_mapped_is_an_error);
    tcase_add_test(tcase, what_ended_threads_leave_is_shared);
    return unit_run("stack", tcase);
}
