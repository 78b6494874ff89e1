/* An echo server, and three clients of it in the same program.  With an
 * argument, such as 127.0.0.1:7777, it listens there and serves until it is
 * killed. */
#include <stdio.h>
#include <string.h>
#include <vireo/hub.h>

static void echo(int fd, const struct hub_address *peer, void *unused)
{
    char buffer[1024];
    ssize_t got;

    (void)peer;
    (void)unused;
    while ((got = hub_recv(fd, buffer, sizeof buffer, 0, HUB_FOREVER)) > 0)
        if (hub_send_all(fd, buffer, (size_t)got, 0, NULL, HUB_FOREVER) < 0)
            break;
} /* fd is closed here */

static void ask(const char *address, const char *text)
{
    char answer[64] = "";
    int fd = hub_connect_to(address, hub_deadline(HUB_SECOND));

    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", address, strerror(-fd));
        return;
    }
    hub_send_all(fd, text, strlen(text), 0, NULL, HUB_FOREVER);
    hub_recv_all(fd, answer, strlen(text), NULL, hub_deadline(HUB_SECOND));
    printf("%s -> %s\n", text, answer);
    hub_close(fd);
}

int main(int argc, char **argv)
{
    const char *listen = argc > 1 ? argv[1] : "127.0.0.1:0";
    struct hub_server_options options = {.pool = 10000};
    struct hub_server *server;
    struct hub_address address;
    char text[64];
    int rc = hub_server_new(listen, echo, NULL, &options, &server);

    if (rc == 0)
        rc = argc > 1 ? hub_server_serve(server) : hub_server_start(server);
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", listen, strerror(-rc));
        return 1;
    }
    hub_server_address(server, &address);
    hub_address_format(&address, text, sizeof text);
    ask(text, "one");
    ask(text, "two");
    ask(text, "three");
    hub_server_stop(server, HUB_SECOND);
    hub_server_free(server);
    return 0;
}
