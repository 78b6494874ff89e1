/* parser.h - http-parser's verdict on what strict.c has let through
 *
 * A second reading, by code that many servers run: where the two differ about
 * what a message is, somebody else may differ too, and the message is refused.
 */
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include "http/strict.h"

/* Request lines that it has read of late: clients ask for the same things. */
struct http__parser_lines;
/* Its size; all zero: none yet. */
extern const size_t http__parser_lines_size;

/* Does http-parser read this complete head as strict.c does: the same version,
 * framing and end?
 * `lines` may be NULL.  Returns its number of the method, or the status to refuse the head with,
 * negated: -501 is a method that it does not know, -400 all that differs. */
int http__parser_head(struct http__parser_lines *lines, const char *data,
                      const struct http__head *head);

/* The same for a chunk's line with its CRLF, and for a trailer with its empty
 * line
 * (`length` bytes at `data`).  Returns 0 or -400. */
int http__parser_chunk(const char *data, size_t length, uint64_t chunk);
int http__parser_trailer(const char *data, size_t length);

#endif
