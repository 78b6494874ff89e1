/* step5_throw_and_kill.c - errors from outside, and the end */
#include <errno.h>
#include <stdio.h>
#include <vireo/greenlet.h>

static const struct greenlet_class timeout = { "timeout",
                                               &greenlet_exception_class,
                                               -ETIMEDOUT };

/* Goes on after a timeout, cleans up and ends at anything else. */
static int worker(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    struct greenlet_exception caught;
    int rc;

    (void)value;
    (void)result;
    for (;;) {
        rc = greenlet_switch(parent, "waiting", NULL);
        if (rc != -ETIMEDOUT)
            break;
        greenlet_caught(&caught);
        printf("  worker: %s\n", caught.text);
        greenlet_exception_clear(&caught);
    }
    if (rc == -ECANCELED)
        printf("  worker: told to exit, cleans up\n");
    return rc; /* by the record that it caught last */
}

static int fails(void *value, void **result)
{
    struct greenlet_exception record = { .cls = &greenlet_value_class,
                                         .text = "no such number" };

    (void)value;
    (void)result;
    return greenlet_raise(&record);
}

int main(void)
{
    struct greenlet_exception late = { .cls = &timeout, .text = "too late" };
    struct greenlet_exception caught;
    struct greenlet *g = greenlet_new(worker, NULL, 0);
    void *answer;

    greenlet_switch(g, NULL, NULL);
    greenlet_throw(g, &late, &answer);
    printf("main: the worker is %s\n", (char *)answer);
    greenlet_unref(g); /* the last reference: kills it */
    printf("main: the worker is gone\n");

    g = greenlet_new(fails, NULL, 0);
    if (greenlet_switch(g, NULL, NULL) == -EDOM && greenlet_caught(&caught)) {
        printf("main: %s: %s\n", caught.cls->name, caught.text);
        greenlet_exception_clear(&caught);
    }
    greenlet_unref(g);
    return 0;
}
