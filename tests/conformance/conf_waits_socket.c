/* conf_waits_socket.c - calls on sockets; see conf_waits.h */
#include "conf_waits_scenes.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void open_tcp(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_TCP);
}

static void open_unix(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_UNIX);
}

static long call_recv(struct conf_scene *scene)
{
    char byte;

    return recv(scene->ends[0], &byte, 1, 0);
}

static long call_recvfrom(struct conf_scene *scene)
{
    char byte;
    struct sockaddr_storage from;
    socklen_t size = sizeof from;

    return recvfrom(scene->ends[0], &byte, 1, MSG_PEEK,
                    (struct sockaddr *)&from, &size);
}

static long call_recvmsg(struct conf_scene *scene)
{
    char byte;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    return recvmsg(scene->ends[0], &message, 0);
}

static long call_recvmmsg(struct conf_scene *scene)
{
    char byte;
    struct iovec part = { &byte, 1 };
    struct mmsghdr message = {
        .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1 }
    };

    return recvmmsg(scene->ends[0], &message, 1, 0, NULL);
}

static void full_tcp(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_TCP);
}

static void full_unix(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_UNIX);
}

static long call_send(struct conf_scene *scene)
{
    return send(scene->ends[0], "x", 1, MSG_NOSIGNAL);
}

static long call_sendto(struct conf_scene *scene)
{
    return sendto(scene->ends[0], "x", 1, 0, NULL, 0);
}

static long call_sendmsg(struct conf_scene *scene)
{
    struct iovec part = { (char *)"x", 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    return sendmsg(scene->ends[0], &message, 0);
}

static long call_sendmmsg(struct conf_scene *scene)
{
    struct iovec part = { (char *)"x", 1 };
    struct mmsghdr message = {
        .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1 }
    };

    return sendmmsg(scene->ends[0], &message, 1, 0);
}

/* Datagram sockets with a name: the peer's queue is full. */
static void full_datagram(struct conf_scene *scene)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t size = sizeof name;

    scene->other = -1;
    scene->ends[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
    scene->ends[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
    /* Autobind: an abstract name of the kernel's choice. */
    ck_assert_int_eq(bind(scene->ends[1], (struct sockaddr *)&name,
                          sizeof name.sun_family),
                     0);
    ck_assert_int_eq(
        getsockname(scene->ends[1], (struct sockaddr *)&name, &size), 0);
    memcpy(scene->path, &name, size);
    scene->id = (int)size;
    while (sendto(scene->ends[0], "x", 1, MSG_DONTWAIT,
                  (struct sockaddr *)&name, size) == 1)
        ;
    ck_assert_int_eq(errno, EAGAIN);
}

static long call_sendto_name(struct conf_scene *scene)
{
    struct sockaddr_un name;

    memcpy(&name, scene->path, (size_t)scene->id);
    return sendto(scene->ends[0], "x", 1, 0, (struct sockaddr *)&name,
                  (socklen_t)scene->id);
}

static void take_datagram(struct conf_scene *scene)
{
    char byte;

    CONF_CHECK(recv(scene->ends[1], &byte, 1, MSG_DONTWAIT) == 1);
}

static void open_listener(struct conf_scene *scene)
{
    struct sockaddr_in address;

    scene->ends[0] = conf_listen(&address, 3);
    scene->ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    scene->other = -1;
    memcpy(scene->path, &address, sizeof address);
}

static void connect_to_it(struct conf_scene *scene)
{
    struct sockaddr_in address;

    memcpy(&address, scene->path, sizeof address);
    CONF_CHECK(connect(scene->ends[1], (struct sockaddr *)&address,
                       sizeof address) == 0);
}

static long call_accept(struct conf_scene *scene)
{
    scene->other = accept(scene->ends[0], NULL, NULL);
    return scene->other;
}

static long call_accept4(struct conf_scene *scene)
{
    scene->other = accept4(scene->ends[0], NULL, NULL, SOCK_CLOEXEC);
    return scene->other;
}

/* The queue of a listening socket is full: ends[1] listens. */
static void full_backlog(struct conf_scene *scene)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t size = sizeof name;

    scene->ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    scene->ends[1] = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(scene->ends[1], (struct sockaddr *)&name,
                          sizeof name.sun_family),
                     0);
    ck_assert_int_eq(listen(scene->ends[1], 0), 0);
    ck_assert_int_eq(
        getsockname(scene->ends[1], (struct sockaddr *)&name, &size), 0);
    memcpy(scene->path, &name, size);
    scene->id = (int)size;
    scene->other = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(scene->other, (struct sockaddr *)&name, size), 0);
}

static long call_connect(struct conf_scene *scene)
{
    struct sockaddr_un name;

    memcpy(&name, scene->path, (size_t)scene->id);
    return connect(scene->ends[0], (struct sockaddr *)&name,
                   (socklen_t)scene->id);
}

static void make_room(struct conf_scene *scene)
{
    int fd = accept(scene->ends[1], NULL, NULL);

    CONF_CHECK(fd >= 0);
    close(fd);
}

const struct conf_wait conf_waits_socket[] = {
    WAIT("recv", open_tcp, call_recv, conf_scene_put),
    WAIT("recvfrom", open_unix, call_recvfrom, conf_scene_put),
    WAIT("recvmsg", open_unix, call_recvmsg, conf_scene_put),
    WAIT("recvmmsg", open_tcp, call_recvmmsg, conf_scene_put),
    WAIT("send", full_tcp, call_send, conf_scene_drain),
    WAIT("sendto", full_unix, call_sendto, conf_scene_drain),
    WAIT("sendto(name)", full_datagram, call_sendto_name, take_datagram),
    WAIT("sendmsg", full_unix, call_sendmsg, conf_scene_drain),
    WAIT("sendmmsg", full_tcp, call_sendmmsg, conf_scene_drain),
    WAIT("accept", open_listener, call_accept, connect_to_it),
    WAIT("accept4", open_listener, call_accept4, connect_to_it),
    WAIT("connect", full_backlog, call_connect, make_room),
    { 0 }
};
