/* access.c - what an access log is told */
#include "http/http_impl.h"

static void tell(struct http__connection *connection,
                 struct http_server_access *entry)
{
    const struct http_server *server = connection->server;

    server->options.access(entry, server->options.access_data);
}

void http__access(struct http__connection *connection, int status,
                  uint64_t sent)
{
    struct http_request *request = &connection->work->request;
    struct http_server_access entry = {
        .peer = request->peer,
        .verb = http_request_verb(request),
        .target = http_request_target(request),
        .minor = request->head.minor,
        .status = status,
        .sent = sent,
        .duration_ns = hub_now() - request->began,
        .host = http_request_host(request),
        .referer = http_request_header(request, "Referer"),
        .user_agent = http_request_header(request, "User-Agent"),
        .request = request};

    tell(connection, &entry);
}

void http__access_refused(struct http__connection *connection, int status,
                          uint64_t sent)
{
    struct http__work *work = connection->work;
    const char *line = work->input + work->start;
    const char *end = work->input + work->end, *at;
    struct http_server_access entry = {
        .peer = &connection->peer, .status = status, .sent = sent};

    while (line < end && (*line == '\r' || *line == '\n'))
        line++;
    for (at = line; at < end && *at != '\r' && *at != '\n';)
        at++;
    entry.line = line;
    entry.line_length = (size_t)(at - line);
    if (entry.line_length > 8192)
        entry.line_length = 8192;
    tell(connection, &entry);
}
