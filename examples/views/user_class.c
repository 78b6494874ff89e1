/* user_class.c - a class of views: users in memory, by GET, POST, PUT and
 * DELETE
 *
 * usage: user_class [--bind ADDRESS]... */
#include <vireo/http.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

/* One hub, and no wait in between: nobody sees it half changed. */
static json_t *users; /* {id: {...}} */
static int last;

static int list(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_json(response, json_incref(users));
}

static int get(struct http_request *request, struct http_response *response)
{
    json_t *user = json_object_get(users, http_request_path_arg(request, "id"));

    return user == NULL ? 404 : http_response_json(response, json_incref(user));
}

static int post(struct http_request *request, struct http_response *response)
{
    json_t *body;
    char id[16];
    int rc = http_request_json(request, &body);

    if (rc < 0)
        return rc;
    snprintf(id, sizeof id, "%d", ++last);
    if (json_object_set(users, id, body) != 0)
        return -ENOMEM;
    http_response_set_status(response, 201);
    return http_response_jsonf(response, "{s:s}", "id", id);
}

/* An async one among sync ones. */
static int put(struct http_request *request, struct http_response *response,
               struct hub_scope *scope)
{
    const char *id = http_request_path_arg(request, "id");
    json_t *body;
    int rc = http_request_json(request, &body);

    (void)scope;
    if (rc < 0)
        return rc;
    if (json_object_get(users, id) == NULL)
        return 404;
    if (json_object_set(users, id, body) != 0)
        return -ENOMEM;
    return http_response_json(response, json_incref(body));
}

static int del(struct http_request *request, struct http_response *response)
{
    (void)response;
    return json_object_del(users, http_request_path_arg(request, "id")) == 0
               ? 204
               : 404;
}

int main(int argc, char **argv)
{
    const struct http_view_class all = {.get = http_view_sync(list),
                                        .post = http_view_sync(post)};
    const struct http_view_class one = {.get = http_view_sync(get),
                                        .put = http_view_async(put),
                                        .del = http_view_sync(del)};
    struct http_app *app = http_app_new();
    int rc;

    users = json_object();
    http_app_route_class(app, NULL, "/users", "users", &all);
    http_app_route_class(app, NULL, "/users/<int:id>", "user", &one);
    rc = http_app_run(app, argc, argv);
    json_decref(users);
    return rc < 0;
}
