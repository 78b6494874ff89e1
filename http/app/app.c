/* app.c - making an application, and its end */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>

struct http_app *http_app_new(void)
{
    struct http_app *app = http__calloc(1, sizeof *app);

    if (app == NULL)
        return NULL;
    http__arena_init(&app->arena, app->arena_room, sizeof app->arena_room);
    app->last_route = &app->routes;
    app->adapter = http_app_adapt_on_hub;
    app->cancel_async = true;
    app->session_name = "session";
    app->session_cookie = (struct http_response_cookie){
        .max_age = HTTP__SESSION_AGE, .same_site = "Lax", .http_only = true};
    app->least = HTTP_APP_INFO;
    return app;
}

void http_app_free(struct http_app *app)
{
    if (app == NULL)
        return;
    http__arena_free(&app->arena);
    free(app);
}

int http_app_error(const struct http_app *app, const char **text)
{
    if (text != NULL)
        *text = app->error_text;
    return app->error;
}

struct http_view http_app_view(struct http_app *app)
{
    return (struct http_view){http__app_dispatch, NULL, app};
}

void http_app_set_timeout(struct http_app *app, int64_t timeout_ns)
{
    app->timeout_ns = timeout_ns;
}

void http_app_set_debug(struct http_app *app, bool debug)
{
    app->debug = debug;
}

void http_app_set_cancel(struct http_app *app, bool sync, bool async)
{
    app->cancel_sync = sync;
    app->cancel_async = async;
}

void http_app_set_adapter(struct http_app *app, http_app_adapter *adapter)
{
    app->adapter = adapter != NULL ? adapter : http_app_adapt_on_hub;
}
