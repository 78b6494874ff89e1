/* serve.h - a server in the test's own process, and clients that send bytes */
#ifndef VIREO_TESTS_HTTP_SERVE_H
#define VIREO_TESTS_HTTP_SERVE_H

#include "http/http.h"
#include "hub/hub.h"

#include <stddef.h>

/* Start one on a port of the kernel's choice; options NULL: the defaults, but
 * what it reports is kept in serve_reported. */
void serve_start(http_view_function *view,
                 const struct http_server_options *options);
void serve_start_view(struct http_view view,
                      const struct http_server_options *options);
/* End it, and see that no connection is left. */
void serve_stop(void);

extern struct http_server *serve_server;
extern char serve_reported[1024]; /* the last line for the operator */
extern unsigned serve_reports;

/* A connected socket. */
int serve_connect(void);
void serve_send(int fd, const char *text);
/* The same in pieces of so many bytes, each of which the server sees by itself.
 */
void serve_send_pieces(int fd, const char *text, size_t size, size_t piece);
/* Read until the server ends it, or for `ns` at most; static, with a 0 behind
 * it, and serve_length; serve_ended says whether the end came.  serve_reset: by
 * a reset. */
const char *serve_read_all(int fd, int64_t ns);
extern size_t serve_length;
extern bool serve_ended, serve_reset;
/* Read until `text` is there. */
const char *serve_read_until(int fd, const char *text);
/* Connect, send, read to the end (5 s at most), close. */
const char *serve_exchange(const char *request);

/* The status at the front of a response; 0: it is none. */
int serve_status(const char *response);
/* What is behind the first empty line. */
const char *serve_body(const char *response);
/* The responses in it: how often "HTTP/1.1 " begins a line. */
unsigned serve_count(const char *responses);

#endif
