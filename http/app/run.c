/* run.c - an application as a program (V-25), and hooks around serving (V-18)
 */
#include "http/app/app_impl.h"
#include "http/app/live.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* ---- around serving ---- */

static int run_hooks(struct http__call *call,
                     const struct http__hook_list *list)
{
    const char *what = list == &call->app->before_serving
                           ? "a function before serving"
                           : "a function after serving";
    int rc = 0;

    for (const struct http__hook *hook = list->first; hook != NULL && rc == 0;
         hook = hook->next)
        rc = http_view_call(&hook->view, call->request, call->response);
    if (rc > 0)
        rc = -ECANCELED; /* a status: it wants no serving */
    if (rc < 0)
        http__app_report(call, what, rc);
    return rc;
}

int http__app_run_around(struct http_app *app,
                         const struct http__hook_list *list)
{
    struct http_request *request;
    struct http__call *call;
    int rc;

    if (list->first == NULL)
        return 0;
    request = http__request_outside(app);
    if (request == NULL)
        return -ENOMEM;
    call = http__call_of(request);
    rc = call != NULL ? http__call_enter(call) : -ENOMEM;
    if (rc == 0) {
        call->app = app;
        rc = run_hooks(call, list);
        call->outside_request = true;
        http__call_end(call);
    }
    http_request_unref(request);
    return rc;
}

struct running {
    struct http_app *app;
    const struct http_serve_options *options;
    struct http__live_rows *rows; /* NULL: there is no status page */
};

static int begin(struct http_worker *worker, struct http_server *server,
                 void *data)
{
    const struct running *running = data;
    int rc = 0;

    if (running->rows != NULL)
        http__live_rows_take(running->rows, server, http_worker_index(worker),
                             http_worker_count(worker));
    if (running->options->begin != NULL)
        rc = running->options->begin(worker, server, running->options->data);
    if (rc != 0)
        return rc;
    rc = http__app_run_around(running->app, &running->app->before_serving);
    if (rc < 0 && running->options->end != NULL)
        running->options->end(worker, server, running->options->data);
    return rc;
}

static void end(struct http_worker *worker, struct http_server *server,
                void *data)
{
    const struct running *running = data;

    http__app_run_around(running->app, &running->app->after_serving);
    if (running->options->end != NULL)
        running->options->end(worker, server, running->options->data);
}

int http_app_serve(struct http_app *app,
                   const struct http_serve_options *options)
{
    static const struct http_serve_options defaults;
    struct running running = {app, options != NULL ? options : &defaults, NULL};
    struct http_serve_options mine = *running.options;
    int rc = app->error;

    if (rc < 0)
        return rc;
    mine.begin = begin;
    mine.end = end;
    mine.data = &running;
    if (app->status_path != NULL)
        running.rows = http__live_rows_new();
    rc = http_serve(&mine, http_app_view(app));
    http__live_rows_free(running.rows);
    return rc;
}

/* ---- as a program ---- */

enum { LISTENERS = 16 };

struct arguments {
    struct http_serve_listener listeners[LISTENERS];
    size_t count;
    struct http_serve_certificate certificate;
    const char *log, *status, *command, *watch;
    unsigned workers;
    bool reload, debug;
};

static const char usage[] =
    "usage: %s [OPTION]...\n"
    "  --bind ADDRESS   where to listen: 127.0.0.1:8080, [::1]:8080, "
    "unix:/path\n"
    "                   [127.0.0.1:8080, or what was handed over]\n"
    "  --workers N      processes [1]\n"
    "  --tls CERT[,KEY] certificate and key, in PEM, of all addresses\n"
    "  --log FILE       access log; - is standard output\n"
    "  --status[=PATH]  a page of what is going on, for this machine alone\n"
    "                   [/-/status]\n"
    "for who develops it:\n"
    "  --debug          errors say where they come from, to this machine "
    "alone\n"
    "  --reload[=COMMAND]  when the sources change run COMMAND [cmake --build\n"
    "                   of the program's build tree], and start the program "
    "anew\n"
    "  --watch FOLDER   where the sources are [those of the build tree]\n";

static int bad(const char *program, const char *argument)
{
    fprintf(stderr, "%s: %s: no such argument, or no good value\n", program,
            argument);
    fprintf(stderr, usage, program);
    return -EINVAL;
}

static int set_bind(struct arguments *arguments, char *value)
{
    if (arguments->count == LISTENERS)
        return -EINVAL;
    arguments->listeners[arguments->count++].address = value;
    return 0;
}

static int set_tls(struct arguments *arguments, char *value)
{
    char *comma = strchr(value, ',');

    if (comma != NULL)
        *comma++ = '\0';
    arguments->certificate =
        (struct http_serve_certificate){.chain = value, .key = comma};
    return 0;
}

static int set_workers(struct arguments *arguments, char *value)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    if (*end != '\0' || number == 0 || number > 1024)
        return -EINVAL;
    arguments->workers = (unsigned)number;
    return 0;
}

static int set_log(struct arguments *arguments, char *value)
{
    arguments->log = value;
    return 0;
}

static int set_watch(struct arguments *arguments, char *value)
{
    arguments->watch = value;
    return 0;
}

static int set_status(struct arguments *arguments, char *value)
{
    arguments->status = value != NULL ? value : "/-/status";
    return 0;
}

static int set_debug(struct arguments *arguments, char *value)
{
    arguments->debug = true;
    return value == NULL ? 0 : -EINVAL;
}

static int set_reload(struct arguments *arguments, char *value)
{
    arguments->reload = true;
    arguments->command = value;
    return 0;
}

/* Of those with `wants` the value may stand behind it, too. */
static const struct {
    const char *name;
    int (*set)(struct arguments *arguments, char *value);
    bool wants;
} known[] = {
    {"--bind", set_bind, true},       {"--tls", set_tls, true},
    {"--workers", set_workers, true}, {"--log", set_log, true},
    {"--watch", set_watch, true},     {"--status", set_status, false},
    {"--debug", set_debug, false},    {"--reload", set_reload, false},
};

/* Returns how many were taken, or -EINVAL. */
static int take(struct arguments *arguments, char **argv)
{
    size_t length = strcspn(argv[0], "=");
    char *value = argv[0][length] == '=' ? argv[0] + length + 1 : NULL;
    int taken = 1;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != length ||
            memcmp(known[i].name, argv[0], length) != 0)
            continue;
        if (known[i].wants && value == NULL) {
            value = argv[1];
            taken = 2;
        }
        if (known[i].wants && value == NULL)
            return -EINVAL;
        return known[i].set(arguments, value) < 0 ? -EINVAL : taken;
    }
    return -EINVAL;
}

/* Returns 0; 1: help was wanted; -EINVAL. */
static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    int taken;

    for (int i = 1; i < argc; i += taken) {
        if (strcmp(argv[i], "--help") == 0) {
            printf(usage, argv[0]);
            return 1;
        }
        taken = take(arguments, argv + i);
        if (taken < 0)
            return bad(argv[0], argv[i]);
    }
    return 0;
}

static int serve_as(struct http_app *app, struct arguments *arguments)
{
    bool handed = getenv("LISTEN_FDS") != NULL;
    struct http_serve_options options = {.listeners = arguments->listeners,
                                         .access_log = arguments->log};

    options.master.workers = arguments->workers;
    if (arguments->count == 0 && !handed)
        arguments->listeners[arguments->count++].address = "127.0.0.1:8080";
    options.listener_count = arguments->count;
    for (size_t i = 0; i < arguments->count; i++)
        if (arguments->certificate.chain != NULL) {
            arguments->listeners[i].certificates = &arguments->certificate;
            arguments->listeners[i].certificate_count = 1;
        }
    return http_app_serve(app, &options);
}

static int serve(struct http_app *app, struct arguments *arguments)
{
    struct http__reload *reload = NULL;
    int rc = 0;

    app->debug |= arguments->debug;
    if (arguments->status != NULL)
        rc = http_app_set_status(app, arguments->status);
    if (rc == 0 && arguments->reload)
        rc = http__reload_start(arguments->command, arguments->watch, &reload,
                                &app->reload_file);
    if (rc == 0)
        rc = serve_as(app, arguments);
    http__reload_stop(reload);
    return rc;
}

int http_app_run(struct http_app *app, int argc, char **argv)
{
    struct arguments arguments = {.workers = 1};
    int rc;

    if (app == NULL)
        return -ENOMEM;
    rc = app->error;
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", argc > 0 ? argv[0] : "http_app_run",
                app->error_text);
    if (rc == 0)
        rc = read_arguments(&arguments, argc, argv);
    if (rc == 0) {
        rc = serve(app, &arguments);
        if (rc < 0)
            fprintf(stderr, "%s: %s\n", argv[0], strerror(-rc));
    }
    http_app_free(app);
    return rc > 0 ? 0 : rc;
}
