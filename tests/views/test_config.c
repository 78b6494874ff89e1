/* Options of an application (V-37), and of its hub (V-39). */
#include "views.h"

#include "hub/config.h"

#include <unistd.h>

static const struct http_app_option options[] = {
    {.name = "NAME", .initial = "shop"},
    {.name = "PAGE", .type = HTTP_APP_NUMBER, .least = 1, .most = 100},
    {.name = "ANY", .type = HTTP_APP_NUMBER},
    {.name = "OPEN", .type = HTTP_APP_BOOLEAN, .initial = "yes"},
    {.name = "SECRETS", .type = HTTP_APP_SECRETS},
};
enum { COUNT = sizeof options / sizeof *options };

static char path[64];

static int from_file(const char *text)
{
    int fd, rc;

    strcpy(path, "/tmp/vireo-config-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    rc = http_app_config_file(app, path);
    unlink(path);
    return rc;
}

START_TEST(v37_options_come_from_a_file_and_the_environment)
    {
        ck_assert_int_eq(http_app_config_declare(app, options, COUNT), 0);
        ck_assert_str_eq(http_app_config_text(app, "NAME"), "shop");
        ck_assert_int_eq(http_app_config_number(app, "PAGE", 7), 7);
        ck_assert(http_app_config_boolean(app, "OPEN", false));
        ck_assert_int_eq(
            from_file("# a comment\n\n NAME = my = shop \r\nPAGE=20\n"
                      "OPEN = Off\n"
                      "SECRETS = new-secret-of-16 old-secret-of-16"),
            0);
        ck_assert_str_eq(http_app_config_text(app, "NAME"), "my = shop");
        ck_assert_int_eq(http_app_config_number(app, "PAGE", 7), 20);
        ck_assert_str_eq(http_app_config_text(app, "PAGE"), "20");
        ck_assert(!http_app_config_boolean(app, "OPEN", true));
        ck_assert_ptr_null(http_app_config_text(app, "SECRETS"));
        setenv("SHOP_PAGE", "30", 1);
        ck_assert_int_eq(http_app_config_environment(app, "SHOP_"), 0);
        ck_assert_int_eq(http_app_config_number(app, "PAGE", 7), 30);
        setenv("SHOP_PAGE", "300", 1);
        ck_assert_int_eq(http_app_config_environment(app, "SHOP_"), -EINVAL);
        unsetenv("SHOP_PAGE");
        ck_assert_int_eq(http_app_config_number(app, "NAME", 7), 7);
        ck_assert_int_eq(http_app_config_number(app, "NOBODY", 7), 7);
        ck_assert_ptr_null(http_app_config_text(app, "NOBODY"));
    }
END_TEST

static const struct {
    const char *text;
    int error;
    const char *why;
} refused[] = {
    {"NAME", -EINVAL, ":1: "},
    {"\nNOBODY = 1", -ENOENT, ":2: NOBODY"},
    {"PAGE = 0", -EINVAL, "PAGE"},
    {"PAGE = 101", -EINVAL, "PAGE"},
    {"PAGE = 1x", -EINVAL, "PAGE"},
    {"PAGE =", -EINVAL, "PAGE"},
    {"ANY = 99999999999999999999", -EINVAL, "ANY"},
    {"ANY = +1", -EINVAL, "ANY"},
    {"OPEN = 2", -EINVAL, "OPEN"},
    {"SECRETS = short", -EINVAL, "secrets"},
    {"SECRETS =", -EINVAL, "secrets"},
};

START_TEST(v37_what_is_no_option_or_value_is_refused)
    {
        const char *why;

        http_app_config_declare(app, options, COUNT);
        ck_assert_int_eq(from_file(refused[_i].text), refused[_i].error);
        ck_assert_int_eq(http_app_error(app, &why), refused[_i].error);
        ck_assert_msg(strstr(why, refused[_i].why) != NULL, "%s", why);
        ck_assert_ptr_null(strstr(why, "short:"));
        ck_assert_int_eq(http_app_config_set(app, "NAME", "x"),
                         refused[_i].error);
    }
END_TEST

START_TEST(v37_declarations_that_are_none_are_refused)
    {
        const struct http_app_option bad = {.name = "name"};

        ck_assert_int_eq(http_app_config_declare(app, &bad, 1), -EINVAL);
        http_app_free(app);
        views_begin();
        http_app_config_declare(app, options, 1);
        ck_assert_int_eq(http_app_config_declare(app, options, 1), -EEXIST);
        http_app_free(app);
        views_begin();
        ck_assert_int_eq(http_app_config_file(app, "/nowhere/at/all"), -ENOENT);
        http_app_free(app);
        views_begin();
        ck_assert_int_eq(http_app_config_set(app, "NOBODY", "1"), -ENOENT);
    }
END_TEST

/* ---- V-39 ---- */

static int tells(struct http_request *request, struct http_response *response)
{
    char text[64];

    hub_config_get(http_request_path_arg(request, "name"), text, sizeof text);
    return http_response_text(response, text);
}

static int changes(struct http_request *request,
                   struct http_response *response)
{
    int rc = hub_config_set(http_request_path_arg(request, "name"),
                            http_request_arg(request, "to"));

    (void)response;
    return rc == -EINVAL ? 400 : rc == -ENOENT ? 404 : rc;
}

START_TEST(v39_options_of_the_hub_are_read_and_set_by_views)
    {
        ck_assert_int_eq(setenv("VIREO_MAX_BLOCKING_TIME", "250ms", 1), 0);
        hub_config_reset("max_blocking_time");
        http_app_route(app, NULL, "/<name>", "tells", http_view_sync(tells));
        http_app_route(app, "PUT", "/<name>", "changes",
                       http_view_sync(changes));
        views_serve();
        ck_answer(ask("/max_blocking_time"), 200, "0.25");
        ck_answer(ask_with("PUT", "/max_blocking_time?to=1.5", "", ""), 200,
                  "");
        ck_answer(ask("/max_blocking_time"), 200, "1.5");
        ck_assert_int_eq(hub_config_number(HUB_OPTION_MAX_BLOCKING_TIME),
                         1500 * HUB_MILLISECOND);
        ck_assert_ptr_nonnull(strstr(
            ask_with("PUT", "/max_blocking_time?to=soon", "", ""), " 400 "));
        ck_assert_ptr_nonnull(
            strstr(ask_with("PUT", "/nobody?to=1", "", ""), " 404 "));
        ck_answer(ask("/max_blocking_time"), 200, "1.5");
        ck_assert_int_eq(unsetenv("VIREO_MAX_BLOCKING_TIME"), 0);
        hub_config_reset("max_blocking_time");
        ck_answer(ask("/max_blocking_time"), 200, "0.1");
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v37_options_come_from_a_file_and_the_environment);
    tcase_add_loop_test(tcase, v37_what_is_no_option_or_value_is_refused, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(tcase, v37_declarations_that_are_none_are_refused);
    tcase_add_test(tcase, v39_options_of_the_hub_are_read_and_set_by_views);
    return unit_run("config", tcase);
}
