/* semaphores.c - Semaphore, BoundedSemaphore, RLock */
#include "script.h"

#include <pthread.h>

static int take(struct hub_semaphore *s)
{
    return hub_semaphore_acquire(s, HUB_FOREVER);
}

static void says_count(const struct hub_semaphore *s)
{
    say("main", "counter: %d", hub_semaphore_count(s));
}

BODY(takes)
{
    int rc = take(s->object);

    if (rc < 0)
        return rc;
    say(s->who, "has it");
    for (int64_t i = 0; i < s->n; i++)
        hub_sleep(0);
    say(s->who, "gives it back");
    hub_semaphore_release(s->object);
    return 0;
}

static struct greenlet *spawn_takes(const char *who, struct hub_semaphore *s)
{
    return spawn(takes, who, 1, s);
}

SCRIPT(semaphore_wakes_in_order)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 0);
    spawn_takes("a", &s);
    spawn_takes("b", &s);
    spawn_takes("c", &s);
    hub_sleep(0);
    hub_semaphore_release(&s);
    say("main", "has released");
    drain();
}

BODY(takes_for_good)
{
    int rc = take(s->object);

    if (rc == 0)
        say(s->who, "has it");
    return rc;
}

SCRIPT(semaphore_wakes_as_many_as_it_has)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 0);
    spawn(takes_for_good, "a", 0, &s);
    spawn(takes_for_good, "b", 0, &s);
    spawn(takes_for_good, "c", 0, &s);
    spawn(takes_for_good, "d", 0, &s);
    hub_sleep(0);
    hub_semaphore_release(&s);
    hub_semaphore_release(&s);
    hub_sleep(0);
    say("main", "back");
    hub_semaphore_release(&s);
    hub_semaphore_release(&s);
    hub_sleep(0);
}

static void tries(struct hub_semaphore *s)
{
    say("main", "without waiting: %s",
        yes(hub_semaphore_try_acquire(s) == 0));
}

SCRIPT(semaphore_counts)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 2);
    tries(&s);
    tries(&s);
    tries(&s);
    hub_semaphore_release(&s);
    hub_semaphore_release(&s);
    says_count(&s);
    say("main", "locked: %s", yes(hub_semaphore_locked(&s)));
}

SCRIPT(semaphore_taken_at_once_does_not_switch)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 1);
    spawn_says("other", "runs");
    take(&s);
    say("main", "has it");
    hub_semaphore_release(&s);
    say("main", "has released");
    hub_sleep(0);
}

BODY(naps_and_releases)
{
    nap("g", T);
    hub_semaphore_release(s->object);
    return 0;
}

static void takes_until(struct hub_semaphore *s, int64_t ns)
{
    int rc = hub_semaphore_acquire(s, hub_deadline(ns));

    say("main", "has it: %s", yes(rc == 0));
}

SCRIPT(semaphore_acquire_may_time_out)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 0);
    takes_until(&s, T);
    spawn(naps_and_releases, "g", 0, &s);
    takes_until(&s, 9 * T);
    says_count(&s);
}

SCRIPT(semaphore_in_a_foreign_timeout)
{
    static struct hub_semaphore s;
    struct hub_timeout timeout;

    hub_semaphore_init(&s, 0);
    enough(hub_timeout_begin(&timeout, hub_deadline(T)) == 0);
    attempt("main", take(&s));
    hub_timeout_end(&timeout);
    hub_semaphore_release(&s);
    says_count(&s);
}

SCRIPT(semaphore_waiter_is_killed)
{
    static struct hub_semaphore s;
    struct greenlet *some[3];

    hub_semaphore_init(&s, 0);
    some[0] = spawn_takes("a", &s);
    some[1] = spawn_takes("b", &s);
    some[2] = spawn_takes("c", &s);
    hub_sleep(0);
    hub_kill_join(some[0], HUB_FOREVER);
    hub_semaphore_release(&s);
    join_all(some, 3);
    says_count(&s);
}

SCRIPT(semaphore_waiter_is_killed_after_a_release)
{
    static struct hub_semaphore s;
    struct greenlet *a, *b;

    hub_semaphore_init(&s, 0);
    a = spawn_takes("a", &s);
    b = spawn_takes("b", &s);
    hub_sleep(0);
    hub_kill(a);
    hub_semaphore_release(&s);
    join(b);
    says_count(&s);
}

BODY(takes_three_times)
{
    for (int i = 0; i < 3; i++) {
        take(s->object);
        say(s->who, "has it");
        hub_sleep(0);
        hub_semaphore_release(s->object);
    }
    return 0;
}

SCRIPT(semaphore_is_fair)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 1);
    spawn(takes_three_times, "a", 0, &s);
    spawn(takes_three_times, "b", 0, &s);
    drain();
}

SCRIPT(semaphore_newcomer_after_a_release)
{
    static struct hub_semaphore s;

    hub_semaphore_init(&s, 0);
    spawn_takes("old", &s);
    hub_sleep(0);
    hub_semaphore_release(&s);
    tries(&s);
    hub_sleep(0);
    hub_sleep(0);
    says_count(&s);
}

static void told(struct hub_object object, void *who)
{
    (void)object;
    say(who, "told");
}

SCRIPT(semaphore_links)
{
    static struct hub_semaphore s;
    static struct hub_link link;

    hub_semaphore_init(&s, 0);
    hub_rawlink(&link, hub_semaphore_object(&s), told, "link");
    hub_semaphore_release(&s);
    say("main", "has released");
    hub_sleep(0);
    says_count(&s);
}

static void releases(struct hub_semaphore *s)
{
    int rc = hub_semaphore_release(s);

    attempt("main", rc < 0 ? rc : 0);
}

SCRIPT(bounded_semaphore_released_too_often)
{
    static struct hub_semaphore s;

    hub_bounded_semaphore_init(&s, 1);
    take(&s);
    releases(&s);
    releases(&s);
    says_count(&s);
}

SCRIPT(bounded_semaphore_hands_over)
{
    static struct hub_semaphore s;
    struct greenlet *both[2];

    hub_bounded_semaphore_init(&s, 1);
    take(&s);
    both[0] = spawn_takes("a", &s);
    both[1] = spawn_takes("b", &s);
    hub_sleep(0);
    hub_semaphore_release(&s);
    say("main", "has released");
    join_all(both, 2);
}

/* ---- RLock ---- */

BODY(takes_lock)
{
    int rc = hub_rlock_acquire(s->object, HUB_FOREVER);

    if (rc < 0)
        return rc;
    say(s->who, "has it");
    hub_sleep(0);
    say(s->who, "gives it back");
    hub_rlock_release(s->object);
    return 0;
}

SCRIPT(recursive_lock_of_a_greenlet)
{
    static struct hub_rlock lock;
    struct greenlet *g;

    hub_rlock_init(&lock);
    hub_rlock_acquire(&lock, HUB_FOREVER);
    hub_rlock_acquire(&lock, HUB_FOREVER);
    g = spawn(takes_lock, "g", 0, &lock);
    hub_sleep(0);
    hub_rlock_release(&lock);
    say("main", "has released once");
    hub_sleep(0);
    hub_rlock_release(&lock);
    say("main", "has released");
    join(g);
}

BODY(releases_lock)
{
    int rc = hub_rlock_release(s->object);

    attempt(s->who, rc < 0 ? rc : 0);
    return 0;
}

SCRIPT(recursive_lock_of_another)
{
    static struct hub_rlock lock;
    struct step main_step = { "main", 0, &lock, NULL };

    hub_rlock_init(&lock);
    hub_rlock_acquire(&lock, HUB_FOREVER);
    join(spawn(releases_lock, "g", 0, &lock));
    releases_lock(&main_step, NULL);
    releases_lock(&main_step, NULL);
}

/* ---- threads ---- */

static void *releases_from_afar(void *s)
{
    hub_semaphore_release(s);
    return NULL;
}

SCRIPT(semaphore_released_by_a_thread)
{
    static struct hub_semaphore s;
    pthread_t thread;

    hub_semaphore_init(&s, 0);
    spawn(takes, "a", 0, &s);
    hub_sleep(0);
    pthread_create(&thread, NULL, releases_from_afar, &s);
    say("main", "waits");
    hub_sleep(3 * T);
    says_count(&s);
    pthread_join(thread, NULL);
}

struct shared {
    struct hub_semaphore semaphore;
    int count, torn;
};

BODY(counts)
{
    struct shared *shared = s->object;

    for (int i = 0; i < 20; i++) {
        int before;

        take(&shared->semaphore);
        before = shared->count;
        hub_sleep(100 * HUB_MICROSECOND);
        shared->torn += shared->count != before;
        shared->count = before + 1;
        hub_semaphore_release(&shared->semaphore);
    }
    return 0;
}

static void *counts_twice(void *shared)
{
    struct step s = { "g", 0, shared, NULL };
    struct greenlet *both[] = { hub_spawn(counts, &s), hub_spawn(counts, &s) };

    enough(both[0] != NULL && both[1] != NULL);
    join_all(both, 2);
    greenlet_unref(both[0]);
    greenlet_unref(both[1]);
    return NULL;
}

SCRIPT(semaphore_between_two_hubs)
{
    struct shared shared = { .count = 0 };
    pthread_t thread;

    hub_semaphore_init(&shared.semaphore, 1);
    pthread_create(&thread, NULL, counts_twice, &shared);
    counts_twice(&shared);
    pthread_join(thread, NULL);
    say("main", "nobody came between: %s",
        yes(shared.torn == 0 && shared.count == 80));
    says_count(&shared.semaphore);
}
