/* app.h - applications: rules, hooks, error handlers, views sync and async
 *
 * An application is put together before it serves, by one thread; from then on
 * it is read only.  What is registered in vain is an error that sticks: the
 * first is kept, with where and why, and http_app_run() prints and returns it.
 *
 * A view that has a scope is async, and that is all that async means: each runs
 * in the greenlet of its request, and may wait.  Each place that takes one kind
 * takes the other.  What a view, a hook or a handler returns:
 *
 *   0            as it was filled, 200 unless it says otherwise; of a hook that
 *                runs before a view: go on
 *   200 ... 599  that status; from 400 on, with no body set, as by
 *                http_request_abort()
 *   negative     an errno: the handler of that, else that of any error, else
 *                500 and a line in the log */
#ifndef VIREO_APP_H
#define VIREO_APP_H

#include "http/request.h"
#include "http/response.h"
#include "http/serve.h"
#include "http/view.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_app;
struct http_blueprint;
struct http_response_cookie; /* appdata.h */
struct http_websocket_options;

/* ---- making, running ---- */

/* Ownership: given, to http_app_run() or http_app_free().  NULL: no memory. */
HTTP_API struct http_app *http_app_new(void);
/* Not while it serves.  NULL is fine. */
HTTP_API void http_app_free(struct http_app *app);

/* The first error of a registration, 0: none; *text (unless NULL) says where
 * and why, borrowed. */
HTTP_API int http_app_error(const struct http_app *app, const char **text);

/* As a view, for http_server_new() and http_serve(); app is borrowed. */
HTTP_API struct http_view http_app_view(struct http_app *app);

/* Serve until a signal ends it, as the program's arguments say (--help prints
 * them); hooks around serving are called in each hub of each worker.
 * Ownership: app is given.  For the main greenlet.  Switches.
 * Returns as http_serve(); the error of a registration; -EINVAL for arguments.
 */
HTTP_API int http_app_run(struct http_app *app, int argc, char **argv);

/* What --help describes, for programs with arguments of their own; NULL:
 * defaults. */
HTTP_API int http_app_serve(struct http_app *app,
                            const struct http_serve_options *options);

/* Instead of "500 Internal Server Error", when no handler answers: a page with the
 * error, where http_request_abort() was called or which view returned it, and the
 * request.  For clients on this machine alone: of a loopback address and name (Host),
 * without a proxy's fields.  Off unless it is said, here or by --debug. */
HTTP_API void http_app_set_debug(struct http_app *app, bool debug);

/* A page of what is going on, at that path [NULL: none; by --status "/-/status"], and
 * its numbers as JSON at PATH.json: requests in flight and answered, latencies,
 * connections, greenlets, memory of the hub and process that answer it; and of each
 * worker, with sums.  For clients on this machine alone, as above; for others there is
 * no such path.  Copied.
 * Returns 0, -EINVAL, -ENOMEM; both stick. */
HTTP_API int http_app_set_status(struct http_app *app, const char *path);

/* ---- rules ---- */

struct http_app_default {
    const char *name, *value;
};

struct http_app_route {
    const char *methods;  /* "GET, POST"; NULL: GET.  HEAD comes with GET, and
                             OPTIONS is answered unless it is named */
    const char *rule;     /* "/users/<int:id>" */
    const char *endpoint; /* a name for http_request_url_for(); of a blueprint
                             with its name and a dot in front */
    struct http_view view;
    const struct http_app_default *defaults; /* arguments that the rule lacks */
    size_t default_count;
    bool any_slash; /* with and without a slash at the end are the same */
    int64_t
        timeout_ns; /* 504 then; 0: what the application says; negative: none */
    /* of http_app_websocket_with() (websocket.h): copied, what it points to is kept
     * as long as the application; NULL: defaults */
    const struct http_websocket_options *websocket;
};

/* Rules are paths with <name> or <converter:name> in them; converters are
 * string (the default: all but a slash), int, float, path and uuid.  Where
 * several rules match, text goes before arguments, and path comes last.  A rule
 * that ends in a slash answers the path without it by 308. Returns 0, -EINVAL,
 * -EEXIST (another view has the endpoint, or another endpoint rule and method),
 * -ENOMEM; all stick. */
HTTP_API int http_app_route(struct http_app *app, const char *methods,
                            const char *rule, const char *endpoint,
                            struct http_view view);
HTTP_API int http_app_route_with(struct http_app *app,
                                 const struct http_app_route *route);

/* A rule for WebSockets: its view calls http_websocket_open(), and then receives
 * and sends.  All that is true of a view is true of it: hooks before it may refuse
 * it, and so may the view, by a status; the request is the current one, with its
 * session and g, until the view returns, and teardown functions run then.  Pages of
 * other hosts are refused (403), unless the options name their origins.  The same
 * path may have a rule for pages; a rule for WebSockets alone answers others by 426.
 * Time limits are not for it.  Returns as http_app_route(); methods and timeout_ns
 * of the struct have to be 0. */
HTTP_API int http_app_websocket(struct http_app *app, const char *rule,
                                const char *endpoint, struct http_view view);
HTTP_API int http_app_websocket_with(struct http_app *app,
                                     const struct http_app_route *route);

/* For each view that has no time limit of its own; 0 or negative: none. */
HTTP_API void http_app_set_timeout(struct http_app *app, int64_t timeout_ns);

/* Is a view cancelled when its client goes away: of sync ones [false], of async
 * ones [true]?  Its waits end with -ECANCELED then.  A client that has ended
 * what it sends counts as gone: there is no way to tell. */
HTTP_API void http_app_set_cancel(struct http_app *app, bool sync, bool async);

/* ---- hooks, handlers ---- */

/* Before the view: in the order of registration, the application's first; one
 * that returns other than 0 answers.  Behind it, and behind error handlers,
 * before the first byte is sent: the last registered first, those of the
 * blueprint before the application's; they may change the response.  When the
 * last byte was sent, in the same order: they read http_request_error().  What
 * the last two return is logged if it is an error, and changes nothing. Return
 * 0, -EINVAL, -ENOMEM; all stick. */
HTTP_API int http_app_before_request(struct http_app *app,
                                     struct http_view view);
HTTP_API int http_app_after_request(struct http_app *app,
                                    struct http_view view);
HTTP_API int http_app_teardown_request(struct http_app *app,
                                       struct http_view view);

/* In each hub before it serves, and behind its last request, with a request of
 * no client.  One before that fails ends the worker, and those after are not
 * called. */
HTTP_API int http_app_before_serving(struct http_app *app,
                                     struct http_view view);
HTTP_API int http_app_after_serving(struct http_app *app,
                                    struct http_view view);

/* Any error that has no handler of its own. */
#define HTTP_APP_ANY_ERROR 0

/* Answer a status (300 ... 599), an errno (negative), or HTTP_APP_ANY_ERROR.
 * The response is empty then, but for fields that a view set beside a status;
 * its status is that of the error unless the handler sets one. Returns 0,
 * -EINVAL, -EEXIST, -ENOMEM; all stick. */
HTTP_API int http_app_error_handler(struct http_app *app, int error,
                                    struct http_view view);

/* ---- blueprints ---- */

/* Rules below a prefix (NULL: none), with hooks and error handlers for their
 * requests alone.
 * Ownership: the application's.  NULL: the error sticks; what is registered at
 * NULL does nothing. */
HTTP_API struct http_blueprint *
http_blueprint_new(struct http_app *app, const char *name, const char *prefix);
HTTP_API int http_blueprint_route(struct http_blueprint *blueprint,
                                  const char *methods, const char *rule,
                                  const char *endpoint, struct http_view view);
HTTP_API int http_blueprint_route_with(struct http_blueprint *blueprint,
                                       const struct http_app_route *route);
HTTP_API int http_blueprint_websocket(struct http_blueprint *blueprint,
                                      const char *rule, const char *endpoint,
                                      struct http_view view);
HTTP_API int
http_blueprint_websocket_with(struct http_blueprint *blueprint,
                              const struct http_app_route *route);
HTTP_API int http_blueprint_before_request(struct http_blueprint *blueprint,
                                           struct http_view view);
HTTP_API int http_blueprint_after_request(struct http_blueprint *blueprint,
                                          struct http_view view);
HTTP_API int http_blueprint_teardown_request(struct http_blueprint *blueprint,
                                             struct http_view view);
HTTP_API int http_blueprint_error_handler(struct http_blueprint *blueprint,
                                          int error, struct http_view view);

/* ---- classes of views ---- */

/* A view for each method, by what http_view_sync() and http_view_async() make;
 * all zero: none, 405.  HEAD falls back to get. */
struct http_view_class {
    struct http_view get, head, post, put, patch, del, options;
};

/* One rule for those methods of a class (copied); NULL: for all that it has
 * views for.  A class may have several rules under one endpoint. Returns as
 * http_app_route(). */
HTTP_API int http_app_route_class(struct http_app *app, const char *methods,
                                  const char *rule, const char *endpoint,
                                  const struct http_view_class *views);

/* ---- sync and async ---- */

/* Runs an async view for `app`, and returns what it returns. */
typedef int http_app_adapter(struct http_app *app, const struct http_view *view,
                             struct http_request *request,
                             struct http_response *response);

/* How async views are run: in the greenlet of their request, with a scope (the
 * default), or with the scope of the hub, whose tasks outlive the request and
 * end with the hub; in an OS thread of their own that has a hub of its own; or
 * by a function of the program's. */
HTTP_API int http_app_adapt_on_hub(struct http_app *app,
                                   const struct http_view *view,
                                   struct http_request *request,
                                   struct http_response *response);
HTTP_API int http_app_adapt_on_hub_scope(struct http_app *app,
                                         const struct http_view *view,
                                         struct http_request *request,
                                         struct http_response *response);
HTTP_API int http_app_adapt_in_thread(struct http_app *app,
                                      const struct http_view *view,
                                      struct http_request *request,
                                      struct http_response *response);
HTTP_API void http_app_set_adapter(struct http_app *app,
                                   http_app_adapter *adapter);

/* A sync view as it is; an async one as a view whose call runs the adapter. The
 * framework passes all views through this.  Memory is the application's; an
 * error sticks, and is what the view then returns. */
HTTP_API struct http_view http_app_ensure_sync(struct http_app *app,
                                               struct http_view view);

/* Call a view, as the framework does: http_request_abort() in it ends this
 * call. */
HTTP_API int http_view_call(const struct http_view *view,
                            struct http_request *request,
                            struct http_response *response);

/* What an extension puts around a view; it calls `inner`, sync or async, by
 * http_view_call(), or does not. */
typedef int http_view_wrapper(struct http_request *request,
                              struct http_response *response,
                              const struct http_view *inner, void *data);
HTTP_API struct http_view http_view_wrap(struct http_app *app,
                                         struct http_view inner,
                                         http_view_wrapper *wrapper,
                                         void *data);

/* ---- sessions, files, lines ---- */

/* What sessions are signed with (at least 16 bytes each, copied): the first
 * signs, all are good for what was signed before, so that a new one is put in
 * front and an old one taken away later.  Returns 0, -EINVAL, -ENOMEM; all
 * stick. */
HTTP_API int http_app_set_secrets(struct http_app *app,
                                  const char *const *secrets, size_t count);
/* The cookie that has the session: its name ["session"] and what is said of it
 * [HttpOnly, SameSite=Lax, Max-Age of 31 days; Secure over TLS]; a max_age that
 * is not positive is 31 days, after which it is not taken any more.  Texts are
 * copied. Returns 0, -EINVAL, -ENOMEM; all stick. */
HTTP_API int
http_app_set_session_cookie(struct http_app *app, const char *name,
                            const struct http_response_cookie *how);

/* Files below a folder, as GET PREFIX/<path:name>, with the endpoint "static".
 * Returns as http_app_route(). */
HTTP_API int http_app_static(struct http_app *app, const char *prefix,
                             const char *folder);

/* Lines for the operator, from the least important on. */
enum http_app_level {
    HTTP_APP_DEBUG,
    HTTP_APP_INFO,
    HTTP_APP_WARNING,
    HTTP_APP_ERROR
};

/* Say something, about the current request if there is one.  A line of at most
 * 1,000 bytes; controls become '?'. */
HTTP_API void http_app_log(struct http_app *app, enum http_app_level level,
                           const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What is less important than `least` [HTTP_APP_INFO] is not said; `sink` gets
 * the lines instead of standard error (NULL), in the greenlet that says them;
 * it must not wait.  The framework's own lines go there too. */
HTTP_API void http_app_set_log(struct http_app *app, enum http_app_level least,
                               void (*sink)(enum http_app_level level,
                                            const char *line, void *data),
                               void *data);

/* ---- configuration ---- */

enum http_app_type {
    HTTP_APP_TEXT,
    HTTP_APP_NUMBER,  /* of `least` to `most`, both 0: any */
    HTTP_APP_BOOLEAN, /* true, false, yes, no, on, off, 1, 0 */
    HTTP_APP_SECRETS  /* one or more with blanks between them, for
                         http_app_set_secrets() */
};

struct http_app_option {
    const char *name;    /* capitals, digits and '_' */
    const char *initial; /* NULL: not set */
    enum http_app_type type;
    int64_t least, most;
};

/* Declare options; what is set is looked at against them.  Copied.
 * Returns 0, -EINVAL, -EEXIST, -ENOMEM; all stick. */
HTTP_API int http_app_config_declare(struct http_app *app,
                                     const struct http_app_option *options,
                                     size_t count);
/* Set them: from a file of lines "NAME = value", with empty lines and those
 * that begin with '#'; from the environment, as PREFIX and the name; one by
 * one.  Later values go before earlier ones. Return 0; -EINVAL: a line or a
 * value that is none; -ENOENT: no such option, or file; an error of reading;
 * -ENOMEM; all stick. */
HTTP_API int http_app_config_file(struct http_app *app, const char *path);
HTTP_API int http_app_config_environment(struct http_app *app,
                                         const char *prefix);
HTTP_API int http_app_config_set(struct http_app *app, const char *name,
                                 const char *value);

/* What is set, as text (borrowed), number or boolean; NULL, `fallback`:
 * nothing, or not of that type.  Secrets are not told. */
HTTP_API const char *http_app_config_text(const struct http_app *app,
                                          const char *name);
HTTP_API int64_t http_app_config_number(const struct http_app *app,
                                        const char *name, int64_t fallback);
HTTP_API bool http_app_config_boolean(const struct http_app *app,
                                      const char *name, bool fallback);

/* ---- contexts outside a request ---- */

/* A request of no client becomes the current one of the calling greenlet, for
 * commands and background work; end: the one before is again.  Nested, if at
 * all. Ownership: given; ended by http_app_context_end(). Returns 0, the error
 * that sticks to the application, -ENOMEM. */
HTTP_API int http_app_context_begin(struct http_app *app,
                                    struct http_request **request);
HTTP_API void http_app_context_end(struct http_request *request);

/* hub_spawn() of a greenlet that has a copy of the caller's context: the
 * current request is its own, too, and lives as long as it does. Ownership:
 * given, as by hub_spawn().  NULL: no memory. */
HTTP_API struct greenlet *http_request_spawn(greenlet_run *run, void *arg);

/* ---- where it was registered ---- */

/* From here on registrations come from that line; the macros below call it. */
HTTP_API void http_app_at(const char *file, int line);

#ifndef HTTP_APP_IMPL_H /* where these functions are defined */
#define http_app_here(function) (http_app_at(__FILE__, __LINE__), function)

#define http_app_route(...)      http_app_here(http_app_route)(__VA_ARGS__)
#define http_app_route_with(...) http_app_here(http_app_route_with)(__VA_ARGS__)
#define http_app_route_class(...) \
    http_app_here(http_app_route_class)(__VA_ARGS__)
#define http_app_websocket(...) http_app_here(http_app_websocket)(__VA_ARGS__)
#define http_app_websocket_with(...) \
    http_app_here(http_app_websocket_with)(__VA_ARGS__)
#define http_app_static(...) http_app_here(http_app_static)(__VA_ARGS__)
#define http_app_before_request(...) \
    http_app_here(http_app_before_request)(__VA_ARGS__)
#define http_app_after_request(...) \
    http_app_here(http_app_after_request)(__VA_ARGS__)
#define http_app_teardown_request(...) \
    http_app_here(http_app_teardown_request)(__VA_ARGS__)
#define http_app_before_serving(...) \
    http_app_here(http_app_before_serving)(__VA_ARGS__)
#define http_app_after_serving(...) \
    http_app_here(http_app_after_serving)(__VA_ARGS__)
#define http_app_error_handler(...) \
    http_app_here(http_app_error_handler)(__VA_ARGS__)
#define http_app_set_secrets(...) \
    http_app_here(http_app_set_secrets)(__VA_ARGS__)
#define http_app_set_session_cookie(...) \
    http_app_here(http_app_set_session_cookie)(__VA_ARGS__)
#define http_app_set_status(...) http_app_here(http_app_set_status)(__VA_ARGS__)
#define http_app_config_declare(...) \
    http_app_here(http_app_config_declare)(__VA_ARGS__)
#define http_app_config_file(...) \
    http_app_here(http_app_config_file)(__VA_ARGS__)
#define http_app_config_environment(...) \
    http_app_here(http_app_config_environment)(__VA_ARGS__)
#define http_app_config_set(...) http_app_here(http_app_config_set)(__VA_ARGS__)
#define http_app_ensure_sync(...) \
    http_app_here(http_app_ensure_sync)(__VA_ARGS__)
#define http_view_wrap(...)     http_app_here(http_view_wrap)(__VA_ARGS__)
#define http_blueprint_new(...) http_app_here(http_blueprint_new)(__VA_ARGS__)
#define http_blueprint_route(...) \
    http_app_here(http_blueprint_route)(__VA_ARGS__)
#define http_blueprint_route_with(...) \
    http_app_here(http_blueprint_route_with)(__VA_ARGS__)
#define http_blueprint_websocket(...) \
    http_app_here(http_blueprint_websocket)(__VA_ARGS__)
#define http_blueprint_websocket_with(...) \
    http_app_here(http_blueprint_websocket_with)(__VA_ARGS__)
#define http_blueprint_before_request(...) \
    http_app_here(http_blueprint_before_request)(__VA_ARGS__)
#define http_blueprint_after_request(...) \
    http_app_here(http_blueprint_after_request)(__VA_ARGS__)
#define http_blueprint_teardown_request(...) \
    http_app_here(http_blueprint_teardown_request)(__VA_ARGS__)
#define http_blueprint_error_handler(...) \
    http_app_here(http_blueprint_error_handler)(__VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
