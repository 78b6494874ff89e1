/* Publish and subscribe: a broker with topics.  Who subscribes has a queue of its
 * own; who publishes puts into all queues of a topic, and never waits: one that is
 * full has a subscriber who is too slow, and is dropped. */
#include <stdio.h>
#include <string.h>
#include <vireo/hub.h>

enum { SUBSCRIBERS = 8, BACKLOG = 4 };

struct subscriber {
    const char *name, *topic;
    int64_t pace; /* ns that it takes over a message */
    struct hub_queue inbox;
    bool dropped;
};

static struct subscriber *subscribers[SUBSCRIBERS];

static int subscribe(struct subscriber *s)
{
    for (int i = 0; i < SUBSCRIBERS; i++)
        if (subscribers[i] == NULL) {
            subscribers[i] = s;
            return hub_queue_init(&s->inbox, BACKLOG);
        }
    return -1;
}

/* Returns how many got it. */
static int publish(const char *topic, const char *message)
{
    int count = 0;

    for (int i = 0; i < SUBSCRIBERS; i++) {
        struct subscriber *s = subscribers[i];

        if (s == NULL || s->dropped || strcmp(s->topic, topic) != 0)
            continue;
        if (hub_queue_try_put(&s->inbox, (void *)message) == 0) {
            count++;
            continue;
        }
        printf("%s is too slow\n", s->name);
        s->dropped = true;
        hub_queue_shutdown(&s->inbox, true);
    }
    return count;
}

static int reads(void *arg, void **result)
{
    struct subscriber *s = arg;
    void *message;

    (void)result;
    while (hub_queue_get(&s->inbox, HUB_FOREVER, &message) == 0) {
        printf("%s: %s\n", s->name, (const char *)message);
        hub_sleep(s->pace);
    }
    return 0;
}

int main(void)
{
    struct subscriber all[] = { { .name = "Ann", .topic = "birds" },
                                { .name = "Bob", .topic = "birds",
                                  .pace = 60 * HUB_SECOND },
                                { .name = "Cy", .topic = "trees" } };
    const char *birds[] = { "a vireo", "a wren",  "an owl",
                            "a rook",  "a finch", "a crane" };
    struct greenlet *readers[3];

    for (int i = 0; i < 3; i++) {
        if (subscribe(&all[i]) < 0)
            return 1;
        readers[i] = hub_spawn(reads, &all[i]);
    }
    publish("trees", "an elm");
    for (int i = 0; i < 6; i++) {
        publish("birds", birds[i]);
        hub_yield(); /* let them read */
        hub_yield();
    }
    for (int i = 0; i < 3; i++) {
        hub_queue_shutdown(&all[i].inbox, false); /* what is in it is read */
        if (all[i].dropped)
            hub_kill(readers[i]);
        hub_join(readers[i], HUB_FOREVER);
        greenlet_unref(readers[i]);
        hub_queue_destroy(&all[i].inbox);
    }
    return 0;
}
