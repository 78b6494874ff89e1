/* Lists of networks. */
#include "../unit.h"

#include "http/trust.h"

#include <errno.h>

static bool contains(const char *list, const char *address)
{
    struct http_trust *trust;
    struct hub_address parsed;
    bool is;

    ck_assert_int_eq(http_trust_new(list, &trust), 0);
    ck_assert_int_eq(hub_address_parse(address, &parsed), 0);
    is = http_trust_contains(trust, &parsed);
    http_trust_free(trust);
    return is;
}

static const struct {
    const char *list, *address;
    bool is;
} cases[] = {
    {"127.0.0.1", "127.0.0.1:5", true},
    {"127.0.0.1", "127.0.0.2:5", false},
    {"10.0.0.0/8", "10.255.0.1:5", true},
    {"10.0.0.0/8", "11.0.0.1:5", false},
    {"10.0.0.0/9", "10.127.0.1:5", true},
    {"10.0.0.0/9", "10.128.0.1:5", false},
    {"0.0.0.0/0", "8.8.8.8:5", true},
    {"0.0.0.0/0", "[2001:db8::1]:5", false},
    {"::/0", "[2001:db8::1]:5", true},
    {"10.0.0.0/8", "[::ffff:10.1.2.3]:5", true},
    {"::ffff:10.0.0.0/104", "10.1.2.3:5", true},
    {"2001:db8::/33", "[2001:db8:7fff::]:5", true},
    {"2001:db8::/33", "[2001:db8:8000::]:5", false},
    {"192.0.2.1, fd00::/8\t10.0.0.0/8", "10.0.0.1:5", true},
    {"192.0.2.1,unix", "unix:/x", true},
    {"192.0.2.1", "unix:/x", false},
    {"0.0.0.0/0,::/0", "unix:@x", false},
    {"*", "unix:/x", true},
    {"*", "1.2.3.4:5", true},
    {"", "1.2.3.4:5", false},
};

START_TEST(knows_who_is_in)
    {
        ck_assert_msg(contains(cases[_i].list, cases[_i].address) ==
                          cases[_i].is,
                      "%s in %s", cases[_i].address, cases[_i].list);
    }
END_TEST

static const char *const refused[] = {
    "10.0.0.0/33", "10.0.0.0/",  "10.0.0.0/-1", "10.0.0.0/08x", "10.0.0.1/8",
    "::/129",      "fd00::1/64", "localhost",   "10.0.0",       "1.2.3.4/8/8",
    "Unix",        "10.0.0.0/0", "1.2.3.4:80",
};

START_TEST(refuses)
    {
        struct http_trust *trust;

        ck_assert_int_eq(http_trust_new(refused[_i], &trust), -EINVAL);
    }
END_TEST

START_TEST(nobody_is_in_no_list)
    {
        struct hub_address address;

        hub_address_parse("127.0.0.1:1", &address);
        ck_assert(!http_trust_contains(NULL, &address));
        http_trust_free(NULL);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_add_loop_test(tcase, knows_who_is_in, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(tcase, refuses, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tcase, nobody_is_in_no_list);
    return unit_run("trust", tcase);
}
