/* step1_first_switch.c - two functions that take turns */
#include <stdio.h>
#include <vireo/greenlet.h>

static int hello(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());

    (void)value;
    (void)result;
    printf("  hello: begins\n");
    greenlet_switch(parent, NULL, NULL);
    printf("  hello: goes on where it was, and ends\n");
    return 0;
}

int main(void)
{
    struct greenlet *g = greenlet_new(hello, NULL, 0);

    if (g == NULL)
        return 1;
    printf("main: made it; nothing has run\n");
    greenlet_switch(g, NULL, NULL);
    printf("main: is back, hello() is suspended in the middle\n");
    greenlet_switch(g, NULL, NULL);
    printf("main: is back, and it is %s\n",
           greenlet_dead(g) ? "dead" : "alive");
    greenlet_unref(g);
    return 0;
}
