/* websocket_chat.c - a room: what one says all hear
 *
 * `websocket_chat 127.0.0.1:8080` serves browsers; without an argument the program
 * plays two guests itself, and ends. */
#include <vireo/http.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the room ---- */

struct member {
    struct http_websocket *socket;
    struct member *next;
};
static struct member *members;

/* Who has not read what was said before is left out: nobody waits for him.  Members
 * may leave while this one sends, so that it looks at a copy. */
static void say_to_all(const char *text, size_t size)
{
    struct http_websocket *all[1000];
    int count = 0;

    for (struct member *m = members; m != NULL && count < 1000; m = m->next)
        all[count++] = http_websocket_ref(m->socket);
    for (int i = 0; i < count; i++) {
        http_websocket_send(all[i], HTTP_WEBSOCKET_TEXT, text, size,
                            HUB_NOWAIT);
        http_websocket_unref(all[i]);
    }
}

static int take_part(struct http_websocket *socket, void *data)
{
    struct http_websocket_message message;
    struct member member = { socket, members }, **at = &members;

    (void)data;
    members = &member;
    while (http_websocket_receive(socket, &message, HUB_FOREVER) == 1)
        if (message.type == HTTP_WEBSOCKET_TEXT)
            say_to_all(message.data, message.size);
    while (*at != &member)
        at = &(*at)->next;
    *at = member.next;
    return 0;
}

/* Only pages of ours may connect. */
static int room(struct http_request *request, struct http_response *response)
{
    static const char *const origins[] = { "same", NULL };
    static const struct http_websocket_options options = {
        .origins = origins, .ping_interval = 30 * HUB_SECOND
    };

    return http_websocket_accept(request, response, &options, take_part, NULL);
}

/* ---- two guests ---- */

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "chat: %s\n", strerror(-rc));
        exit(EXIT_FAILURE);
    }
}

static int enter(const char *address)
{
    static const char hello[] =
        "GET /room HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char answer[1024] = "";
    size_t size = 0;
    int fd = hub_connect_to(address, HUB_FOREVER);

    must(fd);
    must(hub_send_all(fd, hello, sizeof hello - 1, 0, NULL, HUB_FOREVER));
    while (size < sizeof answer - 1 && strstr(answer, "\r\n\r\n") == NULL)
        must((int)hub_recv(fd, answer + size++, 1, 0, HUB_FOREVER));
    printf("%.12s\n", answer);
    return fd;
}

/* A frame with a mask of zeros. */
static void say(int fd, const char *text)
{
    unsigned char frame[6 + 125] = { 0x81, 0x80 };
    size_t size = strlen(text);

    frame[1] |= (unsigned char)size;
    memcpy(frame + 6, text, size);
    must(hub_send_all(fd, frame, 6 + size, 0, NULL, HUB_FOREVER));
}

static void hear(const char *who, int fd)
{
    unsigned char head[2];
    char text[126] = "";

    must(hub_recv_all(fd, head, 2, NULL, HUB_FOREVER));
    must(hub_recv_all(fd, text, head[1], NULL, HUB_FOREVER));
    printf("%s hears: %s\n", who, text);
}

static void play(const char *address)
{
    int ann = enter(address), bob = enter(address);

    say(ann, "Is anybody here?");
    hear("Ann", ann);
    hear("Bob", bob);
    say(bob, "I am.");
    hear("Ann", ann);
    hear("Bob", bob);
    hub_close(ann);
    hub_close(bob);
}

int main(int argc, char **argv)
{
    struct http_server *server;
    struct hub_address address;
    char text[64];

    must(http_server_new(http_view_sync(room), NULL, &server));
    must(http_server_listen(server, argc > 1 ? argv[1] : "127.0.0.1:0", NULL));
    if (argc > 1)
        must(http_server_serve(server, HUB_FOREVER));
    must(http_server_address(server, 0, &address));
    must(hub_address_format(&address, text, sizeof text));
    play(text);
    http_server_free(server);
    return EXIT_SUCCESS;
}
