/* register.c - rules, hooks and handlers are put in their lists
 *
 * The first error sticks, with the line that made it (V-00). */
#include "http/app/app_impl.h"
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <stdio.h>

/* Of the thread that puts the application together. */
static const char *at_file;
static int at_line;

void http_app_at(const char *file, int line)
{
    at_file = file;
    at_line = line;
}

int http__app_fail(struct http_app *app, int rc, const char *what,
                   const char *why)
{
    char where[128] = "";

    if (app->error != 0)
        return rc;
    app->error = rc;
    if (at_file != NULL)
        snprintf(where, sizeof where, "%s:%d: ", at_file, at_line);
    snprintf(app->error_text, sizeof app->error_text, "%s%s: %s", where, what,
             why != NULL ? why : strerror(-rc));
    return rc;
}

/* ---- routes ---- */

static char *copy(struct http_app *app, const char *text)
{
    return http__arena_copy(&app->arena, text, strlen(text));
}

static char *join(struct http_app *app, const char *a, const char *between,
                  const char *b)
{
    char *joined = http__arena_alloc(&app->arena, strlen(a) + strlen(between) +
                                                      strlen(b) + 1);

    if (joined != NULL)
        strcpy(stpcpy(stpcpy(joined, a), between), b);
    return joined;
}

static int copy_defaults(struct http_app *app, struct http_app_route *how)
{
    const struct http_app_default *from = how->defaults;
    struct http_app_default *to;

    if (how->default_count == 0)
        return 0;
    to = http__arena_alloc(&app->arena, how->default_count * sizeof *to);
    if (to == NULL)
        return -ENOMEM;
    how->defaults = to;
    for (size_t i = 0; i < how->default_count; i++) {
        to[i].name = copy(app, from[i].name);
        to[i].value = copy(app, from[i].value);
        if (to[i].name == NULL || to[i].value == NULL)
            return -ENOMEM;
    }
    return 0;
}

static bool same_view(const struct http_view *a, const struct http_view *b)
{
    return a->call == b->call && a->function == b->function &&
           a->data == b->data;
}

/* An endpoint may have several rules, and one view. */
static int check_endpoint(struct http_app *app, const struct http__route *route)
{
    for (const struct http__route *other = app->routes; other != NULL;
         other = other->next)
        if (strcmp(other->how.endpoint, route->how.endpoint) == 0 &&
            !same_view(&other->original, &route->original))
            return -EEXIST;
    return 0;
}

static struct http__route *make_route(struct http_app *app,
                                      struct http_blueprint *blueprint,
                                      const struct http_app_route *how)
{
    struct http__route *route = http__arena_alloc(&app->arena, sizeof *route);
    const char *prefix = blueprint != NULL ? blueprint->prefix : "";

    if (route == NULL)
        return NULL;
    memset(route, 0, sizeof *route);
    route->how = *how;
    route->original = how->view;
    route->blueprint = blueprint;
    route->path = join(app, prefix, "", how->rule);
    route->how.endpoint = blueprint != NULL
                              ? join(app, blueprint->name, ".", how->endpoint)
                              : copy(app, how->endpoint);
    if (route->path == NULL || route->how.endpoint == NULL ||
        copy_defaults(app, &route->how) < 0)
        return NULL;
    return route;
}

static int add_route(struct http_app *app, struct http__route *route,
                     const char **why)
{
    int rc = http__rule_parse(&app->arena, route, why);

    if (rc == 0 && check_endpoint(app, route) < 0) {
        *why = "another view has the endpoint";
        return -EEXIST;
    }
    route->how.view = http_app_ensure_sync(app, route->how.view);
    if (rc == 0)
        rc = http__router_add(&app->root, &app->arena, route);
    if (rc == -EEXIST)
        *why = "a rule has this path and method";
    if (rc < 0)
        return rc;
    *app->last_route = route;
    app->last_route = &route->next;
    return 0;
}

static int add_rule(struct http_app *app, struct http_blueprint *blueprint,
                    const struct http_app_route *how, uint32_t methods)
{
    const char *why = NULL;
    struct http__route *route = make_route(app, blueprint, how);
    int rc;

    if (route == NULL)
        return http__app_fail(app, -ENOMEM, how->rule, NULL);
    route->methods = methods;
    rc = add_route(app, route, &why);
    return rc < 0 ? http__app_fail(app, rc, how->rule, why) : app->error;
}

/* Is it complete?  Returns 0 or the error that sticks. */
static int check_route(struct http_app *app, const struct http_app_route *how)
{
    const char *rule = how->rule != NULL ? how->rule : "(no rule)";

    if (app->error != 0)
        return app->error;
    if (how->rule == NULL || how->endpoint == NULL || how->view.call == NULL)
        return http__app_fail(app, -EINVAL, rule,
                              "a rule needs a view, and a "
                              "name for its endpoint");
    if (strchr(how->endpoint, '.') != NULL)
        return http__app_fail(app, -EINVAL, rule, "a dot in an endpoint");
    return 0;
}

static int route_with(struct http_app *app, struct http_blueprint *blueprint,
                      const struct http_app_route *how)
{
    uint32_t methods;
    int rc = check_route(app, how);

    if (rc < 0)
        return rc;
    if (how->websocket != NULL)
        return http__app_fail(app, -EINVAL, how->rule,
                              "options of WebSockets for another rule");
    rc = http__methods_parse(how->methods != NULL ? how->methods : "GET",
                             &methods);
    if (rc < 0)
        return http__app_fail(app, rc, how->rule,
                              "a method that is none of ours");
    return add_rule(app, blueprint, how, methods);
}

/* ---- rules for WebSockets: V-36 ---- */

/* Options are copied, what they point to is kept; pages of other hosts are kept
 * out unless they say otherwise. */
static const struct http_websocket_options *
websocket_options(struct http_app *app,
                  const struct http_websocket_options *from)
{
    static const char *const same[] = {"same", NULL};
    struct http_websocket_options *to =
        http__arena_alloc(&app->arena, sizeof *to);

    if (to == NULL)
        return NULL;
    if (from != NULL)
        *to = *from;
    else
        memset(to, 0, sizeof *to);
    if (to->origins == NULL)
        to->origins = same;
    return to;
}

static int websocket_with(struct http_app *app,
                          struct http_blueprint *blueprint,
                          const struct http_app_route *route)
{
    struct http_app_route how = *route;
    int rc = check_route(app, &how);

    if (rc < 0)
        return rc;
    if (how.methods != NULL || how.timeout_ns != 0)
        return http__app_fail(app, -EINVAL, how.rule,
                              "a WebSocket has neither methods nor a time "
                              "limit");
    if (how.websocket != NULL && !http__websocket_options_good(how.websocket))
        return http__app_fail(app, -EINVAL, how.rule,
                              "options of WebSockets that cannot be");
    how.websocket = websocket_options(app, how.websocket);
    if (how.websocket == NULL)
        return http__app_fail(app, -ENOMEM, how.rule, NULL);
    return add_rule(app, blueprint, &how, http__method_websocket);
}

int http_app_websocket_with(struct http_app *app,
                            const struct http_app_route *route)
{
    return websocket_with(app, NULL, route);
}

int http_app_websocket(struct http_app *app, const char *rule,
                       const char *endpoint, struct http_view view)
{
    const struct http_app_route route = {
        .rule = rule, .endpoint = endpoint, .view = view};

    return websocket_with(app, NULL, &route);
}

int http_blueprint_websocket_with(struct http_blueprint *blueprint,
                                  const struct http_app_route *route)
{
    return blueprint != NULL ? websocket_with(blueprint->app, blueprint, route)
                             : -EINVAL;
}

int http_blueprint_websocket(struct http_blueprint *blueprint, const char *rule,
                             const char *endpoint, struct http_view view)
{
    const struct http_app_route route = {
        .rule = rule, .endpoint = endpoint, .view = view};

    return http_blueprint_websocket_with(blueprint, &route);
}

/* ---- rules of pages ---- */

int http_app_route_with(struct http_app *app,
                        const struct http_app_route *route)
{
    return route_with(app, NULL, route);
}

int http_app_route(struct http_app *app, const char *methods, const char *rule,
                   const char *endpoint, struct http_view view)
{
    const struct http_app_route route = {
        .methods = methods, .rule = rule, .endpoint = endpoint, .view = view};

    return route_with(app, NULL, &route);
}

/* ---- hooks ---- */

static int add_hook(struct http_app *app, struct http__hook_list *list,
                    struct http_view view, const char *what)
{
    struct http__hook *hook;

    if (app->error != 0)
        return app->error;
    if (view.call == NULL)
        return http__app_fail(app, -EINVAL, what, "there is no view");
    hook = http__arena_alloc(&app->arena, sizeof *hook);
    if (hook == NULL)
        return http__app_fail(app, -ENOMEM, what, NULL);
    hook->view = http_app_ensure_sync(app, view);
    hook->next = NULL;
    hook->before = list->last;
    if (list->last != NULL)
        list->last->next = hook;
    else
        list->first = hook;
    list->last = hook;
    return app->error;
}

int http_app_before_request(struct http_app *app, struct http_view view)
{
    return add_hook(app, &app->hooks.before, view, "before_request");
}

int http_app_after_request(struct http_app *app, struct http_view view)
{
    return add_hook(app, &app->hooks.after, view, "after_request");
}

int http_app_teardown_request(struct http_app *app, struct http_view view)
{
    return add_hook(app, &app->hooks.teardown, view, "teardown_request");
}

int http_app_before_serving(struct http_app *app, struct http_view view)
{
    return add_hook(app, &app->before_serving, view, "before_serving");
}

int http_app_after_serving(struct http_app *app, struct http_view view)
{
    return add_hook(app, &app->after_serving, view, "after_serving");
}

/* ---- error handlers ---- */

static int add_handler(struct http_app *app, struct http__handler **list,
                       int error, struct http_view view)
{
    struct http__handler *handler;
    char what[32];

    if (app->error != 0)
        return app->error;
    snprintf(what, sizeof what, "handler of error %d", error);
    if (view.call == NULL || error > 599 || (error > 0 && error < 300) ||
        error < -4095)
        return http__app_fail(app, -EINVAL, what, NULL);
    for (handler = *list; handler != NULL; handler = handler->next)
        if (handler->error == error)
            return http__app_fail(app, -EEXIST, what, "there is one already");
    handler = http__arena_alloc(&app->arena, sizeof *handler);
    if (handler == NULL)
        return http__app_fail(app, -ENOMEM, what, NULL);
    handler->error = error;
    handler->view = http_app_ensure_sync(app, view);
    handler->next = *list;
    *list = handler;
    return app->error;
}

int http_app_error_handler(struct http_app *app, int error,
                           struct http_view view)
{
    return add_handler(app, &app->hooks.handlers, error, view);
}

/* ---- blueprints ---- */

static const char *bad_blueprint(const struct http_app *app, const char *name,
                                 const char *prefix)
{
    if (name == NULL || *name == '\0' || strchr(name, '.') != NULL)
        return "its name is empty, or has a dot";
    if (*prefix != '\0' &&
        (*prefix != '/' || prefix[strlen(prefix) - 1] == '/'))
        return "a prefix begins with a slash, and does not end in one";
    for (const struct http_blueprint *other = app->blueprints; other != NULL;
         other = other->next)
        if (strcmp(other->name, name) == 0)
            return "there is one of that name";
    return NULL;
}

struct http_blueprint *http_blueprint_new(struct http_app *app,
                                          const char *name, const char *prefix)
{
    struct http_blueprint *made;
    const char *why;

    if (app->error != 0)
        return NULL;
    prefix = prefix != NULL ? prefix : "";
    why = bad_blueprint(app, name, prefix);
    if (why != NULL) {
        http__app_fail(app, -EINVAL, "a blueprint", why);
        return NULL;
    }
    made = http__arena_alloc(&app->arena, sizeof *made);
    if (made != NULL) {
        memset(made, 0, sizeof *made);
        made->app = app;
        made->name = copy(app, name);
        made->prefix = copy(app, prefix);
    }
    if (made == NULL || made->name == NULL || made->prefix == NULL) {
        http__app_fail(app, -ENOMEM, "a blueprint", NULL);
        return NULL;
    }
    made->next = app->blueprints;
    app->blueprints = made;
    return made;
}

int http_blueprint_route_with(struct http_blueprint *blueprint,
                              const struct http_app_route *route)
{
    return blueprint != NULL ? route_with(blueprint->app, blueprint, route)
                             : -EINVAL;
}

int http_blueprint_route(struct http_blueprint *blueprint, const char *methods,
                         const char *rule, const char *endpoint,
                         struct http_view view)
{
    const struct http_app_route route = {
        .methods = methods, .rule = rule, .endpoint = endpoint, .view = view};

    return http_blueprint_route_with(blueprint, &route);
}

int http_blueprint_before_request(struct http_blueprint *blueprint,
                                  struct http_view view)
{
    return blueprint != NULL
               ? add_hook(blueprint->app, &blueprint->hooks.before, view,
                          blueprint->name)
               : -EINVAL;
}

int http_blueprint_after_request(struct http_blueprint *blueprint,
                                 struct http_view view)
{
    return blueprint != NULL ? add_hook(blueprint->app, &blueprint->hooks.after,
                                        view, blueprint->name)
                             : -EINVAL;
}

int http_blueprint_teardown_request(struct http_blueprint *blueprint,
                                    struct http_view view)
{
    return blueprint != NULL
               ? add_hook(blueprint->app, &blueprint->hooks.teardown, view,
                          blueprint->name)
               : -EINVAL;
}

int http_blueprint_error_handler(struct http_blueprint *blueprint, int error,
                                 struct http_view view)
{
    return blueprint != NULL
               ? add_handler(blueprint->app, &blueprint->hooks.handlers, error,
                             view)
               : -EINVAL;
}
