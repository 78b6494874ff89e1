/* foreign.h - a call on what belongs to the hub of another thread */
#ifndef TESTS_HUB_FOREIGN_H
#define TESTS_HUB_FOREIGN_H

#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <pthread.h>

/* It was refused, with a text that names both hubs; this thread has one. */
static inline void ck_refused(int rc, unsigned owner)
{
    struct greenlet_exception caught;
    char mine[32], theirs[32];

    ck_assert_int_eq(rc, -EXDEV);
    ck_assert(greenlet_caught(&caught));
    ck_assert_ptr_eq(caught.cls, &hub_invalid_thread_class);
    snprintf(mine, sizeof mine, "hub %u", hub_id(hub_current()));
    snprintf(theirs, sizeof theirs, "to hub %u,", owner);
    ck_assert_str_ne(mine, theirs);
    ck_assert_ptr_nonnull(strstr(caught.text, mine));
    ck_assert_ptr_nonnull(strstr(caught.text, theirs));
    greenlet_exception_clear(&caught);
}

/* Have function(&id of this hub) called in a thread with a hub of its own. */
static inline void call_elsewhere(void *(*function)(void *owner))
{
    unsigned owner = hub_id(hub_current());
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, function, &owner), 0);
    pthread_join(thread, NULL);
}

#endif
