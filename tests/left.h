/* left.h - what a program has: greenlets, stacks, descriptors
 *
 * Whoever includes this has included <vireo/inspect.h>, or what a layer calls it.
 * Nothing of it allocates memory of the library's. */
#ifndef VIREO_TESTS_LEFT_H
#define VIREO_TESTS_LEFT_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>

struct left {
    long greenlets, stacks, fds;
};

/* With the one that this takes itself; 0: they cannot be counted. */
static inline long left_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    long count = 0;

    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static inline struct left left_now(void)
{
    struct greenlet_counts counts;

    greenlet_count(&counts);
    return (struct left){ (long)counts.greenlets, (long)counts.slots_used,
                          left_fds() };
}

static inline bool left_more(const struct left *now, const struct left *allowed)
{
    return now->greenlets > allowed->greenlets ||
           now->stacks > allowed->stacks || now->fds > allowed->fds;
}

/* What there is more than allowed, kind by kind; whether there is any. */
static inline bool left_told(const struct left *now, const struct left *allowed)
{
    if (now->greenlets > allowed->greenlets)
        printf("left: %ld greenlets\n", now->greenlets - allowed->greenlets);
    if (now->stacks > allowed->stacks)
        printf("left: %ld stacks\n", now->stacks - allowed->stacks);
    if (now->fds > allowed->fds)
        printf("left: %ld descriptors\n", now->fds - allowed->fds);
    return left_more(now, allowed);
}

#endif
