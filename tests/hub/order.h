/* order.h - who ran when: letters in a row, for the tests of hub/ */
#ifndef VIREO_TESTS_HUB_ORDER_H
#define VIREO_TESTS_HUB_ORDER_H

#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>

#define MS INT64_C(1000000)

static char order[64];

static inline void note(char what)
{
    size_t length = strlen(order);

    if (length + 1 < sizeof order)
        order[length] = what;
}

/* Errors that nobody caught, instead of lines on stderr. */
static char reported[256];
static int reports;

static inline void keep_report(struct hub *hub, const struct greenlet *context,
                               const struct greenlet_exception *exception,
                               void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    reports++;
    snprintf(reported, sizeof reported, "%s: %s", exception->cls->name,
             exception->text != NULL ? exception->text : "");
}

/* Before the counting of unit_setup(): the hub exists. */
static inline void order_setup(void)
{
    hub_yield();
    hub_set_error_handler(keep_report, NULL);
    memset(order, 0, sizeof order);
    memset(reported, 0, sizeof reported);
    reports = 0;
}

static inline TCase *order_case(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, order_setup, NULL);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    return tcase;
}

#endif
