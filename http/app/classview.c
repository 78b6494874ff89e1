/* classview.c - a view for each method (V-04) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    const char *method;
    size_t offset;
} members[] = {
    {"GET", offsetof(struct http_view_class, get)},
    {"HEAD", offsetof(struct http_view_class, head)},
    {"POST", offsetof(struct http_view_class, post)},
    {"PUT", offsetof(struct http_view_class, put)},
    {"PATCH", offsetof(struct http_view_class, patch)},
    {"DELETE", offsetof(struct http_view_class, del)},
    {"OPTIONS", offsetof(struct http_view_class, options)},
};
enum { MEMBERS = sizeof members / sizeof *members };

static struct http_view *member(const struct http_view_class *views, size_t i)
{
    return (struct http_view *)(uintptr_t)((const char *)views +
                                           members[i].offset);
}

struct kept {
    struct http_view_class given, views; /* as it was, and what is called */
    char methods[64];
};

/* HEAD may be GET's. */
static int call_member(const struct http_view *view,
                       struct http_request *request,
                       struct http_response *response)
{
    const struct kept *kept = view->data;
    const char *verb = http_request_verb(request);

    for (size_t i = 0; i < MEMBERS; i++) {
        const struct http_view *handler = member(&kept->views, i);

        if (strcmp(members[i].method, verb) != 0)
            continue;
        if (handler->call == NULL)
            handler = &kept->views.get;
        return handler->call != NULL
                   ? http_view_call(handler, request, response)
                   : 405;
    }
    return 405;
}

/* The same class under another rule is the same view. */
static struct kept *find(const struct http_app *app, const char *endpoint,
                         const struct http_view_class *views)
{
    for (const struct http__route *route = app->routes; route != NULL;
         route = route->next) {
        struct kept *kept = route->original.data;

        if (route->original.call == call_member &&
            strcmp(route->how.endpoint, endpoint) == 0 &&
            memcmp(&kept->given, views, sizeof *views) == 0)
            return kept;
    }
    return NULL;
}

static struct kept *keep(struct http_app *app,
                         const struct http_view_class *views)
{
    struct kept *kept = http__arena_alloc(&app->arena, sizeof *kept);

    if (kept == NULL)
        return NULL;
    kept->given = kept->views = *views;
    kept->methods[0] = '\0';
    for (size_t i = 0; i < MEMBERS; i++) {
        struct http_view *view = member(&kept->views, i);

        if (view->call == NULL)
            continue;
        *view = http_app_ensure_sync(app, *view);
        if (kept->methods[0] != '\0')
            strcat(kept->methods, ",");
        strcat(kept->methods, members[i].method);
    }
    return kept;
}

int http_app_route_class(struct http_app *app, const char *methods,
                         const char *rule, const char *endpoint,
                         const struct http_view_class *views)
{
    struct http_app_route route = {.rule = rule, .endpoint = endpoint};
    struct kept *kept;

    if (app->error != 0)
        return app->error;
    if (endpoint == NULL || rule == NULL)
        return http_app_route_with(app, &route); /* which says so */
    kept = find(app, endpoint, views);
    if (kept == NULL)
        kept = keep(app, views);
    if (kept == NULL)
        return http__app_fail(app, -ENOMEM, rule, NULL);
    if (kept->methods[0] == '\0')
        return http__app_fail(app, -EINVAL, rule, "a class without views");
    route.methods = methods != NULL ? methods : kept->methods;
    route.view = (struct http_view){call_member, NULL, kept};
    return http_app_route_with(app, &route);
}
