/* sync.h - what the tests of events, locks and queues share */
#ifndef VIREO_TESTS_HUB_SYNC_H
#define VIREO_TESTS_HUB_SYNC_H

#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#define MS HUB_MILLISECOND
#define POINTER(number) ((void *)(intptr_t)(number))
#define NUMBER(pointer) ((int)(intptr_t)(pointer))

static const struct greenlet_class test_class = { "TestError",
                                                  &greenlet_exception_class,
                                                  -EILSEQ };
static const struct greenlet_exception test_record = { .cls = &test_class,
                                                       .text = "a test's" };

/* What happened, in order. */
static char order[64];

static inline void note(char what)
{
    size_t length = strlen(order);

    if (length + 1 < sizeof order)
        order[length] = what;
}

/* The hub of the program's thread is made before anything is counted. */
static inline void fresh(void)
{
    ck_assert_ptr_nonnull(hub_current());
    unit_setup();
    memset(order, 0, sizeof order);
}

static inline TCase *sync_case(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, fresh, unit_teardown);
    return tcase;
}

/* What is linked but not run yet runs, and what that wakes. */
static inline void settle(void)
{
    for (int i = 0; i < 8; i++)
        hub_yield();
}

/* A greenlet that ended; waits for it. */
static inline void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, hub_deadline(20 * HUB_SECOND)), 0);
    greenlet_unref(g);
}

/* How a wait is ended from outside, and what it returns then. */
enum how { KILLED, THROWN, SWITCHED, HOWS };
static const int ends_with[] = { -ECANCELED, -EILSEQ, -EPROTO };

static inline void kill_it(void *g)
{
    hub_kill(g);
}

static inline void throw_into_it(void *g)
{
    greenlet_throw(g, &test_record, NULL);
}

static inline void switch_to_it(void *g)
{
    greenlet_switch(g, NULL, NULL);
}

/* Done in the loop, before whoever becomes ready from now on runs. */
static inline void end_soon(struct greenlet *g, int how)
{
    hub_call_soon(how == KILLED   ? kill_it
                  : how == THROWN ? throw_into_it
                                  : switch_to_it,
                  g);
}

static inline pthread_t thread(void *(*body)(void *), void *arg)
{
    pthread_t made;

    ck_assert_int_eq(pthread_create(&made, NULL, body, arg), 0);
    return made;
}

#endif
