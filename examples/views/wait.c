/* wait.c - a view that waits two seconds, while others are served
 *
 * usage: wait [--bind ADDRESS]... */
#include <vireo/http.h>

static int slow(struct http_request *request, struct http_response *response)
{
    int rc = hub_sleep(2 * HUB_SECOND); /* parks the greenlet of this request */

    (void)request;
    return rc < 0 ? rc : http_response_text(response, "after two seconds\n");
}

static int quick(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "at once\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "GET", "/slow", "slow", http_view_sync(slow));
    http_app_route(app, "GET", "/quick", "quick", http_view_sync(quick));
    return http_app_run(app, argc, argv) < 0;
}
