/* ares.c - the resolver that asks servers itself, by c-ares
 *
 * A channel per hub.  A greenlet drives it while questions are open: it waits for
 * all its sockets at once, until the first of its deadlines.  c-ares tells which
 * sockets there are, also out of calls of other greenlets, which then wake the
 * driver.  Answers are taken in callbacks, which only wake. */
#include "hub/ares.h"
#include "hub/config_impl.h"
#include "hub/resolver_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ares_socket {
    struct ares_socket *next;
    struct hub__ares *ares;
    struct hub__fd_wait wait; /* linked while the driver waits */
    int events;
    int ready; /* what c-ares has not been told of */
};

struct hub__ares {
    struct hub__part part;
    struct hub *hub;
    ares_channel channel; /* NULL: none, or no longer */
    struct ares_socket *sockets;
    unsigned open;               /* questions */
    unsigned settings;           /* that the channel was made with */
    struct greenlet *driver;
    struct hub__waiter *waiter;  /* of the driver */
    bool short_of_memory; /* a socket was given up: until none is open */
    bool silent; /* those who asked are not there any more */
};

#define NI_FLAGS /* that libc knows, those of IDN too */                     \
    (NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM | \
     0xe0)

static const struct hub__wait_kind waits_for_servers = { "DNS servers", NULL };
static const struct hub__wait_kind waits_for_answer = { "an answer from DNS",
                                                        NULL };

static const struct hub__ares_functions *lib(void)
{
    return hub__ares_library();
}

static bool library_is_there(void)
{
    return lib() != NULL;
}

/* ---- sockets ---- */

static void rouse_driver(struct hub__ares *ares)
{
    if (ares->waiter != NULL)
        hub__wake(ares->waiter, 0);
}

static void forget_socket(struct ares_socket **at)
{
    struct ares_socket *gone = *at;

    *at = gone->next;
    hub__unwatch(gone->ares->hub, &gone->wait);
    hub_fd_closed(gone->wait.fd);
    free(gone);
}

/* c-ares gives one up that we have no memory for, and in the end the question. */
static int on_new_socket(ares_socket_t fd, int type, void *data)
{
    struct hub__ares *ares = data;
    struct ares_socket *made = greenlet__calloc(1, sizeof *made);

    (void)type;
    if (made == NULL) {
        ares->short_of_memory = true;
        return -1;
    }
    made->ares = ares;
    made->wait.fd = fd;
    made->next = ares->sockets;
    ares->sockets = made;
    return 0;
}

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct hub__ares *ares = data;
    struct ares_socket **at = &ares->sockets;
    int events = (readable ? HUB_READ : 0) | (writable ? HUB_WRITE : 0);

    while (*at != NULL && (*at)->wait.fd != fd)
        at = &(*at)->next;
    if (*at != NULL && events == 0)
        forget_socket(at);
    else if (*at != NULL)
        (*at)->events = events;
    rouse_driver(ares);
}

/* ---- the driver ---- */

static void watch_all(struct hub__ares *ares, struct hub__waiter *waiter)
{
    struct ares_socket *at;

    for (at = ares->sockets; at != NULL; at = at->next) {
        at->wait = (struct hub__fd_wait){ .waiter = waiter,
                                          .fd = at->wait.fd,
                                          .events = (uint8_t)at->events };
        if (hub__watch(ares->hub, &at->wait) < 0)
            at->ready = at->events; /* c-ares will see what is wrong */
    }
}

static void unwatch_all(struct hub__ares *ares)
{
    struct ares_socket *at;

    for (at = ares->sockets; at != NULL; at = at->next) {
        at->ready |= at->wait.fired;
        hub__unwatch(ares->hub, &at->wait);
        at->wait.fired = 0;
    }
}

static int64_t next_deadline(struct hub__ares *ares)
{
    struct timeval room, *span = lib()->timeout(ares->channel, NULL, &room);

    return span == NULL ? HUB_FOREVER
                        : hub_deadline(span->tv_sec * HUB_SECOND +
                                       span->tv_usec * HUB_MICROSECOND);
}

static int wait_for_servers(struct hub__ares *ares)
{
    struct hub__waiter waiter;
    int rc = hub__waiter_begin(&waiter, &waits_for_servers, ares);

    if (rc < 0)
        return rc;
    watch_all(ares, &waiter);
    ares->waiter = &waiter;
    rc = hub__park_cancelable(&waiter, next_deadline(ares));
    ares->waiter = NULL;
    unwatch_all(ares);
    return rc == -ETIMEDOUT || rc == -EBADF ? 0 : rc;
}

/* Calls may change the list of sockets. */
static void tell_ares(struct hub__ares *ares)
{
    struct ares_socket *at = ares->sockets;
    bool told = false;

    while (at != NULL && ares->channel != NULL) {
        int ready = at->ready, fd = at->wait.fd;

        if (ready == 0) {
            at = at->next;
            continue;
        }
        at->ready = 0;
        told = true;
        lib()->process_fd(ares->channel,
                          ready & HUB_READ ? fd : ARES_SOCKET_BAD,
                          ready & HUB_WRITE ? fd : ARES_SOCKET_BAD);
        at = ares->sockets;
    }
    if (!told && ares->channel != NULL)
        lib()->process_fd(ares->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void drive(void *arg)
{
    struct hub__ares *ares = arg;
    struct greenlet *self = ares->driver;

    while (ares->open > 0 && ares->channel != NULL) {
        if (wait_for_servers(ares) < 0) {
            lib()->cancel(ares->channel); /* killed: the hub is going */
            break;
        }
        if (ares->channel != NULL)
            tell_ares(ares);
    }
    ares->driver = NULL;
    greenlet_unref(self);
}

static int start_driver(struct hub__ares *ares)
{
    if (ares->driver == NULL)
        ares->driver = hub_spawn_raw(drive, ares);
    rouse_driver(ares);
    return ares->driver != NULL ? 0 : -ENOMEM;
}

/* ---- the channel ---- */

static unsigned settings; /* atomic: counts changes of the options */

void hub__ares_changed(void)
{
    __atomic_add_fetch(&settings, 1, __ATOMIC_RELAXED);
}

/* Bits of what the options say; what is left out c-ares knows. */
static int read_options(struct ares_options *options)
{
    int64_t flags = hub__option(HUB_OPTION_RESOLVER_FLAGS);
    int64_t timeout = hub__option(HUB_OPTION_RESOLVER_TIMEOUT);
    int64_t tries = hub__option(HUB_OPTION_RESOLVER_TRIES);
    int64_t ndots = hub__option(HUB_OPTION_RESOLVER_NDOTS);
    int64_t udp_port = hub__option(HUB_OPTION_RESOLVER_UDP_PORT);
    int64_t tcp_port = hub__option(HUB_OPTION_RESOLVER_TCP_PORT);

    timeout = (timeout + HUB_MILLISECOND - 1) / HUB_MILLISECOND;
    options->flags = (int)flags;
    options->timeout = (int)(timeout < INT32_MAX ? timeout : INT32_MAX);
    options->tries = (int)tries;
    options->ndots = (int)ndots;
    options->udp_port = (unsigned short)udp_port;
    options->tcp_port = (unsigned short)tcp_port;
    return (flags >= 0 ? ARES_OPT_FLAGS : 0) |
           (timeout > 0 ? ARES_OPT_TIMEOUTMS : 0) |
           (tries > 0 ? ARES_OPT_TRIES : 0) |
           (ndots >= 0 ? ARES_OPT_NDOTS : 0) |
           (udp_port > 0 ? ARES_OPT_UDP_PORT : 0) |
           (tcp_port > 0 ? ARES_OPT_TCP_PORT : 0);
}

static int set_servers(struct hub__ares *ares)
{
    char *servers = hub__option_text(HUB_OPTION_RESOLVER_NAMESERVERS);

    if (servers == NULL)
        return -ENOMEM;
    if (servers[0] != '\0' &&
        lib()->set_servers_ports_csv(ares->channel, servers) != ARES_SUCCESS)
        hub__say(ares->hub, "vireo: resolver_nameservers is not understood, "
                            "and not used\n");
    free(servers);
    return 0;
}

static int open_channel(struct hub__ares *ares)
{
    struct ares_options options = { .sock_state_cb = on_socket,
                                    .sock_state_cb_data = ares };
    int mask = read_options(&options) | ARES_OPT_SOCK_STATE_CB, status;

    ares->settings = __atomic_load_n(&settings, __ATOMIC_RELAXED);
    status = lib()->init_options(&ares->channel, &options, mask);
    if (status != ARES_SUCCESS) {
        ares->channel = NULL;
        return hub__ares_error(status);
    }
    lib()->set_socket_callback(ares->channel, on_new_socket, ares);
    status = set_servers(ares);
    if (status < 0) {
        lib()->destroy(ares->channel);
        ares->channel = NULL;
    }
    return status;
}

/* Questions end with -ECANCELED. */
static void close_channel(struct hub__ares *ares)
{
    ares_channel channel = ares->channel;

    ares->channel = NULL;
    if (channel != NULL)
        lib()->destroy(channel);
    rouse_driver(ares);
}

/* Sockets are shared with the parent: answers would go to either. */
static void is_child(struct hub__ares *ares, enum hub__part_event event)
{
    struct ares_socket *at;

    if (event == HUB__PART_ALONE) {
        ares->driver = NULL;
        ares->waiter = NULL;
        ares->silent = true;
        for (at = ares->sockets; at != NULL; at = at->next) {
            at->wait.back = NULL;
            at->wait.fired = 0;
        }
    }
    close_channel(ares);
    ares->silent = false;
}

static void tell(struct hub__part *part, struct hub *hub,
                 enum hub__part_event event)
{
    struct hub__ares *ares = container_of(part, struct hub__ares, part);

    if (event == HUB__PART_ALONE || event == HUB__PART_ALL) {
        is_child(ares, event);
    } else if (event == HUB__PART_CLOSES) {
        ares->silent = true;
        close_channel(ares);
        hub->ares = NULL;
        if (ares->driver != NULL) /* killed before it began */
            greenlet_unref(ares->driver);
        free(ares);
    }
}

static struct hub__ares *ares_of(struct hub *hub)
{
    struct hub__ares *ares = hub->ares;

    if (ares == NULL) {
        ares = greenlet__calloc(1, sizeof *ares);
        if (ares == NULL)
            return NULL;
        ares->hub = hub;
        ares->part.tell = tell;
        hub__part_add(hub, &ares->part);
        hub->ares = ares;
    }
    if (ares->open == 0 &&
        ares->settings != __atomic_load_n(&settings, __ATOMIC_RELAXED))
        close_channel(ares);
    if (ares->channel == NULL && open_channel(ares) != 0)
        return NULL;
    return ares;
}

/* ---- questions ---- */

static void answered(struct hub__lookup *lookup, int status)
{
    struct hub__ares *ares = lookup->ares;

    if (lookup->rc == 0)
        lookup->rc = hub__ares_error(status);
    if (lookup->rc == -EAI_AGAIN && ares->short_of_memory)
        lookup->rc = -ENOMEM;
    lookup->done = true;
    ares->open--;
    if (lookup->waiter != NULL && !ares->silent)
        hub__wake(lookup->waiter, 0);
    hub__lookup_drop(lookup);
}

static void on_addresses(void *arg, int status, int timeouts,
                         struct ares_addrinfo *found)
{
    (void)timeouts;
    if (status == ARES_SUCCESS)
        hub__ares_take_addresses(arg, found);
    if (found != NULL)
        lib()->freeaddrinfo(found);
    answered(arg, status);
}

static void on_name(void *arg, int status, int timeouts, char *host,
                    char *service)
{
    struct hub__lookup *lookup = arg;

    (void)timeouts;
    if (status == ARES_SUCCESS && host != NULL) {
        size_t length = strlen(host);

        if (length > 2 && strcmp(host + length - 2, "%0") == 0)
            length -= 2; /* no scope: libc does not name it */
        strncat(lookup->host_text, host,
                length < NI_MAXHOST - 1 ? length : NI_MAXHOST - 1);
    }
    if (status == ARES_SUCCESS && service != NULL)
        strncat(lookup->service_text, service, NI_MAXSERV - 1);
    answered(lookup, status);
}

static void on_entry(void *arg, int status, int timeouts, struct hostent *entry)
{
    struct hub__lookup *lookup = arg;

    (void)timeouts;
    if (status == ARES_SUCCESS) {
        lookup->entry = hub__hostent_copy(entry);
        if (lookup->entry == NULL)
            lookup->rc = -ENOMEM;
    }
    answered(lookup, status);
}

/* What socktypes and ports there are libc has said already. */
static void ask_addresses(ares_channel channel, struct hub__lookup *lookup)
{
    struct ares_addrinfo_hints hints = {
        .ai_flags = lookup->hints.ai_flags & AI_CANONNAME ? ARES_AI_CANONNAME
                                                          : 0,
        .ai_family = lookup->hints.ai_family,
        .ai_socktype = SOCK_STREAM
    };

    lib()->getaddrinfo(channel, lookup->host, NULL, &hints, on_addresses,
                       lookup);
}

static void ask_name(ares_channel channel, struct hub__lookup *lookup)
{
    int flags = (lookup->wants_host ? ARES_NI_LOOKUPHOST : 0) |
                (lookup->wants_service ? ARES_NI_LOOKUPSERVICE : 0) |
                (lookup->flags & NI_NUMERICHOST ? ARES_NI_NUMERICHOST : 0) |
                (lookup->flags & NI_NUMERICSERV ? ARES_NI_NUMERICSERV : 0) |
                (lookup->flags & NI_NAMEREQD ? ARES_NI_NAMEREQD : 0) |
                (lookup->flags & NI_NOFQDN ? ARES_NI_NOFQDN : 0) |
                (lookup->flags & NI_DGRAM ? ARES_NI_UDP : 0);

    lib()->getnameinfo(channel, (struct sockaddr *)&lookup->address,
                       (ares_socklen_t)lookup->size, flags, on_name, lookup);
}

static void ask_reverse(ares_channel channel, struct hub__lookup *lookup)
{
    const struct sockaddr_in *v4 = (struct sockaddr_in *)&lookup->address;
    const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&lookup->address;

    if (lookup->family == AF_INET)
        lib()->gethostbyaddr(channel, &v4->sin_addr, 4, AF_INET, on_entry,
                             lookup);
    else
        lib()->gethostbyaddr(channel, &v6->sin6_addr, 16, AF_INET6, on_entry,
                             lookup);
}

static void put_question(ares_channel channel, struct hub__lookup *lookup)
{
    switch (lookup->kind) {
    case LOOKUP_ADDRESSES:
        ask_addresses(channel, lookup);
        break;
    case LOOKUP_NAME:
        ask_name(channel, lookup);
        break;
    case LOOKUP_HOST:
        lib()->gethostbyname(channel, lookup->host, lookup->family, on_entry,
                             lookup);
        break;
    case LOOKUP_REVERSE:
        ask_reverse(channel, lookup);
        break;
    }
}

static int wait_for_answer(struct hub__lookup *lookup, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    int rc = hub__waiter_begin(&waiter, &waits_for_answer, lookup);

    if (rc < 0)
        return rc;
    lookup->waiter = &waiter;
    rc = hub__park_cancelable(&waiter, deadline_ns);
    lookup->waiter = NULL;
    return rc;
}

static int ask_server(struct hub__lookup *lookup, int64_t deadline_ns)
{
    struct hub *hub = hub__get();
    struct hub__ares *ares = hub != NULL ? ares_of(hub) : NULL;
    int rc;

    if (ares == NULL)
        return -ENOMEM;
    lookup->ares = ares;
    __atomic_add_fetch(&lookup->refs, 1, __ATOMIC_RELAXED);
    if (ares->open++ == 0)
        ares->short_of_memory = false;
    put_question(ares->channel, lookup);
    if (lookup->done)
        return 0;
    rc = start_driver(ares);
    return rc < 0 ? rc : wait_for_answer(lookup, deadline_ns);
}

static int ask(struct hub__lookup *lookup, int64_t deadline_ns)
{
    int rc = 0;

    if (hub__lookup_is_local(lookup))
        return hub__resolver_thread.ask(lookup, deadline_ns);
    if (lookup->kind == LOOKUP_NAME && (lookup->flags & ~NI_FLAGS))
        lookup->rc = -EAI_BADFLAGS;
    if (lookup->kind == LOOKUP_ADDRESSES)
        rc = hub__lookup_kinds(lookup, deadline_ns);
    if (rc < 0 || lookup->rc != 0)
        return rc;
    return ask_server(lookup, deadline_ns);
}

const struct hub__resolver hub__resolver_ares = { "ares", library_is_there,
                                                  ask };
