/* sweep.c - what is done once a second, while there are connections: the date,
 * idle connections that have stayed so for too long, stacks of others
 *
 * Idle connections lie on lists, in the order in which they became so: no timer
 * is set for any of them. */
#include "http/http_impl.h"

#include "context/inspect.h"
#include "hub/socket.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#define TRIM_AFTER_NS HUB_SECOND
#define TRIM_SLACK    256u /* below the stack pointer */
#define POOL_KEPT     16u

/* ---- the lists ---- */

void http__idle_begin(struct http__connection *connection,
                      enum http__idling idling)
{
    struct http_server *server = connection->server;
    struct http__idle_list *list = &server->idle[idling];

    connection->idling = (uint8_t)idling;
    connection->trimmed = false;
    connection->since = server->now;
    connection->newer = NULL;
    connection->older = list->newest;
    if (list->newest != NULL)
        list->newest->newer = connection;
    else
        list->oldest = connection;
    list->newest = connection;
    if (list->untrimmed == NULL)
        list->untrimmed = connection;
    server->counts.idle++;
}

void http__idle_end(struct http__connection *connection)
{
    struct http_server *server = connection->server;
    struct http__idle_list *list = &server->idle[connection->idling];

    if (connection->idling == HTTP__BUSY)
        return;
    if (connection->newer != NULL)
        connection->newer->older = connection->older;
    else
        list->newest = connection->older;
    if (connection->older != NULL)
        connection->older->newer = connection->newer;
    else
        list->oldest = connection->newer;
    if (list->untrimmed == connection)
        list->untrimmed = connection->newer;
    connection->idling = HTTP__BUSY;
    server->counts.idle--;
}

/* It reads the end, and closes. */
static void close_idle(struct http__connection *connection)
{
    http__idle_end(connection);
    hub_shutdown(connection->wire.fd, SHUT_RDWR);
}

static void close_list(struct http_server *server, enum http__idling idling,
                       int64_t ns)
{
    struct http__connection *oldest;

    while (ns >= 0 && (oldest = server->idle[idling].oldest) != NULL &&
           server->now - oldest->since >= ns)
        close_idle(oldest);
}

void http__idle_close(struct http_server *server, int64_t ns)
{
    close_list(server, HTTP__FRESH, ns);
    close_list(server, HTTP__IDLE, ns);
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

static void trim_list(struct http_server *server, struct http__idle_list *list)
{
    struct http__connection *connection;

    while ((connection = list->untrimmed) != NULL &&
           server->now - connection->since >= TRIM_AFTER_NS) {
        trim(connection->greenlet);
        list->untrimmed = connection->newer;
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

/* Often enough for the shortest of the times; of a second the date is told. */
static int64_t interval(const struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    int64_t ns = 4 * HUB_SECOND;

    ns = least(ns, options->idle_ns);
    ns = least(ns, options->head_ns);
    ns = least(ns, options->drain_idle_ns) / 4;
    return ns > 5 * HUB_MILLISECOND ? ns : 5 * HUB_MILLISECOND;
}

/* The times are as old as the last turn: one turn more, so that none is too
 * short. */
static void sweep(struct http_server *server, int64_t turn)
{
    const struct http_server_options *options = &server->options;

    server->now = hub_now();
    http__date_refresh(server);
    close_list(server, HTTP__FRESH,
               options->head_ns < 0 ? -1 : options->head_ns + turn);
    close_list(server, HTTP__IDLE,
               options->idle_ns < 0 ? -1 : options->idle_ns + turn);
    if (server->stopping)
        http__idle_close(server, options->drain_idle_ns < 0
                                     ? -1
                                     : options->drain_idle_ns + turn);
    for (int i = HTTP__FRESH; i < HTTP__IDLINGS; i++)
        trim_list(server, &server->idle[i]);
    http__streams_look(server);
    if (server->pool_count > POOL_KEPT)
        http__work_trim(server, server->pool_count / 2 > POOL_KEPT
                                    ? server->pool_count / 2
                                    : POOL_KEPT);
}

static void run_sweeper(void *arg)
{
    struct http_server *server = arg;
    int64_t turn = interval(server);

    while (server->connections != NULL && hub_sleep_unreferenced(turn) == 0)
        sweep(server, turn);
    greenlet_unref(server->sweeper);
    server->sweeper = NULL;
    http__work_trim(server, POOL_KEPT);
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
