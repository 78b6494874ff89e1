/* reply.c - replies: what the answer's head says, and its body piece by piece */
#include "http/client/client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the head ---- */

/* Of an empty field libcurl 7.88 gives the end of its line. */
static const char *value_of(const struct curl_header *field)
{
    return field->value[strspn(field->value, "\r\n")] != '\0' ? field->value : "";
}

int http_reply_status(const struct http_reply *reply)
{
    return reply->status;
}

const char *http_reply_url(const struct http_reply *reply)
{
    return reply->url;
}

unsigned http_reply_redirects(const struct http_reply *reply)
{
    return reply->redirects;
}

const char *http_reply_header(const struct http_reply *reply, const char *name,
                              size_t n)
{
    struct curl_header *found;

    if (curl_easy_header(reply->easy, name, n, CURLH_HEADER, -1, &found) !=
        CURLHE_OK)
        return NULL;
    return value_of(found);
}

int http_reply_field(const struct http_reply *reply, size_t n,
                     const char **name, const char **value)
{
    struct curl_header *found = NULL;

    do {
        found = curl_easy_nextheader(reply->easy, CURLH_HEADER, -1, found);
        if (found == NULL)
            return -ENOENT;
    } while (n-- > 0);
    *name = found->name;
    *value = value_of(found);
    return 0;
}

/* ---- the body ---- */

const void *http_reply_body(const struct http_reply *reply, size_t *size)
{
    if (size != NULL)
        *size = reply->end - reply->start;
    if (reply->data == NULL)
        return "";
    reply->data[reply->end] = '\0';
    return reply->data + reply->start;
}

static size_t take(struct http_reply *reply, void *buffer, size_t size)
{
    size_t held = reply->end - reply->start;

    if (size > held)
        size = held;
    memcpy(buffer, reply->data + reply->start, size);
    reply->start += size;
    if (reply->start == reply->end)
        reply->start = reply->end = 0;
    http__reading(reply);
    return size;
}

/* Until there is something, or nothing to come. */
static int wait_for_bytes(struct http_reply *reply, int64_t deadline_ns)
{
    int rc = 0;

    while (rc == 0 && reply->end == reply->start && !reply->done) {
        if (deadline_ns == HUB_NOWAIT)
            return -EAGAIN;
        hub_event_clear(&reply->event);
        rc = hub_event_wait(&reply->event, deadline_ns);
    }
    return rc;
}

static ssize_t failed(struct http_reply *reply, ssize_t rc)
{
    return http__fail(reply->session, (int)rc, reply->done
                                                   ? reply->why != NULL
                                                         ? reply->why
                                                         : reply->text
                                                   : NULL);
}

ssize_t http_reply_read(struct http_reply *reply, void *buffer, size_t size,
                        int64_t deadline_ns)
{
    ssize_t rc = http__session_check(reply->session);

    if (rc < 0 && rc != -EBADF) /* what has come can be read still */
        return rc;
    if (reply->busy)
        return -EBUSY;
    reply->busy = true;
    rc = wait_for_bytes(reply, deadline_ns);
    reply->busy = false;
    if (rc < 0)
        return failed(reply, rc);
    if (reply->end > reply->start)
        return (ssize_t)take(reply, buffer, size);
    return reply->error < 0 ? failed(reply, reply->error) : 0;
}

/* ---- its end ---- */

void http_reply_free(struct http_reply *reply)
{
    if (reply == NULL || !http__session_is_here(reply->session))
        return;
    http__detach(reply);
    http__host_leave(reply);
    if (reply->easy != NULL)
        curl_easy_cleanup(reply->easy);
    curl_slist_free_all(reply->headers);
    curl_slist_free_all(reply->resolve);
    http__target_drop(&reply->origin);
    free(reply->piece);
    free(reply->data);
    free(reply->url);
    hub_event_destroy(&reply->event);
    http__session_unref(reply->session);
    free(reply);
}
