/* cases_1_6_threads.c - dropped by another thread, or with its own
 * (G-102 ... G-105) */
#include "case.h"

#include <semaphore.h>

/* Two threads take turns: the owner has a greenlet, the case drops it. */
static struct turns {
    sem_t owner, dropper;
    pthread_t thread;
    struct greenlet *g;
} turns;

static void pass(sem_t *to, sem_t *own)
{
    sem_post(to);
    while (sem_wait(own) < 0)
        ;
}

static void start_owner(void *(*function)(void *))
{
    sem_init(&turns.owner, 0, 0);
    sem_init(&turns.dropper, 0, 0);
    CHECK_INT(pthread_create(&turns.thread, NULL, function, NULL), 0);
    while (sem_wait(&turns.dropper) < 0)
        ;
}

static void end_owner(void)
{
    sem_post(&turns.owner);
    CHECK_INT(pthread_join(turns.thread, NULL), 0);
}

/* Whoever uses the library in the owner's thread runs the kill. */
static void *uses_current(void *argument)
{
    turns.g = make(waits);
    SWITCH(turns.g, NULL);
    pass(&turns.dropper, &turns.owner);
    CHECK_STR(notes(), "");
    greenlet_current();
    CHECK_STR(notes(), "exit");
    pass(&turns.dropper, &turns.owner);
    return argument;
}

static void *makes_another(void *argument)
{
    turns.g = make(waits);
    SWITCH(turns.g, NULL);
    pass(&turns.dropper, &turns.owner);
    CHECK_STR(notes(), "");
    greenlet_unref(make(never_run));
    CHECK_STR(notes(), "exit");
    pass(&turns.dropper, &turns.owner);
    return argument;
}

static void drop_in_turns(void *(*owner)(void *))
{
    struct greenlet_weak *weak;

    forget_notes();
    start_owner(owner);
    weak = greenlet_weak_new(turns.g);
    greenlet_unref(turns.g);
    greenlet_current();
    CHECK_STR(notes(), ""); /* nothing happens here */
    pass(&turns.owner, &turns.dropper);
    CHECK_STR(notes(), "exit");
    CHECK_PTR(greenlet_weak_get(weak), NULL);
    greenlet_weak_free(weak);
    end_owner();
}

CASE(G_102, "dropped by another thread it is killed when its own comes by")
{
    drop_in_turns(uses_current);
    drop_in_turns(makes_another);
}

/* New and dead ones have nothing that would run. */
static void *has_new_and_dead(void *argument)
{
    struct greenlet *dead = make(returns_value);

    turns.g = make_below(never_run, dead);
    SWITCH(dead, NULL);
    greenlet_unref(dead);
    pass(&turns.dropper, &turns.owner);
    return argument;
}

CASE(G_102b, "new and dead ones are freed by whichever thread")
{
    struct case_state before;

    start_owner(has_new_and_dead);
    greenlet_unref(turns.g);
    end_owner();
    case_state(&before);
    start_owner(has_new_and_dead);
    greenlet_unref(turns.g);
    end_owner();
    CHECK_SAME_STATE(&before);
}

enum { THREADS = 45 };

static struct greenlet *shared[THREADS];

static void *drops_and_makes(void *slot)
{
    struct greenlet **mine = slot, *g = make(waits);

    SWITCH(g, NULL);
    g = __atomic_exchange_n(mine, g, __ATOMIC_ACQ_REL);
    greenlet_unref(g); /* another's, if there was one */
    greenlet_current();
    greenlet_unref(make(never_run));
    return NULL;
}

CASE(G_102c, "45 threads that drop what others made")
{
    pthread_t threads[THREADS];
    int i;

    for (i = 0; i < THREADS; i++)
        CHECK_INT(
            pthread_create(&threads[i], NULL, drops_and_makes, &shared[i % 5]),
            0);
    for (i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (i = 0; i < 5; i++)
        greenlet_unref(shared[i]);
}

/* A destroy function that waits for another thread, run by the making of a
 * greenlet: that must still get the right parent. */
static void *just_looks(void *where)
{
    *(struct greenlet **)where = greenlet_current();
    return NULL;
}

static void waits_for_a_thread(void *where)
{
    in_thread(just_looks, where);
}

static void *makes_while_another_runs(void *argument)
{
    struct greenlet *seen = NULL, *g, *self = greenlet_current();

    turns.g = make(waits);
    greenlet_set_userdata(turns.g, &seen, waits_for_a_thread);
    SWITCH(turns.g, NULL);
    pass(&turns.dropper, &turns.owner);
    g = make(never_run);
    CHECK(seen != NULL && seen != self);
    CHECK_PTR(greenlet_parent(g), self);
    CHECK_PTR(greenlet_current(), self);
    greenlet_unref(g);
    return argument;
}

CASE(G_102d, "made while such a kill waits for a thread, the parent is right")
{
    start_owner(makes_while_another_runs);
    greenlet_unref(turns.g);
    end_owner();
    CHECK_STR(notes(), "exit");
}

static void *has_an_error_pending(void *argument)
{
    struct greenlet *empty = make(NULL);

    turns.g = make(waits);
    SWITCH(turns.g, NULL);
    CHECK_INT(greenlet_switch(empty, NULL, NULL), -ENODATA);
    pass(&turns.dropper, &turns.owner);
    CHECK_PTR(greenlet_parent(empty), greenlet_current());
    CHECK_STR(notes(), "exit");
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    CHECK_NOTHING_CAUGHT();
    greenlet_unref(empty);
    return argument;
}

CASE(G_103, "the owner's pending error survives that")
{
    start_owner(has_an_error_pending);
    greenlet_unref(turns.g);
    end_owner();
}

static struct greenlet *left[3];

static void *leaves_three(void *argument)
{
    left[0] = make(never_run);
    left[1] = make(waits);
    left[2] = make(returns_value);
    SWITCH(left[1], NULL);
    SWITCH(left[2], NULL);
    return argument;
}

CASE(G_104, "with its thread gone nothing of it runs, and memory is freed")
{
    struct greenlet_counts before, after;
    struct greenlet_weak *weak;

    greenlet_count(&before);
    in_thread(leaves_three, NULL);
    CHECK(greenlet_dead(left[1]) && greenlet_dead(left[2]));
    CHECK(!greenlet_dead(left[0]));
    weak = greenlet_weak_new(left[1]);
    for (int i = 0; i < 3; i++)
        greenlet_unref(left[i]);
    CHECK_PTR(greenlet_weak_get(weak), NULL);
    greenlet_weak_free(weak);
    CHECK_STR(notes(), "");
    greenlet_count(&after);
    CHECK_INT(after.greenlets, before.greenlets);
    CHECK_INT(after.slots_used, before.slots_used);
    CHECK_INT(after.mains, before.mains);
}

static void *drops_before_it_returns(void *argument)
{
    struct greenlet *g = make(waits);

    SWITCH(g, NULL);
    greenlet_unref(g);
    return argument;
}

CASE(G_105, "what a thread drops as it returns is thrown the exit")
{
    in_thread(drops_before_it_returns, NULL);
    CHECK_STR(notes(), "exit");
}
