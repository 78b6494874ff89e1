/* Bodies in chunks: RFC 9112 7.1 where no other clause is named. */
#include "../unit.h"

#include "http/chunk.h"
#include "hub/hub.h"
#include "messages.h"
#include "pieces.h"

#define ENDS HTTP__CHUNKS_END
#define MORE HTTP__CHUNKS_MORE

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
        const struct body *body = &messages_bodies[_i];

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

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_body_is_read_in_pieces_of_each_size, 0,
                        (int)messages_bodies_count);
    tcase_add_test(tcase, what_follows_a_body_is_left);
    tcase_add_test(tcase, a_line_has_1024_bytes_at_most);
    tcase_add_test(tcase, extensions_without_end_are_refused);
    return unit_run("chunk", tcase);
}
