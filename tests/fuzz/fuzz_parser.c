/* Whole messages: what ours accepts, http-parser alone reads in the same way,
 * with the same method, target, fields, body and end. */
#include "fuzz.h"

#include "http/chunk.h"
#include "http/heads.h"
#include "http/parser.h"

#include <http_parser.h>

/* Each part with a byte behind it that is in none. */
struct text {
    size_t length;
    char data[16384];
};

struct message {
    struct text target, fields, body, trailer;
    size_t length;
    bool trailing, in_value;
};

static void add(struct text *text, const char *data, size_t length)
{
    fuzz_check(text->length + length <= sizeof text->data);
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

static void end(struct text *text)
{
    add(text, "\n", 1);
}

static void same(const struct text *a, const struct text *b)
{
    fuzz_check(a->length == b->length);
    fuzz_check(memcmp(a->data, b->data, a->length) == 0);
}

/* ---- http-parser's reading -------------------------------------------------
 */

static int on_url(http_parser *parser, const char *at, size_t length)
{
    add(&((struct message *)parser->data)->target, at, length);
    return 0;
}

static struct text *part(struct message *message)
{
    return message->trailing ? &message->trailer : &message->fields;
}

/* Blanks behind a value are part of it there. */
static void end_value(struct message *message)
{
    struct text *text = part(message);

    if (!message->in_value)
        return;
    while (text->length > 0 && (text->data[text->length - 1] == ' ' ||
                                text->data[text->length - 1] == '\t'))
        text->length--;
    end(text);
    message->in_value = false;
}

static int on_name(http_parser *parser, const char *at, size_t length)
{
    end_value(parser->data);
    add(part(parser->data), at, length);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length)
{
    struct message *message = parser->data;

    if (!message->in_value)
        end(part(message));
    message->in_value = true;
    add(part(message), at, length);
    return 0;
}

static int on_head(http_parser *parser)
{
    struct message *message = parser->data;

    end_value(message);
    message->trailing = true;
    parser->upgrade = 0; /* there may be a body all the same */
    /* Set by names that only begin so. */
    parser->uses_transfer_encoding = (parser->flags & F_CHUNKED) != 0;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    add(&((struct message *)parser->data)->body, at, length);
    return 0;
}

static int on_end(http_parser *parser)
{
    end_value(parser->data);
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_end,
};

/* Of a message of `size` bytes, that ends where ours says it does.  False: it
 * refuses a Content-Length, for a field whose name only begins with
 * Transfer-Encoding, which it is not shown (http/parser.c). */
static bool read_theirs(const char *text, size_t size, struct message *message)
{
    http_parser parser;

    memset(message, 0, sizeof *message);
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = message;
    message->length = http_parser_execute(&parser, &settings, text, size);
    if (HTTP_PARSER_ERRNO(&parser) == HPE_UNEXPECTED_CONTENT_LENGTH)
        return false;
    fuzz_check(HTTP_PARSER_ERRNO(&parser) == HPE_PAUSED);
    return true;
}

/* ---- ours ------------------------------------------------------------------
 */

static void add_fields(struct text *to, const char *text,
                       const struct http__head *head)
{
    for (uint32_t i = 0; i < head->count; i++) {
        add(to, text + head->fields[i].name, head->fields[i].name_length);
        end(to);
        add(to, text + head->fields[i].value, head->fields[i].value_length);
        end(to);
    }
}

/* From message->length on; is it complete? */
static bool read_chunks(const char *text, size_t size, struct message *message)
{
    struct http__field fields[FUZZ_FIELDS];
    struct http__head head = {.fields = fields};
    struct http__chunks chunks = {0};
    size_t skip, length;
    int rc = HTTP__CHUNKS_DATA;

    while (rc == HTTP__CHUNKS_DATA) {
        const char *at = text + message->length;

        rc = http__chunks_read(&chunks, &fuzz_limits, at,
                               size - message->length, &skip, &length, &head);
        if (rc == HTTP__CHUNKS_DATA)
            add(&message->body, at + skip, length);
        if (rc == HTTP__CHUNKS_END)
            add_fields(&message->trailer, at + skip, &head);
        message->length += skip + length;
    }
    return rc == HTTP__CHUNKS_END;
}

static struct http__parser_lines *lines;
static struct http__heads *heads;

/* Returns whether it is one. */
static bool read_head(const char *text, size_t size, struct http__head *head)
{
    struct http__strict strict = {0};

    return http__strict_head(&strict, &fuzz_limits, text, size, head) == 1 &&
           http__parser_head(lines, text, head) >= 0;
}

/* Is a head that is kept what it was when it was read? It is kept when it has
 * come twice; a server has many, and so has a run of the fuzzer. */
static void same_again(const char *text, size_t size, bool read,
                       const struct http__head *head)
{
    struct http__field fields[FUZZ_FIELDS];
    struct http__head kept = {.fields = fields};
    bool found;

    for (int times = 0; times < 3; times++) {
        uint64_t hash = http__heads_hash(heads, text, size);

        found = hash != 0 && http__heads_find(heads, text, size, hash, &kept);
        if (found || hash == 0)
            break;
        if (read && head->length == size)
            http__heads_keep(heads, text, hash, head);
    }
    if (!found)
        return;
    fuzz_check(read && kept.fields == fields);
    kept.fields = head->fields;
    fuzz_check(memcmp(&kept, head, sizeof kept) == 0);
    fuzz_check(memcmp(fields, head->fields, head->count * sizeof *fields) == 0);
}

/* A byte of it changed is another head. */
static void same_but_for(const char *text, size_t size, uint8_t where)
{
    struct http__field fields[FUZZ_FIELDS];
    struct http__head head = {.fields = fields};
    char *copy = fuzz_copy(text, size);
    bool read;

    copy[where % size] ^= 1;
    read = read_head(copy, size, &head);
    same_again(copy, size, read, &head);
    free(copy);
}

static bool read_ours(const char *text, size_t size, struct message *message)
{
    struct http__field fields[FUZZ_FIELDS];
    struct http__head head = {.fields = fields};
    bool read = read_head(text, size, &head);

    memset(message, 0, sizeof *message);
    same_again(text, size, read, &head);
    if (!read)
        return false;
    same_again(text, head.length, true, &head); /* what a body follows */
    add(&message->target, text + head.target, head.target_length);
    add_fields(&message->fields, text, &head);
    message->length = head.length;
    if (head.chunked)
        return read_chunks(text, size, message);
    if (head.content_length > (int64_t)(size - head.length))
        return false;
    if (head.content_length > 0) {
        add(&message->body, text + head.length, (size_t)head.content_length);
        message->length += (size_t)head.content_length;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message ours, theirs;
    const char *text = (const char *)data;
    bool read;

    if (lines == NULL) {
        lines = calloc(1, http__parser_lines_size);
        heads = http__heads_new();
    }
    read = read_ours(text, size, &ours);
    if (size > 0)
        same_but_for(text, size, data[size / 2]);
    if (!read)
        return 0;
    if (!read_theirs(text, size, &theirs))
        return 0;
    fuzz_check(ours.length == theirs.length);
    same(&ours.target, &theirs.target);
    same(&ours.fields, &theirs.fields);
    same(&ours.body, &theirs.body);
    same(&ours.trailer, &theirs.trailer);
    return 0;
}
