#include "blog.h"

#include <string.h>

/* What a text means in HTML is its characters. */
static int write_escaped(struct http_response *response, const char *text)
{
    int rc = 0;

    for (; *text != '\0' && rc == 0; text++) {
        size_t plain = strcspn(text, "&<>\"'");

        rc = http_response_write(response, text, plain);
        text += plain;
        if (*text == '\0')
            break;
        if (rc == 0)
            rc = http_response_printf(response, "&#%d;", *text);
    }
    return rc;
}

static int begin(struct http_request *request, struct http_response *response,
                 const char *title)
{
    const char *name = http_request_session_get(request, "name");
    int rc;

    http_response_set_header(response, "Content-Type",
                             "text/html; charset=utf-8");
    http_response_printf(response,
                         "<!doctype html><html lang=en><title>%s</title>"
                         "<link rel=stylesheet href=/static/blog.css>"
                         "<h1>%s</h1><nav><a href=/>Posts</a> ",
                         title, title);
    if (name == NULL)
        return http_response_printf(response, "<a href=/login>Log in</a></nav>");
    rc = write_escaped(response, name);
    return rc < 0 ? rc
                  : http_response_printf(
                        response, " <form method=post action=/logout>"
                                  "<button>Log out</button></form></nav>");
}

static int write_posts(struct http_response *response, json_t *posts)
{
    const json_t *post;
    size_t i;
    int rc = http_response_printf(response, "<ul>");

    json_array_foreach(posts, i, post) {
        rc = http_response_printf(
            response, "<li><a href=/posts/%d>",
            (int)json_integer_value(json_object_get(post, "id")));
        if (rc == 0)
            rc = write_escaped(
                response, json_string_value(json_object_get(post, "title")));
        if (rc == 0)
            rc = http_response_printf(response, "</a></li>");
    }
    return rc < 0 ? rc : http_response_printf(response, "</ul>");
}

static int index_page(struct http_request *request,
                      struct http_response *response)
{
    json_t *posts;
    int rc = blog_list_posts(&posts);

    if (rc != 0)
        return rc;
    rc = begin(request, response, "Posts");
    if (rc == 0)
        rc = write_posts(response, posts);
    if (rc == 0)
        rc = http_response_printf(
            response,
            "<form method=post action=/posts><input name=title required>"
            "<textarea name=body required></textarea><button>Post</button>"
            "</form>");
    json_decref(posts);
    return rc;
}

static int write_comments(struct http_response *response, const json_t *post)
{
    const json_t *comment;
    size_t i;
    int rc = http_response_printf(response, "<ol>");

    json_array_foreach(json_object_get(post, "comments"), i, comment) {
        rc = http_response_printf(response, "<li>");
        if (rc == 0)
            rc = write_escaped(
                response, json_string_value(json_object_get(comment, "body")));
    }
    return rc < 0 ? rc : http_response_printf(response, "</ol>");
}

static int post_page(struct http_request *request,
                     struct http_response *response)
{
    json_t *post;
    int rc = blog_read_post(http_request_path_arg(request, "id"), &post);

    if (rc != 0)
        return rc;
    rc = begin(request, response, "A post");
    if (rc == 0)
        rc = http_response_printf(response, "<h2>");
    if (rc == 0)
        rc = write_escaped(response,
                           json_string_value(json_object_get(post, "title")));
    if (rc == 0)
        rc = http_response_printf(response, "</h2><p>");
    if (rc == 0)
        rc = write_escaped(response,
                           json_string_value(json_object_get(post, "body")));
    if (rc == 0)
        rc = write_comments(response, post);
    json_decref(post);
    return rc;
}

static int add_page(struct http_request *request,
                    struct http_response *response)
{
    const char *title, *body;
    char id[32], where[64];
    int rc = http_request_form(request);

    if (rc < 0)
        return rc;
    title = http_request_form_field(request, "title");
    body = http_request_form_field(request, "body");
    if (title == NULL || *title == '\0' || body == NULL)
        return 400;
    rc = blog_add_post(blog_user(request), title, body, NULL, id);
    if (rc != 0)
        return rc;
    blog_tell(http_request_app(request), "post", id, title);
    snprintf(where, sizeof where, "/posts/%s", id);
    return http_response_redirect(response, where, 303);
}

static int login_page(struct http_request *request,
                      struct http_response *response)
{
    static const char form[] =
        "<form method=post action=%s><input name=name required>"
        "<input name=password type=password minlength=8 required>"
        "<button>%s</button></form>";
    int rc = begin(request, response, "Log in");

    if (rc == 0)
        rc = http_response_printf(response, form, "/login", "Log in");
    return rc < 0 ? rc
                  : http_response_printf(response, form, "/register",
                                         "Register");
}

void blog_add_pages(struct http_app *app)
{
    http_app_route(app, "GET", "/", "index_page", http_view_sync(index_page));
    http_app_route(app, "GET", "/posts/<int:id>", "post_page",
                   http_view_sync(post_page));
    http_app_route(app, "POST", "/posts", "add_page",
                   blog_login_required(app, http_view_sync(add_page)));
    http_app_route(app, "GET", "/login", "login_page",
                   http_view_sync(login_page));
}
