/* heads.c - request heads that were read before
 *
 * A place for each value of a few bits of a hash of all bytes.  To keep a head
 * costs a copy, so none is kept that comes once: a place remembers the hash of
 * what was read there last, and only who comes again is copied.  Where nobody
 * does, as with a counter in each head, most are not even hashed. */
#include "http/heads.h"

#include "http/chars.h"
#include "http/memory.h"

enum {
    PLACES = 64, /* by the upper 6 bits of a hash */
    SHORTEST = 16,
    LONGEST = 1024, /* bytes of a head that is kept */
    FIELDS = 24,
    PATIENCE = 64, /* so many that are not found in a row: */
    SELDOM = 16    /* one in so many is looked for */
};

struct kept {
    uint64_t hash;
    size_t room;                 /* behind this struct */
    struct http__head head;      /* without its fields */
    struct http__field fields[]; /* and then the bytes */
};

struct place {
    uint64_t last; /* read here: its hash */
    struct kept *kept;
};

struct http__heads {
    unsigned missed; /* since one was found */
    struct place places[PLACES];
};

struct http__heads *http__heads_new(void)
{
    return http__calloc(1, sizeof(struct http__heads));
}

void http__heads_free(struct http__heads *heads)
{
    if (heads == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++)
        free(heads->places[i].kept);
    free(heads);
}

/* Who makes two heads of one hash makes us copy, and nothing else. */
static __attribute__((noinline)) uint64_t hash_of(const char *data, size_t size)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    const char *last = data + size - 16;
    uint64_t a = size, b = 0;

    for (; data < last; data += 16) {
        a = (a ^ http__load8(data)) * factor;
        b = (b ^ http__load8(data + 8)) * factor;
    }
    a = (a ^ http__load8(last)) * factor;
    b = (b ^ http__load8(last + 8)) * factor;
    return ((a ^ (b >> 32 | b << 32)) * factor) | 1;
}

static struct place *place_of(struct http__heads *heads, uint64_t hash)
{
    return &heads->places[hash >> 58];
}

static const char *bytes_of(const struct kept *kept)
{
    return (const char *)(kept->fields + kept->head.count);
}

uint64_t http__heads_hash(struct http__heads *heads, const char *data,
                          size_t size)
{
    if (heads == NULL || size < SHORTEST || size > LONGEST ||
        (heads->missed++ >= PATIENCE && heads->missed % SELDOM != 0) ||
        memcmp(data + size - 4, "\r\n\r\n", 4) != 0)
        return 0;
    return hash_of(data, size);
}

bool http__heads_find(struct http__heads *heads, const char *data, size_t size,
                      uint64_t hash, struct http__head *head)
{
    const struct kept *kept = place_of(heads, hash)->kept;
    struct http__field *fields = head->fields;

    if (kept == NULL || kept->hash != hash || kept->head.length != size ||
        memcmp(bytes_of(kept), data, size) != 0)
        return false;
    heads->missed = 0;
    *head = kept->head;
    head->fields = fields;
    memcpy(fields, kept->fields, head->count * sizeof *fields);
    return true;
}

/* The one that the place has, if what is to be kept finds room in it; else
 * another one.  NULL: no memory. */
static struct kept *room_for(struct place *place, size_t room)
{
    struct kept *kept = place->kept;

    if (kept != NULL && kept->room >= room)
        return kept;
    kept = http__malloc(sizeof *kept + room);
    if (kept == NULL)
        return NULL;
    kept->room = room;
    free(place->kept);
    place->kept = kept;
    return kept;
}

void http__heads_keep(struct http__heads *heads, const char *data,
                      uint64_t hash, const struct http__head *head)
{
    struct place *place = place_of(heads, hash);
    size_t fields = head->count * sizeof *head->fields;
    struct kept *kept;

    if (place->last != hash || head->count > FIELDS) {
        place->last = hash;
        return;
    }
    kept = room_for(place, fields + head->length);
    if (kept == NULL)
        return;
    kept->hash = hash;
    kept->head = *head;
    kept->head.fields = NULL;
    memcpy(kept->fields, head->fields, fields);
    memcpy((char *)kept->fields + fields, data, head->length);
}
