/* waits.c - waits for descriptors, what ends them, which deadline goes first */
#include "script.h"

#include <fcntl.h>
#include <sys/socket.h>

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        exit(2);
}

static void make_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   ends) < 0)
        exit(2);
}

static void put(int fd, char byte)
{
    if (write(fd, &byte, 1) != 1)
        exit(2);
}

static void close_both(int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static int wait_readable(int64_t fd)
{
    return hub_wait_fd((int)fd, HUB_READ, HUB_FOREVER);
}

BODY(reads)
{
    int rc = wait_readable(s->n);
    char byte = '?';

    if (s->what != NULL)
        attempt(s->who, rc);
    if (rc == 0 && read((int)s->n, &byte, 1) == 1)
        say(s->who, "%c", byte);
    return s->what != NULL ? 0 : rc; /* it was caught */
}

SCRIPT(wait_for_a_descriptor)
{
    int ends[2];
    struct greenlet *g;

    make_pipe(ends);
    g = spawn(reads, "reader", ends[0], NULL);
    hub_sleep(0);
    put(ends[1], 'x');
    say("main", "wrote");
    join(g);
    say("main", "joined");
    close_both(ends);
}

BODY(waits_readable)
{
    int rc = wait_readable(s->n);

    if (rc == 0)
        say(s->who, "readable");
    return rc;
}

SCRIPT(descriptors_wake_in_the_order_of_events)
{
    static const char *const names[] = { "a", "b", "c" };
    static const int order[] = { 1, 0, 2 };
    int pipes[3][2];

    for (int i = 0; i < 3; i++) {
        make_pipe(pipes[i]);
        spawn(waits_readable, names[i], pipes[i][0], NULL);
    }
    hub_sleep(0);
    for (int i = 0; i < 3; i++) {
        put(pipes[order[i]][1], 'x');
        hub_sleep(T);
    }
    say("main", "done");
    for (int i = 0; i < 3; i++)
        close_both(pipes[i]);
}

BODY(sleeps_long)
{
    attempt("g", hub_sleep(10 * HUB_SECOND));
    say("g", "ends");
    return 0;
}

SCRIPT(switched_to_while_it_sleeps)
{
    struct greenlet *g = spawn(sleeps_long, "g", 0, NULL);

    hub_sleep(0);
    hub_call_soon(switch_to, greenlet_current());
    greenlet_switch(g, "something", NULL);
    say("main", "back");
}

BODY(sleeps_twice)
{
    attempt("g", hub_sleep(10 * HUB_SECOND));
    attempt("g", hub_sleep(T));
    return 0;
}

SCRIPT(thrown_into_while_it_sleeps)
{
    struct greenlet *g = spawn(sleeps_twice, "g", 0, NULL);

    hub_sleep(0);
    hub_call_soon(switch_to, greenlet_current());
    greenlet_throw(g, &lost, NULL);
    say("main", "back");
    join(g);
    say("main", "joined");
}

static struct greenlet *spawn_reader(const char *who, int fd)
{
    struct step *s = step(who, fd, NULL);

    s->what = "says how the wait ended";
    return keep(hub_spawn(reads, s));
}

SCRIPT(several_waiters_for_one_descriptor)
{
    struct greenlet *all[2];
    int ends[2];

    make_pair(ends);
    all[0] = spawn_reader("a", ends[0]);
    all[1] = spawn_reader("b", ends[0]);
    hub_sleep(0);
    put(ends[1], 'x');
    hub_sleep(T);
    put(ends[1], 'y');
    join_all(all, 2);
    close_both(ends);
}

BODY(waits_for_events)
{
    int *fd = s->object;
    int rc = hub_wait_fd(*fd, (int)s->n, HUB_FOREVER);

    if (rc == 0)
        say(s->who, "ready");
    return rc;
}

SCRIPT(reader_and_writer_of_one_descriptor)
{
    struct greenlet *r, *w;
    int ends[2];

    make_pair(ends);
    r = spawn(waits_for_events, "reader", HUB_READ, &ends[0]);
    w = spawn(waits_for_events, "writer", HUB_WRITE, &ends[0]);
    join(w);
    say("main", "writable");
    put(ends[1], 'x');
    join(r);
    close_both(ends);
}

SCRIPT(closed_while_another_waits)
{
    struct greenlet *g;
    int ends[2];

    make_pair(ends);
    g = spawn_reader("g", ends[0]);
    hub_sleep(0);
    hub_fd_closed(ends[0]);
    close(ends[0]);
    say("main", "has closed it");
    join(g);
    say("main", "joined");
    close(ends[1]);
}

BODY(waits_and_says)
{
    return attempt(s->who, wait_readable(s->n));
}

SCRIPT(closed_after_the_event_has_come)
{
    struct greenlet *g;
    int ends[2];

    make_pipe(ends);
    g = spawn(waits_and_says, "g", ends[0], NULL);
    hub_sleep(0);
    put(ends[1], 'x');
    join(g);
    hub_fd_closed(ends[0]);
    close(ends[0]);
    say("main", "has closed it");
    hub_sleep(0);
    close(ends[1]);
}

/* ---- waiters ---- */

static int waiter_get(const char *who, struct hub_waiter *w)
{
    void *value = NULL;
    int rc = hub_waiter_get(w, HUB_FOREVER, &value);

    say(who, "%s", rc == 0 ? (char *)value : word(rc));
    return 0;
}

SCRIPT(waiter_keeps_what_came_first)
{
    struct hub_waiter *w = hub_waiter_new();

    enough(w != NULL);
    hub_waiter_switch(w, "early");
    waiter_get("main", w);
    hub_waiter_free(w);
    w = hub_waiter_new();
    enough(w != NULL);
    hub_waiter_throw(w, &lost);
    waiter_get("main", w);
    hub_waiter_free(w);
}

BODY(gets_from_waiter)
{
    return waiter_get(s->who, s->object);
}

static void switches_waiter(void *w)
{
    hub_waiter_switch(w, "for a");
}

SCRIPT(waiter_in_use)
{
    struct hub_waiter *w = hub_waiter_new();

    enough(w != NULL);
    spawn(gets_from_waiter, "a", 0, w);
    spawn(gets_from_waiter, "b", 0, w);
    hub_sleep(0);
    hub_call_soon(switches_waiter, w);
    hub_sleep(0);
    say("main", "back");
    hub_waiter_free(w);
}

/* ---- which deadline goes first ---- */

BODY(sleeps_in_a_timeout)
{
    struct hub_timeout timeout;

    enough(hub_timeout_begin(&timeout, hub_deadline(T)) == 0);
    attempt("g", hub_sleep(2 * T));
    return hub_timeout_end(&timeout);
}

SCRIPT(sleep_goes_before_a_deadline)
{
    struct greenlet *g = spawn(sleeps_in_a_timeout, "g", 0, NULL);

    hub_sleep(0);
    usleep(4 * T / 1000);
    join(g);
}

BODY(waits_in_a_timeout)
{
    struct hub_timeout timeout;

    enough(hub_timeout_begin(&timeout, hub_deadline(T)) == 0);
    attempt("g", wait_readable(s->n));
    return hub_timeout_end(&timeout);
}

SCRIPT(event_goes_before_a_deadline)
{
    struct greenlet *g;
    int ends[2];

    make_pipe(ends);
    g = spawn(waits_in_a_timeout, "g", ends[0], NULL);
    hub_sleep(0);
    put(ends[1], 'x');
    usleep(3 * T / 1000);
    join(g);
    close_both(ends);
}

SCRIPT(sleeps_go_before_descriptors)
{
    struct greenlet *all[2];
    int ends[2];

    make_pipe(ends);
    all[0] = spawn(waits_readable, "reader", ends[0], NULL);
    all[1] = spawn_naps("sleeper", T);
    hub_sleep(0);
    put(ends[1], 'x');
    usleep(3 * T / 1000);
    join_all(all, 2);
    close_both(ends);
}

BODY(sleeps_against_a_deadline)
{
    struct hub_timeout timeout;
    int rc;

    enough(hub_timeout_begin(&timeout, hub_deadline(s->n)) == 0);
    rc = hub_sleep(3 * T);
    hub_timeout_end(&timeout);
    say(s->who, "%s", rc == 0 ? "slept" : word(rc));
    return 0;
}

SCRIPT(deadline_of_one_is_not_seen_by_another)
{
    struct greenlet *all[] = {
        spawn(sleeps_against_a_deadline, "a", 2 * T, NULL),
        spawn(sleeps_against_a_deadline, "b", T, NULL),
        spawn(sleeps_against_a_deadline, "c", 5 * T, NULL),
    };

    join_all(all, 3);
}
