/* error.c - records that nobody caught: who is told */
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct greenlet_class hub_loop_exit_class = {
    "LoopExit", &greenlet_exception_class, -EDEADLK
};
const struct greenlet_class hub_blocking_class = {
    "BlockingSwitchOutError", &greenlet_exception_class, -EDEADLK
};
const struct greenlet_class hub_invalid_switch_class = {
    "InvalidSwitchError", &greenlet_exception_class, -EPROTO
};
const struct greenlet_class hub_invalid_thread_class = {
    "InvalidThreadUseError", &greenlet_exception_class, -EXDEV
};
const struct greenlet_class hub_concurrent_use_class = {
    "ConcurrentObjectUseError", &greenlet_exception_class, -EBUSY
};
const struct greenlet_class hub_destroyed_class = {
    "HubDestroyed", &greenlet_exit_class, -ECANCELED
};
const struct greenlet_class hub_timeout_class = { "Timeout",
                                                  &greenlet_base_class,
                                                  -ETIMEDOUT };

struct hub__handlers {
    hub_error_handler *handler;
    void *data;
    int fd;
};

int hub__fail(const struct greenlet_class *cls, const char *text)
{
    return greenlet__fail(cls->error, cls, text);
}

int hub__fail_of_hub(const char *what, unsigned owner_id)
{
    struct hub *mine = hub__peek();
    struct greenlet_exception record = {
        .cls = &hub_invalid_thread_class,
        .error = -EXDEV,
        .origin = __builtin_return_address(0)
    };
    char here[32] = "a thread without hub", *text = NULL;

    if (mine != NULL)
        snprintf(here, sizeof here, "hub %u", mine->id);
    if (asprintf(&text, "%s belongs to hub %u, and this is %s", what, owner_id,
                 here) > 0) {
        record.text = record.payload = text;
        record.destroy = free;
    } else {
        record.text = "it belongs to another hub";
    }
    return greenlet_raise(&record);
}

int hub__fail_owner(const char *what, const struct hub *owner)
{
    return hub__fail_of_hub(what, owner != NULL ? owner->id : 0);
}

static struct hub__handlers *handlers(struct hub *hub)
{
    if (hub != NULL && hub->handlers == NULL) {
        hub->handlers = greenlet__calloc(1, sizeof *hub->handlers);
        if (hub->handlers != NULL)
            hub->handlers->fd = STDERR_FILENO;
    }
    return hub != NULL ? hub->handlers : NULL;
}

int hub_set_error_handler(hub_error_handler *handler, void *data)
{
    struct hub__handlers *to = handlers(hub__get());

    if (to == NULL)
        return -ENOMEM;
    to->handler = handler;
    to->data = data;
    return 0;
}

int hub_set_error_fd(int fd)
{
    struct hub__handlers *to = handlers(hub__get());

    if (to == NULL)
        return -ENOMEM;
    greenlet__write(to->fd, fd);
    return 0;
}

int hub__error_fd(const struct hub *hub)
{
    const struct hub__handlers *h = greenlet__read(hub->handlers);

    return h != NULL ? greenlet__read(h->fd) : STDERR_FILENO;
}

/* Straight to the descriptor: stdio may be anybody's, and wait. */
void hub__say(struct hub *hub, const char *text)
{
    int fd = hub != NULL && hub->handlers != NULL ? hub->handlers->fd
                                                  : STDERR_FILENO;
    size_t left = strlen(text);

    while (fd >= 0 && left > 0) {
        ssize_t put = write(fd, text, left);

        if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            text += put;
            left -= (size_t)put;
        }
    }
}

static hub_error_about *error_about; /* atomic */

void hub_set_error_about(hub_error_about *about)
{
    __atomic_store_n(&error_about, about, __ATOMIC_RELEASE);
}

/* " (of GET /)", or nothing. */
static void describe_work(const struct greenlet *context, char *text,
                          size_t size)
{
    hub_error_about *about = __atomic_load_n(&error_about, __ATOMIC_ACQUIRE);
    char what[256] = "";

    text[0] = '\0';
    if (about != NULL && context != NULL)
        about(context, what, sizeof what);
    if (what[0] != '\0')
        snprintf(text, size, " (of %s)", what);
}

static void print(struct hub *hub, const struct greenlet *context,
                  const struct greenlet_exception *exception)
{
    char who[128] = "the loop", work[264], when[32], line[768];
    time_t now = time(NULL);
    struct tm utc;
    int error = greenlet__error_of(exception);

    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (context != NULL)
        greenlet_describe(context, who, sizeof who);
    describe_work(context, work, sizeof work);
    snprintf(line, sizeof line,
             "vireo: %s %s%s failed with %s: %s (%s), thrown at %p\n", when,
             who, work, exception->cls->name,
             exception->text != NULL ? exception->text : "", strerror(-error),
             exception->origin);
    hub__say(hub, line);
}

/* Nobody else can handle these: the main greenlet gets a copy. */
static void throw_into_main(struct hub *hub,
                            const struct greenlet_exception *exception)
{
    struct greenlet_exception copy = { .cls = exception->cls,
                                       .error = exception->error,
                                       .origin = exception->origin };
    struct greenlet *self = greenlet__word->current;

    if (self == hub->main || greenlet_dead(hub->main))
        return;
    if (self != hub->greenlet)
        hub__ready(hub, self); /* its life may go on */
    greenlet_throw(hub->main, &copy, NULL);
}

void hub__handle_error(struct hub *hub, const struct greenlet *context,
                       const struct greenlet_exception *exception)
{
    const struct hub__handlers *h = hub != NULL ? hub->handlers : NULL;

    if (h != NULL && h->handler != NULL) {
        h->handler(hub, context, exception, h->data);
        return;
    }
    if (!greenlet_class_is(exception->cls, &greenlet_exit_class))
        print(hub, context, exception);
    if (hub != NULL &&
        greenlet_class_is(exception->cls, &greenlet_system_class))
        throw_into_main(hub, exception);
}

/* The record owns its text. */
int hub__not_yours(const struct greenlet__thread *owner, const char *what)
{
    struct greenlet_exception record = {
        .cls = &hub_invalid_thread_class,
        .text = "it belongs to the hub of another thread",
        .origin = __builtin_return_address(0)
    };
    char text[128];

    snprintf(text, sizeof text,
             "%s belongs to hub %u, and this thread has hub %u", what,
             owner->os != NULL ? owner->os->hub_id : 0,
             greenlet__thread_self()->os->hub_id);
    record.payload = greenlet__strdup(text);
    if (record.payload != NULL) {
        record.text = record.payload;
        record.destroy = free;
    }
    return greenlet_raise(&record);
}
