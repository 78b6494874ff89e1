/* ws_echo - a server that sends back what it gets by WebSockets, for the tests in this
 * folder: prints its port, and ends with SIGTERM
 *
 * /plain reads a body and answers "plain", /large is a MiB.
 * Arguments: takeover, plain, limit=BYTES, ping=MS, bits=N, parts (answers in parts of
 * 1,000 bytes), tls=FILE with certificate and key. */
#include <vireo/http.h>
#include <vireo/tls.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static struct http_websocket_options options;
static struct http_server_listener listener;
static bool parts;

static int send_parts(struct http_websocket *socket,
                      const struct http_websocket_message *message)
{
    size_t at = 0, size;
    int rc;

    do {
        size = message->size - at < 1000 ? message->size - at : 1000;
        rc = http_websocket_send_part(socket, message->type,
                                      message->data + at, size,
                                      at + size == message->size, HUB_FOREVER);
        at += size;
    } while (rc == 0 && at < message->size);
    return rc;
}

static int echo(struct http_websocket *socket, void *data)
{
    struct http_websocket_message message;
    int rc;

    (void)data;
    do {
        rc = http_websocket_receive(socket, &message, HUB_FOREVER);
        if (rc == 1 && parts)
            rc = send_parts(socket, &message);
        else if (rc == 1)
            rc = http_websocket_send(socket, message.type, message.data,
                                     message.size, HUB_FOREVER);
        else
            break;
    } while (rc == 0);
    return 0;
}

static int view(struct http_request *request, struct http_response *response)
{
    static char large[1 << 20];
    const char *path = http_request_path(request), *body;
    size_t size;
    int rc;

    if (strcmp(path, "/large") == 0)
        return http_response_body(response, large, sizeof large, NULL, NULL);
    if (strcmp(path, "/plain") == 0) {
        rc = http_request_body(request, &body, &size);
        return rc < 0 ? rc : http_response_text(response, "plain\n");
    }
    return http_websocket_accept(request, response, &options, echo, NULL);
}

static void use_tls(const char *file)
{
    listener.tls = hub_tls_context_new(HUB_TLS_SERVER);
    if (listener.tls == NULL ||
        hub_tls_use_certificate(listener.tls, file, NULL) < 0)
        exit(EXIT_FAILURE);
}

static void read_options(int argc, char **argv)
{
    static const char *const protocols[] = { "echo", "chat", NULL };

    options.protocols = protocols;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "takeover") == 0)
            options.flags = HTTP_WEBSOCKET_SEND_TAKEOVER |
                            HTTP_WEBSOCKET_RECEIVE_TAKEOVER;
        else if (strcmp(argv[i], "plain") == 0)
            options.flags = HTTP_WEBSOCKET_PLAIN;
        else if (strcmp(argv[i], "parts") == 0)
            parts = true;
        else if (strncmp(argv[i], "limit=", 6) == 0)
            options.message_limit = strtoul(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "ping=", 5) == 0)
            options.ping_interval = options.pong_timeout =
                strtol(argv[i] + 5, NULL, 10) * HUB_MILLISECOND;
        else if (strncmp(argv[i], "bits=", 5) == 0)
            options.window_bits = atoi(argv[i] + 5);
        else if (strncmp(argv[i], "tls=", 4) == 0)
            use_tls(argv[i] + 4);
    }
}

static int say_port(struct http_server *server)
{
    struct hub_address address;
    int rc = http_server_address(server, 0, &address);

    if (rc < 0)
        return rc;
    printf("%d\n",
           ntohs(((struct sockaddr_in *)&address.storage)->sin_port));
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

static int serve(void)
{
    struct http_server_options server_options = { .connections = 50000 };
    struct http_server *server;
    int rc = http_server_new(http_view_sync(view), &server_options, &server);

    if (rc < 0)
        return rc;
    rc = http_server_listen(server, "127.0.0.1:0", &listener);
    if (rc == 0)
        rc = say_port(server);
    if (rc == 0)
        rc = wait_for_term();
    if (rc == 0)
        rc = http_server_stop(server, 10 * HUB_SECOND);
    http_server_free(server);
    if (listener.tls != NULL)
        hub_tls_context_unref(listener.tls);
    return rc;
}

int main(int argc, char **argv)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    read_options(argc, argv);
    return serve() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
