/* Rules: converters, methods, defaults, slashes, blueprints, url_for (V-21,
 * V-04). */
#include "views.h"

static int show(struct http_request *request, struct http_response *response)
{
    static const char *const names[] = {"a", "b", "id", "rest", "page"};

    http_response_printf(response, "%s", http_request_endpoint(request));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (http_request_path_arg(request, names[i]) != NULL)
            http_response_printf(response, " %s=%s", names[i],
                                 http_request_path_arg(request, names[i]));
    return 0;
}

static void add(const char *rule, const char *endpoint)
{
    http_app_route(app, "GET", rule, endpoint, http_view_sync(show));
}

static const struct {
    const char *path;
    int status;
    const char *body;
} converted[] = {
    {"/", 200, "root"},
    {"/s/x", 200, "string a=x"},
    {"/s/a%20b%41", 200, "string a=a bA"},
    {"/s/%2f", 404, NULL}, /* a slash is no part of a string */
    {"/s/", 404, NULL},
    {"/s/x/y", 404, NULL},
    {"/s/%zz", 400, NULL},
    {"/s/%0", 400, NULL},
    {"/s/%00", 400, NULL},
    {"/i/0", 200, "int id=0"},
    {"/i/0012", 200, "int id=0012"},
    {"/i/9223372036854775807", 200, "int id=9223372036854775807"},
    {"/n/9223372036854775808", 404, NULL},
    {"/n/99999999999999999999999", 404, NULL},
    {"/n/-1", 404, NULL},
    {"/n/1.5", 404, NULL},
    {"/i/x", 200, "word a=x"}, /* the next rule that matches */
    {"/f/1.5", 200, "float a=1.5"},
    {"/f/1", 404, NULL},
    {"/f/.5", 404, NULL},
    {"/f/1.", 404, NULL},
    {"/f/1.5.2", 404, NULL},
    {"/u/00000000-1111-2222-aAbB-0123456789ef", 200,
     "uuid a=00000000-1111-2222-aAbB-0123456789ef"},
    {"/u/00000000-1111-2222-aAbB-0123456789e", 404, NULL},
    {"/u/00000000_1111-2222-aAbB-0123456789ef", 404, NULL},
    {"/p/x", 200, "path rest=x"},
    {"/p/x/y/z", 200, "path rest=x/y/z"},
    {"/p/x/y/", 200, "path rest=x/y/"},
    {"/p/x%2fy", 200, "path rest=x/y"},
    {"/p//x", 404, NULL},
    {"/p/x/y/edit", 200, "edit rest=x/y"},
    {"/img-7.png", 200, "image id=7"},
    {"/img-x.png", 404, NULL},
    {"/img-7.pngx", 404, NULL},
    {"/r/ab-cd", 200, "range a=ab b=cd"},
    {"/r/a-b-c", 200, "range a=a b=b-c"},
    {"/r/-b", 404, NULL},
    {"/i/7/more", 200, "more id=7"},
    {"/p/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", 200,
     "path rest=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"},
    {"/p/1/2/3/4/5/6/7/8/9/10/11/12/13/14/1%35/1%36/17/18/19/20/21/22/23/24/25/26/"
     "27/28/29/30/31/32/33/34/edit",
     200,
     "edit rest=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/"
     "26/27/28/29/30/31/32/33/34"},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", 404, NULL},
    {"/nothing", 404, NULL},
    {"//", 404, NULL},
};

START_TEST(v21_converters_take_what_they_say)
    {
        add("/", "root");
        add("/s/<a>", "string");
        add("/i/<string:a>", "word");
        add("/i/<int:id>", "int");
        add("/n/<int:id>", "number");
        add("/i/<int:id>/more", "more");
        add("/f/<float:a>", "float");
        add("/u/<uuid:a>", "uuid");
        add("/p/<path:rest>", "path");
        add("/p/<path:rest>/edit", "edit");
        add("/img-<int:id>.png", "image");
        add("/r/<a>-<b>", "range");
        views_serve();
        for (size_t i = 0; i < sizeof converted / sizeof *converted; i++) {
            const char *answer = ask(converted[i].path);

            ck_assert_msg(serve_status(answer) == converted[i].status, "%s: %s",
                          converted[i].path, answer);
            if (converted[i].body != NULL)
                ck_assert_str_eq(serve_body(answer), converted[i].body);
        }
    }
END_TEST

static const struct {
    const char *methods, *rule, *endpoint;
    int error;
    const char *why; /* a part of it */
} refused[] = {
    {"GET", "x", "e", -EINVAL, "slash"},
    {"GET", "/<x", "e", -EINVAL, "without its >"},
    {"GET", "/x>", "e", -EINVAL, "without its <"},
    {"GET", "/<>", "e", -EINVAL, "no name"},
    {"GET", "/<1x>", "e", -EINVAL, "no name"},
    {"GET", "/<a><b>", "e", -EINVAL, "between"},
    {"GET", "/<a>/<a>", "e", -EINVAL, "twice"},
    {"GET", "/<date:a>", "e", -EINVAL, "converter"},
    {"GET", "/x<path:a>", "e", -EINVAL, "slashes"},
    {"GET", "//x", "e", -EINVAL, "two slashes"},
    {"GRAB", "/", "e", -EINVAL, "method"},
    {"GET POST", "/", "e", -EINVAL, "method"},
    {"GET,", "/", "e", -EINVAL, "method"},
    {"GET", "/", "a.b", -EINVAL, "dot"},
    {"GET", "/", NULL, -EINVAL, "endpoint"},
    {"GET", NULL, "e", -EINVAL, "rule"},
};

START_TEST(v21_a_rule_that_is_none_is_refused_and_the_error_sticks)
    {
        const char *why;

        ck_assert_int_eq(http_app_route(app, refused[_i].methods,
                                        refused[_i].rule, refused[_i].endpoint,
                                        http_view_sync(show)),
                         refused[_i].error);
        add("/good", "good");
        ck_assert_int_eq(http_app_error(app, &why), refused[_i].error);
        ck_assert_msg(strstr(why, refused[_i].why) != NULL, "%s", why);
        ck_assert_msg(strstr(why, "test_routing.c:") != NULL, "%s", why);
    }
END_TEST

/* What fails here says here, whatever was registered elsewhere before. */
#define ck_sticks_here(call)                                               \
    do {                                                                   \
        char here_[64];                                                    \
        const char *why_ = "nothing";                                      \
        shop = http_blueprint_new(app, "shop", NULL);                      \
        http_app_at("elsewhere.c", 1);                                     \
        call;                                                              \
        snprintf(here_, sizeof here_, "test_routing.c:%d: ", __LINE__);    \
        http_app_error(app, &why_);                                        \
        ck_assert_msg(strstr(why_, here_) != NULL, "%s: %s", #call, why_); \
        http_app_free(app);                                                \
        views_begin();                                                     \
    } while (0)

START_TEST(v21_the_error_says_the_line_of_what_failed)
    {
        const struct http_app_option bad = {.name = "name"};
        const struct http_response_cookie cookie = {.path = "no slash"};
        const struct http_view none = {0};
        struct http_blueprint *shop;

        ck_sticks_here(http_app_route(app, NULL, "x", "x", none));
        ck_sticks_here(http_app_static(app, "x", "/"));
        ck_sticks_here(http_app_before_request(app, none));
        ck_sticks_here(http_app_after_request(app, none));
        ck_sticks_here(http_app_teardown_request(app, none));
        ck_sticks_here(http_app_before_serving(app, none));
        ck_sticks_here(http_app_after_serving(app, none));
        ck_sticks_here(http_app_error_handler(app, 200, none));
        ck_sticks_here(http_app_set_secrets(app, NULL, 0));
        ck_sticks_here(http_app_set_session_cookie(app, "a b", &cookie));
        ck_sticks_here(http_app_set_status(app, "x"));
        ck_sticks_here(http_app_config_declare(app, &bad, 1));
        ck_sticks_here(http_app_config_file(app, "/nowhere/at/all"));
        ck_sticks_here(http_app_config_set(app, "NO", "x"));
        ck_sticks_here(http_view_wrap(app, none, NULL, NULL));
        ck_sticks_here(http_blueprint_new(app, "a.b", NULL));
        ck_sticks_here(http_blueprint_before_request(shop, none));
        ck_sticks_here(http_blueprint_after_request(shop, none));
        ck_sticks_here(http_blueprint_teardown_request(shop, none));
        ck_sticks_here(http_blueprint_error_handler(shop, 200, none));
    }
END_TEST

static int other(struct http_request *request, struct http_response *response)
{
    return http_response_printf(response, "other %s",
                                http_request_verb(request));
}

START_TEST(v21_two_rules_of_one_path_and_method_clash)
    {
        add("/x", "x");
        ck_assert_int_eq(
            http_app_route(app, "GET", "/x", "y", http_view_sync(other)),
            -EEXIST);
    }
END_TEST

START_TEST(v21_an_endpoint_has_one_view)
    {
        add("/x", "x");
        add("/y", "x");
        ck_assert_int_eq(http_app_error(app, NULL), 0);
        ck_assert_int_eq(
            http_app_route(app, "GET", "/z", "x", http_view_sync(other)),
            -EEXIST);
    }
END_TEST

START_TEST(v21_methods_405_head_and_options)
    {
        const char *answer;

        add("/x", "x");
        http_app_route(app, "POST, DELETE", "/x", "y", http_view_sync(other));
        http_app_route(app, "OPTIONS", "/own", "own", http_view_sync(other));
        views_serve();
        ck_answer(ask("/x"), 200, "x");
        ck_answer(ask_with("DELETE", "/x", "", NULL), 200, "other DELETE");
        answer = ask_with("HEAD", "/x", "", NULL);
        ck_answer(answer, 200, "");
        ck_assert(has_field(answer, "Content-Length: 1"));
        answer = ask_with("PUT", "/x", "", NULL);
        ck_answer(answer, 405, "405 Method Not Allowed\n");
        ck_assert(has_field(answer, "Allow: GET, HEAD, POST, DELETE, OPTIONS"));
        answer = ask_with("OPTIONS", "/x", "", NULL);
        ck_answer(answer, 200, "");
        ck_assert(has_field(answer, "Allow: GET, HEAD, POST, DELETE, OPTIONS"));
        ck_answer(ask_with("OPTIONS", "/own", "", NULL), 200, "other OPTIONS");
        ck_assert_int_eq(serve_status(ask_with("PROPFIND", "/x", "", NULL)),
                         405);
        ck_assert_int_eq(serve_status(ask_with("OPTIONS", "/y", "", NULL)),
                         404);
    }
END_TEST

START_TEST(v21_slashes_at_the_end)
    {
        const struct http_app_route any = {.rule = "/any",
                                           .endpoint = "any",
                                           .view = http_view_sync(show),
                                           .any_slash = true};
        const char *answer;

        add("/leaf", "leaf");
        add("/folder/", "folder");
        add("/<int:id>/", "number");
        http_app_route_with(app, &any);
        views_serve();
        ck_assert_int_eq(serve_status(ask("/leaf/")), 404);
        ck_answer(ask("/folder/"), 200, "folder");
        answer = ask("/folder?a=b");
        ck_assert_int_eq(serve_status(answer), 308);
        ck_assert(has_field(answer, "Location: /folder/?a=b"));
        answer = ask("/7");
        ck_assert(has_field(answer, "Location: /7/"));
        ck_assert_int_eq(serve_status(ask_with("POST", "/folder", "", NULL)),
                         404);
        ck_answer(ask("/any"), 200, "any");
        ck_answer(ask("/any/"), 200, "any");
    }
END_TEST

static int number(struct http_request *request, struct http_response *response)
{
    int64_t value = 0;

    ck_assert_int_eq(http_request_path_int(request, "none", &value), -ENOENT);
    ck_assert_int_eq(http_request_path_int(request, "a", &value), -EINVAL);
    ck_assert_int_eq(http_request_path_int(request, "id", &value), 0);
    return http_response_printf(response, "%lld", (long long)value);
}

START_TEST(v21_arguments_as_numbers_and_defaults)
    {
        const struct http_app_default defaults[] = {{"page", "1"}};
        struct http_app_route route = {.rule = "/list",
                                       .endpoint = "list",
                                       .view = http_view_sync(show),
                                       .defaults = defaults,
                                       .default_count = 1};

        http_app_route(app, NULL, "/n/<a>/<int:id>", "n",
                       http_view_sync(number));
        http_app_route_with(app, &route);
        add("/list/<int:page>", "list");
        views_serve();
        ck_answer(ask("/n/x/42"), 200, "42");
        ck_answer(ask("/list"), 200, "list page=1");
        ck_answer(ask("/list/2"), 200, "list page=2");
    }
END_TEST

static int urls(struct http_request *request, struct http_response *response)
{
#define URL(...)                                                       \
    do {                                                               \
        const char *url_ = http_request_url_for(request, __VA_ARGS__); \
        http_response_printf(response, "%s\n", url_ ? url_ : "-");     \
    } while (0)
    URL("user", "id", "7", NULL);
    URL("user", "id", "x", NULL);
    URL("user", NULL);
    URL("user", "id", "7", "q", "a b&c", "r", "", NULL);
    URL("file", "rest", "a/b c", NULL);
    URL("string", "a", "ü/?", NULL);
    URL("folder", NULL);
    URL("list", "page", "1", NULL);
    URL("list", "page", "2", NULL);
    URL("nobody", NULL);
    URL(".inner", NULL);
    return 0;
}

START_TEST(v21_url_for_fills_in_rules)
    {
        const struct http_app_default defaults[] = {{"page", "1"}};
        struct http_app_route route = {.rule = "/list",
                                       .endpoint = "list",
                                       .view = http_view_sync(show),
                                       .defaults = defaults,
                                       .default_count = 1};
        struct http_blueprint *blueprint =
            http_blueprint_new(app, "admin", "/admin");

        add("/users/<int:id>", "user");
        add("/files/<path:rest>", "file");
        add("/s/<a>", "string");
        add("/folder/", "folder");
        http_app_route_with(app, &route);
        add("/list/<int:page>", "list");
        http_blueprint_route(blueprint, NULL, "/urls", "urls",
                             http_view_sync(urls));
        http_blueprint_route(blueprint, NULL, "/inner", "inner",
                             http_view_sync(show));
        views_serve();
        ck_answer(ask("/admin/urls"), 200,
                  "/users/7\n-\n-\n/users/7?q=a%20b%26c&r=\n/files/a/b%20c\n-\n"
                  "/folder/\n/list\n/list/2\n-\n/admin/inner\n");
    }
END_TEST

static int before_admin(struct http_request *request,
                        struct http_response *response)
{
    (void)request;
    return http_response_set_header(response, "X-Admin", "1");
}

static int admin_404(struct http_request *request,
                     struct http_response *response)
{
    (void)request;
    return http_response_text(response, "no such admin");
}

static int fails_404(struct http_request *request,
                     struct http_response *response)
{
    (void)request;
    (void)response;
    return 404;
}

START_TEST(v21_blueprints_have_prefixes_hooks_and_handlers_of_their_own)
    {
        struct http_blueprint *admin =
            http_blueprint_new(app, "admin", "/admin");

        add("/x", "x");
        http_blueprint_route(admin, "GET", "/x", "x", http_view_sync(show));
        http_blueprint_route(admin, "GET", "/", "index", http_view_sync(show));
        http_blueprint_route(admin, "GET", "/no", "no",
                             http_view_sync(fails_404));
        http_blueprint_before_request(admin, http_view_sync(before_admin));
        http_blueprint_error_handler(admin, 404, http_view_sync(admin_404));
        views_serve();
        ck_answer(ask("/x"), 200, "x");
        ck_assert(!has_field(ask("/x"), "X-Admin: 1"));
        ck_answer(ask("/admin/x"), 200, "admin.x");
        ck_assert(has_field(ask("/admin/x"), "X-Admin: 1"));
        ck_answer(ask("/admin/"), 200, "admin.index");
        ck_answer(ask("/admin/no"), 404, "no such admin");
        ck_answer(ask("/no"), 404, "404 Not Found\n");
    }
END_TEST

START_TEST(v21_a_blueprint_that_is_none_is_refused)
    {
        const char *why;

        ck_assert_ptr_null(http_blueprint_new(app, "a.b", NULL));
        ck_assert_int_eq(http_app_error(app, &why), -EINVAL);
        ck_assert_int_eq(
            http_blueprint_route(NULL, "GET", "/", "x", http_view_sync(show)),
            -EINVAL);
        ck_assert_int_eq(
            http_blueprint_before_request(NULL, http_view_sync(show)), -EINVAL);
    }
END_TEST

static int scoped(struct http_request *request, struct http_response *response,
                  struct hub_scope *scope)
{
    ck_assert_uint_eq(hub_scope_count(scope), 0);
    return http_response_printf(response, "async %s",
                                http_request_verb(request));
}

START_TEST(v04_a_class_has_a_view_for_each_method_sync_or_async)
    {
        const struct http_view_class users = {.get = http_view_sync(other),
                                              .post = http_view_async(scoped),
                                              .del = http_view_async(scoped)};
        const char *answer;

        http_app_route_class(app, NULL, "/users", "users", &users);
        http_app_route_class(app, "GET", "/users/<int:id>", "users", &users);
        views_serve();
        ck_answer(ask("/users/7"), 200, "other GET");
        answer = ask_with("DELETE", "/users/7", "", NULL);
        ck_assert(has_field(answer, "Allow: GET, HEAD, OPTIONS"));
        ck_answer(ask("/users"), 200, "other GET");
        ck_answer(ask_with("POST", "/users", "", NULL), 200, "async POST");
        ck_answer(ask_with("DELETE", "/users", "", NULL), 200, "async DELETE");
        answer = ask_with("HEAD", "/users", "", NULL);
        ck_answer(answer, 200, "");
        ck_assert(has_field(answer, "Content-Length: 10"));
        answer = ask_with("PUT", "/users", "", NULL);
        ck_assert_int_eq(serve_status(answer), 405);
        ck_assert(has_field(answer, "Allow: GET, HEAD, POST, DELETE, OPTIONS"));
    }
END_TEST

START_TEST(v04_a_class_without_views_is_refused)
    {
        const struct http_view_class none = {.get = {0}};

        ck_assert_int_eq(http_app_route_class(app, NULL, "/x", "x", &none),
                         -EINVAL);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v21_converters_take_what_they_say);
    tcase_add_loop_test(tcase,
                        v21_a_rule_that_is_none_is_refused_and_the_error_sticks,
                        0, sizeof refused / sizeof *refused);
    tcase_add_test(tcase, v21_the_error_says_the_line_of_what_failed);
    tcase_add_test(tcase, v21_two_rules_of_one_path_and_method_clash);
    tcase_add_test(tcase, v21_an_endpoint_has_one_view);
    tcase_add_test(tcase, v21_methods_405_head_and_options);
    tcase_add_test(tcase, v21_slashes_at_the_end);
    tcase_add_test(tcase, v21_arguments_as_numbers_and_defaults);
    tcase_add_test(tcase, v21_url_for_fills_in_rules);
    tcase_add_test(
        tcase, v21_blueprints_have_prefixes_hooks_and_handlers_of_their_own);
    tcase_add_test(tcase, v21_a_blueprint_that_is_none_is_refused);
    tcase_add_test(tcase, v04_a_class_has_a_view_for_each_method_sync_or_async);
    tcase_add_test(tcase, v04_a_class_without_views_is_refused);
    return unit_run("routing", tcase);
}
