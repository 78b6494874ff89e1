/* parser.c - http-parser's verdict; the one file that sees it */
#include "http/parser.h"

#include <http_parser.h>

#include <string.h>

/* Parsers that stand before a chunk's line, and before a trailer: to be copied.
 */
static http_parser before_chunk, before_trailer;

static const http_parser_settings silent;

__attribute__((constructor)) static void prepare(void)
{
    static const char head[] = "PUT / HTTP/1.1\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";

    http_parser_init(&before_chunk, HTTP_REQUEST);
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

int http__parser_head(const char *data, const struct http__head *head)
{
    size_t size = head->length - head->skipped;
    http_parser parser;

    http_parser_init(&parser, HTTP_REQUEST);
    /* At the last LF, not behind it. */
    if (!stops_at(&parser, &of_head, data + head->skipped, size, size - 1,
                  HPE_CB_headers_complete))
        return HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD ? -501 : -400;
    if (!same_method(&parser, data, head) || !same_framing(&parser, head))
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
