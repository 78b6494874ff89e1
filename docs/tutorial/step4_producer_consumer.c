/* step4_producer_consumer.c - two greenlets that wait for each other
 *
 * Here the hub decides who runs: hub_spawn() makes a greenlet that it runs when
 * the others wait.  A queue needs no lock, for nobody is interrupted. */
#include <stdio.h>
#include <vireo/hub.h>

enum { ROOM = 2, ITEMS = 5 };

struct queue {
    int item[ROOM];
    int first, used;
};

static void put(struct queue *queue, int item)
{
    while (queue->used == ROOM)
        hub_yield();
    queue->item[(queue->first + queue->used++) % ROOM] = item;
}

static int take(struct queue *queue)
{
    int item;

    while (queue->used == 0)
        hub_yield();
    item = queue->item[queue->first];
    queue->first = (queue->first + 1) % ROOM;
    queue->used--;
    return item;
}

static void producer(void *arg)
{
    for (int i = 1; i <= ITEMS; i++) {
        put(arg, i);
        printf("put  %d\n", i);
    }
}

static void consumer(void *arg)
{
    for (int i = 1; i <= ITEMS; i++)
        printf("  took %d\n", take(arg));
}

int main(void)
{
    struct queue queue = { .used = 0 };
    struct greenlet *first = hub_spawn_raw(producer, &queue);
    struct greenlet *second = hub_spawn_raw(consumer, &queue);

    hub_join(first, HUB_FOREVER);
    hub_join(second, HUB_FOREVER);
    greenlet_unref(first);
    greenlet_unref(second);
    return 0;
}
