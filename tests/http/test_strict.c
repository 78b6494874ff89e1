/* Request heads that are refused, each with the clause that has it refused, and
 * those that are not: whole, and in pieces of each size. */
#include "../unit.h"

#include "hub/hub.h"
#include "messages.h"
#include "pieces.h"

#define GET  "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define END  "\r\n"

START_TEST(each_message_gets_its_answer_in_pieces_of_each_size)
    {
        const struct message *message = &messages_heads[_i];

        for (size_t piece = message->size; piece > 0; piece--) {
            struct http__field fields[PIECES_FIELDS];
            struct http__head head = {.fields = fields};
            int rc = pieces_feed(http__strict_head, &pieces_limits,
                                 message->text, message->size, piece, &head);

            ck_assert_msg(rc == message->result, "%s, by %zu bytes: %d, not %d",
                          message->clause, piece, rc, message->result);
        }
    }
END_TEST

static struct http__field found[PIECES_FIELDS];
static struct http__head head;

/* Accepted; what it says is in `head` and `found`. */
static void accept_head(const char *text)
{
    struct http__strict strict = {0};

    head.fields = found;
    ck_assert_int_eq(
        http__strict_head(&strict, &pieces_limits, text, strlen(text), &head),
        1);
}

static void same_text(const char *text, uint32_t at, uint32_t length,
                      const char *expected)
{
    ck_assert_uint_eq(length, strlen(expected));
    ck_assert_mem_eq(text + at, expected, length);
}

START_TEST(what_a_head_says_is_found_by_offsets)
    {
        const char *text =
            "\r\nPUT /a?b HTTP/1.1\r\nHost: h:1\r\nX-y:  one two \r\n"
            "Content-Length: 12\r\nx-Y:\r\n\r\nbody of it";

        accept_head(text);
        ck_assert_uint_eq(head.length, strlen(text) - strlen("body of it"));
        ck_assert_uint_eq(head.skipped, 2);
        same_text(text, head.method, head.method_length, "PUT");
        same_text(text, head.target, head.target_length, "/a?b");
        same_text(text, head.path, head.path_length, "/a?b");
        same_text(text, head.host, head.host_length, "h:1");
        ck_assert_int_eq(head.minor, 1);
        ck_assert_int_eq(head.content_length, 12);
        ck_assert(!head.chunked && !head.close && !head.keep_alive);
        ck_assert(!head.upgrade && !head.expect_continue);
        ck_assert_uint_eq(head.count, 4);
        same_text(text, found[1].name, found[1].name_length, "X-y");
        same_text(text, found[1].value, found[1].value_length, "one two");
        same_text(text, found[3].value, found[3].value_length, "");
    }
END_TEST

START_TEST(a_field_is_found_whatever_its_case)
    {
        const char *text = GET HOST "Accept-Encoding: gzip\r\nCookie: a\r\n"
                                    "accept-encoding: br\r\ncookie: b\r\n" END;
        const struct http__field *field;

        accept_head(text);
        field = http__head_find(&head, text, "accept-encoding", 15, 0);
        ck_assert_ptr_eq(field, &found[1]);
        field = http__head_find(&head, text, "accept-encoding", 15, 2);
        ck_assert_ptr_eq(field, &found[3]);
        ck_assert_ptr_null(
            http__head_find(&head, text, "accept-encoding", 15, 4));
        ck_assert_ptr_eq(http__head_find(&head, text, "cookie", 6, 0),
                         &found[2]);
        ck_assert_ptr_null(http__head_find(&head, text, "cooki", 5, 0));
        ck_assert_ptr_null(
            http__head_find(&head, text, "accept-encodinh", 15, 0));
        ck_assert_ptr_null(
            http__head_find(&head, text, "accapt-encoding", 15, 0));
    }
END_TEST

/* What Connection, Upgrade and Expect say. */
static const struct {
    const char *text;
    bool close, keep_alive, upgrade, expects, ends;
} connections[] = {
    {GET HOST END, false, false, false, false, false},
    {GET HOST "Connection: close\r\n" END, true, false, false, false, true},
    {GET HOST "connection: CLOSE\t\r\n" END, true, false, false, false, true},
    {GET HOST "Connection: closed\r\n" END, false, false, false, false, false},
    {GET HOST "Connection: keep-alive\r\n" END, false, true, false, false,
     false},
    {GET HOST "Connection: te , ,Close,x\r\n" END, true, false, false, false,
     true},
    {GET HOST "Connection: te\r\nConnection: close\r\n" END, true, false, false,
     false, true},
    {GET HOST "Connection: keep-alive, close\r\n" END, true, true, false, false,
     true},
    {"GET / HTTP/1.0\r\n" END, false, false, false, false, true},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END, false, true, false,
     false, false},
    {"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n" END, true, true,
     false, false, true},
    {GET HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n" END, false, false,
     true, false, false},
    {GET HOST "Upgrade: websocket\r\nConnection: x, upgrade\r\n" END, false,
     false, true, false, false},
    {GET HOST "Connection: Upgrade\r\n" END, false, false, false, false, false},
    {GET HOST "Upgrade: websocket\r\n" END, false, false, false, false, false},
    {"GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n" END, false,
     false, false, false, true},
    {POST "Expect: 100-continue\r\n" END, false, false, false, true, false},
    {POST "Expect: ,100-continue,\r\n" END, false, false, false, true, false},
    {POST "Expect: ,\r\n" END, false, false, false, false, false},
    {"POST / HTTP/1.0\r\nExpect: 100-continue\r\n" END, false, false, false,
     false, true},
};

START_TEST(a_head_says_what_becomes_of_its_connection)
    {
        accept_head(connections[_i].text);
        ck_assert_int_eq(head.close, connections[_i].close);
        ck_assert_int_eq(head.keep_alive, connections[_i].keep_alive);
        ck_assert_int_eq(head.upgrade, connections[_i].upgrade);
        ck_assert_int_eq(head.expect_continue, connections[_i].expects);
        ck_assert_int_eq(http__head_ends(&head), connections[_i].ends);
    }
END_TEST

/* A head of one field with a value of `value` bytes, behind a target of
 * `target`. */
static char *sized(size_t target, size_t value)
{
    size_t size = target + value + 64;
    char *text = malloc(size);

    snprintf(text, size, "GET /%0*d HTTP/1.1\r\nHost: a\r\nx: %0*d\r\n\r\n",
             (int)target - 1, 0, (int)value, 0);
    return text;
}

static int feed_sized(size_t target, size_t value, size_t piece, size_t size)
{
    char *text = sized(target, value);
    int rc;

    head.fields = found;
    if (size == 0 || size > strlen(text))
        size = strlen(text);
    rc = pieces_feed(http__strict_head, &pieces_limits, text, size, piece,
                     &head);
    free(text);
    return rc;
}

START_TEST(a_request_line_has_8190_bytes_at_most)
    {
        const size_t most = 8190 - strlen("GET  HTTP/1.1");
        static const size_t pieces[] = {100000, 4096, 1000, 7};

        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(feed_sized(most, 1, pieces[i], 0), 1);
            ck_assert_int_eq(feed_sized(most + 1, 1, pieces[i], 0), -414);
            ck_assert_int_eq(feed_sized(20000, 1, pieces[i], 0), -414);
        }
        /* before its end is there */
        ck_assert_int_eq(feed_sized(20000, 1, 8192, 8192), -414);
        ck_assert_int_eq(feed_sized(20000, 1, 8191, 8191), 0);
    }
END_TEST

START_TEST(a_head_has_16384_bytes_at_most)
    {
        const size_t rest = strlen("GET /0 HTTP/1.1\r\nHost: a\r\nx: \r\n\r\n");
        static const size_t pieces[] = {100000, 4096, 1000, 7};

        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(feed_sized(2, 16384 - rest, pieces[i], 0), 1);
            ck_assert_int_eq(feed_sized(2, 16385 - rest, pieces[i], 0), -431);
            ck_assert_int_eq(feed_sized(2, 30000, pieces[i], 0), -431);
        }
        ck_assert_int_eq(feed_sized(2, 30000, 16384, 16384), -431);
        ck_assert_int_eq(feed_sized(2, 30000, 16383, 16383), 0);
    }
END_TEST

static int feed_fields(int count)
{
    char *text = malloc(64 + 6 * (size_t)count);
    char *at = text + sprintf(text, GET HOST);
    int rc;

    for (int i = 1; i < count; i++)
        at += sprintf(at, "x: %d\r\n", i % 10);
    strcpy(at, END);
    head.fields = found;
    rc = pieces_feed(http__strict_head, &pieces_limits, text, strlen(text), 5,
                     &head);
    free(text);
    return rc;
}

START_TEST(a_head_has_100_fields_at_most)
    {
        ck_assert_int_eq(feed_fields(100), 1);
        ck_assert_uint_eq(head.count, 100);
        ck_assert_int_eq(feed_fields(101), -431);
    }
END_TEST

START_TEST(empty_lines_alone_are_no_head_yet)
    {
        struct http__strict strict = {0};

        head.fields = found;
        ck_assert_int_eq(
            http__strict_head(&strict, &pieces_limits, "\r\n\r\n", 4, &head),
            0);
        ck_assert_uint_eq(strict.at, 4);
        ck_assert_int_eq(
            http__strict_head(&strict, &pieces_limits, "\r\n\r\n\r", 5, &head),
            0);
        ck_assert_uint_eq(strict.at, 4);
        ck_assert(!http__strict_begun(&strict, 4));
        ck_assert(http__strict_begun(&strict, 5));
        ck_assert_int_eq(http__strict_head(&strict, &pieces_limits,
                                           "\r\n\r\nGET / HTTP/1.1\r\n", 20,
                                           &head),
                         0);
        ck_assert(http__strict_begun(&strict, 20));
    }
END_TEST

START_TEST(each_trailer_gets_its_answer_in_pieces_of_each_size)
    {
        const struct message *message = &messages_trailers[_i];

        for (size_t piece = message->size; piece > 0; piece--) {
            int rc;

            head.fields = found;
            rc = pieces_feed(http__strict_trailer, &pieces_limits,
                             message->text, message->size, piece, &head);
            ck_assert_msg(rc == message->result, "%s, by %zu bytes: %d, not %d",
                          message->clause, piece, rc, message->result);
        }
    }
END_TEST

START_TEST(a_trailer_is_as_limited_as_a_head)
    {
        char *text = malloc(20004);

        head.fields = found;
        sprintf(text, "x: %016000d\r\n\r\n", 0);
        ck_assert_int_eq(pieces_feed(http__strict_trailer, &pieces_limits, text,
                                     strlen(text), 333, &head),
                         1);
        sprintf(text, "x: %017000d\r\n\r\n", 0);
        ck_assert_int_eq(pieces_feed(http__strict_trailer, &pieces_limits, text,
                                     strlen(text), 333, &head),
                         -431);
        free(text);
    }
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof *table)

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase,
                        each_message_gets_its_answer_in_pieces_of_each_size, 0,
                        (int)messages_heads_count);
    tcase_add_test(tcase, what_a_head_says_is_found_by_offsets);
    tcase_add_test(tcase, a_field_is_found_whatever_its_case);
    tcase_add_loop_test(tcase, a_head_says_what_becomes_of_its_connection, 0,
                        COUNT(connections));
    tcase_add_test(tcase, a_request_line_has_8190_bytes_at_most);
    tcase_add_test(tcase, a_head_has_16384_bytes_at_most);
    tcase_add_test(tcase, a_head_has_100_fields_at_most);
    tcase_add_test(tcase, empty_lines_alone_are_no_head_yet);
    tcase_add_loop_test(tcase,
                        each_trailer_gets_its_answer_in_pieces_of_each_size, 0,
                        (int)messages_trailers_count);
    tcase_add_test(tcase, a_trailer_is_as_limited_as_a_head);
    return unit_run("strict", tcase);
}
