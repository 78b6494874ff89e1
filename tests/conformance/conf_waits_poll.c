/* conf_waits_poll.c - calls that wait for one of several; see conf_waits.h
 *
 * None of them is ever restarted, nor is a receive or a send with a time limit
 * of the socket's. */
#include "conf_waits_scenes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void empty(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_PIPE);
}

static long call_poll(struct conf_scene *scene)
{
    struct pollfd one = { scene->ends[0], POLLIN, 0 };

    return poll(&one, 1, -1);
}

static long call_poll_limit(struct conf_scene *scene)
{
    struct pollfd one = { scene->ends[0], POLLPRI, 0 };

    return poll(&one, 1, 30000);
}

static long call_poll_nothing(struct conf_scene *scene)
{
    (void)scene;
    return poll(NULL, 0, 30000);
}

static long call_ppoll(struct conf_scene *scene)
{
    struct pollfd one = { scene->ends[0], POLLIN, 0 };
    sigset_t none;

    sigemptyset(&none);
    return ppoll(&one, 1, NULL, &none);
}

static long call_select(struct conf_scene *scene)
{
    fd_set in;

    FD_ZERO(&in);
    FD_SET(scene->ends[0], &in);
    return select(scene->ends[0] + 1, &in, NULL, NULL, NULL);
}

static long call_select_nothing(struct conf_scene *scene)
{
    struct timeval limit = { 30, 0 };

    (void)scene;
    return select(0, NULL, NULL, NULL, &limit);
}

static long call_pselect(struct conf_scene *scene)
{
    struct timespec limit = { 30, 0 };
    sigset_t none;
    fd_set in;

    sigemptyset(&none);
    FD_ZERO(&in);
    FD_SET(scene->ends[0], &in);
    return pselect(scene->ends[0] + 1, &in, NULL, NULL, &limit, &none);
}

static void open_epoll(struct conf_scene *scene)
{
    struct epoll_event event = { .events = EPOLLIN };

    empty(scene);
    scene->other = epoll_create1(0);
    ck_assert_int_eq(
        epoll_ctl(scene->other, EPOLL_CTL_ADD, scene->ends[0], &event), 0);
}

static long call_epoll_wait(struct conf_scene *scene)
{
    struct epoll_event event;

    return epoll_wait(scene->other, &event, 1, -1);
}

static long call_epoll_pwait(struct conf_scene *scene)
{
    struct epoll_event event;
    sigset_t none;

    sigemptyset(&none);
    return epoll_pwait(scene->other, &event, 1, 30000, &none);
}

/* With time limits of the socket's. */
static void limit(int fd, int which)
{
    struct timeval time = { 30, 0 };

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, which, &time, sizeof time), 0);
}

static void empty_limited(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_TCP);
    limit(scene->ends[0], SO_RCVTIMEO);
}

static void full_limited(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_UNIX);
    limit(scene->ends[0], SO_SNDTIMEO);
}

static long call_read(struct conf_scene *scene)
{
    char byte;

    return read(scene->ends[0], &byte, 1);
}

static long call_recvmsg(struct conf_scene *scene)
{
    char byte;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    return recvmsg(scene->ends[0], &message, MSG_WAITALL);
}

static long call_send(struct conf_scene *scene)
{
    return send(scene->ends[0], "x", 1, 0);
}

static long call_write(struct conf_scene *scene)
{
    return write(scene->ends[0], "x", 1);
}

/* ---- sleeping ---- */

static long call_nanosleep(struct conf_scene *scene)
{
    struct timespec time = { 30, 0 };

    (void)scene;
    return nanosleep(&time, NULL);
}

static long call_clock_nanosleep(struct conf_scene *scene)
{
    struct timespec time = { 30, 0 };
    int error;

    (void)scene;
    error = clock_nanosleep(CLOCK_REALTIME, 0, &time, NULL);
    errno = error;
    return error != 0 ? -1 : 0;
}

static long call_usleep(struct conf_scene *scene)
{
    (void)scene;
    return usleep(30000000);
}

static long call_pause(struct conf_scene *scene)
{
    (void)scene;
    return pause();
}

static void nothing(struct conf_scene *scene)
{
    (void)scene;
}

const struct conf_wait conf_waits_poll[] = {
    WAIT_NEVER("poll", empty, call_poll, conf_scene_put),
    WAIT_NEVER("poll(POLLPRI)", empty, call_poll_limit, conf_scene_put),
    WAIT_NEVER("poll(nothing)", empty, call_poll_nothing, conf_scene_put),
    WAIT_NEVER("ppoll", empty, call_ppoll, conf_scene_put),
    WAIT_NEVER("select", empty, call_select, conf_scene_put),
    WAIT_NEVER("select(nothing)", empty, call_select_nothing, conf_scene_put),
    WAIT_NEVER("pselect", empty, call_pselect, conf_scene_put),
    WAIT_NEVER("epoll_wait", open_epoll, call_epoll_wait, conf_scene_put),
    WAIT_NEVER("epoll_pwait", open_epoll, call_epoll_pwait, conf_scene_put),
    WAIT_NEVER("read(SO_RCVTIMEO)", empty_limited, call_read, conf_scene_put),
    WAIT_NEVER("recvmsg(SO_RCVTIMEO)", empty_limited, call_recvmsg,
               conf_scene_put),
    WAIT_NEVER("send(SO_SNDTIMEO)", full_limited, call_send, conf_scene_drain),
    WAIT_NEVER("write(SO_SNDTIMEO)", full_limited, call_write,
               conf_scene_drain),
    { "nanosleep", false, nothing, call_nanosleep, nothing, nothing, NULL },
    { "clock_nanosleep", false, nothing, call_clock_nanosleep, nothing,
      nothing, NULL },
    { "usleep", false, nothing, call_usleep, nothing, nothing, NULL },
    { "pause", false, nothing, call_pause, nothing, nothing, NULL },
    { 0 }
};
