/* sweep.c - what is done once a second, while there are connections: the date,
 * connections that have been idle for too long, stacks of others
 *
 * No timer is set for an idle connection, and it is on no list of its own,
 * which would touch its neighbours' memory with each request: all are looked
 * at. */
#include "http/http_impl.h"

#include "context/inspect.h"
#include "hub/socket.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>

#define TRIM_AFTER_NS HUB_SECOND
#define TRIM_SLACK    256u /* below the stack pointer */

/* ---- idle connections ---- */

/* Bytes that made no request (empty lines) leave it as idle as it was. */
void http__idle_begin(struct http__connection *connection,
                      enum http__idling idling)
{
    if (connection->since == 0 || idling == HTTP__UPGRADED ||
        connection->idled != connection->requests)
        connection->since = connection->server->now;
    connection->idled = connection->requests;
    connection->idling = (uint8_t)idling;
    connection->trimmed = false;
    connection->server->counts.idle++;
}

void http__idle_end(struct http__connection *connection)
{
    if (connection->idling == HTTP__BUSY)
        return;
    connection->idling = HTTP__BUSY;
    connection->server->counts.idle--;
}

/* A request may be there already, whose turn is yet to come. */
static bool has_come(const struct http__connection *connection)
{
    struct pollfd state = {.fd = connection->wire.fd, .events = POLLIN};
    int saved = errno, rc = poll(&state, 1, 0);

    errno = saved;
    return rc > 0;
}

/* It reads the end, and closes. */
static void close_idle(struct http__connection *connection)
{
    const struct http_server *server = connection->server;

    if (has_come(connection) || server->swept != connection ||
        connection->idling == HTTP__BUSY)
        return;
    http__idle_end(connection);
    hub_shutdown(connection->wire.fd, SHUT_RDWR);
}

/* What lies below the frames of its wait.  A page is faulted in again when it
 * is used, so this is for those only that have been idle for a while. */
static void trim(const struct greenlet *g)
{
    const uintptr_t page = 4096;
    struct greenlet_stack_use use;
    uintptr_t low, high;
    void *base;
    size_t size;
    int saved = errno;

    if (greenlet_stack(g, &base, &size) < 0 ||
        greenlet_stack_use(g, &use) < 0 || use.used == 0 || use.used > size ||
        use.high_water <= 2 * page)
        return;
    low = ((uintptr_t)base + page - 1) & ~(page - 1);
    high = ((uintptr_t)base + size - use.used - TRIM_SLACK) & ~(page - 1);
    if (high > low)
        madvise((void *)low, high - low, MADV_DONTNEED);
    errno = saved;
}

/* How long one of that kind may idle; the times are as old as the last turn:
 * one turn more, so that none is too short.  Negative: for ever. */
static int64_t may_idle(const struct http_server *server, uint8_t idling,
                        int64_t turn)
{
    const struct http_server_options *options = &server->options;
    int64_t ns = -1;

    if (idling == HTTP__FRESH)
        ns = options->head_ns;
    else if (idling == HTTP__IDLE)
        ns = options->idle_ns;
    else
        return -1;
    if (server->stopping && options->drain_idle_ns >= 0 &&
        (ns < 0 || options->drain_idle_ns < ns))
        ns = options->drain_idle_ns;
    return ns < 0 ? -1 : ns + turn;
}

static void look_at(struct http__connection *connection, int64_t turn)
{
    const struct http_server *server = connection->server;
    int64_t idle = server->now - connection->since;
    int64_t most = may_idle(server, connection->idling, turn);

    if (connection->idling == HTTP__BUSY) {
        http__stream_look(connection);
    } else if (most >= 0 && idle >= most) {
        close_idle(connection);
    } else if (connection->greenlet != NULL && !connection->trimmed &&
               idle >= TRIM_AFTER_NS) {
        trim(connection->greenlet);
        connection->trimmed = true;
    }
}

/* ---- the date ---- */

void http__date_refresh(struct http_server *server)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (server->date_size != 0 && now.tv_sec == server->date_second)
        return;
    server->date_second = now.tv_sec;
    memcpy(server->date, "Date: ", 6);
    http__date_format(now.tv_sec, server->date + 6);
    memcpy(server->date + 35, "\r\n", 2);
    server->date_size = 37;
}

/* ---- the sweeper ---- */

static int64_t least(int64_t a, int64_t b)
{
    return b >= 0 && b < a ? b : a;
}

/* Once a second, for the date, and often enough for the shortest of the times.
 */
static int64_t interval(const struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    int64_t ns = 4 * HUB_SECOND;

    ns = least(ns, options->idle_ns);
    ns = least(ns, options->head_ns);
    if (server->stopping)
        ns = least(ns, options->drain_idle_ns);
    ns /= 4;
    return ns > 5 * HUB_MILLISECOND ? ns : 5 * HUB_MILLISECOND;
}

/* With the preload library any call may let others run: the connection that was
 * looked at may be gone when a poll() returns, and the next one, too. */
void http__sweep_without(struct http__connection *connection)
{
    struct http_server *server = connection->server;

    if (unlikely(server->swept == connection))
        server->swept = NULL;
    if (unlikely(server->sweeps_next == connection))
        server->sweeps_next = connection->next;
}

static void sweep(struct http_server *server, int64_t turn)
{
    server->now = hub_now();
    http__date_refresh(server);
    server->sweeps_next = server->connections;
    while (server->sweeps_next != NULL) {
        server->swept = server->sweeps_next;
        server->sweeps_next = server->swept->next;
        look_at(server->swept, turn);
    }
    server->swept = NULL;
    http__work_settle(server);
    if (server->crew != NULL)
        hub_crew_settle(server->crew);
}

/* Returns false: it was killed. */
static bool wait_for_turn(struct http_server *server, int64_t turn)
{
    int rc = hub_event_wait(&server->hurry, hub_deadline(turn));

    hub_event_clear(&server->hurry);
    return rc == 0 || (rc == -ETIMEDOUT && hub_canceled() == 0);
}

static void run_sweeper(void *arg)
{
    struct http_server *server = arg;
    int64_t turn = interval(server);

    while (server->connections != NULL && wait_for_turn(server, turn)) {
        sweep(server, turn);
        turn = interval(server);
    }
    greenlet_unref(server->sweeper);
    server->sweeper = NULL;
    http__work_trim(server, HTTP__POOL_KEPT);
    http__work_settle(server);
    for (int i = 0; server->crew != NULL && i < 2; i++) /* none is in use */
        hub_crew_settle(server->crew);
    http__server_unref(server);
}

int http__sweeper_start(struct http_server *server)
{
    if (likely(server->sweeper != NULL))
        return 0;
    server->now = hub_now();
    http__date_refresh(server);
    server->sweeper = hub_spawn_raw(run_sweeper, server);
    if (server->sweeper == NULL)
        return -ENOMEM;
    server->refs++;
    return 0;
}
