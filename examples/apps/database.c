/* database.c - views that read PostgreSQL by libpq's blocking calls
 *
 * Each call suspends the greenlet of its view or task, and nothing else: two hundred
 * queries are under way at once on one OS thread.
 *
 * usage: DATABASE=CONNINFO database [--bind ADDRESS]... */
#include "pools.h"

#include <vireo/http.h>

#include <errno.h>
#include <stdlib.h>

enum { CONNECTIONS = 200 };

static struct hub_connpool *database;

/* GET /users/ID: a sync view with a query that takes a tenth of a second. */
static int user(struct http_request *request, struct http_response *response)
{
    const char *id = http_request_path_arg(request, "id");
    PGresult *rows;
    int rc = pq_ask(database, &rows,
                    "SELECT name, pg_sleep(0.1) FROM users WHERE id = $1", 1,
                    &id);

    if (rc < 0)
        return rc;
    rc = PQntuples(rows) == 0 ? 404
                              : http_response_jsonf(response, "{s:s}", "name",
                                                    PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return rc;
}

static int nap(struct http_request *request, struct http_response *response)
{
    PGresult *rows;
    int rc = pq_ask(database, &rows, "SELECT pg_sleep(0.1)", 0, NULL);

    (void)request;
    if (rc < 0)
        return rc;
    PQclear(rows);
    return http_response_text(response, "slept\n");
}

/* ---- blocking calls in the tasks of an async view ---- */

static int count_users(void *arg, void **result)
{
    PGresult *rows;
    int rc = pq_ask(database, &rows, "SELECT count(*) FROM users", 0, NULL);

    (void)arg;
    if (rc < 0)
        return rc;
    *result = (void *)(intptr_t)atoi(PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return 0;
}

/* Twenty short queries, one after the other; each is seen by who looks. */
static int visit(void *arg, void **result)
{
    PGresult *rows;
    int rc = 0;

    (void)arg;
    for (intptr_t i = 0; i < 20 && rc == 0; i++) {
        rc = pq_ask(database, &rows, "INSERT INTO visits DEFAULT VALUES", 0,
                    NULL);
        if (rc == 0)
            PQclear(rows);
        *result = (void *)(i + 1);
    }
    return rc;
}

static int tick(void *arg, void **result)
{
    int rc = 0;

    (void)arg;
    for (intptr_t i = 0; i < 20 && rc == 0; i++) {
        rc = hub_sleep(5 * HUB_MILLISECOND);
        *result = (void *)(i + 1);
    }
    return rc;
}

/* GET /together: the count may take as long as it likes, the others go on. */
static int together(struct http_request *request,
                    struct http_response *response, struct hub_scope *scope)
{
    static greenlet_run *const run[] = {count_users, visit, tick};
    struct hub_task *task[3];
    void *result[3];
    int rc = 0;

    (void)request;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hub_task_create(scope, &task[i], run[i], NULL, NULL);
    if (rc == 0)
        rc = hub_task_gather(task, 3, hub_deadline(30 * HUB_SECOND), result);
    if (rc < 0)
        return rc;
    return http_response_jsonf(response, "{s:i,s:i,s:i}", "users",
                               (int)(intptr_t)result[0], "visits",
                               (int)(intptr_t)result[1], "ticks",
                               (int)(intptr_t)result[2]);
}

/* ---- the application ---- */

static int open_pool(struct http_request *request,
                     struct http_response *response)
{
    int rc = pq_pool(getenv("DATABASE"), CONNECTIONS, &database);

    (void)request;
    (void)response;
    return rc < 0 ? rc
                  : hub_connpool_fill(database, CONNECTIONS,
                                      hub_deadline(60 * HUB_SECOND));
}

static int close_pool(struct http_request *request,
                      struct http_response *response)
{
    int rc = hub_connpool_close(database, hub_deadline(10 * HUB_SECOND));

    (void)request;
    (void)response;
    return rc < 0 ? rc : hub_connpool_free(database);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    if (getenv("DATABASE") == NULL)
        return 2;
    http_app_before_serving(app, http_view_sync(open_pool));
    http_app_after_serving(app, http_view_sync(close_pool));
    http_app_route(app, "GET", "/users/<int:id>", "user", http_view_sync(user));
    http_app_route(app, "GET", "/nap", "nap", http_view_sync(nap));
    http_app_route(app, "GET", "/together", "together",
                   http_view_async(together));
    return http_app_run(app, argc, argv) < 0;
}
