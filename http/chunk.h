/* chunk.h - a body in chunks (RFC 9112 7.1), read as its bytes come
 *
 * Each line, and the trailer, is looked at strictly and then by http-parser.
 * Nothing is allocated and nothing copied. */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include "http/strict.h"

/* A chunk's line may have this many bytes, and all extensions of a body that
 * many: else what nobody reads would be a way to send without end (RFC
 * 9112 7.1.1). */
#define HTTP__CHUNK_LINE       1024
#define HTTP__CHUNK_EXTENSIONS 16384

/* A chunk's first line, with its extension.  *length gets its bytes with the
 * CRLF, *chunk how many follow.  Returns 1, 0 when more is needed, or -400. */
int http__strict_chunk(const char *data, size_t size, size_t *length,
                       uint64_t *chunk);

/* How far a body was read: all zero for a new one. */
struct http__chunks {
    uint8_t state;
    uint32_t extensions;         /* bytes of them so far */
    uint64_t left;               /* bytes of this chunk that are to come */
    struct http__strict trailer; /* how far that was looked at */
};

enum { HTTP__CHUNKS_MORE, HTTP__CHUNKS_DATA, HTTP__CHUNKS_END };

/* Look at the next bytes of a body: at all that were not used up.
 *
 * *skip gets how many of them are framing that is used up, *length how many
 * bytes behind those are HTTP__CHUNKS_DATA  the body's; more of it may follow
 *   HTTP__CHUNKS_END   the trailer, which is complete, with its empty line;
 * *head says what is in it, by offsets from data + *skip HTTP__CHUNKS_MORE
 * nothing (0): what is left is no complete line yet All of *skip + *length is
 * used up then.  `limits` are those of the trailer, which fills head->fields;
 * *head is the same in each call.
 *
 * Returns one of these, or the status to refuse the body with, negated: -400,
 * -431. */
int http__chunks_read(struct http__chunks *chunks,
                      const struct http__strict_limits *limits,
                      const char *data, size_t size, size_t *skip,
                      size_t *length, struct http__head *head);

#endif
