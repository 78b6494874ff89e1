#include <stdio.h>
#include <vireo/hub.h>

static void count(void *name)
{
    for (int i = 1; i <= 3; i++) {
        printf("%s %d\n", (char *)name, i);
        hub_sleep(1000 * 1000); /* parks this greenlet, not the thread */
    }
}
int main(void)
{
    struct greenlet *apples = hub_spawn(count, "apple");
    struct greenlet *pears = hub_spawn(count, "pear");
    hub_join(apples, HUB_FOREVER);
    hub_join(pears, HUB_FOREVER);
    greenlet_unref(apples);
    greenlet_unref(pears);
    return 0;
}
