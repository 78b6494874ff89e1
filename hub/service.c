/* service.c - servers: the greenlet that accepts, its pauses, stopping */
#include "hub/service.h"
#include "hub/socket.h"
#include "hub/socket_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTS        100
#define PAUSE_FIRST_NS (10 * HUB_MILLISECOND)
#define PAUSE_MOST_NS  HUB_SECOND
#define REPORT_AGAIN_NS (10 * HUB_SECOND)
#define STOP_NS        HUB_SECOND
#define KILL_NS        HUB_SECOND /* for those who were killed to end */

static const struct hub__wait_kind waits_for_room = {"room in a server's pool",
                                                     NULL};
static const struct hub__wait_kind waits_for_start = {
    "another greenlet to start a server", NULL};
static const struct hub__wait_kind waits_for_stop = {"a server to be stopped",
                                                     NULL};
static const struct hub__wait_kind waits_for_handlers = {
    "the handlers of a server to end", NULL};

int hub__service_init(struct hub__service *service,
                      const struct hub__service_kind *kind, const char *address,
                      const struct hub_server_options *options, void *arg)
{
    struct hub__endpoint endpoint;
    int rc = 0;

    service->kind = kind;
    service->refs = 1;
    service->hub = hub__get();
    service->fd = -1;
    service->arg = arg;
    if (options != NULL)
        service->options = *options;
    if (service->hub == NULL)
        return -ENOMEM;
    service->hub_id = hub_id(service->hub);
    if (address == NULL)
        return 0;
    rc = hub__endpoint_parse(address, &endpoint);
    if (rc < 0)
        return rc;
    service->address = greenlet__strdup(address);
    return service->address != NULL ? 0 : -ENOMEM;
}

void hub__service_unref(struct hub__service *service)
{
    if (--service->refs > 0)
        return;
    free(service->address);
    service->kind->free(service);
}

int hub__service_wait(struct hub__link **list,
                      const struct hub__wait_kind *kind, const void *object,
                      int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__wait_link wait = {.link.notify = hub__wait_link_notify,
                                  .waiter = &waiter};
    int rc = hub__waiter_begin(&waiter, kind, object);

    if (rc < 0)
        return rc;
    hub__link_add(list, &wait.link);
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (hub__link_is_linked(&wait.link))
        hub__link_remove(list, &wait.link);
    return rc;
}

/* ---- accepting ---- */

/* A lack of descriptors is there at each try, for as long as it lasts. */
static void report(struct hub__service *service, int error)
{
    struct greenlet_exception record = {
        .cls = &greenlet_exception_class,
        .error = error,
        .text = "a server could not take a connection",
        .origin = __builtin_return_address(0)};

    if (error == service->reported && hub_now() < service->reported_until)
        return;
    service->reported = error;
    service->reported_until = hub_deadline(REPORT_AGAIN_NS);
    hub__handle_error(service->hub, service->acceptor, &record);
}

static bool is_full(const struct hub__service *service)
{
    return service->options.pool > 0 && service->count >= service->options.pool;
}

static bool is_fatal(int error)
{
    return error == -EBADF || error == -EINVAL || error == -ENOTSOCK ||
           error == -EOPNOTSUPP;
}

/* Of one connection that is gone already; accept(2) has the list. */
static bool is_of_the_peer(int error)
{
    switch (error) {
    case -ECONNABORTED:
    case -ECONNREFUSED: /* of a datagram that was sent before */
    case -EINTR:
    case -EPROTO:
    case -EPERM: /* a firewall's */
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* What one wake-up brings.  Returns how many, or a negative errno. */
static int take_batch(struct hub__service *service)
{
    unsigned most = service->options.accepts;
    int taken = 0, rc = 1;

    if (most == 0)
        most = ACCEPTS;
    for (unsigned i = 0; i < most && rc != 0 && !service->closed; i++) {
        struct hub__handling *handling;

        if (is_full(service))
            break;
        rc = service->kind->take(service, &handling);
        if (rc > 0)
            rc = hub__handling_start(service, handling) < 0 ? -ENOMEM : 1;
        if (rc < 0 && !is_of_the_peer(rc))
            return rc;
        taken += rc > 0;
    }
    return taken;
}

static int take_turn(struct hub__service *service)
{
    int rc;

    if (is_full(service))
        return hub__service_wait(&service->released, &waits_for_room, service,
                                 HUB_FOREVER);
    rc = hub__wait_for_fd(service->hub, service->fd, HUB_READ, HUB_FOREVER);
    return rc < 0 ? rc : take_batch(service);
}

static int accept_all(void *arg, void **result)
{
    struct hub__service *service = arg;
    int64_t pause = PAUSE_FIRST_NS;

    (void)result;
    while (!service->closed) {
        int rc = take_turn(service);

        if (rc > 0)
            pause = PAUSE_FIRST_NS;
        if (rc >= 0 || service->closed)
            continue;
        if (hub_canceled() != 0)
            break;
        report(service, rc);
        if (is_fatal(rc))
            break;
        hub_sleep(pause);
        pause = 2 * pause < PAUSE_MOST_NS ? 2 * pause : PAUSE_MOST_NS;
    }
    return 0;
}

/* However it ends, nobody accepts any more. */
static void acceptor_ended(struct hub__link *link)
{
    struct hub__service *service =
        container_of(link, struct hub__service, acceptor_link);

    hub__service_close(service);
    greenlet_unref(service->acceptor);
    service->acceptor = NULL;
    hub__service_unref(service);
}

static int start_acceptor(struct hub__service *service)
{
    struct greenlet *g = hub_greenlet_new(accept_all, service, 0);

    if (g == NULL)
        return -ENOMEM;
    service->acceptor = g;
    service->refs++;
    service->acceptor_link.notify = acceptor_ended;
    hub__link_add(&hub__own(g)->links, &service->acceptor_link);
    return hub_start(g);
}

/* Looking for the address of a name takes time: the service may be closed then, and
 * others may want to start it, too. */
static int listen_now(struct hub__service *service)
{
    int fd;

    service->starting = true;
    fd = hub_listen_on(service->address, service->options.backlog,
                       service->options.listen_flags |
                           service->kind->listen_flags);
    service->starting = false;
    hub__link_notify(&service->begun);
    if (fd >= 0 && service->closed) {
        hub_close(fd);
        return -EBADF;
    }
    if (fd >= 0)
        service->fd = fd;
    return fd < 0 ? fd : 0;
}

static int start(struct hub__service *service)
{
    int rc = 0;

    while (rc == 0 && service->starting)
        rc = hub__service_wait(&service->begun, &waits_for_start, service,
                               HUB_FOREVER);
    if (rc == 0 && service->closed)
        rc = -EBADF;
    if (rc < 0 || service->acceptor != NULL)
        return rc;
    if (service->fd < 0)
        rc = listen_now(service);
    return rc < 0 ? rc : start_acceptor(service);
}

int hub__service_check(const struct hub__service *service)
{
    return service->hub == hub__peek()
               ? 0
               : hub__fail_of_hub("the server", service->hub_id);
}

int hub__service_start(struct hub__service *service)
{
    int rc = hub__service_check(service);

    if (rc < 0)
        return rc;
    service->refs++;
    rc = start(service);
    hub__service_unref(service);
    return rc;
}

/* ---- the end ---- */

void hub__service_close(struct hub__service *service)
{
    if (service->closed)
        return;
    service->closed = true;
    if (service->fd >= 0)
        hub_close(service->fd);
    service->fd = -1;
    if (service->acceptor != NULL)
        hub_kill(service->acceptor);
    hub__link_notify(&service->over);
}

static int wait_until_empty(struct hub__service *service, int64_t deadline_ns)
{
    int rc = 0;

    while (rc == 0 && service->count > 0)
        rc = hub__service_wait(&service->released, &waits_for_handlers, service,
                               deadline_ns);
    return rc;
}

/* One that is killed before it began ends here, and may end others: who ends is no
 * longer the next. */
static void kill_handlers(struct hub__service *service)
{
    struct hub__handling *handling;

    service->killed = service->handlings;
    while ((handling = service->killed) != NULL) {
        service->killed = handling->next;
        if (handling->greenlet != NULL)
            hub_kill(handling->greenlet);
    }
}

static int join_handlers(struct hub__service *service, int64_t deadline_ns)
{
    int rc = wait_until_empty(service, deadline_ns);

    if (rc != -ETIMEDOUT || hub_canceled() != 0)
        return rc;
    kill_handlers(service);
    rc = wait_until_empty(service, hub_deadline(KILL_NS));
    return rc == -ETIMEDOUT && hub_canceled() == 0 ? -EBUSY : rc;
}

int hub__service_stop(struct hub__service *service, int64_t timeout_ns)
{
    int64_t deadline;
    int rc = hub__service_check(service);

    if (rc < 0)
        return rc;
    hub__service_close(service);
    if (service->options.pool == 0 || service->count == 0)
        return 0;
    if (timeout_ns < 0)
        timeout_ns = service->options.stop_timeout != 0
                         ? service->options.stop_timeout
                         : STOP_NS;
    deadline = timeout_ns < 0 ? HUB_FOREVER : hub_deadline(timeout_ns);
    service->refs++;
    service->stopping = true;
    rc = join_handlers(service, deadline);
    hub__service_unref(service);
    return rc;
}

/* Somebody may be stopping it already, with a timeout of his own. */
static void stop_shielded(struct hub__service *service)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    if (service->stopping)
        wait_until_empty(service, HUB_FOREVER);
    else
        hub__service_stop(service, -1);
    hub_shield_end(&shield);
}

int hub__service_serve(struct hub__service *service)
{
    int rc = hub__service_start(service);

    if (rc < 0)
        return rc;
    service->refs++;
    while (rc == 0 && !service->closed)
        rc = hub__service_wait(&service->over, &waits_for_stop, service,
                               HUB_FOREVER);
    stop_shielded(service);
    hub__service_unref(service);
    return rc;
}

int hub__service_address(const struct hub__service *service,
                         struct hub_address *address)
{
    return service->fd >= 0 ? hub_local_address(service->fd, address) : -EBADF;
}
