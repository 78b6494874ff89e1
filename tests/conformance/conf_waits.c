/* conf_waits.c - the scenes that several calls share; see conf_waits.h */
#include "conf_waits_scenes.h"

#include <fcntl.h>
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
 * what the other side had no room for is sent again after 200 ms, and more. */
static void fill(int fd, enum conf_stream kind)
{
    static char bytes[65536];
    int flags = fcntl(fd, F_GETFL), idle = 0;
    int quiet = kind == CONF_TCP ? 300 : 3;

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
    scene->full = true;
    fill(scene->ends[0], kind);
}

static void *drain(void *argument)
{
    struct conf_scene *scene = argument;
    static char bytes[65536];

    while (scene->full)
        if (read(scene->ends[1], bytes, sizeof bytes) <= 0)
            sleep_ms(1);
    return NULL;
}

/* Until there is certainly room: all that is there now. */
void conf_scene_drain(struct conf_scene *scene)
{
    int flags = fcntl(scene->ends[1], F_GETFL);
    pthread_t thread;

    CONF_CHECK(fcntl(scene->ends[1], F_SETFL, flags | O_NONBLOCK) == 0);
    thread = start_thread(drain, scene);
    sleep_ms(30);
    scene->full = false;
    join_thread(thread);
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
