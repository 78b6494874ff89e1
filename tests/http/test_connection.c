/* Connections: keep-alive, pipelining, pieces, ends. */
#include "../unit.h"
#include "serve.h"

#include "http/http_impl.h"

#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <unistd.h>

#define HOST     "Host: a\r\n"
#define GET(at)  "GET " at " HTTP/1.1\r\n" HOST "\r\n"
#define LAST(at) "GET " at " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"

static unsigned called;

/* Says what it is asked: the verb, the path, and the body's bytes. */
static int say(struct http_request *request, struct http_response *response)
{
    const char *data, *path = http_request_path(request);
    size_t size;
    int rc;

    called++;
    if (strcmp(path, "/unread") == 0)
        return http_response_text(response, "unread");
    if (strcmp(path, "/sleep") == 0)
        hub_sleep(50 * HUB_MILLISECOND);
    rc = http_request_body(request, &data, &size);
    if (rc < 0)
        return rc;
    return http_response_printf(response, "%s %s [%.*s]\n",
                                http_request_verb(request), path, (int)size,
                                data);
}

static void check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        ck_abort_msg("no \"%s\" in \"%s\"", part, text);
}

static void check_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        ck_abort_msg("\"%s\" in \"%s\"", part, text);
}

START_TEST(answers_a_request)
{
    const char *answer;

    serve_start(say, NULL);
    answer = serve_exchange(LAST("/hello"));
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_str_eq(serve_body(answer), "GET /hello []\n");
    check_has(answer, "\r\nDate: ");
    check_has(answer, "\r\nContent-Length: 14\r\n");
    check_has(answer, "\r\nConnection: close\r\n");
    ck_assert(serve_ended);
    serve_stop();
}
END_TEST

START_TEST(a_connection_stays_for_many_requests)
{
    int fd;

    serve_start(say, NULL);
    fd = serve_connect();
    for (int i = 0; i < 100; i++) {
        const char *answer;

        serve_send(fd, GET("/again"));
        answer = serve_read_until(fd, "GET /again []\n");
        ck_assert_int_eq(serve_status(answer), 200);
        check_has_not(answer, "Connection:");
    }
    hub_close(fd);
    serve_stop();
}
END_TEST

/* What is said of it, by version and Connection. */
static const struct {
    const char *request, *said;
    bool ends;
} endings[] = {
    {GET("/"), NULL, false},
    {LAST("/"), "Connection: close\r\n", true},
    {"GET / HTTP/1.0\r\n\r\n", "Connection: close\r\n", true},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "Connection: keep-alive\r\n", false},
    {"GET / HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n",
     "Connection: close\r\n", true},
};

START_TEST(a_connection_ends_as_its_version_says)
{
    const char *answer;
    int fd;

    serve_start(say, NULL);
    fd = serve_connect();
    serve_send(fd, endings[_i].request);
    answer = serve_read_all(fd, endings[_i].ends ? 5 * HUB_SECOND
                                                 : 50 * HUB_MILLISECOND);
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_int_eq(serve_ended, endings[_i].ends);
    if (endings[_i].said != NULL)
        check_has(answer, endings[_i].said);
    else
        check_has_not(answer, "Connection:");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order_and_leave_together)
{
    char requests[2048] = "", want[32];
    const char *answer, *at;
    int fd;

    serve_start(say, NULL);
    fd = serve_connect();
    for (int i = 0; i < 16; i++)
        sprintf(requests + strlen(requests),
                "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    serve_send(fd, requests);
    hub_sleep(50 * HUB_MILLISECOND);
    answer = at = serve_read_until(fd, "GET /15 []\n");
    ck_assert_uint_eq(serve_count(answer), 16);
    for (int i = 0; i < 16; i++) {
        snprintf(want, sizeof want, "GET /%d []\n", i);
        at = strstr(at, want);
        ck_assert_ptr_nonnull(at);
    }
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(gathered_answers_leave_when_a_view_waits)
{
    int fd;

    serve_start(say, NULL);
    fd = serve_connect();
    serve_send(fd, GET("/first") GET("/sleep"));
    check_has_not(serve_read_until(fd, "GET /first []\n"), "/sleep");
    serve_read_until(fd, "GET /sleep []\n");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(more_answers_than_are_gathered_come_all)
{
    static char requests[200 * 40 + 1];
    int fd;

    serve_start(say, NULL);
    requests[0] = '\0';
    for (int i = 0; i < 200; i++)
        strcat(requests, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    fd = serve_connect();
    serve_send(fd, requests);
    serve_send(fd, LAST("/last"));
    ck_assert_uint_eq(serve_count(serve_read_all(fd, 5 * HUB_SECOND)), 201);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* Each message in pieces of each size: how TCP cuts must not matter. */
static const struct {
    const char *request;
    int status;
    const char *body; /* its end; NULL: whatever */
} messages[] = {
    {LAST("/a"), 200, "GET /a []\n"},
    {"\r\n\r\n" LAST("/a"), 200, "GET /a []\n"},
    {"POST /b HTTP/1.1\r\n" HOST
     "Content-Length: 11\r\nConnection: close\r\n\r\nhello world",
     200, "POST /b [hello world]\n"},
    {"POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
     "Connection: close\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
     200, "POST /c [hello world]\n"},
    {"POST /d HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
     "Connection: close\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n",
     200, "POST /d [x]\n"},
    {"POST /unread HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
     "Connection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     200, "unread"},
    {"POST /unread HTTP/1.1\r\n" HOST
     "Content-Length: 5\r\nConnection: close\r\n\r\nhello",
     200, "unread"},
    {"POST /unread HTTP/1.1\r\n" HOST
     "Content-Length: 5\r\n\r\nhello" LAST("/e"),
     200, "GET /e []\n"},
    {"POST /f HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "3\r\nabc\r\n0\r\n\r\n" LAST("/g"),
     200, "GET /g []\n"},
    {"POST /h HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
     400, NULL},
    {"POST /unread HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
     400, NULL},
    {"POST /unread HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "5\r\nhelloXX0\r\n\r\n",
     400, NULL},
    {"POST /i HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, NULL},
    {"GET / HTTP/1.1\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\nHost: a\n\n", 400, NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, NULL},
    {"GET / HTTP/3.7\r\n" HOST "\r\n", 505, NULL},
    {"FLY / HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"OPTIONS * HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, ""},
    {"OPTIONS /o HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200,
     "OPTIONS /o []\n"},
    {"GET http://b/p?q HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200,
     "GET /p []\n"},
    {"GET / HTTP/1.1\r\n" HOST "Expect: wonders\r\n\r\n", 417, NULL},
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);

    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

START_TEST(a_message_is_read_alike_in_pieces_of_each_size)
{
    const char *request = messages[_i].request, *answer;
    size_t size = strlen(request);

    serve_start(say, NULL);
    for (size_t piece = 1; piece <= size; piece++) {
        int fd = serve_connect();

        serve_send_pieces(fd, request, size, piece);
        hub_shutdown(fd, SHUT_WR);
        answer = serve_read_all(fd, 5 * HUB_SECOND);
        if (serve_status(answer) != messages[_i].status ||
            !(serve_ended || serve_reset) ||
            (messages[_i].body != NULL &&
             !ends_with(answer, messages[_i].body)))
            ck_abort_msg("%s\nin pieces of %zu: %s", request, piece,
                         answer);
        if (messages[_i].status != 200)
            check_has(answer, "Connection: close\r\n");
        hub_close(fd);
    }
    serve_stop();
}
END_TEST

START_TEST(a_response_to_head_has_no_body)
{
    int fd;

    serve_start(say, NULL);
    fd = serve_connect();
    serve_send(fd, "HEAD /x HTTP/1.1\r\n" HOST "\r\n" LAST("/y"));
    check_has(serve_read_all(fd, 5 * HUB_SECOND), "Content-Length: 11\r\n");
    check_has_not(serve_read_all(fd, HUB_SECOND), "HEAD /x");
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(options_of_the_server_say_what_it_allows)
{
    serve_start(say, NULL);
    called = 0;
    check_has(serve_exchange("OPTIONS * HTTP/1.1\r\n" HOST
                             "Connection: close\r\n\r\n"),
              "\r\nAllow: GET, HEAD, ");
    ck_assert_uint_eq(called, 0);
    serve_stop();
}
END_TEST

/* A reset would take the answer away from who is still sending. */
START_TEST(what_a_refused_client_still_sends_does_not_cost_it_the_answer)
{
    static char junk[200000];
    const char *answer;
    int fd;

    memset(junk, 'x', sizeof junk - 1);
    serve_start(say, NULL);
    fd = serve_connect();
    serve_send(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n");
    hub_sleep(20 * HUB_MILLISECOND);
    serve_send(fd, junk);
    hub_shutdown(fd, SHUT_WR);
    answer = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), 400);
    ck_assert(serve_ended);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(a_client_that_goes_in_the_middle_leaves_nothing)
{
    static const char *const parts[] = {
        "", "G", "GET / HTTP/1.1\r\nHo",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n5\r\nab"};

    serve_start(say, NULL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct linger linger = {1, 0};
        int fd = serve_connect();

        serve_send(fd, parts[i]);
        hub_sleep(5 * HUB_MILLISECOND);
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        hub_close(fd);
        hub_sleep(5 * HUB_MILLISECOND);
    }
    ck_assert_int_eq(serve_status(serve_exchange(LAST("/"))), 200);
    ck_assert_uint_eq(serve_reports, 0);
    serve_stop();
}
END_TEST

/* Kept idle, it holds no buffers: they are back in the pool. */
START_TEST(an_idle_connection_holds_no_buffers)
{
    struct http_server_counts counts;
    int fds[20];

    serve_start(say, NULL);
    for (int i = 0; i < 20; i++) {
        fds[i] = serve_connect();
        serve_send(fds[i], GET("/"));
        serve_read_until(fds[i], "[]\n");
    }
    hub_sleep(HUB_MILLISECOND);
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 20);
    ck_assert_uint_eq(counts.idle, 20);
    ck_assert_uint_eq(counts.requests, 20);
    ck_assert_uint_le(serve_server->pool_count, 2);
    ck_assert_uint_ge(serve_server->pool_count, 1);
    for (int i = 0; i < 20; i++)
        hub_close(fds[i]);
    serve_stop();
}
END_TEST

static void ask_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        serve_send(fds[i], GET("/sleep"));
    for (int i = 0; i < count; i++)
        serve_read_until(fds[i], "GET /sleep []\n");
}

static void sweep_now(void)
{
    hub_event_set(&serve_server->hurry);
    hub_sleep(HUB_MILLISECOND);
}

/* Burst after burst needs them: they stay, also when the sweeper has its turn
 * between two; when no more bursts come they go. */
START_TEST(buffers_of_bursts_stay_until_the_last)
{
    int fds[80];

    serve_start(say, NULL);
    for (int i = 0; i < 80; i++)
        fds[i] = serve_connect();
    for (int burst = 0; burst < 4; burst++) {
        ask_all(fds, 80);
        sweep_now();
        ck_assert_uint_ge(serve_server->pool_count, 80);
    }
    for (int i = 0; i < 8; i++)
        sweep_now();
    ck_assert_uint_le(serve_server->pool_count, HTTP__POOL_KEPT);
    for (int i = 0; i < 80; i++)
        hub_close(fds[i]);
    serve_stop();
}
END_TEST

static int use_stack(struct http_request *request,
                     struct http_response *response)
{
    volatile char much[60000];

    (void)request;
    for (size_t i = 0; i < sizeof much; i += 1000)
        much[i] = 1;
    return http_response_text(response, "used");
}

START_TEST(an_idle_connection_has_no_greenlet)
{
    struct greenlet_counts before, now;
    int fds[50];

    serve_start(use_stack, NULL);
    fds[0] = serve_connect();
    serve_send(fds[0], GET("/"));
    serve_read_until(fds[0], "used");
    greenlet_count(&before);
    for (int i = 1; i < 50; i++) {
        fds[i] = serve_connect();
        serve_send(fds[i], GET("/"));
        serve_read_until(fds[i], "used");
    }
    for (struct http__connection *at = serve_server->connections; at != NULL;
         at = at->next)
        ck_assert_ptr_null(at->greenlet);
    greenlet_count(&now);
    ck_assert_uint_eq(now.greenlets, before.greenlets);
    for (int i = 0; i < 50; i++) {
        serve_send(fds[i], GET("/"));
        serve_read_until(fds[i], "used");
        hub_close(fds[i]);
    }
    serve_stop();
}
END_TEST

/* ---- nothing of a request is left in the greenlet of the next ---- */

static struct hub_local mark;
static struct greenlet_var *var;
static unsigned clean, waiting;

/* Asking for a local makes one, so that is for those who are about it alone. */
static bool has_local(const char *path)
{
    void *value = NULL;

    if (strcmp(path, "/local") == 0)
        hub_local_get(&mark, &value);
    return value != NULL;
}

/* Is its greenlet as a new one is?  Then it is not any more. */
static int spoil(struct http_request *request, struct http_response *response)
{
    struct greenlet *self = greenlet_current();
    const char *path = http_request_path(request);

    if (!has_local(path) && greenlet_name(self)[0] == '\0' &&
        greenlet_var_get_or(var, NULL) == NULL && hub_canceled() == 0 &&
        fegetround() == FE_TONEAREST && greenlet_deferred() == NULL)
        clean++;
    if (strcmp(path, "/local") == 0)
        hub_local_set(&mark, &mark);
    else if (strcmp(path, "/name") == 0)
        greenlet_set_name(self, "spoilt");
    else if (strcmp(path, "/var") == 0)
        greenlet_var_set(var, &var, NULL);
    else if (strcmp(path, "/round") == 0)
        fesetround(FE_UPWARD);
    else if (strcmp(path, "/kill") == 0)
        hub_kill(self);
    else if (strcmp(path, "/wait") == 0) {
        waiting++;
        hub_sleep(20 * HUB_MILLISECOND);
        waiting--;
    }
    return http_response_text(response, "spoilt");
}

static const char *const ways[] = {"/",      "/local", "/name", "/var",
                                   "/round", "/kill",  "/wait"};

/* All are ready at once, so that they follow each other on one stack where that
 * may be. */
START_TEST(a_request_leaves_nothing_to_that_of_another_connection)
{
    char text[100];
    int fds[20];

    hub_local_init(&mark, NULL, NULL, NULL);
    var = greenlet_var_new("spoilt", NULL);
    serve_start(spoil, NULL);
    for (int i = 0; i < 20; i++)
        fds[i] = serve_connect();
    hub_sleep(20 * HUB_MILLISECOND);
    clean = 0;
    snprintf(text, sizeof text, GET("%s"), ways[_i]);
    for (int i = 0; i < 20; i++)
        serve_send(fds[i], text);
    for (int i = 0; i < 20; i++) {
        if (strcmp(ways[_i], "/kill") == 0) /* it takes its connection along */
            serve_read_all(fds[i], 5 * HUB_SECOND);
        else
            serve_read_until(fds[i], "spoilt");
        hub_close(fds[i]);
    }
    ck_assert_uint_eq(clean, 20);
    serve_stop();
    hub_local_destroy(&mark);
    greenlet_var_unref(var);
}
END_TEST

/* Those that wait do not keep others from being answered. */
START_TEST(requests_that_wait_have_greenlets_of_their_own)
{
    int fds[20];

    var = greenlet_var_new("spoilt", NULL);
    serve_start(spoil, NULL);
    for (int i = 0; i < 20; i++)
        fds[i] = serve_connect();
    hub_sleep(20 * HUB_MILLISECOND);
    for (int i = 0; i < 19; i++)
        serve_send(fds[i], GET("/wait"));
    serve_send(fds[19], GET("/"));
    serve_read_until(fds[19], "spoilt");
    ck_assert_uint_eq(waiting, 19);
    for (int i = 0; i < 20; i++)
        hub_close(fds[i]);
    serve_stop();
    greenlet_var_unref(var);
}
END_TEST

/* It does not wait for its client any more, with a greenlet or without. */
START_TEST(a_server_that_is_stopped_ends_idle_connections)
{
    struct http_server_counts counts;
    int fds[3];

    serve_start(say, NULL);
    for (int i = 0; i < 3; i++)
        fds[i] = serve_connect();
    serve_send(fds[0], GET("/"));
    serve_read_until(fds[0], "[]");
    ck_assert_int_le(http_server_stop(serve_server, 0), 0);
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 0);
    for (int i = 0; i < 3; i++)
        hub_close(fds[i]);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, answers_a_request);
    tcase_add_test(tcase, a_connection_stays_for_many_requests);
    tcase_add_loop_test(tcase, a_connection_ends_as_its_version_says, 0,
                        sizeof endings / sizeof *endings);
    tcase_add_test(tcase,
                   pipelined_requests_are_answered_in_order_and_leave_together);
    tcase_add_test(tcase, gathered_answers_leave_when_a_view_waits);
    tcase_add_test(tcase, more_answers_than_are_gathered_come_all);
    tcase_add_loop_test(tcase, a_message_is_read_alike_in_pieces_of_each_size,
                        0, sizeof messages / sizeof *messages);
    tcase_add_test(tcase, a_response_to_head_has_no_body);
    tcase_add_test(tcase, options_of_the_server_say_what_it_allows);
    tcase_add_test(
        tcase, what_a_refused_client_still_sends_does_not_cost_it_the_answer);
    tcase_add_test(tcase, a_client_that_goes_in_the_middle_leaves_nothing);
    tcase_add_test(tcase, an_idle_connection_holds_no_buffers);
    tcase_add_test(tcase, buffers_of_bursts_stay_until_the_last);
    tcase_add_test(tcase, an_idle_connection_has_no_greenlet);
    tcase_add_loop_test(tcase,
                        a_request_leaves_nothing_to_that_of_another_connection,
                        0, sizeof ways / sizeof *ways);
    tcase_add_test(tcase, requests_that_wait_have_greenlets_of_their_own);
    tcase_add_test(tcase, a_server_that_is_stopped_ends_idle_connections);
    return unit_run("connection", tcase);
}
