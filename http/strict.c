/* strict.c - request heads and trailers, looked at byte by byte
 *
 * One pass, line by line, over the lines that are there with their LF: no scan
 * can run past the last of them, so none looks whether it has. */
#include "http/strict.h"

#include "http/chars.h"
#include "http/field.h"
#include "http/target.h"

/* Bytes that end a value: controls (TAB is looked at by hand) and DEL, the
 * lowest of them exact. */
static inline uint64_t controls(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t del = word ^ (0x7f * ones);

    return (((word - 0x20 * ones) & ~word) | ((del - ones) & ~del)) &
           (0x80 * ones);
}

/* Where the value that begins at `at` ends: at its CR, or at what must not be
 * in it.  data[end - 1] is a LF. */
static uint32_t value_end(const char *data, uint32_t at, uint32_t end)
{
    while (end - at >= 8) {
        uint64_t found = controls(http__load8(data + at));

        if (found == 0) {
            at += 8;
            continue;
        }
        at += (uint32_t)__builtin_ctzll(found) / 8;
        if (data[at] != '\t')
            return at;
        at++;
    }
    while (http__char_is(data[at], HTTP__CHAR_VALUE))
        at++;
    return at;
}

/* field-name ":" OWS field-value OWS CRLF (RFC 9112 5).  A line that begins
 * with a blank, obs-fold (5.2), has no name; a blank before the colon (5.1) is
 * no byte of one. */
static int take_field(const char *data, uint32_t *at, uint32_t end,
                      struct http__field *field)
{
    uint32_t i = *at;

    field->name = i;
    while (http__char_is(data[i], HTTP__CHAR_TOKEN))
        i++;
    field->name_length = i - field->name;
    if (data[i] != ':' || field->name_length == 0)
        return -400;
    i++;
    while (http__blank(data[i]))
        i++;
    field->value = i;
    i = value_end(data, i, end);
    if (data[i] != '\r' || data[i + 1] != '\n')
        return -400;
    *at = i + 2;
    while (i > field->value && http__blank(data[i - 1]))
        i--;
    field->value_length = i - field->value;
    return 0;
}

/* What is no HTTP/1.0 and no HTTP/1.1: a later HTTP/1.x is read as HTTP/1.1
 * (RFC 9110 2.5), other numbers are not spoken here, the rest is no version. */
static int other_version(const char *version, struct http__head *head)
{
    if (memcmp(version, "HTTP/", 5) != 0 ||
        !http__char_is(version[5], HTTP__CHAR_DIGIT) || version[6] != '.' ||
        !http__char_is(version[7], HTTP__CHAR_DIGIT))
        return -400;
    if (version[5] != '1')
        return -505;
    head->minor = 1;
    return 0;
}

static int take_version(const char *data, uint32_t *at, uint32_t end,
                        struct http__head *head)
{
    const char *version = data + *at;
    int rc = 0;

    if (end - *at < 10 || version[8] != '\r' || version[9] != '\n')
        return -400;
    if (memcmp(version, "HTTP/1.1", 8) == 0)
        head->minor = 1;
    else if (memcmp(version, "HTTP/1.0", 8) != 0)
        rc = other_version(version, head);
    *at += 10;
    return rc;
}

/* Too long a line need not be looked at. */
static bool line_fits(const char *data, uint32_t at, uint32_t end,
                      const struct http__strict_limits *limits)
{
    return end - at <= limits->line ||
           memchr(data + at, '\n', (size_t)limits->line + 2) != NULL;
}

/* method SP request-target SP HTTP-version CRLF, with one space each (RFC 9112
 * 3: more may be read as one; here they are refused). */
static int take_line(const char *data, uint32_t *at, uint32_t end,
                     struct http__head *head)
{
    uint32_t i = *at;

    head->method = i;
    while (http__char_is(data[i], HTTP__CHAR_TOKEN))
        i++;
    head->method_length = i - head->method;
    if (data[i] != ' ' || head->method_length == 0)
        return -400;
    head->target = ++i;
    while (http__char_is(data[i], HTTP__CHAR_TARGET))
        i++;
    head->target_length = i - head->target;
    if (data[i] != ' ' || head->target_length == 0)
        return -400;
    *at = i + 1;
    return take_version(data, at, end, head);
}

/* Empty lines first are none of the head (RFC 9112 2.2). */
static int request_line(struct http__strict *strict,
                        const struct http__strict_limits *limits,
                        const char *data, uint32_t end, struct http__head *head)
{
    int rc;

    while (end - strict->at >= 2 && data[strict->at] == '\r' &&
           data[strict->at + 1] == '\n')
        strict->at += 2;
    if (strict->at == end)
        return 0;
    head->skipped = strict->at;
    if (!line_fits(data, strict->at, end, limits))
        return -414;
    rc = take_line(data, &strict->at, end, head);
    if (rc < 0)
        return rc;
    strict->state = HTTP__STRICT_FIELDS;
    return http__target(data, head);
}

/* Fields up to the empty line: 1 when that was there. */
static int fields(struct http__strict *strict,
                  const struct http__strict_limits *limits, const char *data,
                  uint32_t end, struct http__head *head,
                  http__field_function *look)
{
    while (strict->at < end) {
        struct http__field *field = &head->fields[head->count];
        int rc;

        if (data[strict->at] == '\r' && data[strict->at + 1] == '\n') {
            strict->at += 2;
            return 1;
        }
        if (head->count == limits->fields)
            return -431;
        rc = take_field(data, &strict->at, end, field);
        if (rc < 0)
            return rc;
        head->count++;
        rc = look(strict, data, field, head);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Bytes up to the last LF that is there, of which each line can be looked at;
 * 0: none that is new. */
static uint32_t lines_end(struct http__strict *strict, const char *data,
                          size_t size)
{
    const char *from = data + strict->seen;
    const char *last = memrchr(from, '\n', size - strict->seen);

    strict->seen = (uint32_t)size;
    return last == NULL ? 0 : (uint32_t)(last + 1 - data);
}

/* More is needed: may more come? */
static int wait_for_more(const struct http__strict *strict,
                         const struct http__strict_limits *limits, size_t size)
{
    if (strict->state == HTTP__STRICT_LINE &&
        size - strict->at > (size_t)limits->line + 1)
        return -414;
    return size >= limits->bytes ? -431 : 0;
}

static void begin(struct http__strict *strict, struct http__head *head)
{
    struct http__field *table = head->fields;

    *head = (struct http__head){.content_length = -1, .fields = table};
    strict->state = HTTP__STRICT_LINE;
}

/* What only the whole head shows. */
static int finish(struct http__strict *strict, struct http__head *head)
{
    head->length = strict->at;
    if (head->minor == 0) {
        /* RFC 9112 6.1; RFC 9110 10.1.1 and 7.8 have them ignored. */
        if (head->chunked)
            return -400;
        head->expect_continue = false;
        head->upgrade = false;
    } else if (!strict->hosted) {
        return -400; /* RFC 9112 3.2 */
    }
    if (head->chunked && head->content_length >= 0)
        return -400; /* 6.1: the gate of request smuggling */
    head->upgrade = head->upgrade && strict->upgrading;
    return 1;
}

int http__strict_head(struct http__strict *strict,
                      const struct http__strict_limits *limits,
                      const char *data, size_t size, struct http__head *head)
{
    uint32_t end;
    int rc = 0;

    if (size > UINT32_MAX / 2) /* offsets are of 32 bits */
        size = UINT32_MAX / 2;
    if (strict->state == HTTP__STRICT_NEW)
        begin(strict, head);
    end = lines_end(strict, data, size);
    if (end > 0 && strict->state == HTTP__STRICT_LINE)
        rc = request_line(strict, limits, data, end, head);
    if (end > 0 && rc == 0 && strict->state == HTTP__STRICT_FIELDS)
        rc = fields(strict, limits, data, end, head, http__field_look);
    if (rc == 0)
        return wait_for_more(strict, limits, size);
    if (rc == 1)
        rc = strict->at > limits->bytes ? -431 : finish(strict, head);
    return rc;
}

int http__strict_trailer(struct http__strict *strict,
                         const struct http__strict_limits *limits,
                         const char *data, size_t size, struct http__head *head)
{
    uint32_t end;
    int rc = 0;

    if (size > UINT32_MAX / 2)
        size = UINT32_MAX / 2;
    if (strict->state == HTTP__STRICT_NEW) {
        begin(strict, head);
        strict->state = HTTP__STRICT_FIELDS;
    }
    end = lines_end(strict, data, size);
    if (end > 0)
        rc = fields(strict, limits, data, end, head, http__field_trailing);
    if (rc == 0)
        return wait_for_more(strict, limits, size);
    head->length = strict->at;
    if (rc == 1 && strict->at > limits->bytes)
        return -431;
    return rc;
}

const struct http__field *http__head_find(const struct http__head *head,
                                          const char *data, const char *name,
                                          size_t length, uint32_t from)
{
    for (uint32_t i = from; i < head->count; i++)
        if (head->fields[i].name_length == length &&
            http__same(data + head->fields[i].name, name, length))
            return &head->fields[i];
    return NULL;
}
