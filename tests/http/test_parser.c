/* What http-parser says of heads that the strict check lets through. */
#include "../unit.h"

#include "http/parser.h"
#include "hub/hub.h"
#include "pieces.h"

#define HOST "Host: a\r\n"
#define END  "\r\n"

static struct http__field fields[PIECES_FIELDS];
static struct http__head head;
static struct http__parser_lines *lines;

/* Nothing depends on whether it knows the line already. */
static int look(const char *text)
{
    struct http__strict strict = {0};
    int rc;

    head.fields = fields;
    ck_assert_int_eq(
        http__strict_head(&strict, &pieces_limits, text, strlen(text), &head),
        1);
    rc = http__parser_head(NULL, text, &head);
    ck_assert_int_eq(http__parser_head(lines, text, &head), rc);
    ck_assert_int_eq(http__parser_head(lines, text, &head), rc);
    return rc;
}

static const char *const agreed[] = {
    "GET / HTTP/1.1\r\n" HOST END,
    "GET / HTTP/1.1\r\n" HOST END "more of it",
    "\r\n\r\nGET / HTTP/1.1\r\n" HOST END,
    "GET / HTTP/1.0\r\n" END,
    "GET / HTTP/1.2\r\n" HOST END,
    "GET /a?b=c|d HTTP/1.1\r\n" HOST END,
    "GET http://a:80/b?c HTTP/1.1\r\n" HOST END,
    "GET http://[::1]:80/b?c HTTP/1.1\r\n" HOST END,
    "GET http://a?c HTTP/1.1\r\n" HOST END,
    "OPTIONS * HTTP/1.1\r\n" HOST END,
    "CONNECT a:1 HTTP/1.1\r\n" HOST END,
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n" END "hello",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" END,
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 007 \r\n" END,
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "5\r\n",
    "POST / HTTP/1.1\r\n" HOST "transfer-encoding: \tCHUNKED \r\n" END,
    "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n" END,
    "GET / HTTP/1.1\r\n" HOST "Connection: a, ,close\t\r\n" END,
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n" END,
    "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n" END,
    "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: x\r\n" END "xx",
    "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n" END "xx",
    "POST / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: x\r\n"
    "Content-Length: 2\r\n" END "xx",
    "GET / HTTP/1.1\r\n" HOST
    "Transfer-Encoding-Of-Mine: x\r\n"
    "Proxy-Connection: close\r\nx:\r\ny:\xff\t\r\n" END,
};

START_TEST(agrees_with_the_strict_check)
    {
        ck_assert_msg(look(agreed[_i]) >= 0, "%s", agreed[_i]);
    }
END_TEST

static const char *const methods[] = {
    "DELETE", "GET",      "HEAD",  "POST",     "PUT",        "OPTIONS",
    "TRACE",  "COPY",     "LOCK",  "MKCOL",    "MOVE",       "PROPFIND",
    "SEARCH", "UNLOCK",   "BIND",  "REBIND",   "UNBIND",     "ACL",
    "REPORT", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY",     "SUBSCRIBE",
    "PATCH",  "PURGE",    "LINK",  "UNLINK",   "MKCALENDAR", "SOURCE",
};

START_TEST(knows_these_methods)
    {
        char text[128];

        snprintf(text, sizeof text, "%s / HTTP/1.1\r\n" HOST END, methods[_i]);
        ck_assert_int_ge(look(text), 0);
    }
END_TEST

/* RFC 9110 9.1.  Names that begin as a known one does, and one in lower case
 * (methods are case-sensitive), too. */
static const char *const unknown[] = {
    "FOO", "GETX", "GE",     "get",    "QUERY",     "-BLA",    "MKCOLA",
    "PRI", "G",    "POSTER", "PROPER", "M-SEARCHX", "UNLINKS", "!"};

START_TEST(answers_501_to_methods_that_it_does_not_know)
    {
        char text[128];

        snprintf(text, sizeof text, "%s / HTTP/1.1\r\n" HOST END, unknown[_i]);
        ck_assert_int_eq(look(text), -501);
    }
END_TEST

/* Were we to misread something, it is refused. */
START_TEST(refuses_what_it_reads_in_another_way)
    {
        const char *text =
            "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n" END;
        struct http__head right;

        ck_assert_int_ge(look(text), 0);
        right = head;
        head.content_length = 6;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
        head = right;
        head.content_length = -1;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
        head = right;
        head.chunked = true;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
        head = right;
        head.minor = 0;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
        head = right;
        head.length--;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
        head = right;
        head.method_length = 3;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
    }
END_TEST

/* docs/http.md names it. */
START_TEST(refuses_a_little_more)
    {
        ck_assert_int_eq(http__parser_chunk("5\t;a\r\n", 6, 5), -400);
        ck_assert_int_eq(http__parser_chunk("5 ;a\r\n", 6, 5), 0);
    }
END_TEST

START_TEST(refuses_another_end_of_the_head)
    {
        const char *text =
            "GET / HTTP/1.1\r\n" HOST END "GET / HTTP/1.1\r\n" HOST END;

        ck_assert_int_ge(look(text), 0);
        head.length += 2;
        ck_assert_int_eq(http__parser_head(lines, text, &head), -400);
    }
END_TEST

START_TEST(reads_lines_of_chunks)
    {
        ck_assert_int_eq(http__parser_chunk("5\r\n", 3, 5), 0);
        ck_assert_int_eq(http__parser_chunk("0\r\n", 3, 0), 0);
        ck_assert_int_eq(http__parser_chunk("00fF;a=\"b\";c\r\n", 14, 255), 0);
        ck_assert_int_eq(
            http__parser_chunk("7fffffffffffffff\r\n", 18, INT64_MAX), 0);
        ck_assert_int_eq(http__parser_chunk("5\r\n", 3, 6), -400);
        ck_assert_int_eq(http__parser_chunk("5\r\n", 2, 5), -400);
        ck_assert_int_eq(http__parser_chunk("5\r\n1\r\n", 6, 5), -400);
        ck_assert_int_eq(http__parser_chunk("x\r\n", 3, 0), -400);
    }
END_TEST

START_TEST(reads_trailers)
    {
        ck_assert_int_eq(http__parser_trailer("\r\n", 2), 0);
        ck_assert_int_eq(http__parser_trailer("a: b\r\nc:\r\n\r\n", 12), 0);
        ck_assert_int_eq(http__parser_trailer("a: b\r\n", 6), -400);
        ck_assert_int_eq(http__parser_trailer("\r\nGET", 5), -400);
        ck_assert_int_eq(http__parser_trailer("a\r\n\r\n", 5), -400);
    }
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof *table)

int main(void)
{
    TCase *tcase = unit_case();
    int failed;

    hub_sleep(1);
    lines = calloc(1, http__parser_lines_size);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, agrees_with_the_strict_check, 0, COUNT(agreed));
    tcase_add_loop_test(tcase, knows_these_methods, 0, COUNT(methods));
    tcase_add_loop_test(tcase, answers_501_to_methods_that_it_does_not_know, 0,
                        COUNT(unknown));
    tcase_add_test(tcase, refuses_what_it_reads_in_another_way);
    tcase_add_test(tcase, refuses_a_little_more);
    tcase_add_test(tcase, refuses_another_end_of_the_head);
    tcase_add_test(tcase, reads_lines_of_chunks);
    tcase_add_test(tcase, reads_trailers);
    failed = unit_run("parser", tcase);
    free(lines);
    return failed;
}
