/* The client session: requests, answers, kept connections, redirects
 * (V-35). */
#include "client_server.h"

static struct http_session *session;
static struct http_reply *reply;

static void open_with(const struct http_session_options *options)
{
    ck_assert_int_eq(http_session_new(options, &session), 0);
}

static void setup(void)
{
    open_with(NULL);
}

static void teardown(void)
{
    http_session_free(session);
    session = NULL;
    test_serve_end();
}

static int get(const char *path)
{
    return http_session_get(session, test_url(path), &reply);
}

/* ---- one request ---- */

static char seen_head[8192], seen_body[65536];

static bool remembers(struct asked *asked)
{
    strcpy(seen_head, asked->head);
    memcpy(seen_body, asked->body, asked->body_size + 1);
    return test_reply(asked, 200, "X-One: a\r\nX-one:  b \r\nEmpty:\r\n", "hello",
                      5);
}

START_TEST(a_get_gives_status_fields_and_body)
{
    const char *name, *value;
    size_t size = 0;

    test_serve(remembers);
    ck_assert_int_eq(get("/a?b=c#d"), 0);
    ck_assert_int_eq(http_reply_status(reply), 200);
    ck_assert_str_eq(http_reply_body(reply, &size), "hello");
    ck_assert_uint_eq(size, 5);
    ck_assert_str_eq(http_reply_header(reply, "x-ONE", 0), "a");
    ck_assert_str_eq(http_reply_header(reply, "X-One", 1), "b");
    ck_assert_ptr_null(http_reply_header(reply, "X-One", 2));
    ck_assert_ptr_null(http_reply_header(reply, "X-Two", 0));
    ck_assert_str_eq(http_reply_header(reply, "Empty", 0), "");
    ck_assert_int_eq(http_reply_field(reply, 0, &name, &value), 0);
    ck_assert_str_eq(name, "Content-Length");
    ck_assert_str_eq(value, "5");
    ck_assert_int_eq(http_reply_field(reply, 3, &name, &value), 0);
    ck_assert_int_eq(http_reply_field(reply, 4, &name, &value), -ENOENT);
    ck_assert_uint_eq(http_reply_redirects(reply), 0);
    http_reply_free(reply);
    ck_assert_ptr_eq(strstr(seen_head, "GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"),
                     seen_head);
    ck_assert_ptr_nonnull(strstr(seen_head, "\r\nUser-Agent: vireo/"));
    ck_assert_ptr_nonnull(strstr(seen_head, "\r\nAccept-Encoding: "));
}
END_TEST

START_TEST(a_reply_outlives_its_session)
{
    test_serve(remembers);
    ck_assert_int_eq(get("/"), 0);
    http_session_free(session);
    session = NULL;
    ck_assert_str_eq(test_body(reply), "hello");
    ck_assert_str_eq(http_reply_header(reply, "X-One", 0), "a");
    ck_assert_str_eq(http_reply_url(reply), test_url("/"));
    http_reply_free(reply);
}
END_TEST

START_TEST(a_post_sends_its_body_and_type)
{
    test_serve(remembers);
    ck_assert_int_eq(http_session_post(session, test_url("/p"), "text/x", "a\0b",
                                       3, &reply), 0);
    http_reply_free(reply);
    ck_assert_ptr_eq(strstr(seen_head, "POST /p HTTP/1.1\r\n"), seen_head);
    ck_assert_ptr_nonnull(strstr(seen_head, "\r\nContent-Length: 3\r\n"));
    ck_assert_ptr_nonnull(strstr(seen_head, "\r\nContent-Type: text/x\r\n"));
    ck_assert_ptr_null(strcasestr(seen_head, "\r\nExpect:"));
    ck_assert_mem_eq(seen_body, "a\0b", 4);
    ck_assert_int_eq(http_session_post(session, test_url("/p"), NULL, NULL, 0,
                                       &reply), 0);
    http_reply_free(reply);
    ck_assert_ptr_nonnull(strstr(seen_head, "\r\nContent-Length: 0\r\n"));
    ck_assert_ptr_null(strcasestr(seen_head, "\r\nContent-Type:"));
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

static const char *const methods[] = { "GET",    "POST",  "PUT", "DELETE",
                                       "OPTIONS", "PATCH", "PURGE" };

START_TEST(a_method_and_fields_are_sent_as_they_are)
{
    static const char *const fields[] = { "X-Mine: 1", "Empty:", "Empty2: \t",
                                          "Host: other", "Accept: x/y",
                                          "Authorization: me", NULL };
    struct http_session_request request = { .method = methods[_i],
                                            .headers = fields };
    char line[64];

    test_serve(remembers);
    request.url = test_url("/");
    for (int body = 0; body < 2; body++) {
        request.body = body ? "body" : NULL;
        request.body_size = body ? 4 : 0;
        ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
        http_reply_free(reply);
        snprintf(line, sizeof line, "%s / HTTP/1.1\r\nHost: other\r\n",
                 methods[_i]);
        ck_assert_ptr_eq(strstr(seen_head, line), seen_head);
        ck_assert_ptr_nonnull(strstr(seen_head, "\r\nX-Mine: 1\r\n"));
        ck_assert_ptr_nonnull(strstr(seen_head, "\r\nEmpty:\r\n"));
        ck_assert_ptr_nonnull(strstr(seen_head, "\r\nEmpty2:\r\n"));
        ck_assert_ptr_nonnull(strstr(seen_head, "\r\nAccept: x/y\r\n"));
        ck_assert_ptr_nonnull(strstr(seen_head, "\r\nAuthorization: me\r\n"));
        ck_assert_str_eq(seen_body, body ? "body" : "");
    }
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

static bool answers_head(struct asked *asked)
{
    return test_say(asked, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}

START_TEST(a_head_has_no_body)
{
    struct http_session_request request = { .method = "HEAD" };

    test_serve(answers_head);
    request.url = test_url("/");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
        ck_assert_str_eq(test_body(reply), "");
        ck_assert_str_eq(http_reply_header(reply, "Content-Length", 0), "1000");
        http_reply_free(reply);
    }
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *url, *method, *field;
    int error;
} refused[] = {
    { NULL, NULL, NULL, -EINVAL },
    { "", NULL, NULL, -EINVAL },
    { "/path", NULL, NULL, -EINVAL },
    { "http://", NULL, NULL, -EINVAL },
    { "http://a b/", NULL, NULL, -EINVAL },
    { "http://127.0.0.1:1/a b", NULL, NULL, -EINVAL },
    { "http://127.0.0.1:1/\r\nX: y", NULL, NULL, -EINVAL },
    { "http://127.0.0.1:99999/", NULL, NULL, -EINVAL },
    { "file:///etc/passwd", NULL, NULL, -EPROTONOSUPPORT },
    { "ftp://127.0.0.1:1/", NULL, NULL, -EPROTONOSUPPORT },
    { "what://127.0.0.1:1/", NULL, NULL, -EPROTONOSUPPORT },
    { "http://127.0.0.1:1/", "", NULL, -EINVAL },
    { "http://127.0.0.1:1/", "GE T", NULL, -EINVAL },
    { "http://127.0.0.1:1/", "GET\r\nX: y", NULL, -EINVAL },
    { "http://127.0.0.1:1/", NULL, "no colon", -EINVAL },
    { "http://127.0.0.1:1/", NULL, ": no name", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "A : b", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "A: b\r\nC: d", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "A: b\nC: d", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "A: \x01", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "Content-Length: 5", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "transfer-encoding: chunked", -EINVAL },
    { "http://127.0.0.1:1/", NULL, "Upgrade: x", -EINVAL },
    { "http://127.0.0.1:1/", NULL, NULL, -ECONNREFUSED },
    { "http://no-such-name.invalid/", NULL, NULL, -ENOENT },
};

START_TEST(what_cannot_be_asked_for_is_refused)
{
    const char *fields[] = { refused[_i].field, NULL };
    struct http_session_request request = { .url = refused[_i].url,
                                            .method = refused[_i].method,
                                            .headers = fields };

    test_serve(remembers);
    reply = (void *)1;
    ck_assert_int_eq(http_session_request(session, &request, &reply),
                     refused[_i].error);
    ck_assert_ptr_null(reply);
    ck_assert_str_ne(http_session_error(session), "");
    ck_assert_uint_eq(http_session_active(session, NULL), 0);
}
END_TEST

/* ---- connections ---- */

static bool counts(struct asked *asked)
{
    char text[64];

    snprintf(text, sizeof text, "%u.%u", asked->connection, asked->request);
    test_text(asked, text);
    return strcmp(asked->path, "/close") != 0;
}

START_TEST(a_connection_is_used_again)
{
    test_serve(counts);
    for (unsigned i = 1; i <= 5; i++) {
        char text[64];

        ck_assert_int_eq(get("/"), 0);
        snprintf(text, sizeof text, "1.%u", i);
        ck_assert_str_eq(test_body(reply), text);
        http_reply_free(reply);
    }
}
END_TEST

/* The server closes a kept connection, which we notice, or not, before the next
 * request. */
START_TEST(a_connection_that_the_server_has_closed_is_replaced)
{
    test_serve(counts);
    for (unsigned i = 1; i <= 5; i++) {
        char text[64];

        ck_assert_int_eq(get("/close"), 0);
        snprintf(text, sizeof text, "%u.1", i);
        ck_assert_str_eq(test_body(reply), text);
        http_reply_free(reply);
        if (_i == 1)
            hub_sleep(5 * MS);
    }
    ck_assert_int_eq(http_session_post(session, test_url("/close"), NULL, "x", 1,
                                       &reply), 0);
    http_reply_free(reply);
}
END_TEST

/* The second request on a connection is read, and nothing said. */
static bool falls_silent(struct asked *asked)
{
    return asked->request == 1 && test_text(asked, "once");
}

START_TEST(a_request_on_a_kept_connection_goes_out_again_if_that_does_no_harm)
{
    struct http_session_request request = { .method = "PUT", .body = "body",
                                            .body_size = 4 };

    test_serve(falls_silent);
    request.url = test_url("/");
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    http_reply_free(reply);
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    http_reply_free(reply);
    ck_assert_uint_eq(test_requests, 3);
    request.method = "POST";
    ck_assert_int_eq(http_session_request(session, &request, &reply),
                     -ECONNRESET);
    ck_assert_uint_eq(test_requests, 4);
    ck_assert_str_ne(http_session_error(session), "");
}
END_TEST

START_TEST(a_connection_that_was_idle_for_too_long_is_not_used)
{
    struct http_session_options options = { .idle_timeout = HUB_SECOND };

    http_session_free(session);
    open_with(&options);
    test_serve(counts);
    ck_assert_int_eq(get("/"), 0);
    http_reply_free(reply);
    hub_sleep(2100 * MS);
    ck_assert_int_eq(get("/"), 0);
    ck_assert_str_eq(test_body(reply), "2.1");
    http_reply_free(reply);
}
END_TEST

START_TEST(a_name_is_looked_up_by_the_hub)
{
    char url[64];

    test_serve(counts);
    snprintf(url, sizeof url, "http://localhost:%d/", test_port);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(http_session_get(session, url, &reply), 0);
        http_reply_free(reply);
    }
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

/* ---- redirects ---- */

static char path_log[1024];
static int elsewhere; /* a port */

static bool redirects(struct asked *asked)
{
    char fields[256];
    int status = 0, to = 0;

    snprintf(path_log + strlen(path_log), sizeof path_log - strlen(path_log),
             "%s %s %s;", asked->method, asked->path, asked->body);
    if (sscanf(asked->path, "/%d/%d", &status, &to) < 1)
        return test_text(asked, asked->body_size > 0 ? asked->body : "there");
    snprintf(fields, sizeof fields, "Location: /%s\r\n", to > 0 ? "" : "end");
    if (to > 0)
        snprintf(fields, sizeof fields, "Location: /%d/%d\r\n", status, to - 1);
    return test_reply(asked, status, fields, "moved", 5);
}

static const struct {
    int status;
    const char *method, *log;
} moved[] = {
    { 301, "GET", "GET /301 ;GET /end ;" },
    { 302, "GET", "GET /302 ;GET /end ;" },
    { 303, "GET", "GET /303 ;GET /end ;" },
    { 307, "GET", "GET /307 ;GET /end ;" },
    { 308, "GET", "GET /308 ;GET /end ;" },
    { 301, "POST", "POST /301 b;GET /end ;" },
    { 302, "POST", "POST /302 b;GET /end ;" },
    { 303, "POST", "POST /303 b;GET /end ;" },
    { 307, "POST", "POST /307 b;POST /end b;" },
    { 308, "POST", "POST /308 b;POST /end b;" },
    { 302, "PUT", "PUT /302 b;PUT /end b;" },
    { 303, "PUT", "PUT /303 b;GET /end ;" },
    { 300, "GET", "GET /300 ;" },
    { 304, "GET", "GET /304 ;" },
    { 305, "GET", "GET /305 ;" },
};

START_TEST(a_redirect_is_followed)
{
    struct http_session_request request = { .method = moved[_i].method };
    char path[32];

    if (strcmp(request.method, "GET") != 0)
        request.body = "b", request.body_size = 1;
    path_log[0] = '\0';
    test_serve(redirects);
    snprintf(path, sizeof path, "/%d", moved[_i].status);
    request.url = test_url(path);
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    ck_assert_str_eq(path_log, moved[_i].log);
    ck_assert_str_eq(http_reply_url(reply),
                     test_url(http_reply_redirects(reply) > 0 ? "/end" : path));
    http_reply_free(reply);
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

START_TEST(redirects_have_a_limit_or_are_not_followed)
{
    struct http_session_request request = { .flags = HTTP_SESSION_STAY };

    test_serve(redirects);
    ck_assert_int_eq(get("/302/9"), 0);
    ck_assert_uint_eq(http_reply_redirects(reply), 10);
    http_reply_free(reply);
    ck_assert_int_eq(get("/302/10"), -ELOOP);
    ck_assert_ptr_nonnull(strstr(http_session_error(session), "redirects"));
    request.url = test_url("/302");
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    ck_assert_int_eq(http_reply_status(reply), 302);
    ck_assert_str_eq(test_body(reply), "moved");
    ck_assert_str_eq(http_reply_header(reply, "Location", 0), "/end");
    http_reply_free(reply);
}
END_TEST

static bool sends_away(struct asked *asked)
{
    char fields[256];

    if (strcmp(asked->path, "/there") == 0)
        return remembers(asked);
    if (strcmp(asked->path, "/file") == 0)
        snprintf(fields, sizeof fields, "Location: file:///etc/passwd\r\n");
    else if (strcmp(asked->path, "/none") == 0)
        fields[0] = '\0';
    else
        snprintf(fields, sizeof fields, "Location: http://%s:%d/there\r\n",
                 asked->path + 1, elsewhere);
    return test_reply(asked, 302, fields, "", 0);
}

START_TEST(secrets_stay_where_they_belong)
{
    static const char *const fields[] = { "Authorization: secret", "cookie: c",
                                          "X-Other: yes", NULL };
    struct http_session_request request = { .headers = fields };

    test_serve(sends_away);
    elsewhere = test_port;
    request.url = test_url("/127.0.0.1");
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    http_reply_free(reply);
    ck_assert_ptr_nonnull(strstr(seen_head, "secret"));
    ck_assert_ptr_nonnull(strstr(seen_head, "cookie"));
    request.url = test_url("/localhost");
    ck_assert_int_eq(http_session_request(session, &request, &reply), 0);
    ck_assert_uint_eq(http_reply_redirects(reply), 1);
    http_reply_free(reply);
    ck_assert_ptr_null(strstr(seen_head, "secret"));
    ck_assert_ptr_null(strstr(seen_head, "cookie"));
    ck_assert_ptr_nonnull(strstr(seen_head, "X-Other: yes"));
}
END_TEST

START_TEST(a_redirect_leads_out_of_http_nowhere)
{
    test_serve(sends_away);
    ck_assert_int_eq(get("/file"), -EPROTONOSUPPORT);
    ck_assert_int_eq(get("/none"), 0);
    ck_assert_int_eq(http_reply_status(reply), 302);
    http_reply_free(reply);
}
END_TEST

/* ---- many, and others ---- */

static bool waits(struct asked *asked)
{
    hub_sleep(5 * MS);
    return test_text(asked, asked->path);
}

static void asks(void *arg)
{
    struct http_reply *mine;
    char path[32];

    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/%d/%d", *(int *)arg, i);
        ck_assert_int_eq(http_session_get(session, test_url(path), &mine), 0);
        ck_assert_str_eq(test_body(mine), path);
        http_reply_free(mine);
    }
}

START_TEST(many_greenlets_use_one_session)
{
    enum { COUNT = 100 };
    struct greenlet *all[COUNT];
    int number[COUNT];

    test_serve(waits);
    for (int i = 0; i < COUNT; i++) {
        number[i] = i;
        all[i] = hub_spawn_raw(asks, &number[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(hub_join(all[i], SOON), 0);
        greenlet_unref(all[i]);
    }
    ck_assert_uint_eq(test_requests, 4 * COUNT);
    ck_assert_uint_le(test_connections, COUNT);
}
END_TEST

START_TEST(it_speaks_to_a_unix_socket)
{
    struct http_session_options options = { .unix_socket = "@vireo-test" };
    struct hub_server *server;
    char name[64];

    test_serve(remembers);
    snprintf(name, sizeof name, "@vireo-client-%d", (int)getpid());
    options.unix_socket = name;
    http_session_free(session);
    open_with(&options);
    char address[80];
    snprintf(address, sizeof address, "unix:%s", name);
    struct hub_server_options served = { .handler_closes = true, .pool = 10 };
    ck_assert_int_eq(
        hub_server_new(address, test_connection, NULL, &served, &server), 0);
    ck_assert_int_eq(hub_server_start(server), 0);
    ck_assert_int_eq(http_session_get(session, "http://some.host/x", &reply), 0);
    ck_assert_str_eq(test_body(reply), "hello");
    http_reply_free(reply);
    ck_assert_ptr_nonnull(strstr(seen_head, "\r\nHost: some.host\r\n"));
    http_session_free(session);
    session = NULL;
    hub_server_stop(server, 100 * MS);
    hub_server_free(server);
}
END_TEST

START_TEST(a_proxy_is_used_when_it_is_asked_for)
{
    struct http_session_options options = { .proxy = NULL };
    char proxy[64];

    test_serve(remembers);
    snprintf(proxy, sizeof proxy, "http://localhost:%d", test_port);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("no_proxy", "*", 1);
    ck_assert_int_eq(get("/"), 0);
    http_reply_free(reply);
    options.proxy = proxy;
    http_session_free(session);
    open_with(&options);
    ck_assert_int_eq(http_session_get(session, "http://other.test/x", &reply), 0);
    http_reply_free(reply);
    ck_assert_ptr_eq(strstr(seen_head, "GET http://other.test/x HTTP/1.1\r\n"),
                     seen_head);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
}
END_TEST

START_TEST(a_session_is_of_one_process)
{
    test_serve(remembers);
    ck_assert_int_eq(get("/"), 0);
    pid_t child = fork();
    if (child == 0) {
        struct http_reply *mine;
        int rc = http_session_get(session, test_url("/"), &mine);

        http_session_free(session);
        _exit(rc == -EXDEV ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(hub_waitpid(child, &status, 0, SOON), child);
    ck_assert_int_eq(status, 0);
    http_reply_free(reply);
    ck_assert_int_eq(get("/"), 0);
    http_reply_free(reply);
    ck_assert_uint_eq(test_connections, 1);
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_get_gives_status_fields_and_body);
    tcase_add_test(tcase, a_reply_outlives_its_session);
    tcase_add_test(tcase, a_post_sends_its_body_and_type);
    tcase_add_loop_test(tcase, a_method_and_fields_are_sent_as_they_are, 0,
                        COUNT(methods));
    tcase_add_test(tcase, a_head_has_no_body);
    tcase_add_loop_test(tcase, what_cannot_be_asked_for_is_refused, 0,
                        COUNT(refused));
    tcase_add_test(tcase, a_connection_is_used_again);
    tcase_add_loop_test(tcase,
                        a_connection_that_the_server_has_closed_is_replaced, 0,
                        2);
    tcase_add_test(
        tcase,
        a_request_on_a_kept_connection_goes_out_again_if_that_does_no_harm);
    tcase_add_test(tcase, a_connection_that_was_idle_for_too_long_is_not_used);
    tcase_add_test(tcase, a_name_is_looked_up_by_the_hub);
    tcase_add_loop_test(tcase, a_redirect_is_followed, 0, COUNT(moved));
    tcase_add_test(tcase, redirects_have_a_limit_or_are_not_followed);
    tcase_add_test(tcase, secrets_stay_where_they_belong);
    tcase_add_test(tcase, a_redirect_leads_out_of_http_nowhere);
    tcase_add_test(tcase, many_greenlets_use_one_session);
    tcase_add_test(tcase, it_speaks_to_a_unix_socket);
    tcase_add_test(tcase, a_proxy_is_used_when_it_is_asked_for);
    tcase_add_test(tcase, a_session_is_of_one_process);
    return unit_run("client", tcase);
}
