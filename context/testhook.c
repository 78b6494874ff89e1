/* testhook.c - faults that tests ask for (testhook.h) */
#include "context/greenlet_impl.h"
#include "context/testhook.h"

#ifdef VIREO_TEST_HOOKS

#include <ctype.h>
#include <pthread.h>
#include <string.h>

enum { BREAKABLE = 256, FAULTS = 2 };

static bool broken[BREAKABLE];
bool greenlet__test_whole;
static pthread_once_t broken_once = PTHREAD_ONCE_INIT;
static long countdown[FAULTS]; /* atomic; see greenlet_test_fail() */
static long seen[FAULTS];      /* atomic */

/* "G-113,G-130": whatever is no number separates. */
static void read_environment(void)
{
    const char *at = getenv("VIREO_TEST_BREAK");
    bool whole = true;

    while (at != NULL && *at != '\0') {
        char *end = (char *)at + 1;

        if (isdigit((unsigned char)*at)) {
            unsigned long id = strtoul(at, &end, 10);

            if (id < BREAKABLE)
                broken[id] = true;
            whole = false;
        }
        at = end;
    }
    __atomic_store_n(&greenlet__test_whole, whole, __ATOMIC_RELAXED);
}

bool greenlet__test_broken(int id)
{
    pthread_once(&broken_once, read_environment);
    return broken[id];
}

long greenlet_test_fail(enum greenlet_test_fault fault, long n)
{
    struct greenlet__thread *self = greenlet__thread_self();

    /* Off the fast path, which does not ask. */
    if (fault == GREENLET_TEST_SWITCH)
        self->special = (uint8_t)((self->special & ~SPECIAL_TESTED) |
                                  (n != 0 ? SPECIAL_TESTED : 0));
    __atomic_store_n(&countdown[fault], n, __ATOMIC_RELAXED);
    return __atomic_exchange_n(&seen[fault], 0, __ATOMIC_RELAXED);
}

/* Counts down to 1; below zero up to -1, where it stays. */
bool greenlet__test_fails(enum greenlet_test_fault fault)
{
    long left = __atomic_load_n(&countdown[fault], __ATOMIC_RELAXED);

    __atomic_fetch_add(&seen[fault], 1, __ATOMIC_RELAXED);
    if (left == 0)
        return false;
    if (left == -1)
        return true;
    __atomic_store_n(&countdown[fault], left > 0 ? left - 1 : left + 1,
                     __ATOMIC_RELAXED);
    return left == 1;
}

#endif
