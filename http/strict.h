/* strict.h - what http-parser lets through and we do not
 *
 * The raw bytes of each head, chunk line and trailer are looked at here before
 * the parser's verdict counts.  Nothing is allocated, nothing is copied: what
 * is found is offsets into the caller's bytes, which may move between calls
 * while a head is not complete. */
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
    uint32_t line;   /* bytes of the request line without its CRLF: 414 */
    uint32_t bytes;  /* of the whole head, or trailer: 431 */
    uint32_t fields; /* how many of them: 431; room of the table below */
};

/* The four forms of a target (RFC 9112 3.2). */
enum http__form {
    HTTP__FORM_ORIGIN,    /* /where?query */
    HTTP__FORM_ABSOLUTE,  /* http://host/where?query */
    HTTP__FORM_AUTHORITY, /* host:port, of CONNECT alone */
    HTTP__FORM_ASTERISK   /* *, of OPTIONS alone */
};

enum { HTTP__FRAMING = 64 }; /* bits of http__head.framing */

/* What a complete request head says.  Offsets are from data; `fields` and what
 * it points to stay the caller's, the rest is set by http__strict_head(). */
struct http__head {
    uint32_t length;  /* of all of it, with its empty line */
    uint32_t skipped; /* empty lines before the request line */
    uint32_t method, method_length;
    uint32_t target, target_length;
    uint32_t path, path_length; /* of the target, with its query; of an
                                 * absolute form without a path: from its '?',
                                 * or nothing */
    uint32_t host, host_length; /* with its port: the target's, else Host's;
                                 * nothing where there is none */
    enum http__form form;
    uint8_t minor; /* 0 of HTTP/1.0, else 1 */
    bool chunked;
    bool close, keep_alive; /* what Connection says */
    bool upgrade;           /* Connection: upgrade, and an Upgrade field */
    bool expect_continue;
    int64_t content_length; /* -1: none */
    uint32_t count;
    uint64_t framing; /* which of the first HTTP__FRAMING fields frame it, or
                       * say what the connection does then */
    struct http__field *fields; /* limits.fields of them */
};

enum { HTTP__STRICT_NEW, HTTP__STRICT_LINE, HTTP__STRICT_FIELDS };

/* How far it has looked: all zero for a new head. */
struct http__strict {
    uint32_t at;            /* bytes looked at, of complete lines */
    uint32_t seen;          /* bytes seen, so that none is searched twice */
    uint8_t state;          /* which line is next: HTTP__STRICT_... */
    bool hosted, upgrading; /* a Host, an Upgrade field was seen */
};

/* Look at a request head of which `size` bytes are there: each call with all
 * bytes so far, and with the head of the calls before.  Empty lines before the
 * request line are skipped: while strict->at bytes of them are all there is,
 * the connection is as idle as it was.
 *
 * Returns 1 when it is complete (*head is filled), 0 when more is needed, or
 * the status to refuse it with, negated: -400, -414, -417 (an Expect that
 * nobody knows), -431, -505. */
int http__strict_head(struct http__strict *strict,
                      const struct http__strict_limits *limits,
                      const char *data, size_t size, struct http__head *head);

/* Is there more than empty lines in the `size` bytes that were looked at? Those
 * leave a connection as idle as it was. */
static inline bool http__strict_begun(const struct http__strict *strict,
                                      size_t size)
{
    return strict->state == HTTP__STRICT_FIELDS || size > strict->at;
}

/* The connection ends after this request, as its version and Connection say. */
static inline bool http__head_ends(const struct http__head *head)
{
    return head->close || (head->minor == 0 && !head->keep_alive);
}

/* The first field called `name` (of `length` bytes, in lower case) from number
 * `from` on, or NULL. */
const struct http__field *http__head_find(const struct http__head *head,
                                          const char *data, const char *name,
                                          size_t length, uint32_t from);

/* The trailer after the last chunk, with its empty line: as a head without a
 * request line; fields that frame or route a message are refused.  limits->line
 * does not count. */
int http__strict_trailer(struct http__strict *strict,
                         const struct http__strict_limits *limits,
                         const char *data, size_t size,
                         struct http__head *head);

#endif
