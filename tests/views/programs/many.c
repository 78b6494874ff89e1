/* many.c - an application that many use at once: a WebSocket that echoes, a view
 * that waits until it is told to go on, one that does not
 *
 * Prints its port, and serves until SIGTERM. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <vireo/http.h>
#include <vireo/hub.h>
#include <vireo/signal.h>

static struct hub_event told;
static struct http_server *server;

static int echo(struct http_request *request, struct http_response *response)
{
    struct http_websocket *socket;
    struct http_websocket_message message;
    int rc = http_websocket_open(request, response, &socket);

    while (rc == 0) {
        rc = http_websocket_receive(socket, &message, HUB_FOREVER);
        if (rc == 1)
            rc = http_websocket_send(socket, message.type, message.data,
                                     message.size, HUB_FOREVER);
        else
            break;
    }
    return 0;
}

static int plain(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "plain\n");
}

static int waits(struct http_request *request, struct http_response *response)
{
    int rc = hub_event_wait(&told, HUB_FOREVER);

    return rc < 0 ? rc : plain(request, response);
}

static int waits_async(struct http_request *request,
                       struct http_response *response, struct hub_scope *scope)
{
    (void)scope;
    return waits(request, response);
}

static int tells(struct http_request *request, struct http_response *response)
{
    hub_event_set(&told);
    return plain(request, response);
}

/* ---- serving ---- */

static int say_port(void)
{
    struct hub_address address;
    int rc = http_server_address(server, 0, &address);

    if (rc < 0)
        return rc;
    printf("%d\n", ntohs(((struct sockaddr_in *)&address.storage)->sin_port));
    return fflush(stdout);
}

static int wait_for_term(void)
{
    struct hub_signal *watcher;
    int rc = hub_signal_start(SIGTERM, NULL, NULL, &watcher);

    if (rc < 0)
        return rc;
    rc = hub_signal_wait(watcher, HUB_FOREVER);
    hub_signal_stop(watcher);
    return rc < 0 ? rc : 0;
}

int main(void)
{
    const struct http_server_options options = {.connections = 50000};
    struct http_app *app = http_app_new();
    int rc;

    hub_event_init(&told);
    http_app_websocket(app, "/", "echo", http_view_sync(echo));
    http_app_route(app, "GET", "/plain", "plain", http_view_sync(plain));
    http_app_route(app, "GET", "/sync", "sync", http_view_sync(waits));
    http_app_route(app, "GET", "/async", "async", http_view_async(waits_async));
    http_app_route(app, "GET", "/tells", "tells", http_view_sync(tells));
    rc = http_app_error(app, NULL);
    if (rc == 0)
        rc = http_server_new(http_app_view(app), &options, &server);
    if (rc == 0)
        rc = http_server_listen(server, "127.0.0.1:0", NULL);
    if (rc == 0)
        rc = say_port();
    if (rc == 0)
        rc = wait_for_term();
    if (rc == 0)
        rc = http_server_stop(server, 10 * HUB_SECOND);
    http_server_free(server);
    http_app_free(app);
    hub_event_destroy(&told);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
