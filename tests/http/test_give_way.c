/* With the preload library any call of the server may let others run, if only
 * once in many: here poll() and epoll_wait() do it each time, and clients go
 * meanwhile. */
#include "../unit.h"

#include "serve.h"

#include "http/http_impl.h"
#include "http/slow.h"
#include "hub/hub_impl.h"
#include "hub/loopcalls.h"

#include <poll.h>
#include <sys/epoll.h>

#define HOST  "Host: a\r\n"
#define MS    HUB_MILLISECOND
#define CROWD 30

static int clients[CROWD];
static unsigned given, waiting; /* so often; views */
static struct hub_event go;     /* on, they may */
static bool gives;

/* Of those that are there every other one goes. */
static void give_way(void)
{
    gives = false; /* the others are served as ever */
    given++;
    for (int i = (int)(given % 2); i < CROWD; i += 2) {
        if (clients[i] >= 0)
            hub_close(clients[i]);
        clients[i] = -1;
    }
    hub_event_set(&go);
    for (int i = 0; i < 5; i++)
        hub_sleep(MS);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000};
    int rc = ppoll(fds, count, timeout < 0 ? NULL : &wait, NULL);

    if (gives)
        give_way();
    return rc;
}

int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout)
{
    int rc = vireo_epoll_wait(epoll, events, room, timeout);

    if (gives && rc > 0 && greenlet_current() != hub__peek()->greenlet)
        give_way();
    return rc;
}

static int view(struct http_request *request, struct http_response *response)
{
    if (strcmp(http_request_path(request), "/wait") == 0) {
        waiting++;
        hub_event_wait(&go, HUB_FOREVER);
    }
    return http_response_text(response, "ok");
}

static void check_none_is_left(void)
{
    struct http_server_counts counts;

    for (int i = 0; i < CROWD; i++)
        if (clients[i] >= 0)
            hub_close(clients[i]);
    hub_sleep(50 * MS);
    http_server_count(serve_server, &counts);
    ck_assert_uint_eq(counts.connections, 0);
}

START_TEST(clients_go_while_the_sweeper_looks_at_them)
{
    const struct http_server_options options = {.idle_ns = 100 * MS};

    serve_start(view, &options);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = serve_connect();
        serve_send(clients[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
        serve_read_until(clients[i], "ok");
    }
    for (int i = 0; i < 1000 && serve_server->counts.connections > 0; i++) {
        gives = true;
        hub_sleep(MS);
    }
    gives = false;
    ck_assert_uint_gt(given, 0);
    check_none_is_left();
    serve_stop();
}
END_TEST

/* Who does not wait for what it has found is done with, and idle, or gone. */
START_TEST(clients_go_while_the_keeper_looks_at_them)
{
    static const char head[] = "GET /wait HTTP/1.1\r\n" HOST "\r\n";
    size_t last = sizeof head - 2;

    given = waiting = 0;
    hub_event_init(&go);
    serve_start(view, NULL);
    for (int i = 0; i < CROWD; i++)
        clients[i] = serve_connect();
    for (size_t at = 0; at <= last; at++) {
        for (int i = 0; i < CROWD; i++)
            hub_send_all(clients[i], &head[at], 1, 0, NULL, HUB_FOREVER);
        hub_sleep(at < last ? MS : 0);
    }
    while (waiting < CROWD)
        hub_sleep(MS);
    ck_assert_uint_eq(http__slow_count(serve_server->slow), CROWD);
    gives = true;
    for (int i = 0; i < CROWD; i++)
        serve_send(clients[i], "G");
    hub_sleep(100 * MS);
    ck_assert_uint_eq(given, 1);
    check_none_is_left();
    ck_assert_uint_eq(http__slow_count(serve_server->slow), 0);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, clients_go_while_the_sweeper_looks_at_them);
    tcase_add_test(tcase, clients_go_while_the_keeper_looks_at_them);
    return unit_run("give_way", tcase);
}
