/* pair.h - for tests of two ends of a socket pair, opened and closed around each */
#ifndef VIREO_TESTS_PAIR_H
#define VIREO_TESTS_PAIR_H

#include "../unit.h"
#include "hub/hub.h"

#define MS HUB_MILLISECOND
#define SOON (hub_now() + 10 * HUB_SECOND) /* does not hang */

static int ours, theirs;
static char order[16];

static void open_pair(void)
{
    int ends[2];

    hub_yield();
    memset(order, 0, sizeof order);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ours = ends[0];
    theirs = ends[1];
}

static void close_pair(void)
{
    hub_close(ours);
    hub_close(theirs);
}

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

#endif
