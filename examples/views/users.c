/* users.c - users in PostgreSQL: all, one by its id or 404, a new one by POST
 * of JSON
 *
 * libpq is called as it blocks: the program is linked to the preload library,
 * or started by `vireo run`.  pools.h of examples/apps has the pool.
 *
 * usage: DATABASE=CONNINFO users [--bind ADDRESS]... */
#include "pools.h"

#include <vireo/http.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

static struct hub_connpool *database; /* of this hub */

/* ---- views ---- */

static json_t *user_of(const PGresult *rows, int row)
{
    return json_pack("{s:I,s:s}", "id",
                     (json_int_t)atoll(PQgetvalue(rows, row, 0)), "name",
                     PQgetvalue(rows, row, 1));
}

static int list(struct http_request *request, struct http_response *response)
{
    json_t *users = json_array();
    PGresult *rows;
    int rc = pq_ask(database, &rows, "SELECT id, name FROM users ORDER BY id",
                    0, NULL);

    (void)request;
    if (rc < 0) {
        json_decref(users);
        return rc;
    }
    for (int i = 0; i < PQntuples(rows); i++)
        json_array_append_new(users, user_of(rows, i));
    PQclear(rows);
    return http_response_json(response, users);
}

static int user(struct http_request *request, struct http_response *response)
{
    const char *id = http_request_path_arg(request, "id");
    PGresult *rows;
    int rc = pq_ask(database, &rows, "SELECT id, name FROM users WHERE id = $1",
                    1, &id);

    if (rc < 0)
        return rc;
    rc = PQntuples(rows) == 0 ? 404
                              : http_response_json(response, user_of(rows, 0));
    PQclear(rows);
    return rc;
}

/* 400, 415 come from http_request_json(); 422: JSON, and not what is wanted. */
static int create(struct http_request *request, struct http_response *response)
{
    const char *name;
    PGresult *rows;
    json_t *body;
    int rc = http_request_json(request, &body);

    if (rc < 0)
        return rc;
    name = json_string_value(json_object_get(body, "name"));
    if (name == NULL)
        return 422;
    rc = pq_ask(database, &rows,
                "INSERT INTO users (name) VALUES ($1) RETURNING id, name", 1,
                &name);
    if (rc < 0)
        return rc;
    http_response_set_header(response, "Location",
                             http_request_url_for(request, "user", "id",
                                                  PQgetvalue(rows, 0, 0),
                                                  NULL));
    rc = http_response_json(response, user_of(rows, 0));
    PQclear(rows);
    return rc < 0 ? rc : 201;
}

/* ---- around serving ---- */

static int begin(struct http_request *request, struct http_response *response)
{
    PGresult *rows;
    int rc = pq_pool(getenv("DATABASE"), 20, &database);

    (void)request;
    (void)response;
    if (rc == 0)
        rc = pq_ask(database, &rows,
                    "CREATE TABLE IF NOT EXISTS users (id bigint PRIMARY KEY "
                    "GENERATED ALWAYS AS IDENTITY, name text UNIQUE NOT NULL)",
                    0, NULL);
    if (rc == 0)
        PQclear(rows);
    return rc;
}

static int end(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    hub_connpool_close(database, hub_deadline(10 * HUB_SECOND));
    return hub_connpool_free(database);
}

static int conflict(struct http_request *request,
                    struct http_response *response)
{
    (void)request;
    http_response_set_status(response, 409);
    return http_response_text(response, "There is one of that name.\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    if (getenv("DATABASE") == NULL)
        return 2;
    http_app_before_serving(app, http_view_sync(begin));
    http_app_after_serving(app, http_view_sync(end));
    http_app_error_handler(app, -EEXIST, http_view_sync(conflict));
    http_app_route(app, "GET", "/users", "users", http_view_sync(list));
    http_app_route(app, "POST", "/users", "create", http_view_sync(create));
    http_app_route(app, "GET", "/users/<int:id>", "user", http_view_sync(user));
    return http_app_run(app, argc, argv) < 0;
}
