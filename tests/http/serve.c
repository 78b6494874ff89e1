/* serve.c - a server in the test's own process, and clients */
#include "serve.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_server *serve_server;
char serve_reported[1024];
unsigned serve_reports;
size_t serve_length;
bool serve_ended, serve_reset;

static char address[64];
static char answer[1 << 20];

static void note(const char *line, void *data)
{
    (void)data;
    serve_reports++;
    snprintf(serve_reported, sizeof serve_reported, "%s", line);
}

void serve_start(http_view_function *view,
                 const struct http_server_options *options)
{
    serve_start_view(http_view_sync(view), options);
}

void serve_start_view(struct http_view view,
                      const struct http_server_options *options)
{
    struct http_server_options own = {0};
    struct hub_address where;

    if (options != NULL)
        own = *options;
    if (own.report == NULL)
        own.report = note;
    serve_reports = 0;
    serve_reported[0] = '\0';
    ck_assert_int_eq(http_server_new(view, &own, &serve_server), 0);
    ck_assert_int_eq(http_server_listen(serve_server, "127.0.0.1:0", NULL), 0);
    ck_assert_int_eq(http_server_address(serve_server, 0, &where), 0);
    ck_assert_int_gt(hub_address_format(&where, address, sizeof address), 0);
}

void serve_stop(void)
{
    struct http_server_counts counts;

    ck_assert_int_eq(http_server_stop(serve_server, HUB_SECOND), 0);
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 0);
    ck_assert_uint_eq(counts.idle, 0);
    http_server_free(serve_server);
    serve_server = NULL;
    for (int i = 0; i < 5; i++)
        hub_sleep(0); /* what has ended is let go */
}

int serve_connect(void)
{
    int fd = hub_connect_to(address, hub_deadline(5 * HUB_SECOND));
    int one = 1;

    ck_assert_int_ge(fd, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void serve_send(int fd, const char *text)
{
    hub_send_all(fd, text, strlen(text), 0, NULL, hub_deadline(5 * HUB_SECOND));
}

void serve_send_pieces(int fd, const char *text, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        size_t most = size - at < piece ? size - at : piece;

        if (hub_send_all(fd, text + at, most, 0, NULL,
                         hub_deadline(5 * HUB_SECOND)) < 0)
            return; /* it was refused already */
        hub_sleep(20 * HUB_MICROSECOND);
        hub_sleep(0);
    }
}

static const char *read_on(int fd, const char *until, int64_t deadline)
{
    ssize_t got = 1;

    serve_length = 0;
    serve_ended = serve_reset = false;
    answer[0] = '\0';
    while (got > 0 && serve_length < sizeof answer - 1) {
        got = hub_recv(fd, answer + serve_length,
                       sizeof answer - 1 - serve_length, 0, deadline);
        if (got > 0)
            serve_length += (size_t)got;
        answer[serve_length] = '\0';
        if (until != NULL && strstr(answer, until) != NULL)
            return answer;
    }
    serve_ended = got == 0;
    serve_reset = got == -ECONNRESET;
    return answer;
}

const char *serve_read_all(int fd, int64_t ns)
{
    return read_on(fd, NULL, hub_deadline(ns));
}

const char *serve_read_until(int fd, const char *text)
{
    read_on(fd, text, hub_deadline(5 * HUB_SECOND));
    if (strstr(answer, text) == NULL)
        ck_abort_msg("no \"%s\" in \"%s\"", text, answer);
    return answer;
}

const char *serve_exchange(const char *request)
{
    int fd = serve_connect();

    serve_send(fd, request);
    serve_read_all(fd, 5 * HUB_SECOND);
    hub_close(fd);
    return answer;
}

int serve_status(const char *response)
{
    return strncmp(response, "HTTP/1.1 ", 9) == 0 ? atoi(response + 9) : 0;
}

const char *serve_body(const char *response)
{
    const char *empty = strstr(response, "\r\n\r\n");

    return empty != NULL ? empty + 4 : "";
}

unsigned serve_count(const char *responses)
{
    unsigned count = 0;
    const char *at = responses;

    while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
        count++;
        at += 9;
    }
    return count;
}
