/* side_by_side.c - sync and async views, hooks and handlers in one application
 *
 * usage: side_by_side [--bind ADDRESS]... */
#include <vireo/http.h>

#include <stdint.h>

static int sync_view(struct http_request *request,
                     struct http_response *response)
{
    (void)request;
    return http_response_text(response, "sync\n");
}

static int square(void *number, void **result)
{
    intptr_t n = (intptr_t)number;
    int rc = hub_sleep(10 * HUB_MILLISECOND);

    *result = (void *)(n * n);
    return rc;
}

/* Ten tasks at once: as long as one. */
static int async_view(struct http_request *request,
                      struct http_response *response, struct hub_scope *scope)
{
    struct hub_task *task[10];
    void *result[10];
    intptr_t sum = 0;
    int rc = 0;

    (void)request;
    for (intptr_t i = 0; i < 10 && rc == 0; i++)
        rc = hub_task_create(scope, &task[i], square, (void *)i, NULL);
    if (rc == 0)
        rc = hub_task_gather(task, 10, hub_deadline(5 * HUB_SECOND), result);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 10; i++)
        sum += (intptr_t)result[i];
    return http_response_printf(response, "async: %d\n", (int)sum);
}

/* A hook is a view that returns 0 to go on; it may be of either kind, too. */
static int check_key(struct http_request *request,
                     struct http_response *response, struct hub_scope *scope)
{
    (void)response;
    (void)scope;
    return http_request_arg(request, "key") != NULL ? 0 : 401;
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_before_request(app, http_view_async(check_key));
    http_app_route(app, "GET", "/sync", "sync", http_view_sync(sync_view));
    http_app_route(app, "GET", "/async", "async", http_view_async(async_view));
    return http_app_run(app, argc, argv) < 0;
}
