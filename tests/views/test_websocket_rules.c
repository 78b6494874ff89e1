/* WebSocket views (V-36): who is let in, rules, and a server that stops. */
#include "sockets.h"

/* ---- who is let in ---- */

static int with_origin(const char *target, const char *origin)
{
    int rc;

    ck_assert_int_eq(http_testclient_set_header(client, "Origin", origin), 0);
    rc = enter(target);
    leave();
    return rc;
}

START_TEST(v36_pages_of_other_hosts_are_refused_unless_they_are_named)
    {
        static const char *const named[] = {"https://friend.example", NULL};
        static const char *const any[] = {"*", NULL};
        const struct http_websocket_options some = {.origins = named};
        const struct http_websocket_options all = {.origins = any};
        struct http_app_route route = {
            .rule = "/some", .endpoint = "some", .websocket = &some};

        route.view = http_view_sync(echo);
        http_app_websocket(app, "/", "same", http_view_sync(echo));
        http_app_websocket_with(app, &route);
        route.rule = "/all";
        route.endpoint = "all";
        route.websocket = &all;
        http_app_websocket_with(app, &route);
        open_client();
        ck_assert_int_eq(with_origin("/", "http://localhost"), 101);
        ck_assert_int_eq(with_origin("/", "http://evil.example"), 403);
        ck_assert_int_eq(with_origin("/", "null"), 403);
        ck_assert_int_eq(with_origin("/", NULL), 101); /* no browser */
        ck_assert_int_eq(with_origin("/some", "https://friend.example"), 101);
        ck_assert_int_eq(with_origin("/some", "http://localhost"), 403);
        ck_assert_int_eq(with_origin("/all", "http://evil.example"), 101);
        close_client();
    }
END_TEST

START_TEST(v36_a_subprotocol_is_chosen)
    {
        static const char *const protocols[] = {"v2.chat", "v1.chat", NULL};
        const struct http_websocket_options options = {.protocols = protocols};
        struct http_app_route route = {
            .rule = "/", .endpoint = "index", .websocket = &options};

        route.view = http_view_sync(echo);
        http_app_websocket_with(app, &route);
        open_client();
        ck_assert_int_eq(
            http_testsocket_open(client, "/", "v1.chat, v2.chat", &sock), 101);
        ck_assert_str_eq(http_testsocket_protocol(sock), "v2.chat");
        leave();
        ck_assert_int_eq(http_testsocket_open(client, "/", "v3", &sock), 101);
        ck_assert_ptr_null(http_testsocket_protocol(sock));
        leave();
        ck_assert_int_eq(http_testsocket_open(client, "/", "a,,b", &sock), 400);
        ck_assert_int_eq(http_testsocket_open(client, "/", "a\r\n", &sock),
                         -EINVAL);
        ck_assert_int_eq(http_testsocket_open(client, "x", NULL, &sock),
                         -EINVAL);
        close_client();
    }
END_TEST

/* ---- rules ---- */

static int page(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "page");
}

START_TEST(v36_a_path_may_have_a_page_and_a_websocket)
    {
        http_app_route(app, NULL, "/", "page", http_view_sync(page));
        http_app_websocket(app, "/", "socket", http_view_sync(echo));
        http_app_websocket(app, "/alone", "alone", http_view_sync(echo));
        http_app_route(app, NULL, "/page", "only", http_view_sync(page));
        open_client();
        ck_assert_int_eq(http_testclient_get(client, "/"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "page");
        ck_assert_int_eq(enter("/"), 101);
        leave();
        ck_assert_int_eq(http_testclient_get(client, "/alone"), 426);
        ck_assert_str_eq(http_testclient_header(client, "Upgrade"),
                         "websocket");
        ck_assert_int_eq(
            http_testclient_post(client, "/alone", "text/plain", ""), 405);
        ck_assert_str_eq(http_testclient_header(client, "Allow"),
                         "GET, OPTIONS");
        ck_assert_int_eq(enter("/page"), 200); /* no WebSocket there */
        ck_assert_str_eq(http_testclient_body(client, NULL), "page");
        close_client();
    }
END_TEST

static int not_here(struct http_request *request,
                    struct http_response *response)
{
    struct http_websocket *socket;

    return http_response_printf(
        response, "%d", http_websocket_open(request, response, &socket));
}

START_TEST(v36_only_a_rule_for_websockets_opens_one)
    {
        http_app_route(app, NULL, "/", "page", http_view_sync(not_here));
        open_client();
        ck_assert_int_eq(enter("/"), 200);
        ck_assert_str_eq(http_testclient_body(client, NULL), "-95");
        close_client();
    }
END_TEST

START_TEST(v36_what_no_rule_can_have_sticks)
    {
        const struct http_websocket_options bad = {.level = 10};
        struct http_app_route route = {.rule = "/",
                                       .endpoint = "e",
                                       .methods = "GET",
                                       .view = http_view_sync(echo)};
        const char *why;

        ck_assert_int_eq(http_app_websocket_with(app, &route), -EINVAL);
        http_app_error(app, &why);
        ck_assert_ptr_nonnull(strstr(why, "test_websocket_rules.c:"));
        http_app_free(app);
        app = http_app_new();
        route.methods = NULL;
        route.websocket = &bad;
        ck_assert_int_eq(http_app_websocket_with(app, &route), -EINVAL);
        http_app_free(app);
        app = http_app_new();
        ck_assert_int_eq(http_app_route_with(app, &route), -EINVAL);
        http_app_free(app);
        app = http_app_new();
        ck_assert_int_eq(http_app_websocket(app, "/", "a", route.view), 0);
        ck_assert_int_eq(http_app_websocket(app, "/", "b", route.view),
                         -EEXIST);
        ck_assert_int_eq(http_blueprint_websocket(NULL, "/", "b", route.view),
                         -EINVAL);
    }
END_TEST

/* ---- over a real socket ---- */

static int torn_down(struct http_request *request,
                     struct http_response *response)
{
    (void)response;
    note("teardown:%d", http_request_error(request));
    return 0;
}

START_TEST(v36_a_server_that_stops_says_so)
    {
        static const char hello[] =
            "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            "\x81\x82\0\0\0\0Hi"; /* a frame right behind the head */
        char answer[1024] = "";
        size_t size = 0;
        int fd;

        const struct http_websocket_options options = {.close_timeout =
                                                           HUB_SECOND / 10};
        struct http_app_route route = {
            .rule = "/echo", .endpoint = "echo", .websocket = &options};

        route.view = http_view_sync(echo);
        http_app_websocket_with(app, &route);
        http_app_teardown_request(app, http_view_sync(torn_down));
        notes[0] = '\0';
        views_serve();
        fd = serve_connect();
        ck_assert_int_eq(
            hub_send_all(fd, hello, sizeof hello - 1, 0, NULL, HUB_FOREVER), 0);
        while (strstr(answer, "\r\n\r\n\x81\x02Hi") == NULL) {
            ssize_t got = hub_recv(fd, answer + size, sizeof answer - 1 - size,
                                   0, HUB_FOREVER);

            ck_assert_int_gt(got, 0);
            size += (size_t)got;
        }
        ck_assert_ptr_nonnull(strstr(answer,
                                     "Sec-WebSocket-Accept: "
                                     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        http_server_stop(serve_server, hub_deadline(HUB_SECOND / 10));
        size = (size_t)hub_recv(fd, answer, sizeof answer, 0, HUB_FOREVER);
        ck_assert_uint_eq(size, 4);
        ck_assert_mem_eq(answer, "\x88\x02\x03\xe9", 4); /* 1001 */
        ck_assert_int_eq(hub_send_all(fd, "\x88\x82\0\0\0\0\x03\xe9", 8, 0,
                                      NULL, HUB_FOREVER),
                         0);
        hub_close(fd);
        views_end();
        ck_assert_ptr_nonnull(strstr(notes, "teardown:"));
        views_begin();
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase,
                   v36_pages_of_other_hosts_are_refused_unless_they_are_named);
    tcase_add_test(tcase, v36_a_subprotocol_is_chosen);
    tcase_add_test(tcase, v36_a_path_may_have_a_page_and_a_websocket);
    tcase_add_test(tcase, v36_only_a_rule_for_websockets_opens_one);
    tcase_add_test(tcase, v36_what_no_rule_can_have_sticks);
    tcase_add_test(tcase, v36_a_server_that_stops_says_so);
    return unit_run("websocket_rules", tcase);
}
