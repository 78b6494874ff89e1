#include "blog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* The one text that PostgreSQL has made of the rows, as JSON; no row: 404. */
static int as_json(PGresult *rows, json_t **value)
{
    int rc = 404;

    if (PQntuples(rows) > 0 && !PQgetisnull(rows, 0, 0)) {
        *value = json_loads(PQgetvalue(rows, 0, 0), 0, NULL);
        rc = *value != NULL ? 0 : -EIO;
    }
    PQclear(rows);
    return rc;
}

int blog_list_posts(json_t **posts)
{
    PGresult *rows;
    int rc = pq_ask(
        blog_database, &rows,
        "SELECT coalesce(json_agg(row_to_json(p)), '[]') FROM (SELECT posts.id,"
        " title, name AS author FROM posts JOIN users ON users.id = author"
        " ORDER BY posts.id DESC LIMIT 50) p",
        0, NULL);

    return rc < 0 ? rc : as_json(rows, posts);
}

static int query_post(const char *id, json_t **post)
{
    PGresult *rows;
    int rc = pq_ask(
        blog_database, &rows,
        "SELECT json_build_object('id', p.id, 'title', title, 'body', p.body,"
        " 'author', u.name, 'comments', (SELECT coalesce(json_agg("
        "json_build_object('id', c.id, 'author', cu.name, 'body', c.body)"
        " ORDER BY c.id), '[]') FROM comments c JOIN users cu"
        " ON cu.id = c.author WHERE c.post = p.id))"
        " FROM posts p JOIN users u ON u.id = p.author WHERE p.id = $1",
        1, &id);

    return rc < 0 ? rc : as_json(rows, post);
}

/* ---- the cache ---- */

/* A post is kept for a minute, under a version that each change makes another: what
 * was read before a change is not kept behind it.  Without Redis there is no cache. */
static char *ask_text(const char *format, const char *id)
{
    redisReply *reply;
    char *text = NULL;

    if (redis_ask(blog_redis, &reply, format, id) < 0)
        return NULL;
    text = strdup(reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
    return text;
}

static void keep_post(const char *id, const char *version, const json_t *post)
{
    char *text = json_dumps(post, JSON_COMPACT);

    if (text == NULL)
        return;
    redis_tell(blog_redis,
               "EVAL %s 2 post:%s version:%s %s %s",
               "if (redis.call('GET', KEYS[2]) or '') == ARGV[1] then "
               "redis.call('SET', KEYS[1], ARGV[2], 'EX', 60) end return 1",
               id, id, version, text);
    free(text);
}

static void post_changed(struct http_app *app, const char *id)
{
    int rc = redis_tell(blog_redis, "EVAL %s 2 post:%s version:%s",
                        "redis.call('DEL', KEYS[1]) "
                        "redis.call('INCR', KEYS[2]) "
                        "return redis.call('EXPIRE', KEYS[2], 3600)",
                        id, id);

    if (rc < 0 && app != NULL)
        http_app_log(app, HTTP_APP_WARNING, "post %s is kept as it was: %s", id,
                     strerror(-rc));
}

int blog_read_post(const char *id, json_t **post)
{
    char *kept = ask_text("GET post:%s", id), *version;
    int rc;

    *post = kept != NULL && *kept != '\0' ? json_loads(kept, 0, NULL) : NULL;
    free(kept);
    if (*post != NULL)
        return 0;
    version = ask_text("GET version:%s", id);
    rc = query_post(id, post);
    if (rc == 0 && version != NULL)
        keep_post(id, version, *post);
    free(version);
    return rc;
}

/* ---- writing ---- */

/* The id that a command returns; no row: the other command finds it. */
static int insert(const char *command, const char *find, int count,
                  const char *const *values, char id[32])
{
    PGresult *rows;
    int rc = pq_ask(blog_database, &rows, command, count, values);

    if (rc == -EEXIST) /* the key was there already: values begin with both */
        rc = pq_ask(blog_database, &rows, find, 2, values);
    if (rc < 0)
        return rc;
    if (PQntuples(rows) == 0)
        rc = 404;
    else
        snprintf(id, 32, "%s", PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return rc;
}

int blog_add_post(const char *author, const char *title, const char *body,
                  const char *key, char id[32])
{
    const char *values[] = {author, key, title, body};

    return insert("INSERT INTO posts (author, key, title, body) "
                  "VALUES ($1, $2, $3, $4) RETURNING id",
                  "SELECT id FROM posts WHERE author = $1 AND key = $2", 4,
                  values, id);
}

int blog_add_comment(const char *post, const char *author, const char *body,
                     const char *key, char id[32])
{
    const char *values[] = {author, key, post, body};
    char task[32], task_key[48];
    int rc = insert("INSERT INTO comments (author, key, post, body) "
                    "SELECT $1, $2, id, $4 FROM posts WHERE id = $3 "
                    "RETURNING id",
                    "SELECT id FROM comments WHERE author = $1 AND key = $2", 4,
                    values, id);

    if (rc != 0)
        return rc;
    snprintf(task_key, sizeof task_key, "comment-%s", id);
    return taskqueue_add(&blog_queue, "mail", id, task_key, 0, task);
}

/* ---- views ---- */

static int list(struct http_request *request, struct http_response *response)
{
    json_t *posts;
    int rc = blog_list_posts(&posts);

    (void)request;
    return rc != 0 ? rc : http_response_json(response, posts);
}

static int read_one(struct http_request *request,
                    struct http_response *response)
{
    json_t *post;
    int rc = blog_read_post(http_request_path_arg(request, "id"), &post);

    return rc != 0 ? rc : http_response_json(response, post);
}

static int created(struct http_response *response, const char *id)
{
    http_response_set_status(response, 201);
    return http_response_jsonf(response, "{s:s}", "id", id);
}

static int add(struct http_request *request, struct http_response *response)
{
    const char *title, *body;
    json_t *value;
    char id[32];
    int rc = http_request_json(request, &value);

    if (rc < 0)
        return rc;
    if (json_unpack(value, "{s:s,s:s}", "title", &title, "body", &body) < 0)
        return 400;
    rc = blog_add_post(blog_user(request), title, body,
                       http_request_header(request, "Idempotency-Key"), id);
    if (rc != 0)
        return rc;
    blog_tell(http_request_app(request), "post", id, title);
    return created(response, id);
}

static int comment(struct http_request *request, struct http_response *response)
{
    const char *post = http_request_path_arg(request, "id"), *body;
    json_t *value;
    char id[32];
    int rc = http_request_json(request, &value);

    if (rc < 0)
        return rc;
    if (json_unpack(value, "{s:s}", "body", &body) < 0)
        return 400;
    rc = blog_add_comment(post, blog_user(request), body,
                          http_request_header(request, "Idempotency-Key"), id);
    post_changed(http_request_app(request), post);
    if (rc != 0)
        return rc;
    blog_tell(http_request_app(request), "comment", id, body);
    return created(response, id);
}

/* One's own; of others there is none. */
static int del(struct http_request *request, struct http_response *response)
{
    const char *values[] = {http_request_path_arg(request, "id"),
                            blog_user(request)};
    PGresult *rows;
    int rc = pq_ask(blog_database, &rows,
                    "DELETE FROM posts WHERE id = $1 AND author = $2 "
                    "RETURNING id",
                    2, values);

    (void)response;
    if (rc < 0)
        return rc;
    rc = PQntuples(rows) > 0 ? 204 : 404;
    PQclear(rows);
    post_changed(http_request_app(request), values[0]);
    return rc;
}

void blog_add_posts(struct http_app *app)
{
    const struct http_view_class all = {
        .get = http_view_sync(list),
        .post = blog_login_required(app, http_view_sync(add)),
    };
    const struct http_view_class one = {
        .get = http_view_sync(read_one),
        .del = blog_login_required(app, http_view_sync(del)),
    };

    http_app_route_class(app, NULL, "/api/posts", "posts", &all);
    http_app_route_class(app, NULL, "/api/posts/<int:id>", "post", &one);
    http_app_route(app, "POST", "/api/posts/<int:id>/comments", "comment",
                   blog_login_required(app, http_view_sync(comment)));
}
