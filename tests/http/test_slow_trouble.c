/* Clients whose bytes come one by one, and what else happens to them: they go
 * away, become something else, and lose the one who looks after them. */
#include "../unit.h"

#include "../hub/certificates.h"
#include "slow_client.h"

#include "context/testhook.h"
#include "http/websocket.h"
#include "hub/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/socket.h>

#define HOST  "Host: a\r\n"
#define GET   "GET /x HTTP/1.1\r\n" HOST "\r\n"
#define POST  "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"
#define MS    HUB_MILLISECOND
#define CROWD 100

static int view(struct http_request *request, struct http_response *response)
{
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    if (rc == 0 && strcmp(http_request_path(request), "/sleep") == 0)
        rc = hub_sleep(300 * MS);
    return rc < 0 ? rc
                  : http_response_printf(response, "[%.*s]", (int)size, data);
}

/* ---- the keeper ---- */

static struct greenlet *known[200], *stranger;
static unsigned known_count, strangers;

static int know(struct greenlet *g, void *data)
{
    (void)data;
    ck_assert_uint_lt(known_count, sizeof known / sizeof *known);
    known[known_count++] = g;
    return 0;
}

static int look_for_stranger(struct greenlet *g, void *data)
{
    (void)data;
    for (unsigned i = 0; i < known_count; i++)
        if (known[i] == g)
            return 0;
    stranger = g;
    strangers++;
    return 0;
}

/* It comes with the third crumb. */
static int connect_and_find_keeper(void)
{
    int fd = serve_connect();

    slow_send(fd, GET, 2);
    hub_sleep(20 * MS);
    known_count = strangers = 0;
    greenlet_each(know, NULL);
    slow_send(fd, &GET[2], strlen(GET) - 3);
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), 1);
    greenlet_each(look_for_stranger, NULL);
    ck_assert_uint_eq(strangers, 1);
    return fd;
}

START_TEST(a_keeper_that_is_killed_has_a_successor)
{
    int fd;

    serve_start(view, NULL);
    fd = connect_and_find_keeper();
    hub_kill(stranger);
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), 1);
    slow_finish(fd, "\n", "[]");
    hub_close(fd);
    serve_stop();
}
END_TEST

/* Those who have something to wait for elsewhere need none. */
START_TEST(none_is_kept_for_those_who_do_not_wait)
{
    int fd;

    serve_start(view, NULL);
    fd = slow_connect("GET /sleep HTTP/1.1\r\n" HOST "\r\n", 1);
    serve_send(fd, "\n");
    hub_sleep(200 * MS);
    ck_assert_ptr_null(serve_server->slow);
    serve_read_until(fd, "[]");
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- the client goes ---- */

START_TEST(who_ends_what_he_sends_is_told)
{
    static const char *const cases[] = {GET, POST "abcde"};

    serve_start(view, NULL);
    for (int i = 0; i < 2; i++) {
        int fd = slow_connect(cases[i], 1);

        hub_shutdown(fd, SHUT_WR);
        ck_assert_int_eq(serve_status(serve_read_all(fd, 5 * HUB_SECOND)), 400);
        ck_assert(serve_ended);
        hub_close(fd);
    }
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), 0);
    serve_stop();
}
END_TEST

START_TEST(who_resets_is_gone)
{
    static const char *const cases[] = {GET, POST "abcde"};
    struct linger linger = {1, 0};
    struct http_server_counts counts;

    serve_start(view, NULL);
    for (int i = 0; i < 2; i++) {
        int fd = slow_connect(cases[i], 1);

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        hub_close(fd);
    }
    hub_sleep(50 * MS);
    ck_assert_uint_eq(slow_now(), 0);
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 0);
    serve_stop();
}
END_TEST

/* Many at once: those that the keeper lets go on end others' waits no more. */
START_TEST(a_crowd_goes_while_it_is_looked_at)
{
    struct linger linger = {1, 0};
    int fds[CROWD];

    serve_start(view, NULL);
    for (int i = 0; i < CROWD; i++)
        fds[i] = serve_connect();
    for (int at = 0; at < 6; at++) {
        for (int i = 0; i < CROWD; i++)
            hub_send_all(fds[i], &GET[at], 1, 0, NULL, HUB_FOREVER);
        hub_sleep(20 * MS);
    }
    ck_assert_uint_eq(slow_now(), CROWD);
    for (int i = 0; i < CROWD; i++) {
        if (i % 3 == 0)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        else
            serve_send(fds[i], &GET[6]);
        if (i % 3 != 1)
            hub_close(fds[i]);
        if (i % 10 == 0)
            hub_sleep(MS);
    }
    for (int i = 1; i < CROWD; i += 3) {
        serve_read_until(fds[i], "[]");
        hub_close(fds[i]);
    }
    hub_sleep(50 * MS);
    ck_assert_uint_eq(slow_now(), 0);
    serve_stop();
}
END_TEST

/* A recv() stops at its mark. */
START_TEST(urgent_data_between_the_crumbs_is_passed_over)
{
    int fd;

    serve_start(view, NULL);
    fd = slow_connect(GET, 5);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(send(fd, "!", 1, MSG_OOB), 1);
        hub_sleep(20 * MS);
    }
    slow_finish(fd, &GET[strlen(GET) - 5], "[]");
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- what else it may be ---- */

static int echo(struct http_websocket *socket, void *data)
{
    struct http_websocket_message message;

    (void)data;
    while (http_websocket_receive(socket, &message, HUB_FOREVER) == 1)
        http_websocket_send(socket, message.type, message.data, message.size,
                            HUB_FOREVER);
    return 0;
}

static int upgrades(struct http_request *request,
                    struct http_response *response)
{
    return http_websocket_accept(request, response, NULL, echo, NULL);
}

START_TEST(a_slow_head_may_become_a_websocket)
{
    static const char head[] =
        "GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char ping[] = "\x89\x82\0\0\0\0hi";
    int fd;

    serve_start(upgrades, NULL);
    fd = slow_connect(head, 1);
    serve_send(fd, "\n");
    ck_assert_int_eq(serve_status(serve_read_until(fd, "\r\n\r\n")), 101);
    hub_sleep(200 * MS);
    ck_assert_ptr_null(serve_server->slow); /* it would be kept awake */
    for (int i = 0; i < 10; i++) {
        slow_send(fd, ping, 8);
        ck_assert_str_eq(serve_read_until(fd, "\x8a\x02hi"), "\x8a\x02hi");
    }
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(continue_is_said_once_behind_a_slow_head)
{
    static const char head[] =
        "POST / HTTP/1.1\r\n" HOST
        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    const char *answer;
    int fd;

    serve_start(view, NULL);
    fd = slow_connect(head, 1);
    serve_send(fd, "\n");
    answer = serve_read_until(fd, "\r\n\r\n");
    ck_assert_int_eq(serve_status(answer), 100);
    slow_send(fd, "abcd", 4);
    ck_assert_uint_eq(slow_now(), 1);
    serve_send(fd, "e");
    answer = serve_read_until(fd, "[abcde]");
    ck_assert_uint_eq(serve_count(answer), 1);
    ck_assert_int_eq(serve_status(answer), 200);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(who_pipelines_has_his_answers_before_the_crumbs)
{
    int fd;

    serve_start(view, NULL);
    fd = serve_connect();
    for (int i = 0; i < 3; i++) {
        serve_send(fd, GET GET "GET /x HTTP/1.1\r\n");
        ck_assert_uint_ge(
            serve_count(serve_read_all(fd, 100 * MS)), 2);
        slow_send(fd, HOST, strlen(HOST));
        ck_assert_uint_eq(slow_now(), 1);
        serve_send(fd, "\r\n" GET GET);
        hub_sleep(50 * MS);
        ck_assert_uint_eq(serve_count(serve_read_all(fd, 50 * MS)), 3);
        ck_assert_uint_eq(slow_now(), 0);
    }
    hub_close(fd);
    serve_stop();
}
END_TEST

/* A producer that sends what it reads. */
static int copies(struct http_stream *stream, void *data)
{
    char piece[100];
    ssize_t got;
    int rc = 0;

    while (rc == 0 && (got = http_request_read(data, piece, sizeof piece)) > 0)
        rc = http_stream_write(stream, piece, (size_t)got);
    return rc < 0 ? rc : (int)(got < 0 ? got : 0);
}

static int streams(struct http_request *request, struct http_response *response)
{
    return http_response_stream(response, "a/b", copies, request);
}

START_TEST(a_stream_may_be_made_of_crumbs)
{
    struct http_server_counts counts;
    int fd;

    serve_start(streams, NULL);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\n");
    serve_read_until(fd, "\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        serve_send(fd, "x");
        serve_read_until(fd, "x\r\n");
    }
    hub_close(fd); /* it ends */
    hub_sleep(100 * MS);
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 0);
    ck_assert_uint_eq(slow_now(), 0);
    serve_stop();
}
END_TEST

static void serve_pair(void *arg)
{
    ck_assert_int_eq(
        http_server_connection(serve_server, (int)(intptr_t)arg, NULL), 0);
}

START_TEST(a_connection_that_was_given_may_be_slow)
{
    struct greenlet *g;
    int ends[2];

    serve_start(view, NULL);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    g = hub_spawn_raw(serve_pair, (void *)(intptr_t)ends[0]);
    for (int i = 0; i < 2; i++) {
        slow_send(ends[1], POST "abcd", strlen(POST) + 4);
        hub_sleep(20 * MS);
        ck_assert_uint_eq(slow_now(), 1);
        slow_finish(ends[1], "e", "[abcde]");
    }
    slow_send(ends[1], GET, 9);
    hub_kill(g); /* while it waits there */
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    ck_assert_uint_eq(slow_now(), 0);
    hub_close(ends[1]);
    serve_stop();
}
END_TEST

START_TEST(one_over_tls_waits_where_others_do)
{
    struct hub_tls_context *ours = hub_tls_context_new(HUB_TLS_SERVER);
    struct hub_tls_context *theirs = hub_tls_context_new(HUB_TLS_CLIENT);
    const char *request = POST "abcde";
    struct http_server_listener how = {.tls = ours};
    struct hub_address where;
    struct hub_tls *client;
    char text[64], answer[1000];
    ssize_t got = 1;
    size_t size = 0;
    int fd;

    hub_tls_use_certificate(ours, good_file, NULL);
    hub_tls_set_verify(theirs, HUB_TLS_VERIFY_NONE);
    serve_start(view, NULL);
    ck_assert_int_eq(http_server_listen(serve_server, "127.0.0.1:0", &how), 0);
    http_server_address(serve_server, 1, &where);
    hub_address_format(&where, text, sizeof text);
    fd = hub_connect_to(text, HUB_FOREVER);
    ck_assert_int_eq(hub_tls_open(theirs, fd, NULL, HUB_FOREVER, &client), 0);
    for (size_t i = 0; i < strlen(request); i++) {
        ck_assert_int_eq(hub_tls_write(client, request + i, 1, HUB_FOREVER), 1);
        hub_sleep(MS / 5);
        ck_assert_uint_eq(slow_now(), 0);
    }
    while (got > 0 && (size == 0 || strstr(answer, "[abcde]") == NULL)) {
        got = hub_tls_read(client, answer + size, sizeof answer - 1 - size,
                           hub_deadline(5 * HUB_SECOND));
        size += got > 0 ? (size_t)got : 0;
        answer[size] = '\0';
    }
    ck_assert_int_gt(got, 0);
    hub_tls_free(client);
    serve_stop();
    hub_tls_context_unref(ours);
    hub_tls_context_unref(theirs);
    ERR_clear_error();
}
END_TEST

/* ---- no memory ---- */

static bool fails(void)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION);
}

static void crumble(void)
{
    int fd = serve_connect();

    slow_send(fd, POST, strlen(POST));
    slow_send(fd, "abcde", 5);
    serve_read_all(fd, 30 * MS);
    hub_close(fd);
    hub_sleep(10 * MS);
}

/* Of the server's: a keeper, too, that comes and goes. */
START_TEST(each_allocation_that_fails_costs_an_answer_at_most)
{
    long count;

    serve_start(view, NULL);
    http__test_fails = fails;
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    crumble();
    count = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    ck_assert_int_gt(count, 2);
    for (long n = 1; n <= count; n++) {
        int fd = serve_connect();

        hub_sleep(1);
        http__work_trim(serve_server, 0);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        for (size_t i = 0; i < strlen(POST); i++) {
            serve_send(fd, (char[]){POST[i], '\0'});
            hub_sleep(MS / 5);
        }
        serve_send(fd, "abcde");
        serve_read_all(fd, 50 * MS); /* an answer, or the end */
        ck_assert(serve_length > 0 || serve_ended || serve_reset);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        hub_close(fd);
    }
    http__test_fails = NULL;
    hub_sleep(20 * MS);
    ck_assert_uint_eq(slow_now(), 0);
    ck_assert_int_eq(
        serve_status(serve_exchange("GET / HTTP/1.1\r\n" HOST
                                    "Connection: close\r\n\r\n")),
        200);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();
    int failed;

    hub_sleep(1); /* makes the hub, and its greenlet */
    make_certificates();
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_keeper_that_is_killed_has_a_successor);
    tcase_add_test(tcase, none_is_kept_for_those_who_do_not_wait);
    tcase_add_test(tcase, who_ends_what_he_sends_is_told);
    tcase_add_test(tcase, who_resets_is_gone);
    tcase_add_test(tcase, a_crowd_goes_while_it_is_looked_at);
    tcase_add_test(tcase, urgent_data_between_the_crumbs_is_passed_over);
    tcase_add_test(tcase, a_slow_head_may_become_a_websocket);
    tcase_add_test(tcase, continue_is_said_once_behind_a_slow_head);
    tcase_add_test(tcase, who_pipelines_has_his_answers_before_the_crumbs);
    tcase_add_test(tcase, a_stream_may_be_made_of_crumbs);
    tcase_add_test(tcase, a_connection_that_was_given_may_be_slow);
    tcase_add_test(tcase, one_over_tls_waits_where_others_do);
    tcase_add_test(tcase, each_allocation_that_fails_costs_an_answer_at_most);
    failed = unit_run("slow_trouble", tcase);
    remove_certificates();
    return failed;
}
