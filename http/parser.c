/* parser.c - http-parser's verdict; the one file that sees it */
#include "http/parser.h"

#include <http_parser.h>

#include <string.h>

/* What a callback has noted: http_parser.data points here. */
struct verdict {
    unsigned lines; /* heads, chunk lines or messages that ended */
    bool ends;      /* the connection ends after this message */
};

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

static int ended(http_parser *parser)
{
    struct verdict *verdict = parser->data;

    verdict->lines++;
    return 0;
}

/* What follows is no business of this parser's: 1 says that there is no body.
 */
static int head_ended(http_parser *parser)
{
    struct verdict *verdict = parser->data;

    verdict->lines++;
    verdict->ends = http_should_keep_alive(parser) == 0;
    return 1;
}

static const http_parser_settings of_head = {.on_headers_complete = head_ended};
static const http_parser_settings of_chunk = {.on_chunk_header = ended};
static const http_parser_settings of_trailer = {.on_message_complete = ended};

/* All of it, and nothing went wrong. */
static bool read_all(http_parser *parser, const http_parser_settings *settings,
                     const char *data, size_t length, struct verdict *verdict)
{
    parser->data = verdict;
    return http_parser_execute(parser, settings, data, length) == length &&
           HTTP_PARSER_ERRNO(parser) == HPE_OK && verdict->lines == 1;
}

static bool same_method(const http_parser *parser, const char *data,
                        const struct http__head *head)
{
    const char *name = http_method_str((enum http_method)parser->method);

    return strlen(name) == head->method_length &&
           memcmp(name, data + head->method, head->method_length) == 0;
}

/* ULLONG_MAX is its "none".  An earlier end than ours would be its mistake, but
 * a later one ours. */
static bool same_framing(const http_parser *parser,
                         const struct http__head *head,
                         const struct verdict *verdict)
{
    uint64_t length =
        head->content_length < 0 ? UINT64_MAX : (uint64_t)head->content_length;

    return parser->http_major == 1 &&
           (parser->http_minor > 0) == (head->minor > 0) &&
           parser->content_length == length &&
           ((parser->flags & F_CHUNKED) != 0) == head->chunked &&
           (!verdict->ends || http__head_ends(head));
}

int http__parser_head(const char *data, const struct http__head *head)
{
    struct verdict verdict = {0, false};
    http_parser parser;

    http_parser_init(&parser, HTTP_REQUEST);
    if (!read_all(&parser, &of_head, data + head->skipped,
                  head->length - head->skipped, &verdict))
        return HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD ? -501 : -400;
    if (!same_method(&parser, data, head) ||
        !same_framing(&parser, head, &verdict))
        return -400;
    return (int)parser.method;
}

int http__parser_chunk(const char *data, size_t length, uint64_t chunk)
{
    struct verdict verdict = {0, false};
    http_parser parser = before_chunk;

    return read_all(&parser, &of_chunk, data, length, &verdict) &&
                   parser.content_length == chunk
               ? 0
               : -400;
}

int http__parser_trailer(const char *data, size_t length)
{
    struct verdict verdict = {0, false};
    http_parser parser = before_trailer;

    return read_all(&parser, &of_trailer, data, length, &verdict) ? 0 : -400;
}
