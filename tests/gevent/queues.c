/* queues.c - queues: who gets what, and when those who wait go on */
#include "script.h"

/* A queue or a channel: what is done with either. */
struct box {
    struct hub_queue queue;
    struct hub_channel channel;
    bool is_channel;
};

static int box_get(struct box *box, int64_t deadline, void **item)
{
    return box->is_channel ? hub_channel_get(&box->channel, deadline, item)
                           : hub_queue_get(&box->queue, deadline, item);
}

static int box_put(struct box *box, char item, int64_t deadline)
{
    void *pointer = (void *)(intptr_t)item;

    return box->is_channel ? hub_channel_put(&box->channel, pointer, deadline)
                           : hub_queue_put(&box->queue, pointer, deadline);
}

static void put(struct box *box, char item)
{
    box_put(box, item, HUB_FOREVER);
}

static void make(struct box *box, int64_t maxsize)
{
    box->is_channel = false;
    hub_queue_init(&box->queue, maxsize);
}

static void make_channel(struct box *box)
{
    box->is_channel = true;
    hub_channel_init(&box->channel);
}

static int get(const char *who, struct box *box, int64_t count)
{
    int rc = 0;

    while (count-- > 0 && rc == 0) {
        void *item;

        rc = box_get(box, HUB_FOREVER, &item);
        if (rc == 0)
            say(who, "got %c", (char)(intptr_t)item);
    }
    return rc;
}

BODY(gets)
{
    return get(s->who, s->object, s->n);
}

static struct greenlet *spawn_gets(const char *who, struct box *box,
                                   int64_t count)
{
    return spawn(gets, who, count, box);
}

BODY(puts_all)
{
    int rc = 0;

    for (const char *item = s->what; *item != '\0' && rc == 0; item++) {
        rc = box_put(s->object, *item, HUB_FOREVER);
        if (rc == 0)
            say(s->who, "has put %c", *item);
    }
    return rc;
}

static struct greenlet *spawn_puts(const char *who, struct box *box,
                                   const char *items)
{
    struct step *s = step(who, 0, box);

    s->what = items;
    return keep(hub_spawn(puts_all, s));
}

/* Of a queue's own deadline, or of one that does not wait. */
static void says_why(const char *who, const char *why, int rc)
{
    bool own = (rc == -ETIMEDOUT && hub_canceled() == 0) || rc == -EAGAIN;

    say(who, "%s", own ? why : word(rc));
}

static void get_in_vain(struct box *box)
{
    says_why("main", "empty", box_get(box, hub_deadline(T), NULL));
}

static void try_get(const char *who, struct box *box)
{
    says_why(who, "empty",
             box->is_channel ? hub_channel_try_get(&box->channel, NULL)
                             : hub_queue_try_get(&box->queue, NULL));
}

static void says_size(struct box *box)
{
    say("main", "size: %d", (int)hub_queue_size(&box->queue));
}

SCRIPT(queue_items_keep_their_order)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    put(&q, 'a');
    put(&q, 'b');
    put(&q, 'c');
    says_size(&q);
    get("main", &q, 3);
    say("main", "empty: %s", yes(hub_queue_empty(&q.queue)));
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_getters_in_order)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    spawn_gets("a", &q, 1);
    spawn_gets("b", &q, 1);
    spawn_gets("c", &q, 1);
    hub_sleep(0);
    put(&q, 'x');
    put(&q, 'y');
    put(&q, 'z');
    say("main", "has put them");
    hub_sleep(0);
    say("main", "back");
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_put_waits_while_full)
{
    static struct box q;

    make(&q, 1);
    spawn_puts("p", &q, "abc");
    hub_sleep(0);
    say("main", "full: %s", yes(hub_queue_full(&q.queue)));
    for (int i = 0; i < 3; i++) {
        get("main", &q, 1);
        hub_sleep(0);
    }
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_item_for_who_waits)
{
    static struct box q;

    make(&q, 1);
    spawn_gets("g", &q, 1);
    hub_sleep(0);
    put(&q, 'x');
    says_why("main", "full", hub_queue_try_put(&q.queue, "y"));
    hub_sleep(0);
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_putters_in_order)
{
    static struct box q;

    make(&q, 1);
    put(&q, 'f');
    spawn_puts("a", &q, "a");
    spawn_puts("b", &q, "b");
    spawn_puts("c", &q, "c");
    hub_sleep(0);
    for (int i = 0; i < 4; i++) {
        get("main", &q, 1);
        hub_sleep(0);
    }
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_get_may_time_out)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    get_in_vain(&q);
    try_get("main", &q);
    try_get("main", &q);
    put(&q, 'x');
    get("main", &q, 1);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_put_may_time_out)
{
    static struct box q;

    make(&q, 1);
    put(&q, 'x');
    says_why("main", "full", box_put(&q, 'y', hub_deadline(T)));
    says_why("main", "full", hub_queue_try_put(&q.queue, "y"));
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_in_a_foreign_timeout)
{
    static struct box q;
    struct hub_timeout timeout;

    make(&q, HUB_UNBOUNDED);
    enough(hub_timeout_begin(&timeout, hub_deadline(T)) == 0);
    attempt("main", box_get(&q, HUB_FOREVER, NULL));
    hub_timeout_end(&timeout);
    put(&q, 'x');
    get("main", &q, 1);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_getter_is_killed)
{
    static struct box q;
    struct greenlet *a, *b;

    make(&q, HUB_UNBOUNDED);
    a = spawn_gets("a", &q, 1);
    b = spawn_gets("b", &q, 1);
    hub_sleep(0);
    hub_kill_join(a, HUB_FOREVER);
    put(&q, 'x');
    join(b);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_getter_is_killed_before_a_put)
{
    static struct box q;
    struct greenlet *a, *b;

    make(&q, HUB_UNBOUNDED);
    a = spawn_gets("a", &q, 1);
    b = spawn_gets("b", &q, 1);
    hub_sleep(0);
    hub_kill(a);
    put(&q, 'x');
    join(b);
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_putter_is_killed)
{
    static struct box q;
    struct greenlet *a, *b;

    make(&q, 1);
    put(&q, 'x');
    a = spawn_puts("a", &q, "1");
    b = spawn_puts("b", &q, "2");
    hub_sleep(0);
    hub_kill_join(a, HUB_FOREVER);
    get("main", &q, 2);
    join(b);
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_newcomer_after_a_put)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    spawn_gets("old", &q, 1);
    hub_sleep(0);
    put(&q, 'x');
    try_get("main", &q);
    put(&q, 'y');
    hub_sleep(0);
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_get_between_others)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    spawn_puts("p", &q, "abcd");
    spawn_gets("g", &q, 2);
    spawn_gets("h", &q, 2);
    drain();
    hub_queue_destroy(&q.queue);
}

static int peek(const char *who, struct box *q)
{
    void *item;
    int rc = hub_queue_peek(&q->queue, HUB_FOREVER, &item);

    if (rc == 0)
        say(who, "peeked %c", (char)(intptr_t)item);
    return rc;
}

BODY(peeks)
{
    return peek(s->who, s->object);
}

SCRIPT(queue_peek_leaves_the_item)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    spawn(peeks, "a", 0, &q);
    spawn_gets("b", &q, 1);
    hub_sleep(0);
    put(&q, 'x');
    put(&q, 'y');
    hub_sleep(0);
    peek("main", &q);
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

BODY(works)
{
    struct box *q = s->object;

    for (int i = 0; i < 2; i++) {
        void *item;

        box_get(q, HUB_FOREVER, &item);
        hub_sleep(0);
        say("worker", "done with %c", (char)(intptr_t)item);
        hub_queue_task_done(&q->queue);
    }
    return 0;
}

BODY(joins_queue)
{
    struct box *q = s->object;
    int rc = hub_queue_join(&q->queue, HUB_FOREVER);

    if (rc == 0)
        say("other", "joined");
    return rc;
}

SCRIPT(queue_join_waits_for_all_tasks)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    put(&q, 'a');
    put(&q, 'b');
    spawn(works, "worker", 0, &q);
    spawn(joins_queue, "other", 0, &q);
    hub_queue_join(&q.queue, HUB_FOREVER);
    say("main", "joined");
    hub_sleep(0);
    attempt("main", (int)hub_queue_task_done(&q.queue));
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_join_of_an_empty_one)
{
    static struct box q;

    make(&q, HUB_UNBOUNDED);
    spawn_says("other", "runs");
    hub_queue_join(&q.queue, HUB_FOREVER);
    say("main", "joined");
    hub_sleep(0);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_last_in_first_out)
{
    static struct box q = { .is_channel = false };

    hub_lifo_queue_init(&q.queue, HUB_UNBOUNDED);
    put(&q, 'a');
    put(&q, 'b');
    put(&q, 'c');
    get("main", &q, 3);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_last_in_first_out_for_who_waits)
{
    static struct box q = { .is_channel = false };

    hub_lifo_queue_init(&q.queue, HUB_UNBOUNDED);
    spawn_gets("g", &q, 2);
    hub_sleep(0);
    put(&q, 'x');
    put(&q, 'y');
    hub_sleep(0);
    hub_queue_destroy(&q.queue);
}

static int by_value(const void *a, const void *b, void *arg)
{
    (void)arg;
    return (int)((intptr_t)a - (intptr_t)b);
}

SCRIPT(queue_by_priority)
{
    static struct box q = { .is_channel = false };

    hub_priority_queue_init(&q.queue, HUB_UNBOUNDED, by_value, NULL);
    put(&q, '3');
    put(&q, '1');
    put(&q, '2');
    get("main", &q, 3);
    hub_queue_destroy(&q.queue);
}

SCRIPT(queue_by_priority_for_who_waits)
{
    static struct box q = { .is_channel = false };

    hub_priority_queue_init(&q.queue, HUB_UNBOUNDED, by_value, NULL);
    spawn_gets("g", &q, 2);
    hub_sleep(0);
    put(&q, '9');
    put(&q, '8');
    hub_sleep(0);
    hub_queue_destroy(&q.queue);
}

/* ---- channels ---- */

SCRIPT(channel_put_waits_for_a_getter)
{
    static struct box c;

    make_channel(&c);
    spawn_puts("p", &c, "ab");
    hub_sleep(0);
    say("main", "waits");
    get("main", &c, 1);
    hub_sleep(0);
    say("main", "back");
    get("main", &c, 1);
    hub_sleep(0);
}

SCRIPT(channel_get_waits_for_a_putter)
{
    static struct box c;
    struct step s = { "main", 0, &c, "xy" };

    make_channel(&c);
    spawn_gets("a", &c, 1);
    spawn_gets("b", &c, 1);
    hub_sleep(0);
    puts_all(&s, NULL);
    hub_sleep(0);
}

SCRIPT(channel_may_time_out)
{
    static struct box c;

    make_channel(&c);
    get_in_vain(&c);
    says_why("main", "full", box_put(&c, 'x', hub_deadline(T)));
    try_get("main", &c);
    spawn_puts("p", &c, "y");
    hub_sleep(0);
    get("main", &c, 1);
    hub_sleep(0);
}

static void puts_in_a_callback(void *q)
{
    put(q, 'x');
}

static void gets_in_a_callback(void *q)
{
    try_get("callback", q);
}

SCRIPT(queue_in_a_callback)
{
    static struct box q;

    make(&q, 1);
    spawn_gets("g", &q, 1);
    hub_sleep(0);
    hub_call_soon(puts_in_a_callback, &q);
    hub_sleep(T);
    hub_call_soon(gets_in_a_callback, &q);
    hub_sleep(T);
    says_size(&q);
    hub_queue_destroy(&q.queue);
}

BODY(works_until_the_end)
{
    struct box *q = s->object;
    void *item;

    while (hub_queue_next(&q->queue, &item) == 1)
        say("worker", "got %c", (char)(intptr_t)item);
    say("worker", "ends");
    return 0;
}

SCRIPT(queue_until_a_sentinel)
{
    static struct box q;
    struct greenlet *g;

    make(&q, HUB_UNBOUNDED);
    g = spawn(works_until_the_end, "worker", 0, &q);
    hub_sleep(0);
    put(&q, 'a');
    put(&q, 'b');
    hub_queue_put(&q.queue, HUB_QUEUE_END, HUB_FOREVER);
    join(g);
    hub_queue_destroy(&q.queue);
}
