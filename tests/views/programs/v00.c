#include <vireo/http.h>
#include <vireo/hub.h>
#include <errno.h>
#include <libpq-fe.h>
extern int fetch_json(void *url, void **json);   /* blocking libcurl: parks its task; result is given */
extern void drop_json(void *json);
static struct hub_connpool *database;            /* opened in a before_serving hook */

static int get_user(struct http_request *request, struct http_response *response)
{
    const char *id = http_request_path_arg(request, "id");    /* borrowed until teardown */
    PGconn *conn;
    int rc = hub_connpool_take(database, hub_deadline(HUB_SECOND), (void **)&conn);

    if (rc < 0)
        return rc;                                            /* -ETIMEDOUT: its handler, else 500 */
    PGresult *rows = PQexecParams(conn, "SELECT name FROM users WHERE id = $1", 1, NULL, &id, NULL, NULL, 0);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK)
        rc = -EIO;
    else if (PQntuples(rows) == 0)
        rc = 404;                                             /* no body set: abort(404) */
    else
        rc = http_response_jsonf(response, "{s:s}", "name", PQgetvalue(rows, 0, 0));
    PQclear(rows);
    hub_connpool_give(database, conn, rc == -EIO);            /* broken: closed, not reused */
    return rc;
}

static int aggregate(struct http_request *request, struct http_response *response, struct hub_scope *scope)
{
    static char *const url[] = { "http://127.0.0.1:8001/", "http://127.0.0.1:8002/", "http://127.0.0.1:8003/" };
    struct hub_task *task[3];                                 /* the scope owns them */
    void *part[3];
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hub_task_create(scope, &task[i], fetch_json, url[i], drop_json);
    if (rc == 0)
        rc = hub_task_gather(task, 3, hub_deadline(5 * HUB_SECOND), part);
    if (rc < 0)
        return rc;
    return http_response_jsonf(response, "{s:o,s:o,s:o}", "users", part[0], "posts", part[1], "tags", part[2]);
}

static int login(struct http_request *request, struct http_response *response)
{
    return http_request_header(request, "Authorization") ? 0 : 401;            /* 0: go on */
}

static int ticks(struct http_stream *stream, void *data)
{
    int rc = 0;

    for (int i = 0; i < 10 && rc == 0; i++) {
        rc = hub_sleep(HUB_SECOND);
        if (rc == 0)
            rc = http_stream_event(stream, "tick", "%d", i);  /* parks while the client is slow; -EPIPE: gone */
    }
    return rc;
}

static int events(struct http_request *request, struct http_response *response)
{
    return http_response_stream(response, "text/event-stream", ticks, NULL);
}

static int failed(struct http_request *request, struct http_response *response)
{
    return http_response_jsonf(response, "{s:i}", "error", http_request_error(request));
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();                    /* errors are sticky, reported by run */

    http_app_before_request(app, http_view_sync(login));
    http_app_route(app, "GET", "/users/<int:id>", "user", http_view_sync(get_user));
    http_app_route(app, "GET", "/aggregate", "aggregate", http_view_async(aggregate));
    http_app_route(app, "GET", "/events", "events", http_view_sync(events));
    http_app_error_handler(app, 404, http_view_sync(failed));
    return http_app_run(app, argc, argv);
}
