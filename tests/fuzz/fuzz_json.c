/* JSON limits: what is not too deep for us is not too deep for jansson, which
 * then needs no more than its 64 levels; and what it takes is never deeper than
 * we say. */
#include "fuzz.h"

#include "http/app/app_impl.h"

#include <jansson.h>

static unsigned depth_of(const json_t *value)
{
    unsigned deepest = 0, depth;
    const char *name;
    json_t *inner;
    size_t i;

    if (json_is_array(value))
        json_array_foreach(value, i, inner)
        {
            depth = depth_of(inner);
            deepest = depth > deepest ? depth : deepest;
        }
    else if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, name, inner)
        {
            depth = depth_of(inner);
            deepest = depth > deepest ? depth : deepest;
        }
    else
        return 0;
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy((const char *)data, size);
    json_t *value;

    for (unsigned most = 0; most < 4; most++) {
        bool deep = http__json_too_deep(text, size, most) >= 0;

        value = json_loadb(text, size < 4096 ? size : 4096,
                           JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (value == NULL)
            break;
        fuzz_check(depth_of(value) > most ? deep || size > 4096 : true);
        json_decref(value);
    }
    free(text);
    return 0;
}
