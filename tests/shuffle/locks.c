/* locks.c - scenes: permits, a lock, a condition, an event */
#include "scene.h"

/* ---- semaphore: no permit is lost, none is had twice ---- */

enum { PERMITS = 2, WORKERS = 6 };

struct permits {
    struct hub_semaphore semaphore;
    struct greenlet *workers[WORKERS];
    int held;
};

static int take_permit(struct hub_semaphore *semaphore)
{
    struct hub_timeout timeout;
    int rc;

    switch (draw(4)) {
    case 0:
        rc = hub_semaphore_try_acquire(semaphore);
        return rc == -EAGAIN ? -ETIMEDOUT : rc;
    case 1:
        return hub_semaphore_acquire(semaphore, soon());
    case 2:
        hub_timeout_begin(&timeout, soon());
        rc = hub_semaphore_acquire(semaphore, HUB_FOREVER);
        hub_timeout_end(&timeout);
        return rc;
    default:
        return hub_semaphore_acquire(semaphore, HUB_FOREVER);
    }
}

static int works(void *arg, void **result)
{
    struct permits *s = arg;
    int rc = 0;

    (void)result;
    may_be_thrown_into();
    for (int i = 0; i < 6 && rc != -ECANCELED; i++) {
        rc = take_permit(&s->semaphore);
        MUST(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == THROWN);
        if (rc < 0)
            continue;
        MUST(++s->held <= PERMITS);
        rc = hop();
        s->held--;
        MUST(hub_semaphore_release(&s->semaphore) >= 0);
    }
    return rc == -ECANCELED ? rc : 0;
}

static int kills_workers(void *arg, void **result)
{
    struct permits *s = arg;

    (void)result;
    for (int i = 0; i < 8; i++) {
        hop();
        if (i % 4 == 0)
            MUST(hub_kill(s->workers[draw(WORKERS)]) == 0);
        else
            throw_into(s->workers[draw(WORKERS)]);
    }
    return 0;
}

static void *start_permits(void)
{
    struct permits *s = state_of(sizeof *s);

    MUST(hub_semaphore_init(&s->semaphore, PERMITS) == 0);
    for (int i = 0; i < WORKERS; i++)
        s->workers[i] = actor(works, s);
    actor(kills_workers, s);
    return s;
}

static void check_permits(void *state)
{
    struct permits *s = state;

    MUST(s->held == 0);
    MUST(hub_semaphore_count(&s->semaphore) == PERMITS);
    MUST(hub_semaphore_destroy(&s->semaphore) == 0);
    free(s);
}

SCENE(semaphore, start_permits, check_permits)

/* ---- lock and condition: one at a time, no notification is lost ---- */

struct market {
    struct hub_rlock lock;
    struct hub_condition filled;
    int tokens, sold, inside;
};

static void enter(struct market *m)
{
    MUST(hub_rlock_acquire(&m->lock, HUB_FOREVER) == 0);
    MUST(m->inside++ == 0);
}

static void leave(struct market *m)
{
    m->inside--;
    MUST(hub_rlock_release(&m->lock) == 0);
}

static int wait_inside(struct market *m, int64_t deadline)
{
    int rc;

    m->inside--;
    rc = hub_condition_wait(&m->filled, deadline);
    MUST(m->inside++ == 0);
    return rc;
}

static int sells(void *arg, void **result)
{
    struct market *m = arg;

    (void)result;
    for (int i = 0; i < 6; i++) {
        enter(m);
        m->tokens++;
        MUST(hub_condition_notify(&m->filled, 1) >= 0);
        hop();
        leave(m);
        hop();
    }
    return 0;
}

static int buys(void *arg, void **result)
{
    struct market *m = arg;

    (void)result;
    for (int i = 0; i < 4; i++) {
        enter(m);
        while (m->tokens == 0) {
            int rc = wait_inside(m, draw(3) == 0 ? soon() : HUB_FOREVER);

            MUST(rc == 0 || rc == -ETIMEDOUT);
        }
        m->tokens--;
        m->sold++;
        leave(m);
        hop();
    }
    return 0;
}

/* Waits and does not buy: what it was told it tells the next. */
static int look_once(struct market *m)
{
    int rc = hub_rlock_acquire(&m->lock, HUB_FOREVER);

    if (rc < 0)
        return rc;
    MUST(m->inside++ == 0);
    rc = wait_inside(m, draw(4) == 0 ? soon() : HUB_FOREVER);
    MUST(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == THROWN);
    if (rc == 0)
        hub_condition_notify(&m->filled, 1);
    leave(m);
    return rc;
}

static int looks(void *arg, void **result)
{
    int rc;

    (void)result;
    may_be_thrown_into();
    do
        rc = look_once(arg);
    while (rc != -ECANCELED);
    return rc;
}

static int kills_one(void *arg, void **result)
{
    (void)result;
    for (int i = 0; i < 6; i++) {
        hop();
        throw_into(arg);
    }
    hop();
    return hub_kill(arg);
}

static void *start_market(void)
{
    struct market *m = state_of(sizeof *m);

    hub_rlock_init(&m->lock);
    MUST(hub_condition_init(&m->filled, &m->lock) == 0);
    for (int i = 0; i < 3; i++) {
        actor(buys, m);
        actor(kills_one, actor(looks, m));
        if (i < 2)
            actor(sells, m);
    }
    return m;
}

static void check_market(void *state)
{
    struct market *m = state;

    MUST(m->sold == 12 && m->tokens == 0 && m->inside == 0);
    MUST(hub_condition_destroy(&m->filled) == 0);
    MUST(hub_rlock_destroy(&m->lock) == 0);
    free(m);
}

SCENE(condition, start_market, check_market)

/* ---- event: whoever waits when it is set is woken ---- */

enum { ROUNDS = 4, WAITERS = 4 };

struct rounds {
    struct hub_event event;
    int arrived, woken;
};

static int waits(void *arg, void **result)
{
    struct rounds *r = arg;

    (void)result;
    for (int i = 0; i < ROUNDS; i++) {
        r->arrived++;
        MUST(hub_event_wait(&r->event, HUB_FOREVER) == 0);
        r->woken++;
        hop();
    }
    return 0;
}

static int waits_a_moment(void *arg, void **result)
{
    struct rounds *r = arg;
    int rc = 0;

    (void)result;
    may_be_thrown_into();
    for (int i = 0; i < ROUNDS && rc != -ECANCELED; i++) {
        rc = hub_event_wait(&r->event, soon());
        MUST(rc == 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == THROWN);
    }
    return rc == -ECANCELED ? rc : 0;
}

static int sets(void *arg, void **result)
{
    struct rounds *r = arg;

    (void)result;
    for (int i = 1; i <= ROUNDS; i++) {
        while (r->arrived < i * WAITERS)
            hub_sleep(0);
        MUST(hub_event_set(&r->event) == 0);
        MUST(hub_event_clear(&r->event) == 0);
        while (r->woken < i * WAITERS)
            hub_sleep(0);
    }
    return 0;
}

static void *start_rounds(void)
{
    struct rounds *r = state_of(sizeof *r);

    hub_event_init(&r->event);
    actor(sets, r);
    for (int i = 0; i < WAITERS; i++)
        actor(waits, r);
    actor(kills_one, actor(waits_a_moment, r));
    actor(waits_a_moment, r);
    return r;
}

static void check_rounds(void *state)
{
    struct rounds *r = state;

    MUST(r->woken == ROUNDS * WAITERS);
    MUST(hub_event_destroy(&r->event) == 0);
    free(r);
}

SCENE(event, start_rounds, check_rounds)
