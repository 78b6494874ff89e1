/* strict.h - what http-parser lets through and we do not
 *
 * The raw bytes of each head, chunk line and trailer are looked at here before the
 * parser's verdict counts.  Nothing is allocated, nothing is copied: what is found
 * is offsets into the caller's bytes, which may move between calls while a head is
 * not complete. */
#ifndef HTTP_STRICT_H
#define HTTP_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name and value of a field, without the blanks around the value. */
struct http__field {
    uint32_t name, name_length;
    uint32_t value, value_length;
};

struct http__strict_limits {
    uint32_t line;   /* bytes of the request line: 414 */
    uint32_t bytes;  /* of the whole head, or trailer: 431 */
    uint32_t fields; /* how many of them: 431; room of the table below */
};

/* What a complete request head says. */
struct http__head {
    uint32_t length; /* of all of it, with its empty line */
    uint32_t method_length;         /* at 0 (after what `skipped` says) */
    uint32_t skipped;               /* CRLF before the request line */
    uint32_t target, target_length;
    uint8_t minor;                  /* HTTP/1.0 or HTTP/1.1 */
    bool chunked, close, keep_alive, upgrade, expect_continue;
    int64_t content_length;         /* -1: none */
    uint32_t count;
    struct http__field *fields;     /* the caller's, limits.fields of them */
};

/* How far it has looked: all zero for a new head. */
struct http__strict {
    uint32_t at;      /* bytes looked at, of complete lines */
    uint32_t seen;    /* bytes seen, so that none is searched twice */
    uint8_t state;
    uint32_t hosts, lengths;
    int64_t length;
};

/* Look at a request head of which `size` bytes are there.
 * Returns 1 when it is complete (*head is filled), 0 when more is needed, or the
 * status to refuse it with, negated: -400, -414, -431, -501, -505. */
int http__strict_head(struct http__strict *strict,
                      const struct http__strict_limits *limits,
                      const char *data, size_t size, struct http__head *head);

/* A chunk's first line, with its extension.  *length gets its CRLF too, *chunk how
 * many bytes follow.  Returns as http__strict_head(). */
int http__strict_chunk(const char *data, size_t size, size_t *length,
                       uint64_t *chunk);

/* The trailer after the last chunk, with its empty line: as a head without a
 * request line; fields that frame or route a message are refused. */
int http__strict_trailer(struct http__strict *strict,
                         const struct http__strict_limits *limits,
                         const char *data, size_t size, struct http__head *head);

#endif
