/* body.c - the body of a request, as its bytes come (V-33)
 *
 * What is framing, and what was read together with the head, passes through the
 * input behind the head; large pieces of known length go to the reader at once.
 */
#include "http/http_impl.h"
#include "http/slow.h"

#include <errno.h>

#define DIRECT_LEAST 4096u

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

static ssize_t fail(struct http_request *request, int error, int status)
{
    request->body_state = HTTP__BODY_FAILED;
    request->body_error = error;
    request->body_fault = (int16_t)status;
    return error;
}

void http__body_begin(struct http_request *request)
{
    const struct http__head *head = &request->head;
    const struct http__connection *connection = request->work->connection;

    request->limit = connection->server->options.body;
    request->continued = !head->expect_continue || head->minor == 0;
    if (likely(!head->chunked && head->content_length <= 0))
        return;
    request->body_state = head->chunked ? HTTP__BODY_CHUNKS : HTTP__BODY_LENGTH;
    request->left = head->chunked ? 0 : (uint64_t)head->content_length;
}

/* ---- from the wire ---- */

/* For the client to keep up its rate. */
static int64_t rate_deadline(struct http_request *request)
{
    const struct http_server_options *options = &request->work->server->options;
    int64_t more;

    if (options->body_ns < 0)
        return HUB_FOREVER;
    if (request->body_began == 0)
        request->body_began = hub_now();
    if (request->received / options->body_rate > 1000000000)
        return HUB_FOREVER;
    more = (int64_t)(request->received / options->body_rate) * HUB_SECOND;
    return request->body_began + options->body_ns + more;
}

/* What nobody wants is waited for for less, and not for longer. */
static int64_t deadline_of(struct http_request *request)
{
    const struct http_server_options *options = &request->work->server->options;
    int64_t deadline = rate_deadline(request), soon;

    if (!request->hurried)
        return deadline;
    soon = http__wire_limit(options->linger_idle_ns);
    return soon < deadline ? soon : deadline;
}

/* The client may wait for our answers, or for leave to go on. */
static int before_wait(struct http_request *request)
{
    struct http__connection *connection = request->work->connection;
    struct iovec vec = {(void *)(uintptr_t)go_on, sizeof go_on - 1};
    int rc = http__flush(connection);

    if (rc == 0 && !request->continued) {
        request->continued = true;
        rc = http__wire_write(&connection->wire, &vec, 1,
                              connection->server->options.write_ns);
    }
    return rc;
}

/* The error of a wait: why it ended from outside, or what the client did. */
static ssize_t lost(struct http_request *request, ssize_t rc)
{
    if (rc < 0 && hub_canceled() != 0)
        return rc;
    if (rc == -ETIMEDOUT)
        return fail(request, -ETIMEDOUT, 408);
    if (rc == -ENOMEM)
        return rc;
    request->work->connection->broken |= rc < 0;
    return fail(request, -ECONNRESET, 400);
}

static ssize_t read_wire(struct http_request *request, void *buffer,
                         size_t size)
{
    struct http__wire *wire = &request->work->connection->wire;
    ssize_t got = request->continued && wire->crumbs == 0
                      ? http__wire_read(wire, buffer, size, HUB_NOWAIT)
                      : -EAGAIN;

    if (got == -EAGAIN) {
        got = before_wait(request);
        if (got == 0)
            got = http__slow_read(wire, &request->work->server->slow, buffer,
                                  size, deadline_of(request));
    }
    return got > 0 ? got : lost(request, got);
}

/* More of it behind what was not used up.  Returns how many bytes, or an error.
 */
static ssize_t fill(struct http_request *request)
{
    struct http__work *work = request->work;
    size_t base = work->start + request->head.length;
    ssize_t got;

    if (work->at > base) {
        work->end -= work->at - base;
        memmove(work->input + base, work->input + work->at, work->end - base);
        work->at = base;
    }
    if (work->end == work->room)
        return fail(request, -EBADMSG, 400);
    got = read_wire(request, work->input + work->end, work->room - work->end);
    if (got > 0)
        work->end += (size_t)got;
    return got;
}

/* ---- of known length ---- */

/* buffer NULL: they are only used up. */
static ssize_t take(struct http__work *work, void *buffer, size_t most)
{
    size_t there = work->end - work->at;

    if (most > there)
        most = there;
    if (buffer != NULL)
        memcpy(buffer, work->input + work->at, most);
    work->at += most;
    return (ssize_t)most;
}

static ssize_t read_length(struct http_request *request, void *buffer,
                           size_t size)
{
    struct http__work *work = request->work;
    size_t most = request->left < size ? (size_t)request->left : size;
    ssize_t got = 1;

    if (request->left + request->received > request->limit)
        return fail(request, -EMSGSIZE, 413);
    if (work->at == work->end && most >= DIRECT_LEAST && buffer != NULL) {
        got = read_wire(request, buffer, most);
    } else {
        if (work->at == work->end)
            got = fill(request);
        if (got > 0)
            got = take(work, buffer, most);
    }
    if (got <= 0)
        return got;
    request->left -= (uint64_t)got;
    if (request->left == 0)
        request->body_state = HTTP__BODY_ENDED;
    return got;
}

/* ---- in chunks ---- */

static int keep_trailer(struct http_request *request, size_t length)
{
    struct http__work *work = request->work;

    request->trailer =
        http__arena_copy(&work->arena, work->input + work->at, length);
    work->at += length;
    request->body_state = HTTP__BODY_ENDED;
    return request->trailer != NULL ? 0 : -ENOMEM;
}

/* Until there are bytes of the body in the input, or its end: 0. */
static ssize_t next_piece(struct http_request *request)
{
    struct http__work *work = request->work;
    size_t skip, length = 0;
    ssize_t rc = http__chunks_read(&request->chunks, &work->server->limits,
                                   work->input + work->at, work->end - work->at,
                                   &skip, &length, &request->trailer_head);

    if (rc < 0)
        return fail(request, -EBADMSG, (int)-rc);
    work->at += skip;
    if (rc == HTTP__CHUNKS_END)
        return keep_trailer(request, length);
    if (rc == HTTP__CHUNKS_DATA) {
        request->chunk_left = length;
        return 1;
    }
    return fill(request);
}

static int begin_chunks(struct http_request *request)
{
    struct http__work *work = request->work;

    if (request->trailer_head.fields == NULL)
        request->trailer_head.fields = http__arena_alloc(
            &work->arena,
            work->server->limits.fields * sizeof *request->trailer_head.fields);
    return request->trailer_head.fields != NULL ? 0 : -ENOMEM;
}

static ssize_t read_chunks(struct http_request *request, void *buffer,
                           size_t size)
{
    ssize_t rc = begin_chunks(request);

    while (rc >= 0 && request->chunk_left == 0 &&
           request->body_state == HTTP__BODY_CHUNKS)
        rc = next_piece(request);
    if (rc < 0 || request->chunk_left == 0)
        return rc < 0 ? rc : 0;
    if (request->received + request->chunk_left > request->limit)
        return fail(request, -EMSGSIZE, 413);
    if (size > request->chunk_left)
        size = request->chunk_left;
    request->chunk_left -= size;
    return take(request->work, buffer, size);
}

ssize_t http_request_read(struct http_request *request, void *buffer,
                          size_t size)
{
    ssize_t got;

    if (request->body_state == HTTP__BODY_ANSWERED)
        return -ESHUTDOWN;
    if (request->body_state == HTTP__BODY_FAILED)
        return request->body_error;
    if (request->body_state == HTTP__BODY_ENDED || size == 0)
        return 0;
    if (request->reading)
        return -EBUSY;
    request->reading = true;
    got = request->body_state == HTTP__BODY_LENGTH
              ? read_length(request, buffer, size)
              : read_chunks(request, buffer, size);
    request->reading = false;
    if (got > 0)
        request->received += (uint64_t)got;
    return got;
}

/* ---- all of it ---- */

/* How much room the next read should have. */
static size_t step(const struct http_request *request)
{
    if (request->body_state == HTTP__BODY_LENGTH &&
        request->left <= request->limit)
        return (size_t)request->left;
    return 4096;
}

int http_request_body(struct http_request *request, const char **data,
                      size_t *size)
{
    struct http__text *whole = &request->whole;
    struct http__arena *arena = &request->work->arena;
    ssize_t got = 1;

    while (got > 0) {
        if (http__text_reserve(whole, arena, step(request) + 1) < 0)
            return -ENOMEM;
        got = request->whole_known && request->body_state >= HTTP__BODY_ENDED
                  ? 0
                  : http_request_read(request, whole->data + whole->size,
                                      whole->room - whole->size - 1);
        if (got > 0)
            whole->size += (size_t)got;
    }
    if (got < 0)
        return (int)got;
    request->whole_known = true;
    whole->data[whole->size] = '\0';
    *data = whole->data;
    *size = whole->size;
    return 0;
}

/* ---- what nobody has read ---- */

int http__body_status(const struct http_request *request)
{
    return request->body_state == HTTP__BODY_FAILED ? request->body_fault : 0;
}

static bool is_unread(const struct http_request *request)
{
    return request->body_state == HTTP__BODY_LENGTH ||
           request->body_state == HTTP__BODY_CHUNKS;
}

bool http__body_ends_connection(const struct http_request *request)
{
    const struct http__work *work = request->work;
    uint64_t there = work->end - work->at;

    if (likely(request->body_state == HTTP__BODY_ENDED))
        return false;
    if (request->body_state == HTTP__BODY_FAILED)
        return true;
    if (!request->continued && there == 0)
        return true; /* it was not asked for, and may or may not come */
    if (request->body_state == HTTP__BODY_CHUNKS)
        return true; /* http__body_check() has used up what it may */
    return request->body_state == HTTP__BODY_LENGTH &&
           request->left > there + HTTP__DISCARD_MOST;
}

/* Use that much of it up, or a piece more.  Returns 0 at its end, 1: there is
 * more, or why it cannot be read. */
static int use_up(struct http_request *request, uint64_t most)
{
    uint64_t before = request->received;
    ssize_t got = 1;

    while (got > 0 && request->received - before <= most)
        got = http_request_read(request, NULL, HTTP__DISCARD_MOST);
    return got > 0 ? 1 : (int)got;
}

int http__body_check(struct http_request *request)
{
    int rc;

    if (likely(request->body_state != HTTP__BODY_CHUNKS) ||
        (!request->continued && request->work->end == request->work->at))
        return 0;
    request->hurried = true;
    rc = use_up(request, HTTP__DISCARD_MOST);
    request->hurried = false;
    return rc < 0 && rc != -ETIMEDOUT && request->body_fault != 413
               ? http__body_status(request)
               : 0;
}

bool http__body_discard(struct http__connection *connection)
{
    const struct http__work *work = connection->work;
    struct http_request *request = &connection->work->request;
    uint64_t there = work->end - work->at; /* on top, as it was said to be */

    if (likely(!is_unread(request)))
        return request->body_state == HTTP__BODY_ENDED;
    request->continued = true;
    request->limit = UINT64_MAX;
    return use_up(request, there + HTTP__DISCARD_MOST) == 0;
}
