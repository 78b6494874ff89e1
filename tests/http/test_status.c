/* Status lines: each is as long as it says, and says what its number means. */
#include "../unit.h"

#include "http/http_impl.h"

#include <stdio.h>

START_TEST(each_line_is_that_of_its_status)
{
    char room[32], wanted[128];
    size_t size;

    for (int status = 100; status <= 599; status++) {
        const char *line = http__status_line(status, room, &size);

        snprintf(wanted, sizeof wanted, "HTTP/1.1 %d %s\r\n", status,
                 http_response_reason(status));
        ck_assert_uint_eq(size, strlen(wanted));
        ck_assert_int_eq(memcmp(line, wanted, size), 0);
    }
}
END_TEST

START_TEST(a_status_has_its_words)
{
    ck_assert_str_eq(http_response_reason(200), "OK");
    ck_assert_str_eq(http_response_reason(404), "Not Found");
    ck_assert_str_eq(http_response_reason(431),
                     "Request Header Fields Too Large");
    ck_assert_str_eq(http_response_reason(505), "HTTP Version Not Supported");
    ck_assert_str_eq(http_response_reason(299), "Status");
    ck_assert_str_eq(http_response_reason(-1), "Status");
    ck_assert_str_eq(http_response_reason(1000), "Status");
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, each_line_is_that_of_its_status);
    tcase_add_test(tcase, a_status_has_its_words);
    return unit_run("status", tcase);
}
