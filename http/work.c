/* work.c - the memory of requests: taken when there is something to read, given
 * back when all is answered */
#include "http/send.h"
#include "http/slots.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#define BURST 256u /* so many less than there were: the heap is looked at */

/* ---- text ---- */

int http__text_reserve(struct http__text *text, struct http__arena *arena,
                       size_t more)
{
    size_t need = text->size + more, room = 2 * text->room;
    char *data;

    if (need <= text->room)
        return 0;
    if (need < more)
        return -ENOMEM;
    if (room < need)
        room = need;
    if (room < 256)
        room = 256;
    data = http__arena_alloc(arena, room);
    if (data == NULL)
        return -ENOMEM;
    if (text->size > 0)
        memcpy(data, text->data, text->size);
    text->data = data;
    text->room = room;
    return 0;
}

/* ---- the pool ---- */

/* A head at its limit, and as much behind it: lines of chunks, and a trailer.
 */
static size_t input_room(const struct http_server *server)
{
    size_t head = server->limits.bytes;

    return 2 * (head < 4096 ? 4096 : head);
}

static struct http__work *make(struct http_server *server)
{
    size_t fields = server->limits.fields * sizeof(struct http__field);
    size_t room = input_room(server);
    struct http__work *work;

    if (server->slots == NULL)
        server->slots = http__slots_new(sizeof *work + fields + room);
    work = server->slots != NULL ? http__slot_take(server->slots) : NULL;
    if (work == NULL)
        return NULL;
    if (++server->works > server->works_most)
        server->works_most = server->works;
    work->server = server;
    work->request.head.fields = (struct http__field *)(void *)(work + 1);
    work->input = (char *)(work + 1) + fields;
    work->room = room;
    return work;
}

struct http__work *http__work_take(struct http_server *server)
{
    struct http__work *work = server->pool;

    if (likely(work != NULL)) {
        server->pool = work->next;
        if (--server->pool_count < server->pool_least)
            server->pool_least = server->pool_count;
    } else {
        work = make(server);
    }
    if (work == NULL)
        return NULL;
    work->refs = 1;
    work->start = work->at = work->end = 0;
    memset(&work->strict, 0, sizeof work->strict);
    return work;
}

static void destroy(struct http__work *work)
{
    work->server->works--;
    http__slot_give(work->server->slots, work);
}

static void give(struct http__work *work)
{
    struct http_server *server = work->server;

    if (unlikely(work->out != NULL))
        http__out_give(work);
    work->next = server->pool;
    server->pool = work;
    server->pool_count++;
}

void http__work_trim(struct http_server *server, unsigned most)
{
    while (server->pool_count > most) {
        struct http__work *work = server->pool;

        server->pool = work->next;
        server->pool_count--;
        destroy(work);
    }
}

/* Half of those that were in the pool all the time.  Of the others there was none
 * too many: pages that are given back between two bursts are faulted in again. */
static void trim_unused(struct http_server *server)
{
    unsigned unused = server->pool_least, keep = server->pool_count - unused / 2;

    http__work_trim(server, keep > HTTP__POOL_KEPT ? keep : HTTP__POOL_KEPT);
    server->pool_least = server->pool_count;
}

/* Many requests were under way at once, and are no more.  What lies between the
 * pieces of a heap that are in use is not given back by free(). */
void http__work_settle(struct http_server *server)
{
    trim_unused(server);
    if (server->works_most < 2 * server->works + BURST)
        return;
    server->works_most = server->works;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* ---- one request ---- */

void http__response_reset(struct http_response *response)
{
    struct http__work *work = response->work;

    memset(response, 0, sizeof *response);
    response->work = work;
    response->file = -1;
    response->fields.data = work->fields_room;
    response->fields.room = sizeof work->fields_room;
}

void http__work_begin(struct http__work *work)
{
    struct http_request *request = &work->request;
    struct http__field *fields = request->head.fields;

    http__arena_init(&work->arena, work->arena_room, sizeof work->arena_room);
    memset(request, 0, sizeof *request);
    request->work = work;
    request->head.fields = fields;
    request->body_state = HTTP__BODY_ENDED;
    work->response.work = work;
    http__response_reset(&work->response);
    memset(&work->strict, 0, sizeof work->strict);
}

static void run_defers(struct http_request *request)
{
    while (request->defers != NULL) {
        struct http__defer *defer = request->defers;

        request->defers = defer->next;
        defer->function(defer->data);
    }
}

/* Nobody needs the request any more. */
static void finish(struct http__work *work)
{
    struct http_response *response = &work->response;

    if (unlikely(work->request.defers != NULL))
        run_defers(&work->request);
    if (unlikely(response->kind != HTTP__KIND_BYTES || response->drop != NULL))
        http_response_clear(response);
    if (unlikely(work->arena.more != NULL))
        http__arena_free(&work->arena);
}

/* Somebody keeps the request: the connection goes on with another work. */
static void part(struct http__work *work)
{
    struct http__connection *connection = work->connection;
    struct http__work *fresh = http__work_take(work->server);
    struct hub_address *peer = http__arena_alloc(&work->arena, sizeof *peer);

    if (peer != NULL)
        *peer = *work->request.peer;
    work->request.peer = peer;
    if (fresh == NULL) {
        http__flush(connection);
        connection->closing = true;
    } else {
        fresh->end = work->end - work->at;
        memcpy(fresh->input, work->input + work->at, fresh->end);
        fresh->out = work->out;
        fresh->out_size = work->out_size;
        fresh->out_room = work->out_room;
        work->out = NULL;
        work->out_size = work->out_room = 0;
        fresh->connection = connection;
    }
    connection->work = fresh;
    work->connection = NULL;
    work->server->refs++;
    work->refs--;
}

void http__work_end(struct http__work *work)
{
    work->request.body_state = HTTP__BODY_ANSWERED;
    work->response.begun = true;
    if (unlikely(work->refs > 1)) {
        http_response_clear(&work->response);
        part(work);
        return;
    }
    finish(work);
    work->start = work->at;
}

void http__work_unref(struct http__work *work)
{
    struct http_server *server = work->server;

    if (--work->refs > 0)
        return;
    if (work->connection == NULL) { /* it was kept, and no more */
        finish(work);
        give(work);
        http__server_unref(server);
        return;
    }
    give(work);
}

/* ---- who keeps it ---- */

struct http_request *http_request_ref(struct http_request *request)
{
    request->work->refs++;
    return request;
}

void http_request_unref(struct http_request *request)
{
    if (request != NULL)
        http__work_unref(request->work);
}
