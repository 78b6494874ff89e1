/* conf_waits.c - the scenes that several calls share; see conf_waits.h */
#include "conf_waits_scenes.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void conf_scene_empty(struct conf_scene *scene, enum conf_stream kind)
{
    scene->other = -1;
    conf_stream(kind, scene->ends);
}

void conf_scene_put(struct conf_scene *scene)
{
    conf_write_all(scene->ends[1], "x", 1);
}

/* What was taken goes on to the other side for a while, and makes room; of TCP,
 * what the other side had no room for is sent again after 200 ms, and more; a pty's
 * goes by a thread of the kernel, which a busy machine lets wait. */
static void fill(int fd, enum conf_stream kind)
{
    static char bytes[65536];
    int flags = fcntl(fd, F_GETFL), idle = 0;
    int quiet = kind == CONF_TCP ? 300 : kind == CONF_PTY ? 50 : 3;

    CONF_CHECK(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
    while (idle < quiet) {
        size_t length = sizeof bytes;

        idle++;
        while (length > 0) {
            if (write(fd, bytes, length) > 0)
                idle = 0;
            else
                length /= 2;
        }
        sleep_ms(2);
    }
    CONF_CHECK(fcntl(fd, F_SETFL, flags) == 0);
}

void conf_scene_full(struct conf_scene *scene, enum conf_stream kind)
{
    int ends[2];

    scene->other = -1;
    conf_stream(kind, ends);
    scene->ends[0] = ends[1];
    scene->ends[1] = ends[0];
    fill(scene->ends[0], kind);
}

/* Until there is certainly room: nothing more came for a while, and the other end
 * may write.  What a TCP still has under way comes later. */
void conf_scene_drain(struct conf_scene *scene)
{
    static char bytes[65536];
    int flags = fcntl(scene->ends[1], F_GETFL), quiet = 0;

    CONF_CHECK(fcntl(scene->ends[1], F_SETFL, flags | O_NONBLOCK) == 0);
    for (int i = 0; i < 10000 && quiet < 20; i++) {
        struct pollfd room = { .fd = scene->ends[0], .events = POLLOUT };

        if (read(scene->ends[1], bytes, sizeof bytes) > 0) {
            quiet = 0;
            continue;
        }
        sleep_ms(1);
        quiet = poll(&room, 1, 0) == 1 ? quiet + 1 : 0;
    }
}

void conf_scene_close(struct conf_scene *scene)
{
    close(scene->ends[0]);
    close(scene->ends[1]);
    if (scene->other >= 0)
        close(scene->other);
}

const struct conf_wait *conf_wait_at(int i)
{
    static const struct conf_wait *const lists[] = {
        conf_waits_socket, conf_waits_file, conf_waits_poll, conf_waits_ipc
    };

    for (int list = 0; list < 4; list++)
        for (const struct conf_wait *at = lists[list]; at->name != NULL; at++)
            if (i-- == 0)
                return at;
    return NULL;
}
