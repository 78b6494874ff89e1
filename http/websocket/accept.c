/* accept.c - a request becomes a WebSocket */
#include "http/websocket/websocket_impl.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* From the view until the 101 is sent: in the request's arena. */
struct accepted {
    struct http__handshake_answer answer;
    struct http_websocket_options options;
    http_websocket_function *function;
    void *data;
};

/* ---- the request ---- */

static bool find(const void *from, const char *name, size_t n,
                 struct http__span *value)
{
    struct http_request *request = (void *)(uintptr_t)from;
    size_t count = http_request_headers(request);
    const char *field, *text;

    for (size_t i = 0; i < count; i++) {
        field = http_request_header_at(request, i, &text);
        if (field == NULL || text == NULL || strcasecmp(field, name) != 0)
            continue;
        if (n-- > 0)
            continue;
        *value = (struct http__span){ text, strlen(text) };
        return true;
    }
    return false;
}

static struct http__handshake asked_by(struct http_request *request)
{
    return (struct http__handshake){
        .is_get = strcmp(http_request_verb(request), "GET") == 0,
        .is_11 = http_request_minor(request) >= 1,
        .has_body = http_request_length(request) != 0,
        .fields = { find, request },
    };
}

/* ---- the response ---- */

/* RFC 6455, 4.4; RFC 9110, 15.5.22: what would do instead. */
static int refuse(struct http_response *response, int status, const char *why)
{
    int rc = http_response_text(response, why);

    if (rc == 0 && status == 426)
        rc = http_response_set_header(response, "Upgrade", "websocket");
    if (rc == 0 && status != 403)
        rc = http_response_set_header(response, "Sec-WebSocket-Version", "13");
    return rc < 0 ? rc : status;
}

static int fill(struct http_response *response,
                const struct http__handshake_answer *answer)
{
    char extensions[HTTP__EXTENSION_SIZE];
    int rc = http_response_set_header(response, "Sec-WebSocket-Accept",
                                      answer->accept);

    if (rc == 0 && answer->protocol != NULL)
        rc = http_response_set_header(response, "Sec-WebSocket-Protocol",
                                      answer->protocol);
    http__extension_text(&answer->deflate, extensions);
    if (rc == 0 && answer->deflate.on)
        rc = http_response_set_header(response, "Sec-WebSocket-Extensions",
                                      extensions);
    return rc;
}

/* ---- from the 101 on ---- */

/* What the client has sent behind the request. */
static int take_early(struct http_websocket *socket)
{
    char piece[512];
    size_t size;
    int rc = 0;

    do {
        size = http__connection_early(socket->connection, piece, sizeof piece);
        rc = http__frames_early(&socket->in.frames, piece, size);
    } while (rc == 0 && size > 0);
    return rc;
}

struct http_websocket *
http__websocket_begin(struct http__connection *connection,
                      const struct http_websocket_options *options,
                      const struct http__handshake_answer *answer)
{
    struct http_websocket *socket = http__websocket_new(
        http__connection_wire(connection), options, answer);

    if (socket == NULL)
        return NULL;
    socket->connection = connection;
    if (take_early(socket) == 0)
        return socket;
    http__incoming_free(&socket->in);
    http_websocket_unref(socket);
    return NULL;
}

static void serve(struct http_websocket *socket,
                  http_websocket_function *function, void *data)
{
    struct http__connection *connection = socket->connection;
    int rc;

    http__connection_on_stop(connection, http__control_leave, socket);
    rc = function(socket, data);
    http__connection_on_stop(connection, NULL, NULL);
    http__websocket_finish(socket, rc);
}

static void upgraded(struct http__connection *connection, void *arg)
{
    const struct accepted *accepted = arg;
    http_websocket_function *function = accepted->function;
    void *data = accepted->data;
    struct http_websocket *socket = http__websocket_begin(
        connection, &accepted->options, &accepted->answer);

    if (socket == NULL)
        return;
    http__connection_release(connection); /* accepted is gone */
    serve(socket, function, data);
}

bool http__websocket_options_good(const struct http_websocket_options *options)
{
    return options->ping_interval >= 0 && options->pong_timeout >= 0 &&
           options->write_timeout >= 0 && options->close_timeout >= 0 &&
           (options->window_bits == 0 ||
            (options->window_bits >= 9 && options->window_bits <= 15)) &&
           options->level >= 0 && options->level <= 9;
}

int http__websocket_shake(struct http_request *request,
                          struct http_response *response,
                          const struct http_websocket_options *options,
                          struct http__handshake_answer *answer)
{
    struct http__handshake asked = asked_by(request);
    int rc = http__handshake(&asked, options, answer);

    if (rc != 101)
        return rc < 0 ? rc : refuse(response, rc, answer->why);
    return fill(response, answer);
}

int http_websocket_accept(struct http_request *request,
                          struct http_response *response,
                          const struct http_websocket_options *options,
                          http_websocket_function *function, void *data)
{
    struct accepted *accepted = http_request_alloc(request, sizeof *accepted);
    int rc;

    if (accepted == NULL)
        return -ENOMEM;
    memset(accepted, 0, sizeof *accepted);
    if (options != NULL)
        accepted->options = *options;
    if (!http__websocket_options_good(&accepted->options))
        return -EINVAL;
    accepted->function = function;
    accepted->data = data;
    rc = http__websocket_shake(request, response, &accepted->options,
                               &accepted->answer);
    return rc != 0 ? rc
                   : http__response_upgrade(response, "websocket", upgraded,
                                            accepted, NULL);
}
