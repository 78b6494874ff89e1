/* unit.h - what the unit tests of context/ and hub/ share
 *
 * A fixture counts greenlets, stack slots, descriptors and maps before and after
 * each test: what a test leaves behind fails it. */
#ifndef VIREO_TESTS_UNIT_H
#define VIREO_TESTS_UNIT_H

#include "context/greenlet_impl.h"
#include "left.h"
#include "runner.h"
#include "sanitizers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct greenlet_counts unit_before;
static unsigned unit_fds;

#ifndef UNIT_MONITOR
/* The hub's monitor opens files for its reports whenever a busy machine lets a test
 * be late: they would be counted.  Tests of it define UNIT_MONITOR. */
__attribute__((constructor)) static void unit_without_monitor(void)
{
    setenv("VIREO_MONITOR", "0", 0);
}
#endif

static inline unsigned unit_count_fds(void)
{
    return (unsigned)left_fds();
}

static inline void unit_setup(void)
{
    greenlet_count(&unit_before);
    unit_fds = unit_count_fds();
}

static inline void unit_teardown(void)
{
    struct greenlet_counts now;

    greenlet_count(&now);
    ck_assert_uint_eq(now.greenlets, unit_before.greenlets);
    ck_assert_uint_eq(now.slots_used, unit_before.slots_used);
    ck_assert_uint_eq(unit_count_fds(), unit_fds);
}

/* VIREO_TEST_MASK, as the preload library reads it. */
static inline void unit_mask(void)
{
    static const struct {
        const char *name;
        unsigned bit;
    } features[] = {
        { "guard", FEATURE_GUARD },       { "fsgsbase", FEATURE_FSGSBASE },
        { "robust", FEATURE_ROBUST },     { "rseq", FEATURE_RSEQ },
        { "pidfd", FEATURE_PIDFD },       { "rwf_nowait", FEATURE_RWF_NOWAIT },
        { "epoll_pwait2", FEATURE_EPOLL_PWAIT2 }
    };
    const char *mask = getenv("VIREO_TEST_MASK");

    for (size_t i = 0; mask != NULL && i < sizeof features / sizeof *features;
         i++)
        if (strstr(mask, features[i].name) != NULL)
            greenlet__masked |= features[i].bit;
}

/* Runs the test case; main()'s result. */
static inline int unit_run(const char *name, TCase *tcase)
{
    unit_mask();
    return runner_run(name, tcase, CK_FORK_GETENV);
}

static inline TCase *unit_case(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    return tcase;
}

#endif
