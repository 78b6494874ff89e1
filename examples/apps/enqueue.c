/* enqueue.c - a view that leaves its work to others, by a queue on Redis
 *
 * POST /tasks/KIND with the payload as its body: 202 with the id of the task when
 * Redis has it on its disk, 503 when Redis is away; nothing is known then, and the
 * client repeats the request with the same Idempotency-Key, so that there is one task.
 * ?delay=MS: not before that.
 *
 * usage: REDIS=HOST:PORT QUEUE=NAME enqueue [--bind ADDRESS]... */
#include "pools.h"
#include "taskqueue.h"

#include <vireo/http.h>

#include <errno.h>
#include <stdlib.h>

static struct taskqueue queue;

static int add(struct http_request *request, struct http_response *response)
{
    const char *delay = http_request_arg(request, "delay"), *payload;
    size_t size;
    char id[32];
    int rc = http_request_body(request, &payload, &size);

    if (rc < 0)
        return rc;
    rc = taskqueue_add(&queue, http_request_path_arg(request, "kind"), payload,
                       http_request_header(request, "Idempotency-Key"),
                       delay != NULL ? atoll(delay) : 0, id);
    if (rc < 0)
        return rc;
    http_response_set_status(response, 202);
    return http_response_jsonf(response, "{s:s}", "id", id);
}

static int away(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_set_header(response, "Retry-After", "1");
    return 503;
}

static int open_queue(struct http_request *request,
                      struct http_response *response)
{
    (void)request;
    (void)response;
    queue.name = getenv("QUEUE");
    return redis_pool(getenv("REDIS"), 50, &queue.redis);
}

static int close_queue(struct http_request *request,
                       struct http_response *response)
{
    (void)request;
    (void)response;
    hub_connpool_close(queue.redis, hub_deadline(5 * HUB_SECOND));
    return hub_connpool_free(queue.redis);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    if (getenv("REDIS") == NULL || getenv("QUEUE") == NULL)
        return 2;
    http_app_before_serving(app, http_view_sync(open_queue));
    http_app_after_serving(app, http_view_sync(close_queue));
    http_app_route(app, "POST", "/tasks/<kind>", "add", http_view_sync(add));
    http_app_error_handler(app, -EHOSTDOWN, http_view_sync(away));
    http_app_error_handler(app, -ETIMEDOUT, http_view_sync(away));
    return http_app_run(app, argc, argv) < 0;
}
