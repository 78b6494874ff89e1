/* field.c - the fields that say how a message is framed and routed */
#include "http/field.h"

#include "http/chars.h"
#include "http/target.h"

/* What the table below leads to. */
typedef int handler(struct http__strict *strict, const char *value,
                    uint32_t length, struct http__head *head);

/* Once, and well-formed (RFC 9112 3.2).  An absolute target has said it already
 * (3.2.2). */
static int host(struct http__strict *strict, const char *value, uint32_t length,
                struct http__head *head)
{
    (void)head;
    if (strict->hosted || !http__host_valid(value, length))
        return -400;
    strict->hosted = true;
    return 0;
}

/* Digits, and once: RFC 9110 8.6 leaves it open to take one value that is
 * repeated, and smugglers live on what others make of that. */
static int content_length(struct http__strict *strict, const char *value,
                          uint32_t length, struct http__head *head)
{
    int64_t sum = 0;

    (void)strict;
    if (head->content_length >= 0 || length == 0)
        return -400;
    for (uint32_t i = 0; i < length; i++) {
        if (!http__char_is(value[i], HTTP__CHAR_DIGIT) ||
            sum > (INT64_MAX - 9) / 10)
            return -400;
        sum = sum * 10 + (value[i] - '0');
    }
    head->content_length = sum;
    return 0;
}

/* Only chunked, only once (RFC 9112 6.1, 7): no other coding is spoken here. */
static int transfer_encoding(struct http__strict *strict, const char *value,
                             uint32_t length, struct http__head *head)
{
    (void)strict;
    if (head->chunked || length != 7 || !http__same(value, "chunked", 7))
        return -400;
    head->chunked = true;
    return 0;
}

static void connection_option(const char *option, uint32_t length,
                              struct http__head *head)
{
    if (length == 5 && http__same(option, "close", 5))
        head->close = true;
    else if (length == 10 && http__same(option, "keep-alive", 10))
        head->keep_alive = true;
    else if (length == 7 && http__same(option, "upgrade", 7))
        head->upgrade = true;
}

/* The next element of a list (RFC 9110 5.6.1), which may be empty. */
static bool next_element(const char **value, const char *end,
                         const char **first, const char **last)
{
    const char *comma;

    if (*value >= end)
        return false;
    comma = memchr(*value, ',', (size_t)(end - *value));
    *first = *value;
    *last = comma == NULL ? end : comma;
    while (*first < *last && http__blank(**first))
        ++*first;
    while (*last > *first && http__blank((*last)[-1]))
        --*last;
    *value = comma == NULL ? end : comma + 1;
    return true;
}

/* Perhaps in several fields. */
static int connection(struct http__strict *strict, const char *value,
                      uint32_t length, struct http__head *head)
{
    const char *end = value + length, *first, *last;

    (void)strict;
    while (next_element(&value, end, &first, &last))
        connection_option(first, (uint32_t)(last - first), head);
    return 0;
}

/* A list (RFC 9110 5.6.1, 10.1.1). */
static int expect(struct http__strict *strict, const char *value,
                  uint32_t length, struct http__head *head)
{
    const char *end = value + length, *first, *last;

    (void)strict;
    while (head->minor > 0 && next_element(&value, end, &first, &last)) {
        if (last == first) /* 5.6.1.2: empty elements are ignored */
            continue;
        if (last - first != 12 || !http__same(first, "100-continue", 12))
            return -417;
        head->expect_continue = true;
    }
    return 0;
}

static int upgrade(struct http__strict *strict, const char *value,
                   uint32_t length, struct http__head *head)
{
    (void)value;
    (void)head;
    strict->upgrading = length > 0;
    return 0;
}

struct known {
    const char *name;
    handler *look;
    bool frames; /* http-parser is to see it: parser.c */
};

/* By the length of their names, which are all different. */
static const struct known known[] = {
    [4] = {"host", host, false},
    [6] = {"expect", expect, false},
    [7] = {"upgrade", upgrade, true},
    [10] = {"connection", connection, true},
    [14] = {"content-length", content_length, true},
    [17] = {"transfer-encoding", transfer_encoding, true},
};

static const struct known *find(const char *data,
                                const struct http__field *field)
{
    uint32_t length = field->name_length;

    if (length >= sizeof known / sizeof *known || known[length].name == NULL ||
        !http__same(data + field->name, known[length].name, length))
        return NULL;
    return &known[length];
}

int http__field_look(struct http__strict *strict, const char *data,
                     const struct http__field *field, struct http__head *head)
{
    const struct known *found = find(data, field);

    if (found == NULL)
        return 0;
    /* It is counted already. */
    if (found->frames && head->count <= HTTP__FRAMING)
        head->framing |= UINT64_C(1) << (head->count - 1);
    if (found->look == host && (head->form == HTTP__FORM_ORIGIN ||
                                head->form == HTTP__FORM_ASTERISK)) {
        head->host = field->value;
        head->host_length = field->value_length;
    }
    return found->look(strict, data + field->value, field->value_length, head);
}

/* RFC 9110 6.5.1. */
int http__field_trailing(struct http__strict *strict, const char *data,
                         const struct http__field *field,
                         struct http__head *head)
{
    (void)strict;
    (void)head;
    return find(data, field) == NULL ? 0 : -400;
}
