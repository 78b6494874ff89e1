/* callbacks.c - what libcurl tells and asks for: called in the loop, or where a
 * greenlet lets a transfer go on; nothing here waits */
#include "http/client/client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED (64 * 1024) /* of a redirect's body, to keep the connection */
#define BUFFER_OF(reply) ((reply)->session->options.buffer)

/* ---- the answer's head ---- */

static bool leads_on(int status, const struct http_session_request *request)
{
    switch (status) {
    case 301:
    case 302:
    case 303:
        return true;
    case 307:
    case 308:
        return request->upload == NULL; /* a second time, there is nothing */
    default:
        return false;
    }
}

static void head_ends(struct http_reply *reply)
{
    struct curl_header *next;
    long status = 0;

    curl_easy_getinfo(reply->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 1 && status != 101)
        return;
    if (!(reply->flags & HTTP_SESSION_STAY) &&
        leads_on((int)status, reply->request) &&
        curl_easy_header(reply->easy, "Location", 0, CURLH_HEADER, -1, &next) ==
            CURLHE_OK)
        reply->follow = true;
    reply->head = true;
    reply->status = (int)status;
    hub_event_set(&reply->event);
}

static size_t on_field(char *line, size_t size, size_t count, void *data)
{
    struct http_reply *reply = data;

    reply->answer_by = HUB_FOREVER;
    if (!reply->head && (*line == '\r' || *line == '\n'))
        head_ends(reply);
    return size * count;
}

/* ---- its body ---- */

static int make_room(struct http_reply *reply, size_t more)
{
    size_t held = reply->end - reply->start, room = reply->room;
    char *data;

    if (reply->room - reply->end > more) /* a byte for the 0 behind it */
        return 0;
    if (reply->start > 0) {
        memmove(reply->data, reply->data + reply->start, held);
        reply->start = 0;
        reply->end = held;
    }
    if (room - held > more)
        return 0;
    if (room < held + more + 1)
        room = held + more + 1 + (reply->stream ? 0 : held);
    data = http__client_resize(reply->data, room);
    if (data == NULL)
        return -ENOMEM;
    reply->data = data;
    reply->room = room;
    return 0;
}

static bool too_large(const struct http_reply *reply, size_t more)
{
    return !reply->stream && more > reply->limit - reply->end;
}

/* What it returns instead of the number of bytes ends the transfer. */
static size_t refuse(struct http_reply *reply, int error, const char *why)
{
    reply->error = error;
    reply->why = why;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct http_reply *reply = data;
    size_t more = size * count;

    if (reply->follow) {
        reply->skipped += more;
        return reply->skipped > SKIPPED ? 0 : more;
    }
    if (reply->stream && reply->end - reply->start >= BUFFER_OF(reply)) {
        reply->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (too_large(reply, more))
        return refuse(reply, -EMSGSIZE, "the body is larger than the limit");
    if (make_room(reply, more) < 0)
        return refuse(reply, -ENOMEM, "no memory for the body");
    memcpy(reply->data + reply->end, bytes, more);
    reply->end += more;
    if (reply->stream)
        hub_event_set(&reply->event);
    return more;
}

void http__reading(struct http_reply *reply)
{
    if (!reply->attached || !reply->paused ||
        reply->end - reply->start > BUFFER_OF(reply) / 2)
        return;
    reply->paused = false;
    curl_easy_pause(reply->easy, reply->hungry ? CURLPAUSE_SEND : CURLPAUSE_CONT);
}

/* ---- the request's body ---- */

static void all_is_sent(struct http_reply *reply)
{
    if (reply->uploaded)
        return;
    reply->uploaded = true;
    reply->answer_by = reply->first_byte_timeout < 0 || reply->head
                           ? HUB_FOREVER
                           : hub_deadline(reply->first_byte_timeout);
    hub_event_set(&reply->event); /* who waits looks at the time anew */
}

static size_t take(struct http_reply *reply, char *to, const char *from,
                   size_t size)
{
    memcpy(to, from, size);
    reply->sent += size;
    return size;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t from_memory(struct http_reply *reply, char *buffer, size_t size)
{
    const struct http_session_request *request = reply->request;
    size_t left = request->body_size - (size_t)reply->sent;

    size = take(reply, buffer, (const char *)request->body + reply->sent,
                smaller(size, left));
    if (size == left)
        all_is_sent(reply);
    return size;
}

static size_t from_upload(struct http_reply *reply, char *buffer, size_t size)
{
    size_t left = reply->piece_end - reply->piece_at;

    if (left == 0 && reply->upload_ended) {
        all_is_sent(reply);
        return 0;
    }
    if (left == 0) {
        reply->hungry = true;
        hub_event_set(&reply->event);
        return CURL_READFUNC_PAUSE;
    }
    size = take(reply, buffer, reply->piece + reply->piece_at,
                smaller(size, left));
    reply->piece_at += size;
    if (reply->request->upload_size > 0 &&
        reply->sent == (uint64_t)reply->request->upload_size)
        all_is_sent(reply);
    return size;
}

static size_t on_hunger(char *buffer, size_t size, size_t count, void *data)
{
    struct http_reply *reply = data;

    if (!reply->body || reply->request == NULL)
        return 0;
    if (reply->request->upload != NULL)
        return from_upload(reply, buffer, size * count);
    if (reply->request->body_size == 0) {
        all_is_sent(reply);
        return 0;
    }
    return from_memory(reply, buffer, size * count);
}

void http__feeding(struct http_reply *reply)
{
    if (!reply->attached || !reply->hungry)
        return;
    reply->hungry = false;
    curl_easy_pause(reply->easy, reply->paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

/* ---- a connection, and a second one ---- */

/* What may be done twice (RFC 9110, 9.2.2). */
static bool may_repeat(const struct http_reply *reply)
{
    return reply->request != NULL && reply->request->upload == NULL &&
           strcmp(reply->method, "POST") != 0 &&
           strcmp(reply->method, "PATCH") != 0;
}

static int on_rewind(void *data, curl_off_t offset, int origin)
{
    struct http_reply *reply = data;

    (void)origin;
    if (reply->sent > 0 && !may_repeat(reply))
        return CURL_SEEKFUNC_FAIL;
    reply->sent = (uint64_t)offset;
    reply->uploaded = false;
    return CURL_SEEKFUNC_OK;
}

/* A kept connection on which something came while nothing was asked, or its end. */
static bool is_stale(struct http_reply *reply, const char *address, int port)
{
    long made = 1;

    if (curl_easy_getinfo(reply->easy, CURLINFO_NUM_CONNECTS, &made) !=
        CURLE_OK)
        return false;
    if (made == 0)
        return !reply->stale &&
               http__socket_has_more(reply->session, address, port);
    http__socket_note(reply->session, address, port);
    return false;
}

/* There is a connection, and the request goes out.  A second time: the server had
 * closed the one before.  libcurl rewinds what has left; what it has only taken goes
 * back here. */
static int on_connection(void *data, char *theirs, char *ours, int their_port,
                         int our_port)
{
    struct http_reply *reply = data;

    (void)theirs;
    (void)their_port;
    reply->connect_by = HUB_FOREVER;
    if (reply->sent > 0 && on_rewind(reply, 0, 0) != CURL_SEEKFUNC_OK) {
        refuse(reply, -ECONNRESET, "the server closed the connection");
        return CURL_PREREQFUNC_ABORT;
    }
    if (is_stale(reply, ours, our_port)) {
        reply->stale = true; /* the next one is new: request.c */
        refuse(reply, -EAGAIN, NULL);
        return CURL_PREREQFUNC_ABORT;
    }
    if (!reply->body)
        all_is_sent(reply);
    hub_event_set(&reply->event);
    return CURL_PREREQFUNC_OK;
}

int http__callbacks_set(struct http_reply *reply)
{
    CURL *easy = reply->easy;

    if (curl_easy_setopt(easy, CURLOPT_PRIVATE, reply) ||
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reply->text) ||
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field) ||
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, reply) ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply) ||
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_hunger) ||
        curl_easy_setopt(easy, CURLOPT_READDATA, reply) ||
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind) ||
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, reply) ||
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connection) ||
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, reply))
        return -ENOMEM;
    return http__sockets_set(easy, reply->session);
}
