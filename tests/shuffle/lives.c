/* lives.c - scenes: spawn, join, links, results, pools, timeouts, tasks */
#include "scene.h"

#include <fcntl.h>

/* ---- children: every joiner and every link is told, once ---- */

enum { CHILDREN = 4 };

struct family {
    struct greenlet *children[CHILDREN];
    struct hub_async_result results[CHILDREN];
    struct hub_link links[CHILDREN];
    int told, joined;
};

static int lives(void *arg, void **result)
{
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hop();
    *result = arg;
    return rc;
}

static int is_told(struct greenlet *g, void *arg)
{
    struct family *f = arg;

    MUST(hub_ready(g));
    f->told++;
    return 0;
}

static int joins_all(void *arg, void **result)
{
    struct family *f = arg;

    (void)result;
    for (int i = 0; i < CHILDREN; i++) {
        void *value = NULL;
        int rc;

        do {
            rc = hub_get(f->children[i], draw(2) == 0 ? soon() : HUB_FOREVER,
                         &value);
            MUST(rc == 0 || rc == -ETIMEDOUT);
        } while (rc != 0);
        MUST(hub_ready(f->children[i]) && (value == f || value == NULL));
        MUST(hub_async_result_wait(&f->results[i], HUB_FOREVER) == 0);
        f->joined++;
    }
    return 0;
}

static int kills_a_child(void *arg, void **result)
{
    struct family *f = arg;
    struct greenlet *g = f->children[draw(CHILDREN)];

    (void)result;
    hop();
    MUST(hub_kill_join(g, HUB_FOREVER) == 0);
    MUST(hub_dead(g) && hub_successful(g));
    return 0;
}

static int waits_for_children(void *arg, void **result)
{
    struct family *f = arg;
    struct greenlet *ended[CHILDREN];

    (void)result;
    MUST(hub_joinall(f->children, CHILDREN, HUB_FOREVER, 0, 2, ended) == 2);
    MUST(hub_ready(ended[0]) && hub_ready(ended[1]) && ended[0] != ended[1]);
    MUST(hub_joinall(f->children, CHILDREN, HUB_FOREVER, 0, 0, NULL) ==
         CHILDREN);
    return 0;
}

static void *start_family(void)
{
    struct family *f = state_of(sizeof *f);

    for (int i = 0; i < CHILDREN; i++) {
        f->children[i] = actor(lives, f);
        hub_async_result_init(&f->results[i]);
        MUST(hub_rawlink(&f->links[i], hub_greenlet_object(f->children[i]),
                         hub_async_result_link, &f->results[i]) == 0);
        MUST(hub_link(f->children[i], HUB_LINK_RAW, is_told, f) == 0);
        MUST(hub_link(f->children[i], HUB_LINK, is_told, f) == 0);
    }
    actor(joins_all, f);
    actor(kills_a_child, f);
    actor(joins_all, f);
    actor(waits_for_children, f);
    return f;
}

static void check_family(void *state)
{
    struct family *f = state;

    for (int i = 0; i < 10 && f->told < 2 * CHILDREN; i++)
        hub_sleep(0); /* links run after the end */
    MUST(f->told == 2 * CHILDREN && f->joined == 2 * CHILDREN);
    for (int i = 0; i < CHILDREN; i++)
        MUST(hub_async_result_destroy(&f->results[i]) == 0);
    free(f);
}

SCENE(family, start_family, check_family)

/* ---- pool: never more than it has places, all have run ---- */

struct crowd {
    struct hub_group *pool;
    int running, ran;
};

static int runs_in_pool(void *arg, void **result)
{
    struct crowd *c = arg;
    int rc;

    MUST(++c->running <= 3);
    rc = hop();
    c->running--;
    c->ran++;
    *result = c;
    return rc;
}

static int fills_pool(void *arg, void **result)
{
    struct crowd *c = arg;

    (void)result;
    for (int i = 0; i < 5; i++) {
        void *value = NULL;
        int rc;

        if (draw(2) == 0) {
            do {
                rc = hub_group_spawn(c->pool, runs_in_pool, c, soon(), NULL);
                MUST(rc == 0 || rc == -EAGAIN);
            } while (rc != 0);
        } else {
            MUST(hub_group_apply(c->pool, runs_in_pool, c, HUB_FOREVER,
                                 &value) == 0);
            MUST(value == c);
        }
    }
    return 0;
}

static void *start_crowd(void)
{
    struct crowd *c = state_of(sizeof *c);

    c->pool = hub_pool_new(3);
    MUST(c->pool != NULL);
    for (int i = 0; i < 3; i++)
        actor(fills_pool, c);
    return c;
}

static void check_crowd(void *state)
{
    struct crowd *c = state;

    MUST(hub_group_join(c->pool, HUB_FOREVER, 0) == 0);
    MUST(c->running == 0 && c->ran == 15);
    MUST(hub_group_free_count(c->pool) == 3);
    hub_group_free(c->pool);
    free(c);
}

SCENE(pool, start_crowd, check_crowd)

/* ---- timeouts: nested, each is its own ---- */

static int nests(void *arg, void **result)
{
    (void)arg;
    (void)result;
    for (int i = 0; i < 6; i++) {
        struct hub_timeout outer, inner;
        int rc = 0;

        MUST(hub_timeout_begin(&outer, soon()) == 0);
        MUST(hub_timeout_begin(&inner, soon()) == 0);
        while (rc == 0)
            rc = hop();
        MUST(rc == -ETIMEDOUT);
        MUST(hub_timeout_fired(&inner) || hub_timeout_fired(&outer));
        MUST(hub_sleep(HUB_SECOND) == -ETIMEDOUT); /* it stays ended */
        hub_timeout_end(&inner);
        hub_timeout_end(&outer);
        MUST(hub_canceled() == 0 && hub_sleep(0) == 0);
    }
    return 0;
}

static void *start_timeouts(void)
{
    actor(nests, NULL);
    actor(nests, NULL);
    return NULL;
}

static void check_timeouts(void *state)
{
    MUST(state == NULL);
}

SCENE(timeouts, start_timeouts, check_timeouts)

/* ---- a descriptor that several read: each byte is read once ---- */

enum { BYTES = 20 };

struct stream {
    int ends[2], got;
};

static int writes(void *arg, void **result)
{
    struct stream *s = arg;

    (void)result;
    for (int i = 0; i < BYTES; i++) {
        MUST(write(s->ends[1], "x", 1) == 1);
        hop();
    }
    close(s->ends[1]);
    return 0;
}

static int reads(void *arg, void **result)
{
    struct stream *s = arg;
    ssize_t got;
    char byte;

    (void)result;
    do {
        int rc = hub_wait_fd(s->ends[0], HUB_READ,
                             draw(3) == 0 ? soon() : HUB_FOREVER);

        MUST(rc == 0 || rc == -ETIMEDOUT);
        got = read(s->ends[0], &byte, 1);
        if (got > 0)
            s->got++;
    } while (got != 0);
    return 0;
}

static void *start_stream(void)
{
    struct stream *s = state_of(sizeof *s);

    MUST(pipe2(s->ends, O_NONBLOCK | O_CLOEXEC) == 0);
    for (int i = 0; i < 3; i++)
        actor(reads, s);
    actor(writes, s);
    return s;
}

static void check_stream(void *state)
{
    struct stream *s = state;

    MUST(s->got == BYTES);
    hub_fd_closed(s->ends[0]);
    close(s->ends[0]);
    free(s);
}

SCENE(stream, start_stream, check_stream)

/* ---- tasks: what a scope leaves is cancelled, and waited for ---- */

static int is_task(void *arg, void **result)
{
    int *alive = arg, rc = 0;

    (void)result;
    ++*alive;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hop();
    --*alive;
    return rc;
}

static int has_tasks(void *arg, void **result)
{
    struct hub_task *tasks[3];
    struct hub_scope scope;
    int alive = 0;

    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        MUST(hub_scope_begin(&scope, 0) == 0);
        for (int k = 0; k < 3; k++)
            MUST(hub_task_create(&scope, &tasks[k], is_task, &alive, NULL) ==
                 0);
        hop();
        if (draw(2) == 0)
            hub_task_cancel(tasks[draw(3)], NULL);
        else if (draw(2) == 0)
            MUST(hub_scope_join(&scope, HUB_FOREVER) == 0);
        MUST(hub_scope_end(&scope) == 0);
        MUST(alive == 0);
    }
    return 0;
}

static void *start_tasks(void)
{
    actor(has_tasks, NULL);
    actor(has_tasks, NULL);
    return NULL;
}

SCENE(tasks, start_tasks, check_timeouts)

/* ---- callbacks keep their order ---- */

struct calls {
    int made, called;
    struct call {
        struct calls *calls;
        int number;
    } call[8];
};

static void is_called(void *arg)
{
    struct call *call = arg;

    MUST(call->calls->called++ == call->number);
}

static int calls_back(void *arg, void **result)
{
    struct calls *c = arg;

    (void)result;
    while (c->made < 8) {
        struct call *call = &c->call[c->made];

        *call = (struct call){ c, c->made++ };
        MUST(hub_call_soon(is_called, call) != NULL);
        hop();
    }
    while (c->called < 8)
        hub_sleep(0);
    return 0;
}

static void *start_calls(void)
{
    struct calls *c = state_of(sizeof *c);

    actor(calls_back, c);
    actor(calls_back, c);
    return c;
}

static void check_calls(void *state)
{
    struct calls *c = state;

    MUST(c->called == 8);
    free(c);
}

SCENE(callbacks, start_calls, check_calls)
