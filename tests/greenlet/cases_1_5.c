/* cases_1_5.c - the parent (G-080 ... G-088) */
#include "case.h"

#include <semaphore.h>

CASE(G_080, "a main greenlet has no parent and takes none")
{
    struct greenlet *self = greenlet_current(), *g = make(never_run);
    struct greenlet *const parents[] = {g, self, NULL};

    CHECK(greenlet_main(self));
    CHECK_PTR(greenlet_parent(self), NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(greenlet_set_parent(self, parents[i]), -EPERM);
        CHECK_HAS(greenlet_caught_peek()->text,
                  "cannot set the parent of a main greenlet");
        CHECK_CAUGHT(greenlet_attribute_class, NULL);
        CHECK_PTR(greenlet_parent(self), NULL);
    }
    greenlet_unref(g);
}

/* Gives itself the parent that it is sent, and ends. */
static int takes_a_parent(void *parent, void **result)
{
    if (parent != NULL)
        CHECK_INT(greenlet_set_parent(greenlet_current(), parent), 0);
    *result = V(81);
    return 0;
}

static int parks_once(void *value, void **result)
{
    *result = YIELD(value);
    return 0;
}

CASE(G_081, "it can be set in every state of an ordinary greenlet")
{
    struct greenlet *self = greenlet_current(), *parent = make(returns_value);
    struct greenlet *fresh = make(never_run), *parked = make(parks_once);
    struct greenlet *running = make(takes_a_parent);

    CHECK_INT(greenlet_set_parent(fresh, parent), 0);
    CHECK_PTR(greenlet_parent(fresh), parent);
    CHECK_INT(greenlet_set_parent(fresh, self), 0);
    CHECK_PTR(greenlet_parent(fresh), self);

    SWITCH(parked, NULL);
    CHECK_INT(greenlet_set_parent(parked, parent), 0);
    CHECK_PTR(greenlet_parent(parked), parent);
    CHECK_INT(greenlet_set_parent(parked, self), 0);
    SWITCH(parked, NULL);
    CHECK(greenlet_dead(parked));
    CHECK_INT(greenlet_set_parent(parked, parent), 0);
    CHECK_PTR(greenlet_parent(parked), parent);

    CHECK_PTR(SWITCH(running, parent), V(81));
    CHECK_PTR(greenlet_parent(running), parent);
    CHECK(greenlet_dead(parent)); /* it was started by the result */
    greenlet_unref(fresh);
    greenlet_unref(parked);
    greenlet_unref(running);
    greenlet_unref(parent);
}

static void refuses_no_parent(struct greenlet *g)
{
    struct greenlet *before = greenlet_parent(g);

    CHECK_INT(greenlet_set_parent(g, NULL), -EINVAL);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK_PTR(greenlet_parent(g), before);
}

CASE(G_082, "only a greenlet is accepted: no parent is none")
{
    struct greenlet *g = make(parks_once);

    refuses_no_parent(g);
    SWITCH(g, NULL);
    refuses_no_parent(g);
    SWITCH(g, NULL);
    refuses_no_parent(g);
    greenlet_unref(g);
}

static void refuses_cycle(struct greenlet *g, struct greenlet *parent)
{
    struct greenlet *before = greenlet_parent(g);

    CHECK_INT(greenlet_set_parent(g, parent), -ELOOP);
    CHECK_HAS(greenlet_caught_peek()->text, "cyclic parent chain");
    CHECK_CAUGHT(greenlet_value_class, NULL);
    CHECK_PTR(greenlet_parent(g), before);
}

static int refuses_itself(void *value, void **result)
{
    refuses_cycle(greenlet_current(), greenlet_current());
    refuses_cycle(greenlet_current(), greenlet_closure());
    *result = value;
    return 0;
}

CASE(G_083, "cycles are refused, short and long, of a running one too")
{
    struct greenlet *g = make(NULL), *h = make_below(never_run, g);
    struct greenlet *i = make_below(never_run, h);
    struct greenlet_callable run = {refuses_itself, i, NULL};

    refuses_cycle(g, g);
    refuses_cycle(h, h);
    refuses_cycle(g, h);
    refuses_cycle(g, i);
    refuses_cycle(h, i);
    CHECK_INT(greenlet_set_run(g, &run), 0);
    CHECK_PTR(SWITCH(g, V(83)), V(83));
    refuses_cycle(g, i); /* dead */
    greenlet_unref(i);
    greenlet_unref(h);
    greenlet_unref(g);
}

/* A thread with a greenlet of its own, that stays until it is told. */
static struct other {
    sem_t ready, end;
    struct greenlet *g;
} other;

static void *stays(void *argument)
{
    (void)argument;
    other.g = make(returns_value);
    SWITCH(other.g, NULL);
    sem_post(&other.ready);
    while (sem_wait(&other.end) < 0)
        ;
    return NULL;
}

CASE(G_084, "a parent of another thread: a start detects it, a set refuses it")
{
    struct greenlet *self = greenlet_current();
    struct greenlet *g = make(parks_once), *fresh = make(returns_value);
    pthread_t thread;

    sem_init(&other.ready, 0, 0);
    sem_init(&other.end, 0, 0);
    CHECK_INT(pthread_create(&thread, NULL, stays, NULL), 0);
    while (sem_wait(&other.ready) < 0)
        ;
    CHECK_INT(greenlet_set_parent(fresh, other.g), 0);
    CHECK_INT(greenlet_switch(fresh, NULL, NULL), -EXDEV);
    CHECK_CAUGHT(greenlet_error_class, NULL);
    CHECK(!greenlet_started(fresh));
    CHECK_INT(greenlet_set_parent(fresh, self), 0);
    CHECK_PTR(SWITCH(fresh, V(84)), V(84));

    SWITCH(g, NULL);
    for (int i = 0; i < 2; i++) { /* suspended, then dead */
        CHECK_INT(greenlet_set_parent(g, other.g), -EXDEV);
        CHECK_HAS(greenlet_caught_peek()->text,
                  "parent cannot be on a different thread");
        CHECK_CAUGHT(greenlet_value_class, NULL);
        CHECK_PTR(greenlet_parent(g), self);
        if (i == 0)
            SWITCH(g, NULL);
    }
    sem_post(&other.end);
    CHECK_INT(pthread_join(thread, NULL), 0);
    greenlet_unref(g);
    greenlet_unref(fresh);
    greenlet_unref(other.g);
}

CASE(G_085, "a parent whose chain has no living main is refused when started")
{
    struct greenlet *self = greenlet_current();
    struct greenlet *g = make(parks_once), *fresh = make(returns_value);

    sem_init(&other.ready, 0, 0);
    sem_init(&other.end, 0, 1);
    in_thread(stays, NULL);
    SWITCH(g, NULL);
    CHECK_INT(greenlet_set_parent(g, other.g), -EXDEV);
    CHECK_CAUGHT(greenlet_value_class, NULL);
    CHECK_PTR(greenlet_parent(g), self);
    CHECK_INT(greenlet_set_parent(fresh, other.g), 0);
    CHECK_INT(greenlet_switch(fresh, NULL, NULL), -ESRCH);
    CHECK_CAUGHT(greenlet_error_class, NULL);
    CHECK_INT(greenlet_set_parent(fresh, self), 0);
    CHECK_PTR(SWITCH(fresh, V(85)), V(85));
    SWITCH(g, NULL);
    greenlet_unref(g);
    greenlet_unref(fresh);
    greenlet_unref(other.g);
}

static int notes_value(void *value, void **result)
{
    note("%s:%d", (const char *)greenlet_closure(), (int)(intptr_t)value);
    *result = value;
    return 0;
}

CASE(G_086, "where a result goes is decided at the end, by the parent then")
{
    struct greenlet *one = make_with(notes_value, "one");
    struct greenlet *two = make_with(notes_value, "two");
    struct greenlet *g = make_below(parks_once, one);
    struct greenlet *h = make(takes_a_parent);

    /* g parks in its parent, which so is started, and ends in main. */
    CHECK_PTR(SWITCH(g, V(1)), V(1));
    CHECK_STR(notes(), "one:1");
    CHECK_INT(greenlet_set_parent(g, two), 0); /* while suspended */
    CHECK_PTR(SWITCH(g, V(86)), V(86));
    CHECK_STR(notes(), "one:1 two:86");
    greenlet_unref(two);
    two = make_with(notes_value, "again");
    CHECK_PTR(SWITCH(h, two), V(81)); /* while running */
    CHECK_STR(notes(), "one:1 two:86 again:81");
    greenlet_unref(h);
    greenlet_unref(g);
    greenlet_unref(one);
    greenlet_unref(two);
}

static bool is_there(struct greenlet_weak *weak)
{
    struct greenlet *g = greenlet_weak_get(weak);

    if (g != NULL)
        greenlet_unref(g);
    return g != NULL;
}

CASE(G_087, "a greenlet keeps its parent; a parent does not keep its children")
{
    struct greenlet *g = make(never_run), *child = make_below(never_run, g);
    struct greenlet *other_child = make_below(never_run, g);
    struct greenlet_weak *weak = greenlet_weak_new(g);
    struct greenlet_weak *weak_child = greenlet_weak_new(other_child);

    greenlet_unref(g);
    CHECK(is_there(weak));
    greenlet_unref(other_child);
    CHECK(!is_there(weak_child));
    CHECK(is_there(weak));
    CHECK_INT(greenlet_set_parent(child, greenlet_current()), 0);
    CHECK(!is_there(weak));
    greenlet_unref(child);
    greenlet_weak_free(weak);
    greenlet_weak_free(weak_child);
}

static struct greenlet *hub, *risen, *parent_seen;

static int rises(void *value, void **result)
{
    int rc = greenlet_switch(greenlet_closure(), value, NULL);

    CHECK_INT(rc, -ECANCELED);
    parent_seen = greenlet_parent(greenlet_current());
    risen = greenlet_ref(greenlet_current());
    note("%d", (int)(intptr_t)SWITCH(hub, V(88)));
    *result = V(89);
    return 0;
}

CASE(G_088, "the parent of one being killed is the dropper, for the time being")
{
    struct greenlet_callable run = {rises, greenlet_current(), NULL};
    struct greenlet *g;

    hub = make(returns_value);
    g = make_below(NULL, hub);
    CHECK_INT(greenlet_set_run(g, &run), 0);
    SWITCH(g, NULL);
    greenlet_unref(g); /* hub is started by it, and ends here */
    CHECK_PTR(parent_seen, greenlet_current());
    CHECK_PTR(risen, g);
    CHECK_PTR(greenlet_parent(risen), hub);
    CHECK(greenlet_dead(hub) && greenlet_active(risen));
    CHECK_PTR(SWITCH(risen, V(90)), V(89));
    CHECK_STR(notes(), "90");
    greenlet_unref(risen);
    greenlet_unref(hub);
}

static int drops_its_value(void *value, void **result)
{
    *result = V(91);
    greenlet_unref(value);
    return 0;
}

static int notes_its_parent(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    parent_seen = greenlet_parent(greenlet_current());
    return rc;
}

static struct greenlet *elder;

static int adopts_its_parent(void *value, void **result)
{
    int rc = greenlet_switch(value, NULL, result);

    CHECK_INT(rc, -ECANCELED);
    CHECK_INT(greenlet_set_parent(elder, greenlet_current()), 0);
    return rc;
}

CASE(G_088c, "what became its child meanwhile is not its parent again")
{
    struct greenlet *younger, *self = greenlet_current();

    elder = make(notes_its_parent);
    SWITCH(elder, NULL);
    younger = make_below(adopts_its_parent, elder);
    SWITCH(younger, self);
    greenlet_unref(younger);
    CHECK(greenlet_dead(greenlet_parent(elder)));
    CHECK_PTR(greenlet_parent(greenlet_parent(elder)), self);
    CHECK_PTR(SWITCH(elder, V(92)), V(92));
    CHECK(greenlet_dead(elder));
    greenlet_unref(elder);
}

CASE(G_088b, "whoever the dropper is")
{
    struct greenlet *g = make(notes_its_parent);
    struct greenlet *dropper = make(drops_its_value);

    SWITCH(g, NULL);
    CHECK_PTR(SWITCH(dropper, g), V(91));
    CHECK_PTR(parent_seen, dropper);
    greenlet_unref(dropper);
}
