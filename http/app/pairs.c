/* pairs.c - lists of names and values */
#include "http/app/app_impl.h"

#include <errno.h>

int http__pairs_add(struct http__pairs *pairs, struct http__arena *arena,
                    const char *name, const char *value)
{
    if (pairs->count == pairs->room) {
        size_t room = pairs->room > 0 ? 2 * pairs->room : 8;
        struct http__pair *list = http__arena_alloc(arena, room * sizeof *list);

        if (list == NULL)
            return -ENOMEM;
        if (pairs->count > 0)
            memcpy(list, pairs->list, pairs->count * sizeof *list);
        pairs->list = list;
        pairs->room = room;
    }
    pairs->list[pairs->count++] = (struct http__pair){name, value};
    return 0;
}

const char *http__pairs_get(const struct http__pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->list[i].name, name) == 0)
            return pairs->list[i].value;
    return NULL;
}
