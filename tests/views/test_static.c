/* Static files (V-32). */
#include "views.h"

#include "http/app/app_impl.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64], outside[64];
static struct http_testclient *client;

static void write_file(const char *base, const char *name, const char *text)
{
    char path[256];
    FILE *to;

    snprintf(path, sizeof path, "%s/%s", base, name);
    to = fopen(path, "w");
    ck_assert_ptr_nonnull(to);
    fputs(text, to);
    fclose(to);
}

static void link_to(const char *target, const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(symlink(target, path), 0);
}

static void make_folder(void)
{
    char path[256];

    strcpy(folder, "/tmp/vireo-static-XXXXXX");
    strcpy(outside, "/tmp/vireo-static-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_ptr_nonnull(mkdtemp(outside));
    snprintf(path, sizeof path, "%s/sub", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/fifo", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    write_file(folder, "page.html", "<p>page");
    write_file(folder, "sub/style.CSS", "p {}");
    write_file(folder, "sub/a b", "blank");
    write_file(folder, "none", "0123456789");
    write_file(outside, "secret", "secret");
    snprintf(path, sizeof path, "%s/secret", outside);
    link_to(path, "absolute");
    link_to("../../etc/passwd", "relative");
    link_to(outside, "folder");
}

static void remove_folder(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -r %s %s", folder, outside);
    ck_assert_int_eq(system(command), 0);
}

static const struct {
    const char *target;
    int status;
    const char *body;
} files[] = {
    {"/static/page.html", 200, "<p>page"},
    {"/static/sub/style.CSS", 200, "p {}"},
    {"/static/sub/a%20b", 200, "blank"},
    {"/static/sub%2fa%20b", 200, "blank"}, /* a path has slashes */
    {"/static/", 404, NULL},
    {"/static", 404, NULL},
    {"/static/sub", 404, NULL},
    {"/static/sub/", 404, NULL},
    {"/static/fifo", 404, NULL},
    {"/static/nothing", 404, NULL},
    {"/static/page.html/", 404, NULL},
    {"/static/page.html/x", 404, NULL},
    {"/static/../secret", 404, NULL},
    {"/static/sub/../../x", 404, NULL},
    {"/static/%2e%2e/x", 404, NULL},
    {"/static/..%2fx", 404, NULL},
    {"/static/sub%2f..%2f..%2fx", 404, NULL},
    {"/static//etc/passwd", 404, NULL},
    {"/static/%2fetc/passwd", 404, NULL},
    {"/static/page.html%00.png", 400, NULL},
    {"/static/absolute", 404, NULL},
    {"/static/relative", 404, NULL},
    {"/static/folder/secret", 404, NULL},
};

START_TEST(v32_files_below_the_folder_and_no_others)
    {
        http__test_without_openat2 = _i == 1;
        make_folder();
        http_app_static(app, "/static/", folder);
        ck_assert_int_eq(http_testclient_new(app, &client), 0);
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
            ck_assert_msg(http_testclient_get(client, files[i].target) ==
                              files[i].status,
                          "%s", files[i].target);
            if (files[i].body != NULL)
                ck_assert_str_eq(http_testclient_body(client, NULL),
                                 files[i].body);
        }
        http_testclient_free(client);
        remove_folder();
        http__test_without_openat2 = false;
        for (int i = 0; i < 5; i++)
            hub_sleep(0);
    }
END_TEST

START_TEST(v32_types_ranges_and_conditions)
    {
        char tag[64];

        make_folder();
        http_app_static(app, "", folder);
        ck_assert_int_eq(http_testclient_new(app, &client), 0);
        http_testclient_get(client, "/page.html");
        ck_assert_str_eq(http_testclient_header(client, "Content-Type"),
                         "text/html; charset=utf-8");
        http_testclient_get(client, "/sub/style.CSS");
        ck_assert_str_eq(http_testclient_header(client, "Content-Type"),
                         "text/css; charset=utf-8");
        http_testclient_get(client, "/none");
        ck_assert_str_eq(http_testclient_header(client, "Content-Type"),
                         "application/octet-stream");
        strcpy(tag, http_testclient_header(client, "ETag"));
        http_testclient_set_header(client, "Range", "bytes=2-4");
        ck_assert_int_eq(http_testclient_get(client, "/none"), 206);
        ck_assert_str_eq(http_testclient_body(client, NULL), "234");
        http_testclient_set_header(client, "Range", NULL);
        http_testclient_set_header(client, "If-None-Match", tag);
        ck_assert_int_eq(http_testclient_get(client, "/none"), 304);
        ck_assert_int_eq(
            http_testclient_request(client, "POST", "/none", NULL, NULL, 0),
            405);
        http_testclient_free(client);
        remove_folder();
        for (int i = 0; i < 5; i++)
            hub_sleep(0);
    }
END_TEST

START_TEST(v32_a_folder_that_is_not_there_is_an_error)
    {
        http_app_static(app, "/static", "/nowhere/at/all");
        ck_assert_int_eq(http_testclient_new(app, &client), 0);
        ck_assert_int_eq(http_testclient_get(client, "/static/x"), 500);
        http_testclient_free(client);
        for (int i = 0; i < 5; i++)
            hub_sleep(0);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_loop_test(tcase, v32_files_below_the_folder_and_no_others, 0, 2);
    tcase_add_test(tcase, v32_types_ranges_and_conditions);
    tcase_add_test(tcase, v32_a_folder_that_is_not_there_is_an_error);
    return unit_run("static", tcase);
}
