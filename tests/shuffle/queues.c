/* queues.c - scenes: each item that was put is got once, whoever is killed */
#include "scene.h"

enum { PRODUCERS = 3, EACH = 12, CONSUMERS = 3, KILLS = 2,
       ITEMS = PRODUCERS * EACH };

struct shop {
    struct hub_queue queue;
    struct hub_channel channel;
    bool is_channel, last_first;
    struct greenlet *producers[PRODUCERS], *consumers[CONSUMERS + KILLS];
    int next, producing, consuming;
    unsigned char seen[ITEMS];
};

static int put(struct shop *s, void *item, int64_t deadline)
{
    return s->is_channel ? hub_channel_put(&s->channel, item, deadline)
                         : hub_queue_put(&s->queue, item, deadline);
}

static int get(struct shop *s, int64_t deadline, void **item)
{
    return s->is_channel ? hub_channel_get(&s->channel, deadline, item)
                         : hub_queue_get(&s->queue, deadline, item);
}

static int produces(void *arg, void **result)
{
    struct shop *s = arg;

    (void)result;
    may_be_thrown_into();
    for (int i = 0; i < EACH; i++) {
        void *item = (void *)(intptr_t)++s->next;
        int rc;

        do {
            rc = put(s, item, draw(3) == 0 ? soon() : HUB_FOREVER);
            MUST(rc == 0 || rc == -ETIMEDOUT || rc == THROWN);
        } while (rc != 0);
        hop();
    }
    s->producing--;
    return 0;
}

static void note(struct shop *s, void *item)
{
    intptr_t number = (intptr_t)item - 1;

    MUST(number >= 0 && number < ITEMS);
    MUST(s->seen[number]++ == 0);
}

static int consume(struct shop *s)
{
    for (;;) {
        void *item = NULL;
        int rc = get(s, draw(3) == 0 ? soon() : HUB_FOREVER, &item);

        if (rc == 0 && item == HUB_QUEUE_END)
            return 0;
        if (rc == 0) {
            note(s, item);
            rc = hop();
        }
        MUST(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == THROWN);
        if (rc == -ECANCELED)
            return rc;
    }
}

static int consumes(void *arg, void **result)
{
    (void)result;
    may_be_thrown_into();
    return consume(arg);
}

static void spawn_consumer(struct shop *s)
{
    s->consumers[s->consuming] = actor(consumes, s);
    s->consuming++;
}

static int kills_and_replaces(void *arg, void **result)
{
    struct shop *s = arg;

    (void)result;
    for (int i = 0; i < KILLS; i++) {
        hop();
        throw_into(s->consumers[draw((unsigned)s->consuming)]);
        throw_into(s->producers[draw(PRODUCERS)]);
        hop();
        MUST(hub_kill(s->consumers[draw((unsigned)s->consuming)]) == 0);
        spawn_consumer(s);
    }
    return 0;
}

static bool consumers_are_left(const struct shop *s)
{
    for (int i = 0; i < s->consuming; i++)
        if (!hub_ready(s->consumers[i]))
            return true;
    return false;
}

static int closes(void *arg, void **result)
{
    struct shop *s = arg;

    (void)result;
    while (s->producing > 0 || s->consuming < CONSUMERS + KILLS)
        hub_sleep(0);
    while (consumers_are_left(s)) {
        int rc = put(s, HUB_QUEUE_END, hub_deadline(20 * HUB_MICROSECOND));

        MUST(rc == 0 || rc == -ETIMEDOUT);
        hub_sleep(0);
    }
    return 0;
}

static int by_number(const void *a, const void *b, void *arg)
{
    (void)arg;
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static void *start(struct shop *s)
{
    s->producing = PRODUCERS;
    for (int i = 0; i < CONSUMERS; i++)
        spawn_consumer(s);
    for (int i = 0; i < PRODUCERS; i++)
        s->producers[i] = actor(produces, s);
    actor(kills_and_replaces, s);
    actor(closes, s);
    return s;
}

static void *start_queue(void)
{
    struct shop *s = state_of(sizeof *s);
    int64_t maxsize = draw(3) == 0 ? HUB_UNBOUNDED : 1 + draw(4);

    s->last_first = draw(3) == 0;
    if (s->last_first)
        MUST(hub_lifo_queue_init(&s->queue, maxsize) == 0);
    else if (draw(2) == 0)
        MUST(hub_priority_queue_init(&s->queue, maxsize, by_number, NULL) == 0);
    else
        MUST(hub_queue_init(&s->queue, maxsize) == 0);
    return start(s);
}

static void *start_channel(void)
{
    struct shop *s = state_of(sizeof *s);

    s->is_channel = true;
    hub_channel_init(&s->channel);
    return start(s);
}

/* The last that came in may be the ends: what lies below them is still there. */
static void take_what_is_left(struct shop *s)
{
    void *item;

    while (hub_queue_try_get(&s->queue, &item) == 0)
        if (item != HUB_QUEUE_END) {
            MUST(s->last_first);
            note(s, item);
        }
}

static void check(void *state)
{
    struct shop *s = state;

    if (!s->is_channel)
        take_what_is_left(s);
    for (int i = 0; i < ITEMS; i++)
        MUST(s->seen[i] == 1);
    if (s->is_channel)
        MUST(hub_channel_destroy(&s->channel) == 0);
    else
        MUST(hub_queue_destroy(&s->queue) == 0);
    free(s);
}

SCENE(queue, start_queue, check)
SCENE(channel, start_channel, check)

/* ---- task_done and join: it returns when all is done, not before ---- */

struct chores {
    struct hub_queue queue;
    int done;
};

static int does_chores(void *arg, void **result)
{
    struct chores *c = arg;

    (void)result;
    for (int i = 0; i < 5; i++) {
        MUST(hub_queue_get(&c->queue, HUB_FOREVER, NULL) == 0);
        hop();
        c->done++;
        MUST(hub_queue_task_done(&c->queue) >= 0);
    }
    return 0;
}

static int joins_chores(void *arg, void **result)
{
    struct chores *c = arg;

    (void)result;
    MUST(hub_queue_join(&c->queue, HUB_FOREVER) == 0);
    MUST(c->done == 10);
    return 0;
}

static void *start_chores(void)
{
    struct chores *c = state_of(sizeof *c);

    MUST(hub_queue_init(&c->queue, HUB_UNBOUNDED) == 0);
    for (int i = 0; i < 10; i++)
        MUST(hub_queue_try_put(&c->queue, c) == 0);
    actor(does_chores, c);
    actor(joins_chores, c);
    actor(does_chores, c);
    actor(joins_chores, c);
    return c;
}

static void check_chores(void *state)
{
    struct chores *c = state;

    MUST(hub_queue_unfinished(&c->queue) == 0);
    MUST(hub_queue_destroy(&c->queue) == 0);
    free(c);
}

SCENE(chores, start_chores, check_chores)
