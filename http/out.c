/* out.c - the buffers in which answers are gathered
 *
 * A request has one from the first byte of its answer to the last that is sent:
 * thousands that wait have none, and one that has just been used, which caches
 * still hold, is the next to be taken. */
#include "http/send.h"

#include <errno.h>

#define KEPT 64u

struct http__out {
    struct http__out *next;
};

int http__out_take(struct http__work *work)
{
    struct http_server *server = work->server;
    struct http__out *out = server->outs;

    if (likely(out != NULL)) {
        server->outs = out->next;
        server->out_count--;
    } else {
        out = http__malloc(HTTP__OUT_ROOM);
        if (out == NULL)
            return -ENOMEM;
    }
    work->out = (char *)out;
    work->out_room = HTTP__OUT_ROOM;
    return 0;
}

void http__out_give(struct http__work *work)
{
    struct http_server *server = work->server;
    struct http__out *out = (struct http__out *)(void *)work->out;

    work->out = NULL;
    work->out_size = work->out_room = 0;
    if (out == NULL)
        return;
    if (unlikely(server->out_count >= KEPT)) {
        free(out);
        return;
    }
    out->next = server->outs;
    server->outs = out;
    server->out_count++;
}

void http__out_free_all(struct http_server *server)
{
    while (server->outs != NULL) {
        struct http__out *out = server->outs;

        server->outs = out->next;
        free(out);
    }
}
