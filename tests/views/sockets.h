/* sockets.h - what the tests of WebSocket views share: a client, and one that
 * says and hears */
#ifndef VIREO_TESTS_SOCKETS_H
#define VIREO_TESTS_SOCKETS_H

#include "views.h"

static struct http_testclient *client;
static struct http_testsocket *sock;

static inline void open_client(void)
{
    const char *why;

    ck_assert_msg(http_app_error(app, &why) == 0, "%s", why);
    ck_assert_int_eq(http_testclient_new(app, &client), 0);
    notes[0] = '\0';
}

static inline void close_client(void)
{
    http_testsocket_free(sock);
    sock = NULL;
    http_testclient_free(client);
    client = NULL;
    for (int i = 0; i < 5; i++)
        hub_sleep(0); /* what has ended is let go */
}

static inline int enter(const char *target)
{
    return http_testsocket_open(client, target, NULL, &sock);
}

static inline void leave(void)
{
    http_testsocket_free(sock);
    sock = NULL;
}

static inline void say(const char *text)
{
    ck_assert_int_eq(
        http_testsocket_send(sock, HTTP_WEBSOCKET_TEXT, text, strlen(text)), 0);
}

static inline const char *hear(void)
{
    struct http_websocket_message message;

    ck_assert_int_eq(http_testsocket_receive(sock, &message, HUB_FOREVER), 1);
    ck_assert_uint_eq(strlen(message.data), message.size);
    return message.data;
}

/* Nothing more comes: the server's code. */
static inline int end_code(void)
{
    struct http_websocket_message message;

    ck_assert_int_eq(http_testsocket_receive(sock, &message, HUB_FOREVER), 0);
    return http_testsocket_close_code(sock);
}

static inline int echo(struct http_request *request,
                       struct http_response *response)
{
    struct http_websocket_message message;
    struct http_websocket *socket;
    int rc = http_websocket_open(request, response, &socket);

    while (rc == 0 &&
           (rc = http_websocket_receive(socket, &message, HUB_FOREVER)) == 1)
        rc = http_websocket_send(socket, message.type, message.data,
                                 message.size, HUB_FOREVER);
    return rc;
}

#endif
