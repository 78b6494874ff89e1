/* Request heads: what is accepted is well-formed, whole or in pieces. */
#include "fuzz.h"

struct result {
    int rc;
    struct http__head head;
    struct http__field fields[FUZZ_FIELDS];
};

static void look(const char *text, size_t size, size_t piece,
                 struct result *result)
{
    struct http__strict strict = {0};
    size_t there = 0;

    result->rc = 0;
    result->head.fields = result->fields;
    while (there < size && result->rc == 0) {
        char *copy;

        there += piece < size - there ? piece : size - there;
        copy = fuzz_copy(text, there);
        result->rc = http__strict_head(&strict, &fuzz_limits, copy, there,
                                       &result->head);
        free(copy);
    }
}

static void same(const struct result *a, struct result *b)
{
    b->head.fields = a->head.fields;
    fuzz_check(memcmp(&a->head, &b->head, sizeof a->head) == 0);
    fuzz_check(
        memcmp(a->fields, b->fields, a->head.count * sizeof *a->fields) == 0);
}

/* Each line of it is where the one before ended, and ends by CRLF. */
static void well_formed(const char *text, const struct http__head *head)
{
    const char *line = memchr(text + head->skipped, '\n', head->length);

    fuzz_check(line != NULL && line[-1] == '\r');
    line++;
    fuzz_check(text + head->target + head->target_length + 11 == line);
    for (uint32_t i = 0; i < head->count; i++) {
        const struct http__field *field = &head->fields[i];
        const char *value = text + field->value;

        fuzz_check(line == text + field->name && field->name_length > 0);
        fuzz_check(line[field->name_length] == ':');
        fuzz_check(memchr(value, '\n', field->value_length) == NULL);
        fuzz_check(memchr(value, '\r', field->value_length) == NULL);
        fuzz_check(memchr(value, '\0', field->value_length) == NULL);
        line = value + field->value_length;
        line += strspn(line, " \t");
        fuzz_check(memcmp(line, "\r\n", 2) == 0);
        line += 2;
    }
    fuzz_check(memcmp(line, "\r\n", 2) == 0);
    fuzz_check(line + 2 == text + head->length);
}

static void framed(const struct http__head *head)
{
    fuzz_check(head->length <= fuzz_limits.bytes);
    fuzz_check(head->count <= fuzz_limits.fields);
    fuzz_check(!head->chunked || (head->content_length < 0 && head->minor > 0));
    fuzz_check(head->host + head->host_length <= head->length);
    fuzz_check(head->path + head->path_length <= head->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    static struct result whole, pieces;

    if (size < 2)
        return 0;
    size--;
    look(text, size, size, &whole);
    look(text, size, data[0] == 0 ? 1 : data[0], &pieces);
    if (whole.rc >= 0)
        fuzz_check(pieces.rc == whole.rc);
    else
        fuzz_check(pieces.rc < 0); /* perhaps too long before it was wrong */
    if (whole.rc == 1) {
        same(&whole, &pieces);
        well_formed(text, &whole.head);
        framed(&whole.head);
    }
    return 0;
}
