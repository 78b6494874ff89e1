/* torture.h - what is tortured: programs that are run once for each allocation of
 * the library's, which then fails
 *
 * TORTURE(name) { ... } registers one.  It returns 0 when all went well, or the
 * negative errno of the first call that failed, having given back what it had.
 * Anything that it finds wrong ends the process (must()). */
#ifndef VIREO_TESTS_TORTURE_H
#define VIREO_TESTS_TORTURE_H

#include <vireo/hub.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tortured {
    const char *name;
    int (*run)(void);
    struct tortured *next;
};
void torture_register(struct tortured *entry);

/* How long a run may wait for anything: far from what any needs. */
#define SOON hub_deadline(15 * HUB_SECOND)
#define MS HUB_MILLISECOND

#define TORTURE(name_)                                               \
    static int name_(void);                                          \
    __attribute__((constructor)) static void register_##name_(void)  \
    {                                                                \
        static struct tortured entry = { #name_, name_, NULL };      \
                                                                     \
        torture_register(&entry);                                    \
    }                                                                \
    static int name_(void)

/* Whatever has failed before, this holds. */
#define must(condition) must_be(condition, #condition, __FILE__, __LINE__)
void must_be(bool condition, const char *text, const char *file, int line);

/* Is it why a call may fail here: no memory, or no thread? */
bool is_short(int rc);

/* The first error of several. */
static inline int first_of(int rc, int next)
{
    return rc < 0 ? rc : next < 0 ? next : 0;
}

#endif
