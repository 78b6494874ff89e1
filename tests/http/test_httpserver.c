/* Servers: listeners, TLS apart; stopping; what runs out. */
#include "../unit.h"
#include "serve.h"

#include "context/testhook.h"
#include "http/http_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOST "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST "\r\n"
#define LAST "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
#define MS   HUB_MILLISECOND

static int64_t takes;
static int view_ended;

static int view(struct http_request *request, struct http_response *response)
{
    (void)request;
    view_ended = 1;
    if (takes > 0)
        view_ended = hub_sleep(takes);
    return http_response_text(response, "done");
}

static void begin(const struct http_server_options *options)
{
    takes = 0;
    serve_start(view, options);
}

/* ---- listeners ---- */

START_TEST(a_server_has_several_listeners)
{
    char path[64];
    struct hub_address where;
    int fd;

    begin(NULL);
    snprintf(path, sizeof path, "unix:@vireo-test-%d", (int)getpid());
    ck_assert_int_eq(http_server_listen(serve_server, path, NULL), 0);
    ck_assert_int_eq(http_server_address(serve_server, 1, &where), 0);
    ck_assert_int_eq(http_server_address(serve_server, 2, &where), -ENOENT);
    ck_assert_int_eq(http_server_listen(serve_server, NULL, NULL), -EINVAL);
    ck_assert_int_lt(
        http_server_listen(serve_server, "no:such:thing", NULL), 0);
    ck_assert_int_eq(http_server_listen_fd(serve_server, -1, NULL), -EBADF);
    fd = hub_connect_to(path, HUB_FOREVER);
    ck_assert_int_ge(fd, 0);
    serve_send(fd, LAST);
    ck_assert_str_eq(serve_body(serve_read_all(fd, HUB_SECOND)), "done");
    hub_close(fd);
    ck_assert_str_eq(serve_body(serve_exchange(LAST)), "done");
    serve_stop();
}
END_TEST

START_TEST(a_server_takes_a_socket_that_listens)
{
    int listener = hub_listen_on("127.0.0.1:0", 0, 0), copy, fd;
    struct hub_address where;
    char address[64];

    begin(NULL);
    copy = hub_dup(listener);
    hub_local_address(listener, &where);
    hub_address_format(&where, address, sizeof address);
    ck_assert_int_eq(http_server_listen_fd(serve_server, copy, NULL), 0);
    fd = hub_connect_to(address, HUB_FOREVER);
    serve_send(fd, LAST);
    ck_assert_str_eq(serve_body(serve_read_all(fd, HUB_SECOND)), "done");
    hub_close(fd);
    serve_stop();
    fd = hub_connect_to(address, HUB_FOREVER); /* it listens on */
    ck_assert_int_ge(fd, 0);
    hub_close(fd);
    hub_close(listener);
}
END_TEST

static void serve_pair(void *arg)
{
    ck_assert_int_eq(
        http_server_connection(serve_server, (int)(intptr_t)arg, NULL), 0);
}

START_TEST(a_server_serves_a_connection_that_is_there)
{
    struct greenlet *g;
    int ends[2];

    begin(NULL);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    g = hub_spawn_raw(serve_pair, (void *)(intptr_t)ends[0]);
    serve_send(ends[1], GET LAST);
    ck_assert_uint_eq(serve_count(serve_read_all(ends[1], HUB_SECOND)), 2);
    hub_close(ends[1]);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    serve_stop();
}
END_TEST

static int refuses(int fd, struct hub_address *peer, int64_t deadline_ns,
                   void *data)
{
    ck_assert_ptr_eq(data, &takes);
    ck_assert_int_gt(deadline_ns, hub_now());
    ck_assert_int_eq(peer->storage.ss_family, AF_INET);
    ck_assert_int_ge(fd, 0);
    return -EBADMSG;
}

START_TEST(what_looks_at_a_connection_first_may_refuse_it)
{
    const struct http_server_listener how = {.accepted = refuses,
                                             .accepted_data = &takes};
    struct hub_address where;
    char address[64];
    int fd;

    begin(NULL);
    ck_assert_int_eq(http_server_listen(serve_server, "127.0.0.1:0", &how),
                     0);
    http_server_address(serve_server, 1, &where);
    hub_address_format(&where, address, sizeof address);
    fd = hub_connect_to(address, HUB_FOREVER);
    ck_assert_str_eq(serve_read_all(fd, HUB_SECOND), "");
    ck_assert(serve_ended || serve_reset);
    hub_close(fd);
    serve_stop();
}
END_TEST

/* ---- stopping ---- */

static void stop(void *arg)
{
    ck_assert_int_eq(http_server_stop(serve_server, *(int64_t *)arg), 0);
}

START_TEST(a_request_under_way_is_answered_when_the_server_stops)
{
    int64_t timeout = 5 * HUB_SECOND;
    struct greenlet *g;
    const char *answer;
    int fd;

    begin(NULL);
    takes = 50 * MS;
    fd = serve_connect();
    serve_send(fd, GET);
    hub_sleep(10 * MS);
    g = hub_spawn_raw(stop, &timeout);
    hub_sleep(0);
    ck_assert(http_server_stopping(serve_server));
    answer = serve_read_all(fd, HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    ck_assert(serve_ended);
    hub_close(fd);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    ck_assert_int_eq(http_server_serve(serve_server, HUB_FOREVER), 0);
    ck_assert_int_eq(http_server_listen(serve_server, "127.0.0.1:0", NULL),
                     -ESHUTDOWN);
    serve_stop();
}
END_TEST

/* One that comes on an idle connection before that is closed is answered. */
START_TEST(an_idle_connection_has_a_last_request_when_the_server_stops)
{
    const struct http_server_options options = {.drain_idle_ns = 200 * MS};
    int64_t timeout = 5 * HUB_SECOND, before;
    struct greenlet *g;
    const char *answer;
    int fd, idle;

    begin(&options);
    fd = serve_connect();
    serve_send(fd, GET);
    serve_read_until(fd, "done");
    idle = serve_connect();
    before = hub_now();
    g = hub_spawn_raw(stop, &timeout);
    hub_sleep(20 * MS);
    serve_send(fd, GET);
    answer = serve_read_all(fd, HUB_SECOND);
    ck_assert_int_eq(serve_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    ck_assert_str_eq(serve_read_all(idle, HUB_SECOND), "");
    ck_assert(serve_ended);
    ck_assert_int_ge(hub_now() - before, 150 * MS);
    hub_close(fd);
    hub_close(idle);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    serve_stop();
}
END_TEST

START_TEST(at_the_deadline_what_is_left_is_killed)
{
    int fd;

    begin(NULL);
    takes = 60 * HUB_SECOND;
    fd = serve_connect();
    serve_send(fd, GET);
    hub_sleep(10 * MS);
    ck_assert_int_eq(http_server_stop(serve_server, 30 * MS), 0);
    ck_assert_int_eq(view_ended, -ECANCELED);
    hub_close(fd);
    serve_stop();
}
END_TEST

START_TEST(a_server_can_be_freed_with_connections)
{
    struct http_server *server;
    int fd;

    begin(NULL);
    takes = 60 * HUB_SECOND;
    fd = serve_connect();
    serve_send(fd, GET);
    hub_sleep(10 * MS);
    server = serve_server;
    serve_server = NULL;
    http_server_free(server);
    ck_assert_int_eq(view_ended, -ECANCELED);
    hub_close(fd);
    hub_sleep(1);
    ck_assert_int_eq(http_server_new(http_view_sync(view), NULL, &server),
                     0);
    http_server_free(server); /* one that never listened */
}
END_TEST

/* ---- what runs out ---- */

static unsigned errors;

static void note_error(struct hub *hub, const struct greenlet *context,
                       const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    errors += exception->error == -EMFILE;
}

START_TEST(without_descriptors_those_that_are_there_are_served)
{
    struct rlimit before, none;
    int old, fresh;

    begin(NULL);
    hub_set_error_handler(note_error, NULL);
    errors = 0;
    old = serve_connect();
    serve_send(old, GET);
    serve_read_until(old, "done");
    fresh = serve_connect();
    hub_sleep(5 * MS);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    hub_close(fresh);
    setrlimit(RLIMIT_NOFILE, &before);
    fresh = serve_connect(); /* waits to be accepted */
    setrlimit(RLIMIT_NOFILE, &none);
    serve_send(fresh, GET);
    serve_send(old, GET);
    serve_read_until(old, "done");
    hub_sleep(30 * MS);
    setrlimit(RLIMIT_NOFILE, &before);
    serve_read_until(fresh, "done");
    ck_assert_uint_ge(errors, 1);
    ck_assert_uint_le(errors, 5);
    hub_set_error_handler(NULL, NULL);
    hub_close(old);
    hub_close(fresh);
    serve_stop();
}
END_TEST

/* Every n-th allocation of a conversation fails in turn: the service goes on,
 * and nothing stays behind. */
static int producer(struct http_stream *stream, void *data)
{
    (void)data;
    http_stream_trailer(stream, "A", "b");
    return http_stream_event(stream, "a", "%03000d", 1);
}

static int allocates(struct http_request *request,
                     struct http_response *response)
{
    const char *data, *path = http_request_path(request);
    size_t size;
    int rc = 0;

    if (strcmp(path, "/stream") == 0)
        return http_response_stream(response, "a/b", producer, NULL);
    if (strcmp(path, "/file") == 0)
        return http_response_file(
            response, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), NULL);
    rc = http_request_body(request, &data, &size);
    if (rc == 0 && http_request_alloc(request, 10000) == NULL)
        rc = -ENOMEM;
    for (int i = 0; i < 30 && rc == 0; i++)
        rc = http_response_add_header(response, "X-Much",
                                      "0123456789012345678901234567890123456");
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = http_response_printf(response, "%020d", i);
    return rc;
}

static bool fails(void)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION);
}

static void converse(void)
{
    int fd = serve_connect();

    serve_send(fd,
               "POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\n0\r\nA: b\r\n\r\n"
               "GET /stream HTTP/1.1\r\n" HOST "\r\n"
               "GET /file HTTP/1.1\r\n" HOST "Range: bytes=0-1,3-4\r\n\r\n"
               "GET /2 HTTP/1.1\r\n" HOST "\r\n"
               "GET /3 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    serve_read_all(fd, 5 * HUB_SECOND);
    hub_close(fd);
}

/* The client's own allocations are none of these: its socket is made before. */
START_TEST(each_allocation_that_fails_costs_a_response_at_most)
{
    long count, n;

    serve_start(allocates, NULL);
    converse();
    http__test_fails = fails;
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    converse();
    count = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    ck_assert_int_gt(count, 5);
    for (n = 1; n <= count; n++) {
        int fd = serve_connect();

        hub_sleep(1);
        http__work_trim(serve_server, 0);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        serve_send(
            fd,
            "POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\nA: b\r\n\r\n"
            "GET /stream HTTP/1.1\r\n" HOST "\r\n"
            "GET /file HTTP/1.1\r\n" HOST "Range: bytes=0-1,3-4\r\n\r\n"
            "GET /2 HTTP/1.1\r\n" HOST "\r\n"
            "GET /3 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        serve_read_all(fd, 5 * HUB_SECOND);
        ck_assert(serve_ended || serve_reset);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        hub_close(fd);
    }
    converse();
    ck_assert(serve_ended);
    http__test_fails = NULL;
    serve_stop();
}
END_TEST

START_TEST(making_a_server_without_memory_leaves_nothing)
{
    const struct http_server_options options = {.server_name = "x"};
    struct http_server *server;
    int rc = -ENOMEM;

    http__test_fails = fails;
    for (long n = 1; rc < 0; n++) {
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        rc = http_server_new(http_view_sync(view), &options, &server);
        if (rc == 0) {
            rc = http_server_listen(server, "127.0.0.1:0", NULL);
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
            http_server_free(server);
        }
        ck_assert(rc == 0 || rc == -ENOMEM);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        ck_assert_int_lt(n, 100);
    }
    http__test_fails = NULL;
    hub_sleep(1);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_server_has_several_listeners);
    tcase_add_test(tcase, a_server_takes_a_socket_that_listens);
    tcase_add_test(tcase, a_server_serves_a_connection_that_is_there);
    tcase_add_test(tcase, what_looks_at_a_connection_first_may_refuse_it);
    tcase_add_test(tcase,
                   a_request_under_way_is_answered_when_the_server_stops);
    tcase_add_test(tcase,
                   an_idle_connection_has_a_last_request_when_the_server_stops);
    tcase_add_test(tcase, at_the_deadline_what_is_left_is_killed);
    tcase_add_test(tcase, a_server_can_be_freed_with_connections);
    tcase_add_test(tcase, without_descriptors_those_that_are_there_are_served);
    tcase_add_test(tcase, each_allocation_that_fails_costs_a_response_at_most);
    tcase_add_test(tcase, making_a_server_without_memory_leaves_nothing);
    return unit_run("httpserver", tcase);
}
