/* serve.c - an HTTP service: a server in each hub of each worker */
#include "http/serve.h"
#include "http/memory.h"

#include "http/forwarded.h"
#include "http/http_impl.h"
#include "http/log.h"
#include "http/master_impl.h"
#include "http/proxy.h"

#include "hub/signal.h"
#include "hub/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALPN     "http/1.1,http/1.0"
#define QUEUE_NS HUB_SECOND /* for what waits to be accepted at the end */
enum { LISTENERS = 64, FIELDS = 16 };

/* What one hub has. */
struct service {
    const struct http_serve_options *options;
    struct http_worker *worker;
    struct http_server *server;
    struct http_accesslog *log;
    struct http_trust *trust;
    struct hub_tls_context *tls[LISTENERS]; /* of listeners */
    int fds[LISTENERS];
    size_t count;
    struct hub_signal *reopen[2];
    bool begun; /* what the options' begin did is to be undone by their end */
};

struct serving {
    const struct http_serve_options *options;
    struct http_view view;
};

/* ---- TLS ---- */

static int use(struct hub_tls_context *context,
               const struct http_serve_listener *listener,
               const struct http_serve_certificate *certificate)
{
    int rc =
        hub_tls_use_certificate(context, certificate->chain, certificate->key);

    if (rc < 0)
        http__master_say("certificate %s: %s", certificate->chain,
                         strerror(-rc));
    if (rc == 0)
        rc = hub_tls_set_alpn(context,
                              listener->alpn != NULL ? listener->alpn : ALPN);
    return rc;
}

/* A name has a context of its own, which the first one leads to. */
static int add_name(struct hub_tls_context *context,
                    const struct http_serve_listener *listener,
                    const struct http_serve_certificate *certificate)
{
    struct hub_tls_context *other = hub_tls_context_new(HUB_TLS_SERVER);
    int rc = other != NULL ? use(other, listener, certificate) : -ENOMEM;

    if (rc == 0)
        rc = hub_tls_add_name(context, certificate->name, other);
    hub_tls_context_unref(other);
    return rc;
}

/* Who asks for no name that we know gets the one without a name, else the
 * first. */
static int make_tls(const struct http_serve_listener *listener,
                    struct hub_tls_context **made)
{
    const struct http_serve_certificate *list = listener->certificates;
    struct hub_tls_context *context = hub_tls_context_new(HUB_TLS_SERVER);
    size_t fallback = 0;
    int rc = context != NULL ? 0 : -ENOMEM;

    for (size_t i = listener->certificate_count; i-- > 0;)
        if (list[i].name == NULL)
            fallback = i;
    if (rc == 0)
        rc = use(context, listener, &list[fallback]);
    for (size_t i = 0; i < listener->certificate_count && rc == 0; i++)
        if (list[i].name != NULL)
            rc = add_name(context, listener, &list[i]);
    if (rc == 0)
        *made = context;
    else if (context != NULL)
        hub_tls_context_unref(context);
    return rc;
}

/* ---- the PROXY protocol ---- */

/* Exactly the header is taken from the socket: what is behind it is not ours.
 */
static int read_proxy(int fd, struct http__proxy *proxy, int64_t deadline_ns)
{
    char data[HTTP__PROXY_MAX];
    size_t have = 0, length = 0, take;
    int rc = 0;

    while (rc == 0) {
        ssize_t got = hub_recv(fd, data + have, sizeof data - have, MSG_PEEK,
                               deadline_ns);

        if (got <= 0)
            return got < 0 ? (int)got : -ECONNRESET;
        rc = http__proxy_parse(data, have + (size_t)got, &length, proxy);
        if (rc < 0)
            return rc;
        take = rc == 1 ? length - have : (size_t)got;
        got = hub_recv(fd, data + have, take, 0, deadline_ns);
        if (got != (ssize_t)take)
            return got < 0 ? (int)got : -ECONNRESET;
        have += take;
    }
    return 0;
}

static int accept_proxy(int fd, struct hub_address *peer, int64_t deadline_ns,
                        void *data)
{
    const struct service *service = data;
    struct http__proxy proxy;
    int rc;

    if (!http_trust_contains(service->trust, peer))
        return -EACCES;
    rc = read_proxy(fd, &proxy, deadline_ns);
    if (rc == 0 && proxy.known)
        *peer = proxy.source;
    return rc == 0 && proxy.tls ? HTTP_SERVER_OVER_TLS : rc;
}

/* ---- each request ---- */

/* The fields of a name; those beyond what there is room for are the client's,
 * if any: the last ones count. */
static struct http__forwarded_list find(struct http_request *request,
                                        const char *name,
                                        struct http__forwarded_value *values)
{
    size_t all = http_request_headers(request), count = 0;

    for (size_t i = 0; i < all; i++) {
        const char *value = NULL;
        const char *has = http_request_header_at(request, i, &value);

        if (has == NULL || strcasecmp(has, name) != 0)
            continue;
        if (count == FIELDS)
            memmove(values, values + 1, --count * sizeof *values);
        values[count++] = (struct http__forwarded_value){value, strlen(value)};
    }
    return (struct http__forwarded_list){values, count};
}

static int name_client(struct service *service, struct http_request *request)
{
    bool x = service->options->forwarded == HTTP_SERVE_X_FORWARDED;
    struct http__forwarded_value client[FIELDS], proto[FIELDS], host[FIELDS];
    struct http__forwarded_fields fields = {.client = {NULL, 0}};
    struct http__forwarded found;
    char name[256]; /* as long as a host may be */

    fields.client = find(request, x ? "X-Forwarded-For" : "Forwarded", client);
    if (x) {
        fields.proto = find(request, "X-Forwarded-Proto", proto);
        fields.host = find(request, "X-Forwarded-Host", host);
    }
    http__forwarded_read(x ? HTTP__FORWARDED_X : HTTP__FORWARDED_RFC7239,
                         service->trust, http_request_peer(request), &fields,
                         &found);
    if (found.host != NULL)
        snprintf(name, sizeof name, "%.*s", (int)found.host_size, found.host);
    return http__request_set_client(request, &found.client, found.proto,
                                    found.host != NULL ? name : NULL) < 0
               ? 503
               : 0;
}

static int received(struct http_request *request, void *data)
{
    struct service *service = data;
    const struct http_server_options *server = &service->options->server;
    int rc = 0;

    if (http_trust_contains(service->trust, http_request_peer(request)))
        rc = name_client(service, request);
    if (rc == 0 && server->received != NULL)
        rc = server->received(request, server->received_data);
    return rc;
}

static const char *client_text(const struct hub_address *peer, char *text,
                               size_t size)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->storage;

    if (peer->storage.ss_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, text, (socklen_t)size);
    if (peer->storage.ss_family == AF_INET6)
        return inet_ntop(AF_INET6, &v6->sin6_addr, text, (socklen_t)size);
    return "unix:";
}

static struct http__log_text text_of(const char *text)
{
    return (struct http__log_text){text, text != NULL ? strlen(text) : 0};
}

static void access_line(const struct http_server_access *access, void *data)
{
    struct service *service = data;
    const struct http_server_options *server = &service->options->server;
    char client[INET6_ADDRSTRLEN];
    const struct http__log_entry entry = {
        .client = client_text(access->peer, client, sizeof client),
        .verb = access->verb,
        .target = access->target,
        .minor = access->minor,
        .line = {access->line, access->line_length},
        .referer = text_of(access->referer),
        .agent = text_of(access->user_agent),
        .status = access->status,
        .bytes = (int64_t)access->sent,
        .time = time(NULL),
    };

    if (service->log != NULL)
        http__log_write(service->log, &entry);
    if (server->access != NULL)
        server->access(access, server->access_data);
}

/* ---- a hub's ---- */

static void reopen(int number, void *arg)
{
    (void)number;
    http_accesslog_reopen(arg);
}

static int open_log(struct service *service)
{
    const char *path = service->options->access_log;
    int rc = 0;

    if (path == NULL)
        return 0;
    rc = http_accesslog_open(path, &service->options->log, &service->log);
    if (rc < 0) {
        http__master_say("access log %s: %s", path, strerror(-rc));
        return rc;
    }
    rc = hub_signal_start(SIGUSR1, reopen, service->log, &service->reopen[0]);
    if (rc == 0)
        rc = hub_signal_start(SIGUSR2, reopen, service->log,
                              &service->reopen[1]);
    return rc;
}

static int make_server(struct service *service, struct http_view view)
{
    struct http_server_options options = service->options->server;

    if (service->trust != NULL) {
        options.received = received;
        options.received_data = service;
    }
    if (service->log != NULL) {
        options.access = access_line;
        options.access_data = service;
    }
    return http_server_new(view, &options, &service->server);
}

static int listen_one(struct service *service, int fd, unsigned which)
{
    const struct http_serve_options *options = service->options;
    struct http_server_listener how = {.tls = NULL};

    if (which < options->listener_count && which < LISTENERS) {
        how.tls = service->tls[which];
        if (options->listeners[which].proxy) {
            how.accepted = accept_proxy;
            how.accepted_data = service;
        }
    }
    if (service->count < LISTENERS)
        service->fds[service->count++] = fd;
    return http_server_listen_fd(service->server, fd, &how);
}

static int listen_all(struct service *service)
{
    unsigned which;
    int fd, rc = 0;

    for (size_t i = 0; rc == 0; i++) {
        fd = http_worker_listener(service->worker, i, &which);
        if (fd < 0)
            break;
        rc = listen_one(service, fd, which);
    }
    return rc;
}

static int begin(struct service *service, struct http_view view)
{
    const struct http_serve_options *options = service->options;
    int rc = open_log(service);

    if (rc == 0 && options->trusted != NULL)
        rc = http_trust_new(options->trusted, &service->trust);
    for (size_t i = 0; i < options->listener_count && rc == 0; i++)
        if (options->listeners[i].certificate_count > 0)
            rc = make_tls(&options->listeners[i], &service->tls[i]);
    if (rc == 0)
        rc = make_server(service, view);
    if (rc == 0 && options->begin != NULL)
        rc = options->begin(service->worker, service->server, options->data);
    service->begun = rc == 0;
    if (rc == 0)
        rc = listen_all(service);
    return rc;
}

/* Who was in the queue when the end was said is still served: whoever comes
 * next on this socket, if anybody, has no less to do for it. */
static void empty_queues(struct service *service)
{
    int64_t until = hub_deadline(QUEUE_NS);
    bool waits = true;

    while (waits && hub_now() < until) {
        waits = false;
        for (size_t i = 0; i < service->count; i++) {
            struct pollfd queue = {.fd = service->fds[i], .events = POLLIN};

            waits |= poll(&queue, 1, 0) > 0;
        }
        if (waits && hub_sleep(HUB_MILLISECOND) < 0)
            break;
    }
}

static void end(struct service *service)
{
    const struct http_serve_options *options = service->options;

    if (service->server != NULL) {
        http_server_stop(service->server,
                         http_worker_time_left(service->worker));
        if (options->end != NULL && service->begun)
            options->end(service->worker, service->server, options->data);
        http_server_free(service->server);
    }
    for (size_t i = 0; i < 2; i++)
        if (service->reopen[i] != NULL)
            hub_signal_stop(service->reopen[i]);
    http_accesslog_close(service->log);
    for (size_t i = 0; i < LISTENERS; i++)
        if (service->tls[i] != NULL)
            hub_tls_context_unref(service->tls[i]);
    http_trust_free(service->trust);
    free(service);
}

static int run(struct http_worker *worker, void *arg)
{
    const struct serving *serving = arg;
    struct service *service = http__calloc(1, sizeof *service);
    int rc;

    if (service == NULL)
        return -ENOMEM;
    service->options = serving->options;
    service->worker = worker;
    rc = begin(service, serving->view);
    if (rc == 0)
        rc = http_worker_ready(worker);
    if (rc == 0)
        rc = http_worker_wait(worker, HUB_FOREVER);
    if (rc == 0)
        empty_queues(service);
    end(service);
    return rc;
}

/* ---- the service ---- */

static int check(const struct http_serve_options *options)
{
    struct http_trust *trust = NULL;
    int rc = options->listener_count < LISTENERS ? 0 : -EINVAL;

    if (rc == 0 && options->trusted != NULL)
        rc = http_trust_new(options->trusted, &trust);
    for (size_t i = 0; i < options->listener_count && rc == 0; i++)
        if (options->listeners[i].address == NULL ||
            (options->listeners[i].proxy && trust == NULL))
            rc = -EINVAL;
    http_trust_free(trust);
    return rc;
}

/* Drivers write to servers that may be gone, and not all ask for an error instead
 * of the signal: it would end all requests of the worker.  Returns whether it was
 * the default. */
static bool ignore_pipes(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) < 0 || (now.sa_flags & SA_SIGINFO) ||
        now.sa_handler != SIG_DFL)
        return false;
    now.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &now, NULL) == 0;
}

int http_serve(const struct http_serve_options *options, struct http_view view)
{
    static const struct http_serve_options defaults;
    struct serving serving = {options != NULL ? options : &defaults, view};
    struct http_master_options master = serving.options->master;
    const char *addresses[LISTENERS + 1] = {NULL};
    int rc = check(serving.options);
    bool ignored;

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < serving.options->listener_count; i++)
        addresses[i] = serving.options->listeners[i].address;
    master.listen = addresses[0] != NULL ? addresses : NULL;
    ignored = ignore_pipes();
    rc = http_master_run(&master, run, &serving);
    if (ignored)
        signal(SIGPIPE, SIG_DFL);
    return rc;
}
