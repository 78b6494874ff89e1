/* WebSockets of a server: from a request to the end, over TCP. */
#include "websocket_client.h"

#include "http/httpserver.h"
#include "http/request.h"
#include "http/response.h"

#include <stdio.h>

#define MS HUB_MILLISECOND
#define LINE "GET /chat HTTP/1.1\r\nHost: localhost\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GOOD LINE UPGRADE KEY VERSION
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static struct http_server *server;
static struct http_websocket_options options;
static int client, last_rc;

static int echo(struct http_websocket *socket, void *data)
{
    struct http_websocket_message message;
    int rc;

    ck_assert_ptr_eq(data, &options);
    if (http_websocket_protocol(socket) != NULL)
        http_websocket_send(socket, HTTP_WEBSOCKET_TEXT,
                            http_websocket_protocol(socket),
                            strlen(http_websocket_protocol(socket)), SOON);
    while ((rc = http_websocket_receive(socket, &message, HUB_FOREVER)) == 1)
        http_websocket_send(socket, message.type, message.data, message.size,
                            SOON);
    last_rc = rc;
    return 0;
}

static int view(struct http_request *request, struct http_response *response)
{
    if (strcmp(http_request_path(request), "/plain") == 0)
        return http_response_text(response, "plain");
    return http_websocket_accept(request, response, &options, echo, &options);
}

static void open_server(void)
{
    struct hub_address address;
    char text[64];

    memset(&options, 0, sizeof options);
    last_rc = 9;
    ck_assert_int_eq(http_server_new(http_view_sync(view), NULL, &server), 0);
    ck_assert_int_eq(http_server_listen(server, "127.0.0.1:0", NULL), 0);
    ck_assert_int_eq(http_server_address(server, 0, &address), 0);
    hub_address_format(&address, text, sizeof text);
    client = hub_connect_to(text, SOON);
    ck_assert_int_ge(client, 0);
}

static void close_server(void)
{
    if (client >= 0)
        hub_close(client);
    http_server_free(server);
    hub_sleep(5 * MS); /* what has ended is let go */
}

static void say(const void *text, size_t size)
{
    ck_assert_int_eq(hub_send_all(client, text, size, 0, NULL, SOON), 0);
}

/* The head of a response, and its body if its length is said; at most 2 KiB. */
static const char *answer(void)
{
    static char text[2048];
    const char *length;
    size_t size = 0;

    memset(text, 0, sizeof text);
    while (strstr(text, "\r\n\r\n") == NULL)
        ck_assert_int_eq(hub_recv(client, text + size++, 1, 0, SOON), 1);
    length = strstr(text, "Content-Length: ");
    if (length != NULL)
        ck_assert_int_eq(hub_recv_all(client, text + size,
                                      strtoul(length + 16, NULL, 10), NULL,
                                      SOON), 0);
    return text;
}

static void expect_frame(unsigned first, const char *data)
{
    struct frame frame;

    ck_assert(frame_get(client, &frame));
    ck_assert_uint_eq(frame.first, first);
    ck_assert_str_eq((char *)frame.data, data);
    free(frame.data);
}

static void client_sends(unsigned first, const void *data, size_t size)
{
    struct bytes bytes = { 0 };

    frame_add(&bytes, first, data, size);
    send_pieces(client, &bytes, 0);
    bytes_free(&bytes);
}

/* ---- handshakes ---- */

static const struct {
    const char *request;
    const char *lines[4]; /* that the answer has */
} rows[] = {
    { GOOD "\r\n",
      { "HTTP/1.1 101 Switching Protocols\r\n", "\r\nUpgrade: websocket\r\n",
        "\r\nConnection: Upgrade\r\n",
        "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" } },
    { GOOD DEFLATE "\r\n",
      { "HTTP/1.1 101 ", "\r\nSec-WebSocket-Extensions: permessage-deflate; "
        "server_no_context_takeover; client_no_context_takeover\r\n" } },
    { LINE "\r\n",
      { "HTTP/1.1 426 ", "\r\nSec-WebSocket-Version: 13\r\n",
        "\r\nUpgrade: websocket\r\n" } },
    { LINE UPGRADE KEY "Sec-WebSocket-Version: 7\r\n\r\n",
      { "HTTP/1.1 426 ", "\r\nSec-WebSocket-Version: 13\r\n" } },
    { LINE UPGRADE VERSION "\r\n", { "HTTP/1.1 400 " } },
    { LINE "Upgrade: websocket\r\n" KEY VERSION "\r\n", { "HTTP/1.1 400 " } },
    { "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" UPGRADE KEY
      VERSION "\r\n", { "HTTP/1.1 400 " } },
    { "GET /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n" UPGRADE KEY
      VERSION "\r\nx", { "HTTP/1.1 400 " } },
    { "GET /chat HTTP/1.0\r\nHost: x\r\n" UPGRADE KEY VERSION "\r\n",
      { "HTTP/1.1 4" } },
};

START_TEST(a_request_is_answered_with)
{
    const char *text;

    say(rows[_i].request, strlen(rows[_i].request));
    text = answer();
    for (int i = 0; i < 4 && rows[_i].lines[i] != NULL; i++)
        ck_assert_msg(strstr(text, rows[_i].lines[i]) != NULL, "%s lacks %s",
                      text, rows[_i].lines[i]);
}
END_TEST

START_TEST(after_a_refusal_the_connection_goes_on)
{
    say(LINE "\r\n", strlen(LINE) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 426 "));
    say("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    ck_assert_ptr_nonnull(strstr(answer(), "plain"));
    say(GOOD "\r\n", strlen(GOOD) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
}
END_TEST

START_TEST(a_page_of_another_origin_is_refused)
{
    static const char *const origins[] = { "same", NULL };

    options.origins = origins;
    say(GOOD "Origin: http://evil\r\n\r\n", strlen(GOOD) + 23);
    ck_assert_ptr_nonnull(strstr(answer(), " 403 "));
    say(GOOD "Origin: http://localhost\r\n\r\n", strlen(GOOD) + 28);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
}
END_TEST

START_TEST(options_that_cannot_be_are_an_error_of_the_views)
{
    options.window_bits = 8;
    say(GOOD "\r\n", strlen(GOOD) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 500 "));
}
END_TEST

START_TEST(a_protocol_is_chosen)
{
    static const char *const protocols[] = { "a", "b", NULL };

    options.protocols = protocols;
    say(GOOD "Sec-WebSocket-Protocol: c, b\r\n\r\n", strlen(GOOD) + 32);
    ck_assert_ptr_nonnull(strstr(answer(), "Sec-WebSocket-Protocol: b\r\n"));
    expect_frame(FIN | TEXT, "b");
}
END_TEST

/* ---- messages ---- */

/* Frames that come with the request, in pieces of each size. */
START_TEST(what_comes_behind_the_request_is_received)
{
    struct bytes bytes = { 0 };

    bytes_add(&bytes, GOOD "\r\n", strlen(GOOD) + 2);
    frame_add(&bytes, FIN | TEXT, "one", 3);
    frame_add(&bytes, TEXT, "t", 1);
    frame_add(&bytes, FIN, "wo", 2);
    frame_add(&bytes, FIN | CLOSE, "\x03\xe8", 2);
    send_pieces(client, &bytes, (size_t)_i);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
    expect_frame(FIN | TEXT, "one");
    expect_frame(FIN | TEXT, "two");
    expect_frame(FIN | CLOSE, "\x03\xe8");
    ck_assert_int_eq(hub_recv(client, bytes.data, 1, 0, SOON), 0);
    ck_assert_int_eq(last_rc, 0);
    bytes_free(&bytes);
}
END_TEST

START_TEST(large_messages_come_back)
{
    size_t size = 1 << 20;
    char *data = malloc(size + 1);
    struct frame frame;

    memset(data, 'x', size + 1);
    say(GOOD "\r\n", strlen(GOOD) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
    client_sends(FIN | BINARY, data, size);
    ck_assert(frame_get(client, &frame));
    ck_assert_uint_eq(frame.size, size);
    ck_assert_int_eq(memcmp(frame.data, data, size), 0);
    free(frame.data);
    client_sends(FIN | BINARY, data, size + 1);
    expect_frame(FIN | CLOSE, "\x03\xf1");
    free(data);
}
END_TEST

/* ---- the end ---- */

START_TEST(a_client_that_goes_ends_it)
{
    say(GOOD "\r\n", strlen(GOOD) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
    hub_close(client);
    client = -1;
    while (last_rc == 9)
        hub_sleep(MS);
    ck_assert_int_eq(last_rc, -EPIPE);
}
END_TEST

static void run_stop(void *arg)
{
    *(int *)arg = http_server_stop(server, 20 * HUB_SECOND);
}

START_TEST(a_server_that_stops_goes_away)
{
    struct greenlet *stopper;
    int rc = 9;

    say(GOOD "\r\n", strlen(GOOD) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
    stopper = hub_spawn_raw(run_stop, &rc);
    expect_frame(FIN | CLOSE, "\x03\xe9");
    client_sends(FIN | CLOSE, "\x03\xe9", 2);
    ck_assert_int_eq(hub_join(stopper, SOON), 0);
    greenlet_unref(stopper);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(last_rc, 0);
}
END_TEST

START_TEST(a_killed_connection_says_that_it_goes_away)
{
    say(GOOD "\r\n", strlen(GOOD) + 2);
    ck_assert_ptr_nonnull(strstr(answer(), " 101 "));
    http_server_stop(server, 0);
    expect_frame(FIN | CLOSE, "\x03\xe9");
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open_server, close_server);
    tcase_add_loop_test(tcase, a_request_is_answered_with, 0,
                        sizeof rows / sizeof *rows);
    tcase_add_test(tcase, after_a_refusal_the_connection_goes_on);
    tcase_add_test(tcase, a_page_of_another_origin_is_refused);
    tcase_add_test(tcase, options_that_cannot_be_are_an_error_of_the_views);
    tcase_add_test(tcase, a_protocol_is_chosen);
    tcase_add_loop_test(tcase, what_comes_behind_the_request_is_received, 0,
                        40);
    tcase_add_test(tcase, large_messages_come_back);
    tcase_add_test(tcase, a_client_that_goes_ends_it);
    tcase_add_test(tcase, a_server_that_stops_goes_away);
    tcase_add_test(tcase, a_killed_connection_says_that_it_goes_away);
    return unit_run("websocket_accept", tcase);
}
