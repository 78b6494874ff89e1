/* head.c - the head of the next request */
#include "http/heads.h"
#include "http/http_impl.h"
#include "http/parser.h"
#include "http/slow.h"

#include <errno.h>

#define NOINLINE __attribute__((noinline))

/* Room behind what is there; a head at its limit always has some. */
static void make_room(struct http__work *work)
{
    size_t there = work->end - work->start;

    if (there == 0) {
        work->start = work->end = 0;
    } else if (work->start > 0 && work->room - work->end < work->room / 2) {
        memmove(work->input, work->input + work->start, there);
        work->start = 0;
        work->end = there;
    }
    work->at = work->start;
}

/* What is there; with a deadline that is awaited.  Returns how many bytes, 0 at
 * the end, or why there are none. */
static ssize_t fill(struct http__connection *connection, int64_t deadline_ns)
{
    struct http__work *work = connection->work;
    struct http__wire *wire = &connection->wire;
    char *to;
    ssize_t got;

    make_room(work);
    to = work->input + work->end;
    if (deadline_ns == HUB_NOWAIT)
        got = http__wire_read(wire, to, work->room - work->end, HUB_NOWAIT);
    else
        got = http__slow_read(wire, &connection->server->slow, to,
                              work->room - work->end, deadline_ns);
    if (got > 0)
        work->end += (size_t)got;
    return got;
}

/* Returns 1, 0: there is more to come, or a status, negated. */
static int read_on(struct http__connection *connection)
{
    struct http__work *work = connection->work;
    const char *data = work->input + work->start;
    struct http__head *head = &work->request.head;
    int rc = http__strict_head(&work->strict, &connection->server->limits, data,
                               work->end - work->start, head);

    if (rc <= 0)
        return rc;
    rc = http__parser_head(connection->server->lines, data, head);
    return rc < 0 ? rc : 1;
}

/* A head that was read before comes alone, and in one piece: where there are
 * more in the input, each would be hashed with all behind it.  0: it is none.
 */
static uint64_t hash_of(const struct http__connection *connection)
{
    const struct http__work *work = connection->work;

    if (work->start > 0 || work->strict.state != HTTP__STRICT_NEW)
        return 0;
    return http__heads_hash(connection->server->heads, work->input, work->end);
}

static NOINLINE bool find(struct http__connection *connection, uint64_t hash)
{
    struct http__work *work = connection->work;

    return http__heads_find(connection->server->heads, work->input, work->end,
                            hash, &work->request.head);
}

static NOINLINE void keep(struct http__connection *connection, uint64_t hash)
{
    struct http__work *work = connection->work;

    if (work->request.head.length == work->end)
        http__heads_keep(connection->server->heads, work->input, hash,
                         &work->request.head);
}

static int look(struct http__connection *connection)
{
    struct http__work *work = connection->work;
    uint64_t hash;
    int rc;

    if (work->end == work->start)
        return 0;
    hash = hash_of(connection);
    if (hash != 0 && find(connection, hash))
        return 1;
    rc = read_on(connection);
    if (hash != 0 && rc > 0)
        keep(connection, hash);
    return rc;
}

/* Something of it is there: the rest has to come in time.  Returns 1: some has;
 * 0: none will, *why; or the status to refuse it with, negated. */
static int wait_for_rest(struct http__connection *connection, int64_t *deadline,
                         int *why)
{
    ssize_t got;

    if (http__flush(connection) < 0)
        return 0;
    if (*deadline == 0)
        *deadline = http__wire_limit(connection->server->options.head_ns);
    got = fill(connection, *deadline);
    if (got > 0)
        return 1;
    *why = (int)got;
    if (got == 0)
        return -400; /* it ends in the middle */
    return got == -ETIMEDOUT && hub_canceled() == 0 ? -408 : 0;
}

/* Empty lines before it leave a connection as idle as it was. */
static bool is_begun(const struct http__work *work)
{
    return http__strict_begun(&work->strict, work->end - work->start);
}

int http__head_read(struct http__connection *connection, int *why)
{
    struct http__work *work = connection->work;
    int64_t deadline = 0;
    int rc;

    *why = 0;
    connection->wire.crumbs = 0;
    while ((rc = look(connection)) == 0) {
        if (is_begun(work)) {
            rc = wait_for_rest(connection, &deadline, why);
        } else {
            *why = (int)fill(connection, HUB_NOWAIT);
            http__slow_note(&connection->wire, *why);
            rc = *why > 0;
        }
        if (rc <= 0)
            return rc;
    }
    return rc;
}
