/* testclient.h - ask an application without a network, for its tests (V-24)
 *
 * Requests go through all of the server, in the same process: head, body,
 * hooks, view, response.  Cookies that are set are sent with the requests that
 * follow.  For the thread that made it. */
#ifndef VIREO_TESTCLIENT_H
#define VIREO_TESTCLIENT_H

#include "http/app.h"
#include "http/websocket.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_testclient;

/* A client of an application, whose functions before serving are called; app is
 * borrowed.  Ownership: *client is given.  Switches.
 * Returns 0; the error that sticks to the application; what a function before
 * serving returned; -ENOMEM. */
HTTP_API int http_testclient_new(struct http_app *app,
                                 struct http_testclient **client);
/* The functions behind serving are called.  NULL is fine.  Switches. */
HTTP_API void http_testclient_free(struct http_testclient *client);

/* A field that is sent with each request from now on; value NULL: no more.
 * Returns 0; -EINVAL for what is no field, or one that frames the message;
 * -ENOMEM. */
HTTP_API int http_testclient_set_header(struct http_testclient *client,
                                        const char *name, const char *value);
/* A cookie, as if it had been set; value NULL: no more.  Returns 0, -EINVAL,
 * -ENOMEM. */
HTTP_API int http_testclient_set_cookie(struct http_testclient *client,
                                        const char *name, const char *value);
/* What is sent as its value; NULL: there is none.  Borrowed. */
HTTP_API const char *
http_testclient_cookie(const struct http_testclient *client, const char *name);

/* Ask, and read the answer to its end.  target: the path, with its query; type:
 * the Content-Type of the body, NULL: none is sent.  Switches. Returns the
 * status; -EINVAL for a method or a target with blanks or controls; -EPROTO:
 * the answer was cut; -ENOMEM; or why the wait ended early. */
HTTP_API int http_testclient_request(struct http_testclient *client,
                                     const char *method, const char *target,
                                     const char *type, const void *body,
                                     size_t size);
HTTP_API int http_testclient_get(struct http_testclient *client,
                                 const char *target);
/* A POST of a text. */
HTTP_API int http_testclient_post(struct http_testclient *client,
                                  const char *target, const char *type,
                                  const char *text);

/* Of the last answer: the first field of that name, NULL: none; the body, with
 * a 0 behind it, and its size unless size is NULL; "" before the first.
 * Borrowed until the next request. */
HTTP_API const char *
http_testclient_header(const struct http_testclient *client, const char *name);
HTTP_API const char *http_testclient_body(const struct http_testclient *client,
                                          size_t *size);

/* ---- WebSockets ---- */

struct http_testsocket;

/* Ask for a WebSocket, with the headers ("Origin") and cookies that are set.
 * protocols: what is offered, "a, b"; NULL: nothing.  Ownership: *socket is given;
 * the client has to live as long.  Switches.
 * Returns 101; or the status that refused it, *socket being NULL: then head and body
 * are as of a request; or as http_testclient_request(). */
HTTP_API int http_testsocket_open(struct http_testclient *client,
                                  const char *target, const char *protocols,
                                  struct http_testsocket **socket);
/* What the server chose; NULL: none.  Borrowed. */
HTTP_API const char *
http_testsocket_protocol(const struct http_testsocket *socket);

/* Send a message.  Switches.  Returns 0; -EPIPE: it is over; -ENOMEM; or why the wait
 * ended early. */
HTTP_API int http_testsocket_send(struct http_testsocket *socket,
                                  enum http_websocket_type type,
                                  const void *data, size_t size);
/* Wait for a message, whole; pings are answered meanwhile.  Ownership: its data is
 * borrowed until the next call.  Switches.
 * Returns 1; 0: the server has closed (http_testsocket_close_code()); -EPIPE: it is
 * gone without a word; -EPROTO: what came is no frame; -ETIMEDOUT, nothing is lost;
 * -ENOMEM. */
HTTP_API int http_testsocket_receive(struct http_testsocket *socket,
                                     struct http_websocket_message *message,
                                     int64_t deadline_ns);
/* Close it with a code (0: none), and wait for the server's close frame; messages
 * before that are dropped.  Switches.  Returns as receive, 0 when both have. */
HTTP_API int http_testsocket_close(struct http_testsocket *socket, int code);
/* The server's code, 1005: it said none; 1006: it is gone without a word; 0: it is
 * open. */
HTTP_API int http_testsocket_close_code(const struct http_testsocket *socket);
/* What is open is cut, as by a client that vanishes; waits until the view has ended.
 * NULL is fine.  Switches. */
HTTP_API void http_testsocket_free(struct http_testsocket *socket);

#ifdef __cplusplus
}
#endif
#endif
