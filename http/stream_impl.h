/* stream_impl.h - a response that is being made piece by piece */
#ifndef HTTP_STREAM_IMPL_H
#define HTTP_STREAM_IMPL_H

#include "http/http_impl.h"

#include <stdarg.h>

struct http_stream {
    struct http__connection *connection;
    struct http__framing framing;
    uint64_t sent;
    int error; /* why nothing more can be sent; 0: it can */
    struct http__text trailer;
};

/* format.c.  *text is room for `size` bytes; if that is too little, memory that the
 * caller frees.  Returns the length, -EINVAL for a format that is none, -ENOMEM. */
int http__format(char **text, size_t size, const char *format, va_list args);

#endif
