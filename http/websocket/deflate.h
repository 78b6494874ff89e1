/* deflate.h - messages compressed (RFC 7692, 7.2), by zlib
 *
 * Memory is there while a message is inside, and longer only where both agreed to
 * take contexts over. */
#ifndef HTTP_DEFLATE_H
#define HTTP_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct z_stream_s;

/* ---- what we receive ---- */

struct http__inflate {
    struct z_stream_s *stream; /* NULL: no message yet, or none inside */
};

/* Where what is inflated goes: at least one byte of room. */
typedef int http__inflate_room(void *arg, char **room, size_t *size);
typedef int http__inflate_put(void *arg, size_t size);

/* Inflate the next bytes of a message; `last`: they end it.
 * Returns 0; -ENOMEM; -EILSEQ when this is no deflate data; or what room() or put()
 * return. */
int http__inflate_feed(struct http__inflate *inflate, int bits,
                       const void *data, size_t size, bool last,
                       http__inflate_room *room, http__inflate_put *put,
                       void *arg);
void http__inflate_free(struct http__inflate *inflate);

/* ---- what we send ---- */

struct http__deflate {
    struct z_stream_s *stream; /* NULL: as above */
};

/* Begin a message; `size` bytes of it are there, `last`: all of it.
 * Returns 0 or -ENOMEM. */
int http__deflate_begin(struct http__deflate *deflate, int bits, int level,
                        size_t size, bool last);
/* Compress a piece; flush: what has been fed can then be inflated, and the last four
 * bytes, which RFC 7692 takes from the end of a message, are there.
 * Returns how much of `out` was used: less than room, when all is done. */
size_t http__deflate_feed(struct http__deflate *deflate, const void **data,
                          size_t *size, bool flush, char *out, size_t room);
void http__deflate_free(struct http__deflate *deflate);

#endif
