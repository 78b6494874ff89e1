/* The wire: HTTP over TLS. */
#include "../unit.h"

#include "../hub/certificates.h"
#include "serve.h"

#include "hub/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>

#define HOST "Host: a\r\n"
#define MS   HUB_MILLISECOND

static struct hub_tls_context *server_context, *client_context;
static struct hub_tls *client;
static struct http_server *server;
static char answer[2 << 20], large[300000];
static int stream_ended;

static int ticks(struct http_stream *stream, void *data)
{
    (void)data;
    http_stream_write(stream, "tick", 4);
    return stream_ended = hub_sleep(60 * HUB_SECOND);
}

static int view(struct http_request *request, struct http_response *response)
{
    const char *data, *path = http_request_path(request);
    size_t size;
    int rc;

    ck_assert_str_eq(http_request_scheme(request), "https");
    ck_assert_ptr_nonnull(http_request_tls(request));
    if (strcmp(path, "/file") == 0)
        return http_response_file(response,
                                  open(good_file, O_RDONLY | O_CLOEXEC), NULL);
    if (strcmp(path, "/large") == 0)
        return http_response_body(response, large, sizeof large, NULL, NULL);
    if (strcmp(path, "/stream") == 0)
        return http_response_stream(response, NULL, ticks, NULL);
    rc = http_request_body(request, &data, &size);
    return rc < 0 ? rc : http_response_printf(response, "[%s]", data);
}

static void begin(void)
{
    struct http_server_listener how = {0};
    struct hub_address where;
    char address[64];
    int fd;

    server_context = hub_tls_context_new(HUB_TLS_SERVER);
    client_context = hub_tls_context_new(HUB_TLS_CLIENT);
    ck_assert_int_eq(hub_tls_use_certificate(server_context, good_file, NULL),
                     0);
    ck_assert_int_eq(hub_tls_set_verify(client_context, HUB_TLS_VERIFY_NONE),
                     0);
    how.tls = server_context;
    ck_assert_int_eq(http_server_new(http_view_sync(view), NULL, &server), 0);
    ck_assert_int_eq(http_server_listen(server, "127.0.0.1:0", &how), 0);
    http_server_address(server, 0, &where);
    hub_address_format(&where, address, sizeof address);
    fd = hub_connect_to(address, HUB_FOREVER);
    ck_assert_int_eq(hub_tls_open(client_context, fd, NULL,
                                  hub_deadline(5 * HUB_SECOND), &client),
                     0);
}

static void end(void)
{
    if (client != NULL)
        hub_tls_free(client);
    client = NULL;
    ck_assert_int_eq(http_server_stop(server, HUB_SECOND), 0);
    http_server_free(server);
    hub_tls_context_unref(server_context);
    hub_tls_context_unref(client_context);
    ERR_clear_error();
    for (int i = 0; i < 5; i++)
        hub_sleep(0);
}

static void put(const char *text)
{
    size_t size = strlen(text), done = 0;

    while (done < size) {
        ssize_t rc = hub_tls_write(client, text + done, size - done,
                                   hub_deadline(5 * HUB_SECOND));

        ck_assert_int_gt(rc, 0);
        done += (size_t)rc;
    }
}

/* Until `text` is there, or the end. */
static size_t get(const char *text)
{
    size_t size = 0;
    ssize_t got = 1;

    answer[0] = '\0';
    while (got > 0 && (text == NULL || strstr(answer, text) == NULL)) {
        got = hub_tls_read(client, answer + size, sizeof answer - 1 - size,
                           hub_deadline(5 * HUB_SECOND));
        if (got > 0)
            size += (size_t)got;
        answer[size] = '\0';
    }
    ck_assert_int_eq(got > 0 || text == NULL, 1);
    return size;
}

START_TEST(requests_are_answered_over_tls)
{
    begin();
    for (int i = 0; i < 3; i++) {
        put("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
        put("hello");
        get("[hello]");
        ck_assert_int_eq(serve_status(answer), 200);
    }
    put("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST
        "Connection: close\r\n\r\n");
    get(NULL);
    ck_assert_uint_eq(serve_count(answer), 2);
    end();
}
END_TEST

/* More than the input has room for at once, so that some of it stays in the
 * session. */
START_TEST(what_stays_in_the_session_is_not_waited_for)
{
    static const char one[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
static char requests[2000 * sizeof one];

    requests[0] = '\0';
    for (int i = 0; i < 2000; i++)
    strcpy(requests + i * (sizeof one - 1), one);
    begin();
    put(requests);
    put("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    get(NULL);
    ck_assert_uint_eq(serve_count(answer), 2001);
    end();
}
END_TEST

START_TEST(large_bodies_and_files_come_whole_over_tls)
{
    const char *body;
    size_t size;

    memset(large, 'L', sizeof large);
    begin();
    put("GET /file HTTP/1.1\r\n" HOST "\r\n");
    get("-----END");
    put("GET /large HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    size = get(NULL);
    body = strstr(answer, "\r\n\r\nLLL");
    ck_assert_ptr_nonnull(body);
    ck_assert_uint_eq(size - (size_t)(body + 4 - answer), sizeof large);
    end();
}
END_TEST

START_TEST(a_tls_client_that_goes_away_ends_a_stream)
{
    begin();
    stream_ended = 0;
    put("GET /stream HTTP/1.1\r\n" HOST "\r\n");
    get("tick");
    hub_tls_shutdown(client, HUB_NOWAIT);
    hub_tls_free(client);
    client = NULL;
    for (int i = 0; i < 300 && stream_ended == 0; i++)
        hub_sleep(10 * MS);
    ck_assert_int_eq(stream_ended, -ECANCELED);
    end();
}
END_TEST

START_TEST(who_does_not_speak_tls_is_closed)
{
    struct http_server_counts counts;
    struct hub_address where;
    char address[64];
    int fd;

    begin();
    http_server_address(server, 0, &where);
    hub_address_format(&where, address, sizeof address);
    fd = hub_connect_to(address, HUB_FOREVER);
    serve_send(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(serve_status(serve_read_all(fd, 5 * HUB_SECOND)), 0);
    ck_assert(serve_ended || serve_reset);
    hub_close(fd);
    http_server_count(server, &counts);
    ck_assert_uint_eq(counts.connections, 1);
    ck_assert_uint_eq(counts.requests, 0);
    end();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();
    int failed;

    hub_sleep(1); /* makes the hub, and its greenlet */
    make_certificates();
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, requests_are_answered_over_tls);
    tcase_add_test(tcase, what_stays_in_the_session_is_not_waited_for);
    tcase_add_test(tcase, large_bodies_and_files_come_whole_over_tls);
    tcase_add_test(tcase, a_tls_client_that_goes_away_ends_a_stream);
    tcase_add_test(tcase, who_does_not_speak_tls_is_closed);
    failed = unit_run("wire", tcase);
    remove_certificates();
    return failed;
}
