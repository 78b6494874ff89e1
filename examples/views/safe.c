/* safe.c - an operation that may fail: the client gets 500 and no detail, the
 * operator a line with all of it
 *
 * usage: safe [--bind ADDRESS]... */
#include <vireo/http.h>

#include <errno.h>
#include <string.h>

/* What may go wrong, in a task of its own. */
static int risky(void *what, void **result)
{
    int rc = hub_sleep(10 * HUB_MILLISECOND);

    *result = "done";
    return rc < 0 ? rc : what != NULL && strcmp(what, "good") == 0 ? 0 : -EIO;
}

static int operation(struct http_request *request,
                     struct http_response *response, struct hub_scope *scope)
{
    void *what = (void *)(uintptr_t)http_request_path_arg(request, "what");
    struct hub_task *task;
    void *result;
    int rc = hub_task_create(scope, &task, risky, what, NULL);

    if (rc == 0)
        rc = hub_task_await(task, hub_deadline(5 * HUB_SECOND), &result);
    if (rc == 0)
        return http_response_jsonf(response, "{s:s}", "result", result);
    http_app_log(http_request_app(request), HTTP_APP_ERROR,
                 "operation on %s: %s", (const char *)what, strerror(-rc));
    http_response_set_status(response, 500);
    return http_response_jsonf(response, "{s:s}", "error",
                               "the operation failed");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "POST", "/operation/<what>", "operation",
                   http_view_async(operation));
    return http_app_run(app, argc, argv) < 0;
}
