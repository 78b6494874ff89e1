#include <stdio.h>
#include <vireo/hub.h>

static void count(void *name)
{
    for (int i = 1; i <= 3; i++, hub_sleep(1000 * 1000)) /* parks count() */
        printf("%s %d\n", (char *)name, i);
}
int main(void)
{
    struct greenlet *pears = hub_spawn_raw(count, "pear");
    count("apple");
    hub_join(pears, HUB_FOREVER);
    greenlet_unref(pears);
}
