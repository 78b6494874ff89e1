/* request.c - looking at a request
 *
 * Texts lie where they came, and get their 0 when they are asked for: what is
 * behind them (a blank, a colon, CR) has been read. */
#include "http/http_impl.h"

#include "http/chars.h"

#include <errno.h>
#include <strings.h>

static const char *ended(struct http_request *request, uint32_t at,
                         uint32_t length)
{
    request->data[at + length] = '\0';
    return request->data + at;
}

static const char *copied(struct http_request *request, const char *text,
                          size_t length)
{
    const char *copy = http__arena_copy(&request->work->arena, text, length);

    return copy != NULL ? copy : "";
}

/* ---- the request line ---- */

const char *http_request_verb(struct http_request *request)
{
    return ended(request, request->head.method, request->head.method_length);
}

const char *http_request_target(struct http_request *request)
{
    return ended(request, request->head.target, request->head.target_length);
}

/* The path gets a copy only if something follows it. */
static void split(struct http_request *request)
{
    const struct http__head *head = &request->head;
    const char *path = request->data + head->path;
    const char *query =
        head->path_length > 0 ? memchr(path, '?', head->path_length) : NULL;
    size_t length = query != NULL ? (size_t)(query - path) : head->path_length;

    http_request_target(request); /* ends the query, or the path */
    request->split = true;
    request->query = query != NULL ? query + 1 : NULL;
    if (head->form == HTTP__FORM_ASTERISK)
        request->path = "*";
    else if (length == 0)
        request->path = "/";
    else
        request->path = query != NULL ? copied(request, path, length) : path;
}

const char *http_request_path(struct http_request *request)
{
    if (!request->split)
        split(request);
    return request->path;
}

const char *http_request_query(struct http_request *request)
{
    if (!request->split)
        split(request);
    return request->query;
}

int http_request_minor(const struct http_request *request)
{
    return request->head.minor;
}

const char *http_request_scheme(const struct http_request *request)
{
    return request->scheme;
}

const char *http_request_host(struct http_request *request)
{
    const struct http__head *head = &request->head;

    if (request->host == NULL)
        request->host =
            head->host_length > 0
                ? copied(request, request->data + head->host, head->host_length)
                : "";
    return request->host;
}

/* ---- fields ---- */

static const struct http__field *find(const struct http__head *head,
                                      const char *data, const char *name,
                                      size_t from)
{
    size_t length = strlen(name);

    for (size_t i = from; i < head->count; i++)
        if (head->fields[i].name_length == length &&
            strncasecmp(data + head->fields[i].name, name, length) == 0)
            return &head->fields[i];
    return NULL;
}

const char *http_request_header(struct http_request *request, const char *name)
{
    const struct http__field *field =
        find(&request->head, request->data, name, 0);

    return field != NULL ? ended(request, field->value, field->value_length)
                         : NULL;
}

size_t http_request_headers(const struct http_request *request)
{
    return request->head.count;
}

const char *http_request_header_at(struct http_request *request, size_t i,
                                   const char **value)
{
    const struct http__field *field = &request->head.fields[i];

    if (i >= request->head.count)
        return NULL;
    if (value != NULL)
        *value = ended(request, field->value, field->value_length);
    return ended(request, field->name, field->name_length);
}

/* One element of a list, without the blanks around it and what stands behind a
 * ';'. */
static bool is_element(const char *at, size_t length, const char *token)
{
    size_t wanted = strlen(token);

    while (length > 0 && http__blank(*at))
        at++, length--;
    if (length < wanted || strncasecmp(at, token, wanted) != 0)
        return false;
    for (at += wanted, length -= wanted; length > 0; at++, length--)
        if (!http__blank(*at))
            return *at == ';';
    return true;
}

static bool list_has(const char *list, size_t length, const char *token)
{
    const char *end = list + length;

    for (;;) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t size = (size_t)((comma != NULL ? comma : end) - list);

        if (is_element(list, size, token))
            return true;
        if (comma == NULL)
            return false;
        list = comma + 1;
    }
}

bool http_request_header_has(struct http_request *request, const char *name,
                             const char *token)
{
    const struct http__head *head = &request->head;
    const struct http__field *field = find(head, request->data, name, 0);

    while (field != NULL) {
        if (list_has(request->data + field->value, field->value_length, token))
            return true;
        field =
            find(head, request->data, name, (size_t)(field - head->fields) + 1);
    }
    return false;
}

const char *http_request_trailer(struct http_request *request, const char *name)
{
    const struct http__field *field =
        request->trailer != NULL
            ? find(&request->trailer_head, request->trailer, name, 0)
            : NULL;

    return field != NULL ? copied(request, request->trailer + field->value,
                                  field->value_length)
                         : NULL;
}

/* ---- where it came from ---- */

const struct hub_address *http_request_peer(const struct http_request *request)
{
    return request->peer;
}

struct hub_tls *http_request_tls(const struct http_request *request)
{
    return request->work->connection != NULL
               ? request->work->connection->wire.tls
               : NULL;
}

struct http_server *http_request_server(const struct http_request *request)
{
    return request->work->server;
}

/* ---- body, memory ---- */

int64_t http_request_length(const struct http_request *request)
{
    if (request->head.chunked)
        return -1;
    return request->head.content_length > 0 ? request->head.content_length : 0;
}

void http_request_set_body_limit(struct http_request *request, uint64_t bytes)
{
    request->limit = bytes;
}

void *http_request_alloc(struct http_request *request, size_t size)
{
    return http__arena_alloc(&request->work->arena, size);
}

int http_request_defer(struct http_request *request,
                       void (*function)(void *data), void *data)
{
    struct http__defer *defer =
        http__arena_alloc(&request->work->arena, sizeof *defer);

    if (defer == NULL) {
        function(data);
        return -ENOMEM;
    }
    defer->function = function;
    defer->data = data;
    defer->next = request->defers;
    request->defers = defer;
    return 0;
}

/* ---- for those who know better: forwarded fields ---- */

int http__request_set_client(struct http_request *request,
                             const struct hub_address *peer, const char *scheme,
                             const char *host)
{
    struct http__arena *arena = &request->work->arena;
    struct hub_address *copy = request->peer;
    const char *name = request->host;

    if (peer != NULL) {
        copy = http__arena_alloc(arena, sizeof *copy);
        if (copy != NULL)
            *copy = *peer;
    }
    if (host != NULL)
        name = http__arena_copy(arena, host, strlen(host));
    if ((peer != NULL && copy == NULL) || (host != NULL && name == NULL))
        return -ENOMEM;
    request->peer = copy;
    request->host = name;
    if (scheme != NULL)
        request->scheme = scheme;
    return 0;
}
