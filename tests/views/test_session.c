/* Sessions in a signed cookie (V-23). */
#include "views.h"

#include "http/app/app_impl.h"

static struct http_testclient *client;

static int session(struct http_request *request, struct http_response *response)
{
    const char *set = http_request_arg(request, "set");
    const char *value;
    int rc = 0;

    if (set != NULL)
        rc = http_request_session_set(request, "user", set);
    if (http_request_arg(request, "delete") != NULL)
        rc = http_request_session_set(request, "user", NULL);
    if (http_request_arg(request, "clear") != NULL)
        rc = http_request_session_clear(request);
    if (rc < 0)
        return http_response_printf(response, "error %d", rc);
    value = http_request_session_get(request, "user");
    return http_response_text(response, value != NULL ? value : "-");
}

static int unrelated(struct http_request *request,
                     struct http_response *response)
{
    (void)request;
    return http_response_text(response, "text");
}

static const char *asked(const char *target)
{
    ck_assert_int_eq(http_testclient_get(client, target), 200);
    return http_testclient_body(client, NULL);
}

#define OLD "old secret, 16 bytes"
#define NEW "new secret, 16 bytes"

static void with_secrets(const char *first, const char *second)
{
    const char *const secrets[] = {first, second};

    if (first != NULL)
        ck_assert_int_eq(
            http_app_set_secrets(app, secrets, second != NULL ? 2 : 1), 0);
    http_app_route(app, NULL, "/", "index", http_view_sync(session));
    http_app_route(app, NULL, "/other", "other", http_view_sync(unrelated));
    ck_assert_int_eq(http_testclient_new(app, &client), 0);
}

/* The same browser, another application. */
static void again(const char *first, const char *second)
{
    char cookie[4096];

    strcpy(cookie, http_testclient_cookie(client, "session"));
    http_testclient_free(client);
    http_app_free(app);
    views_begin();
    with_secrets(first, second);
    ck_assert_int_eq(http_testclient_set_cookie(client, "session", cookie), 0);
}

static void close_client(void)
{
    http_testclient_free(client);
    client = NULL;
    for (int i = 0; i < 5; i++)
        hub_sleep(0);
}

START_TEST(v23_a_session_comes_back)
    {
        with_secrets(NEW, NULL);
        ck_assert_str_eq(asked("/"), "-");
        ck_assert_str_eq(http_testclient_header(client, "Vary"), "Cookie");
        ck_assert_ptr_null(http_testclient_header(client, "Set-Cookie"));
        ck_assert_str_eq(asked("/?set=ada"), "ada");
        ck_assert_ptr_nonnull(
            strstr(http_testclient_header(client, "Set-Cookie"),
                   "; Path=/; Max-Age=2678400; HttpOnly; "
                   "SameSite=Lax"));
        ck_assert_str_eq(asked("/"), "ada");
        ck_assert_ptr_null(http_testclient_header(client, "Set-Cookie"));
        asked("/other");
        ck_assert_ptr_null(http_testclient_header(client, "Vary"));
        ck_assert_str_eq(asked("/?delete=1"), "-");
        ck_assert_ptr_null(http_testclient_cookie(client, "session"));
        asked("/?set=ada");
        ck_assert_str_eq(asked("/?clear=1"), "-");
        ck_assert_ptr_null(http_testclient_cookie(client, "session"));
        close_client();
    }
END_TEST

START_TEST(v23_what_is_changed_is_not_believed)
    {
        char cookie[512], bad[512];
        size_t length;

        with_secrets(NEW, NULL);
        asked("/?set=ada");
        strcpy(cookie, http_testclient_cookie(client, "session"));
        length = strlen(cookie);
        for (size_t i = 0; i < length; i++) {
            strcpy(bad, cookie);
            bad[i] = bad[i] == 'A' ? 'B' : 'A';
            http_testclient_set_cookie(client, "session", bad);
            ck_assert_str_eq(asked("/"), "-");
            strcpy(bad, cookie);
            bad[i] = '\0'; /* cut */
            http_testclient_set_cookie(client, "session", bad);
            ck_assert_str_eq(asked("/"), "-");
        }
        for (size_t i = 0; i < 3; i++) {
            static const char *const texts[] = {".", "..", "a.b.c"};

            http_testclient_set_cookie(client, "session", texts[i]);
            ck_assert_str_eq(asked("/"), "-");
        }
        snprintf(bad, sizeof bad, "%s=", cookie);
        http_testclient_set_cookie(client, "session", bad);
        ck_assert_str_eq(asked("/"), "-");
        close_client();
    }
END_TEST

START_TEST(v23_secrets_are_rotated)
    {
        with_secrets(OLD, NULL);
        asked("/?set=ada");
        again(NEW, OLD);
        ck_assert_str_eq(asked("/"), "ada");
        asked("/?set=bob"); /* signed with the new one */
        again(NEW, NULL);
        ck_assert_str_eq(asked("/"), "bob");
        again(OLD, NULL);
        ck_assert_str_eq(asked("/"), "-");
        close_client();
    }
END_TEST

START_TEST(v23_a_session_has_an_end)
    {
        const struct http_response_cookie how = {.max_age = 2,
                                                 .same_site = "Strict"};

        ck_assert_int_eq(http_app_set_session_cookie(app, "sid", &how), 0);
        with_secrets(NEW, NULL);
        asked("/?set=ada");
        ck_assert_ptr_nonnull(http_testclient_cookie(client, "sid"));
        ck_assert_str_eq(asked("/"), "ada");
        hub_sleep(3100 * HUB_MILLISECOND);
        ck_assert_str_eq(asked("/"), "-");
        close_client();
    }
END_TEST

START_TEST(v23_too_much_is_not_sent)
    {
        char target[5000] = "/?set=";

        memset(target + 6, 'x', 4000);
        with_secrets(NEW, NULL);
        asked(target);
        ck_assert_ptr_null(http_testclient_header(client, "Set-Cookie"));
        close_client();
    }
END_TEST

START_TEST(v23_what_is_no_text_is_not_kept)
    {
        char text[32];

        snprintf(text, sizeof text, "error %d", -EILSEQ);
        with_secrets(NEW, NULL);
        ck_assert_str_eq(asked("/?set=%ff"), text);
        ck_assert_ptr_null(http_testclient_header(client, "Set-Cookie"));
        ck_assert_str_eq(asked("/?set=%c3"), text); /* the half of one */
        ck_assert_str_eq(asked("/?set=%c3%bc"), "ü");
        ck_assert_str_eq(asked("/?set=%ff"), text);
        ck_assert_str_eq(asked("/"), "ü");
        close_client();
    }
END_TEST

START_TEST(v23_without_secrets_there_is_no_session)
    {
        char text[32];

        with_secrets(NULL, NULL);
        snprintf(text, sizeof text, "error %d", -ENOTSUP);
        ck_assert_str_eq(asked("/"), "-");
        ck_assert_str_eq(asked("/?set=ada"), text);
        ck_assert_str_eq(asked("/?clear=1"), text);
        close_client();
    }
END_TEST

START_TEST(v23_secrets_that_are_too_short_are_refused)
    {
        const char *const secrets[] = {NEW, "short"};

        ck_assert_int_eq(http_app_set_secrets(app, secrets, 0), -EINVAL);
        http_app_free(app);
        views_begin();
        ck_assert_int_eq(http_app_set_secrets(app, secrets, 2), -EINVAL);
        ck_assert_int_eq(http_app_set_session_cookie(app, "a b", NULL),
                         -EINVAL);
    }
END_TEST

START_TEST(v23_base64url_has_one_text_for_a_value)
    {
        static const char *const bad[] = {
            "A", "AB", "AAB", "A=", "AA==", "A+AA", "A/AA", "AAAA\n"};
        unsigned char bytes[16];
        char text[32];

        for (size_t size = 0; size <= 9; size++) {
            size_t length =
                http__base64url_encode(text, "\xff\0\x7fxyz\xfe\xfd!", size);

            ck_assert_int_eq(http__base64url_decode(bytes, text, length),
                             (int)size);
            ck_assert_mem_eq(bytes, "\xff\0\x7fxyz\xfe\xfd!", size);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            ck_assert_int_eq(
                http__base64url_decode(bytes, bad[i], strlen(bad[i])), -EINVAL);
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v23_a_session_comes_back);
    tcase_add_test(tcase, v23_what_is_changed_is_not_believed);
    tcase_add_test(tcase, v23_secrets_are_rotated);
    tcase_add_test(tcase, v23_a_session_has_an_end);
    tcase_add_test(tcase, v23_too_much_is_not_sent);
    tcase_add_test(tcase, v23_what_is_no_text_is_not_kept);
    tcase_add_test(tcase, v23_without_secrets_there_is_no_session);
    tcase_add_test(tcase, v23_secrets_that_are_too_short_are_refused);
    tcase_add_test(tcase, v23_base64url_has_one_text_for_a_value);
    return unit_run("session", tcase);
}
