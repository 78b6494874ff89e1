/* handling.c - one handler of a server, from its start to its end */
#include "hub/service.h"
#include "hub/socket.h"

#include <errno.h>
#include <stdlib.h>

struct hub__handling *hub__handling_new(size_t size)
{
    struct hub__handling *handling = greenlet__malloc(sizeof *handling + size);

    if (handling != NULL) {
        handling->fd = -1;
        handling->size = size;
        handling->greenlet = NULL;
    }
    return handling;
}

static void link_handling(struct hub__service *service,
                          struct hub__handling *handling)
{
    handling->service = service;
    service->refs++;
    service->count++;
    handling->next = service->handlings;
    handling->back = &service->handlings;
    if (handling->next != NULL)
        handling->next->back = &handling->next;
    service->handlings = handling;
}

static void end_handling(struct hub__handling *handling)
{
    struct hub__service *service = handling->service;

    if (handling->fd >= 0)
        hub_close(handling->fd);
    if (service->killed == handling)
        service->killed = handling->next;
    *handling->back = handling->next;
    if (handling->next != NULL)
        handling->next->back = handling->back;
    service->count--;
    if (handling->greenlet != NULL)
        greenlet_unref(handling->greenlet);
    free(handling);
    hub__link_notify(&service->released);
    hub__service_unref(service);
}

static void greenlet_ended(struct hub__link *link)
{
    end_handling(container_of(link, struct hub__handling, link));
}

static int run_handling(void *arg, void **result)
{
    struct hub__handling *handling = arg;

    (void)result;
    handling->service->kind->call(handling);
    return 0;
}

static void run_handling_raw(void *arg)
{
    run_handling(arg, NULL);
}

static void run_in_hub(void *arg)
{
    struct hub__handling *handling = arg;

    handling->service->kind->call(handling);
    end_handling(handling);
}

static struct greenlet *spawn(const struct hub_server_options *options,
                              struct hub__handling *handling)
{
    struct greenlet *g;

    if (options->spawn == HUB_SERVER_RAW)
        return hub_spawn_raw(run_handling_raw, handling);
    g = hub_greenlet_new(run_handling, handling, options->stack_size);
    if (g != NULL)
        hub_start(g);
    return g;
}

int hub__handling_start(struct hub__service *service,
                        struct hub__handling *handling)
{
    bool started;

    link_handling(service, handling);
    if (service->options.spawn == HUB_SERVER_IN_HUB) {
        started = hub_call_soon(run_in_hub, handling) != NULL;
    } else {
        handling->greenlet = spawn(&service->options, handling);
        started = handling->greenlet != NULL;
    }
    if (!started) {
        end_handling(handling);
        return -EAGAIN;
    }
    if (handling->greenlet != NULL) {
        handling->link.notify = greenlet_ended;
        hub__link_add(&hub__own(handling->greenlet)->links, &handling->link);
    }
    return 0;
}
