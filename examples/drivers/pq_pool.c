/* pq_pool.c - PostgreSQL by libpq's blocking calls, from many greenlets at once
 *
 * usage: pq_pool CONNINFO GREENLETS    (rounds.h says what it reads) */
#include "rounds.h"

#include <libpq-fe.h>

static int open_it(void **conn, void *conninfo)
{
    PGconn *made = PQconnectdb(conninfo);

    if (PQstatus(made) == CONNECTION_OK) {
        *conn = made;
        return 0;
    }
    fprintf(stderr, "%s", PQerrorMessage(made));
    PQfinish(made);
    return -EIO; /* the pool knows when it was a kill or the deadline */
}

static void close_it(void *conn, void *conninfo)
{
    (void)conninfo;
    PQfinish(conn);
}

/* The cheapest question that the server has to answer. */
static int check(void *conn, void *conninfo)
{
    (void)conninfo;
    PQclear(PQexec(conn, ""));
    return PQstatus(conn) == CONNECTION_OK ? 0 : -EIO;
}

/* Nobody else is to find a transaction open, or a query under way. */
static int reset(void *conn, void *conninfo)
{
    (void)conninfo;
    return PQtransactionStatus(conn) == PQTRANS_IDLE ? 0 : -EBUSY;
}

/* An error without an SQLSTATE is none of the server's: of this connection, or a kill.
 * libpq then takes the connection for idle, but the answer is yet to come. */
static bool is_broken(const PGresult *result)
{
    return PQresultStatus(result) != PGRES_TUPLES_OK &&
           PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL;
}

static int ask(void *conn, double seconds, int number, bool *broken)
{
    char time[32], text[16];
    const char *values[] = { time, text };
    PGresult *result;
    int rc = 0;

    snprintf(time, sizeof time, "%f", seconds);
    snprintf(text, sizeof text, "%d", number);
    result = PQexecParams(conn, "SELECT pg_sleep($1::float8), $2::int", 2,
                          NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        rc = -EIO;
    else if (atoi(PQgetvalue(result, 0, 1)) != number)
        rc = -EBADMSG;
    *broken = is_broken(result);
    PQclear(result);
    return rc;
}

int main(int argc, char **argv)
{
    struct hub_connpool_options options = { .open = open_it,
                                            .close = close_it,
                                            .check = check,
                                            .reset = reset };

    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: pq_pool CONNINFO GREENLETS\n");
        return 2;
    }
    options.arg = argv[1];
    return rounds_run(&options, ask, atoi(argv[2]));
}
