/* testclient_impl.h - what requests and WebSockets of tests share */
#ifndef HTTP_TESTCLIENT_IMPL_H
#define HTTP_TESTCLIENT_IMPL_H

#include "http/app/app_impl.h"
#include "http/testclient.h"

#include <stdio.h>

/* A header, or a cookie. */
struct http__testline {
    struct http__testline *next;
    char *value; /* behind its name */
    char name[];
};

struct http_testclient {
    struct http_app *app;
    struct http_server *server;
    struct http__testline *headers, *cookies;
    char *answer; /* head and body, each with a 0 behind it */
    size_t head, size, room;
    char *body;
    size_t body_size;
};

bool http__testclient_is_target(const char *target);
/* Headers and cookies that are set. */
void http__testclient_fields(FILE *to, const struct http_testclient *client);
/* Read a head, and no byte more; then take what it says, with all that follows
 * unless it is a 101.  Returns the status, or why not. */
int http__testclient_read_head(struct http_testclient *client, int fd);
int http__testclient_take_head(struct http_testclient *client, int fd);

#endif
