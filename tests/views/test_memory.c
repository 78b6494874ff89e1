/* Applications without memory: each allocation fails once.  What cannot be
 * registered says so, a request costs its response at most, and nothing is
 * left. */
#include "views.h"

#include "context/testhook.h"
#include "http/http_impl.h"

static bool fails(void)
{
    return greenlet__test_fails(GREENLET_TEST_ALLOCATION);
}

static int task(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return http_request_current() != NULL ? hub_sleep(0) : 0;
}

static int hook(struct http_request *request, struct http_response *response)
{
    static char value;
    int rc = http_g_set("value", &value, NULL);

    (void)request;
    (void)response;
    return rc;
}

static int posts(struct http_request *request, struct http_response *response,
                 struct hub_scope *scope)
{
    const char *url;
    struct json_t *json;
    int rc = hub_task_create(scope, NULL, task, NULL, NULL);

    if (rc == 0)
        rc = http_request_args(request);
    if (rc == 0)
        rc = http_request_json(request, &json);
    if (rc == 0)
        rc = http_response_set_cookie(response, "a", "b", NULL);
    url = http_request_url_for(request, "item", "id", "7", NULL);
    if (rc < 0 || url == NULL)
        return rc < 0 ? rc : -ENOMEM;
    http_request_cookie(request, "c");
    return http_response_jsonf(response, "{s:s}", "url", url);
}

static int uploads(struct http_request *request, struct http_response *response)
{
    int rc = http_request_form(request);

    return rc < 0 ? rc : http_response_redirect(response, "/x", 303);
}

static int aborts(struct http_request *request, struct http_response *response)
{
    (void)response;
    http_request_abort(request, 409);
}

static int wrapper(struct http_request *request, struct http_response *response,
                   const struct http_view *inner, void *data)
{
    (void)data;
    return http_view_call(inner, request, response);
}

static void put_together(void)
{
    const struct http_view_class class = {.get = http_view_sync(aborts),
                                          .post = http_view_async(posts)};
    const struct http_app_default defaults[] = {{"page", "1"}};
    const struct http_app_route timed = {.rule = "/timed/<path:rest>",
                                         .endpoint = "timed",
                                         .view = http_view_sync(hook),
                                         .defaults = defaults,
                                         .default_count = 1,
                                         .timeout_ns = HUB_SECOND};
    struct http_blueprint *blue = http_blueprint_new(app, "blue", "/blue");

    http_app_route_class(app, NULL, "/items", "items", &class);
    http_app_route(app, NULL, "/items/<int:id>", "item", http_view_sync(hook));
    http_app_route_with(app, &timed);
    http_blueprint_route(
        blue, "POST", "/up", "up",
        http_view_wrap(app, http_view_sync(uploads), wrapper, NULL));
    http_app_before_request(app, http_view_sync(hook));
    http_app_teardown_request(app, http_view_async(posts));
    http_app_error_handler(app, 409, http_view_sync(hook));
}

START_TEST(v00_registering_without_memory_is_an_error_that_sticks)
    {
        int rc = -ENOMEM;

        for (long n = 1; rc < 0; n++) {
            http_app_free(app);
            http__test_fails = fails;
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
            app = http_app_new();
            rc = app != NULL ? 0 : -ENOMEM;
            if (rc == 0) {
                put_together();
                rc = http_app_error(app, NULL);
            }
            greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
            http__test_fails = NULL;
            ck_assert(rc == 0 || rc == -ENOMEM);
            ck_assert_int_lt(n, 200);
        }
    }
END_TEST

#define HOST "Host: a\r\n"
static const char conversation[] =
    "POST /items?a=b HTTP/1.1\r\n" HOST "Cookie: c=d\r\n"
    "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n[1,\"a\"]"
    "POST /blue/up HTTP/1.1\r\n" HOST
    "Content-Type: multipart/form-data; boundary=B\r\n"
    "Content-Length: 123\r\n\r\n"
    "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
    "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=x\r\n\r\n2\r\n"
    "--B--\r\n"
    "GET /items HTTP/1.1\r\n" HOST "\r\n"
    "GET /timed/a%20b/c HTTP/1.1\r\n" HOST "\r\n"
    "PUT /items HTTP/1.1\r\n" HOST "\r\n"
    "GET /nowhere HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";

static const char *converse(const char *text, size_t size, long fail)
{
    const char *answer;
    int fd = serve_connect();

    hub_sleep(1);
    http__work_trim(serve_server, 0);
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, fail);
    ck_assert_int_eq(hub_send_all(fd, text, size, 0, NULL, HUB_FOREVER), 0);
    answer = serve_read_all(fd, 5 * HUB_SECOND);
    ck_assert(serve_ended || serve_reset);
    hub_close(fd);
    return answer;
}

#define ALL(text) text, sizeof text - 1

START_TEST(v16_each_allocation_that_fails_costs_a_response_at_most)
    {
        const char *answer;
        long count;

        put_together();
        views_serve();
        answer = converse(ALL(conversation), 0);
        ck_assert_msg(serve_count(answer) == 6, "%s", answer);
        ck_assert_ptr_nonnull(strstr(answer, "{\"url\":\"/items/7\"}"));
        ck_assert_ptr_nonnull(strstr(answer, " 303 "));
        ck_assert_ptr_nonnull(strstr(answer, " 409 "));
        ck_assert_ptr_nonnull(strstr(answer, " 405 "));
        ck_assert_ptr_nonnull(strstr(answer, " 404 "));
        http__test_fails = fails;
        converse(ALL(conversation), 0);
        count = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        ck_assert_int_gt(count, 20);
        for (long n = 1; n <= count; n++)
            converse(ALL(conversation), n);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        http__test_fails = NULL;
        ck_assert_uint_eq(serve_count(converse(ALL(conversation), 0)), 6);
    }
END_TEST

/* "Hi", compressed or not as the server likes, and the end. */
static const char websocket[] =
    "GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n"
    "Connection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    "\x81\x82\0\0\0\0Hi\x88\x82\0\0\0\0\x03\xe8";

static int opens(struct http_request *request, struct http_response *response,
                 struct hub_scope *scope)
{
    struct http_websocket_message message;
    struct http_websocket *socket;
    int rc = hub_task_create(scope, NULL, task, NULL, NULL);

    if (rc == 0)
        rc = http_websocket_open(request, response, &socket);
    while (rc == 0 &&
           (rc = http_websocket_receive(socket, &message, HUB_FOREVER)) == 1)
        rc = http_websocket_send(socket, message.type, message.data,
                                 message.size, HUB_FOREVER);
    return rc;
}

START_TEST(v36_each_allocation_that_fails_costs_a_websocket_at_most)
    {
        long count;

        http_app_websocket(app, "/ws", "ws", http_view_async(opens));
        http_app_before_request(app, http_view_sync(hook));
        views_serve();
        ck_assert_ptr_nonnull(
            strstr(converse(ALL(websocket), 0), "\r\n\r\n\x81\x02Hi\x88"));
        http__test_fails = fails;
        converse(ALL(websocket), 0);
        count = greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        ck_assert_int_gt(count, 5);
        for (long n = 1; n <= count; n++)
            converse(ALL(websocket), n);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        http__test_fails = NULL;
        ck_assert_ptr_nonnull(
            strstr(converse(ALL(websocket), 0), "\r\n\r\n\x81\x02Hi\x88"));
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase,
                   v00_registering_without_memory_is_an_error_that_sticks);
    tcase_add_test(tcase,
                   v16_each_allocation_that_fails_costs_a_response_at_most);
    tcase_add_test(tcase,
                   v36_each_allocation_that_fails_costs_a_websocket_at_most);
    return unit_run("memory", tcase);
}
