/* request.c - requests: hop by hop along redirects, each a transfer that the
 * calling greenlet waits for */
#include "http/client/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (64 * 1024)

/* ---- waiting ---- */

static int64_t first_of(const struct http_reply *reply, const char **what)
{
    int64_t deadline = reply->all_by;

    *what = "the request has taken longer than its timeout";
    if (reply->connect_by < deadline) {
        deadline = reply->connect_by;
        *what = "there was no connection within connect_timeout";
    }
    if (reply->answer_by < deadline) {
        deadline = reply->answer_by;
        *what = "the server did not begin to answer within first_byte_timeout";
    }
    return deadline;
}

/* One look at the times.  They change while it waits: when one comes nearer the event
 * is set, when one goes away it is found out here. */
static int wait_once(struct http_reply *reply)
{
    const char *what;
    int rc;

    hub_event_clear(&reply->event);
    rc = hub_event_wait(&reply->event, first_of(reply, &what));
    if (rc != -ETIMEDOUT || hub_canceled() != 0)
        return rc;
    if (first_of(reply, &what) > hub_now())
        return 0;
    snprintf(reply->text, sizeof reply->text, "%s", what);
    return rc;
}

/* ---- uploads ---- */

static size_t wanted(const struct http_reply *reply)
{
    int64_t size = reply->request->upload_size;
    uint64_t left;

    if (size <= 0)
        return PIECE;
    left = (uint64_t)size - reply->sent;
    return left < PIECE ? (size_t)left : PIECE;
}

/* The function may wait: for no longer than the request may take. */
static ssize_t next_piece(struct http_reply *reply)
{
    struct hub_timeout timeout;
    ssize_t count;
    int rc = hub_timeout_begin(&timeout, reply->all_by);

    if (rc < 0)
        return rc;
    count = reply->request->upload(reply->piece, wanted(reply),
                                   reply->request->upload_data);
    hub_timeout_end(&timeout);
    return count;
}

/* When libcurl wants more of it.  Meanwhile the transfer may have ended. */
static int feed(struct http_reply *reply)
{
    ssize_t count;

    if (!reply->hungry)
        return 0;
    if (reply->piece == NULL)
        reply->piece = http__client_resize(NULL, PIECE);
    if (reply->piece == NULL)
        return -ENOMEM;
    count = next_piece(reply);
    if (count < 0)
        return reply->done ? 0 : (int)count;
    if ((size_t)count > wanted(reply) ||
        (count == 0 && reply->request->upload_size > 0)) {
        snprintf(reply->text, sizeof reply->text,
                 "the upload has not given upload_size bytes");
        return -EINVAL;
    }
    reply->piece_at = 0;
    reply->piece_end = (size_t)count;
    reply->upload_ended = count == 0;
    http__feeding(reply);
    return 0;
}

/* ---- a hop ---- */

/* The body lies in memory of the caller's: a server that answers early does not end
 * the wait before it was taken, unless by an error, after which none is sent. */
static bool reached(const struct http_reply *reply)
{
    if (reply->done)
        return true;
    return reply->stream && reply->head && !reply->follow &&
           (!reply->body || reply->uploaded || reply->status >= 300);
}

static int await(struct http_reply *reply)
{
    int rc = 0;

    while (rc == 0 && !reached(reply)) {
        rc = feed(reply);
        if (rc == 0 && !reached(reply))
            rc = wait_once(reply);
    }
    if (rc < 0)
        return rc;
    /* An open one with a head is a reply; its error is for who reads. */
    return reply->stream && reply->head ? 0 : reply->error;
}

/* socks4 and socks5 leave the name to us, the others to the proxy. */
static bool names_host(const char *proxy)
{
    return strncmp(proxy, "socks4:", 7) == 0 || strncmp(proxy, "socks5:", 7) == 0;
}

static int resolve(struct http_reply *reply, const struct http__target *target)
{
    const struct http_session_options *options = &reply->session->options;
    struct http__target proxy;
    int rc;

    if (options->unix_socket != NULL)
        return 0;
    if (options->proxy == NULL)
        return http__host_resolve(reply, target);
    rc = http__client_proxy_parse(options->proxy, &proxy);
    if (rc < 0)
        return rc;
    rc = http__host_resolve(reply, &proxy);
    http__target_drop(&proxy);
    return rc == 0 && names_host(options->proxy)
               ? http__host_resolve(reply, target)
               : rc;
}

static bool is_away(const struct http_reply *reply,
                    const struct http__target *target)
{
    return strcmp(reply->origin.key, target->key) != 0 ||
           reply->origin.secure != target->secure;
}

static int64_t from_now(int64_t timeout)
{
    return timeout < 0 ? HUB_FOREVER : hub_deadline(timeout);
}

static int64_t chosen(int64_t of_request, int64_t of_session)
{
    return of_request != 0 ? of_request : of_session;
}

static int start(struct http_reply *reply, const struct http__target *target)
{
    int rc = http__host_enter(reply, target);

    if (rc < 0)
        return rc;
    reply->connect_by =
        from_now(chosen(reply->request->connect_timeout,
                        reply->session->options.connect_timeout));
    reply->answer_by = HUB_FOREVER;
    rc = resolve(reply, target);
    if (rc == 0)
        rc = http__fields_make(reply, is_away(reply, target), &reply->headers);
    if (rc == 0)
        rc = http__transfer_prepare(reply);
    if (rc == 0)
        rc = reply->session->closed ? -EBADF : http__attach(reply);
    return rc;
}

/* What the transfer before has left. */
static void forget(struct http_reply *reply)
{
    curl_slist_free_all(reply->headers);
    curl_slist_free_all(reply->resolve);
    reply->headers = reply->resolve = NULL;
    reply->head = reply->follow = reply->done = reply->uploaded = false;
    reply->sent = 0;
    reply->skipped = 0;
}

static int exchange(struct http_reply *reply, const struct http__target *target)
{
    int rc = start(reply, target);

    return rc < 0 ? rc : await(reply);
}

/* Nothing has left on a connection that was stale: again, on a new one. */
static int hop(struct http_reply *reply)
{
    struct http__target target;
    int rc = http__target_parse(reply->url, &target);

    if (rc < 0)
        return rc;
    if (reply->origin.key == NULL)
        rc = http__target_parse(reply->url, &reply->origin);
    reply->stale = false;
    if (rc == 0)
        rc = exchange(reply, &target);
    if (rc == -EAGAIN && reply->stale) {
        forget(reply);
        reply->error = 0;
        rc = exchange(reply, &target);
    }
    http__target_drop(&target);
    return rc;
}

/* ---- redirects ---- */

static void turn_to_get(struct http_reply *reply)
{
    bool post = strcmp(reply->method, "POST") == 0;

    if (reply->status == 303 ? strcmp(reply->method, "HEAD") != 0
                             : post && reply->status <= 302) {
        reply->method = "GET";
        reply->body = false;
    }
}

static int go_on(struct http_reply *reply)
{
    unsigned most = reply->session->options.redirects;
    char *url;
    int rc;

    if (++reply->redirects > most) {
        snprintf(reply->text, sizeof reply->text, "more than %u redirects",
                 most);
        return -ELOOP;
    }
    rc = http__target_next(reply->url, http_reply_header(reply, "Location", 0),
                           &url);
    if (rc == -EINVAL) {
        snprintf(reply->text, sizeof reply->text,
                 "the server redirects to what is no URL");
        return -EBADMSG;
    }
    if (rc < 0)
        return rc;
    free(reply->url);
    reply->url = url;
    turn_to_get(reply);
    forget(reply);
    return 0;
}

/* ---- requests ---- */

static int check(const struct http_session_request *request)
{
    if (request->url == NULL ||
        (request->method != NULL && !http__is_method(request->method)) ||
        (request->upload != NULL && request->body_size > 0) ||
        (request->body == NULL && request->body_size > 0))
        return -EINVAL;
    return 0;
}

/* A POST has a body, if an empty one. */
static void choose_method(struct http_reply *reply)
{
    const struct http_session_request *request = reply->request;
    bool given = request->upload != NULL || request->body_size > 0;

    reply->method = request->method != NULL ? request->method
                    : given || request->body != NULL ? "POST"
                                                     : "GET";
    reply->body = (given || strcmp(reply->method, "POST") == 0 ||
                   strcmp(reply->method, "PUT") == 0 ||
                   strcmp(reply->method, "PATCH") == 0) &&
                  strcmp(reply->method, "HEAD") != 0;
}

static int make(struct http_session *session,
                const struct http_session_request *request,
                struct http_reply **made)
{
    const struct http_session_options *options = &session->options;
    struct http_reply *reply = http__client_alloc(sizeof *reply);

    if (reply == NULL)
        return -ENOMEM;
    hub_event_init(&reply->event);
    reply->session = session;
    http__session_ref(session);
    reply->request = request;
    reply->flags = options->flags | request->flags;
    reply->limit = request->limit != 0 ? request->limit : options->limit;
    reply->first_byte_timeout =
        chosen(request->first_byte_timeout, options->first_byte_timeout);
    reply->all_by = from_now(chosen(request->timeout, options->timeout));
    reply->connect_by = reply->answer_by = HUB_FOREVER;
    choose_method(reply);
    *made = reply;
    reply->url = http__client_copy(request->url);
    return reply->url != NULL ? 0 : -ENOMEM;
}

/* What only the request was for. */
static void settle(struct http_reply *reply)
{
    reply->request = NULL;
    reply->method = NULL;
    reply->all_by = HUB_FOREVER;
    free(reply->piece);
    reply->piece = NULL;
}

static int run(struct http_reply *reply)
{
    int rc = hop(reply);

    while (rc == 0 && reply->follow) {
        rc = go_on(reply);
        if (rc == 0)
            rc = hop(reply);
    }
    return rc;
}

static int perform(struct http_session *session,
                   const struct http_session_request *request, bool stream,
                   struct http_reply **reply)
{
    struct http_reply *made = NULL;
    int rc = http__session_check(session);

    *reply = NULL;
    if (rc < 0)
        return rc;
    rc = check(request);
    if (rc == 0)
        rc = make(session, request, &made);
    if (rc == 0) {
        made->stream = stream;
        rc = run(made);
    }
    if (rc < 0) {
        http__fail(session, rc, made == NULL        ? NULL
                                : made->why != NULL ? made->why
                                                    : made->text);
        http_reply_free(made);
        return rc;
    }
    settle(made);
    *reply = made;
    return 0;
}

int http_session_request(struct http_session *session,
                         const struct http_session_request *request,
                         struct http_reply **reply)
{
    return perform(session, request, false, reply);
}

int http_session_open(struct http_session *session,
                      const struct http_session_request *request,
                      struct http_reply **reply)
{
    return perform(session, request, true, reply);
}

int http_session_get(struct http_session *session, const char *url,
                     struct http_reply **reply)
{
    struct http_session_request request = { .url = url };

    return http_session_request(session, &request, reply);
}

int http_session_post(struct http_session *session, const char *url,
                      const char *type, const void *body, size_t size,
                      struct http_reply **reply)
{
    char field[256];
    const char *const headers[] = { type != NULL ? field : NULL, NULL };
    struct http_session_request request = { .url = url, .method = "POST",
                                            .headers = headers, .body = body,
                                            .body_size = size };

    *reply = NULL;
    if (type != NULL &&
        snprintf(field, sizeof field, "Content-Type: %s", type) >=
            (int)sizeof field)
        return http__fail(session, -EINVAL, "the type is too long");
    return http_session_request(session, &request, reply);
}
