/* queue.h - what the tests of queues share */
#ifndef VIREO_TESTS_HUB_QUEUE_H
#define VIREO_TESTS_HUB_QUEUE_H

#include "sync.h"

static struct hub_queue queue;

static inline void gone(void)
{
    ck_assert_int_eq(hub_queue_destroy(&queue), 0);
}

struct one {
    char name;
    int rc;
    void *item;
    int64_t deadline;
};

static inline void gets(void *arg)
{
    struct one *one = arg;

    one->rc = hub_queue_get(&queue, one->deadline, &one->item);
    note(one->name);
}

static inline void peeks(void *arg)
{
    struct one *one = arg;

    one->rc = hub_queue_peek(&queue, one->deadline, &one->item);
    note(one->name);
}

static inline void puts_it(void *arg)
{
    struct one *one = arg;

    one->rc = hub_queue_put(&queue, one->item, one->deadline);
    note(one->name);
}

static inline struct greenlet *getter(struct one *one, char name)
{
    *one = (struct one){ name, 1, NULL, HUB_FOREVER };
    return hub_spawn_raw(gets, one);
}

static inline struct greenlet *peeker(struct one *one, char name)
{
    *one = (struct one){ name, 1, NULL, HUB_FOREVER };
    return hub_spawn_raw(peeks, one);
}

static inline struct greenlet *putter(struct one *one, char name, int item)
{
    *one = (struct one){ name, 1, POINTER(item), HUB_FOREVER };
    return hub_spawn_raw(puts_it, one);
}

static inline int take(void)
{
    void *item = POINTER(-1);
    int rc = hub_queue_try_get(&queue, &item);

    return rc == 0 ? NUMBER(item) : rc;
}

static inline void fill(int from, int to)
{
    for (int i = from; i <= to; i++)
        ck_assert_int_eq(hub_queue_put(&queue, POINTER(i), HUB_FOREVER), 0);
}

static int calls_of_compare __attribute__((unused));

static inline int by_tens(const void *a, const void *b, void *arg)
{
    int x = (int)(intptr_t)a / 10, y = (int)(intptr_t)b / 10;

    ++*(int *)arg;
    ck_assert_int_eq(hub_queue_try_get(&queue, NULL), -EDEADLK);
    return (x > y) - (x < y);
}

#endif
