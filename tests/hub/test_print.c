/* print.c: text for people without stdio. */
#include "../unit.h"
#include "hub/print.h"
#include "hub/sight.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static int fd;
static struct hub__print print;

static void setup(void)
{
    unit_setup();
    fd = hub__text_fd();
    ck_assert_int_ge(fd, 0);
    hub__print_open(&print, fd);
}

static void teardown(void)
{
    close(fd);
    unit_teardown();
}

static void assert_text(const char *expected)
{
    char *text;

    hub__print_flush(&print);
    text = hub__text_of(fd);
    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(numbers_of_all_widths_are_as_in_printf)
{
    char expected[200];

    snprintf(expected, sizeof expected, "%d %u %x %ld %lu %zu %lld", INT_MIN,
             UINT_MAX, 0xabcu, LONG_MIN, ULONG_MAX, (size_t)7, 0LL);
    hub__print(&print, "%d %u %x %ld %lu %zu %lld", INT_MIN, UINT_MAX, 0xabcu,
               LONG_MIN, ULONG_MAX, (size_t)7, 0LL);
    assert_text(expected);
}
END_TEST

START_TEST(texts_characters_and_addresses)
{
    const char *volatile none = NULL;

    hub__print(&print, "%s%c%p%%", "ab", 'c', (void *)0x1f);
    hub__print(&print, "%s", none);
    assert_text("abc0x1f%(null)");
}
END_TEST

START_TEST(seconds_have_three_decimals_and_are_not_negative)
{
    hub__print_seconds(&print, INT64_C(12034567890));
    hub__print_seconds(&print, -5);
    assert_text("12.034 s0.000 s");
}
END_TEST

START_TEST(more_than_the_buffer_comes_out_whole)
{
    static char expected[3 * sizeof print.text];

    memset(expected, 'x', sizeof expected - 1);
    hub__print(&print, "%s", expected);
    assert_text(expected);
}
END_TEST

START_TEST(what_a_full_pipe_does_not_take_is_lost_and_errno_kept)
{
    int ends[2];
    char buffer[4096];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    while (write(ends[1], buffer, sizeof buffer) > 0)
        ;
    hub__print_open(&print, ends[1]);
    hub__print(&print, "lost");
    errno = 77;
    hub__print_flush(&print);
    ck_assert_int_eq(errno, 77);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, numbers_of_all_widths_are_as_in_printf);
    tcase_add_test(tcase, texts_characters_and_addresses);
    tcase_add_test(tcase, seconds_have_three_decimals_and_are_not_negative);
    tcase_add_test(tcase, more_than_the_buffer_comes_out_whole);
    tcase_add_test(tcase,
                   what_a_full_pipe_does_not_take_is_lost_and_errno_kept);
    return unit_run("print", tcase);
}
