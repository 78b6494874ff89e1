/* sockets.c - scenes: sockets, select and poll, descriptors that are passed, watchers,
 * two hubs */
#include "torture.h"

#include <fcntl.h>
#include <pthread.h>

#define SIZE 100000 /* more than a socket holds */

static bool open_pair(int type, int ends[2])
{
    return see(hub_socketpair(AF_UNIX, type, 0, ends));
}

static void echoes(struct party *party)
{
    char buffer[1000];
    ssize_t got;

    while ((got = hub_recv(party->fd, buffer, sizeof buffer, 0,
                           HUB_FOREVER)) > 0)
        if (!see(hub_send_all(party->fd, buffer, (size_t)got, 0, NULL,
                              HUB_FOREVER)))
            return;
    see(got);
}

static void sends_much(struct party *party)
{
    static char data[SIZE];

    see(hub_send_all(party->fd, data, sizeof data, 0, NULL, HUB_FOREVER));
}

static void play_sockets(void)
{
    struct party echo = { .body = echoes, .fd = -1 };
    struct party sender = { .body = sends_much, .fd = -1 };
    char *data = calloc(1, SIZE);
    int ends[2];

    if (open_pair(SOCK_STREAM, ends)) {
        echo.fd = ends[1];
        enter(&echo);
        if (see(hub_send(ends[0], "hello", 5, 0, HUB_FOREVER)) &&
            see(hub_recv(ends[0], data, 5, MSG_WAITALL, HUB_FOREVER)) &&
            memcmp(data, "hello", 5) != 0)
            see(-ENODATA); /* an end in between */
        see(hub_shutdown(ends[0], SHUT_WR));
        leave(&echo);
        hub_close(ends[0]);
    }
    if (open_pair(SOCK_STREAM, ends)) {
        sender.fd = ends[1];
        enter(&sender);
        see(hub_recv_all(ends[0], data, SIZE, NULL, HUB_FOREVER));
        leave(&sender);
        hub_close(ends[0]);
    }
    free(data);
}

static void accepts(struct party *party)
{
    int fd = hub_accept(party->fd, NULL, NULL, HUB_FOREVER);

    if (!see(fd))
        return;
    hub_close(party->fd);
    party->fd = fd;
    echoes(party);
}

static bool exchange(const char *address)
{
    int fd = hub_connect_to(address, HUB_FOREVER);
    char data[5];

    if (!see(fd))
        return false;
    if (see(hub_send_all(fd, "hello", 5, 0, NULL, HUB_FOREVER)) &&
        see(hub_recv_all(fd, data, 5, NULL, HUB_FOREVER)) &&
        memcmp(data, "hello", 5) != 0)
        spoilt();
    hub_close(fd);
    return true;
}

/* By a name, which is looked up by a thread. */
static void play_connect(void)
{
    struct party acceptor = { .body = accepts };
    struct hub_address address;
    char text[64];
    int fd = hub_listen_on("localhost:0", 0, 0);

    if (!see(fd))
        return;
    see(hub_local_address(fd, &address));
    see(hub_address_format(&address, text, sizeof text));
    acceptor.fd = fd;
    if (enter(&acceptor) && !exchange(text))
        hub_kill(acceptor.greenlet); /* nobody came */
    leave(&acceptor);
}

static void play_datagrams(void)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    int fd[2] = { hub_listen_on("127.0.0.1:0", 0, HUB_LISTEN_DATAGRAM),
                  hub_listen_on("127.0.0.1:0", 0, HUB_LISTEN_DATAGRAM) };
    struct hub_address address;
    char data[4];

    if (see(fd[0]) && see(fd[1])) {
        see(hub_local_address(fd[0], &address));
        if (see(hub_sendto(fd[1], "data", 4, 0,
                           (struct sockaddr *)&address.storage, address.length,
                           HUB_FOREVER)) &&
            see(hub_recvfrom(fd[0], data, 4, 0, (struct sockaddr *)&from,
                             &length, HUB_FOREVER)) &&
            memcmp(data, "data", 4) != 0)
            spoilt();
    }
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0)
            hub_close(fd[i]);
}

/* ---- descriptors that are passed ---- */

static void passes(struct party *party)
{
    int fds[3] = { 0, 1, 2 };

    hub_yield();
    see(hub_send_fds(party->fd, "abc", 3, fds, 3, HUB_FOREVER));
}

static void play_passing(void)
{
    struct party passer = { .body = passes };
    int ends[2], fds[8];
    size_t count = 2;
    char data[8];

    if (!open_pair(SOCK_STREAM, ends))
        return;
    passer.fd = ends[1];
    enter(&passer);
    if (see(hub_recv_fds(ends[0], data, sizeof data, fds, &count,
                         HUB_FOREVER)))
        for (size_t i = 0; i < count; i++)
            hub_close(fds[i]);
    leave(&passer);
    hub_close(ends[0]);
}

/* ---- select and poll ---- */

#define MANY 20

static void writes_late(struct party *party)
{
    see(hub_sleep(HUB_MILLISECOND));
    see(hub_nb_write(party->fd, "x", 1, HUB_FOREVER));
}

static void poll_them(int fds[][2])
{
    struct pollfd polled[MANY];
    fd_set set;
    int rc;

    for (int i = 0; i < MANY; i++)
        polled[i] = (struct pollfd){ fds[i][0], POLLIN | POLLPRI, 0 };
    rc = hub_poll(polled, MANY, HUB_FOREVER);
    if (see(rc) && (rc != 1 || polled[7].revents == 0))
        spoilt();
    FD_ZERO(&set);
    FD_SET(fds[7][0], &set);
    FD_SET(fds[8][0], &set);
    rc = hub_select(fds[8][0] + 1, &set, NULL, NULL, HUB_FOREVER);
    if (see(rc) && (rc != 1 || !FD_ISSET(fds[7][0], &set)))
        spoilt();
}

static void play_poll(void)
{
    struct party writer = { .body = writes_late, .fd = -1 };
    int fds[MANY][2], made = 0;

    while (made < MANY && see(hub_pipe(fds[made])))
        made++;
    if (made == MANY) {
        writer.fd = fds[7][1];
        enter(&writer);
        poll_them(fds);
        leave(&writer);
    }
    for (int i = 0; i < made; i++) {
        hub_close(fds[i][0]);
        if (i != 7 || writer.fd < 0)
            hub_close(fds[i][1]);
    }
}

/* ---- counters of the kernel, watchers ---- */

static void counts_up(struct party *party)
{
    see(hub_eventfd_write(party->fd, 3, HUB_FOREVER));
    party->fd = -1; /* the other one's */
}

static void play_counters(void)
{
    struct party counter = { .body = counts_up };
    int event = hub_eventfd(0, false), timer = hub_timerfd(CLOCK_MONOTONIC);
    uint64_t value;

    counter.fd = event;
    if (see(event) && see(timer) && enter(&counter)) {
        if (see(hub_eventfd_read(event, &value, HUB_FOREVER)) && value != 3)
            spoilt();
        see(hub_timerfd_set(timer, hub_deadline(HUB_MILLISECOND), 0));
        see(hub_timerfd_wait(timer, NULL, HUB_FOREVER));
        leave(&counter);
        hub_close(event);
    } else if (event >= 0 && timer < 0) {
        hub_close(event);
    }
    if (timer >= 0)
        hub_close(timer);
}

static void waits(struct party *party)
{
    see(hub_wait_watcher(party->object, HUB_FOREVER));
}

static void sends(struct hub_watcher *watcher, int events, void *arg)
{
    (void)watcher;
    see(events);
    hub_watcher_stop(watcher);
    see(hub_watcher_send(arg));
}

static void play_watchers(void)
{
    struct hub_watcher *io = NULL, *timer = NULL, *async = NULL;
    struct party both[2] = { { .body = waits, .fd = -1 },
                             { .body = waits, .fd = -1 } };
    int ends[2];

    if (!see(hub_pipe(ends)))
        return;
    if (see(hub_watcher_io(ends[0], HUB_READ, &io)) &&
        see(hub_watcher_timer(HUB_MILLISECOND, 0, &timer)) &&
        see(hub_watcher_async(&async)) &&
        see(hub_watcher_start(timer, sends, async))) {
        both[0].object = both[1].object = io;
        for (int i = 0; i < 2; i++)
            enter(&both[i]);
        see(hub_wait_watcher(async, HUB_FOREVER));
        see(hub_nb_write(ends[1], "x", 1, HUB_FOREVER));
        for (int i = 0; i < 2; i++)
            leave(&both[i]);
    }
    hub_watcher_free(io);
    hub_watcher_free(timer);
    hub_watcher_free(async);
    hub_close(ends[0]);
    hub_close(ends[1]);
}

/* ---- two hubs ---- */

static int shared;
static uint32_t waiting; /* the thread that does, or will at once */

static void *waits_elsewhere(void *arg)
{
    int rc;

    while ((rc = hub_sleep(0)) < 0) /* its hub's own fds are there before that */
        see(rc);
    __atomic_store_n(&waiting, (uint32_t)gettid(), __ATOMIC_RELEASE);
    rc = hub_wait_fd(shared, HUB_READ, HUB_FOREVER);
    if (rc != -EBADF) /* what it is to end with */
        see(rc < 0 ? rc : -EPROTO);
    while (hub_destroy() == -ENOMEM)
        see(-ENOMEM);
    return arg;
}

/* Closed before it waits, the number might be somebody else's when it does. */
static bool sleeps(uint32_t thread)
{
    char path[64], text[256] = "";
    const char *state;
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%u/stat", thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* or has ended: it lacked memory */
    if (read(fd, text, sizeof text - 1) <= 0)
        text[0] = '\0';
    close(fd);
    state = strrchr(text, ')');
    return state == NULL || state[2] != 'R';
}

/* A close reaches the other hub, also without memory for a message. */
static void play_two_hubs(void)
{
    pthread_t thread;
    int ends[2];

    if (!open_pair(SOCK_STREAM, ends))
        return;
    shared = ends[0];
    waiting = 0;
    if (see(-pthread_create(&thread, NULL, waits_elsewhere, NULL))) {
        while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) == 0)
            usleep(100);
        do
            usleep(5000);
        while (!sleeps(waiting));
        hub_close(ends[0]);
        pthread_join(thread, NULL);
    }
    hub_close(ends[1]);
}

const struct scene torture_sockets[] = {
    { "sockets", play_sockets }, { "connect", play_connect },
    { "datagrams", play_datagrams }, { "passing", play_passing },
    { "poll", play_poll }, { "counters", play_counters },
    { "watchers", play_watchers }, { "two_hubs", play_two_hubs },
    { NULL, NULL }
};
