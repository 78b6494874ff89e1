/* run.c - an application as a program (V-25), and hooks around serving (V-18)
 */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* ---- around serving ---- */

static int run_hooks(struct http__call *call,
                     const struct http__hook_list *list)
{
    int rc = 0;

    for (const struct http__hook *hook = list->first; hook != NULL && rc == 0;
         hook = hook->next)
        rc = http_view_call(&hook->view, call->request, call->response);
    if (rc > 0)
        rc = -ECANCELED; /* a status: it wants no serving */
    if (rc < 0)
        http__app_report(call, "a hook around serving", rc);
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
};

static int begin(struct http_worker *worker, struct http_server *server,
                 void *data)
{
    const struct running *running = data;
    int rc = 0;

    if (running->options->begin != NULL)
        rc = running->options->begin(worker, server, running->options->data);
    return rc == 0 ? http__app_run_around(running->app,
                                          &running->app->before_serving)
                   : rc;
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
    struct running running = {app, options != NULL ? options : &defaults};
    struct http_serve_options mine = *running.options;
    int rc = app->error;

    if (rc < 0)
        return rc;
    mine.begin = begin;
    mine.end = end;
    mine.data = &running;
    return http_serve(&mine, http_app_view(app));
}

/* ---- as a program ---- */

enum { LISTENERS = 16 };

struct arguments {
    struct http_serve_listener listeners[LISTENERS];
    size_t count;
    struct http_serve_certificate certificate;
    const char *log;
    unsigned workers;
};

static const char usage[] =
    "usage: %s [--bind ADDRESS]... [--workers N] [--tls CERT[,KEY]] [--log "
    "FILE]\n"
    "  --bind ADDRESS  where to listen: 127.0.0.1:8080, [::1]:8080, "
    "unix:/path\n"
    "                  [127.0.0.1:8080, or what was handed over]\n"
    "  --workers N     processes [1]\n"
    "  --tls CERT,KEY  certificate and key, in PEM, of all addresses\n"
    "  --log FILE      access log; - is standard output\n";

static int bad(const char *program, const char *argument)
{
    fprintf(stderr, "%s: %s: no such argument, or no good value\n", program,
            argument);
    fprintf(stderr, usage, program);
    return -EINVAL;
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

static int set(struct arguments *arguments, const char *name, char *value)
{
    char *end;
    unsigned long number;

    if (strcmp(name, "--bind") == 0) {
        if (arguments->count == LISTENERS)
            return -EINVAL;
        arguments->listeners[arguments->count++].address = value;
        return 0;
    }
    if (strcmp(name, "--tls") == 0)
        return set_tls(arguments, value);
    if (strcmp(name, "--log") == 0) {
        arguments->log = value;
        return 0;
    }
    if (strcmp(name, "--workers") != 0)
        return -EINVAL;
    number = strtoul(value, &end, 10);
    if (*end != '\0' || number == 0 || number > 1024)
        return -EINVAL;
    arguments->workers = (unsigned)number;
    return 0;
}

/* Returns 0; 1: help was wanted; -EINVAL. */
static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            printf(usage, argv[0]);
            return 1;
        }
        if (i + 1 == argc || set(arguments, argv[i], argv[i + 1]) < 0)
            return bad(argv[0], argv[i]);
    }
    return 0;
}

static int serve(struct http_app *app, struct arguments *arguments)
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
