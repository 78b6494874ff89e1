/* host.c - the program of V-00, unchanged, with what it leaves to others: a
 * database and the upstreams, which stand behind a Unix socket here */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vireo/http.h>
#include <vireo/httpclient.h>

/* It is without parameters that it does not use, and its application gets the
 * hooks around serving that it speaks of before it runs. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
static int run_with_database(struct http_app *app, int argc, char **argv);
#define http_app_run run_with_database
#include "v00.c"
#undef http_app_run

/* ---- a database of one user ---- */

struct pg_conn {
    int broken;
};

static struct pg_result {
    int status, count;
    char name[8];
} result;

PGresult *PQexecParams(PGconn *connection, const char *command, int count,
                       const Oid *types, const char *const *values,
                       const int *lengths, const int *formats, int format)
{
    int id = atoi(values[0]);

    result.status = id == 500 ? 7 : PGRES_TUPLES_OK;
    result.count = id == 7;
    strcpy(result.name, "ada");
    connection->broken = id == 500;
    return &result;
}

int PQresultStatus(const PGresult *rows)
{
    return rows->status;
}

int PQntuples(const PGresult *rows)
{
    return rows->count;
}

char *PQgetvalue(const PGresult *rows, int row, int column)
{
    return (char *)(uintptr_t)rows->name;
}

void PQclear(PGresult *rows)
{
    memset(rows, 0, sizeof *rows);
}

static int open_one(void **connection, void *arg)
{
    *connection = calloc(1, sizeof(PGconn));
    return *connection != NULL ? 0 : -ENOMEM;
}

static void close_one(void *connection, void *arg)
{
    free(connection);
}

/* ---- the upstreams ---- */

int fetch_json(void *url, void **json)
{
    const struct http_session_options options = {.unix_socket =
                                                     getenv("UPSTREAM")};
    struct http_session *session;
    struct http_reply *reply;
    size_t size;
    const char *text;
    int rc = http_session_new(&options, &session);

    if (rc < 0)
        return rc;
    rc = http_session_get(session, url, &reply);
    if (rc == 0) {
        text = http_reply_body(reply, &size);
        *json = json_loadb(text, size, JSON_DECODE_ANY, NULL);
        rc = *json != NULL ? 0 : -EBADMSG;
        http_reply_free(reply);
    }
    http_session_free(session);
    return rc;
}

void drop_json(void *json)
{
    json_decref(json);
}

/* ---- with its database ---- */

/* In the process that serves: a pool of the parent's is of no use to a child.
 */
static int open_database(struct http_request *request,
                         struct http_response *response)
{
    const struct hub_connpool_options options = {
        .size = 8, .open = open_one, .close = close_one};

    return hub_connpool_new(&options, &database);
}

static int close_database(struct http_request *request,
                          struct http_response *response)
{
    int rc = hub_connpool_close(database, HUB_FOREVER);

    return rc < 0 ? rc : hub_connpool_free(database);
}

static int run_with_database(struct http_app *app, int argc, char **argv)
{
    http_app_before_serving(app, http_view_sync(open_database));
    http_app_after_serving(app, http_view_sync(close_database));
    return http_app_run(app, argc, argv);
}
