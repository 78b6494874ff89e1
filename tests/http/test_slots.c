/* Places of one size: they stay where they are, and their pages go back. */
#include "../unit.h"

#include "http/memory.h"
#include "http/slots.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 50000, COUNT = 300, TOUCHED = 2 };

static char *places[COUNT];
static size_t page;

static void take_all(struct http__slots *slots)
{
    for (int i = 0; i < COUNT; i++) {
        places[i] = http__slot_take(slots);
        ck_assert_ptr_nonnull(places[i]);
        memset(places[i], i, TOUCHED * page - 64);
    }
}

/* Pages that are there of those of a place; -1: it is not mapped. */
static int resident(const char *place)
{
    unsigned char there[SIZE / 4096 + 2];
    size_t size = (SIZE + page - 1) / page * page;
    uintptr_t start = (uintptr_t)place / page * page;
    int count = 0;

    if (mincore((void *)start, size, there) < 0)
        return -1;
    for (size_t i = 0; i < size / page; i++)
        count += there[i] & 1;
    return count;
}

START_TEST(places_do_not_overlap_and_begin_a_page)
{
    struct http__slots *slots = http__slots_new(SIZE);

    ck_assert_ptr_nonnull(slots);
    take_all(slots);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_uint_eq((uintptr_t)places[i] % _Alignof(max_align_t), 0);
        ck_assert_uint_lt((uintptr_t)places[i] % page, 64);
        ck_assert_int_eq((unsigned char)places[i][0], (unsigned char)i);
        ck_assert_int_eq(places[i][TOUCHED * page - 65], places[i][0]);
        memset(places[i], 0, SIZE);
    }
    for (int i = 0; i < COUNT; i++)
        http__slot_give(slots, places[i]);
    http__slots_free(slots);
}
END_TEST

START_TEST(pages_go_back_and_so_does_what_is_mapped)
{
    struct http__slots *slots = http__slots_new(SIZE);

    for (int wave = 0; wave < 5; wave++) {
        take_all(slots);
        for (int i = 0; i < COUNT; i++)
            ck_assert_int_eq(resident(places[i]), TOUCHED);
        for (int i = COUNT; i-- > 1;) {
            http__slot_give(slots, places[i]);
            ck_assert_int_le(resident(places[i]), 0);
        }
        ck_assert_int_eq(resident(places[0]), TOUCHED);
        ck_assert_int_eq(resident(places[COUNT - 1]), -1);
        http__slot_give(slots, places[0]);
        ck_assert_int_eq(resident(places[0]), -1);
    }
    http__slots_free(slots);
    http__slots_free(NULL);
}
END_TEST

static unsigned before_failure;

static bool fails(void)
{
    return before_failure-- == 0;
}

START_TEST(without_memory_there_is_none)
{
    struct http__slots *slots;

    http__test_fails = fails;
    before_failure = 0;
    ck_assert_ptr_null(http__slots_new(SIZE));
    before_failure = 1;
    slots = http__slots_new(SIZE);
    ck_assert_ptr_nonnull(slots);
    ck_assert_ptr_null(http__slot_take(slots));
    http__test_fails = NULL;
    http__slots_free(slots);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    page = (size_t)sysconf(_SC_PAGESIZE);
    tcase_add_test(tcase, places_do_not_overlap_and_begin_a_page);
    tcase_add_test(tcase, pages_go_back_and_so_does_what_is_mapped);
    tcase_add_test(tcase, without_memory_there_is_none);
    return unit_run("slots", tcase);
}
