/* errors.c - a handler for 404, one for an errno, and one for any error
 *
 * usage: errors [--bind ADDRESS]... */
#include <vireo/http.h>

#include <errno.h>
#include <string.h>

static int not_found(struct http_request *request,
                     struct http_response *response)
{
    return http_response_jsonf(response, "{s:s,s:s}", "error", "not found",
                               "path", http_request_path(request));
}

static int busy(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_set_status(response, 503); /* else it is 500 for an errno */
    http_response_set_header(response, "Retry-After", "1");
    return http_response_jsonf(response, "{s:s}", "error", "try again");
}

static int any(struct http_request *request, struct http_response *response)
{
    int error = http_request_error(request); /* a status, or a negative errno */

    return http_response_jsonf(response, "{s:i,s:s}", "error", error, "text",
                               error < 0 ? strerror(-error) : "");
}

/* Three ways to fail. */
static int teapot(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    return 418;
}

static int away(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    return -EHOSTDOWN;
}

/* Whoever calls it need not look at what it returned. */
static void look_at_key(struct http_request *request)
{
    if (http_request_arg(request, "key") == NULL)
        http_request_abort(request, 403); /* does not return */
}

static int deep(struct http_request *request, struct http_response *response)
{
    look_at_key(request);
    return http_response_text(response, "with a key\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_error_handler(app, 404, http_view_sync(not_found));
    http_app_error_handler(app, -EHOSTDOWN, http_view_sync(busy));
    http_app_error_handler(app, HTTP_APP_ANY_ERROR, http_view_sync(any));
    http_app_route(app, "GET", "/teapot", "teapot", http_view_sync(teapot));
    http_app_route(app, "GET", "/away", "away", http_view_sync(away));
    http_app_route(app, "GET", "/deep", "deep", http_view_sync(deep));
    return http_app_run(app, argc, argv) < 0;
}
