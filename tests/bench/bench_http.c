/* bench_http.c - a hello over HTTP, and WebSockets that echo, as a linked
 * program writes them
 *
 * Prints "port N" and serves until it is killed. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vireo/http.h>

static int echo(struct http_websocket *socket, void *data)
{
    struct http_websocket_message message;
    int rc;

    (void)data;
    do {
        rc = http_websocket_receive(socket, &message, HUB_FOREVER);
        if (rc == 1)
            rc = http_websocket_send(socket, message.type, message.data,
                                     message.size, HUB_FOREVER);
        else
            break;
    } while (rc == 0);
    return 0;
}

static int view(struct http_request *request, struct http_response *response)
{
    static const struct http_websocket_options plain;

    if (strcmp(http_request_path(request), "/websocket") == 0)
        return http_websocket_accept(request, response, &plain, echo, NULL);
    return http_response_text(response, "Hello, World!");
}

static void must(const char *what, int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-rc));
    exit(EXIT_FAILURE);
}

int main(void)
{
    /* A benchmark's connections ask for more than a client's. */
    const struct http_server_options options = {.requests = 1000000000,
                                                .connections = 100000};
    const struct http_server_listener listener = {.backlog = 4096};
    struct http_server *server;
    struct hub_address address;
    const struct sockaddr_in *in = (const void *)&address.storage;

    must("server", http_server_new(http_view_sync(view), &options, &server));
    must("listen", http_server_listen(server, "127.0.0.1:0", &listener));
    must("address", http_server_address(server, 0, &address));
    printf("port %d\n", ntohs(in->sin_port));
    fflush(stdout);
    must("serve", http_server_serve(server, HUB_FOREVER));
    http_server_free(server);
    return EXIT_SUCCESS;
}
