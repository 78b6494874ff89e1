/* Ranges of bytes (RFC 9110 14.1.2): which a field asks for. */
#include "../unit.h"

#include "http/range.h"

#include <errno.h>

/* Of 100 bytes. */
static const struct {
    const char *field;
    int count; /* 0: the field is not followed */
    struct http__range first;
} cases[] = {
    {"bytes=0-9", 1, {0, 10}},
    {"bytes=0-0", 1, {0, 1}},
    {"bytes=99-99", 1, {99, 1}},
    {"bytes=90-", 1, {90, 10}},
    {"bytes=90-1000", 1, {90, 10}},
    {"bytes=0-18446744073709551615", 1, {0, 100}},
    {"bytes=0-99999999999999999999999", 1, {0, 100}},
    {"bytes=-5", 1, {95, 5}},
    {"bytes=-100", 1, {0, 100}},
    {"bytes=-1000", 1, {0, 100}},
    {"BYTES=0-9", 1, {0, 10}},
    {"bytes= 0-9 ", 1, {0, 10}},
    {"bytes=,0-9,,", 1, {0, 10}},
    {"bytes=0-1,5-6 , -1", 3, {0, 2}},
    {"bytes=5-6,0-1", 2, {5, 2}},
    {"bytes=200-,0-1", 1, {0, 2}},
    {"bytes=100-", -ERANGE, {0, 0}},
    {"bytes=100-200,300-", -ERANGE, {0, 0}},
    {"bytes=-0", -ERANGE, {0, 0}},
    {"bytes=99999999999999999999999-", -ERANGE, {0, 0}},
    {"bytes=9-0", 0, {0, 0}},
    {"bytes=", 0, {0, 0}},
    {"bytes=,", 0, {0, 0}},
    {"bytes=-", 0, {0, 0}},
    {"bytes=5", 0, {0, 0}},
    {"bytes=a-b", 0, {0, 0}},
    {"bytes=0-9;", 0, {0, 0}},
    {"bytes=0-9 10-19", 0, {0, 0}},
    {"bytes=0 - 9", 0, {0, 0}},
    {"bytes=+0-9", 0, {0, 0}},
    {"bytes=0--9", 0, {0, 0}},
    {"bytes=0-9,x", 0, {0, 0}},
    {"bytes 0-9", 0, {0, 0}},
    {"lines=0-9", 0, {0, 0}},
    {"", 0, {0, 0}},
    {"bytes=0-,0-", 0, {0, 0}}, /* more than the whole */
};

START_TEST(a_field_asks_for_ranges)
{
    struct http__range ranges[HTTP__RANGES_MOST];

    ck_assert_int_eq(http__ranges(cases[_i].field, 100, ranges),
                     cases[_i].count);
    if (cases[_i].count <= 0)
        return;
    ck_assert_uint_eq(ranges[0].first, cases[_i].first.first);
    ck_assert_uint_eq(ranges[0].size, cases[_i].first.size);
}
END_TEST

START_TEST(no_more_than_16_are_followed)
{
    struct http__range ranges[HTTP__RANGES_MOST];
    char field[200] = "bytes=0-0";

    for (int i = 1; i < HTTP__RANGES_MOST; i++)
        strcat(field, ",0-0");
    ck_assert_int_eq(http__ranges(field, 100, ranges), HTTP__RANGES_MOST);
    ck_assert_int_eq(http__ranges(strcat(field, ",0-0"), 100, ranges), 0);
    ck_assert_int_eq(http__ranges(strcat(field, ",200-"), 100, ranges), 0);
}
END_TEST

START_TEST(of_nothing_there_is_no_range)
{
    struct http__range ranges[HTTP__RANGES_MOST];

    ck_assert_int_eq(http__ranges("bytes=0-", 0, ranges), -ERANGE);
    ck_assert_int_eq(http__ranges("bytes=-5", 0, ranges), -ERANGE);
    ck_assert_int_eq(http__ranges("bytes=0-0", 0, ranges), -ERANGE);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_loop_test(tcase, a_field_asks_for_ranges, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tcase, no_more_than_16_are_followed);
    tcase_add_test(tcase, of_nothing_there_is_no_range);
    return unit_run("range", tcase);
}
