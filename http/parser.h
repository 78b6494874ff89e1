/* parser.h - http-parser's verdict on what strict.c has let through */
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include "http/strict.h"

/* Does http-parser read this complete head as strict.c does: the same method,
 * version, framing, and whether the connection stays?
 * Returns 0, or the status to refuse it with, negated. */
int http__parser_head(const char *data, const struct http__head *head);

/* The same for a chunk's line, and for a trailer. */
int http__parser_chunk(const char *data, size_t length, uint64_t chunk);
int http__parser_trailer(const char *data, const struct http__head *head);

#endif
