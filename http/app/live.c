/* live.c - what is going on in a hub, for the status page: counted where the
 * page is on
 *
 * One hub's numbers are its server's, so that nothing is shared between
 * threads. */
#include "http/app/live.h"
#include "http/app/app_impl.h"

#include <errno.h>

struct http__live *http__live_of(struct http_server *server)
{
    if (server->live == NULL)
        server->live = http__calloc(1, sizeof *server->live);
    if (server->live != NULL && server->live->began == 0)
        server->live->began = hub_now();
    return server->live;
}

void http__live_begin(struct http__call *call)
{
    struct http_server *server = call->request->work->server;
    struct http__live *live = http__live_of(server);
    struct http__live_entry *entry = &call->live;

    if (live == NULL)
        return;
    entry->call = call;
    entry->began = hub_now();
    entry->number = ++live->requests;
    entry->next = live->first;
    entry->back = &live->first;
    if (entry->next != NULL)
        entry->next->back = &entry->next;
    live->first = entry;
    live->in_flight++;
    http__live_rows_put(live, server);
}

/* What is printable, and ASCII: JSON takes no other bytes as they are. */
static void copy(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; i + 1 < size && from[i] != '\0'; i++)
        to[i] = from[i] >= ' ' && from[i] < 0x7f ? from[i] : '?';
    to[i] = '\0';
}

void http__live_describe(const struct http__call *call,
                         struct http__live_done *done)
{
    copy(done->method, sizeof done->method, http_request_verb(call->request));
    copy(done->path, sizeof done->path, http_request_path(call->request));
    done->status = call->response->status;
    done->websocket = call->opened;
    done->began = call->live.began;
    done->number = call->live.number;
}

void http__live_end(struct http__call *call)
{
    struct http_server *server = call->request->work->server;
    struct http__live *live = server->live;
    struct http__live_entry *entry = &call->live;
    struct http__live_done *done;
    int status = call->response->status;

    if (entry->back == NULL)
        return;
    *entry->back = entry->next;
    if (entry->next != NULL)
        entry->next->back = entry->back;
    entry->back = NULL;
    live->in_flight--;
    live->classes[status >= 100 && status < 600 ? status / 100 : 0]++;
    done = &live->done[live->done_count++ % HTTP__LIVE_DONE];
    http__live_describe(call, done);
    done->ended = hub_now();
    if (!call->opened) /* how long a WebSocket is open is no latency */
        live->latencies[live->latency_count++ % HTTP__LIVE_LATENCIES] =
            done->ended - done->began;
    http__live_rows_put(live, server);
}

int http_app_set_status(struct http_app *app, const char *path)
{
    if (path == NULL) {
        app->status_path = NULL;
        return 0;
    }
    if (*path != '/')
        return http__app_fail(app, -EINVAL, "status page",
                              "a path begins with a slash");
    app->status_path = http__arena_copy(&app->arena, path, strlen(path));
    return app->status_path != NULL
               ? 0
               : http__app_fail(app, -ENOMEM, "status page", NULL);
}
