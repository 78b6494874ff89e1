/* step8_tracing.c - watching a program switch */
#include <stdio.h>
#include <vireo/greenlet.h>

static const char *name_of(const struct greenlet *g)
{
    return greenlet_main(g) ? "main" : greenlet_name(g);
}

/* Called in target, before what was sent is delivered. */
static int tracer(enum greenlet_event event, struct greenlet *origin,
                  struct greenlet *target, void *data)
{
    int *count = data;
    const char *what = "something new";

    if (event == GREENLET_SWITCHED)
        what = "switch";
    else if (event == GREENLET_THREW)
        what = "throw ";
    printf("%d %s %s -> %s\n", ++*count, what, name_of(origin),
           name_of(target));
    return 0;
}

static int pong(void *value, void **result)
{
    (void)result;
    greenlet_switch(value, NULL, NULL);
    return 0;
}

static int ping(void *other, void **result)
{
    (void)result;
    greenlet_switch(other, greenlet_current(), NULL);
    return greenlet_throw(greenlet_current(), NULL, NULL);
}

int main(void)
{
    struct greenlet *first = greenlet_new(ping, NULL, 0);
    struct greenlet *second = greenlet_new(pong, NULL, 0);
    int count = 0;

    greenlet_set_name(first, "ping");
    greenlet_set_name(second, "pong");
    greenlet_settrace(tracer, &count, NULL);
    greenlet_switch(first, second, NULL);
    printf("pong is suspended, and loses its last reference\n");
    greenlet_unref(second);
    greenlet_settrace(NULL, NULL, NULL);
    greenlet_unref(first);
    return 0;
}
