/* main.c - the blog as a program
 *
 * usage: BLOG_DATABASE=... BLOG_REDIS=... BLOG_SECRETS=... [BLOG_UPSTREAM=URL]
 *        [BLOG_STATIC=FOLDER] blog [--bind ADDRESS]... [--workers N] */
#include "blog.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hub_connpool *blog_database, *blog_redis;
struct taskqueue blog_queue = {.name = "blog"};

static const struct http_app_option options[] = {
    {.name = "DATABASE", .type = HTTP_APP_TEXT, .initial = "dbname=blog"},
    {.name = "REDIS", .type = HTTP_APP_TEXT, .initial = "127.0.0.1:6379"},
    {.name = "UPSTREAM", .type = HTTP_APP_TEXT},
    {.name = "STATIC", .type = HTTP_APP_TEXT, .initial = "static"},
    {.name = "SECRETS", .type = HTTP_APP_SECRETS},
    {.name = "CONNECTIONS",
     .type = HTTP_APP_NUMBER,
     .initial = "20",
     .least = 1,
     .most = 1000},
};

/* ---- around serving ---- */

static int open_pools(struct http_request *request,
                      struct http_response *response)
{
    struct http_app *app = http_request_app(request);
    unsigned size = (unsigned)http_app_config_number(app, "CONNECTIONS", 20);
    int rc = pq_pool(http_app_config_text(app, "DATABASE"), size,
                     &blog_database);

    (void)response;
    if (rc == 0)
        rc = redis_pool(http_app_config_text(app, "REDIS"), size, &blog_redis);
    blog_queue.redis = blog_redis;
    return rc < 0 ? rc : blog_make_tables();
}

static int close_pools(struct http_request *request,
                       struct http_response *response)
{
    int64_t deadline = hub_deadline(10 * HUB_SECOND);

    (void)request;
    (void)response;
    hub_connpool_close(blog_database, deadline);
    hub_connpool_close(blog_redis, deadline);
    return hub_connpool_free(blog_database) | hub_connpool_free(blog_redis);
}

/* ---- around each request ---- */

static int begin_timer(struct http_request *request,
                       struct http_response *response)
{
    int64_t *begun = http_request_alloc(request, sizeof *begun);

    (void)response;
    if (begun == NULL)
        return -ENOMEM;
    *begun = hub_now();
    return http_g_set("begun", begun, NULL);
}

static int end_timer(struct http_request *request,
                     struct http_response *response)
{
    const int64_t *begun = http_g_get("begun");
    char text[32];

    (void)request;
    if (begun == NULL)
        return 0;
    snprintf(text, sizeof text, "%.6f",
             (double)(hub_now() - *begun) / (double)HUB_SECOND);
    return http_response_set_header(response, "X-Request-Duration", text);
}

/* ---- errors ---- */

static bool is_api(struct http_request *request)
{
    return strncmp(http_request_path(request), "/api/", 5) == 0;
}

/* A server is away, or has no time: somebody else may ask again in a second. */
static int away(struct http_request *request, struct http_response *response)
{
    http_response_set_status(response, 503);
    http_response_set_header(response, "Retry-After", "1");
    return is_api(request)
               ? http_response_jsonf(response, "{s:s}", "error", "try again")
               : http_response_text(response, "Please try again.\n");
}

static int not_found(struct http_request *request,
                     struct http_response *response)
{
    return is_api(request)
               ? http_response_jsonf(response, "{s:s}", "error", "not found")
               : http_response_text(response, "There is no such page.\n");
}

/* ---- is it well? ---- */

/* For a load balancer: one who cannot answer is not to be asked. */
static int health(struct http_request *request, struct http_response *response)
{
    struct hub_timeout timeout;
    PGresult *rows;
    int rc;

    (void)request;
    hub_timeout_begin(&timeout, hub_deadline(2 * HUB_SECOND));
    rc = pq_ask(blog_database, &rows, "SELECT 1", 0, NULL);
    if (rc == 0)
        PQclear(rows);
    hub_timeout_end(&timeout);
    return rc < 0 ? rc : http_response_text(response, "well\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    if (app == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    http_app_config_declare(app, options, sizeof options / sizeof *options);
    http_app_config_environment(app, "BLOG_");
    http_app_before_serving(app, http_view_sync(open_pools));
    http_app_before_request(app, http_view_sync(begin_timer));
    http_app_after_request(app, http_view_sync(end_timer));
    http_app_error_handler(app, -EHOSTDOWN, http_view_sync(away));
    http_app_error_handler(app, -ETIMEDOUT, http_view_sync(away));
    http_app_error_handler(app, 404, http_view_sync(not_found));
    http_app_set_timeout(app, 20 * HUB_SECOND);
    http_app_route(app, "GET", "/health", "health", http_view_sync(health));
    http_app_static(app, "/static", http_app_config_text(app, "STATIC"));
    blog_add_users(app);
    blog_add_posts(app);
    blog_add_pages(app);
    blog_add_feed(app);
    blog_add_home(app);
    http_app_after_serving(app, http_view_sync(close_pools));
    return http_app_run(app, argc, argv) < 0;
}
