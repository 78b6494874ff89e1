/* slow_client.h - clients whose bytes come one by one, and how many the server
 * knows to be such */
#ifndef VIREO_TESTS_HTTP_SLOW_CLIENT_H
#define VIREO_TESTS_HTTP_SLOW_CLIENT_H

#include "serve.h"

#include "http/http_impl.h"
#include "http/slow.h"

#include <check.h>
#include <string.h>

static inline unsigned slow_now(void)
{
    return http__slow_count(serve_server->slow);
}

/* Each is seen by itself. */
static inline void slow_send(int fd, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ck_assert_int_eq(hub_send_all(fd, text + i, 1, 0, NULL, HUB_FOREVER),
                         0);
        hub_sleep(HUB_MILLISECOND / 5);
    }
}

/* All but the last `kept` bytes of it, and the server knows that it is slow. */
static inline int slow_connect(const char *text, size_t kept)
{
    int fd = serve_connect();

    slow_send(fd, text, strlen(text) - kept);
    hub_sleep(20 * HUB_MILLISECOND);
    ck_assert_uint_ge(slow_now(), 1);
    return fd;
}

/* What was kept back, and the answer of 200 that ends with `body`. */
static inline void slow_finish(int fd, const char *rest, const char *body)
{
    serve_send(fd, rest);
    ck_assert_int_eq(serve_status(serve_read_until(fd, body)), 200);
}

#endif
