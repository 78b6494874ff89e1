/* errors.c - what nobody caught, the end of a hub, other threads, fork */
#include "script.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

SCRIPT(failure_is_reported_once)
{
    struct greenlet *g = spawn_fails("g");

    say("main", "joins");
    join(g);
    attempt("main", hub_get(g, HUB_FOREVER, NULL));
    attempt("main", hub_get(g, HUB_FOREVER, NULL));
}

BODY(exits)
{
    return -ECANCELED;
}

SCRIPT(exits_are_not_reported)
{
    struct greenlet *a = spawn(exits, "a", 0, NULL);
    struct greenlet *b = spawn_naps("b", 10 * HUB_SECOND);

    hub_sleep(0);
    hub_kill_join(b, HUB_FOREVER);
    join(a);
    say("main", "a has succeeded: %s", yes(hub_successful(a)));
    say("main", "b has succeeded: %s", yes(hub_successful(b)));
}

BODY(joins)
{
    int rc = join(s->object);

    if (rc == 0)
        say(s->who, "joined");
    return rc;
}

SCRIPT(report_comes_before_the_waiters)
{
    struct greenlet *g = spawn_fails("g");

    spawn(joins, "a", 0, g);
    spawn(joins, "b", 0, g);
    drain();
}

static const struct greenlet *told_of;

static void handler(struct hub *hub, const struct greenlet *context,
                    const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    told_of = context;
    say(data, "%s", word(exception->cls->error));
}

SCRIPT(handler_gets_the_greenlet)
{
    struct greenlet *g;

    hub_set_error_handler(handler, "handler");
    g = spawn_fails("g");
    join(g);
    say("main", "it was told of g: %s", yes(told_of == g));
}

BODY(raises_system_exit)
{
    static const struct greenlet_exception system_exit = {
        .cls = &greenlet_system_class
    };

    say("g", "raises");
    return greenlet_raise(&system_exit);
}

SCRIPT(system_error_goes_to_main)
{
    struct greenlet *other;

    hub_set_error_handler(NULL, NULL);
    spawn(raises_system_exit, "g", 0, NULL);
    other = spawn_naps("other", 2 * T);
    attempt("main", hub_sleep(10 * HUB_SECOND));
    say("main", "goes on");
    join(other);
}

SCRIPT(reports_go_to_a_stream)
{
    int fd = memfd_create("reports", MFD_CLOEXEC);

    hub_set_error_handler(NULL, NULL);
    hub_set_error_fd(fd);
    join(spawn_fails("a"));
    say("main", "a report is there: %s", yes(lseek(fd, 0, SEEK_END) > 0));
    hub_set_error_fd(-1);
    join(spawn_fails("b"));
    say("main", "no report");
    close(fd);
}

SCRIPT(destroyed_hub_is_followed_by_another)
{
    unsigned old = hub_id(hub_current());

    join(spawn_naps("a", T));
    hub_destroy();
    say("main", "destroyed");
    nap("main", T);
    say("main", "it is another hub: %s", yes(hub_id(hub_current()) != old));
    join(spawn_naps("b", T));
}

SCRIPT(others_in_the_child_of_a_fork)
{
    struct greenlet *g = spawn_naps("other", 2 * T);
    pid_t child;

    hub_sleep(0);
    child = fork();
    if (child == 0) {
        alarm(10);
        hub_sleep(4 * T);
        say("child", "ends");
        _exit(0);
    }
    hub_kill_join(g, HUB_FOREVER);
    waitpid(child, NULL, 0);
    say("parent", "ends");
}

SCRIPT(child_of_a_fork_has_a_loop)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(10);
        spawn_naps("g", 2 * T);
        nap("child", T);
        drain();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    nap("parent", T);
}

BODY(joins_nobody)
{
    return join(s->object);
}

SCRIPT(what_a_deadlock_tells)
{
    struct greenlet *g = spawn(joins_nobody, "stuck", 0, nobody());
    struct greenlet_exception record;
    const char *text;

    greenlet_set_name(g, "stuck");
    say("main", "%s", word(join(g)));
    if (!greenlet_caught(&record))
        return;
    text = record.text;
    say("main", "names who is stuck: %s", yes(strstr(text, "stuck") != NULL));
    say("main", "says for what it waits: %s",
        yes(strstr(text, "waits for the end of greenlet") != NULL));
    say("main", "says since when: %s", yes(strstr(text, " since ") != NULL));
    greenlet_exception_clear(&record);
}

/* ---- threads ---- */

static struct greenlet *nobody_there;

static void *has_a_hub(void *mine)
{
    struct greenlet *g;

    say("thread", "has a hub of its own: %s", yes(hub_current() != mine));
    g = hub_spawn(naps, step("its greenlet", T, NULL));
    enough(g != NULL);
    join(g);
    greenlet_unref(g);
    return NULL;
}

SCRIPT(each_thread_has_a_hub)
{
    pthread_t thread;

    pthread_create(&thread, NULL, has_a_hub, hub_current());
    pthread_join(thread, NULL);
    nap("main", T);
}

/* Another thread may yet end the wait: that is no dead-lock here. */
static void *waits_for_nobody(void *arg)
{
    struct hub **hub = arg;
    struct step *s = step("nobody", 0, NULL);
    struct greenlet *g = hub_greenlet_new(says, s, 0);

    enough(g != NULL);
    s->what = "ran";
    hub_set_error_fd(-1);
    nobody_there = g;
    __atomic_store_n(hub, hub_current(), __ATOMIC_RELEASE);
    attempt("thread", join(g));
    greenlet_unref(g);
    return NULL;
}

static void starts_nobody(void *arg)
{
    (void)arg;
    hub_start(nobody_there);
}

SCRIPT(deadlock_that_another_thread_may_end)
{
    struct hub *hub = NULL;
    pthread_t thread;

    pthread_create(&thread, NULL, waits_for_nobody, &hub);
    hub_sleep(2 * T);
    while (__atomic_load_n(&hub, __ATOMIC_ACQUIRE) == NULL)
        hub_sleep(T);
    say("main", "starts it");
    enough(hub_call_soon_threadsafe(hub, starts_nobody, NULL) == 0);
    pthread_join(thread, NULL);
}

/* ---- an event of several hubs ---- */

struct waits {
    struct hub_event *event;
    int rc, running;
};

BODY(waits_for_event)
{
    struct waits *waits = s->object;

    __atomic_store_n(&waits->running, 1, __ATOMIC_RELEASE);
    waits->rc = hub_event_wait(waits->event, hub_deadline(5 * T));
    return 0;
}

static void *waits_in_a_hub(void *arg)
{
    struct step s = { "waiter", 0, arg, NULL };
    struct greenlet *g = hub_spawn(waits_for_event, &s);

    enough(g != NULL);
    join(g);
    greenlet_unref(g);
    return NULL;
}

SCRIPT(event_between_hubs)
{
    struct hub_event event;
    struct waits waits[2] = { { &event, 0, 0 }, { &event, 0, 0 } };
    pthread_t threads[2];

    hub_event_init(&event);
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, waits_in_a_hub, &waits[i]);
        while (!__atomic_load_n(&waits[i].running, __ATOMIC_ACQUIRE))
            usleep(1000);
    }
    hub_event_set(&event);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        say(i == 0 ? "a" : "b", "woken: %s", yes(waits[i].rc == 0));
    hub_event_destroy(&event);
}
