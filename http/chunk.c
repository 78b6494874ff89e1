/* chunk.c - a body in chunks */
#include "http/chunk.h"

#include "http/chars.h"
#include "http/parser.h"

enum { STATE_LINE, STATE_DATA, STATE_DATA_END, STATE_TRAILER };

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* chunk-size = 1*HEXDIG; NULL where there is none, or more than any body has.
 */
static const char *take_size(const char *at, uint64_t *chunk)
{
    const char *first = at;

    *chunk = 0;
    for (; http__char_is(*at, HTTP__CHAR_HEX); at++) {
        if (*chunk > (uint64_t)INT64_MAX >> 4)
            return NULL;
        *chunk = *chunk << 4 | (uint64_t)hex_digit(*at);
    }
    return at > first ? at : NULL;
}

static const char *skip_blanks(const char *at)
{
    while (http__blank(*at))
        at++;
    return at;
}

static const char *take_token(const char *at)
{
    const char *first = at;

    while (http__char_is(*at, HTTP__CHAR_TOKEN))
        at++;
    return at > first ? at : NULL;
}

/* quoted-string (RFC 9110 5.6.4); at its first quote. */
static const char *take_quoted(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++; /* and what it quotes: a byte of a value */
        else if (!http__char_is(*at, HTTP__CHAR_QUOTED))
            return NULL;
        if (!http__char_is(*at, HTTP__CHAR_VALUE))
            return NULL;
    }
    return at + 1;
}

/* BWS ";" BWS name [ BWS "=" BWS value ] (RFC 9112 7.1.1), at its semicolon. */
static const char *take_extension(const char *at)
{
    const char *name = take_token(skip_blanks(at + 1));
    const char *value;

    if (name == NULL)
        return NULL;
    value = skip_blanks(name);
    if (*value != '=')
        return name;
    value = skip_blanks(value + 1);
    return *value == '"' ? take_quoted(value) : take_token(value);
}

/* The line's end; NULL: it is none.  A LF ends each scan. */
static const char *take_line(const char *at, uint64_t *chunk,
                             size_t *extensions)
{
    const char *sized = take_size(at, chunk);

    at = sized;
    while (at != NULL && (*at == ';' || http__blank(*at))) {
        at = skip_blanks(at);
        at = *at == ';' ? take_extension(at) : NULL;
    }
    if (at == NULL || at[0] != '\r' || at[1] != '\n')
        return NULL;
    *extensions = (size_t)(at - sized);
    return at + 2;
}

static int look_at_line(const char *data, size_t size, size_t *length,
                        uint64_t *chunk, size_t *extensions)
{
    size_t most = size < HTTP__CHUNK_LINE ? size : HTTP__CHUNK_LINE;
    const char *end;

    if (size > 0 && !http__char_is(*data, HTTP__CHAR_HEX))
        return -400;
    if (memchr(data, '\n', most) == NULL)
        return size < HTTP__CHUNK_LINE ? 0 : -400;
    end = take_line(data, chunk, extensions);
    if (end == NULL)
        return -400;
    *length = (size_t)(end - data);
    return 1;
}

int http__strict_chunk(const char *data, size_t size, size_t *length,
                       uint64_t *chunk)
{
    size_t extensions;

    return look_at_line(data, size, length, chunk, &extensions);
}

static int read_line(struct http__chunks *chunks, const char *data, size_t size,
                     size_t *skip)
{
    size_t length, extensions;
    int rc = look_at_line(data + *skip, size - *skip, &length, &chunks->left,
                          &extensions);

    if (rc <= 0)
        return rc;
    if (extensions > HTTP__CHUNK_EXTENSIONS - chunks->extensions)
        return -400;
    chunks->extensions += (uint32_t)extensions;
    rc = http__parser_chunk(data + *skip, length, chunks->left);
    if (rc < 0)
        return rc;
    *skip += length;
    chunks->state = chunks->left > 0 ? STATE_DATA : STATE_TRAILER;
    return 1;
}

/* CRLF behind a chunk. */
static int read_data_end(struct http__chunks *chunks, const char *data,
                         size_t size, size_t *skip)
{
    size_t left = size - *skip;

    if (left > 0 && data[*skip] != '\r')
        return -400;
    if (left < 2)
        return 0;
    if (data[*skip + 1] != '\n')
        return -400;
    *skip += 2;
    chunks->state = STATE_LINE;
    return 1;
}

static int read_data(struct http__chunks *chunks, size_t left, size_t *length)
{
    if (left == 0)
        return HTTP__CHUNKS_MORE;
    *length = left < chunks->left ? left : (size_t)chunks->left;
    chunks->left -= *length;
    if (chunks->left == 0)
        chunks->state = STATE_DATA_END;
    return HTTP__CHUNKS_DATA;
}

static int read_trailer(struct http__chunks *chunks,
                        const struct http__strict_limits *limits,
                        const char *data, size_t left, size_t *length,
                        struct http__head *head)
{
    int rc = http__strict_trailer(&chunks->trailer, limits, data, left, head);

    if (rc <= 0)
        return rc;
    *length = head->length;
    rc = http__parser_trailer(data, *length);
    return rc < 0 ? rc : HTTP__CHUNKS_END;
}

int http__chunks_read(struct http__chunks *chunks,
                      const struct http__strict_limits *limits,
                      const char *data, size_t size, size_t *skip,
                      size_t *length, struct http__head *head)
{
    int rc = 1;

    *skip = 0;
    *length = 0;
    while (rc == 1) {
        if (chunks->state == STATE_DATA)
            return read_data(chunks, size - *skip, length);
        if (chunks->state == STATE_TRAILER)
            return read_trailer(chunks, limits, data + *skip, size - *skip,
                                length, head);
        rc = chunks->state == STATE_LINE
                 ? read_line(chunks, data, size, skip)
                 : read_data_end(chunks, data, size, skip);
    }
    return rc;
}
