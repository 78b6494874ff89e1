/* compose.c - a response as it is sent: its head, and a body that is there */
#include "http/send.h"

#include <errno.h>
#include <stdio.h>

#define FRAMING_ROOM 128 /* what put_framing() puts, at most */

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static bool is_head(const struct http_request *request)
{
    return request->head.method_length == 4 &&
           memcmp(request->data + request->head.method, "HEAD", 4) == 0;
}

static uint64_t body_length(const struct http_response *response)
{
    uint64_t length = response->tail_size;

    if (likely(response->kind == HTTP__KIND_BYTES))
        return response->borrowed != NULL ? response->borrowed_size
                                          : response->body.size;
    for (unsigned i = 0; i < response->part_count; i++)
        length += response->parts[i].text_size + response->parts[i].size;
    return length;
}

static void frame_stream(struct http__connection *connection,
                         struct http__framing *framing)
{
    const struct http_response *response = &connection->work->response;

    framing->has_length = response->has_length;
    framing->length = response->length;
    if (framing->has_length)
        return;
    framing->chunked = connection->work->request.head.minor > 0;
    framing->until_close = !framing->chunked;
    if (framing->until_close && !framing->head_only)
        connection->closing = true;
}

void http__frame(struct http__connection *connection,
                 struct http__framing *framing)
{
    const struct http__work *work = connection->work;
    const struct http_response *response = &work->response;

    memset(framing, 0, sizeof *framing);
    framing->head_only =
        has_no_body(response->status) || is_head(&work->request);
    if (response->close || connection->server->stopping ||
        http__body_ends_connection(&work->request))
        connection->closing = true;
    if (response->kind == HTTP__KIND_STREAM) {
        frame_stream(connection, framing);
    } else if (response->kind != HTTP__KIND_UPGRADE) {
        framing->has_length = true;
        framing->length = body_length(response);
        if (framing->length == 0 && framing->head_only && response->has_length)
            framing->length = response->length;
    }
    if (has_no_body(response->status)) {
        framing->chunked = framing->until_close = false;
        framing->has_length = response->status == 304 && framing->length > 0;
    }
}

/* ---- the head ---- */

static char *put(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

#define PUT(at, text) put(at, text, sizeof(text) - 1)

static char *put_number(char *at, uint64_t number)
{
    char *end = at + 1;

    for (uint64_t more = number / 10; more > 0; more /= 10)
        end++;
    for (at = end; number >= 10; number /= 10)
        *--at = (char)('0' + number % 10);
    *--at = (char)('0' + number);
    return end;
}

static char *put_framing(char *at, const struct http__connection *connection,
                         const struct http__framing *framing)
{
    if (likely(framing->has_length)) {
        at = PUT(at, "Content-Length: ");
        at = put_number(at, framing->length);
        at = PUT(at, "\r\n");
    } else if (framing->chunked) {
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    }
    /* RFC 9110, 7.8: it says what could be upgraded to. */
    if (unlikely(connection->work->response.status == 426))
        at = PUT(at, "Connection: Upgrade\r\n");
    if (connection->closing)
        at = PUT(at, "Connection: close\r\n");
    else if (unlikely(connection->work->request.head.minor == 0))
        at = PUT(at, "Connection: keep-alive\r\n");
    return PUT(at, "\r\n");
}

static int send_upgrade(struct http__connection *connection,
                        const struct http_response *response)
{
    int rc = http__send(connection, "Upgrade: ", 9);

    if (rc == 0)
        rc = http__send(connection, response->protocol,
                        strlen(response->protocol));
    if (rc == 0)
        rc = http__send(connection, "\r\nConnection: Upgrade\r\n\r\n", 25);
    return rc;
}

static int send_common(struct http__connection *connection,
                       const struct http_response *response)
{
    struct http_server *server = connection->server;
    char room[32];
    size_t size;
    const char *line = http__status_line(response->status, room, &size);
    int rc = http__send(connection, line, size);

    if (rc == 0 && likely(!response->has_date))
        rc = http__send(connection, server->date, server->date_size);
    if (rc == 0 && server->server_line_size > 0 && !response->has_server)
        rc = http__send(connection, server->server_line,
                        server->server_line_size);
    if (rc == 0)
        rc = http__send(connection, response->fields.data,
                        response->fields.size);
    return rc;
}

static __attribute__((noinline)) int
send_framing_apart(struct http__connection *connection,
                   const struct http__framing *framing)
{
    char text[FRAMING_ROOM];

    return http__send(connection, text,
                      (size_t)(put_framing(text, connection, framing) - text));
}

/* In place, where there is room: a buffer would be two more lines of a stack that
 * is in no cache. */
static int send_framing(struct http__connection *connection,
                        const struct http__framing *framing)
{
    struct http__work *work = connection->work;
    char *at = work->out + work->out_size;

    if (unlikely(HTTP__OUT_ROOM - work->out_size < FRAMING_ROOM))
        return send_framing_apart(connection, framing);
    work->out_size += (size_t)(put_framing(at, connection, framing) - at);
    return 0;
}

int http__send_head(struct http__connection *connection,
                    const struct http__framing *framing)
{
    const struct http_response *response = &connection->work->response;
    int rc = send_common(connection, response);

    if (rc < 0)
        return rc;
    if (unlikely(response->kind == HTTP__KIND_UPGRADE))
        return send_upgrade(connection, response);
    return send_framing(connection, framing);
}

/* ---- the body ---- */

static int send_bytes(struct http__connection *connection,
                      const struct http_response *response)
{
    const char *data = response->body.data;
    size_t size = response->body.size;

    if (unlikely(response->borrowed != NULL)) {
        data = response->borrowed;
        size = response->borrowed_size;
    }
    return size > 0 ? http__send(connection, data, size) : 0;
}

int http__respond(struct http__connection *connection, uint64_t *sent)
{
    struct http_response *response = &connection->work->response;
    struct http__framing framing;
    int rc;

    *sent = 0;
    response->begun = true;
    http__frame(connection, &framing);
    rc = http__send_head(connection, &framing);
    if (rc < 0 || framing.head_only)
        return rc;
    if (unlikely(response->kind == HTTP__KIND_FILE))
        rc = http__send_parts(connection);
    else
        rc = send_bytes(connection, response);
    if (rc == 0)
        *sent = framing.length;
    return rc;
}

/* ---- refusals ---- */

static void note_refused(struct http__connection *connection, int status,
                         uint64_t sent)
{
    connection->server->counts.refused++;
    if (connection->server->options.access != NULL)
        http__access_refused(connection, status, sent);
}

void http__refuse(struct http__connection *connection, int status)
{
    char page[64], head[192];
    int page_size = snprintf(page, sizeof page, "%d %s\n", status,
                             http_response_reason(status));
    int head_size = snprintf(head, sizeof head,
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Length: %d\r\nConnection: close\r\n\r\n",
                             page_size);
    struct http_server *server = connection->server;
    char room[32];
    size_t size;
    const char *line = http__status_line(status, room, &size);

    connection->closing = true;
    connection->linger = true;
    if (http__send(connection, line, size) == 0 &&
        http__send(connection, server->date, server->date_size) == 0 &&
        http__send(connection, server->server_line, server->server_line_size) ==
            0 &&
        http__send(connection, head, (size_t)head_size) == 0 &&
        http__send(connection, page, (size_t)page_size) == 0)
        http__flush(connection);
    note_refused(connection, status, (uint64_t)page_size);
}
