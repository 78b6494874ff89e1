#include "blog.h"

#include <errno.h>
#include <string.h>

/* One greenlet of each process waits for events of the stream `feed`, and wakes those
 * who read: a connection for all of them, not one for each.  Each reads what is behind
 * the last that it has sent, so that nothing is lost, also to a browser that comes
 * back with Last-Event-ID, to whichever process. */
static struct hub_event news;
static struct greenlet *listener;

void blog_tell(struct http_app *app, const char *what, const char *id,
               const char *title)
{
    int rc = redis_tell(blog_redis,
                        "XADD feed MAXLEN ~ 1000 * what %s id %s title %s", what,
                        id, title);

    if (rc < 0)
        http_app_log(app, HTTP_APP_WARNING, "%s %s is not in the feed: %s",
                     what, id, strerror(-rc));
}

static void listen_to_feed(void *arg)
{
    redisReply *reply;
    int rc;

    (void)arg;
    while (hub_canceled() == 0) {
        rc = redis_ask(blog_redis, &reply, "XREAD BLOCK 1000 STREAMS feed $");
        if (rc == 0)
            freeReplyObject(reply);
        if (rc < 0 && hub_sleep(200 * HUB_MILLISECOND) < 0)
            break;
        hub_event_set(&news);
        hub_event_clear(&news);
    }
}

/* Those behind *last, which becomes the last of them. */
static int send_news(struct http_stream *stream, char last[64])
{
    redisReply *reply;
    int rc = redis_ask(blog_redis, &reply, "XRANGE feed (%s + COUNT 100", last);

    if (rc < 0)
        return rc == -EHOSTDOWN || rc == -ETIMEDOUT ? 0 : rc; /* later, then */
    for (size_t i = 0; i < reply->elements && rc == 0; i++) {
        redisReply **field = reply->element[i]->element[1]->element;

        snprintf(last, 64, "%s", reply->element[i]->element[0]->str);
        rc = http_stream_event_with(stream, field[1]->str, last, -1, "%s %s",
                                    field[3]->str, field[5]->str);
    }
    freeReplyObject(reply);
    return rc;
}

static int produce(struct http_stream *stream, void *data)
{
    struct http_request *request = http_stream_request(stream);
    char *last = data;
    int rc = http_stream_comment(stream, "hello"), waits = 0;

    while (rc == 0 && !http_server_stopping(http_request_server(request))) {
        rc = send_news(stream, last);
        if (rc == 0)
            rc = hub_event_wait(&news, hub_deadline(2 * HUB_SECOND));
        if (rc == -ETIMEDOUT && hub_canceled() == 0)
            rc = ++waits % 5 == 0 ? http_stream_comment(stream, "still here")
                                  : 0;
    }
    return rc;
}

/* Where a new reader begins: behind the last event that there is. */
static int find_end(char last[64])
{
    redisReply *reply;
    int rc = redis_ask(blog_redis, &reply, "XREVRANGE feed + - COUNT 1");

    if (rc < 0)
        return rc;
    snprintf(last, 64, "%s",
             reply->elements > 0 ? reply->element[0]->element[0]->str : "0-0");
    freeReplyObject(reply);
    return 0;
}

static int feed(struct http_request *request, struct http_response *response)
{
    const char *id = http_request_header(request, "Last-Event-ID");
    char *last = http_request_alloc(request, 64);
    int rc = 0;

    if (last == NULL)
        return -ENOMEM;
    if (id != NULL && strspn(id, "0123456789-") == strlen(id))
        snprintf(last, 64, "%s", id);
    else
        rc = find_end(last);
    return rc < 0 ? rc
                  : http_response_stream(response, "text/event-stream", produce,
                                         last);
}

static int begin(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    hub_event_init(&news);
    listener = hub_spawn_raw(listen_to_feed, NULL);
    return listener != NULL ? 0 : -ENOMEM;
}

static int end(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    hub_kill(listener);
    hub_join(listener, hub_deadline(5 * HUB_SECOND));
    greenlet_unref(listener);
    hub_event_destroy(&news);
    return 0;
}

void blog_add_feed(struct http_app *app)
{
    http_app_before_serving(app, http_view_sync(begin));
    http_app_after_serving(app, http_view_sync(end));
    http_app_route(app, "GET", "/feed", "feed", http_view_sync(feed));
}
