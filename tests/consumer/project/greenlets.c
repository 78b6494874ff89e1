/* greenlets.c - a program that links Vireo: two greenlets and a hub, in C */
#include <vireo/greenlet.h>
#include <vireo/hub.h>

#include <stdio.h>

static int order[4], count;

static void sleeper(void *arg)
{
    int number = *(int *)arg;

    order[count++] = number;
    if (hub_sleep(number * 50000000) == 0)
        order[count++] = number;
}

int main(void)
{
    int numbers[] = {2, 1};
    struct greenlet *first = hub_spawn_raw(sleeper, &numbers[0]);
    struct greenlet *second = hub_spawn_raw(sleeper, &numbers[1]);

    if (first == NULL || second == NULL || hub_join(first, HUB_FOREVER) != 0 ||
        hub_join(second, HUB_FOREVER) != 0)
        return 1;
    greenlet_unref(first);
    greenlet_unref(second);
    printf("%d %d %d %d\n", order[0], order[1], order[2], order[3]);
    return 0;
}
