/* parser.c - http-parser's verdict; the one file that sees it */
#include "http/parser.h"

#include "http/chars.h"

#include <http_parser.h>

#include <string.h>

/* Parsers that stand before a request, a chunk's line, and a trailer: to be
 * copied. */
static http_parser before_request, before_chunk, before_trailer;

static const http_parser_settings silent;

__attribute__((constructor)) static void prepare(void)
{
    static const char head[] = "PUT / HTTP/1.1\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";

    http_parser_init(&before_request, HTTP_REQUEST);
    before_chunk = before_request;
    http_parser_execute(&before_chunk, &silent, head, sizeof head - 1);
    before_trailer = before_chunk;
    http_parser_execute(&before_trailer, &silent, "0\r\n", 3);
}

/* It has seen what it was asked about: an error ends it there. */
static int stop(http_parser *parser)
{
    (void)parser;
    return -1;
}

static const http_parser_settings of_head = {.on_headers_complete = stop};
static const http_parser_settings of_chunk = {.on_chunk_header = stop};
static const http_parser_settings of_trailer = {.on_message_complete = stop};

/* Does it stop, by `error`, behind the first `length` of these bytes? */
static bool stops_at(http_parser *parser, const http_parser_settings *settings,
                     const char *data, size_t size, size_t length,
                     enum http_errno error)
{
    return http_parser_execute(parser, settings, data, size) == length &&
           HTTP_PARSER_ERRNO(parser) == error;
}

static bool same_method(const http_parser *parser, const char *data,
                        const struct http__head *head)
{
    const char *name = http_method_str((enum http_method)parser->method);

    return strlen(name) == head->method_length &&
           memcmp(name, data + head->method, head->method_length) == 0;
}

/* ULLONG_MAX is its "none".  Whether the connection goes on is not asked: it
 * minds Proxy-Connection, and takes a "keep-alive" for more than a "close". */
static bool same_framing(const http_parser *parser,
                         const struct http__head *head)
{
    uint64_t length =
        head->content_length < 0 ? UINT64_MAX : (uint64_t)head->content_length;

    return parser->http_major == 1 &&
           (parser->http_minor > 0) == (head->minor > 0) &&
           parser->content_length == length &&
           ((parser->flags & F_CHUNKED) != 0) == head->chunked;
}

static bool takes(http_parser *parser, const char *data, uint32_t from,
                  uint32_t end)
{
    return http_parser_execute(parser, &of_head, data + from, end - from) ==
           end - from;
}

/* Where the line of field number `i` begins, or that after the last one. */
static uint32_t line_of(const struct http__head *head, uint32_t i)
{
    return i < head->count ? head->fields[i].name : head->length - 2;
}

/* ---- request lines ---- */

/* The longest of them that is kept, and how many: at a place each. */
enum { LINE_SHORTEST = 16, LINE_LONGEST = 96, LINES = 32 };

struct line {
    uint32_t length; /* 0: none */
    uint32_t method_length;
    char text[LINE_LONGEST];
    http_parser after; /* where it stood behind it */
};

struct http__parser_lines {
    struct line lines[LINES];
};

const size_t http__parser_lines_size = sizeof(struct http__parser_lines);

static struct line *place_of(struct http__parser_lines *lines, const char *text,
                             uint32_t length)
{
    uint64_t hash = http__load8(text + length - 8);

    for (uint32_t i = 0; i + 8 <= length; i += 8)
        hash = (hash ^ http__load8(text + i)) * UINT64_C(0x9e3779b97f4a7c15);
    return &lines->lines[hash >> 59];
}

/* Returns 0 or a status, negated. */
static int read_line(http_parser *parser, const char *data,
                     const struct http__head *head, uint32_t end)
{
    *parser = before_request;
    if (!takes(parser, data, head->skipped, end))
        return HTTP_PARSER_ERRNO(parser) == HPE_INVALID_METHOD ? -501 : -400;
    return same_method(parser, data, head) ? 0 : -400;
}

/* What it makes of a line depends on nothing else: the same one is not read
 * again. */
static int take_line(struct http__parser_lines *lines, http_parser *parser,
                     const char *data, const struct http__head *head)
{
    uint32_t end = line_of(head, 0), length = end - head->skipped;
    const char *text = data + head->skipped;
    struct line *line;
    int rc;

    if (lines == NULL || length < LINE_SHORTEST || length > LINE_LONGEST)
        return read_line(parser, data, head, end);
    line = place_of(lines, text, length);
    if (line->length == length && line->method_length == head->method_length &&
        memcmp(line->text, text, length) == 0) {
        *parser = line->after;
        return 0;
    }
    rc = read_line(parser, data, head, end);
    if (rc == 0) {
        line->length = length;
        line->method_length = head->method_length;
        memcpy(line->text, text, length);
        line->after = *parser;
    }
    return rc;
}

/* ---- heads ---- */

/* Of the fields it is shown those that it does something with: of the others it
 * would find out what the strict check knows, byte by byte. */
static bool takes_fields(http_parser *parser, const char *data,
                         const struct http__head *head)
{
    uint64_t left = head->framing;
    bool taken = true;

    while (taken && left != 0) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);

        taken = takes(parser, data, line_of(head, i), line_of(head, i + 1));
        left &= left - 1;
    }
    if (taken && head->count > HTTP__FRAMING)
        taken =
            takes(parser, data, line_of(head, HTTP__FRAMING), head->length - 2);
    return taken;
}

int http__parser_head(struct http__parser_lines *lines, const char *data,
                      const struct http__head *head)
{
    http_parser parser;
    int rc = take_line(lines, &parser, data, head);

    if (rc < 0)
        return rc;
    /* It stops at the last LF, not behind it. */
    if (!takes_fields(&parser, data, head) ||
        !stops_at(&parser, &of_head, data + head->length - 2, 2, 1,
                  HPE_CB_headers_complete) ||
        !same_framing(&parser, head))
        return -400;
    return (int)parser.method;
}

int http__parser_chunk(const char *data, size_t length, uint64_t chunk)
{
    http_parser parser = before_chunk;

    return stops_at(&parser, &of_chunk, data, length, length,
                    HPE_CB_chunk_header) &&
                   parser.content_length == chunk
               ? 0
               : -400;
}

int http__parser_trailer(const char *data, size_t length)
{
    http_parser parser = before_trailer;

    return stops_at(&parser, &of_trailer, data, length, length,
                    HPE_CB_message_complete)
               ? 0
               : -400;
}
