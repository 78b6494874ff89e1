/* cases_1_3_lookup.c - lookups and destructors that switch (G-045 ... G-048) */
#include "case.h"

#include <semaphore.h>

static int looked;

static int starts_it_first(struct greenlet *g, struct greenlet_callable *run)
{
    (void)run;
    if (looked++ == 0) {
        note("lookup %d", (int)(intptr_t)SWITCH(g, V(43)));
        CHECK(greenlet_started(g));
    }
    return 0;
}

static const struct greenlet_type convoluted = {"convoluted", starts_it_first,
                                                NULL};

static int notes_what_comes(void *value, void **result)
{
    void *got;
    int rc;

    (void)result;
    note("started %d", (int)(intptr_t)value);
    while ((rc = greenlet_switch(greenlet_parent(greenlet_current()), value,
                                 &got)) == 0)
        note("resumed %d", (int)(intptr_t)got);
    return rc;
}

CASE(G_045, "a lookup that starts its greenlet: the older switch resumes it")
{
    struct greenlet *g = make_of(&convoluted, returns_value);
    struct greenlet_callable run = {notes_what_comes, NULL, NULL};

    CHECK_INT(greenlet_set_run(g, &run), 0);
    CHECK_PTR(SWITCH(g, V(42)), V(43));
    CHECK_STR(notes(), "started 43 lookup 43 resumed 42");
    CHECK_INT(looked, 2); /* by each of the two switches */
    CHECK_PTR(SWITCH(g, V(44)), V(43));
    CHECK_INT(greenlet_throw(g, NULL, NULL), 0);
    greenlet_unref(g);
}

/* Upstream's "already started in Python": a is new, b looks up its run by
 * switching to itself, c is b's child. */
static struct greenlet *main_greenlet, *a, *b, *c;

static int run_of_a(void *value, void **result)
{
    (void)result;
    CHECK_PTR(greenlet_current(), a);
    note("a:%d", (int)(intptr_t)value);
    return 0;
}

static int run_of_b(void *value, void **result)
{
    CHECK_PTR(greenlet_current(), b);
    note("b:%d", (int)(intptr_t)value);
    note("b-again:%s", (const char *)SWITCH(main_greenlet, "from b"));
    *result = V(5);
    return 0;
}

static int lookup_of_b(struct greenlet *g, struct greenlet_callable *run)
{
    CHECK_PTR(g, b);
    if (looked++ == 0) {
        CHECK_PTR(greenlet_current(), c);
        note("lookup");
        SWITCH(b, V(1));
        note("lookup-back");
    }
    run->run = run_of_b;
    return 0;
}

static int run_of_c(void *value, void **result)
{
    (void)value;
    (void)result;
    note("c");
    SWITCH(b, "from c");
    note("c-done");
    return 0;
}

CASE(G_046, "a suspended one is resumed by the older switch; its end counts")
{
    static const struct greenlet_type type = {"b", lookup_of_b, NULL};

    main_greenlet = greenlet_current();
    a = make(run_of_a);
    b = greenlet_new_of(&type, NULL, a, 0);
    c = make_below(run_of_c, b);
    note("main:%s", (const char *)SWITCH(c, NULL));
    CHECK_STR(notes(), "c lookup b:1 main:from b");
    forget_notes();
    CHECK_PTR(SWITCH(c, NULL), NULL);
    CHECK_STR(notes(), "lookup-back b-again:from c a:5");
    CHECK(greenlet_dead(a) && greenlet_dead(b) && !greenlet_dead(c));
    CHECK_PTR(SWITCH(c, NULL), NULL);
    CHECK_STR(notes(), "lookup-back b-again:from c a:5 c-done");
    greenlet_unref(c);
    greenlet_unref(b);
    greenlet_unref(a);
}

CASE(G_046b, "one that ended in the lookup passes the switch to its parent")
{
    struct greenlet *g = make_of(&convoluted, returns_value);

    CHECK_PTR(SWITCH(g, V(42)), V(42)); /* g is dead: the caller is meant */
    CHECK_STR(notes(), "lookup 43");
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_046c, "a throw whose lookup started the target goes where that waits")
{
    struct greenlet *g = make_of(&convoluted, waits);
    void *result = NULL;

    CHECK_INT(throw_into(g, &some_error, V(46), &result), -EPROTO);
    CHECK_CAUGHT(some_error, V(46));
    CHECK_STR(notes(), "lookup 43 some_error");
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

static struct greenlet *child;

/* The last reference to g is its child's. */
static int gives_up_and_raises(struct greenlet *g, struct greenlet_callable *run)
{
    (void)g;
    (void)run;
    CHECK_INT(greenlet_set_parent(child, main_greenlet), 0);
    return raise_here(&some_error, V(7));
}

static const struct greenlet_type fleeting = {"fleeting", gives_up_and_raises,
                                              NULL};

CASE(G_046d, "what a lookup raises counts, also when it gave its greenlet up")
{
    struct greenlet *g = make_of(&fleeting, returns_value);

    main_greenlet = greenlet_current();
    child = make(returns_value);
    CHECK_PTR(SWITCH(child, V(1)), V(1));
    CHECK_INT(greenlet_set_parent(child, g), 0); /* dead: g stands for it */
    greenlet_unref(g);
    CHECK_INT(greenlet_switch(child, V(2), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(7));
    greenlet_unref(child);
}

CASE(G_031d, "so it does when a child ends: the next ancestor gets the error")
{
    struct greenlet *g = make_of(&fleeting, returns_value);

    main_greenlet = greenlet_current();
    child = make_below(returns_value, g);
    greenlet_unref(g);
    CHECK_INT(greenlet_switch(child, V(2), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(7));
    CHECK(greenlet_dead(child));
    greenlet_unref(child);
}

/* A thread that has a greenlet, and stays until it is told. */
static struct other {
    pthread_t thread;
    sem_t ready, end;
    struct greenlet *g;
} other;

static void *lives_on(void *argument)
{
    struct greenlet *g = make(returns_value);

    (void)argument;
    other.g = g;
    SWITCH(g, NULL);
    sem_post(&other.ready);
    while (sem_wait(&other.end) < 0)
        ;
    return NULL;
}

static int takes_a_foreign_parent(struct greenlet *g,
                                  struct greenlet_callable *run)
{
    (void)run;
    CHECK_INT(greenlet_set_parent(g, other.g), 0);
    return 0;
}

static const struct greenlet_type reparents = {"reparents",
                                               takes_a_foreign_parent, NULL};

CASE(G_047, "the thread is checked again after a lookup that reparents")
{
    struct greenlet *g = make_of(&reparents, never_run);

    sem_init(&other.ready, 0, 0);
    sem_init(&other.end, 0, 0);
    CHECK_INT(pthread_create(&other.thread, NULL, lives_on, NULL), 0);
    while (sem_wait(&other.ready) < 0)
        ;
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EXDEV);
    CHECK_HAS(greenlet_caught_peek()->text, "cannot switch");
    CHECK_CAUGHT(greenlet_error_class, NULL);
    CHECK(!greenlet_started(g));
    sem_post(&other.end);
    CHECK_INT(pthread_join(other.thread, NULL), 0);
    greenlet_unref(g);
    greenlet_unref(other.g);
}

CASE(G_047b, "and if that thread has exited")
{
    struct greenlet *g = make_of(&reparents, never_run);

    sem_init(&other.ready, 0, 0);
    sem_init(&other.end, 0, 1);
    in_thread(lives_on, NULL);
    CHECK_INT(greenlet_switch(g, NULL, NULL), -ESRCH);
    CHECK_CAUGHT(greenlet_error_class, NULL);
    CHECK(!greenlet_started(g));
    greenlet_unref(g);
    greenlet_unref(other.g);
}

static struct greenlet *orphaned, *above;
static int given_back;

static void counts_given_back(void *closure)
{
    CHECK_PTR(closure, &given_back);
    given_back++;
}

/* The child's reference was the last to the one whose body is asked for. */
static int leaves_its_child(struct greenlet *g, struct greenlet_callable *run)
{
    (void)g;
    CHECK_INT(greenlet_set_parent(orphaned, above), 0);
    *run = (struct greenlet_callable){never_run, &given_back,
                                      counts_given_back};
    return 0;
}

static int returns_at_once(void *value, void **result)
{
    *result = value;
    return 0;
}

CASE(G_047c, "an ancestor that its lookup drops is not started, nor is what it "
             "gave lost")
{
    static const struct greenlet_type type = {"leaves", leaves_its_child, NULL};
    struct greenlet *parent = make_of(&type, never_run);

    above = greenlet_current();
    orphaned = greenlet_new(returns_at_once, parent, 0);
    greenlet_unref(parent);
    CHECK_PTR(SWITCH(orphaned, V(7)), V(7));
    CHECK_INT(given_back, 1);
    greenlet_unref(orphaned);
}

static int notes_enter(void *value, void **result)
{
    (void)value;
    *result = V(48);
    note("enter");
    return 0;
}

static int another_run(struct greenlet *g, struct greenlet_callable *run)
{
    (void)g;
    note("lookup");
    *run = (struct greenlet_callable){notes_enter, NULL, NULL};
    return 0;
}

static void destroy_switches(void *closure)
{
    note("destroy");
    SWITCH(closure, "from destroy");
}

CASE(G_048, "destroying an unused run may switch away before the body begins")
{
    static const struct greenlet_type type = {"another", another_run, NULL};
    struct greenlet_callable unused = {never_run, greenlet_current(),
                                       destroy_switches};
    struct greenlet *g = greenlet_new_of(&type, &unused, NULL, 0);

    CHECK(g != NULL);
    CHECK_STR(SWITCH(g, NULL), "from destroy");
    CHECK_STR(notes(), "lookup destroy");
    CHECK_PTR(SWITCH(g, NULL), V(48));
    CHECK_STR(notes(), "lookup destroy enter");
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}
