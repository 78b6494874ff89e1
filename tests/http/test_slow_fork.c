/* Clients whose bytes come one by one, and a fork() meanwhile: the child has
 * the epoll in which they wait together with its parent. */
#include "../unit.h"

#include "slow_client.h"

#include "hub/fork.h"

#include <sys/wait.h>
#include <unistd.h>

#define HOST "Host: a\r\n"
#define GET  "GET /x HTTP/1.1\r\n" HOST "\r\n"
#define POST "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"
#define MS   HUB_MILLISECOND

static int view(struct http_request *request, struct http_response *response)
{
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    return rc < 0 ? rc
                  : http_response_printf(response, "[%.*s]", (int)size, data);
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0)
        hub_sleep(MS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A child that closes what it has: its own connection, or by the rule
 * HUB_FORK_ALL all of them. */
static int closes_in_child(struct http_request *request,
                           struct http_response *response)
{
    struct http__connection *connection = serve_server->connections;
    char piece[1];
    ssize_t got = http_request_read(request, piece, sizeof piece);
    pid_t pid = got > 0 ? fork() : 0;

    if (got <= 0)
        return (int)got;
    if (pid > 0) {
        ck_assert_int_eq(wait_for(pid), 0);
        return view(request, response);
    }
    if (hub_set_fork_rule(HUB_FORK_ALONE) == HUB_FORK_ALONE)
        http__slow_leave(&request->work->connection->wire);
    else
        for (; connection != NULL; connection = connection->next)
            http__slow_leave(&connection->wire);
    hub_sleep(20 * MS);
    _exit(0);
}

START_TEST(a_child_takes_nothing_from_its_parent)
{
    int fd, other;

    (void)hub_set_fork_rule(_i == 0 ? HUB_FORK_ALONE : HUB_FORK_ALL);
    serve_start(closes_in_child, NULL);
    other = slow_connect(GET, 1);
    fd = serve_connect();
    slow_send(fd, POST, strlen(POST));
    serve_send(fd, "a");
    hub_sleep(200 * MS);
    slow_send(fd, "bcd", 3);
    slow_finish(fd, "e", "[bcde]");
    serve_send(other, "\n");
    serve_read_until(other, "Content-Length: 0\r\n");
    hub_close(fd);
    hub_close(other);
    (void)hub_set_fork_rule(HUB_FORK_ALONE);
    serve_stop();
}
END_TEST

static void end_child(void *arg)
{
    (void)arg;
    hub_sleep(100 * MS);
    _exit(0);
}

static int answers_in_child(struct http_request *request,
                            struct http_response *response)
{
    char piece[1];
    ssize_t got = http_request_read(request, piece, sizeof piece);
    pid_t pid = got > 0 ? fork() : 0;
    int rc = 0;

    if (got <= 0)
        return (int)got;
    if (pid > 0) {
        ck_assert_int_eq(wait_for(pid), 0);
        request->work->connection->broken = true; /* it has its answer */
        return 0;
    }
    rc = view(request, response);
    greenlet_unref(hub_spawn_raw(end_child, NULL));
    return rc;
}

/* Its parent's keeper is not there, nor are those who send to it. */
START_TEST(a_child_may_read_the_rest)
{
    int fd, other;

    serve_start(answers_in_child, NULL);
    other = slow_connect(GET, 1);
    fd = serve_connect();
    slow_send(fd, POST, strlen(POST));
    serve_send(fd, "a");
    for (int i = 0; i < 3; i++) {
        hub_sleep(50 * MS);
        serve_send(fd, &"b\0c\0d"[2 * i]);
    }
    hub_sleep(50 * MS);
    slow_finish(fd, "e", "[bcde]");
    hub_sleep(300 * MS);
    hub_close(fd);
    hub_close(other);
    serve_stop();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_child_takes_nothing_from_its_parent, 0, 2);
    tcase_add_test(tcase, a_child_may_read_the_rest);
    return unit_run("slow_fork", tcase);
}
