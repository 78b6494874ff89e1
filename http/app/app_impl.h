/* app_impl.h - applications from the inside
 *
 * Rules: an application is read only while it serves, since all hubs share it;
 * what a request has is its `call`, in the request's own memory. */
#ifndef HTTP_APP_IMPL_H
#define HTTP_APP_IMPL_H

#include "http/app.h"
#include "http/appdata.h"
#include "http/http_impl.h"

#include "context/contextvar.h"
#include "context/gate.h"
#include "hub/spawn.h"
#include "hub/timeout.h"
#include "hub/watcher.h"

#include <setjmp.h>

/* ---- names and values ---- */

struct http__pair {
    const char *name, *value;
};
struct http__pairs {
    struct http__pair *list;
    size_t count, room;
};

/* pairs.c.  Returns 0, -ENOMEM. */
int http__pairs_add(struct http__pairs *pairs, struct http__arena *arena,
                    const char *name, const char *value);
/* The first of that name; NULL: none. */
const char *http__pairs_get(const struct http__pairs *pairs, const char *name);

/* ---- rules ---- */

enum http__converter {
    HTTP__TEXT, /* no argument */
    HTTP__INT,
    HTTP__FLOAT,
    HTTP__UUID,
    HTTP__STRING,
    HTTP__PATH
};

/* A piece of a rule: text, or an argument. */
struct http__piece {
    enum http__converter converter;
    const char *text; /* or the argument's name */
    size_t length;
};

/* What stands between two slashes; HTTP__PATH alone in it takes all that
 * follow. */
struct http__segment {
    struct http__piece *pieces;
    unsigned count;
};

struct http__route {
    struct http__route *next;      /* of the application, in their order */
    struct http__route *next_here; /* of the same node */
    struct http_app_route how;     /* its texts are the application's */
    struct http_blueprint *blueprint;
    struct http__segment *segments;
    unsigned count;         /* of segments */
    const char **arguments; /* names, in the order of the rule */
    unsigned argument_count;
    bool slash;                /* the rule ends in one */
    uint32_t methods;          /* bits of http__method_bit() */
    const char *path;          /* of the rule, with its prefix */
    struct http_view original; /* as it was registered */
};

/* rule.c: fill in segments, arguments and slash of a route's path.  Returns 0,
 * -EINVAL with *why, -ENOMEM. */
int http__rule_parse(struct http__arena *arena, struct http__route *route,
                     const char **why);
/* Does that text match; the arguments' texts go to values[].  Returns how many,
 * -1: it does not. */
int http__segment_match(const struct http__segment *segment, const char *text,
                        size_t length, struct http__pair *values,
                        struct http__arena *arena);
bool http__converter_takes(enum http__converter converter, const char *text,
                           size_t length);

/* methods.c: a bit for each method that http-parser knows and an application
 * has; 0: none. */
uint32_t http__method_bit(const char *name, size_t length);
/* "GET, POST" as bits.  Returns 0, -EINVAL. */
int http__methods_parse(const char *text, uint32_t *methods);
/* The other way round, for Allow; in the request's memory. */
const char *http__methods_text(struct http__arena *arena, uint32_t methods);
extern const uint32_t http__method_get, http__method_head, http__method_options,
    http__method_websocket;

/* ---- the router: router.c ---- */

struct http__node;

struct http__found {
    const struct http__route *route; /* NULL: none */
    struct http__pair *values;       /* of its arguments */
    unsigned count;
    uint32_t allowed; /* methods of all routes of that path; 0: no such path */
    bool add_slash;   /* it is there with a slash at its end */
};

/* Returns 0, -EEXIST, -ENOMEM. */
int http__router_add(struct http__node **root, struct http__arena *arena,
                     struct http__route *route);
/* path is as it came.  Returns 0, or -EINVAL: it cannot be decoded; -ENOMEM. */
int http__router_find(const struct http__node *root, struct http__arena *arena,
                      const char *path, uint32_t method,
                      struct http__found *found);

/* ---- decoding: urlencoded.c ---- */

/* %XX, and with `plus` '+' for a blank; a 0 behind it.  Returns the length, or
 * -EINVAL: a '%' without two digits, or a NUL. */
ssize_t http__url_decode(char *to, const char *from, size_t length, bool plus);
/* What is not unreserved (RFC 3986 2.3), nor in `also`, as %XX.  NULL: no
 * memory. */
int http__url_encode(struct http__text *to, struct http__arena *arena,
                     const char *text, const char *also);

/* "a=b&c=d", decoded.  Returns 0, -EBADMSG, -EMSGSIZE: more than HTTP__MOST,
 * -ENOMEM. */
enum { HTTP__MOST = 1000 };
int http__urlencoded(const char *text, size_t length, struct http__arena *arena,
                     struct http__pairs *pairs);

/* cookies.c: the pairs of a Cookie field; what is none is skipped.  Returns 0,
 * -ENOMEM. */
int http__cookies_read(struct http__pairs *cookies, struct http__arena *arena,
                       const char *field);

/* ---- hooks, handlers ---- */

struct http__hook {
    struct http__hook *next, *before;
    struct http_view view;
};
struct http__hook_list {
    struct http__hook *first, *last;
};

struct http__handler {
    struct http__handler *next;
    int error;
    struct http_view view;
};

struct http__hooks {
    struct http__hook_list before, after, teardown;
    struct http__handler *handlers;
};

struct http_blueprint {
    struct http_blueprint *next;
    struct http_app *app;
    const char *name, *prefix;
    struct http__hooks hooks;
};

struct http__setting {
    struct http__setting *next;
    struct http_app_option option;
    const char *text; /* NULL: not set */
    int64_t number;
};

struct http_app {
    struct http__arena arena; /* of all that is registered */
    int error;                /* the first */
    char error_text[256];
    struct http__node *root;
    struct http__route *routes, **last_route;
    struct http_blueprint *blueprints;
    struct http__hooks hooks;
    struct http__hook_list before_serving, after_serving;
    http_app_adapter *adapter;
    int64_t timeout_ns;
    bool debug;              /* develop.c */
    const char *reload_file; /* what the compiler said; NULL: no --reload */
    const char *status_path; /* NULL: there is no status page */
    bool gate_passed;
    bool cancel_sync, cancel_async; /* when the client goes away */
    struct http__setting *settings;
    const char **secrets;
    size_t secret_count;
    const char *session_name;
    struct http_response_cookie session_cookie;
    enum http_app_level least;
    void (*sink)(enum http_app_level level, const char *line, void *data);
    void *sink_data;
    max_align_t arena_room[2048 / sizeof(max_align_t)];
};

/* register.c: note the first error.  Returns rc. */
int http__app_fail(struct http_app *app, int rc, const char *what,
                   const char *why);

/* ---- a request ---- */

/* A call of a view, which http_request_abort() ends. */
struct http__guard {
    struct http__guard *outer;
    struct greenlet *greenlet;
    const void *deferred, *entered; /* before it */
    struct hub_scope *scope;        /* of the call, before it */
    struct hub_timeout *timeout;
    void *frame; /* those below it are unwound */
    int status;
    jmp_buf back;
    max_align_t exception[8]; /* a struct _Unwind_Exception */
};

struct http__value {
    struct http__value *next;
    const char *name;
    void *value;
    void (*drop)(void *value);
};

/* In flight, where there is a status page (live.c). */
struct http__live_entry {
    struct http__live_entry *next, **back; /* back NULL: it is not */
    const struct http__call *call;
    uint64_t number;
    int64_t began;
};

struct http__call {
    struct http_request *request;
    struct http_response *response;
    struct http_app *app; /* NULL: a server without an application */
    const struct http__route *route;
    struct http_blueprint *blueprint;
    struct http__pair *values; /* of the route's arguments */
    unsigned count;
    int error;   /* that is or was handled */
    int aborted; /* the status of http_request_abort() that nobody has seen yet
                  */
    int data_error, data_status; /* of what was read of the request; 0: none */
    struct http__guard *guards;
    struct greenlet_context *outside; /* of its greenlet, before it */
    struct http__value *g;
    struct http__hook *after_this; /* the newest */
    bool entered;                  /* its end is still to come */
    bool outside_request;          /* of no client: no teardown_request */
    /* of an async view whose answer is a stream */
    struct hub_scope *scope;
    struct hub_timeout *timeout;
    struct hub_scope *client;
    /* what was read of the request */
    bool args_read, cookies_read, form_read, json_read;
    int args_rc, form_rc, json_rc;
    struct http__pairs args, cookies, form;
    struct http_form_file *files;
    size_t file_count, file_room;
    struct json_t *json;
    const char *json_error;
    const char *id; /* http_request_id() */
    struct json_t *session;
    bool session_read, session_sent, session_changed;
    struct http_websocket *websocket; /* that the view has opened */
    int refused;                      /* what opening it came to */
    bool opened, after_done;
    struct http__live_entry live;
    void **trace; /* of http_request_abort(), for the debug page */
    int trace_count;
};

/* context.c.  The call of a request, made if there is none; NULL: no memory. */
struct http__call *http__call_of(struct http_request *request);
/* It is the current one from now on, until http__call_end().  Returns 0,
 * -ENOMEM. */
int http__call_enter(struct http__call *call);
/* A call of a guarded view, from any place. */
static inline struct http__arena *http__call_arena(struct http__call *call)
{
    return &call->request->work->arena;
}

/* dispatch.c */
int http__app_dispatch(const struct http_view *view,
                       struct http_request *request,
                       struct http_response *response);
void http__app_teardown(struct http__call *call);
/* After functions, and the session's cookie; once. */
void http__app_after(struct http__call *call);
/* The response to an error. */
void http__app_answer_error(struct http__call *call, int error);
/* A line for the operator. */
void http__app_report(struct http__call *call, const char *what, int error);

/* develop.c.  May it see what is for the developer: from this machine? */
bool http__request_is_local(struct http_request *request);
/* Note the frames from the one that goes on at `from` up to the call of the view, for
 * the debug page. */
enum { HTTP__TRACE = 64 };
void http__debug_trace(struct http__call *call, const void *from,
                       const void *view);
/* Answer with the page that tells of an error, or of a program that does not
 * compile.  False: not here. */
bool http__debug_page(struct http__call *call, int error);
bool http__reload_page(struct http__call *call);

/* live.c: a request begins and ends.  livejson.c: the status page; false: it is not
 * asked for, or not by this client. */
void http__live_begin(struct http__call *call);
void http__live_end(struct http__call *call);
bool http__live_answer(struct http__call *call);

/* reload.c.  Watch the program's sources in the master, run a command (NULL: the build
 * of its build tree) when they change, and restart: until stop.  *file: what the
 * compiler said.  Returns 0, or why not, with a line on stderr. */
struct http__reload;
int http__reload_start(const char *command, const char *directory,
                       struct http__reload **reload, const char **file);
void http__reload_stop(struct http__reload *reload);

/* socketview.c.  Does the request ask for a WebSocket? */
bool http__asks_for_websocket(struct http_request *request);
/* The view has returned rc, its WebSocket being open. */
void http__socket_view_end(struct http__call *call, int rc);

/* data.c: an error of the request's data; returns it. */
int http__data_error(struct http__call *call, int error);
/* Is Content-Type that, whatever its parameters? */
bool http__content_type_is(struct http_request *request, const char *type);
/* multipart.c: fill in form and files.  Returns 0, -EBADMSG, -EMSGSIZE,
 * -ENOMEM. */
int http__multipart(struct http__call *call, const char *type, const char *data,
                    size_t size);
/* jsondepth.c: are arrays and objects nested deeper than that?  The offset, -1:
 * no.
 */
ssize_t http__json_too_deep(const char *text, size_t length, unsigned most);

enum { HTTP__SESSION_AGE = 31 * 86400 };
/* session.c: set its cookie, if there is something to set. */
void http__session_save(struct http__call *call);
/* base64url.c.  Encode: room for 4 bytes for each 3 that are begun, and a 0.
 * Decode: the length, or -EINVAL: it is not what encode makes. */
size_t http__base64url_encode(char *to, const void *from, size_t size);
ssize_t http__base64url_decode(void *to, const char *from, size_t length);
#ifdef VIREO_TEST_HOOKS
extern bool http__test_without_openat2; /* static.c: as on an old kernel */
#endif
/* mime.c: by the ending of a name. */
const char *http__mime_type(const char *name);
/* outside.c: a request of no client; its reference is the caller's.  NULL: no
 * memory. */
struct http_request *http__request_outside(struct http_app *app);

/* run.c: hooks around serving, with a request of no client.  Returns 0, or the
 * error of the first that fails. */
int http__app_run_around(struct http_app *app,
                         const struct http__hook_list *list);

/* adapter.c */
bool http__view_is_async(const struct http_view *view);
/* timed.c: the view of a route, with its time limit if it has one; and while
 * its client is watched. */
int http__call_limited(struct http__call *call, const struct http_view *view);
int http__call_watched(struct http__call *call, const struct http_view *view);

#endif
