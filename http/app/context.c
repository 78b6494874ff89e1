/* context.c - the current request, and what belongs to it (V-22)
 *
 * Each request has a context of its own, which its tasks copy.  It holds a
 * reference to the request, so that whoever has a copy keeps it. */
#include "http/app/app_impl.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

static struct greenlet_var *current;
static pthread_once_t current_once = PTHREAD_ONCE_INIT;

static void let_go(void *value)
{
    http_request_unref(value);
}

/* Method and rule, and the endpoint's name; of what no rule matched, the path.
 */
static void say_what(struct http_request *request, char *text, size_t size)
{
    const struct http__call *call = request->call;

    if (call != NULL && call->route != NULL)
        snprintf(text, size, "%s %s, %s", http_request_verb(request),
                 call->route->path, call->route->how.endpoint);
    else
        snprintf(text, size, "%s %s", http_request_verb(request),
                 http_request_path(request));
    for (; *text != '\0'; text++) /* what a client sent writes no lines */
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* A task or a greenlet of a view has a copy of its context, also when it has
 * ended. */
static void describe(const struct greenlet *g, char *text, size_t size)
{
    struct greenlet_context *context;
    void *value = NULL;

    if (greenlet_get_context((struct greenlet *)(uintptr_t)g, &context) < 0 ||
        context == NULL)
        return;
    if (greenlet_context_get(context, current, &value) == 0 && value != NULL)
        say_what(value, text, size);
    greenlet_context_unref(context);
}

static void make_current(void)
{
    current = greenlet_var_new("http_request_current", let_go);
    if (current != NULL)
        hub_set_error_about(describe);
}

struct http_request *http_request_current(void)
{
    pthread_once(&current_once, make_current);
    return current != NULL ? greenlet_var_get_or(current, NULL) : NULL;
}

/* ---- calls ---- */

/* The request is gone. */
static void forget(void *data)
{
    struct http__call *call = data;

    while (call->g != NULL) {
        struct http__value *value = call->g;

        call->g = value->next;
        if (value->drop != NULL)
            value->drop(value->value);
    }
    if (call->json != NULL)
        json_decref(call->json);
    if (call->session != NULL)
        json_decref(call->session);
}

struct http__call *http__call_of(struct http_request *request)
{
    struct http__call *call = request->call;

    if (call != NULL)
        return call;
    call = http_request_alloc(request, sizeof *call);
    if (call == NULL)
        return NULL;
    memset(call, 0, sizeof *call);
    call->request = request;
    call->response = &request->work->response;
    if (http_request_defer(request, forget, call) < 0)
        return NULL;
    request->call = call;
    return call;
}

int http__call_enter(struct http__call *call)
{
    struct greenlet_context *own;

    pthread_once(&current_once, make_current);
    if (current == NULL)
        return -ENOMEM;
    own = greenlet_context_with(current, http_request_ref(call->request));
    if (own == NULL)
        return -ENOMEM;
    call->outside = greenlet_swap_context(own);
    call->entered = true;
    return 0;
}

bool http__call_may_wait(const struct http__call *call)
{
    const struct http__defer *newest = call->request->defers;

    if (call->scope != NULL || call->client != NULL || call->g != NULL ||
        newest == NULL || newest->function != forget)
        return true;
    return call->app != NULL && !call->outside_request &&
           http__app_has_teardown(call);
}

/* In the order in which they were entered, the last first. */
static void leave_scopes(struct http__call *call)
{
    if (call->scope != NULL)
        hub_scope_end(call->scope);
    call->scope = NULL;
    if (call->timeout != NULL)
        hub_timeout_end(call->timeout);
    call->timeout = NULL;
    if (call->client != NULL)
        hub_scope_end(call->client);
    call->client = NULL;
}

void http__call_end(struct http__call *call)
{
    if (!call->entered)
        return;
    http__app_teardown(call);
    leave_scopes(call);
    if (call->live.back != NULL)
        http__live_end(call);
    call->entered = false;
    greenlet_context_unref(greenlet_swap_context(call->outside));
}

/* ---- values ---- */

static struct http__value *find(struct http__call *call, const char *name)
{
    struct http__value *value = call->g;

    while (value != NULL && strcmp(value->name, name) != 0)
        value = value->next;
    return value;
}

static struct http__value *add(struct http__call *call, const char *name)
{
    struct http__arena *arena = http__call_arena(call);
    struct http__value *made = http__arena_alloc(arena, sizeof *made);

    if (made == NULL)
        return NULL;
    memset(made, 0, sizeof *made);
    made->name = http__arena_copy(arena, name, strlen(name));
    if (made->name == NULL)
        return NULL;
    made->next = call->g;
    call->g = made;
    return made;
}

static int set(struct http__call *call, const char *name, void *value,
               void (*drop)(void *value))
{
    struct http__value *at = find(call, name);
    struct http__value old;

    if (at == NULL)
        at = add(call, name);
    if (at == NULL)
        return -ENOMEM;
    old = *at;
    at->value = value;
    at->drop = drop;
    if (old.drop != NULL)
        old.drop(old.value);
    return 0;
}

int http_g_set(const char *name, void *value, void (*drop)(void *value))
{
    struct http_request *request = http_request_current();
    int rc = -ENOENT;

    if (request != NULL)
        rc = set(request->call, name, value, drop);
    if (rc < 0 && drop != NULL)
        drop(value);
    return rc;
}

void *http_g_get(const char *name)
{
    struct http_request *request = http_request_current();
    struct http__value *value =
        request != NULL ? find(request->call, name) : NULL;

    return value != NULL ? value->value : NULL;
}

/* ---- what was matched ---- */

struct http_app *http_request_app(const struct http_request *request)
{
    return request->call != NULL ? request->call->app : NULL;
}

const char *http_request_endpoint(const struct http_request *request)
{
    const struct http__call *call = request->call;

    return call != NULL && call->route != NULL ? call->route->how.endpoint
                                               : NULL;
}

int http_request_error(const struct http_request *request)
{
    return request->call != NULL ? request->call->error : 0;
}

const char *http_request_path_arg(const struct http_request *request,
                                  const char *name)
{
    const struct http__call *call = request->call;

    if (call == NULL || call->route == NULL)
        return NULL;
    for (unsigned i = 0; i < call->count; i++)
        if (strcmp(call->values[i].name, name) == 0)
            return call->values[i].value;
    for (size_t i = 0; i < call->route->how.default_count; i++)
        if (strcmp(call->route->how.defaults[i].name, name) == 0)
            return call->route->how.defaults[i].value;
    return NULL;
}

int http_request_path_int(const struct http_request *request, const char *name,
                          int64_t *value)
{
    const char *text = http_request_path_arg(request, name);
    int saved = errno, rc = 0;
    char *end;
    long long number;

    if (text == NULL)
        return -ENOENT;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0)
        rc = -ERANGE;
    else if (*end != '\0' || strchr("-0123456789", *text) == NULL ||
             end == text)
        rc = -EINVAL;
    errno = saved;
    if (rc == 0)
        *value = number;
    return rc;
}
