/* The forms of targets, and what is a host: RFC 9112 3.2 where no other is
 * named. */
#include "../unit.h"

#include "http/target.h"
#include "hub/hub.h"
#include "pieces.h"

static const struct {
    const char *clause, *method, *target;
    int result;
    enum http__form form;
    const char *host, *path;
} targets[] = {
    {"3.2.1", "GET", "/", 1, HTTP__FORM_ORIGIN, "h:1", "/"},
    {"3.2.1", "GET", "/a/b?c=d?e", 1, HTTP__FORM_ORIGIN, "h:1", "/a/b?c=d?e"},
    {"3.2.1", "GET", "///a", 1, HTTP__FORM_ORIGIN, "h:1", "///a"},
    {"3.2.1", "OPTIONS", "/a", 1, HTTP__FORM_ORIGIN, "h:1", "/a"},
    {"3986 2: none of a URI, but browsers send them", "GET",
     "/\"<>\\^`{|}[]?\"<>\\^`{|}[]", 1, HTTP__FORM_ORIGIN, "h:1",
     "/\"<>\\^`{|}[]?\"<>\\^`{|}[]"},
    {"3.2.1", "GET", "a", -400, 0, NULL, NULL},
    {"3.2.1", "GET", "a/b", -400, 0, NULL, NULL},
    {"3.2.1", "GET", "?a", -400, 0, NULL, NULL},
    {"3.2.1", "GET", "../a", -400, 0, NULL, NULL},
    {"3.2.2", "GET", "http://other/a?b", 1, HTTP__FORM_ABSOLUTE, "other",
     "/a?b"},
    {"3.2.2", "GET", "HTTPS://other:8443/a", 1, HTTP__FORM_ABSOLUTE,
     "other:8443", "/a"},
    {"3.2.2", "GET", "http://other", 1, HTTP__FORM_ABSOLUTE, "other", ""},
    {"3.2.2", "GET", "http://other:80?b", 1, HTTP__FORM_ABSOLUTE, "other:80",
     "?b"},
    {"3.2.2", "GET", "http://[::1]:80/a", 1, HTTP__FORM_ABSOLUTE, "[::1]:80",
     "/a"},
    {"3.2.2", "OPTIONS", "http://other", 1, HTTP__FORM_ABSOLUTE, "other", ""},
    {"9110 4.2.1: no host", "GET", "http:///a", -400, 0, NULL, NULL},
    {"9110 4.2.1: no host", "GET", "http://", -400, 0, NULL, NULL},
    {"9110 4.2.1: no host", "GET", "http://:80/", -400, 0, NULL, NULL},
    {"9110 4.2.4: a user", "GET", "http://u:p@other/", -400, 0, NULL, NULL},
    {"9110 4.2: no scheme of ours", "GET", "ftp://other/", -400, 0, NULL, NULL},
    {"9110 4.2: no scheme of ours", "GET", "httpx://other/", -400, 0, NULL,
     NULL},
    {"9110 4.2: no scheme of ours", "GET", "s://]ufd/:", -400, 0, NULL, NULL},
    {"3.2.2", "GET", "http:/other/", -400, 0, NULL, NULL},
    {"3.2.2", "GET", "http:other", -400, 0, NULL, NULL},
    {"3986 3.2.2", "GET", "http://[::1/", -400, 0, NULL, NULL},
    {"3986 3.2.2", "GET", "http://a\\b/", -400, 0, NULL, NULL},
    {"3.2.3", "CONNECT", "other:443", 1, HTTP__FORM_AUTHORITY, "other:443", ""},
    {"3.2.3", "CONNECT", "[::1]:443", 1, HTTP__FORM_AUTHORITY, "[::1]:443", ""},
    {"3.2.3: no port", "CONNECT", "other", -400, 0, NULL, NULL},
    {"3.2.3: no port", "CONNECT", "other:", -400, 0, NULL, NULL},
    {"3.2.3: no host", "CONNECT", ":443", -400, 0, NULL, NULL},
    {"3.2.3: no authority", "CONNECT", "/", -400, 0, NULL, NULL},
    {"3.2.3: no authority", "CONNECT", "http://other:80/", -400, 0, NULL, NULL},
    {"3.2.3: of CONNECT alone", "GET", "other:443", -400, 0, NULL, NULL},
    {"3.2.3: of CONNECT alone", "GET", "[::1]:443", -400, 0, NULL, NULL},
    {"3.2.4", "OPTIONS", "*", 1, HTTP__FORM_ASTERISK, "h:1", ""},
    {"3.2.4: of OPTIONS alone", "GET", "*", -400, 0, NULL, NULL},
    {"3.2.4: of OPTIONS alone", "CONNECT", "*", -400, 0, NULL, NULL},
    {"3.2.4", "OPTIONS", "*/", -400, 0, NULL, NULL},
    {"3.2.4", "OPTIONS", "**", -400, 0, NULL, NULL},
};

static void same_text(const char *text, uint32_t at, uint32_t length,
                      const char *expected)
{
    ck_assert_uint_eq(length, strlen(expected));
    ck_assert_mem_eq(text + at, expected, length);
}

START_TEST(a_target_has_one_of_four_forms)
    {
        char text[256];
        size_t size = (size_t)snprintf(text, sizeof text,
                                       "%s %s HTTP/1.1\r\nHost: h:1\r\n\r\n",
                                       targets[_i].method, targets[_i].target);

        for (size_t piece = size; piece > 0; piece--) {
            struct http__field fields[PIECES_FIELDS];
            struct http__head head = {.fields = fields};
            int rc = pieces_feed(http__strict_head, &pieces_limits, text, size,
                                 piece, &head);

            ck_assert_msg(rc == targets[_i].result, "%s %s: %d, not %d (%s)",
                          targets[_i].method, targets[_i].target, rc,
                          targets[_i].result, targets[_i].clause);
            if (rc < 0)
                continue;
            ck_assert_int_eq(head.form, targets[_i].form);
            same_text(text, head.target, head.target_length,
                      targets[_i].target);
            same_text(text, head.host, head.host_length, targets[_i].host);
            same_text(text, head.path, head.path_length, targets[_i].path);
        }
    }
END_TEST

static const struct {
    const char *host;
    bool valid;
} hosts[] = {
    {"", true},
    {"a", true},
    {"example.org", true},
    {"EXAMPLE.org.", true},
    {"0.0.0.0=5000", true}, /* RFC 3986: a name */
    {"a:80", true},
    {"a:", true}, /* RFC 3986 3.2.3 */
    {"127.0.0.1:8080", true},
    {"[::1]", true},
    {"[::ffff:1.2.3.4]:80", true},
    {"[v1.a:b]", true},
    {"a%41b", true},
    {"a_b-c~d!$&'()*+,;=", true},
    {":80", false},
    {":", false},
    {"a:b", false},
    {"a:80:80", false},
    {"a:-1", false},
    {"a:123456", false},
    {"a%4", false},
    {"a%", false},
    {"a%4x", false},
    {"a b", false},
    {"a/b", false},
    {"a?b", false},
    {"a#b", false},
    {"a\\b", false},
    {"u@a", false},
    {"a\"b", false},
    {"<a>", false},
    {"[::1", false},
    {"::1", false},
    {"[]", false},
    {"[::1]a", false},
    {"[::1]]", false},
    {"[a%25b]", false},
    {"\xc3\xa4", false},
    {"http://a", false},
};

START_TEST(a_host_is_a_name_or_an_address_and_perhaps_a_port)
    {
        size_t length = strlen(hosts[_i].host);
        char *copy = malloc(length + 1);

        memcpy(copy, hosts[_i].host, length);
        copy[length] = '\r'; /* as in a head */
        ck_assert_msg(http__host_valid(copy, length) == hosts[_i].valid,
                      "\"%s\"", hosts[_i].host);
        free(copy);
    }
END_TEST

/* That which was valid last is known again: nothing else is, and what is longer
 * than any that is kept. */
START_TEST(what_was_valid_last_makes_nothing_else_valid)
    {
        char text[300];

        for (size_t length = 1; length < sizeof text; length++) {
            memset(text, 'h', sizeof text);
            for (int again = 0; again < 2; again++)
                ck_assert(http__host_valid(text, length));
            ck_assert(http__host_valid(text, length - 1));
            ck_assert(http__host_valid(text, length));
            text[length - 1] = '/';
            for (int again = 0; again < 2; again++)
                ck_assert(!http__host_valid(text, length));
            ck_assert(http__host_valid(text, length - 1));
        }
    }
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof *table)

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_target_has_one_of_four_forms, 0,
                        COUNT(targets));
    tcase_add_loop_test(tcase,
                        a_host_is_a_name_or_an_address_and_perhaps_a_port, 0,
                        COUNT(hosts));
    tcase_add_test(tcase, what_was_valid_last_makes_nothing_else_valid);
    return unit_run("target", tcase);
}
