/* What a request says: arguments, forms, files, JSON, cookies (V-19); and
 * answers (V-20). */
#include "views.h"

#include <jansson.h>

/* ---- arguments ---- */

static int args(struct http_request *request, struct http_response *response)
{
    const char *name, *value;
    int rc = http_request_args(request);

    if (rc < 0)
        return rc;
    for (size_t i = 0; (name = http_request_arg_at(request, i, &value)) != NULL;
         i++)
        http_response_printf(response, "%s=%s|", name, value);
    value = http_request_arg(request, "q");
    return http_response_printf(response, "%s", value != NULL ? value : "-");
}

static const struct {
    const char *query;
    int status;
    const char *body;
} queries[] = {
    {"", 200, "-"},
    {"?", 200, "-"},
    {"?q=1", 200, "q=1|1"},
    {"?q=a+b%2B%26&q=2", 200, "q=a b+&|q=2|a b+&"},
    {"?q", 200, "q=|"},
    {"?a=b=c&&d&", 200, "a=b=c|d=|-"},
    {"?=x", 200, "=x|-"},
    {"?%71=x", 200, "q=x|x"},
    {"?q=%", 400, NULL},
    {"?q=%4", 400, NULL},
    {"?a=1&q=%zz", 400, NULL},
    {"?q=%00", 400, NULL},
};

START_TEST(v19_arguments_of_the_query)
    {
        http_app_route(app, NULL, "/", "index", http_view_sync(args));
        views_serve();
        for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
            char path[64];
            const char *answer;

            snprintf(path, sizeof path, "/%s", queries[i].query);
            answer = ask(path);
            ck_assert_msg(serve_status(answer) == queries[i].status, "%s: %s",
                          path, answer);
            if (queries[i].body != NULL)
                ck_assert_str_eq(serve_body(answer), queries[i].body);
        }
    }
END_TEST

START_TEST(v19_more_than_1000_arguments_are_too_many)
    {
        static char path[4096];

        strcpy(path, "/?");
        for (int i = 0; i < 1001; i++)
            strcat(path, "a&");
        http_app_route(app, NULL, "/", "index", http_view_sync(args));
        views_serve();
        ck_assert_int_eq(serve_status(ask(path)), 413);
        path[strlen(path) - 2] = '\0';
        ck_assert_int_eq(serve_status(ask(path)), 200);
    }
END_TEST

/* ---- forms ---- */

static int form(struct http_request *request, struct http_response *response)
{
    const struct http_form_file *file;
    const char *name, *value;
    int rc = http_request_form(request);

    ck_assert_int_eq(http_request_form(request), rc);
    if (rc < 0)
        return rc;
    for (size_t i = 0;
         (name = http_request_form_at(request, i, &value)) != NULL; i++)
        http_response_printf(response, "%s=%s|", name, value);
    for (size_t i = 0; (file = http_request_file_at(request, i)) != NULL; i++) {
        http_response_printf(response, "%s:%s:%s:", file->field, file->name,
                             file->content_type);
        http_response_write(response, file->data, file->size);
        http_response_write(response, "|", 1);
        ck_assert_ptr_nonnull(http_request_file(request, file->field));
    }
    return 0;
}

#define MULTI      "multipart/form-data; boundary=B"
#define URLENCODED "application/x-www-form-urlencoded"
#define FIELD(name) \
    "--B\r\nContent-Disposition: form-data; name=" name "\r\n\r\n"

static const struct {
    const char *type, *body;
    int status;
    const char *seen;
} forms[] = {
    {URLENCODED, "a=1&b=x+y%21", 200, "a=1|b=x y!|"},
    {URLENCODED "; charset=utf-8", "", 200, ""},
    {URLENCODED, "a=%", 400, NULL},
    {"text/plain", "a=1", 415, NULL},
    {"application/x-www-form-urlencodedx", "a=1", 415, NULL},
    {MULTI, FIELD("\"a\"") "1\r\n" FIELD("b") "\r\n--B--\r\n", 200, "a=1|b=|"},
    {MULTI, FIELD("\"a\"") "x\r\n--Bx\r\n--B--", 400, NULL},
    {MULTI, FIELD("\"a\"") "x\r\n-B\r\n--B--", 200, "a=x\r\n-B|"},
    {"multipart/form-data; x=\"boundary=Z;\"; boundary=\"B\"",
     FIELD("\"a;b\"") "1\r\n--B--", 200, "a;b=1|"},
    {MULTI,
     "--B\r\ncontent-disposition: FORM-DATA; filename=\"x;\\\"y.txt\"; "
     "name=f\r\nContent-Type: text/plain\r\nX: y\r\n\r\nline\r\n\r\n--B--\r\n",
     200, "f:x;\"y.txt:text/plain:line\r\n|"},
    {MULTI,
     "--B\r\nContent-Disposition: form-data; name=f; filename=\"\"\r\n\r\n"
     "\r\n--B--\r\n",
     200, "f::application/octet-stream:|"},
    {MULTI, "--B--\r\n", 200, ""},
    {MULTI, "", 400, NULL},
    {MULTI, "x\r\n--B--", 400, NULL},              /* a preamble */
    {MULTI, "--B--\r\nx", 400, NULL},              /* an epilogue */
    {MULTI, FIELD("a") "1\r\n--B\r\n", 400, NULL}, /* no end */
    {MULTI, FIELD("a") "1\r\n--B", 400, NULL},
    {MULTI, FIELD("a") "1", 400, NULL},
    {MULTI, "--B\r\n\r\n1\r\n--B--", 400, NULL}, /* without a name */
    {MULTI, "--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--", 400,
     NULL},
    {MULTI, "--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--B--",
     400, NULL},
    {MULTI, "--B\r\nX\r\n\r\n1\r\n--B--", 400, NULL},
    {MULTI, "--B\nContent-Disposition: form-data; name=a\n\n1\n--B--", 400,
     NULL},
    {"multipart/form-data", FIELD("a") "1\r\n--B--", 400, NULL},
    {"multipart/form-data; boundary=", FIELD("a") "1\r\n--B--", 400, NULL},
    {"multipart/form-data; boundary=\"B\x01\"", "", 400, NULL},
    {"multipart/mixed; boundary=B", FIELD("a") "1\r\n--B--", 415, NULL},
};

START_TEST(v19_forms_and_files)
    {
        http_app_route(app, "POST", "/", "index", http_view_sync(form));
        views_serve();
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            char type[128];
            const char *answer;

            if (strchr(forms[i].type, 1) != NULL)
                continue;
            snprintf(type, sizeof type, "Content-Type: %s\r\n", forms[i].type);
            answer = ask_with("POST", "/", type, forms[i].body);
            ck_assert_msg(serve_status(answer) == forms[i].status, "%zu: %s", i,
                          answer);
            if (forms[i].seen != NULL)
                ck_assert_str_eq(serve_body(answer), forms[i].seen);
        }
        ck_assert_uint_eq(serve_reports, 0);
    }
END_TEST

static int limited(struct http_request *request, struct http_response *response)
{
    http_request_set_body_limit(request, 10);
    return form(request, response);
}

START_TEST(v19_a_form_that_is_too_long_is_413)
    {
        http_app_route(app, "POST", "/", "index", http_view_sync(limited));
        views_serve();
        ck_assert_int_eq(
            serve_status(ask_with(
                "POST", "/", "Content-Type: " URLENCODED "\r\n", "a=12345678")),
            200);
        ck_assert_int_eq(serve_status(ask_with(
                             "POST", "/", "Content-Type: " URLENCODED "\r\n",
                             "a=123456789")),
                         413);
    }
END_TEST

/* ---- JSON ---- */

static int echo(struct http_request *request, struct http_response *response)
{
    json_t *value, *again;
    int rc = http_request_json(request, &value);

    ck_assert_int_eq(http_request_json(request, &again), rc);
    ck_assert_ptr_eq(value, again);
    if (rc < 0)
        return rc;
    return http_response_json(response, json_incref(value));
}

static int tells(struct http_request *request, struct http_response *response)
{
    const char *why = http_request_json_error(request);

    return http_response_text(response, why != NULL ? why : "");
}

static const struct {
    const char *type, *body;
    int status;
    const char *seen;
} texts[] = {
    {"application/json", "{\"a\": [1, 2.5, null]}", 200,
     "{\"a\":[1,2.5,null]}"},
    {"application/json; charset=utf-8", " \"x\" ", 200, "\"x\""},
    {"application/problem+json", "1", 200, "1"},
    {"text/json", "1", 415, ""},
    {"application/jsonx", "1", 415, ""},
    {"application/json", "", 400, "line 1, column 0: "},
    {"application/json", "{\"a\":\n 1,}", 400, "line 2, column 4: "},
    {"application/json", "1 2", 400, "line 1, column 3: "},
    {"application/json", "{\"a\":1,\"a\":2}", 400, "line 1"},
    {"application/json", "\"\\u0000\"", 400, "line 1"},
    {"application/json", "\"\xff\"", 400, "line 1"},
    {"application/json", "[\"[[[[\\\"[\"]", 200, "[\"[[[[\\\"[\"]"},
};

START_TEST(v19_json_is_read_and_what_is_none_is_refused)
    {
        http_app_route(app, "POST", "/", "index", http_view_sync(echo));
        http_app_error_handler(app, 400, http_view_sync(tells));
        http_app_error_handler(app, 415, http_view_sync(tells));
        views_serve();
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            char type[128];
            const char *answer;

            snprintf(type, sizeof type, "Content-Type: %s\r\n", texts[i].type);
            answer = ask_with("POST", "/", type, texts[i].body);
            ck_assert_msg(serve_status(answer) == texts[i].status, "%zu: %s", i,
                          answer);
            ck_assert_msg(strncmp(serve_body(answer), texts[i].seen,
                                  strlen(texts[i].seen)) == 0,
                          "%zu: %s", i, answer);
        }
        ck_assert_int_eq(serve_status(ask_with("POST", "/", "", "1")), 415);
    }
END_TEST

START_TEST(v19_json_is_64_deep_at_most)
    {
        char text[160] = "";

        http_app_route(app, "POST", "/", "index", http_view_sync(echo));
        http_app_error_handler(app, 400, http_view_sync(tells));
        views_serve();
        for (int i = 0; i < 64; i++)
            strcat(text, "[");
        for (int i = 0; i < 64; i++)
            strcat(text, "]");
        ck_answer(
            ask_with("POST", "/", "Content-Type: application/json\r\n", text),
            200, text);
        text[64] = '[';
        ck_answer(
            ask_with("POST", "/", "Content-Type: application/json\r\n", text),
            400, "line 1, column 65: nested deeper than 64");
    }
END_TEST

/* ---- cookies ---- */

static int cookies(struct http_request *request, struct http_response *response)
{
    static const char *const names[] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = http_request_cookie(request, names[i]);

        http_response_printf(response, "%s=%s|", names[i],
                             value != NULL ? value : "-");
    }
    return 0;
}

START_TEST(v19_cookies_as_they_came)
    {
        http_app_route(app, NULL, "/", "index", http_view_sync(cookies));
        views_serve();
        ck_answer(ask_with("GET", "/",
                           "Cookie: a=1; b=\"x y\";c=;=z; junk; a=2\r\n"
                           "Cookie: d=e=f\r\n",
                           NULL),
                  200, "a=1|b=\"x y\"|c=|d=e=f|");
        ck_answer(ask("/"), 200, "a=-|b=-|c=-|d=-|");
    }
END_TEST

static int sets(struct http_request *request, struct http_response *response)
{
    static const struct http_response_cookie bad[] = {
        {.same_site = "None"}, {.same_site = "lazy"}, {.path = "x"},
        {.path = "/;x"},       {.domain = "a;b"},     {.path = "/\x01"},
    };
    static const struct http_response_cookie all = {.path = "/p",
                                                    .domain = "example.org",
                                                    .max_age = 60,
                                                    .same_site = "None",
                                                    .secure = true,
                                                    .http_only = true};
    static const struct http_response_cookie gone = {.max_age = -1};

    (void)request;
#define SET(...) http_response_set_cookie(response, __VA_ARGS__)
    ck_assert_int_eq(SET("a b", "1", NULL), -EINVAL);
    ck_assert_int_eq(SET("", "1", NULL), -EINVAL);
    ck_assert_int_eq(SET("a", "1;2", NULL), -EINVAL);
    ck_assert_int_eq(SET("a", "1 2", NULL), -EINVAL);
    ck_assert_int_eq(SET("a", "\xe4", NULL), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(SET("a", "1", &bad[i]), -EINVAL);
    ck_assert_int_eq(SET("a", "1", NULL), 0);
    ck_assert_int_eq(SET("b", "2", &all), 0);
    ck_assert_int_eq(SET("c", "", &gone), 0);
    return 0;
}

START_TEST(v20_cookies_are_set_with_their_flags)
    {
        const char *answer;

        http_app_route(app, NULL, "/", "index", http_view_sync(sets));
        views_serve();
        answer = ask("/");
        ck_assert_int_eq(serve_status(answer), 200);
        ck_assert(has_field(answer, "Set-Cookie: a=1; Path=/"));
        ck_assert(has_field(answer,
                            "Set-Cookie: b=2; Path=/p; Domain=example.org; "
                            "Max-Age=60; Secure; HttpOnly; SameSite=None"));
        ck_assert(has_field(answer,
                            "Set-Cookie: c=; Path=/; Max-Age=0; Expires="
                            "Thu, 01 Jan 1970 00:00:00 GMT"));
    }
END_TEST

/* ---- answers ---- */

static int redirects(struct http_request *request,
                     struct http_response *response)
{
    (void)request;
    ck_assert_int_eq(http_response_redirect(response, "/x", 200), -EINVAL);
    ck_assert_int_eq(http_response_redirect(response, "", 302), -EINVAL);
    ck_assert_int_eq(http_response_redirect(response, "/a b", 302), -EINVAL);
    ck_assert_int_eq(http_response_redirect(response, "/\r\nX: y", 302),
                     -EINVAL);
    ck_assert_int_eq(http_response_redirect(response, "/ü", 302), -EINVAL);
    http_response_text(response, "gone");
    return http_response_redirect(response, "/there?a=b", 303);
}

START_TEST(v20_redirects)
    {
        const char *answer;

        http_app_route(app, NULL, "/", "index", http_view_sync(redirects));
        views_serve();
        answer = ask("/");
        ck_answer(answer, 303, "");
        ck_assert(has_field(answer, "Location: /there?a=b"));
    }
END_TEST

/* What a look-up found nothing for is given on, unseen. */
static int gives_on(struct http_request *request,
                    struct http_response *response)
{
    const char *none = http_request_arg(request, "q");

    ck_assert_ptr_null(none);
    ck_assert_int_eq(http_response_text(response, none), -EINVAL);
    ck_assert_int_eq(http_response_set_header(response, "X-Q", none), -EINVAL);
    ck_assert_int_eq(http_response_add_header(response, "X-Q", none), -EINVAL);
    ck_assert_int_eq(http_response_set_cookie(response, "q", none, NULL),
                     -EINVAL);
    ck_assert_int_eq(http_response_send_from(response, "/", none), -EINVAL);
    return http_response_redirect(
        response, http_request_url_for(request, "nowhere", NULL), 303);
}

START_TEST(v20_a_text_that_is_not_there_is_an_error)
    {
        http_app_route(app, NULL, "/", "index", http_view_sync(gives_on));
        views_serve();
        ck_answer(ask("/"), 500, "500 Internal Server Error\n");
    }
END_TEST

static int packs(struct http_request *request, struct http_response *response)
{
    (void)request;
    ck_assert_int_eq(http_response_jsonf(response, "{s:s}", "a", NULL),
                     -EINVAL);
    ck_assert_int_eq(
        http_response_jsonf(response, "{s:o}", "a", json_string("x"), "b"), 0);
    ck_assert_int_eq(http_response_json(response, NULL), -EINVAL);
    ck_assert_int_eq(http_response_jsonf(response, "{s:s}", "a", "\xff"),
                     -EILSEQ);
    ck_assert_int_eq(http_response_jsonf(response, "{s:s}", "\xff", "a"),
                     -EILSEQ);
    ck_assert_int_eq(http_response_jsonf(response, "!"), -EINVAL);
    http_response_text(response, "before");
    ck_assert_int_eq(http_response_jsonf(response, "[i,s]", 1, "ü\n"), 0);
    return 201;
}

START_TEST(v20_json_replaces_the_body)
    {
        const char *answer;

        http_app_route(app, NULL, "/", "index", http_view_sync(packs));
        views_serve();
        answer = ask("/");
        ck_answer(answer, 201, "[1,\"ü\\n\"]");
        ck_assert(has_field(answer, "Content-Type: application/json"));
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v19_arguments_of_the_query);
    tcase_add_test(tcase, v19_more_than_1000_arguments_are_too_many);
    tcase_add_test(tcase, v19_forms_and_files);
    tcase_add_test(tcase, v19_a_form_that_is_too_long_is_413);
    tcase_add_test(tcase, v19_json_is_read_and_what_is_none_is_refused);
    tcase_add_test(tcase, v19_json_is_64_deep_at_most);
    tcase_add_test(tcase, v19_cookies_as_they_came);
    tcase_add_test(tcase, v20_cookies_are_set_with_their_flags);
    tcase_add_test(tcase, v20_redirects);
    tcase_add_test(tcase, v20_a_text_that_is_not_there_is_an_error);
    tcase_add_test(tcase, v20_json_replaces_the_body);
    return unit_run("data", tcase);
}
