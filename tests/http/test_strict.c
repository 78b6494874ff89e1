/* Request heads that are refused, each with the clause that has it refused, and
 * those that are not: whole, and in pieces of each size. */
#include "../unit.h"

#include "hub/hub.h"
#include "pieces.h"

/* Which status, or 1: accepted.  The clause is one of RFC 9112 where no other
 * is named. */
struct message {
    const char *clause;
    int result;
    const char *text;
    size_t size;
};
#define M(clause, result, text)               \
    {                                         \
        clause, result, text, sizeof text - 1 \
    }

#define GET  "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define END  "\r\n"

static const struct message messages[] = {
    /* how a message is framed: what smugglers try */
    M("6.1: CL and TE", -400,
      POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" END),
    M("6.1: TE and CL", -400,
      POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n" END),
    M("6.1: CL of nothing, and TE", -400,
      POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" END),
    M("6.3: CL differ", -400,
      POST "Content-Length: 3\r\nContent-Length: 2\r\n" END),
    M("6.3: CL repeated", -400,
      POST "Content-Length: 3\r\nContent-Length: 3\r\n" END),
    M("6.3: CL as a list", -400, POST "Content-Length: 5, 5\r\n" END),
    M("9110 8.6: CL below 0", -400, POST "Content-Length: -1\r\n" END),
    M("9110 8.6: CL with a plus", -400, POST "Content-Length: +1\r\n" END),
    M("9110 8.6: CL with a minus 0", -400, POST "Content-Length: -0\r\n" END),
    M("9110 8.6: CL with _", -400, POST "Content-Length: 0_1\r\n" END),
    M("9110 8.6: CL in hex", -400, POST "Content-Length: 0x10\r\n" END),
    M("9110 8.6: CL with a point", -400, POST "Content-Length: 1.0\r\n" END),
    M("9110 8.6: CL with a blank", -400, POST "Content-Length: 4 2\r\n" END),
    M("9110 8.6: CL empty", -400, POST "Content-Length:\r\n" END),
    M("9110 8.6: CL of blanks", -400, POST "Content-Length:   \r\n" END),
    M("9110 8.6: CL of words", -400, POST "Content-Length: many\r\n" END),
    M("9110 8.6: CL of other digits", -400,
      POST "Content-Length: \xd9\xa3\r\n" END),
    M("9110 8.6: CL too large for any", -400,
      POST "Content-Length: 9223372036854775808\r\n" END),
    M("9110 8.6: CL beyond 64 bits", -400,
      POST "Content-Length: 18446744073709551621\r\n" END),
    M("9110 8.6: CL of 40 digits", -400,
      POST "Content-Length: 1000000000000000000000000000000000000000\r\n" END),
    M("9110 8.6: CL with zeros first", 1, POST "Content-Length: 0003\r\n" END),
    M("9110 8.6: CL that is large", 1,
      POST "Content-Length: 999999999999999999\r\n" END),
    M("5: CL and blanks", 1, POST "Content-Length: \t 42 \t\r\n" END),
    M("5.1: CL in other case", 1, POST "conTENT-Length: 5\r\n" END),
    M("6.1: TE", 1, POST "Transfer-Encoding: chunked\r\n" END),
    M("7: TE in other case", 1, POST "transfer-ENCODING: CHUNKed\r\n" END),
    M("5: TE and blanks", 1, POST "Transfer-Encoding:\tchunked \r\n" END),
    M("6.1: TE gzip, chunked", -400,
      POST "Transfer-Encoding: gzip, chunked\r\n" END),
    M("6.1: TE identity, chunked", -400,
      POST "Transfer-Encoding: identity, chunked\r\n" END),
    M("6.1: TE chunked, gzip", -400,
      POST "Transfer-Encoding: chunked, gzip\r\n" END),
    M("6.1: TE gzip", -400, POST "Transfer-Encoding: gzip\r\n" END),
    M("7: TE identity", -400, POST "Transfer-Encoding: identity\r\n" END),
    M("6.1: TE and an unknown coding", -400,
      POST "Transfer-Encoding: pigeons\r\n" END),
    M("6.1: TE chunked twice", -400,
      POST "Transfer-Encoding: chunked, chunked\r\n" END),
    M("6.1: two TE", -400,
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END),
    M("6.1: two TE, identity", -400,
      POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" END),
    M("6.1: two TE, the last is none", -400,
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n" END),
    M("6.1: TE empty", -400, POST "Transfer-Encoding:\r\n" END),
    M("6.1: TE with a comma", -400, POST "Transfer-Encoding: ,chunked\r\n" END),
    M("6.1: TE and a comma", -400, POST "Transfer-Encoding: chunked,\r\n" END),
    M("7: TE with a parameter", -400,
      POST "Transfer-Encoding: chunked;q=1\r\n" END),
    M("7: TE quoted", -400, POST "Transfer-Encoding: \"chunked\"\r\n" END),
    M("6.1: TE almost", -400, POST "Transfer-Encoding: xchunked\r\n" END),
    M("6.1: TE almost", -400, POST "Transfer-Encoding: chunkedchunked\r\n" END),
    M("6.1: TE almost", -400, POST "Transfer-Encoding: chunke\r\n" END),
    M("9110 5.5: TE behind VT", -400,
      POST "Transfer-Encoding: \vchunked\r\n" END),
    M("9110 5.5: TE behind NBSP", -400,
      POST "Transfer-Encoding: \xa0"
           "chunked\r\n" END),
    M("6.1: TE in HTTP/1.0", -400,
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END),
    M("5.1: a blank before TE's colon", -400,
      POST "Transfer-Encoding : chunked\r\n" END),
    M("9110 5.1: another field", 1,
      POST "Transfer_Encoding: chunked\r\nContent-Length: 1\r\n" END),
    /* lines */
    M("2.2: bare LF", -400, "GET / HTTP/1.1\nHost: a\n\n"),
    M("2.2: bare LF behind the request line", -400,
      "GET / HTTP/1.1\nHost: a\r\n" END),
    M("2.2: bare LF behind a field", -400, GET HOST "x: y\nz: 1\r\n" END),
    M("2.2: bare LF behind a name", -400, GET HOST "x:\nz: 1\r\n" END),
    M("2.2: bare LF at the end", -400, GET HOST "\n"),
    M("2.2: bare LF before all", -400, "\n" GET HOST END),
    M("2.2: bare CR in the request line", -400,
      "GET /\rx HTTP/1.1\r\n" HOST END),
    M("2.2: bare CR for a line's end", -400, "GET / HTTP/1.1\rHost: a\r\n" END),
    M("2.2: bare CR in a value", -400, GET HOST "x: y\rz: 1\r\n" END),
    M("2.2: bare CR at a value's end", -400, GET HOST "x: y\r\r\n" END),
    M("2.2: bare CR in a name", -400, GET HOST "x\ry: 1\r\n" END),
    M("2.2: bare CR before a name", -400, GET HOST "\rx: 1\r\n" END),
    M("2.2: bare CR and a colon", -400, GET HOST "x\r: 1\r\n" END),
    M("2.2: bare CR before all", -400, "\r" GET HOST END),
    M("2.2: bare CR at the end", -400, GET HOST "\r\r\n"),
    M("5.2: a folded line", -400, GET "x: one\r\n two\r\n" HOST END),
    M("5.2: a folded line", -400, GET HOST "x: one\r\n\ttwo\r\n" END),
    M("5.2: a folded line of nothing", -400, GET HOST "x: one\r\n \r\n" END),
    M("5.2: a folded CL", -400, POST "Content-Length:\r\n 5\r\n" END),
    M("5.2: a folded TE", -400,
      POST "Transfer-Encoding: deflate,\r\n chunked\r\n" END),
    M("2.2: a blank before the first field", -400, GET " Host: a\r\n" END),
    M("2.2: a line of blanks", -400, GET HOST " \r\n" END),
    M("5.1: a blank before the colon", -400, GET "Host : a\r\n" END),
    M("5.1: a TAB before the colon", -400, GET "Host\t: a\r\n" END),
    M("5.1: a blank before CL's colon", -400,
      POST "Content-Length : 3\r\n" END),
    M("9110 5.1: no name", -400, GET HOST ": x\r\n" END),
    M("9110 5.1: no colon", -400, GET HOST "x\r\n" END),
    M("9110 5.1: @ in a name", -400, GET HOST "fo@: x\r\n" END),
    M("9110 5.1: a control in a name", -400, GET HOST "f\001o: x\r\n" END),
    M("9110 5.1: NUL in a name", -400, GET HOST "f\0o: x\r\n" END),
    M("9110 5.1: a blank in a name", -400, GET HOST "f o: x\r\n" END),
    M("9110 5.1: UTF-8 in a name", -400,
      POST "Content-Length\xc3\x9f: 3\r\nContent-Length: 3\r\n" END),
    M("9110 5.1: all bytes of names", 1,
      GET HOST "!#$%&'*+-.^_`|~09azAZ: x\r\n" END),
    M("9110 5.5: NUL in a value", -400, GET HOST "x: a\0b\r\n" END),
    M("9110 5.5: NUL behind a value", -400, GET HOST "x: a\0\r\n" END),
    M("9110 5.5: a control in a value", -400, GET HOST "x: a\007b\r\n" END),
    M("9110 5.5: a control far in a value", -400,
      GET HOST "x: 0123456789abcdef0123456789abcde\037\r\n" END),
    M("9110 5.5: FF in a value", -400, GET HOST "x: a\fb\r\n" END),
    M("9110 5.5: DEL in a value", -400, GET HOST "x: a\177b\r\n" END),
    M("9110 5.5: TAB in a value", 1,
      GET HOST "x: a\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\r\n" END),
    M("9110 5.5: bytes above 127", 1, GET HOST "x: D\xfcsseldorf \xff\r\n" END),
    M("9110 5.5: an empty value", 1, GET HOST "x:\r\ny: \t \r\n" END),
    M("9110 5.5: no blank", 1, GET HOST "x:y\r\n" END),
    M("9110 5.5: a colon", 1, GET HOST "x::y:z\r\n" END),
    /* the request line */
    M("3: two blanks", -400, "GET  / HTTP/1.1\r\n" HOST END),
    M("3: two blanks", -400, "GET /  HTTP/1.1\r\n" HOST END),
    M("3: a blank at the end", -400, "GET / HTTP/1.1 \r\n" HOST END),
    M("3: a blank before all", -400, " GET / HTTP/1.1\r\n" HOST END),
    M("3: TAB for a blank", -400, "GET\t/ HTTP/1.1\r\n" HOST END),
    M("3: TAB for a blank", -400, "GET /\tHTTP/1.1\r\n" HOST END),
    M("3.2: TAB in the target", -400, "GET /a\tb HTTP/1.1\r\n" HOST END),
    M("3.2: FF in the target", -400, "GET /a\fb HTTP/1.1\r\n" HOST END),
    M("3.2: NUL in the target", -400, "GET /a\0b HTTP/1.1\r\n" HOST END),
    M("3.2: DEL in the target", -400, "GET /a\177b HTTP/1.1\r\n" HOST END),
    M("3.2: a blank in the target", -400, "GET /a b HTTP/1.1\r\n" HOST END),
    M("3.2: UTF-8 in the target", -400, "GET /\xce\xb4 HTTP/1.1\r\n" HOST END),
    M("3.2: a fragment in the target", -400, "GET /a#b HTTP/1.1\r\n" HOST END),
    M("3: no target", -400, "GET HTTP/1.1\r\n" HOST END),
    M("3: no target", -400, "GET  HTTP/1.1\r\n" HOST END),
    M("3: no version", -400, "GET /\r\n" HOST END),
    M("3: no version", -400, "GET / \r\n" HOST END),
    M("3: no method", -400, "/ HTTP/1.1\r\n" HOST END),
    M("3: nothing of it", -400, "Host: a\r\n" END),
    M("3.1: no token for a method", -400, "bla:rgh / HTTP/1.1\r\n" HOST END),
    M("3.1: NUL in the method", -400, "GET\0 / HTTP/1.1\r\n" HOST END),
    M("3.1: UTF-8 in the method", -400, "GET\xc3\x9f / HTTP/1.1\r\n" HOST END),
    M("2.3: HTTP/2.0", -505, "GET / HTTP/2.0\r\n" HOST END),
    M("2.3: HTTP/3.7", -505, "GET / HTTP/3.7\r\n" HOST END),
    M("2.3: HTTP/0.9", -505, "GET / HTTP/0.9\r\n" HOST END),
    M("2.3: HTTP/1.2", 1, "GET / HTTP/1.2\r\n" HOST END),
    M("2.3: HTTP/11.1", -400, "GET / HTTP/11.1\r\n" HOST END),
    M("2.3: HTTP/1.01", -400, "GET / HTTP/1.01\r\n" HOST END),
    M("2.3: HTTP/01.1", -400, "GET / HTTP/01.1\r\n" HOST END),
    M("2.3: HTTP/1.", -400, "GET / HTTP/1.\r\n" HOST END),
    M("2.3: HTTP/1", -400, "GET / HTTP/1\r\n" HOST END),
    M("2.3: HTTP/1,1", -400, "GET / HTTP/1,1\r\n" HOST END),
    M("2.3: HTTP/a.b", -400, "GET / HTTP/a.b\r\n" HOST END),
    M("2.3: http/1.1", -400, "GET / http/1.1\r\n" HOST END),
    M("2.3: HTP/1.1", -400, "GET / HTP/1.1\r\n" HOST END),
    M("2.3: IHTTP/1.1", -400, "GET / IHTTP/1.1\r\n" HOST END),
    M("2.3: ICE/1.0", -400, "SOURCE / ICE/1.0\r\n" HOST END),
    M("2.3: RTSP/1.0", -400, "OPTIONS / RTSP/1.0\r\n" HOST END),
    M("2.2: empty lines before all", 1, "\r\n\r\n" GET HOST END),
    /* Host */
    M("3.2: no Host", -400, GET END),
    M("3.2: no Host but another", -400, GET "x: y\r\nHosts: a\r\n" END),
    M("3.2: two Host", -400, GET "Host: a\r\nHost: b\r\n" END),
    M("3.2: two Host of one value", -400, GET "Host: a\r\nhost: a\r\n" END),
    M("3.2: two Host in HTTP/1.0", -400,
      "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n" END),
    M("3.2: no Host in HTTP/1.0", 1, "GET / HTTP/1.0\r\n" END),
    M("3.2: a wrong Host in HTTP/1.0", -400,
      "GET / HTTP/1.0\r\nHost: a b\r\n" END),
    M("3.2: Host of two", -400, GET "Host: a b\r\n" END),
    M("3.2: Host with a path", -400, GET "Host: a/b\r\n" END),
    M("3.2: Host with a user", -400, GET "Host: u@a\r\n" END),
    M("3.2: Host above 127", -400, GET "Host: \xc3\xa4.org\r\n" END),
    M("3.2: Host quoted", -400, GET "Host: \"a\"\r\n" END),
    M("3.2: an empty Host", 1, GET "Host:\r\n" END),
    M("3.2: Host with a port", 1, GET "Host: a.b-c_d:8080\r\n" END),
    M("3.2: no Host beside an absolute target", -400,
      "GET http://a/ HTTP/1.1\r\n" END),
    /* Expect */
    M("9110 10.1.1: Expect", 1, POST "Expect: 100-Continue\r\n" END),
    M("9110 10.1.1: another Expect", -417, POST "Expect: a miracle\r\n" END),
    M("9110 10.1.1: another Expect in HTTP/1.0", 1,
      "POST / HTTP/1.0\r\nExpect: a miracle\r\n" END),
    /* messages of the usual kind */
    M("a test client's", 1, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n" END),
    M("a browser's", 1,
      "GET /where?to=go HTTP/1.1\r\n"
      "Host: www.example.com\r\n"
      "Connection: keep-alive\r\n"
      "sec-ch-ua: \"Chromium\";v=\"118\", \"Not=A?Brand\";v=\"99\"\r\n"
      "Upgrade-Insecure-Requests: 1\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
      "Accept: text/html,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
      "Accept-Encoding: gzip, deflate, br\r\n"
      "Accept-Language: en-US,en;q=0.9\r\n"
      "Cookie: session=0123456789abcdef; theme=dark\r\n" END),
    M("with a body behind it", 1, POST "Content-Length: 5\r\n" END "hel\nlo"),
    M("with another behind it", 1, GET HOST END GET HOST END),
};

START_TEST(each_message_gets_its_answer_in_pieces_of_each_size)
    {
        const struct message *message = &messages[_i];

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
    }
END_TEST

static const struct message trailers[] = {
    M("7.1.2: none", 1, "\r\n"),
    M("7.1.2: two fields", 1, "Vary: *\r\nContent-Type: text/plain\r\n\r\n"),
    M("9110 6.5.1: Content-Length", -400, "Content-Length: 9\r\n\r\n"),
    M("9110 6.5.1: Transfer-Encoding", -400,
      "a: b\r\ntransfer-encoding: chunked\r\n\r\n"),
    M("9110 6.5.1: Host", -400, "Host: evil\r\n\r\n"),
    M("9110 6.5.1: Connection", -400, "Connection: close\r\n\r\n"),
    M("9110 6.5.1: Expect", -400, "Expect: 100-continue\r\n\r\n"),
    M("9110 6.5.1: Upgrade", -400, "Upgrade: x\r\n\r\n"),
    M("2.2: bare LF", -400, "a: b\n\r\n"),
    M("2.2: bare LF at the end", -400, "a: b\r\n\n"),
    M("2.2: bare CR", -400, "a: b\rc\r\n\r\n"),
    M("5.2: a folded line", -400, "a: b\r\n c\r\n\r\n"),
    M("5.1: a blank before the colon", -400, "a : b\r\n\r\n"),
    M("9110 5.5: NUL", -400, "a: \0\r\n\r\n"),
    M("3: another message", -400, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
};

START_TEST(each_trailer_gets_its_answer_in_pieces_of_each_size)
    {
        const struct message *message = &trailers[_i];

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
                        COUNT(messages));
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
                        COUNT(trailers));
    tcase_add_test(tcase, a_trailer_is_as_limited_as_a_head);
    return unit_run("strict", tcase);
}
