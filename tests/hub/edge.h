/* edge.h - a crew of one post on a TCP connection, and how the kernel watches it */
#ifndef TESTS_HUB_EDGE_H
#define TESTS_HUB_EDGE_H

#include "../unit.h"
#include "hub/edge_impl.h"
#include "hub/loopcalls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS    HUB_MILLISECOND
#define SOON  (hub_now() + 10 * HUB_SECOND) /* does not hang */
#define WAITS HUB__EDGE_ON /* in a row, until it is edge-triggered */

/* ---- what the kernel is asked for ---- */

static int changes, changes_of; /* calls of epoll_ctl(), libev's and ours */

HUB_API int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    changes += fd == changes_of;
    return vireo_epoll_ctl(epoll, operation, fd, event);
}

static inline bool is_edge_in(const char *epoll, int fd)
{
    char path[300], line[200];
    bool is_edge = false;
    unsigned events;
    FILE *file;
    int target;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%s", epoll);
    file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "tfd: %d events: %x", &target, &events) == 2 &&
            target == fd && (events & EPOLLET))
            is_edge = true;
    fclose(file);
    return is_edge;
}

/* In any loop. */
static inline bool is_edge(int fd)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    bool found = false;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        found |= entry->d_name[0] != '.' && is_edge_in(entry->d_name, fd);
    closedir(dir);
    return found;
}

/* ---- a crew of one post ---- */

struct place {
    struct hub_crew_post post; /* first */
    int fd, peer;
    int calls, done, error; /* begun; ended */
    size_t got;    /* bytes that it was given */
    char text[64]; /* the first of them */
    bool ended;    /* it was given the end, or an error */
    bool leaves;   /* it does not wait again */
};

static struct hub_crew *crew;
static struct place place;

static inline void keep(struct place *at, const char *bytes, ssize_t got)
{
    if (got <= 0 && got != -EAGAIN)
        at->ended = true;
    for (ssize_t i = 0; i < got; i++, at->got++)
        if (at->got < sizeof at->text - 1)
            at->text[at->got] = bytes[i];
}

static inline void read_once(struct place *at, size_t size)
{
    char bytes[64];

    keep(at, bytes, hub_recv(at->fd, bytes, size, 0, HUB_NOWAIT));
}

static inline void reads(struct place *at)
{
    read_once(at, 64);
}

static void (*what)(struct place *at) = reads; /* the crew's function does */

static inline void be_with(struct hub_crew_post *post, int error)
{
    struct place *at = (struct place *)(void *)post;

    at->calls++;
    at->error = error;
    if (error == 0)
        what(at);
    if (!at->leaves && !at->ended)
        ck_assert_int_eq(hub_crew_wait(post, at->fd), 0);
    at->done++;
}

static inline void connect_both(struct place *at)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (void *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (void *)&address, &size), 0);
    at->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(at->peer, (void *)&address, size), 0);
    at->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(at->fd, 0);
    ck_assert_int_eq(hub_fd_wrap(at->fd), 0);
    close(listener);
}

static inline void serve_place(void)
{
    what = reads;
    changes = 0;
    changes_of = place.fd;
    ck_assert_int_eq(hub_crew_new(be_with, 0, &crew), 0);
    hub_crew_post_init(&place.post, crew);
    ck_assert_int_eq(hub_crew_wait(&place.post, place.fd), 0);
}

static inline void open_place(void)
{
    place = (struct place){ .calls = 0 };
    connect_both(&place);
    serve_place();
}

static inline void close_place(void)
{
    what = reads;
    place.leaves = true;
    if (!place.ended) {
        hub_crew_call(&place.post, -ECANCELED);
        hub_sleep(2 * MS);
    }
    hub_crew_free(crew);
    hub_close(place.fd);
    close(place.peer);
}

static inline void tell(const char *text)
{
    ssize_t size = (ssize_t)strlen(text);

    ck_assert_int_eq(send(place.peer, text, strlen(text), MSG_NOSIGNAL), size);
}

/* Until it was called as often, or for ever. */
static inline void until_calls(int calls)
{
    for (int64_t end = SOON; place.done < calls && hub_now() < end;)
        hub_sleep(MS / 4);
    ck_assert_int_eq(place.done, calls);
}

static inline void until_got(const char *text)
{
    for (int64_t end = SOON; place.got < strlen(text) && hub_now() < end;)
        hub_sleep(MS / 4);
    ck_assert_str_eq(place.text, text);
}

static inline void until_ended(void)
{
    for (int64_t end = SOON; !place.ended && hub_now() < end;)
        hub_sleep(MS / 4);
    ck_assert(place.ended);
}

static inline void forget_bytes(void)
{
    place.got = 0;
    memset(place.text, 0, sizeof place.text);
}

static inline void ask(int times)
{
    for (int i = 0; i < times; i++) {
        tell("x");
        until_calls(place.done + 1);
    }
}

static inline void make_edge(void)
{
    ask(WAITS + 1);
    ck_assert(is_edge(place.fd));
    forget_bytes();
    place.calls = place.done = 0;
}

static inline void open_edge(void)
{
    open_place();
    make_edge();
}

/* Nothing is lost afterwards. */
static inline void ck_works(void)
{
    what = reads;
    forget_bytes();
    for (int i = 0; i < 3 * WAITS; i++) {
        size_t got = place.got;

        tell("y");
        for (int64_t end = SOON; place.got == got && hub_now() < end;)
            hub_sleep(MS / 4);
        ck_assert_uint_eq(place.got, got + 1);
    }
    ck_assert(!place.ended);
}

/* ---- who does not read all ---- */

static inline void reads_two_after_a_sleep(struct place *at)
{
    hub_sleep(MS);
    read_once(at, 2);
}

static inline void reads_every_third_time(struct place *at)
{
    if (at->calls % 3 == 0)
        reads(at);
}

#endif
