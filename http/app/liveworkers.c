/* liveworkers.c - the numbers of all workers, for the status page of any of
 * them
 *
 * A page of memory that the master's process shares with its workers has a row
 * for each hub of each.  A hub writes its own, when a request begins and when
 * it ends; who is asked reads all.  A worker that is replaced finds its row
 * taken, by the process id in it, and writes no more. */
#include "http/app/app_impl.h"
#include "http/app/live.h"

#include <errno.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROWS = 4096 }; /* only those that are written take memory */

/* Numbers alone: what is read while it is written is a little old. */
struct http__live_row {
    uint64_t pid, requests, in_flight, classes[6], open, accepted;
};

struct http__live_rows {
    uint64_t count; /* of hubs */
    struct http__live_row row[ROWS];
};

#define PUT(to, value) \
    __atomic_store_n(&(to), (uint64_t)(value), __ATOMIC_RELAXED)
#define GET(from) __atomic_load_n(&(from), __ATOMIC_RELAXED)

struct http__live_rows *http__live_rows_new(void)
{
    void *made =
        mmap(NULL, sizeof(struct http__live_rows), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return made != MAP_FAILED ? made : NULL;
}

void http__live_rows_free(struct http__live_rows *rows)
{
    if (rows != NULL)
        munmap(rows, sizeof *rows);
}

void http__live_rows_take(struct http__live_rows *rows,
                          struct http_server *server, unsigned index,
                          unsigned count)
{
    struct http__live *live = http__live_of(server);

    if (rows == NULL || live == NULL || index >= ROWS)
        return;
    live->rows = rows;
    live->row = &rows->row[index];
    PUT(rows->count, count < ROWS ? count : ROWS);
    PUT(live->row->pid, getpid());
    http__live_rows_put(live, server); /* not those of who had it before */
}

void http__live_rows_put(const struct http__live *live,
                         const struct http_server *server)
{
    struct http__live_row *row = live->row;

    if (row == NULL || GET(row->pid) != (uint64_t)getpid())
        return;
    PUT(row->requests, live->requests);
    PUT(row->in_flight, live->in_flight);
    for (int i = 0; i < 6; i++)
        PUT(row->classes[i], live->classes[i]);
    PUT(row->open, server->counts.connections);
    PUT(row->accepted, server->counts.accepted);
}

/* ---- as JSON ---- */

static json_t *row_of(const struct http__live_row *row)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "total",
                     (json_int_t)GET(row->requests), "in_flight",
                     (json_int_t)GET(row->in_flight), "2xx",
                     (json_int_t)GET(row->classes[2]), "4xx",
                     (json_int_t)GET(row->classes[4]), "5xx",
                     (json_int_t)GET(row->classes[5]), "open",
                     (json_int_t)GET(row->open), "accepted",
                     (json_int_t)GET(row->accepted));
}

static void add(json_t *sums, const json_t *row)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)row, name, value)
        json_object_set_new(
            sums, name,
            json_integer(json_integer_value(json_object_get(sums, name)) +
                         json_integer_value(value)));
}

json_t *http__live_rows_json(const struct http__live *live)
{
    uint64_t count = live->rows != NULL ? GET(live->rows->count) : 0;
    json_t *each = json_array(), *sums = json_object();

    for (uint64_t i = 0; i < count; i++) {
        json_t *row = row_of(&live->rows->row[i]);

        add(sums, row);
        json_object_set_new(
            row, "pid", json_integer((json_int_t)GET(live->rows->row[i].pid)));
        json_array_append_new(each, row);
    }
    return json_pack("{s:o,s:o}", "sum", sums, "each", each);
}
