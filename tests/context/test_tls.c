/* TLS blocks: found layout, own variables, own errno, what libc keeps. */
#include "../unit.h"
#include "context/switch.h"

#include <locale.h>
#include <pthread.h>

static __thread int plain = 7;
static __thread char aligned[64] __attribute__((aligned(64))) = "first";

static struct greenlet__mapped *mapped;
static struct greenlet *home;

static __attribute__((noinline)) int *address_of_plain(void)
{
    return &plain;
}

static void go_home(void)
{
    greenlet__resume(home);
}

static void look_at_the_block(struct greenlet *self)
{
    greenlet__tls_enter();
    ck_assert_ptr_eq(greenlet_current(), self);
    ck_assert_int_eq(*address_of_plain(), 7);
    ck_assert_str_eq(aligned, "first");
    ck_assert_uint_eq((uintptr_t)aligned % 64, 0);
    ck_assert_int_eq(errno, 0);
    *address_of_plain() = 8;
    errno = 5;
    go_home();
    ck_assert_int_eq(*address_of_plain(), 8);
    ck_assert_int_eq(errno, 5);
    free(malloc(100));
    ck_assert_int_eq(pthread_equal(pthread_self(),
                                   (pthread_t)((char *)mapped->thread.thread_pointer +
                                               greenlet__tls.pthread_start)),
                     1);
    greenlet__leave(home);
}

static void map(void)
{
    const char *why = NULL;

    ck_assert_msg(greenlet__tls_find(&why) == 0, "not found: %s",
                  why != NULL ? why : "");
    home = greenlet_current();
    mapped = greenlet__map_thread(greenlet__thread_self()->os, 256 * 1024, 4096, 100, NULL);
    ck_assert_ptr_nonnull(mapped);
}

START_TEST(a_block_has_variables_of_its_own)
{
    map();
    *address_of_plain() = 9;
    greenlet__prepare(&mapped->thread.main, mapped->tls_start,
                      look_at_the_block);
    greenlet__resume(&mapped->thread.main);
    ck_assert_int_eq(*address_of_plain(), 9);
    errno = 77;
    greenlet__resume(&mapped->thread.main);
    ck_assert_int_eq(errno, 77);
    ck_assert_int_eq(mapped->thread.main.state, GREENLET_DEAD);
    greenlet__unmap_thread(mapped);
}
END_TEST

START_TEST(the_layout_is_found)
{
    const char *why;

    ck_assert_int_eq(greenlet__tls_find(&why), 0);
    ck_assert(greenlet__tls.found);
    ck_assert_int_ge(greenlet__tls.tid, 0);
    ck_assert_int_ge(greenlet__tls.list, 0);
    ck_assert_int_ge(greenlet__tls.stackblock, 0);
    ck_assert_int_ge(greenlet__tls.stackblock_size, 0);
    if (!WITH_ASAN) /* whose malloc keeps its words elsewhere */
        ck_assert_uint_ge(greenlet__tls.shared_count, 1); /* malloc's */
}
END_TEST

/* ld.so's has 14 to spare. */
START_TEST(a_block_has_no_more_entries_than_there_are_modules)
{
#ifdef __x86_64__
    const size_t place = 1;
#else
    const size_t place = 0;
#endif
    uintptr_t **block;

    for (int i = 0; i < 2; i++) {
        map();
        block = (uintptr_t **)mapped->thread.thread_pointer;
        if (i > 0) /* the first one was ld.so's */
            ck_assert_uint_lt(block[place][-2], 14);
        ck_assert_uint_gt(block[place][-2], 0);
        greenlet__unmap_thread(mapped);
    }
}
END_TEST

/* The program's own stack: nothing of it is kept after the thread. */
START_TEST(a_stack_of_the_program_s_is_used)
{
    char *memory = aligned_alloc(4096, 256 * 1024);
    const char *why;

    ck_assert_int_eq(greenlet__tls_find(&why), 0);
    home = greenlet_current();
    mapped = greenlet__map_thread(greenlet__thread_self()->os, 256 * 1024, 4096, 100, memory);
    ck_assert_ptr_nonnull(mapped);
    ck_assert((char *)mapped > memory && (char *)mapped < memory + 256 * 1024);
    greenlet__prepare(&mapped->thread.main, mapped->tls_start,
                      look_at_the_block);
    greenlet__resume(&mapped->thread.main);
    greenlet__resume(&mapped->thread.main);
    greenlet__unmap_thread(mapped);
    free(memory);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    if (WITH_TSAN) {
        puts("skipped: ThreadSanitizer keeps its state in the TLS block, and a "
             "block of ours has none");
        return 77;
    }
    tcase_add_test(tcase, the_layout_is_found);
    tcase_add_test(tcase, a_block_has_variables_of_its_own);
    tcase_add_test(tcase, a_block_has_no_more_entries_than_there_are_modules);
    tcase_add_test(tcase, a_stack_of_the_program_s_is_used);
    return unit_run("tls", tcase);
}
