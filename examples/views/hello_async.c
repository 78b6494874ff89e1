/* hello_async.c - an async view: it has a scope, and can create tasks
 *
 * usage: hello_async [--bind ADDRESS]... */
#include <vireo/http.h>

/* A task has a greenlet of its own.  What it leaves in *result goes to who
 * awaits it. */
static int find_word(void *word, void **result)
{
    int rc = hub_sleep(100 * HUB_MILLISECOND); /* parks this task alone */

    *result = word;
    return rc;
}

static int hello(struct http_request *request, struct http_response *response,
                 struct hub_scope *scope)
{
    struct hub_task *task; /* the scope's */
    void *word;
    int rc = hub_task_create(scope, &task, find_word, "world", NULL);

    (void)request;
    if (rc == 0)
        rc = hub_task_await(task, hub_deadline(5 * HUB_SECOND), &word);
    return rc < 0 ? rc
                  : http_response_printf(response, "Hello, async %s\n",
                                         (const char *)word);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "GET", "/", "hello", http_view_async(hello));
    return http_app_run(app, argc, argv) < 0;
}
