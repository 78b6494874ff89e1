/* livejson.c - the status page, and its numbers as JSON */
#include "http/app/app_impl.h"
#include "http/app/live.h"

#include "context/inspect.h"
#include "hub/counters.h"

#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

static json_int_t us(int64_t ns)
{
    return (json_int_t)(ns / HUB_MICROSECOND);
}

/* ---- requests ---- */

static json_t *request(const struct http__live_done *done, int64_t now)
{
    bool ended = done->ended != 0;

    return json_pack("{s:I,s:s,s:s,s:i,s:b,s:I,s:I}", "number",
                     (json_int_t)done->number, "method", done->method, "path",
                     done->path, "status", ended ? done->status : 0,
                     "websocket", done->websocket, "ago_us",
                     us(now - done->began), "us",
                     us((ended ? done->ended : now) - done->began));
}

static json_t *in_flight(const struct http__live *live, int64_t now)
{
    json_t *list = json_array();
    size_t count = 0;

    for (const struct http__live_entry *at = live->first;
         at != NULL && count++ < HTTP__LIVE_DONE; at = at->next) {
        struct http__live_done one = {0};

        http__live_describe(at->call, &one);
        json_array_append_new(list, request(&one, now));
    }
    return list;
}

static json_t *done(const struct http__live *live, int64_t now)
{
    json_t *list = json_array();
    uint64_t count = live->done_count;
    uint64_t from = count > HTTP__LIVE_DONE ? count - HTTP__LIVE_DONE : 0;

    for (uint64_t i = from; i < count; i++)
        json_array_append_new(list,
                              request(&live->done[i % HTTP__LIVE_DONE], now));
    return list;
}

static unsigned websockets(const struct http__live *live)
{
    unsigned count = 0;

    for (const struct http__live_entry *at = live->first; at != NULL;
         at = at->next)
        count += at->call->opened;
    return count;
}

static json_t *classes(const struct http__live *live)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I}", "none", (json_int_t)live->classes[0],
        "1xx", (json_int_t)live->classes[1], "2xx",
        (json_int_t)live->classes[2], "3xx", (json_int_t)live->classes[3],
        "4xx", (json_int_t)live->classes[4], "5xx",
        (json_int_t)live->classes[5]);
}

/* ---- latencies, of the last 1,024 ---- */

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static json_t *latencies(const struct http__live *live)
{
    size_t count = live->latency_count < HTTP__LIVE_LATENCIES
                       ? (size_t)live->latency_count
                       : HTTP__LIVE_LATENCIES;
    int64_t *sorted = count > 0 ? http__malloc(count * sizeof *sorted) : NULL;
    json_t *made;

    if (sorted == NULL)
        return json_pack("{s:i}", "count", 0);
    memcpy(sorted, live->latencies, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    made = json_pack("{s:I,s:I,s:I,s:I,s:I}", "count", (json_int_t)count, "p50",
                     us(sorted[count / 2]), "p95", us(sorted[count * 95 / 100]),
                     "p99", us(sorted[count * 99 / 100]), "max",
                     us(sorted[count - 1]));
    free(sorted);
    return made;
}

/* ---- the process ---- */

static long resident(void)
{
    char text[128] = "";
    long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) > 0)
        sscanf(text, "%*s %ld", &pages);
    close(fd);
    return pages * sysconf(_SC_PAGESIZE);
}

static size_t allocated(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

static json_t *process(void)
{
    struct hub_counters counters;
    struct greenlet_counts counts;

    hub_counters(NULL, &counters);
    greenlet_count(&counts);
    return json_pack(
        "{s:i,s:I,s:I,s:I,s:I,s:I,s:I}", "pid", (int)getpid(), "greenlets",
        (json_int_t)counts.greenlets, "stacks", (json_int_t)counters.stacks,
        "peak_stacks", (json_int_t)counters.peak_stacks, "switches",
        (json_int_t)counters.switches, "resident_bytes", (json_int_t)resident(),
        "allocated_bytes", (json_int_t)allocated());
}

static json_t *all(const struct http_server *server)
{
    static const struct http__live nothing;
    const struct http__live *live =
        server->live != NULL ? server->live : &nothing;
    int64_t now = hub_now();

    http__live_rows_put(live, server);
    return json_pack(
        "{s:I,s:{s:I,s:I,s:I},s:o,s:o,s:{s:I,s:I},s:o,s:o,s:o,s:o}", "uptime_s",
        live->began != 0 ? us(now - live->began) / 1000000 : (json_int_t)0,
        "requests", "total", (json_int_t)live->requests, "in_flight",
        (json_int_t)live->in_flight, "websockets", (json_int_t)websockets(live),
        "responses", classes(live), "latency_us", latencies(live),
        "connections", "open", (json_int_t)server->counts.connections,
        "accepted", (json_int_t)server->counts.accepted, "process", process(),
        "in_flight", in_flight(live, now), "done", done(live, now), "workers",
        http__live_rows_json(live));
}

/* ---- the answer ---- */

static int answer_page(struct http_response *response)
{
    int rc = 0;

    http_response_set_header(response, "Content-Type",
                             "text/html; charset=utf-8");
    http_response_set_header(response, "Content-Security-Policy",
                             "default-src 'none'; style-src 'unsafe-inline'; "
                             "script-src 'unsafe-inline'; connect-src 'self'");
    for (const char *const *piece = http__live_page; *piece != NULL && rc == 0;
         piece++)
        rc = http_response_write(response, *piece, strlen(*piece));
    return rc;
}

bool http__live_answer(struct http__call *call)
{
    struct http_request *asked = call->request;
    struct http_response *response = call->response;
    const char *path = http_request_path(asked), *page = call->app->status_path;
    size_t length = strlen(page);
    bool json;
    int rc;

    if (strncmp(path, page, length) != 0 ||
        (path[length] != '\0' && strcmp(path + length, ".json") != 0) ||
        (strcmp(http_request_verb(asked), "GET") != 0 &&
         strcmp(http_request_verb(asked), "HEAD") != 0) ||
        !http__request_is_local(asked))
        return false;
    json = path[length] != '\0';
    http_response_set_header(response, "Cache-Control", "no-store");
    rc = json ? http_response_json(response, all(asked->work->server))
              : answer_page(response);
    response->status = rc < 0 ? 500 : 200;
    return true;
}
