/* step9_many.c - a hundred thousand greenlets, alive at once
 *
 * Each has 128 KiB of address space, and uses one page of it: 400 MB in all. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <vireo/inspect.h>

enum { MANY = 100000 };

/* Hands what it gets to its neighbour, one larger. */
static int link_in_chain(void *value, void **result)
{
    struct greenlet *neighbour = value;
    void *number;

    (void)result;
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, &number);
    greenlet_switch(neighbour, (void *)((intptr_t)number + 1), NULL);
    return 0;
}

int main(void)
{
    struct greenlet **all = calloc(MANY, sizeof *all);
    struct greenlet *neighbour = greenlet_current();
    struct greenlet_counts counts;
    void *number = NULL;

    for (int i = 0; all != NULL && i < MANY; i++) {
        all[i] = greenlet_new(link_in_chain, NULL, 0);
        if (all[i] == NULL)
            return 1;
        greenlet_switch(all[i], neighbour, NULL);
        neighbour = all[i];
    }
    greenlet_count(&counts);
    printf("%zu greenlets\n", counts.greenlets);
    greenlet_switch(neighbour, NULL, &number);
    printf("through %ld of them and back\n", (long)(intptr_t)number);
    for (int i = 0; i < MANY; i++)
        greenlet_unref(all[i]);
    greenlet_count(&counts);
    printf("%zu greenlets\n", counts.greenlets);
    free(all);
    return 0;
}
