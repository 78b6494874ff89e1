/* rule.c - rules: "/users/<int:id>" as segments of text and arguments (V-21) */
#include "http/app/app_impl.h"

#include "http/chars.h"

#include <errno.h>

static const struct {
    const char *name;
    enum http__converter converter;
} converters[] = {{"string", HTTP__STRING},
                  {"int", HTTP__INT},
                  {"float", HTTP__FLOAT},
                  {"path", HTTP__PATH},
                  {"uuid", HTTP__UUID}};

/* ---- what a converter takes ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* As many as an int64_t has: what is out of its range is no such resource. */
static bool is_int(const char *text, size_t length)
{
    uint64_t number = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (!is_digit(text[i]) || number > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        number = 10 * number + digit;
    }
    return length > 0;
}

/* Digits, a point, digits. */
static bool is_float(const char *text, size_t length)
{
    const char *point = memchr(text, '.', length);

    if (point == NULL || point == text || point == text + length - 1)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_digit(text[i]) && text + i != point)
            return false;
    return true;
}

static bool is_uuid(const char *text, size_t length)
{
    if (length != 36)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return true;
}

bool http__converter_takes(enum http__converter converter, const char *text,
                           size_t length)
{
    switch (converter) {
    case HTTP__INT:
        return is_int(text, length);
    case HTTP__FLOAT:
        return is_float(text, length);
    case HTTP__UUID:
        return is_uuid(text, length);
    case HTTP__STRING: /* a slash that was written %2F is none of its bytes */
        return length > 0 && memchr(text, '/', length) == NULL;
    default:
        return length > 0;
    }
}

/* ---- one segment ---- */

static const char *find(const char *text, size_t length, const char *wanted,
                        size_t size)
{
    return size == 0 ? text + length : memmem(text, length, wanted, size);
}

static int match_argument(const struct http__piece *piece, const char *text,
                          size_t length, struct http__pair *value,
                          struct http__arena *arena)
{
    if (!http__converter_takes(piece->converter, text, length))
        return -1;
    value->name = piece->text;
    value->value = http__arena_copy(arena, text, length);
    return value->value != NULL ? 1 : -ENOMEM;
}

/* Between two arguments stands text, so that each ends where that begins first,
 * or, behind the last text, at the end. */
int http__segment_match(const struct http__segment *segment, const char *text,
                        size_t length, struct http__pair *values,
                        struct http__arena *arena)
{
    const char *end = text + length, *stop;
    int count = 0, rc;

    if (likely(segment->count == 1 &&
               segment->pieces[0].converter != HTTP__TEXT))
        return match_argument(segment->pieces, text, length, values, arena);
    for (unsigned i = 0; i < segment->count; i++) {
        const struct http__piece *piece = &segment->pieces[i];

        if (piece->converter == HTTP__TEXT) {
            if ((size_t)(end - text) < piece->length ||
                memcmp(text, piece->text, piece->length) != 0)
                return -1;
            text += piece->length;
            continue;
        }
        stop = end;
        if (i + 2 < segment->count)
            stop = find(text, (size_t)(end - text), piece[1].text,
                        piece[1].length);
        else if (i + 1 < segment->count)
            stop = (size_t)(end - text) >= piece[1].length
                       ? end - piece[1].length
                       : NULL;
        if (stop == NULL)
            return -1;
        rc = match_argument(piece, text, (size_t)(stop - text), &values[count],
                            arena);
        if (rc < 0)
            return rc;
        count++;
        text = stop;
    }
    return text == end ? count : -1;
}

/* ---- reading a rule ---- */

struct reader {
    struct http__arena *arena;
    struct http__route *route;
    const char *why;
};

static int refuse(struct reader *reader, const char *why)
{
    reader->why = why;
    return -EINVAL;
}

static bool is_name(const char *text, size_t length)
{
    if (length == 0 || is_digit(*text))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_digit(text[i]) && text[i] != '_' &&
            !((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z'))
            return false;
    return true;
}

static int set_converter(struct reader *reader, struct http__piece *piece,
                         const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof converters / sizeof *converters; i++)
        if (strlen(converters[i].name) == length &&
            memcmp(converters[i].name, text, length) == 0) {
            piece->converter = converters[i].converter;
            return 0;
        }
    return refuse(reader, "there is no such converter");
}

/* "<converter:name>", of which `text` has what is between the brackets. */
static int read_argument(struct reader *reader, struct http__piece *piece,
                         const char *text, size_t length)
{
    struct http__route *route = reader->route;
    const char *colon = memchr(text, ':', length);
    int rc = 0;

    piece->converter = HTTP__STRING;
    if (colon != NULL) {
        rc = set_converter(reader, piece, text, (size_t)(colon - text));
        length -= (size_t)(colon + 1 - text);
        text = colon + 1;
    }
    if (rc < 0)
        return rc;
    if (!is_name(text, length))
        return refuse(reader, "an argument has no name");
    piece->text = http__arena_copy(reader->arena, text, length);
    piece->length = length;
    if (piece->text == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < route->argument_count; i++)
        if (strcmp(route->arguments[i], piece->text) == 0)
            return refuse(reader, "an argument is there twice");
    route->arguments[route->argument_count++] = piece->text;
    return 0;
}

static int read_piece(struct reader *reader, struct http__segment *segment,
                      const char **at, const char *end)
{
    struct http__piece *piece = &segment->pieces[segment->count];
    const char *stop;

    if (**at != '<') {
        stop = memchr(*at, '<', (size_t)(end - *at));
        stop = stop != NULL ? stop : end;
        *piece = (struct http__piece){HTTP__TEXT, *at, (size_t)(stop - *at)};
        if (memchr(*at, '>', piece->length) != NULL)
            return refuse(reader, "a > without its <");
        *at = stop;
        segment->count++;
        return 0;
    }
    if (segment->count > 0 && piece[-1].converter != HTTP__TEXT)
        return refuse(reader, "two arguments with no text between them");
    stop = memchr(*at, '>', (size_t)(end - *at));
    if (stop == NULL)
        return refuse(reader, "a < without its >");
    segment->count++;
    stop++;
    int rc =
        read_argument(reader, piece, *at + 1, (size_t)(stop - 1 - (*at + 1)));
    *at = stop;
    return rc;
}

static int read_segment(struct reader *reader, struct http__segment *segment,
                        const char *at, const char *end)
{
    int rc = 0;

    segment->count = 0;
    segment->pieces = http__arena_alloc(
        reader->arena, ((size_t)(end - at) + 1) * sizeof *segment->pieces);
    if (segment->pieces == NULL)
        return -ENOMEM;
    while (rc == 0 && at < end)
        rc = read_piece(reader, segment, &at, end);
    for (unsigned i = 0; rc == 0 && i < segment->count; i++)
        if (segment->pieces[i].converter == HTTP__PATH && segment->count > 1)
            rc = refuse(reader, "a path stands between slashes");
    return rc;
}

static int read_segments(struct reader *reader, const char *path)
{
    struct http__route *route = reader->route;
    int rc = 0;

    for (const char *at = path + 1; rc == 0; at++) {
        const char *end = at + strcspn(at, "/");

        if (*end == '\0' && end == at) { /* behind the last slash */
            route->slash = true;
            break;
        }
        if (end == at)
            return refuse(reader, "two slashes in a row");
        rc = read_segment(reader, &route->segments[route->count++], at, end);
        at = end;
        if (*end == '\0')
            break;
    }
    return rc;
}

int http__rule_parse(struct http__arena *arena, struct http__route *route,
                     const char **why)
{
    struct reader reader = {arena, route, NULL};
    size_t most = strlen(route->path) + 1;
    int rc;

    if (route->path[0] != '/') {
        *why = "it does not begin with a slash";
        return -EINVAL;
    }
    route->segments = http__arena_alloc(arena, most * sizeof *route->segments);
    route->arguments =
        http__arena_alloc(arena, most * sizeof *route->arguments);
    if (route->segments == NULL || route->arguments == NULL)
        return -ENOMEM;
    rc = read_segments(&reader, route->path);
    *why = reader.why;
    return rc;
}
