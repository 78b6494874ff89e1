/* controlshape.c - stacks that look alike
 *
 * Ten thousand threads wait in a few places.  Where the same return addresses lie at
 * the same depth, the frames are the same, whatever lies between. */
#include "hub/controldump_impl.h"

#define PAGE 12 /* bits */

static const char *hex(const char *at, uint64_t *number)
{
    for (*number = 0;; at++)
        if (*at >= '0' && *at <= '9')
            *number = *number * 16 + (uint64_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            *number = *number * 16 + (uint64_t)(*at - 'a' + 10);
        else
            return at;
}

/* "start-end rwxp ..." */
void control__shape_map(struct control__shapes *shapes, const char *line)
{
    uint64_t start, end;
    const char *at = hex(line, &start);

    at = hex(at + (*at == '-'), &end);
    if (at[0] != ' ' || at[1] == '\0' || at[2] == '\0' || at[3] != 'x' ||
        shapes->code_count == CONTROL_CODES)
        return;
    shapes->code[shapes->code_count].start = start;
    shapes->code[shapes->code_count++].end = end;
    for (uint64_t page = start >> PAGE, last = (end - 1) >> PAGE, count = 0;
         page <= last && count < CONTROL_PAGES; page++, count++)
        shapes->pages[page % CONTROL_PAGES / 8] |= (uint8_t)(1 << page % 8);
}

/* Signed return addresses have their signature above. */
static bool is_code(const struct control__shapes *shapes, uint64_t word)
{
    int low = 0, high = shapes->code_count;

    word &= ((uint64_t)1 << 48) - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;

        if (word < shapes->code[middle].start)
            high = middle;
        else if (word >= shapes->code[middle].end)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

/* Not so of nearly all words that are no code. */
static bool may_be_code(const struct control__shapes *shapes, uint64_t word)
{
    uint64_t page = word >> PAGE;

    return (shapes->pages[page % CONTROL_PAGES / 8] >> page % 8 & 1) != 0;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct control__shapes *shapes, uint64_t sp,
                        uint64_t high, const char *bytes, size_t size)
{
    const uint64_t *words = (const void *)bytes;
    uint64_t hash = mix(high - sp, size);

    for (size_t i = 0; i < size / sizeof *words; i++)
        if (unlikely(may_be_code(shapes, words[i])) &&
            words[i] - sp >= high - sp && is_code(shapes, words[i]))
            hash = mix(mix(hash, i), words[i]);
    return hash | 1;
}

uint64_t control__shape_find(struct control__shapes *shapes, uint64_t greenlet,
                             uint64_t sp, uint64_t high, const char *bytes,
                             size_t size)
{
    uint64_t hash = hash_of(shapes, sp, high, bytes, size);
    size_t at = hash / 2 % CONTROL_SHAPES;

    for (int i = 0; i < 8; i++, at = (at + 1) % CONTROL_SHAPES) {
        if (shapes->seen[at].hash == hash)
            return shapes->seen[at].greenlet;
        if (shapes->seen[at].hash != 0)
            continue;
        shapes->seen[at].hash = hash;
        shapes->seen[at].greenlet = greenlet;
        break;
    }
    return 0;
}
