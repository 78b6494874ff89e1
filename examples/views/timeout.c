/* timeout.c - 504 when a view takes too long: for all views, for one, for a
 * block
 *
 * usage: timeout [--bind ADDRESS]... */
#include <vireo/http.h>

#include <errno.h>

static int slow(struct http_request *request, struct http_response *response)
{
    int rc =
        hub_sleep(60 * HUB_SECOND); /* ends with an error at the deadline */

    (void)request;
    return rc < 0 ? rc : http_response_text(response, "in time\n");
}

/* A limit around a part of a view: what else there is is answered. */
static int block(struct http_request *request, struct http_response *response)
{
    struct hub_timeout timeout;
    int rc;

    (void)request;
    hub_timeout_begin(&timeout, hub_deadline(100 * HUB_MILLISECOND));
    rc = hub_sleep(60 * HUB_SECOND);
    hub_timeout_end(&timeout);
    return rc == -ETIMEDOUT ? http_response_text(response, "without the part\n")
                            : rc;
}

int main(int argc, char **argv)
{
    const struct http_app_route patient = {
        .rule = "/patient",
        .endpoint = "patient",
        .view = http_view_sync(slow),
        .timeout_ns = 500 * HUB_MILLISECOND,
    };
    struct http_app *app = http_app_new();

    http_app_set_timeout(app, 200 * HUB_MILLISECOND);
    http_app_route(app, "GET", "/slow", "slow", http_view_sync(slow));
    http_app_route_with(app, &patient);
    http_app_route(app, "GET", "/block", "block", http_view_sync(block));
    return http_app_run(app, argc, argv) < 0;
}
