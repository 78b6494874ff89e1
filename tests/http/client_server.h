/* client_server.h - a server of the tests' own, for tests of the client session
 *
 * It reads requests and leaves the answers to the test, byte for byte, so that they
 * may be as wrong as wanted. */
#ifndef VIREO_TESTS_CLIENT_SERVER_H
#define VIREO_TESTS_CLIENT_SERVER_H

#include "../unit.h"
#include "hub/hub.h"
#include "hub/tls.h"
#include "http/httpclient.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <unistd.h>

#define MS   HUB_MILLISECOND
#define SOON hub_deadline(20 * HUB_SECOND)

/* A connection, and the request that came last on it. */
struct asked {
    int fd;
    struct hub_tls *tls;
    unsigned connection, request; /* which one, from 1 */
    char method[32], path[512];
    char head[8192];
    char *body;
    size_t body_size;
};

/* Answers.  Returns whether the connection stays. */
typedef bool answer_function(struct asked *asked);

static struct hub_server *test_server;
static struct hub_tls_context *test_tls; /* NULL: none */
static answer_function *test_answer;
static unsigned test_connections, test_requests, test_open, test_most_open;
static int test_port;

/* ---- bytes ---- */

static inline ssize_t test_recv(struct asked *asked, void *buffer, size_t size)
{
    return asked->tls != NULL ? hub_tls_read(asked->tls, buffer, size, SOON)
                              : hub_recv(asked->fd, buffer, size, 0, SOON);
}

static inline int test_send(struct asked *asked, const void *data, size_t size)
{
    ssize_t count;

    if (asked->tls == NULL)
        return hub_send_all(asked->fd, data, size, 0, NULL, SOON);
    for (; size > 0; data = (const char *)data + count, size -= (size_t)count) {
        count = hub_tls_write(asked->tls, data, size, SOON);
        if (count < 0)
            return (int)count;
    }
    return 0;
}

static inline bool test_say(struct asked *asked, const char *text)
{
    return test_send(asked, text, strlen(text)) == 0;
}

/* An answer with a length. */
static inline bool test_reply(struct asked *asked, int status, const char *fields,
                       const void *body, size_t size)
{
    char head[4096];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d Text\r\nContent-Length: %zu\r\n%s\r\n",
                          status, size, fields);

    return test_send(asked, head, (size_t)length) == 0 &&
           test_send(asked, body, size) == 0;
}

static inline bool test_text(struct asked *asked, const char *text)
{
    return test_reply(asked, 200, "", text, strlen(text));
}

/* ---- requests ---- */

/* The value of a field, or NULL; until the next call. */
static inline const char *test_field(const struct asked *asked, const char *name)
{
    static char value[1024];
    size_t length = strlen(name);

    for (const char *line = strstr(asked->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2 + length;

        if (strncasecmp(line + 2, name, length) != 0 || *at != ':')
            continue;
        at += 1 + strspn(at + 1, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
        return value;
    }
    return NULL;
}

static inline bool test_read_head(struct asked *asked)
{
    size_t length = 0;

    while (length < 4 || memcmp(asked->head + length - 4, "\r\n\r\n", 4) != 0) {
        if (length + 1 == sizeof asked->head ||
            test_recv(asked, asked->head + length, 1) != 1)
            return false;
        asked->head[++length] = '\0';
    }
    return sscanf(asked->head, "%31s %511s", asked->method, asked->path) == 2;
}

static inline bool test_read_all(struct asked *asked, size_t size)
{
    asked->body = realloc(asked->body, asked->body_size + size + 1);
    while (size > 0) {
        ssize_t count = test_recv(asked, asked->body + asked->body_size, size);

        if (count <= 0)
            return false;
        asked->body_size += (size_t)count;
        size -= (size_t)count;
    }
    asked->body[asked->body_size] = '\0';
    return true;
}

static inline bool test_read_chunks(struct asked *asked)
{
    char line[64];
    size_t length, size;

    do {
        for (length = 0; length < 2 || line[length - 1] != '\n'; length++)
            if (length == sizeof line - 1 ||
                test_recv(asked, line + length, 1) != 1)
                return false;
        size = strtoul(line, NULL, 16);
        if (!test_read_all(asked, size) || test_recv(asked, line, 2) != 2)
            return false;
    } while (size > 0);
    return true;
}

static inline bool test_read_body(struct asked *asked)
{
    const char *length = test_field(asked, "Content-Length");

    asked->body_size = 0;
    if (test_field(asked, "Transfer-Encoding") != NULL)
        return test_read_chunks(asked);
    return test_read_all(asked, length != NULL ? strtoul(length, NULL, 10) : 0);
}

static bool test_read_bodies = true; /* before the answer */

static inline void test_connection(int fd, const struct hub_address *peer, void *arg)
{
    struct asked asked = { .fd = fd, .connection = ++test_connections };
    int on = 1;

    (void)peer;
    (void)arg;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (++test_open > test_most_open)
        test_most_open = test_open;
    if (test_tls != NULL) /* asked.tls stays NULL for who does not like us */
        hub_tls_open(test_tls, fd, NULL, SOON, &asked.tls);
    while ((test_tls == NULL || asked.tls != NULL) && test_read_head(&asked)) {
        test_requests++;
        asked.request++;
        if ((test_read_bodies && !test_read_body(&asked)) ||
            !test_answer(&asked))
            break;
    }
    test_open--;
    if (asked.tls != NULL)
        hub_tls_free(asked.tls); /* with fd */
    else
        hub_close(fd);
    free(asked.body);
}

/* ---- its life: a fixture ---- */

static inline void test_serve(answer_function *answer)
{
    static const struct hub_server_options options = { .handler_closes = true,
                                                        .pool = 5000 };
    struct hub_address address;

    test_connections = test_requests = test_open = test_most_open = 0;
    test_read_bodies = true;
    test_answer = answer;
    ck_assert_int_eq(hub_server_new("127.0.0.1:0", test_connection, NULL,
                                    &options, &test_server), 0);
    ck_assert_int_eq(hub_server_start(test_server), 0);
    ck_assert_int_eq(hub_server_address(test_server, &address), 0);
    test_port = ntohs(((struct sockaddr_in *)&address.storage)->sin_port);
}

static inline void test_serve_end(void)
{
    hub_server_stop(test_server, 100 * MS);
    hub_server_free(test_server);
    for (int i = 0; i < 1000 && test_open > 0; i++)
        hub_sleep(MS);
    ck_assert_uint_eq(test_open, 0);
    hub_yield();
}

/* "http://127.0.0.1:PORT" and a path; one of four texts. */
static inline const char *test_url(const char *path)
{
    static char urls[4][600];
    static unsigned next;
    char *url = urls[next++ % 4];

    snprintf(url, sizeof urls[0], "http%s://127.0.0.1:%d%s",
             test_tls != NULL ? "s" : "", test_port, path);
    return url;
}

static inline const char *test_body(const struct http_reply *reply)
{
    return http_reply_body(reply, NULL);
}

#endif
