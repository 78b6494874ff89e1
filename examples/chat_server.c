/* A chat server: each line that one says is told to all.  Clients are greenlets
 * that read; whoever speaks writes to everybody's stream.  Two clients of its
 * own show it; with an argument, such as 127.0.0.1:7777, it serves until it is
 * killed (try: nc 127.0.0.1 7777). */
#include <stdio.h>
#include <string.h>
#include <vireo/hub.h>

enum { LINE = 256, ROOM = 100 };

static struct hub_stream *room[ROOM];

/* Who does not read within a second misses it. */
static void tell_all(const char *line)
{
    for (int i = 0; i < ROOM; i++)
        if (room[i] != NULL &&
            hub_stream_write(room[i], line, strlen(line), HUB_FOREVER) == 0)
            hub_stream_flush(room[i], hub_deadline(HUB_SECOND));
}

static void talk(struct hub_stream *stream)
{
    char name[32], line[LINE], said[LINE + 40];

    if (hub_stream_read_line(stream, name, sizeof name, HUB_FOREVER) <= 0)
        return;
    name[strcspn(name, "\r\n")] = '\0';
    snprintf(said, sizeof said, "* %s is here\n", name);
    tell_all(said);
    while (hub_stream_read_line(stream, line, sizeof line, HUB_FOREVER) > 0) {
        snprintf(said, sizeof said, "%s: %s", name, line);
        tell_all(said);
    }
    snprintf(said, sizeof said, "* %s has left\n", name);
    tell_all(said);
}

static void serve(int fd, const struct hub_address *peer, void *unused)
{
    struct hub_stream *stream;
    int place = 0;

    (void)peer;
    (void)unused;
    while (place < ROOM && room[place] != NULL)
        place++;
    if (place == ROOM || hub_stream_of_fd(fd, &stream) < 0) {
        hub_close(fd);
        return;
    }
    room[place] = stream;
    talk(stream);
    room[place] = NULL;
    hub_stream_close(stream, hub_deadline(HUB_SECOND));
}

/* ---- a client that says what it is told, and prints what it hears ---- */

static struct hub_stream *enter(const char *address, const char *name)
{
    struct hub_stream *stream = NULL;
    int fd = hub_connect_to(address, hub_deadline(HUB_SECOND));

    if (fd >= 0 && hub_stream_of_fd(fd, &stream) == 0) {
        hub_stream_write(stream, name, strlen(name), HUB_FOREVER);
        hub_stream_flush(stream, HUB_FOREVER);
    }
    return stream;
}

static void say(struct hub_stream *stream, const char *line)
{
    hub_stream_write(stream, line, strlen(line), HUB_FOREVER);
    hub_stream_flush(stream, HUB_FOREVER);
}

static void hear(struct hub_stream *stream, const char *who)
{
    char line[LINE];

    if (hub_stream_read_line(stream, line, sizeof line,
                             hub_deadline(HUB_SECOND)) > 0)
        printf("%s hears %s", who, line);
}

static void show(const char *address)
{
    struct hub_stream *ann = enter(address, "Ann\n"), *bob;

    hear(ann, "Ann");
    bob = enter(address, "Bob\n");
    hear(ann, "Ann");
    hear(bob, "Bob");
    say(ann, "hello\n");
    hear(bob, "Bob");
    hear(ann, "Ann");
    hub_stream_close(ann, HUB_FOREVER);
    hear(bob, "Bob");
    hub_stream_close(bob, HUB_FOREVER);
}

int main(int argc, char **argv)
{
    const char *listen = argc > 1 ? argv[1] : "127.0.0.1:0";
    struct hub_server_options options = {.pool = ROOM, .handler_closes = true};
    struct hub_server *server;
    struct hub_address address;
    char text[64];
    int rc = hub_server_new(listen, serve, NULL, &options, &server);

    if (rc == 0)
        rc = argc > 1 ? hub_server_serve(server) : hub_server_start(server);
    if (rc < 0) {
        fprintf(stderr, "%s: %s\n", listen, strerror(-rc));
        return 1;
    }
    hub_server_address(server, &address);
    hub_address_format(&address, text, sizeof text);
    show(text);
    hub_server_stop(server, HUB_SECOND);
    hub_server_free(server);
    return 0;
}
