/* The client session over TLS: whom it believes, whom it shows itself to, and servers
 * that go away. */
#include "client_server.h"

#include "../hub/certificates.h"

#include <openssl/err.h>

static struct http_session *session;
static struct http_reply *reply;

static void open_with(const struct http_session_options *options)
{
    http_session_free(session);
    ck_assert_int_eq(http_session_new(options, &session), 0);
}

static bool answers(struct asked *asked)
{
    char text[64];

    snprintf(text, sizeof text, "%u.%u", asked->connection, asked->request);
    return test_text(asked, text) && strcmp(asked->path, "/close") != 0;
}

static void setup(void)
{
    hub_yield();
    test_tls = hub_tls_context_new(HUB_TLS_SERVER);
    ck_assert_int_eq(hub_tls_use_certificate(test_tls, good_file, NULL), 0);
    session = NULL;
    test_serve(answers);
}

static void teardown(void)
{
    http_session_free(session);
    test_serve_end();
    hub_tls_context_unref(test_tls);
    test_tls = NULL;
    ERR_clear_error();
}

static int get(const char *path)
{
    int rc = http_session_get(session, test_url(path), &reply);

    if (rc == 0)
        http_reply_free(reply);
    return rc;
}

START_TEST(a_certificate_of_a_trusted_authority_is_good)
{
    struct http_session_options options = { .ca_file = ca_file };

    open_with(&options);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(get("/"), 0);
    ck_assert_uint_eq(test_connections, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(get("/close"), 0);
    hub_sleep(MS);
    ck_assert_int_eq(get("/"), 0);
}
END_TEST

START_TEST(others_are_not_unless_that_was_said)
{
    struct http_session_options options = { .ca_file = NULL };

    open_with(&options); /* the system's authorities know nothing of it */
    ck_assert_int_eq(get("/"), -EKEYREJECTED);
    ck_assert_str_ne(http_session_error(session), "");
    options.flags = HTTP_SESSION_INSECURE;
    open_with(&options);
    ck_assert_int_eq(get("/"), 0);
    options = (struct http_session_options){ .ca_file = "/nowhere/ca.pem" };
    open_with(&options);
    ck_assert_int_eq(get("/"), -ENOENT);
}
END_TEST

START_TEST(the_name_must_be_right)
{
    struct http_session_options options = { .ca_file = ca_file };
    char url[64];

    open_with(&options);
    ck_assert_int_eq(get("/"), 0);
    snprintf(url, sizeof url, "https://localhost:%d/", test_port);
    ck_assert_int_eq(http_session_get(session, url, &reply), -EKEYREJECTED);
}
END_TEST

START_TEST(a_server_may_ask_for_our_certificate)
{
    struct http_session_options options = { .ca_file = ca_file,
                                            .certificate = good_file };

    ck_assert_int_eq(hub_tls_trust(test_tls, ca_file, NULL), 0);
    ck_assert_int_eq(hub_tls_set_verify(test_tls, HUB_TLS_VERIFY_REQUIRED), 0);
    open_with(&options);
    ck_assert_int_eq(get("/"), 0);
    options.certificate = NULL;
    open_with(&options);
    ck_assert_int_lt(get("/"), 0);
    options.certificate = "/nowhere/mine.pem";
    open_with(&options);
    ck_assert_int_eq(get("/"), -ENOENT);
}
END_TEST

/* It has closed; what we write then must raise no SIGPIPE. */
static bool goes_away(struct asked *asked)
{
    shutdown(asked->fd, SHUT_RDWR);
    return false;
}

static ssize_t gives(void *buffer, size_t size, void *data)
{
    int *pieces = data;
    int rc = hub_sleep(MS);

    memset(buffer, 'x', size);
    return rc < 0 ? rc : (*pieces)-- > 0 ? (ssize_t)size : 0;
}

START_TEST(a_server_that_goes_away_is_an_error_and_no_signal)
{
    struct http_session_options options = { .ca_file = ca_file };
    int pieces = 100;
    struct http_session_request request = { .upload = gives,
                                            .upload_data = &pieces };

    test_answer = goes_away;
    test_read_bodies = false;
    open_with(&options);
    ck_assert_int_lt(get("/"), 0);
    request.url = test_url("/");
    ck_assert_int_lt(http_session_request(session, &request, &reply), 0);
    test_answer = answers;
    test_read_bodies = true;
    ck_assert_int_eq(get("/"), 0);
}
END_TEST

static bool half(struct asked *asked)
{
    test_say(asked, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    shutdown(asked->fd, SHUT_RDWR); /* no end was announced */
    return false;
}

START_TEST(half_a_body_is_an_error)
{
    struct http_session_options options = { .ca_file = ca_file };

    test_answer = half;
    open_with(&options);
    ck_assert_int_eq(get("/"), -ECONNRESET);
}
END_TEST

static void asks(void *arg)
{
    *(int *)arg = get("/");
}

/* The handshake too is cut off at any moment. */
START_TEST(a_kill_ends_a_request_at_any_moment)
{
    struct http_session_options options = { .ca_file = ca_file };
    bool over = false;

    for (int turns = 0; !over; turns++) {
        struct greenlet *g;
        int rc = 1;

        open_with(&options);
        g = hub_spawn_raw(asks, &rc);
        hub_yield();
        for (int i = 0; i < turns && !hub_ready(g); i++)
            hub_sleep(1);
        over = hub_ready(g);
        hub_kill(g);
        ck_assert_int_eq(hub_join(g, SOON), 0);
        greenlet_unref(g);
        ck_assert_int_eq(rc, over ? 0 : -ECANCELED);
        ck_assert_uint_eq(http_session_active(session, NULL), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();
    int failed;

    make_certificates();
    hub_sleep(1);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_certificate_of_a_trusted_authority_is_good);
    tcase_add_test(tcase, others_are_not_unless_that_was_said);
    tcase_add_test(tcase, the_name_must_be_right);
    tcase_add_test(tcase, a_server_may_ask_for_our_certificate);
    tcase_add_test(tcase, a_server_that_goes_away_is_an_error_and_no_signal);
    tcase_add_test(tcase, half_a_body_is_an_error);
    tcase_add_test(tcase, a_kill_ends_a_request_at_any_moment);
    failed = unit_run("client_tls", tcase);
    remove_certificates();
    return failed;
}
