/* view.c - the two shapes of a view */
#include "http/view.h"

static int call_sync(const struct http_view *view, struct http_request *request,
                     struct http_response *response)
{
    return ((http_view_function *)view->function)(request, response);
}

/* What is left of the scope's tasks ends before the response is sent (V-09). */
static int call_async(const struct http_view *view,
                      struct http_request *request,
                      struct http_response *response)
{
    struct hub_scope scope;
    int rc = hub_scope_begin(&scope, 0);
    int ended;

    if (rc < 0)
        return rc;
    rc =
        ((http_view_async_function *)view->function)(request, response, &scope);
    ended = hub_scope_end(&scope);
    return rc < 0 || ended == 0 ? rc : ended;
}

struct http_view http_view_sync(http_view_function *function)
{
    return (struct http_view){call_sync, (void (*)(void))function, NULL};
}

struct http_view http_view_async(http_view_async_function *function)
{
    return (struct http_view){call_async, (void (*)(void))function, NULL};
}
