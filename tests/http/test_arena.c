/* Arenas: memory that goes all at once. */
#include "../unit.h"

#include "http/arena.h"

static max_align_t room[16];

START_TEST(memory_is_aligned_and_does_not_overlap)
{
    struct http__arena arena;
    char *pieces[200];

    http__arena_init(&arena, room, sizeof room);
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)i * 37 % 3000 + 1;

        pieces[i] = http__arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], i, size);
    }
    for (int i = 0; i < 200; i++)
        for (size_t at = 0; at < (size_t)i * 37 % 3000 + 1; at++)
            ck_assert_int_eq((unsigned char)pieces[i][at], i);
    http__arena_free(&arena);
}
END_TEST

START_TEST(the_memory_it_was_given_comes_first)
{
    struct http__arena arena;

    http__arena_init(&arena, room, sizeof room);
    ck_assert_ptr_eq(http__arena_alloc(&arena, 1), room);
    ck_assert_str_eq(http__arena_copy(&arena, "hello", 4), "hell");
    ck_assert_ptr_null(arena.more);
    http__arena_alloc(&arena, sizeof room);
    ck_assert_ptr_nonnull(arena.more);
    http__arena_free(&arena);
}
END_TEST

START_TEST(too_much_is_refused)
{
    struct http__arena arena;

    http__arena_init(&arena, room, sizeof room);
    ck_assert_ptr_null(http__arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(http__arena_alloc(&arena, SIZE_MAX - 64));
    http__arena_free(&arena);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, memory_is_aligned_and_does_not_overlap);
    tcase_add_test(tcase, the_memory_it_was_given_comes_first);
    tcase_add_test(tcase, too_much_is_refused);
    return unit_run("arena", tcase);
}
