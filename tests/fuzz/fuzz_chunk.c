/* Bodies in chunks: read the same whole and in pieces, and never beyond. */
#include "fuzz.h"

#include "http/chunk.h"

struct result {
    int rc;
    size_t used, length; /* bytes of the message, and of the body */
    char body[4096];
};

/* One call; what is used up is dropped, as a connection does. */
static void read_once(struct http__chunks *chunks, const char *text,
                      size_t there, struct result *result)
{
    struct http__field fields[FUZZ_FIELDS];
    static struct http__head head;
    char *copy = fuzz_copy(text + result->used, there - result->used);
    size_t skip, length;

    head.fields = fields;
    result->rc = http__chunks_read(chunks, &fuzz_limits, copy,
                                   there - result->used, &skip, &length, &head);
    if (result->rc >= 0) {
        fuzz_check(skip + length <= there - result->used);
        fuzz_check(result->rc != HTTP__CHUNKS_MORE || length == 0);
    }
    if (result->rc == HTTP__CHUNKS_DATA) {
        fuzz_check(length > 0);
        memcpy(result->body + result->length, copy + skip, length);
        result->length += length;
    }
    if (result->rc >= 0)
        result->used += skip + length;
    free(copy);
}

static void read_body(const char *text, size_t size, size_t piece,
                      struct result *result)
{
    struct http__chunks chunks = {0};
    size_t there = 0;

    result->rc = HTTP__CHUNKS_MORE;
    result->used = result->length = 0;
    while (there < size && result->rc == HTTP__CHUNKS_MORE) {
        there += piece < size - there ? piece : size - there;
        do
            read_once(&chunks, text, there, result);
        while (result->rc == HTTP__CHUNKS_DATA);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    static struct result whole, pieces;

    if (size < 2 || size > sizeof whole.body)
        return 0;
    size--;
    read_body(text, size, size, &whole);
    read_body(text, size, data[0] == 0 ? 1 : data[0], &pieces);
    if (whole.rc >= 0) {
        fuzz_check(pieces.rc == whole.rc && pieces.used == whole.used);
    } else {
        fuzz_check(pieces.rc < 0);
    }
    fuzz_check(pieces.length == whole.length);
    fuzz_check(memcmp(pieces.body, whole.body, whole.length) == 0);
    return 0;
}
