/* Dates of HTTP: one form is made, three are read. */
#include "../unit.h"

#include "http/http_impl.h"

#include <errno.h>

static const struct {
    const char *text;
    int64_t seconds;
} good[] = {
    { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
    { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
    { "Sun Nov  6 08:49:37 1994", 784111777 },
    { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
    { "Friday, 01-Jan-38 00:00:00 GMT", 2145916800 },
    { "Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483648) },
};

static const char *const bad[] = {
    "",
    "now",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 CET",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 40 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "784111777",
};

START_TEST(each_form_is_read)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t seconds = -1;

        ck_assert_int_eq(http__date_parse(good[i].text, &seconds), 0);
        ck_assert_int_eq(seconds, good[i].seconds);
    }
}
END_TEST

START_TEST(what_is_none_is_refused)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t seconds;

        ck_assert_int_eq(http__date_parse(bad[i], &seconds), -EINVAL);
    }
}
END_TEST

START_TEST(what_is_made_is_read)
{
    static const int64_t times[] = { 0, 784111777, 2145916800,
                                     INT64_C(253402300799) };

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[30];
        int64_t seconds;

        http__date_format(times[i], text);
        ck_assert_uint_eq(strlen(text), 29);
        ck_assert_int_eq(http__date_parse(text, &seconds), 0);
        ck_assert_int_eq(seconds, times[i]);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, each_form_is_read);
    tcase_add_test(tcase, what_is_none_is_refused);
    tcase_add_test(tcase, what_is_made_is_read);
    return unit_run("httpdate", tcase);
}
