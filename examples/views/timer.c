/* timer.c - hooks around each request: how long it took, in a field and in a
 * line
 *
 * usage: timer [--bind ADDRESS]... */
#include <vireo/http.h>

#include <errno.h>
#include <stdio.h>

static int before(struct http_request *request, struct http_response *response)
{
    int64_t *begun = http_request_alloc(request, sizeof *begun);

    (void)response;
    if (begun == NULL)
        return -ENOMEM;
    *begun = hub_now();
    return http_g_set("begun", begun, NULL); /* 0: go on to the view */
}

/* It may change the response: the first byte is not sent yet. */
static int after(struct http_request *request, struct http_response *response)
{
    const int64_t *begun = http_g_get("begun");
    char text[32];

    (void)request;
    snprintf(text, sizeof text, "%.3f",
             (double)(hub_now() - *begun) / (double)HUB_SECOND);
    return http_response_set_header(response, "X-Request-Duration", text);
}

/* The last byte is sent, or the client is gone. */
static int teardown(struct http_request *request,
                    struct http_response *response)
{
    http_app_log(http_request_app(request), HTTP_APP_INFO, "%s: %d",
                 http_request_path(request), http_response_status(response));
    return 0;
}

static int nap(struct http_request *request, struct http_response *response)
{
    int rc = hub_sleep(100 * HUB_MILLISECOND);

    (void)request;
    return rc < 0 ? rc : http_response_text(response, "slept\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_before_request(app, http_view_sync(before));
    http_app_after_request(app, http_view_sync(after));
    http_app_teardown_request(app, http_view_sync(teardown));
    http_app_route(app, "GET", "/nap", "nap", http_view_sync(nap));
    return http_app_run(app, argc, argv) < 0;
}
