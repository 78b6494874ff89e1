/* pooled.h - a driver that connects to nothing, for the tests of pools */
#ifndef VIREO_TESTS_HUB_POOLED_H
#define VIREO_TESTS_HUB_POOLED_H

#include "sync.h"

struct conn {
    int number; /* in the order of opening */
    bool dead;  /* check says so */
    bool dirty; /* reset refuses it */
};

/* What the driver does, and has done. */
static struct driver {
    int open_rc;                               /* open fails with it */
    bool open_null;                            /* it succeeds, with nothing */
    int64_t open_ns, check_ns, reset_ns, close_ns; /* how long each waits */
    int opens, closes, checks, resets, alive;
} driver;

static inline int pauses(int64_t ns)
{
    return ns > 0 ? hub_sleep(ns) : 0;
}

static inline void count(int *what, int change)
{
    __atomic_add_fetch(what, change, __ATOMIC_SEQ_CST);
}

/* As drivers do it says -EIO, whatever ended its wait. */
static int open_it(void **made, void *arg)
{
    struct conn *conn;

    ck_assert_ptr_eq(arg, &driver);
    if (pauses(driver.open_ns) < 0)
        return -EIO;
    if (driver.open_rc < 0)
        return driver.open_rc;
    if (driver.open_null)
        return 0;
    conn = calloc(1, sizeof *conn);
    conn->number = __atomic_add_fetch(&driver.opens, 1, __ATOMIC_SEQ_CST);
    count(&driver.alive, 1);
    *made = conn;
    return 0;
}

static void close_it(void *conn, void *arg)
{
    ck_assert_ptr_eq(arg, &driver);
    ck_assert_int_eq(pauses(driver.close_ns), 0);
    count(&driver.closes, 1);
    count(&driver.alive, -1);
    free(conn);
}

static int check_it(void *made, void *arg)
{
    struct conn *conn = made;

    ck_assert_ptr_eq(arg, &driver);
    count(&driver.checks, 1);
    return pauses(driver.check_ns) < 0 || conn->dead ? -EIO : 0;
}

static int reset_it(void *made, void *arg)
{
    struct conn *conn = made;

    ck_assert_ptr_eq(arg, &driver);
    count(&driver.resets, 1);
    return pauses(driver.reset_ns) < 0 || conn->dirty ? -EIO : 0;
}

static struct hub_connpool *pool;
static struct hub_connpool_options options;

static inline void make_pool(unsigned size)
{
    options.size = size;
    options.open = open_it;
    options.close = close_it;
    options.arg = &driver;
    ck_assert_int_eq(hub_connpool_new(&options, &pool), 0);
}

static inline struct hub_connpool_stats stats(void)
{
    struct hub_connpool_stats now;

    ck_assert_int_eq(hub_connpool_stats(pool, &now), 0);
    return now;
}

/* Tests may follow each other in one process. */
static inline void pooled_setup(void)
{
    memset(&driver, 0, sizeof driver);
    memset(&options, 0, sizeof options);
    pool = NULL;
}

static inline TCase *pooled_case(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, pooled_setup, NULL);
    return tcase;
}

/* Nothing is lost: as many as it has places can be taken. */
static inline void drop_pool(void)
{
    unsigned size = stats().size;
    void *all[16];

    memset(&driver, 0, offsetof(struct driver, opens));
    ck_assert_uint_le(size, 16);
    for (unsigned i = 0; i < size; i++)
        ck_assert_int_eq(
            hub_connpool_take(pool, hub_deadline(HUB_SECOND), &all[i]), 0);
    ck_assert_uint_eq(stats().taken, size);
    for (unsigned i = 0; i < size; i++)
        ck_assert_int_eq(hub_connpool_give(pool, all[i], false), 0);
    ck_assert_int_eq(hub_connpool_close(pool, hub_deadline(HUB_SECOND)), 0);
    ck_assert_uint_eq(stats().open, 0);
    ck_assert_uint_eq(stats().closed, stats().opened);
    ck_assert_int_eq(hub_connpool_free(pool), 0);
    ck_assert_int_eq(driver.alive, 0);
    pool = NULL;
}

static inline struct conn *taken(void)
{
    void *conn = NULL;

    ck_assert_int_eq(hub_connpool_take(pool, hub_deadline(20 * HUB_SECOND),
                                       &conn), 0);
    ck_assert_ptr_nonnull(conn);
    return conn;
}

static inline void given(struct conn *conn)
{
    ck_assert_int_eq(hub_connpool_give(pool, conn, false), 0);
}

/* One that takes, notes its name, and gives when it is told to. */
struct user {
    char name;
    int rc;
    int64_t deadline;
    int number;     /* of the connection it had */
    int64_t has_it; /* how long */
    bool gives;
    struct greenlet *g;
};

static void uses(void *arg)
{
    struct user *user = arg;
    void *conn = NULL;

    user->rc = hub_connpool_take(pool, user->deadline, &conn);
    if (user->rc < 0)
        return;
    user->number = ((struct conn *)conn)->number;
    note(user->name);
    if (user->has_it > 0)
        hub_sleep(user->has_it);
    if (user->gives)
        given(conn);
}

static inline void enter(struct user *user, char name)
{
    *user = (struct user){ .name = name, .rc = 1, .deadline = HUB_FOREVER,
                           .gives = true };
    user->g = hub_spawn_raw(uses, user);
    ck_assert_ptr_nonnull(user->g);
}

#endif
