#include "blog.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* GET /api/home: how many posts (PostgreSQL), which visit this is (Redis), a quotation
 * (another HTTP service), all asked for at once.  Only the first is needed. */

static void drop(void *value)
{
    json_decref(value);
}

static int count_posts(void *arg, void **value)
{
    PGresult *rows;
    int rc = pq_ask(blog_database, &rows, "SELECT count(*) FROM posts", 0,
                    NULL);

    (void)arg;
    if (rc < 0)
        return rc;
    *value = json_integer(atoll(PQgetvalue(rows, 0, 0)));
    PQclear(rows);
    return 0;
}

static int count_visit(void *arg, void **value)
{
    redisReply *reply;
    int rc = redis_ask(blog_redis, &reply, "INCR visits");

    (void)arg;
    if (rc < 0)
        return rc;
    *value = json_integer(reply->integer);
    freeReplyObject(reply);
    return 0;
}

static size_t keep(char *data, size_t size, size_t count, void *file)
{
    return fwrite(data, size, count, file);
}

static int fetch(const char *url, FILE *into)
{
    CURL *handle = curl_easy_init();
    CURLcode code;

    if (handle == NULL)
        return -ENOMEM;
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 2000L);
    curl_easy_setopt(handle, CURLOPT_MAXFILESIZE, 65536L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, into);
    code = curl_easy_perform(handle);
    curl_easy_cleanup(handle);
    return code == CURLE_OK ? 0 : -EHOSTDOWN;
}

static int fetch_quote(void *url, void **value)
{
    char *text = NULL;
    size_t size;
    FILE *into = url != NULL ? open_memstream(&text, &size) : NULL;
    int rc;

    if (into == NULL)
        return -ENOENT;
    rc = fetch(url, into);
    if (fclose(into) != 0)
        rc = -ENOMEM;
    *value = rc == 0 ? json_string(text) : NULL;
    free(text);
    return rc;
}

static json_t *or_null(int error, void *value)
{
    return error == 0 && value != NULL ? value : json_null();
}

static int home(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    static greenlet_run *const run[] = {count_posts, count_visit, fetch_quote};
    void *url = (void *)(uintptr_t)http_app_config_text(
        http_request_app(request), "UPSTREAM");
    struct hub_task *task[3];
    void *value[3];
    int rc = 0, error[3];

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = hub_task_create(scope, &task[i], run[i], url, drop);
    if (rc == 0)
        rc = hub_task_gather_all(task, 3, hub_deadline(10 * HUB_SECOND), value,
                                 error);
    if (rc == 0 && error[0] < 0) {
        json_decref(error[1] == 0 ? value[1] : NULL);
        json_decref(error[2] == 0 ? value[2] : NULL);
        return error[0];
    }
    return rc < 0 ? rc
                  : http_response_jsonf(response, "{s:o,s:o,s:o}", "posts",
                                        or_null(error[0], value[0]), "visit",
                                        or_null(error[1], value[1]), "quote",
                                        or_null(error[2], value[2]));
}

void blog_add_home(struct http_app *app)
{
    http_app_route(app, "GET", "/api/home", "home", http_view_async(home));
}
