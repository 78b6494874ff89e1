/* Bodies in chunks: RFC 9112 7.1 where no other clause is named. */
#include "../unit.h"

#include "http/chunk.h"
#include "hub/hub.h"
#include "pieces.h"

struct body {
    const char *clause;
    int result; /* HTTP__CHUNKS_MORE: it goes on; 2: complete; a status, negated
                 */
    const char *text;
    size_t size;
    const char *data;
};
#define B(clause, result, text, data)               \
    {                                               \
        clause, result, text, sizeof text - 1, data \
    }
#define ENDS HTTP__CHUNKS_END
#define MORE HTTP__CHUNKS_MORE

static const struct body bodies[] = {
    B("7.1: nothing", ENDS, "0\r\n\r\n", ""),
    B("7.1: one", ENDS, "5\r\nhello\r\n0\r\n\r\n", "hello"),
    B("7.1: two", ENDS, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
      "hello world"),
    B("7.1: lines in data", ENDS, "6\r\n0\r\n\r\n\n\r\n0\r\n\r\n",
      "0\r\n\r\n\n"),
    B("7.1: hex of both cases", ENDS,
      "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
      "01234567890123456789a"),
    B("7.1: zeros first", ENDS, "0005\r\nhello\r\n000\r\n\r\n", "hello"),
    B("7.1: something behind it", ENDS, "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
      "a"),
    B("7.1.1: extensions", ENDS,
      "5; some; parameters=stuff\r\nhello\r\n0;x\r\n\r\n", "hello"),
    B("7.1.1: an extension quoted", ENDS,
      "5;foo=\"bar baz\"\r\nhello\r\n0\r\n\r\n", "hello"),
    B("7.1.1: an extension with quotes", ENDS,
      "5;a=\"I \\\"love\\\"; \\\\ext\\\\\";b;c=d\r\nhello\r\n0\r\n\r\n",
      "hello"),
    B("7.1.1: bad blanks", ENDS, "5 ; a = b ;c\r\nhello\r\n0\r\n\r\n", "hello"),
    B("7.1.2: a trailer", ENDS,
      "1\r\na\r\n0\r\nVary: *\r\nContent-Type: text/plain\r\n\r\n", "a"),
    B("7.1: not all", MORE, "5\r\nhel", "hel"),
    B("7.1: no last chunk", MORE, "5\r\nhello\r\n", "hello"),
    B("7.1: no end of the trailer", MORE, "0\r\n", ""),
    B("7.1: no end of the trailer", MORE, "0\r\na: b\r\n", ""),
    B("7.1: half an end", MORE, "0\r\n\r", ""),

    B("7.1: no size", -400, "\r\nhello\r\n0\r\n\r\n", ""),
    B("7.1: a size below 0", -400, "-5\r\nhello\r\n", ""),
    B("7.1: a size with a plus", -400, "+5\r\nhello\r\n", ""),
    B("7.1: a size with 0x", -400, "0x5\r\nhello\r\n", ""),
    B("7.1: a size with _", -400, "5\r\nhello\r\n6_0\r\n world\r\n", "hello"),
    B("7.1: a size of other letters", -400, "G\r\n", ""),
    B("7.1: a blank before the size", -400, " 5\r\nhello\r\n", ""),
    B("7.1: a blank behind the size", -400, "5 \r\nhello\r\n", ""),
    B("7.1: a TAB behind the size", -400, "5\t\r\nhello\r\n", ""),
    B("7.1: a blank behind the last size", -400, "5\r\nhello\r\n0 \r\n\r\n",
      "hello"),
    B("7.1: a size of two", -400, "5 5\r\nhello\r\n", ""),
    B("7.1: words behind the size", -400, "2 erfrferferf\r\naa\r\n", ""),
    B("7.1: a size too large for any", -400, "8000000000000000\r\n", ""),
    B("7.1: a size beyond 64 bits", -400, "10000000000000005\r\nhello\r\n", ""),
    B("7.1: a size beyond 64 bits", -400,
      "f0000000000000000000000000000005\r\nhello\r\n", ""),
    B("7.1: the largest", MORE, "7fffffffffffffff\r\na", "a"),
    B("2.2: LF behind the size", -400, "5\nhello\r\n0\r\n\r\n", ""),
    B("2.2: LF in an extension", -400, "5;a\n\r\nhello\r\n0\r\n\r\n", ""),
    B("2.2: LF in a quoted extension", -400, "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
      ""),
    B("2.2: CR behind the size", -400, "5\rhello\r\n0\r\n\r\n", ""),
    B("2.2: CR in an extension", -400, "5;ext=val\rue\r\nhello\r\n", ""),
    B("2.2: CR CR LF", -400, "5\r\r\nhello\r\n", ""),
    B("2.2: CR CR ;", -400, "5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n", ""),
    B("2.2: LF behind the data", -400, "5\r\nhello\n0\r\n\r\n", "hello"),
    B("7.1: nothing behind the data", -400, "5\r\nhello0\r\n\r\n", "hello"),
    B("7.1: data longer than said", -400, "5\r\nhello world\r\n", "hello"),
    B("7.1: CR alone behind the data", -400, "5\r\nhello\r0\r\n\r\n", "hello"),
    B("7.1: data shorter than said", -400, "5\r\nhell\r\n0\r\n\r\n", "hell\r"),
    B("7.1: an empty line for the last chunk", -400, "3\r\nfoo\r\n\r\n", "foo"),
    B("7.1.1: no name", -400, "2;\r\naa\r\n", ""),
    B("7.1.1: no name", -400, "2;=b\r\naa\r\n", ""),
    B("7.1.1: no name", -400, "2;;\r\naa\r\n", ""),
    B("7.1.1: no size", -400, ";foo=bar\r\nhello\r\n", ""),
    B("7.1.1: no size", -400, " ;foo=bar\r\nhello\r\n", ""),
    B("7.1.1: no value", -400, "2;a=\r\naa\r\n", ""),
    B("7.1.1: a blank at the end", -400, "2;a \r\naa\r\n", ""),
    B("7.1.1: no end of the quotes", -400, "2;a=\"b; c\r\naa\r\n", ""),
    B("7.1.1: something behind quotes", -400, "2;a=\"b\"c\r\naa\r\n", ""),
    B("7.1.1: NUL", -400, "2;a\0\r\naa\r\n", ""),
    B("7.1.1: NUL quoted", -400, "2;a=\"\\\0\"\r\naa\r\n", ""),
    B("7.1.1: NUL in the size", -400, "2\0\r\naa\r\n", ""),
    B("9110 6.5.1: CL in the trailer", -400,
      "5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", "hello"),
    B("9110 6.5.1: TE in the trailer", -400,
      "0\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    B("9110 6.5.1: Host in the trailer", -400, "0\r\nHost: evil\r\n\r\n", ""),
    B("2.2: LF for the trailer's end", -400, "0\r\n\n", ""),
    B("5.2: a folded trailer", -400, "0\r\na: b\r\n c\r\n\r\n", ""),
    B("7.1.2: another message for a trailer", -400,
      "0\r\nGET / HTTP/1.1\r\n\r\n", ""),
};

/* Somebody who reads a body: who drops what is used up, as a connection does.
 */
struct reader {
    struct http__chunks chunks;
    struct http__field fields[PIECES_FIELDS];
    struct http__head head;
    char data[64];
    size_t length;
};

/* One call, with what is left in memory of just its size. */
static int read_once(struct reader *reader, const char *text, size_t size,
                     size_t *used)
{
    char *copy = malloc(size);
    size_t skip, length;
    int rc;

    memcpy(copy, text, size);
    reader->head.fields = reader->fields;
    rc = http__chunks_read(&reader->chunks, &pieces_limits, copy, size, &skip,
                           &length, &reader->head);
    ck_assert_uint_le(skip + length, size);
    if (rc == HTTP__CHUNKS_DATA) {
        ck_assert_uint_gt(length, 0);
        ck_assert_uint_le(reader->length + length, sizeof reader->data);
        memcpy(reader->data + reader->length, copy + skip, length);
        reader->length += length;
    }
    *used = rc < 0 ? 0 : skip + length;
    free(copy);
    return rc;
}

static int read_in_pieces(struct reader *reader, const char *text, size_t size,
                          size_t piece, size_t *used)
{
    size_t there = 0;
    int rc = MORE;

    *used = 0;
    while (there < size && (rc == MORE || rc == HTTP__CHUNKS_DATA)) {
        there += piece < size - there ? piece : size - there;
        do {
            size_t more;

            rc = read_once(reader, text + *used, there - *used, &more);
            *used += more;
        } while (rc == HTTP__CHUNKS_DATA);
    }
    return rc;
}

START_TEST(each_body_is_read_in_pieces_of_each_size)
    {
        const struct body *body = &bodies[_i];

        for (size_t piece = body->size; piece > 0; piece--) {
            struct reader reader = {0};
            size_t used;
            int rc =
                read_in_pieces(&reader, body->text, body->size, piece, &used);

            ck_assert_msg(rc == body->result, "%s, by %zu bytes: %d, not %d",
                          body->clause, piece, rc, body->result);
            ck_assert_uint_eq(reader.length, strlen(body->data));
            ck_assert_mem_eq(reader.data, body->data, reader.length);
            if (rc == ENDS)
                ck_assert_mem_eq(body->text + used - 2, "\r\n", 2);
        }
    }
END_TEST

START_TEST(what_follows_a_body_is_left)
    {
        const char *text = "1\r\na\r\n0\r\nx: y\r\n\r\n1\r\nb\r\n";
        struct reader reader = {0};
        size_t used;

        ck_assert_int_eq(
            read_in_pieces(&reader, text, strlen(text), 100, &used), ENDS);
        ck_assert_str_eq(text + used, "1\r\nb\r\n");
        ck_assert_uint_eq(reader.head.count, 1);
        ck_assert_uint_eq(reader.fields[0].value_length, 1);
    }
END_TEST

START_TEST(a_line_has_1024_bytes_at_most)
    {
        static char text[2048];
        size_t length;
        uint64_t chunk;

        sprintf(text, "5;%0*d\r\n", HTTP__CHUNK_LINE - 4, 1);
        ck_assert_int_eq(
            http__strict_chunk(text, strlen(text), &length, &chunk), 1);
        ck_assert_uint_eq(length, HTTP__CHUNK_LINE);
        ck_assert_uint_eq(chunk, 5);
        sprintf(text, "5;%0*d\r\n", HTTP__CHUNK_LINE - 3, 1);
        ck_assert_int_eq(
            http__strict_chunk(text, strlen(text), &length, &chunk), -400);
        memset(text, '0', sizeof text);
        ck_assert_int_eq(
            http__strict_chunk(text, HTTP__CHUNK_LINE - 1, &length, &chunk), 0);
        ck_assert_int_eq(
            http__strict_chunk(text, HTTP__CHUNK_LINE, &length, &chunk), -400);
    }
END_TEST

START_TEST(extensions_without_end_are_refused)
    {
        static char text[64 + HTTP__CHUNK_LINE];
        struct reader reader = {0};
        size_t used;
        int rc = 0, chunks = 0;

        sprintf(text, "1;%0*d\r\na\r\n", 511, 1);
        for (; rc == 0 && chunks < 1000; chunks++) {
            reader.length = 0;
            rc = read_in_pieces(&reader, text, strlen(text), 4096, &used);
        }
        ck_assert_int_eq(rc, -400);
        ck_assert_int_eq(chunks, HTTP__CHUNK_EXTENSIONS / 512 + 1);
    }
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof *table)

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_body_is_read_in_pieces_of_each_size, 0,
                        COUNT(bodies));
    tcase_add_test(tcase, what_follows_a_body_is_left);
    tcase_add_test(tcase, a_line_has_1024_bytes_at_most);
    tcase_add_test(tcase, extensions_without_end_are_refused);
    return unit_run("chunk", tcase);
}
