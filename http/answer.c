/* answer.c - requests that are there, one after the other */
#include "http/send.h"

#include <errno.h>

#define STARVED_NS (10 * HUB_SECOND)

static const char allowed[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/* ---- the view ---- */

/* Instead of what was set. */
static void replace(struct http__connection *connection, int status)
{
    struct http_response *response = &connection->work->response;

    response->fields.size = 0;
    response->has_type = response->has_date = response->has_server = false;
    http__response_page(response, status);
}

/* What a view that failed is answered with: what the request's body died of, or
 * 500. */
static void failed(struct http__connection *connection, int error)
{
    struct http_request *request = &connection->work->request;
    int status = http__body_status(request);

    if (status == 0) {
        status = 500;
        http__report(connection->server, "%s %s: the view failed: %s (%d)",
                     http_request_verb(request), http_request_path(request),
                     error < -4095 ? "" : strerror(-error), error);
    }
    replace(connection, status);
}

static bool has_body(const struct http_response *response)
{
    return response->kind != HTTP__KIND_BYTES || response->borrowed != NULL ||
           response->body.size > 0;
}

/* What a view returned becomes a response. */
static void settle(struct http__connection *connection, int rc)
{
    struct http_response *response = &connection->work->response;

    if (unlikely(response->kind == HTTP__KIND_UPGRADE)) {
        if (rc == 0) {
            response->status = 101;
            return;
        }
        http_response_clear(response); /* it thought better of it */
    }
    if (rc < 0 || (rc > 0 && (rc < 200 || rc > 599))) {
        failed(connection, rc < 0 ? rc : -ERANGE);
        return;
    }
    if (rc > 0)
        response->status = (int16_t)rc;
    if (rc >= 400 && !has_body(response))
        http__response_page(response, rc);
    else if (response->status == 0)
        response->status = 200;
}

static int call(struct http__connection *connection)
{
    struct http_server *server = connection->server;
    struct http__work *work = connection->work;
    int rc = 0;

    if (server->options.received != NULL)
        rc = server->options.received(&work->request,
                                      server->options.received_data);
    if (rc == 0 && work->request.body_state == HTTP__BODY_LENGTH &&
        work->request.left > work->request.limit) {
        connection->closing = true;
        rc = 413;
    }
    if (rc == 0)
        rc = server->view.call(&server->view, &work->request, &work->response);
    if (unlikely(greenlet_deferred() != connection->deferred) &&
        work->response.kind != HTTP__KIND_STREAM)
        greenlet_run_deferred(connection->deferred);
    return rc;
}

/* What is no view's business.  Returns 0, or the status. */
static int without_view(struct http__connection *connection)
{
    struct http__work *work = connection->work;

    switch (work->request.head.form) {
    case HTTP__FORM_AUTHORITY: /* CONNECT: we are no proxy (RFC 9110 9.3.6) */
        connection->closing = connection->linger = true;
        return 501;
    case HTTP__FORM_ASTERISK: /* of the server as a whole: RFC 9110 9.3.7 */
        http_response_set_header(&work->response, "Allow", allowed);
        return 200;
    default:
        return 0;
    }
}

/* ---- one request ---- */

static void begin(struct http__connection *connection)
{
    struct http_server *server = connection->server;
    struct http__work *work = connection->work;
    struct http_request *request = &work->request;

    work->at = work->start + request->head.length;
    request->data = work->input + work->start;
    request->peer = &connection->peer;
    request->scheme = connection->secure ? "https" : "http";
    server->counts.requests++;
    connection->requests++;
    connection->closing = http__head_ends(&request->head) ||
                          connection->requests >= server->options.requests;
    if (unlikely(server->options.access != NULL))
        request->began = hub_now();
    http__body_begin(request);
}

/* A body that is still to come has to have room behind the head, whose texts
 * may not move once they were asked for. */
static void make_room(struct http__work *work)
{
    if (work->request.body_state == HTTP__BODY_ENDED || work->start == 0 ||
        work->room - work->at >= work->room / 2)
        return;
    memmove(work->input, work->input + work->start, work->end - work->start);
    work->at -= work->start;
    work->end -= work->start;
    work->request.data = work->input;
    work->start = 0;
}

static void send_response(struct http__connection *connection)
{
    struct http__work *work = connection->work;
    int status = work->response.status;
    uint64_t sent;

    if (unlikely(work->response.kind == HTTP__KIND_STREAM))
        http__stream_run(connection, &sent);
    else
        http__respond(connection, &sent);
    if (unlikely(connection->server->options.access != NULL))
        http__access(connection, status, sent);
}

/* Teardown functions may wait, and the client does not wait for them. */
static void end_call(struct http__connection *connection)
{
    struct http__call *call = connection->work->request.call;

    if (!connection->broken && http__call_may_wait(call))
        http__flush_soon(connection);
    http__call_end(call);
}

/* Is the client sure to have sent all that it will?  If not, what it sends
 * until it has read our last answer would reset the connection, and take that
 * away. */
static bool may_send_more(const struct http__work *work)
{
    return work->request.body_state != HTTP__BODY_ENDED ||
           work->end > work->at || !http__head_ends(&work->request.head);
}

static void answer_one(struct http__connection *connection)
{
    struct http__work *work = connection->work;
    const struct http_response *response = &work->response;
    int rc;

    begin(connection);
    make_room(work);
    if (unlikely(work->out_size > 0))
        http__flush_soon(connection); /* the view may wait */
    rc = without_view(connection);
    if (likely(rc == 0))
        rc = call(connection);
    settle(connection, rc);
    if (likely(!response->taken)) {
        rc = http__body_check(&work->request);
        if (unlikely(rc != 0))
            replace(connection, rc);
        send_response(connection);
        if (unlikely(response->kind == HTTP__KIND_UPGRADE) &&
            !connection->broken) {
            http__upgrade_run(connection);
            return;
        }
    }
    if (unlikely(work->request.call != NULL))
        end_call(connection);
    if (!connection->closing && !http__body_discard(connection))
        connection->closing = true;
    if (unlikely(connection->closing) && !response->taken &&
        may_send_more(work)) /* a WebSocket has seen to that itself */
        connection->linger = true;
    http__work_end(work);
}

/* ---- all that is there ---- */

/* Where one has no memory, so have many: a line about it comes seldom. */
void http__report_starved(struct http_server *server)
{
    int64_t now = hub_now();

    server->starved++;
    if (now < server->starved_until)
        return;
    server->starved_until = now + STARVED_NS;
    http__report(server, "connections are closed: there is no memory (%llu)",
                 (unsigned long long)server->starved);
}

static struct http__work *take_work(struct http__connection *connection)
{
    struct http__work *work = http__work_take(connection->server);

    if (work == NULL) {
        http__report_starved(connection->server);
        return NULL;
    }
    work->connection = connection;
    connection->work = work;
    return work;
}

/* Returns whether to go on with what may be there. */
static bool next(struct http__connection *connection, bool *keep)
{
    struct http__work *work = connection->work;
    int why, rc;

    http__work_begin(work);
    rc = http__head_read(connection, &why);
    if (rc <= 0) {
        if (rc < 0)
            http__refuse(connection, -rc);
        http__work_end(work);
        *keep = rc == 0 && why == -EAGAIN && !connection->broken;
        return false;
    }
    answer_one(connection);
    work = connection->work; /* another one, if somebody keeps the request */
    *keep = !connection->closing && !connection->broken && work != NULL;
    return *keep && work->end > work->at;
}

bool http__answer(struct http__connection *connection)
{
    bool keep = false;

    if (take_work(connection) == NULL)
        return false;
    while (next(connection, &keep))
        ;
    if (http__flush(connection) < 0)
        keep = false;
    http__flush_soon_cancel(connection);
    if (connection->work != NULL)
        http__work_unref(connection->work);
    connection->work = NULL;
    return keep;
}
