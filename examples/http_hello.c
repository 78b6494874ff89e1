/* A first HTTP server: http_hello 127.0.0.1:8080 */
#include <stdio.h>
#include <string.h>
#include <vireo/http.h>

static int hello(struct http_request *request, struct http_response *response)
{
    if (strcmp(http_request_path(request), "/") != 0)
        return 404;
    return http_response_text(response, "Hello, world\n");
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct http_server *server;
    int rc = http_server_new(http_view_sync(hello), NULL, &server);

    if (rc == 0)
        rc = http_server_listen(server, address, NULL);
    if (rc == 0)
        rc = http_server_serve(server, HUB_FOREVER);
    fprintf(stderr, "%s: %s\n", address, strerror(-rc));
    return 1;
}
