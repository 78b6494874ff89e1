/* streams.c - scenes: streams over sockets, pipes and files; files */
#include "torture.h"

#include <fcntl.h>

#define LARGE 200000 /* more than a stream keeps, and than a socket holds */

static void copies(struct party *party)
{
    struct hub_stream *stream;
    char buffer[3000];
    ssize_t got;

    if (!see(hub_stream_of_fd(party->fd, &stream)))
        return;
    party->fd = -1;
    while ((got = hub_stream_read(stream, buffer, sizeof buffer,
                                  HUB_FOREVER)) > 0)
        if (!see(hub_stream_write(stream, buffer, (size_t)got, HUB_FOREVER)) ||
            !see(hub_stream_flush(stream, HUB_FOREVER)))
            break;
    see(got);
    see(hub_stream_close(stream, HUB_NOWAIT));
}

struct writing {
    struct hub_stream *stream;
    const char *data;
};

static void writes(struct party *party)
{
    const struct writing *writing = party->object;

    if (see(hub_stream_write(writing->stream, "line one\nline two\r\n", 19,
                             HUB_FOREVER)) &&
        see(hub_stream_write(writing->stream, writing->data, LARGE,
                             HUB_FOREVER)))
        see(hub_stream_flush(writing->stream, HUB_FOREVER));
    see(hub_stream_end(writing->stream, HUB_FOREVER));
}

static bool expect(const char *text, ssize_t length, const char *expected)
{
    if (!see(length == 0 ? -ENODATA : length))
        return false; /* 0: the other one could not write */
    if (strcmp(text, expected) != 0)
        spoilt();
    return true;
}

static bool read_all(struct hub_stream *stream, char *data)
{
    char line[64] = "";

    if (!expect(line,
                hub_stream_read_line(stream, line, sizeof line, HUB_FOREVER),
                "line one\n"))
        return false;
    memset(line, 0, sizeof line);
    if (!expect(line,
                hub_stream_read_until(stream, "\r\n", 2, line,
                                      sizeof line - 1, HUB_FOREVER),
                "line two\r\n"))
        return false;
    memset(line, 0, sizeof line);
    if (see(hub_stream_unread(stream, "12345678", 8)))
        expect(line, hub_stream_read(stream, line, 8, HUB_FOREVER),
               "12345678");
    return see(hub_stream_read_exactly(stream, data, LARGE, HUB_FOREVER));
}

static void play_streams(void)
{
    struct party echo = { .body = copies }, writer = { .body = writes, .fd = -1 };
    struct hub_stream *stream;
    char *data = malloc(LARGE), *back = malloc(LARGE);
    struct writing writing;
    int ends[2];

    memset(data, 'd', LARGE);
    if (!see(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends)))
        goto out;
    echo.fd = ends[1];
    enter(&echo);
    if (see(hub_stream_of_fd(ends[0], &stream))) {
        writing = (struct writing){ stream, data };
        writer.object = &writing;
        if (enter(&writer)) {
            if (!read_all(stream, back))
                hub_kill(writer.greenlet); /* nobody reads any more */
            else if (memcmp(back, data, LARGE) != 0)
                spoilt();
        }
        leave(&writer);
        see(hub_stream_close(stream, HUB_NOWAIT));
    } else {
        hub_close(ends[0]);
    }
    leave(&echo);
out:
    free(data);
    free(back);
}

/* ---- pipes ---- */

static void writes_lines(struct party *party)
{
    struct hub_stream *stream;

    if (!see(hub_stream_of_fd(party->fd, &stream)))
        return;
    party->fd = -1;
    for (int i = 0; i < 3; i++)
        see(hub_stream_write(stream, "line\n", 5, HUB_FOREVER));
    see(hub_stream_close(stream, HUB_FOREVER));
}

static void play_pipe(void)
{
    struct party writer = { .body = writes_lines };
    struct hub_stream *stream;
    char line[16];
    int ends[2];

    if (!see(hub_pipe(ends)))
        return;
    writer.fd = ends[1];
    enter(&writer);
    if (see(hub_stream_of_fd(ends[0], &stream))) {
        ssize_t got;

        while ((got = hub_stream_read_line(stream, line, sizeof line,
                                           HUB_FOREVER)) > 0)
            if (strcmp(line, "line\n") != 0)
                spoilt();
        see(got);
        see(hub_stream_close(stream, HUB_FOREVER));
    } else {
        hub_close(ends[0]);
    }
    leave(&writer);
}

/* ---- files ---- */

static void play_file(void)
{
    char path[] = "/tmp/vireo-torture.XXXXXX", data[5];
    int made = mkstemp(path), fd;
    struct hub_stream *stream;
    struct stat status;

    fd = hub_file_open(path, O_RDWR, 0);
    unlink(path);
    close(made);
    if (!see(fd))
        return;
    if (see(hub_file_write(fd, "hello", 5)) &&
        see(hub_file_pread(fd, data, 5, 0)) && memcmp(data, "hello", 5) != 0)
        spoilt();
    see(hub_file_sync(fd));
    see(hub_file_truncate(fd, 100));
    see(hub_file_stat(fd, &status));
    see(hub_tp_write(fd, "bye", 3));
    if (see(hub_stream_of_fd(fd, &stream))) {
        see(hub_stream_write(stream, "more", 4, HUB_FOREVER));
        see(hub_stream_close(stream, HUB_FOREVER));
    } else {
        see(hub_file_close(fd));
    }
}

const struct scene torture_streams[] = {
    { "streams", play_streams },
    { "pipe", play_pipe },
    { "file", play_file },
    { NULL, NULL }
};
