#include "pools.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Whoever waits longer for a connection is better told so. */
#define PATIENCE (5 * HUB_SECOND)

/* What a driver that gave up is to be called: a kill or a timeout is none of the
 * server's. */
static int lost(void)
{
    int why = hub_canceled();

    return why < 0 ? why : -EHOSTDOWN;
}

/* A server that has ended its side of a connection is heard without a question: this
 * costs no round trip, so each that was idle is looked at. */
static bool is_quiet(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* ---- PostgreSQL ---- */

static int pq_open(void **conn, void *conninfo)
{
    PGconn *made = PQconnectdb(conninfo);

    if (PQstatus(made) == CONNECTION_OK) {
        *conn = made;
        return 0;
    }
    PQfinish(made);
    return -EHOSTDOWN;
}

static void pq_close(void *conn, void *conninfo)
{
    (void)conninfo;
    PQfinish(conn);
}

/* Of a server that still listens nothing is to be heard now, or a notice. */
static int pq_check(void *conn, void *conninfo)
{
    (void)conninfo;
    if (is_quiet(PQsocket(conn)))
        return 0;
    return PQconsumeInput(conn) == 1 && PQstatus(conn) == CONNECTION_OK
               ? 0
               : -EHOSTDOWN;
}

static int pq_reset(void *conn, void *conninfo)
{
    (void)conninfo;
    return PQtransactionStatus(conn) == PQTRANS_IDLE ? 0 : -EBUSY;
}

int pq_pool(const char *conninfo, unsigned size, struct hub_connpool **pool)
{
    struct hub_connpool_options options = {
        .size = size,
        .open = pq_open,
        .close = pq_close,
        .check = pq_check,
        .reset = pq_reset,
        .arg = (void *)(uintptr_t)conninfo,
    };

    return hub_connpool_new(&options, pool);
}

/* What came of a command.  An error without an SQLSTATE is none of the server's: the
 * connection is not to be used again, nor is one that it ends (class 57). */
static int judge(const PGresult *rows, bool *broken)
{
    const char *state = PQresultErrorField(rows, PG_DIAG_SQLSTATE);

    if (PQresultStatus(rows) == PGRES_TUPLES_OK ||
        PQresultStatus(rows) == PGRES_COMMAND_OK)
        return 0;
    *broken = state == NULL || strncmp(state, "57P", 3) == 0;
    if (*broken)
        return lost();
    if (strcmp(state, "23505") == 0)
        return -EEXIST;
    fprintf(stderr, "postgresql: %s", PQresultErrorMessage(rows));
    return -EIO;
}

int pq_ask(struct hub_connpool *pool, PGresult **rows, const char *command,
           int count, const char *const *values)
{
    bool broken = false;
    void *conn;
    int rc = hub_connpool_take(pool, hub_deadline(PATIENCE), &conn);

    if (rc < 0)
        return rc;
    *rows = PQexecParams(conn, command, count, NULL, values, NULL, NULL, 0);
    rc = judge(*rows, &broken);
    hub_connpool_give(pool, conn, broken);
    if (rc < 0)
        PQclear(*rows);
    return rc;
}

/* ---- Redis ---- */

static int redis_open(void **conn, void *where)
{
    const char *colon = strrchr(where, ':');
    struct timeval patience = {.tv_sec = 5};
    redisContext *made;
    char host[64];

    if (colon == NULL)
        return -EINVAL;
    snprintf(host, sizeof host, "%.*s", (int)(colon - (const char *)where),
             (const char *)where);
    made = redisConnectWithTimeout(host, atoi(colon + 1), patience);
    if (made == NULL)
        return -ENOMEM;
    *conn = made;
    if (made->err == 0)
        return 0;
    redisFree(made);
    return -EHOSTDOWN;
}

static void redis_close(void *conn, void *where)
{
    (void)where;
    redisFree(conn);
}

static int redis_check(void *conn, void *where)
{
    (void)where;
    return is_quiet(((redisContext *)conn)->fd) ? 0 : -EHOSTDOWN;
}

int redis_pool(const char *where, unsigned size, struct hub_connpool **pool)
{
    struct hub_connpool_options options = {
        .size = size,
        .open = redis_open,
        .close = redis_close,
        .check = redis_check,
        .arg = (void *)(uintptr_t)where,
    };

    return hub_connpool_new(&options, pool);
}

/* A context with an error answers nothing any more.  While it reads what it has on
 * its disk, Redis is as good as away. */
static int judge_reply(redisReply *reply)
{
    int rc = 0;

    if (reply == NULL)
        return lost();
    if (reply->type != REDIS_REPLY_ERROR)
        return 0;
    rc = strncmp(reply->str, "LOADING", 7) == 0 ? -EHOSTDOWN : -EIO;
    if (rc == -EIO)
        fprintf(stderr, "redis: %s\n", reply->str);
    freeReplyObject(reply);
    return rc;
}

static int redis_vask(struct hub_connpool *pool, redisReply **reply,
                      const char *format, va_list args)
{
    void *conn;
    int rc = hub_connpool_take(pool, hub_deadline(PATIENCE), &conn);

    if (rc < 0)
        return rc;
    *reply = redisvCommand(conn, format, args);
    rc = judge_reply(*reply);
    hub_connpool_give(pool, conn, ((redisContext *)conn)->err != 0);
    return rc;
}

int redis_ask(struct hub_connpool *pool, redisReply **reply, const char *format,
              ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = redis_vask(pool, reply, format, args);
    va_end(args);
    return rc;
}

int redis_tell(struct hub_connpool *pool, const char *format, ...)
{
    redisReply *reply;
    va_list args;
    int rc;

    va_start(args, format);
    rc = redis_vask(pool, &reply, format, args);
    va_end(args);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}
