/* heads.h - request heads that were read before
 *
 * What a head says, and whether it is one, depends on nothing but its bytes and
 * the server's limits: clients that send the same one again and again have it
 * read once.  Those that were refused are read, and refused, each time. */
#ifndef HTTP_HEADS_H
#define HTTP_HEADS_H

#include "http/strict.h"

/* Of a server, so that all were read within the same limits. */
struct http__heads;

/* NULL: no memory; all functions here take that for one that keeps nothing. */
struct http__heads *http__heads_new(void);
void http__heads_free(struct http__heads *heads);

/* Of all the bytes that are there; 0: these are not looked for. */
uint64_t http__heads_hash(struct http__heads *heads, const char *data,
                          size_t size);
/* Are they, with that hash, a head that is kept, and nothing else?  *head is
 * then what the readers (strict.h, parser.h) had made of it; `fields` in it
 * stays the caller's. */
bool http__heads_find(struct http__heads *heads, const char *data, size_t size,
                      uint64_t hash, struct http__head *head);
/* They were not, but have been read, and are one, and nothing else: it is kept
 * if it came before. */
void http__heads_keep(struct http__heads *heads, const char *data,
                      uint64_t hash, const struct http__head *head);

#endif
