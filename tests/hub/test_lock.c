/* Locks that know their owner. */
#include "sync.h"

static struct hub_rlock lock;

static void fresh_lock(void)
{
    hub_rlock_init(&lock);
}

struct one {
    char name;
    int rc;
    int64_t deadline;
};

static void locks(void *arg)
{
    struct one *one = arg;

    one->rc = hub_rlock_acquire(&lock, one->deadline);
    note(one->name);
    if (one->rc == 0)
        ck_assert_int_ge(hub_rlock_release(&lock), 0);
}

static struct greenlet *locker(struct one *one, char name)
{
    *one = (struct one){ name, 1, HUB_FOREVER };
    return hub_spawn_raw(locks, one);
}

/* Those who wait in a test. */
static struct one a, b;
static struct greenlet *ga, *gb;

/* Who runs the test has it; a comes first. */
static void both_wait(void)
{
    hub_rlock_acquire(&lock, HUB_FOREVER);
    ga = locker(&a, 'a');
    gb = locker(&b, 'b');
    hub_yield();
}

START_TEST(its_owner_acquires_it_again_and_releases_as_often)
{
    ck_assert(!hub_rlock_locked(&lock));
    ck_assert_int_eq(hub_rlock_acquire(&lock, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_rlock_acquire(&lock, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_rlock_try_acquire(&lock), 0);
    ck_assert_int_eq(hub_rlock_owned(&lock), 3);
    ck_assert_int_eq(hub_rlock_release(&lock), 2);
    ck_assert_int_eq(hub_rlock_release(&lock), 1);
    ck_assert(hub_rlock_locked(&lock));
    ck_assert_int_eq(hub_rlock_destroy(&lock), -EBUSY);
    ck_assert_int_eq(hub_rlock_release(&lock), 0);
    ck_assert_int_eq(hub_rlock_owned(&lock), 0);
    ck_assert_int_eq(hub_rlock_release(&lock), -EPERM);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}
END_TEST

static void intrudes(void *arg)
{
    int *rc = arg;

    rc[0] = hub_rlock_release(&lock);
    rc[1] = hub_rlock_try_acquire(&lock);
    rc[2] = hub_rlock_owned(&lock);
}

static const int refused[] = { -EPERM, -EAGAIN, 0 };

START_TEST(another_greenlet_can_neither_release_nor_have_it)
{
    int rc[3] = { 1, 1, 1 };

    hub_rlock_acquire(&lock, HUB_FOREVER);
    finish(hub_spawn_raw(intrudes, rc));
    ck_assert_mem_eq(rc, refused, sizeof rc);
    hub_rlock_release(&lock);
}
END_TEST

START_TEST(it_goes_to_who_has_waited_longest)
{
    both_wait();
    ck_assert_int_eq(hub_rlock_release(&lock), 0);
    ck_assert_int_eq(hub_rlock_try_acquire(&lock), -EAGAIN); /* it is a's */
    ck_assert_int_eq(hub_rlock_acquire(&lock, HUB_FOREVER), 0);
    note('m');
    hub_rlock_release(&lock);
    finish(ga);
    finish(gb);
    ck_assert_str_eq(order, "abm");
}
END_TEST

START_TEST(a_wait_that_is_ended_passes_it_on)
{
    both_wait();
    end_soon(ga, _i);
    hub_rlock_release(&lock); /* it is a's, who has not run */
    finish(ga);
    finish(gb);
    ck_assert_int_eq(a.rc, _i == KILLED ? 0 : ends_with[_i]);
    ck_assert_int_eq(b.rc, 0);
    ck_assert(!hub_rlock_locked(&lock));
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}
END_TEST

START_TEST(a_wait_may_end_early)
{
    b = (struct one){ 'b', 1, hub_deadline(MS) };
    hub_rlock_acquire(&lock, HUB_FOREVER);
    ga = locker(&a, 'a');
    gb = hub_spawn_raw(locks, &b);
    hub_yield();
    hub_kill(ga);
    finish(ga);
    finish(gb);
    ck_assert_int_eq(a.rc, -ECANCELED);
    ck_assert_int_eq(b.rc, -ETIMEDOUT);
    hub_rlock_release(&lock);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}
END_TEST

static void callback(void *arg)
{
    *(int *)arg = hub_rlock_acquire(&lock, HUB_FOREVER);
}

START_TEST(mistakes_are_refused)
{
    int rc = 1;

    ck_assert_int_eq(hub_rlock_acquire(NULL, 0), -EINVAL);
    ck_assert_int_eq(hub_rlock_try_acquire(NULL), -EINVAL);
    ck_assert_int_eq(hub_rlock_release(NULL), -EINVAL);
    ck_assert_int_eq(hub_rlock_owned(NULL), 0);
    hub_rlock_acquire(&lock, HUB_FOREVER);
    hub_call_soon(callback, &rc);
    settle();
    ck_assert_int_eq(rc, -EDEADLK);
    hub_rlock_release(&lock);
}
END_TEST

static void keeps_it(void *arg)
{
    hub_rlock_acquire(&lock, HUB_FOREVER);
    *(int *)arg = hub_sleep_unreferenced(HUB_SECOND);
    hub_rlock_release(&lock);
}

START_TEST(a_dead_lock_is_reported_with_who_holds_it)
{
    const struct greenlet_exception *why;
    struct greenlet *holder;
    int rc = 1;

    hub_set_error_fd(-1);
    holder = hub_spawn_raw(keeps_it, &rc);
    greenlet_set_name(holder, "keeper");
    hub_yield();
    ck_assert_int_eq(hub_rlock_acquire(&lock, HUB_FOREVER), -EDEADLK);
    hub_set_error_fd(2);
    why = greenlet_caught_peek();
    ck_assert_ptr_eq(why->cls, &hub_loop_exit_class);
    ck_assert_ptr_nonnull(strstr(why->text, "waits for lock"));
    ck_assert_ptr_nonnull(strstr(why->text, "held by"));
    ck_assert_ptr_nonnull(strstr(why->text, "keeper"));
    hub_kill(holder);
    finish(holder);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}
END_TEST

static void ends_with_it(void *arg)
{
    *(int *)arg = hub_rlock_acquire(&lock, HUB_FOREVER);
}

static void expect_dead_lock(const char *holder)
{
    hub_set_error_fd(-1);
    ck_assert_int_eq(hub_rlock_acquire(&lock, HUB_FOREVER), -EDEADLK);
    hub_set_error_fd(2);
    ck_assert_ptr_nonnull(strstr(greenlet_caught_peek()->text, holder));
}

START_TEST(an_owner_that_ends_keeps_it_and_the_report_says_so)
{
    struct greenlet *g;
    int rc = 1;

    g = hub_spawn_raw(ends_with_it, &rc);
    greenlet_set_name(g, "keeper");
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, 0);
    ck_assert(hub_rlock_locked(&lock));
    expect_dead_lock("keeper");
    expect_dead_lock("which has ended");
    greenlet_unref(g);
    expect_dead_lock("held by a greenlet that has ended");
    ck_assert_int_eq(hub_rlock_destroy(&lock), -EBUSY);
}
END_TEST

START_TEST(who_gets_the_memory_of_an_owner_does_not_get_its_lock)
{
    struct greenlet *g;
    const void *was;
    int rc[3] = { 1, 1, 1 };

    g = hub_spawn_raw(ends_with_it, rc);
    was = g;
    finish(g);
    g = hub_spawn_raw(intrudes, rc);
    ck_assert_ptr_eq(g, was); /* else this shows nothing */
    finish(g);
    ck_assert_mem_eq(rc, refused, sizeof rc);
}
END_TEST

/* ---- threads ---- */

static void *thread_locks(void *arg)
{
    int *rc = arg;

    rc[0] = hub_rlock_try_acquire(&lock);
    __atomic_store_n(&rc[1], hub_rlock_release(&lock), __ATOMIC_RELEASE);
    rc[2] = hub_rlock_acquire(&lock, hub_deadline(20 * HUB_SECOND));
    rc[3] = hub_rlock_acquire(&lock, HUB_FOREVER);
    ck_assert_ptr_nonnull(greenlet_current()); /* it has greenlets now */
    rc[4] = hub_rlock_release(&lock);
    rc[5] = hub_rlock_release(&lock);
    return NULL;
}

START_TEST(threads_without_greenlets_own_it_too)
{
    static const int expected[] = { -EAGAIN, -EPERM, 0, 0, 1, 0 };
    int rc[6] = { 1, 1, 1, 1, 1, 1 };
    pthread_t other;

    hub_rlock_acquire(&lock, HUB_FOREVER);
    other = thread(thread_locks, rc);
    while (__atomic_load_n(&rc[1], __ATOMIC_ACQUIRE) == 1)
        hub_sleep(MS); /* it has tried */
    hub_sleep(2 * MS);
    hub_rlock_release(&lock);
    ck_assert_int_eq(hub_rlock_acquire(&lock, hub_deadline(20 * HUB_SECOND)), 0);
    hub_rlock_release(&lock);
    pthread_join(other, NULL);
    ck_assert_mem_eq(rc, expected, sizeof rc);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_checked_fixture(tcase, fresh_lock, NULL);
    tcase_add_test(tcase, its_owner_acquires_it_again_and_releases_as_often);
    tcase_add_test(tcase, another_greenlet_can_neither_release_nor_have_it);
    tcase_add_test(tcase, it_goes_to_who_has_waited_longest);
    tcase_add_loop_test(tcase, a_wait_that_is_ended_passes_it_on, 0, HOWS);
    tcase_add_test(tcase, a_wait_may_end_early);
    tcase_add_test(tcase, mistakes_are_refused);
    tcase_add_test(tcase, a_dead_lock_is_reported_with_who_holds_it);
    tcase_add_test(tcase, an_owner_that_ends_keeps_it_and_the_report_says_so);
    tcase_add_test(tcase, who_gets_the_memory_of_an_owner_does_not_get_its_lock);
    tcase_add_test(tcase, threads_without_greenlets_own_it_too);
    return unit_run("lock", tcase);
}
