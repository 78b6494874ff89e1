/* stream_impl.h - a response that is being made piece by piece */
#ifndef HTTP_STREAM_IMPL_H
#define HTTP_STREAM_IMPL_H

#include "http/http_impl.h"

struct http_stream {
    struct http__connection *connection;
    struct http__framing framing;
    uint64_t sent;
    int error; /* why nothing more can be sent; 0: it can */
    struct http__text trailer;
};

#endif
