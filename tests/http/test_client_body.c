/* The client session: bodies, whole, compressed, piece by piece, and sent so. */
#include "client_server.h"

#include <zlib.h>

static struct http_session *session;
static struct http_reply *reply;

static void open_with(const struct http_session_options *options)
{
    http_session_free(session);
    ck_assert_int_eq(http_session_new(options, &session), 0);
}

static void setup(void)
{
    open_with(NULL);
}

static void teardown(void)
{
    http_session_free(session);
    session = NULL;
    test_serve_end();
}

static char pattern(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static int open_path(const char *path)
{
    struct http_session_request request = { .url = test_url(path) };

    return http_session_open(session, &request, &reply);
}

/* ---- answers ---- */

enum { BIG = 4 * 1024 * 1024 };
static size_t sent;

/* In chunks of a number of bytes that the path says. */
static bool chunks(struct asked *asked)
{
    size_t size = strtoul(asked->path + 1, NULL, 10), room = size + 32;
    char *chunk = malloc(room);
    int rc = 0, small = 65536;

    setsockopt(asked->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);

    test_say(asked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                    "Trailer: After\r\n\r\n");
    for (sent = 0; sent < BIG && rc == 0;) {
        size_t now = BIG - sent < size ? BIG - sent : size;
        int head = sprintf(chunk, "%zx\r\n", now);

        for (size_t i = 0; i < now; i++)
            chunk[head + i] = pattern(sent + i);
        memcpy(chunk + head + now, "\r\n", 2);
        rc = test_send(asked, chunk, head + now + 2);
        sent += now;
    }
    free(chunk);
    return rc == 0 && test_say(asked, "0\r\nAfter: all\r\n\r\n");
}

START_TEST(a_body_in_chunks_is_put_together)
{
    static const char *const paths[] = { "/70000", "/4096", "/999999" };
    const char *data;
    size_t size;

    test_serve(chunks);
    ck_assert_int_eq(http_session_get(session, test_url(paths[_i]), &reply), 0);
    data = http_reply_body(reply, &size);
    ck_assert_uint_eq(size, BIG);
    for (size_t i = 0; i < size; i++)
        if (data[i] != pattern(i))
            ck_abort_msg("byte %zu", i);
    ck_assert_ptr_null(http_reply_header(reply, "After", 0));
    http_reply_free(reply);
}
END_TEST

START_TEST(a_body_is_read_piece_by_piece)
{
    static const size_t sizes[] = { 1000, 65536, 1000000, 4097 };
    char *buffer = malloc(sizes[_i]);
    size_t got = 0;
    ssize_t count;

    test_serve(chunks);
    ck_assert_int_eq(open_path("/33333"), 0);
    ck_assert_int_eq(http_reply_status(reply), 200);
    while ((count = http_reply_read(reply, buffer, sizes[_i], SOON)) > 0) {
        for (ssize_t i = 0; i < count; i++)
            if (buffer[i] != pattern(got + (size_t)i))
                ck_abort_msg("byte %zu", got + (size_t)i);
        got += (size_t)count;
    }
    ck_assert_int_eq(count, 0);
    ck_assert_uint_eq(got, BIG);
    ck_assert_int_eq(http_reply_read(reply, buffer, 1, SOON), 0);
    http_reply_free(reply);
    free(buffer);
    ck_assert_int_eq(open_path("/4096"), 0);
    http_reply_free(reply);
    ck_assert_uint_eq(test_connections, 1); /* it was read to its end */
}
END_TEST

/* While nobody reads, little more than what fits into the sockets leaves. */
START_TEST(a_server_has_to_wait_for_a_slow_reader)
{
    struct http_session_options options = { .buffer = 10000 };
    static char buffer[100000];
    size_t before;

    open_with(&options);
    test_serve(chunks);
    ck_assert_int_eq(open_path("/10000"), 0);
    do {
        before = sent;
        hub_sleep(100 * MS);
    } while (sent != before);
    ck_assert_uint_lt(sent, BIG);
    http_reply_body(reply, &before);
    ck_assert_uint_lt(before, 10000 + 16384);
    while (http_reply_read(reply, buffer, sizeof buffer, SOON) > 0)
        ;
    ck_assert_uint_eq(sent, BIG);
    http_reply_free(reply);
}
END_TEST

START_TEST(what_is_not_read_to_its_end_costs_the_connection)
{
    test_serve(chunks);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(open_path("/10000"), 0);
        http_reply_free(reply);
        hub_sleep(5 * MS);
        ck_assert_uint_eq(test_connections, (unsigned)i);
        ck_assert_uint_eq(http_session_active(session, NULL), 0);
    }
}
END_TEST

static bool go;

static bool trickles(struct asked *asked)
{
    test_say(asked, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    while (!go && hub_sleep(MS) == 0)
        ;
    for (int i = 0; i < 5; i++) {
        hub_sleep(2 * MS);
        test_say(asked, "data: x\n\n");
    }
    return false;
}

START_TEST(pieces_come_as_they_are_sent)
{
    char buffer[100];
    int pieces = 0;
    ssize_t count, sum = 0;

    go = false;

    test_serve(trickles);
    ck_assert_int_eq(open_path("/"), 0);
    ck_assert_int_eq(http_reply_read(reply, buffer, 100, HUB_NOWAIT), -EAGAIN);
    ck_assert_int_eq(http_reply_read(reply, buffer, 100, hub_now() + MS / 10),
                     -ETIMEDOUT);
    go = true;
    for (; (count = http_reply_read(reply, buffer, 100, SOON)) > 0; pieces++)
        sum += count;
    ck_assert_int_eq(count, 0);
    ck_assert_int_eq(sum, 45);
    ck_assert_int_gt(pieces, 1);
    http_reply_free(reply);
}
END_TEST

/* ---- limits ---- */

static bool as_long_as_asked(struct asked *asked)
{
    size_t size = strtoul(asked->path + 1, NULL, 10);
    char *body = calloc(1, size + 1);
    bool stays = test_reply(asked, 200, "", body, size);

    free(body);
    return stays;
}

START_TEST(a_whole_body_has_a_limit)
{
    struct http_session_request request = { .limit = 1000 };
    size_t size;

    test_serve(as_long_as_asked);
    request.url = test_url("/1000");
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    http_reply_body(reply, &size);
    ck_assert_uint_eq(size, 1000);
    http_reply_free(reply);
    request.url = test_url("/1001");
    ck_assert_int_eq(http_session_request(session, &request, &reply), -EMSGSIZE);
    ck_assert_ptr_nonnull(strstr(http_session_error(session), "limit"));
    ck_assert_int_eq(http_session_get(session, test_url("/16777217"), &reply),
                     -EMSGSIZE);
    ck_assert_int_eq(http_session_open(session, &request, &reply), 0);
    http_reply_free(reply);
}
END_TEST

/* ---- compressed ---- */

static size_t squeeze(char *to, size_t room, const char *from, size_t size)
{
    z_stream z = { .next_in = (void *)(uintptr_t)from, .avail_in = (uInt)size,
                   .next_out = (void *)to, .avail_out = (uInt)room };

    deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

/* A million zeros are a thousand bytes. */
static bool squeezed(struct asked *asked)
{
    static char body[1000000], packed[10000];
    size_t size = squeeze(packed, sizeof packed, body, sizeof body);

    if (strcmp(asked->path, "/bad") == 0)
        packed[size / 2] ^= 0x55;
    return test_reply(asked, 200, "Content-Encoding: gzip\r\n", packed, size);
}

START_TEST(compressed_answers_are_unpacked)
{
    struct http_session_request request = { .limit = 999999 };
    static char buffer[3000];
    size_t size, sum = 0;
    ssize_t count;

    test_serve(squeezed);
    ck_assert_int_eq(http_session_get(session, test_url("/"), &reply), 0);
    http_reply_body(reply, &size);
    ck_assert_uint_eq(size, 1000000);
    http_reply_free(reply);
    request.url = test_url("/");
    ck_assert_int_eq(http_session_request(session, &request, &reply), -EMSGSIZE);
    ck_assert_int_eq(http_session_open(session, &request, &reply), 0);
    while ((count = http_reply_read(reply, buffer, sizeof buffer, SOON)) > 0)
        sum += (size_t)count;
    ck_assert_int_eq(count, 0);
    ck_assert_uint_eq(sum, 1000000);
    http_reply_free(reply);
    ck_assert_int_eq(http_session_get(session, test_url("/bad"), &reply),
                     -EBADMSG);
    request.flags = HTTP_SESSION_PLAIN;
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    http_reply_body(reply, &size);
    ck_assert_uint_lt(size, 10000);
    http_reply_free(reply);
}
END_TEST

/* ---- uploads ---- */

static bool echoes(struct asked *asked)
{
    char fields[1100];

    snprintf(fields, sizeof fields, "X-Framing: %s\r\n",
             test_field(asked, "Transfer-Encoding") != NULL
                 ? "chunked"
                 : test_field(asked, "Content-Length"));
    return test_reply(asked, 200, fields, asked->body, asked->body_size);
}

struct source {
    size_t size, given, piece;
    int64_t pause;
    int error;
};

static ssize_t gives(void *buffer, size_t size, void *data)
{
    struct source *source = data;
    size_t now = source->size - source->given;
    int rc = 0;

    if (source->pause > 0)
        rc = hub_sleep(source->pause);
    if (rc < 0)
        return rc;
    if (now == 0)
        return source->error;
    if (now > size)
        now = size;
    if (now > source->piece)
        now = source->piece;
    for (size_t i = 0; i < now; i++)
        ((char *)buffer)[i] = pattern(source->given + i);
    source->given += now;
    return (ssize_t)now;
}

static const struct source sources[] = {
    { .size = 0, .piece = 1 },
    { .size = 10, .piece = 1 },
    { .size = 10, .piece = 3, .pause = MS },
    { .size = 200000, .piece = 70000 },
    { .size = 3000000, .piece = 65536 },
    { .size = 100000, .piece = 20000, .pause = MS },
};

START_TEST(an_upload_comes_from_a_function_that_may_wait)
{
    struct source source;
    struct http_session_request request = { .upload = gives,
                                            .upload_data = &source };
    const char *data;
    char length[32];
    size_t size;

    test_serve(echoes);
    request.url = test_url("/");
    snprintf(length, sizeof length, "%zu", sources[_i].size);
    for (int known = 0; known < 2; known++) {
        source = sources[_i];
        if (known && source.size == 0)
            break;
        request.upload_size = known ? (int64_t)source.size : 0;
        ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
        data = http_reply_body(reply, &size);
        ck_assert_uint_eq(size, source.size);
        for (size_t i = 0; i < size; i++)
            if (data[i] != pattern(i))
                ck_abort_msg("byte %zu", i);
        ck_assert_str_eq(http_reply_header(reply, "X-Framing", 0),
                         known ? length : "chunked");
        http_reply_free(reply);
    }
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

START_TEST(an_upload_that_fails_ends_the_request)
{
    struct source source = { .size = 10, .piece = 5, .error = -ENODATA };
    struct http_session_request request = { .upload = gives,
                                            .upload_data = &source };

    test_serve(echoes);
    request.url = test_url("/");
    ck_assert_int_eq(http_session_request(session, &request, &reply), -ENODATA);
    source = (struct source){ .size = 10, .piece = 5 };
    request.upload_size = 11; /* one is missing */
    ck_assert_int_eq(http_session_request(session, &request, &reply), -EINVAL);
    source = (struct source){ .size = 10, .piece = 5, .pause = HUB_FOREVER };
    request.timeout = 20 * MS;
    ck_assert_int_eq(http_session_request(session, &request, &reply), -ETIMEDOUT);
    request.body = "both";
    request.body_size = 4;
    ck_assert_int_eq(http_session_request(session, &request, &reply), -EINVAL);
}
END_TEST

static bool refuses_early(struct asked *asked)
{
    hub_sleep(2 * MS);
    test_reply(asked, 413, "Connection: close\r\n", "no", 2);
    return false;
}

START_TEST(an_answer_may_come_before_the_upload_has_ended)
{
    struct source source = { .size = 1u << 30, .piece = 65536 };
    struct http_session_request request = { .upload = gives,
                                            .upload_data = &source };
    int rc;

    test_serve(refuses_early);
    test_read_bodies = false;
    request.url = test_url("/");
    rc = _i == 0 ? http_session_request(session, &request, &reply)
                 : http_session_open(session, &request, &reply);
    ck_assert_uint_lt(source.given, source.size);
    if (rc == -ECONNRESET) /* the reset has overtaken it */
        return;
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(http_reply_status(reply), 413);
    http_reply_free(reply);
}
END_TEST

/* The answer flows while the request does. */
START_TEST(a_large_body_from_memory_arrives)
{
    char *body = malloc(BIG);
    const char *data;
    size_t size;

    for (size_t i = 0; i < BIG; i++)
        body[i] = pattern(i);
    test_serve(echoes);
    ck_assert_int_eq(
        http_session_post(session, test_url("/"), NULL, body, BIG, &reply), 0);
    data = http_reply_body(reply, &size);
    ck_assert_uint_eq(size, BIG);
    ck_assert_int_eq(memcmp(data, body, BIG), 0);
    http_reply_free(reply);
    free(body);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_body_in_chunks_is_put_together, 0, 3);
    tcase_add_loop_test(tcase, a_body_is_read_piece_by_piece, 0, 4);
    tcase_add_test(tcase, a_server_has_to_wait_for_a_slow_reader);
    tcase_add_test(tcase, what_is_not_read_to_its_end_costs_the_connection);
    tcase_add_test(tcase, pieces_come_as_they_are_sent);
    tcase_add_test(tcase, a_whole_body_has_a_limit);
    tcase_add_test(tcase, compressed_answers_are_unpacked);
    tcase_add_loop_test(tcase, an_upload_comes_from_a_function_that_may_wait, 0,
                        (int)(sizeof sources / sizeof *sources));
    tcase_add_test(tcase, an_upload_that_fails_ends_the_request);
    tcase_add_loop_test(tcase, an_answer_may_come_before_the_upload_has_ended, 0,
                        2);
    tcase_add_test(tcase, a_large_body_from_memory_arrives);
    return unit_run("client_body", tcase);
}
