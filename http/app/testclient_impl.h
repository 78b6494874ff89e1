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

/* What was read: of one request, since others may be under way; then the
 * client's. */
struct http__testtext {
    char *data;
    size_t size, room;
};

struct http_testclient {
    struct http_app *app;
    struct http_server *server;
    struct http__testline *headers, *cookies;
    struct http__testtext answer; /* head and body, each with a 0 behind it */
    size_t head;
    char *body;
    size_t body_size;
};

bool http__testclient_is_target(const char *target);
/* Headers and cookies that are set. */
void http__testclient_fields(FILE *to, const struct http_testclient *client);
/* Read a head, and no byte more; then all that follows, unless it is a 101. */
int http__testclient_read_head(struct http__testtext *text, int fd);
int http__testclient_read_rest(struct http__testtext *text, int fd);
/* It is the client's last answer, whose memory is given back; rc of reading it.
 * Returns the status, or why there is none.  Does not switch. */
int http__testclient_take(struct http_testclient *client,
                          const struct http__testtext *text, int rc);

#endif
