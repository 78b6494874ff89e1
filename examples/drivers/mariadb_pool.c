/* mariadb_pool.c - MariaDB by its client's blocking calls, from many greenlets at once
 *
 * usage: mariadb_pool PORT GREENLETS   (rounds.h says what it reads) */
#include "rounds.h"

#include <mysql.h>

static int open_it(void **conn, void *port)
{
    MYSQL *made = mysql_init(NULL);

    if (made == NULL)
        return -ENOMEM;
    if (mysql_real_connect(made, "127.0.0.1", "root", NULL, NULL,
                           *(unsigned *)port, NULL, 0) != NULL) {
        *conn = made;
        return 0;
    }
    fprintf(stderr, "mariadb: %s\n", mysql_error(made));
    mysql_close(made);
    return -EIO;
}

static void close_it(void *conn, void *port)
{
    (void)port;
    mysql_close(conn);
}

static int check(void *conn, void *port)
{
    (void)port;
    return mysql_ping(conn) == 0 ? 0 : -EIO;
}

/* ROLLBACK by a call of its own; fails also when results were not read. */
static int reset(void *conn, void *port)
{
    (void)port;
    return mysql_rollback(conn) == 0 ? 0 : -EIO;
}

static int read_number(MYSQL *conn)
{
    MYSQL_RES *result = mysql_store_result(conn);
    MYSQL_ROW row = result != NULL ? mysql_fetch_row(result) : NULL;
    int number = row != NULL ? atoi(row[1]) : -1;

    mysql_free_result(result);
    return number;
}

static int ask(void *conn, double seconds, int number, bool *broken)
{
    char query[64];
    int rc = 0, answer;

    snprintf(query, sizeof query, "SELECT SLEEP(%f), %d", seconds, number);
    if (mysql_query(conn, query) != 0) {
        rc = -EIO;
    } else {
        answer = read_number(conn);
        rc = mysql_errno(conn) != 0 ? -EIO : answer == number ? 0 : -EBADMSG;
    }
    /* From 2000 on errors are the client's: of this connection, or a kill. */
    *broken = mysql_errno(conn) >= 2000;
    return rc;
}

int main(int argc, char **argv)
{
    struct hub_connpool_options options = { .open = open_it,
                                            .close = close_it,
                                            .check = check,
                                            .reset = reset };
    unsigned port;
    int rc;

    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: mariadb_pool PORT GREENLETS\n");
        return 2;
    }
    port = (unsigned)atoi(argv[1]);
    options.arg = &port;
    if (mysql_library_init(0, NULL, NULL) != 0)
        return 1;
    rc = rounds_run(&options, ask, atoi(argv[2]));
    mysql_library_end();
    return rc;
}
