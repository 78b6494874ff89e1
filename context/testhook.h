/* testhook.h - ways for tests to break the library; nothing in a release build
 *
 * VIREO_TEST_BREAK=G-113,G-130 makes single cases wrong, so that the gate can be
 * seen to fail closed.  greenlet_test_fail() makes the n-th allocation, or the
 * n-th switch, fail.  Only builds with tests have them (VIREO_TEST_HOOKS). */
#ifndef GREENLET_TESTHOOK_H
#define GREENLET_TESTHOOK_H

#include "context/greenlet.h"

#include <stdlib.h>
#include <string.h>

#ifdef VIREO_TEST_HOOKS

enum greenlet_test_fault {
    GREENLET_TEST_ALLOCATION, /* of heap memory or of a stack */
    GREENLET_TEST_SWITCH      /* the low-level switch (G-052) */
};
/* The n-th of these from now fails (1: the next), and with n < 0 every one from
 * the -n-th on; 0: none.  Returns how many there were since the last call.  Of
 * switches those of the calling thread, and they are counted while n is not 0. */
GREENLET_API long greenlet_test_fail(enum greenlet_test_fault fault, long n);

bool greenlet__test_fails(enum greenlet_test_fault fault);
bool greenlet__test_broken(int id);
extern bool greenlet__test_whole; /* atomic: it is known that nothing is broken */

static inline void *greenlet__malloc(size_t size)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION) ? NULL : malloc(size);
}
static inline void *greenlet__calloc(size_t count, size_t size)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION)
               ? NULL
               : calloc(count, size);
}
static inline void *greenlet__realloc(void *memory, size_t size)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION)
               ? NULL
               : realloc(memory, size);
}
static inline char *greenlet__strdup(const char *text)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION) ? NULL : strdup(text);
}
#define GREENLET__BROKEN(id)                  \
    __builtin_expect(                         \
        !__atomic_load_n(&greenlet__test_whole, __ATOMIC_RELAXED) && \
            greenlet__test_broken(id),        \
        0)
#define GREENLET__ALLOCATION_FAILS() \
    __builtin_expect(greenlet__test_fails(GREENLET_TEST_ALLOCATION), 0)
#define GREENLET__SWITCH_FAILS() \
    __builtin_expect(greenlet__test_fails(GREENLET_TEST_SWITCH), 0)

#else

#define greenlet__malloc malloc
#define greenlet__calloc calloc
#define greenlet__realloc realloc
#define greenlet__strdup strdup
#define GREENLET__BROKEN(id) 0
#define GREENLET__ALLOCATION_FAILS() 0
#define GREENLET__SWITCH_FAILS() 0

#endif
#endif
