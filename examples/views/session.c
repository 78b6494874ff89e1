/* session.c - what a client brings back: a session in a signed cookie
 *
 * usage: session [--bind ADDRESS]... */
#include <vireo/http.h>

#include <stdio.h>
#include <stdlib.h>

static int visits(struct http_request *request, struct http_response *response)
{
    const char *had = http_request_session_get(request, "visits");
    char text[16];
    int rc;

    snprintf(text, sizeof text, "%d", had != NULL ? atoi(had) + 1 : 1);
    rc = http_request_session_set(request, "visits", text);
    return rc < 0 ? rc : http_response_printf(response, "visit %s\n", text);
}

static int forget(struct http_request *request, struct http_response *response)
{
    int rc = http_request_session_clear(request);

    return rc < 0 ? rc
                  : http_response_redirect(
                        response, http_request_url_for(request, "visits", NULL),
                        303);
}

int main(int argc, char **argv)
{
    static const struct http_app_option options[] = {
        {.name = "SECRETS", .type = HTTP_APP_SECRETS},
    };
    struct http_app *app = http_app_new();

    http_app_config_declare(app, options, 1);
    http_app_config_environment(app, "SHOP_"); /* SHOP_SECRETS */
    http_app_route(app, "GET", "/", "visits", http_view_sync(visits));
    http_app_route(app, "POST", "/forget", "forget", http_view_sync(forget));
    return http_app_run(app, argc, argv) < 0;
}
