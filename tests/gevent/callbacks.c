/* callbacks.c - callbacks, zero sleeps, timers, the order of spawned ones */
#include "script.h"

#include <pthread.h>

/* Keep the OS thread: nothing else runs. */
static void block(int64_t ns)
{
    int64_t until = hub_now() + ns;

    while (hub_now() < until)
        usleep(1000);
}

SCRIPT(callbacks_and_greenlets_take_turns)
{
    call_says("callback", "a");
    spawn_says("greenlet", "b");
    call_says("callback", "c");
    spawn_says("greenlet", "d");
    hub_sleep(0);
    say("main", "back");
}

static void calls_another(void *arg)
{
    (void)arg;
    say("callback", "first");
    call_says("callback", "of the first");
}

SCRIPT(callback_queued_by_a_callback)
{
    hub_call_soon(calls_another, NULL);
    call_says("callback", "second");
    spawn_ticks("g", 3);
    hub_sleep(0);
    say("main", "back");
    hub_sleep(0);
    hub_sleep(0);
    hub_sleep(0);
}

static void chain(void *arg)
{
    struct step *s = arg;

    say("callback", "%d", (int)s->n);
    if (s->n-- > 0)
        hub_call_soon(chain, s);
}

SCRIPT(callbacks_before_a_zero_timer)
{
    spawn_naps("timer", HUB_MICROSECOND);
    hub_sleep(0);
    hub_call_soon(chain, step("callback", 3, NULL));
    hub_sleep(T);
}

SCRIPT(callback_canceled)
{
    struct hub_callback *b;

    call_says("callback", "a");
    b = call_says("callback", "b");
    call_says("callback", "c");
    hub_callback_cancel(b);
    hub_sleep(0);
}

BODY(spins)
{
    int *done = s->object;

    while (!*done) {
        block(HUB_MILLISECOND);
        hub_sleep(0);
    }
    say(s->who, "saw it");
    return 0;
}

BODY(sets_after_a_nap)
{
    hub_sleep(T);
    say(s->who, "fires");
    *(int *)s->object = 1;
    return 0;
}

SCRIPT(spinners_let_timers_fire)
{
    int done = 0;
    struct greenlet *all[] = { spawn(spins, "spinner", 0, &done),
                               spawn(sets_after_a_nap, "timer", 0, &done) };

    join_all(all, 2);
}

SCRIPT(callback_switches)
{
    hub_call_soon(switch_to, greenlet_current());
    call_says("callback", "behind it");
    greenlet_switch(hub_greenlet(hub_current()), NULL, NULL);
    say("main", "back");
    hub_sleep(0);
}

static void called_from_afar(void *arg)
{
    say("callback", "%s", (const char *)arg);
}

static void *calls_twice(void *hub)
{
    hub_call_soon_threadsafe(hub, called_from_afar, "a");
    hub_call_soon_threadsafe(hub, called_from_afar, "b");
    return NULL;
}

SCRIPT(callback_from_a_thread)
{
    pthread_t thread;

    pthread_create(&thread, NULL, calls_twice, hub_current());
    pthread_join(thread, NULL);
    say("main", "has joined");
    nap("main", 2 * T);
}

BODY(says_when_killed)
{
    int rc = hub_sleep(100 * HUB_SECOND);

    say(s->who, "%s", word(rc));
    return rc;
}

static void kills(void *g)
{
    hub_kill(g);
}

static void *kills_from_afar(void *arg)
{
    struct step *s = arg;

    usleep(T / 1000);
    enough(hub_call_soon_threadsafe(s->object, kills, (void *)s->what) == 0);
    return NULL;
}

SCRIPT(callback_from_a_thread_wakes_the_loop)
{
    struct greenlet *g = spawn(says_when_killed, "g", 0, NULL);
    struct step *s = step("thread", 0, hub_current());
    pthread_t thread;

    s->what = (const char *)g;
    pthread_create(&thread, NULL, kills_from_afar, s);
    join(g);
    say("main", "joined");
    pthread_join(thread, NULL);
}

SCRIPT(zero_sleeps_take_turns)
{
    spawn_ticks("a", 3);
    spawn_ticks("b", 3);
    spawn_ticks("c", 3);
    tick("main", 4);
}

BODY(spawns_and_yields)
{
    say("a", "runs");
    spawn_says("b", "runs");
    hub_sleep(0);
    say("a", "again");
    return 0;
}

SCRIPT(zero_sleep_goes_behind_all)
{
    spawn(spawns_and_yields, "a", 0, NULL);
    hub_sleep(0);
    say("main", "first");
    hub_sleep(0);
    say("main", "second");
}

SCRIPT(negative_sleep_yields)
{
    spawn_says("g", "runs");
    hub_sleep(-1);
    say("main", "back");
}

SCRIPT(sleep_lets_zero_sleeps_run_first)
{
    spawn_ticks("g", 3);
    nap("main", 10 * HUB_MICROSECOND);
}

SCRIPT(sleepers_wake_by_deadline)
{
    spawn_naps("after 5", 5 * T);
    spawn_naps("after 1", 1 * T);
    spawn_naps("after 4", 4 * T);
    spawn_naps("after 2", 2 * T);
    spawn_naps("after 3", 3 * T);
    drain();
}

SCRIPT(sleep_counts_from_its_call)
{
    spawn_naps("a", 2 * T);
    hub_sleep(0);
    block(2 * T);
    spawn_naps("b", T);
    nap("main", 2 * T);
}

BODY(naps_and_spawns)
{
    hub_sleep(T);
    say("a", "awake");
    spawn_says("c", "runs");
    return 0;
}

SCRIPT(due_sleepers_run_before_what_they_start)
{
    spawn(naps_and_spawns, "a", 0, NULL);
    hub_sleep(0);
    spawn_naps("b", 3 * T / 2);
    hub_sleep(0);
    block(3 * T);
    drain();
}

SCRIPT(idle_comes_last)
{
    spawn_ticks("g", 5);
    hub_idle(0);
    say("main", "idle");
}

BODY(idles)
{
    int rc = hub_idle((int)s->n);

    say(s->who, "idle");
    return rc;
}

SCRIPT(idle_by_priority)
{
    spawn(idles, "low", -1, NULL);
    spawn(idles, "high", 1, NULL);
    spawn(idles, "middle", 0, NULL);
    spawn_ticks("g", 2);
    drain();
}

SCRIPT(spawned_run_when_the_spawner_waits)
{
    spawn_says("a", "runs");
    spawn_says("b", "runs");
    spawn_says("c", "runs");
    say("main", "has spawned");
    hub_sleep(0);
    say("main", "back");
}

BODY(spawns_a_child)
{
    say(s->who, "runs");
    spawn_says(s->object, "runs");
    return 0;
}

SCRIPT(spawned_by_a_running_one_comes_last)
{
    spawn(spawns_a_child, "a", 0, "a's child");
    spawn(spawns_a_child, "b", 0, "b's child");
    spawn(spawns_a_child, "c", 0, "c's child");
    hub_sleep(0);
    say("main", "back");
    hub_sleep(0);
}

BODY(yields_once)
{
    hub_sleep(0);
    say(s->who, "back");
    return 0;
}

SCRIPT(spawn_between_a_wake_and_its_run)
{
    spawn(yields_once, "sleeper", 0, NULL);
    hub_sleep(0);
    spawn_says("new", "runs");
    hub_sleep(0);
    say("main", "back");
}

static void raw_body(void *arg)
{
    say(arg, "its parent is the hub: %s",
        yes(greenlet_parent(greenlet_current()) == hub_greenlet(hub_current())));
    hub_sleep(0);
    say(arg, "again");
}

SCRIPT(raw_greenlets_run_in_turn)
{
    struct greenlet *a = keep(hub_spawn_raw(raw_body, "a"));

    spawn_ticks("b", 2);
    keep(hub_spawn_raw(raw_body, "c"));
    hub_sleep(0);
    say("main", "it is dead: %s", yes(hub_dead(a)));
    hub_sleep(0);
    say("main", "it is dead: %s", yes(hub_dead(a)));
}
