/* three.c - three servers asked at once, each by its ordinary blocking driver
 *
 * PostgreSQL by libpq, Redis by hiredis, an HTTP service by libcurl: a task for each,
 * and the answer takes as long as the slowest, not as their sum.
 *
 * usage: DATABASE=CONNINFO REDIS=HOST:PORT UPSTREAM=URL three [--bind ADDRESS]... */
#include "pools.h"

#include <vireo/http.h>

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hub_connpool *database, *redis;

/* ---- a task for each ---- */

static int ask_postgres(void *id, void **name)
{
    const char *value = id;
    PGresult *rows;
    int rc = pq_ask(database, &rows, "SELECT name FROM users WHERE id = $1", 1,
                    &value);

    if (rc < 0)
        return rc;
    *name = PQntuples(rows) > 0 ? strdup(PQgetvalue(rows, 0, 0)) : NULL;
    PQclear(rows);
    return *name != NULL ? 0 : -ENOENT;
}

/* The next message for the user, which may be there already. */
static int ask_redis(void *id, void **message)
{
    redisReply *reply;
    int rc = redis_ask(redis, &reply, "BLPOP messages:%s 30", (char *)id);

    if (rc < 0)
        return rc;
    *message = reply->type == REDIS_REPLY_ARRAY ? strdup(reply->element[1]->str)
                                                : NULL;
    freeReplyObject(reply);
    return *message != NULL ? 0 : -ENOENT;
}

static size_t keep(char *data, size_t size, size_t count, void *file)
{
    return fwrite(data, size, count, file);
}

static int perform(const char *url, FILE *into)
{
    CURL *handle = curl_easy_init();
    CURLcode code;

    if (handle == NULL)
        return -ENOMEM;
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, into);
    code = curl_easy_perform(handle);
    curl_easy_cleanup(handle);
    return code == CURLE_OK ? 0 : -EHOSTDOWN;
}

static int ask_upstream(void *id, void **text)
{
    char url[256], *kept = NULL;
    size_t size;
    FILE *into = open_memstream(&kept, &size);
    int rc;

    if (into == NULL)
        return -ENOMEM;
    snprintf(url, sizeof url, "%s/weather/%s", getenv("UPSTREAM"), (char *)id);
    rc = perform(url, into);
    if (fclose(into) != 0 && rc == 0)
        rc = -ENOMEM;
    if (rc == 0)
        *text = kept;
    else
        free(kept);
    return rc;
}

/* ---- the view ---- */

static int home(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    static greenlet_run *const ask[] = {ask_postgres, ask_redis, ask_upstream};
    char *id = (char *)(uintptr_t)http_request_path_arg(request, "id");
    struct hub_task *task[3];
    void *part[3];
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hub_task_create(scope, &task[i], ask[i], id, free);
    if (rc == 0)
        rc = hub_task_gather(task, 3, hub_deadline(30 * HUB_SECOND), part);
    if (rc < 0)
        return rc == -ENOENT ? 404 : rc;
    rc = http_response_jsonf(response, "{s:s,s:s,s:s}", "name", part[0],
                             "message", part[1], "weather", part[2]);
    for (int i = 0; i < 3; i++)
        free(part[i]);
    return rc;
}

static int away(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_set_header(response, "Retry-After", "1");
    return 503;
}

/* ---- the application ---- */

static int open_pools(struct http_request *request,
                      struct http_response *response)
{
    int rc = pq_pool(getenv("DATABASE"), 20, &database);

    (void)request;
    (void)response;
    return rc < 0 ? rc : redis_pool(getenv("REDIS"), 20, &redis);
}

static int close_pools(struct http_request *request,
                       struct http_response *response)
{
    int64_t deadline = hub_deadline(10 * HUB_SECOND);

    (void)request;
    (void)response;
    hub_connpool_close(database, deadline);
    hub_connpool_close(redis, deadline);
    return hub_connpool_free(database) | hub_connpool_free(redis);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    if (getenv("DATABASE") == NULL || getenv("REDIS") == NULL ||
        getenv("UPSTREAM") == NULL ||
        curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 2;
    http_app_before_serving(app, http_view_sync(open_pools));
    http_app_after_serving(app, http_view_sync(close_pools));
    http_app_route(app, "GET", "/home/<int:id>", "home", http_view_async(home));
    http_app_error_handler(app, -EHOSTDOWN, http_view_sync(away));
    return http_app_run(app, argc, argv) < 0;
}
