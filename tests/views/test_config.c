/* Options of an application (V-37). */
#include "views.h"

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

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v37_options_come_from_a_file_and_the_environment);
    tcase_add_loop_test(tcase, v37_what_is_no_option_or_value_is_refused, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(tcase, v37_declarations_that_are_none_are_refused);
    return unit_run("config", tcase);
}
