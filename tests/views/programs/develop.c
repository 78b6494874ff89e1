/* What http_app_run() makes of its arguments: a program that fails in several
 * ways. */
#include <vireo/http.h>
#include <vireo/hub.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WORD
#define WORD "hello"
#endif

static int hello(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, WORD "\n");
}

static int returns(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    return -ETIMEDOUT;
}

__attribute__((noinline)) static void deep_inside(struct http_request *request)
{
    http_request_abort(request, 500);
}

static int aborts(struct http_request *request, struct http_response *response)
{
    (void)response;
    deep_inside(request);
    return 0;
}

static int slow(struct http_request *request, struct http_response *response)
{
    int rc = hub_sleep(HUB_SECOND);

    (void)request;
    return rc < 0 ? rc : http_response_text(response, "slow\n");
}

/* What a driver does whose server is gone. */
static int pipe_view(struct http_request *request,
                     struct http_response *response)
{
    int fds[2], error;

    (void)request;
    if (pipe(fds) < 0)
        return -errno;
    close(fds[0]);
    error = write(fds[1], "x", 1) < 0 ? errno : 0;
    close(fds[1]);
    return http_response_text(response, error == EPIPE ? "EPIPE\n" : "?\n");
}

static int ticks(struct http_stream *stream, void *data)
{
    int rc = 0;

    (void)data;
    for (int i = 0; rc == 0; i++) {
        rc = http_stream_event(stream, "tick", "%d", i);
        if (rc == 0)
            rc = hub_sleep(HUB_SECOND / 10);
    }
    return rc;
}

static int events(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_stream(response, "text/event-stream", ticks, NULL);
}

static int socket_view(struct http_request *request,
                       struct http_response *response)
{
    struct http_websocket_message message;
    struct http_websocket *socket;
    int rc = http_websocket_open(request, response, &socket);

    while (rc == 0 &&
           (rc = http_websocket_receive(socket, &message, HUB_FOREVER)) == 1)
        rc = http_websocket_send(socket, message.type, message.data,
                                 message.size, HUB_FOREVER);
    return rc;
}

static int page(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_set_header(response, "Content-Type", "text/html");
    return http_response_text(
        response,
        "<!DOCTYPE html><title>both</title><p id=sse>-</p><p id=ws>-</p>"
        "<script>const $ = id => document.getElementById(id);"
        "const events = new EventSource('/events');"
        "events.addEventListener('tick', e => { $('sse').textContent ="
        "  'tick ' + e.data; if (e.data === '3') events.close(); });"
        "const ws = new WebSocket(location.origin.replace('http', 'ws') +"
        "  '/socket');"
        "ws.onopen = () => ws.send('<from the page>');"
        "ws.onmessage = e => { $('ws').textContent = e.data; };"
        "</script>");
}

/* SERVING=fails: one of two functions before serving fails. */
static int opens(struct http_request *request, struct http_response *response)
{
    const char *serving = getenv("SERVING");

    (void)request;
    (void)response;
    return serving != NULL && strcmp(serving, "fails") == 0 ? -ENXIO : 0;
}

static int closes(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    if (getenv("SERVING") != NULL)
        fputs("after serving\n", stderr);
    return 0;
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_before_serving(app, http_view_sync(opens));
    http_app_after_serving(app, http_view_sync(closes));
    http_app_route(app, "GET", "/", "hello", http_view_sync(hello));
    http_app_route(app, "GET", "/returns", "returns", http_view_sync(returns));
    http_app_route(app, "GET", "/aborts", "aborts", http_view_sync(aborts));
    http_app_route(app, "GET", "/pipe", "pipe", http_view_sync(pipe_view));
    http_app_route(app, "GET", "/slow", "slow", http_view_sync(slow));
    http_app_route(app, "GET", "/events", "events", http_view_sync(events));
    http_app_route(app, "GET", "/page", "page", http_view_sync(page));
    http_app_websocket(app, "/socket", "socket", http_view_sync(socket_view));
    return http_app_run(app, argc, argv) == 0 ? 0 : 1;
}
