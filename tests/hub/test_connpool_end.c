/* Pools of connections: who uses one is ended at any moment; the pool is closed;
 * threads with hubs, and without, use one at once. */
#include "pooled.h"

#include <sys/wait.h>

static struct user a, b;
static struct conn *kept;

/* ---- kills ---- */

/* a is ended in one of many moments; b must have a connection then. */
static void ended_at(void (*arrange)(void), int how)
{
    make_pool(1);
    arrange();
    hub_yield();
    end_soon(a.g, how);
    finish(a.g);
    memset(&driver, 0, offsetof(struct driver, opens));
    enter(&b, 'b');
    finish(b.g);
    ck_assert_int_eq(b.rc, 0);
    drop_pool();
}

static void opens_for_long(void)
{
    driver.open_ns = 20 * HUB_SECOND;
    enter(&a, 'a');
}

START_TEST(ended_in_open)
{
    ended_at(opens_for_long, _i);
    ck_assert_int_eq(a.rc, _i == KILLED ? -ECANCELED : -EIO);
}
END_TEST

static void checks_for_long(void)
{
    given(taken());
    driver.check_ns = 20 * HUB_SECOND;
    enter(&a, 'a');
}

START_TEST(ended_in_check)
{
    options.check = check_it;
    ended_at(checks_for_long, _i);
    /* To what is thrown once the check is only one that failed. */
    ck_assert_int_eq(a.rc, _i == KILLED ? -ECANCELED : 0);
    ck_assert_int_ge(driver.closes, 1);
}
END_TEST

static void has_it_for_long(void)
{
    enter(&a, 'a');
    a.has_it = 20 * HUB_SECOND;
    a.gives = false;
}

START_TEST(ended_while_it_has_one)
{
    ended_at(has_it_for_long, _i);
    ck_assert_int_eq(driver.closes, 2);
}
END_TEST

static void resets_for_long(void)
{
    driver.reset_ns = 20 * HUB_SECOND;
    enter(&a, 'a');
}

START_TEST(ended_in_reset)
{
    options.reset = reset_it;
    ended_at(resets_for_long, _i);
    ck_assert_int_eq(driver.closes, 2); /* nobody knows its state */
}
END_TEST

static void closes_slowly(void)
{
    driver.close_ns = 5 * MS;
    enter(&a, 'a');
    a.gives = false;
}

/* That goes on: close_it() says so if its sleep is cut short. */
START_TEST(killed_in_close)
{
    ended_at(closes_slowly, KILLED);
}
END_TEST

START_TEST(ended_while_it_waits)
{
    struct conn *conn;

    make_pool(1);
    conn = taken();
    enter(&a, 'a');
    enter(&b, 'b');
    hub_yield();
    end_soon(a.g, _i);
    finish(a.g);
    ck_assert_int_eq(a.rc, ends_with[_i]);
    given(conn);
    finish(b.g);
    ck_assert_int_eq(b.number, 1);
    drop_pool();
}
END_TEST

static void gives_kept(void *arg)
{
    (void)arg;
    given(kept);
}

/* The connection and the end in one turn of the loop, in both orders. */
START_TEST(ended_as_it_is_handed_over)
{
    int how = _i / 2;

    make_pool(1);
    kept = taken();
    enter(&a, 'a');
    enter(&b, 'b');
    hub_yield();
    if (_i % 2 == 0)
        hub_call_soon(gives_kept, NULL);
    end_soon(a.g, how);
    if (_i % 2 == 1)
        hub_call_soon(gives_kept, NULL);
    finish(a.g);
    finish(b.g);
    ck_assert_int_eq(b.rc, 0);
    ck_assert_uint_eq(stats().taken, 0);
    drop_pool();
}
END_TEST

/* ---- the end ---- */

START_TEST(closing_ends_waits_and_drains)
{
    struct conn *conn;
    void *none;

    make_pool(2);
    conn = taken();
    given(taken());
    ck_assert_int_eq(hub_connpool_free(pool), -EBUSY);
    ck_assert_int_eq(hub_connpool_close(pool, hub_deadline(MS)), -ETIMEDOUT);
    ck_assert_int_eq(driver.closes, 1);
    ck_assert_int_eq(hub_connpool_take(pool, HUB_FOREVER, &none), -ESHUTDOWN);
    given(conn);
    ck_assert_int_eq(driver.alive, 0);
    ck_assert_int_eq(hub_connpool_close(pool, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_connpool_free(pool), 0);
}
END_TEST

START_TEST(who_waits_for_a_closed_one_hears_of_it)
{
    struct conn *conn;
    struct greenlet *g;

    make_pool(1);
    conn = taken();
    enter(&a, 'a');
    hub_yield();
    kept = conn;
    g = hub_spawn_raw(gives_kept, NULL); /* after a has heard */
    ck_assert_int_eq(hub_connpool_close(pool, HUB_FOREVER), 0);
    ck_assert_int_eq(a.rc, -ESHUTDOWN);
    ck_assert_int_eq(hub_connpool_free(pool), 0); /* nobody is inside */
    finish(a.g);
    finish(g);
    ck_assert_int_eq(driver.alive, 0);
}
END_TEST

static void frees_it(void *arg)
{
    (void)arg;
    ck_assert_int_eq(hub_connpool_close(pool, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_connpool_free(pool), 0);
    note('f');
}

/* Who gives the last one back does not touch the pool after that. */
START_TEST(it_may_be_freed_by_who_closed_it)
{
    struct greenlet *g;
    struct conn *conn;

    make_pool(1);
    conn = taken();
    g = hub_spawn_raw(frees_it, NULL);
    hub_yield();
    given(conn);
    finish(g);
    ck_assert_str_eq(order, "f");
    ck_assert_int_eq(driver.alive, 0);
}
END_TEST

START_TEST(a_wait_for_the_end_can_be_ended)
{
    struct greenlet *g;
    struct conn *conn;

    make_pool(1);
    conn = taken();
    g = hub_spawn_raw(frees_it, NULL);
    hub_yield();
    greenlet_unref(g);
    ck_assert_int_eq(hub_connpool_free(pool), -EBUSY);
    ck_assert_int_eq(hub_connpool_close(pool, hub_deadline(MS)), -ETIMEDOUT);
    given(conn);
    settle();
    ck_assert_str_eq(order, "f");
}
END_TEST

START_TEST(the_child_of_a_fork_leaves_it_alone)
{
    struct conn *conn, *idle;
    void *none;
    int status;
    pid_t child;

    make_pool(3);
    conn = taken();
    idle = taken();
    given(idle);
    child = fork();
    if (child == 0) {
        bool right = hub_connpool_take(pool, 0, &none) == -EXDEV &&
                     hub_connpool_give(pool, conn, false) == -EXDEV &&
                     hub_connpool_close(pool, 0) == -EXDEV &&
                     hub_connpool_free(pool) == 0 && driver.closes == 0;

        free(conn); /* or they count as lost */
        free(idle);
        make_pool(1);
        given(taken());
        right = right && hub_connpool_free(pool) == 0;
        _exit(right ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    given(conn);
    drop_pool();
}
END_TEST

/* ---- several threads ---- */

enum { THREADS = 3, GREENS = 4, ROUNDS = 60, PLACES = 3 };
static int most_alive;

/* Takes end in all ways: in time, at short deadlines, given by others' ends. */
static void rounds(void *arg)
{
    int who = (int)(intptr_t)arg;

    for (int i = 0; i < ROUNDS; i++) {
        void *conn;
        int rc = hub_connpool_take(
            pool,
            i % 4 == 0 ? hub_deadline((who * 7 + i) % 50 * HUB_MICROSECOND)
                       : hub_deadline(60 * HUB_SECOND),
            &conn);
        int alive = __atomic_load_n(&driver.alive, __ATOMIC_SEQ_CST);

        if (alive > PLACES)
            __atomic_store_n(&most_alive, alive, __ATOMIC_SEQ_CST);
        if (rc == -ETIMEDOUT)
            continue;
        ck_assert_int_eq(rc, 0);
        if ((who + i) % 5 == 0)
            hub_sleep(10 * HUB_MICROSECOND);
        hub_connpool_give(pool, conn, (who + i) % 7 == 0);
    }
}

static void loses_one(void *arg)
{
    void *conn;

    rounds(arg);
    ck_assert_int_eq(
        hub_connpool_take(pool, hub_deadline(60 * HUB_SECOND), &conn), 0);
}

static void *with_a_hub(void *arg)
{
    struct greenlet *all[GREENS];

    for (int i = 0; i < GREENS; i++)
        all[i] = hub_spawn_raw(i == 0 ? loses_one : rounds,
                               POINTER(NUMBER(arg) * GREENS + i));
    for (int i = 0; i < GREENS; i++) {
        hub_join(all[i], HUB_FOREVER);
        greenlet_unref(all[i]);
    }
    return NULL;
}

static void *without(void *arg)
{
    rounds(arg);
    return NULL;
}

START_TEST(hubs_and_threads_share_one)
{
    pthread_t threads[2 * THREADS];

    options.check = check_it;
    options.reset = reset_it;
    make_pool(PLACES);
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread(with_a_hub, POINTER(i));
    for (int i = THREADS; i < 2 * THREADS; i++)
        threads[i] = thread(without, POINTER(i));
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(most_alive, 0);
    ck_assert_uint_eq(stats().lost, THREADS);
    ck_assert_uint_eq(stats().taken, 0);
    ck_assert_uint_eq(stats().waiting, 0);
    drop_pool();
}
END_TEST

int main(void)
{
    TCase *tcase = pooled_case();

    tcase_add_loop_test(tcase, ended_in_open, 0, HOWS);
    tcase_add_loop_test(tcase, ended_in_check, 0, HOWS);
    tcase_add_loop_test(tcase, ended_while_it_has_one, 0, HOWS);
    tcase_add_loop_test(tcase, ended_in_reset, 0, HOWS);
    tcase_add_test(tcase, killed_in_close);
    tcase_add_loop_test(tcase, ended_while_it_waits, 0, HOWS);
    tcase_add_loop_test(tcase, ended_as_it_is_handed_over, 0, 2 * HOWS);
    tcase_add_test(tcase, closing_ends_waits_and_drains);
    tcase_add_test(tcase, who_waits_for_a_closed_one_hears_of_it);
    tcase_add_test(tcase, it_may_be_freed_by_who_closed_it);
    tcase_add_test(tcase, a_wait_for_the_end_can_be_ended);
    tcase_add_test(tcase, the_child_of_a_fork_leaves_it_alone);
    tcase_add_test(tcase, hubs_and_threads_share_one);
    return unit_run("connpool_end", tcase);
}
