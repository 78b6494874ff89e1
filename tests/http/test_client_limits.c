/* The client session: connections at most, times, and requests that are cut off. */
#include "client_server.h"

static struct http_session *session;
static struct http_reply *reply;

static void open_with(const struct http_session_options *options)
{
    http_session_free(session);
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

static void finish(struct greenlet *g)
{
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
}

/* ---- connections at most ---- */

static int order[64], ended;

static bool after_a_while(struct asked *asked)
{
    int sum = 0;

    for (int i = 0; i < 5; i++)
        sum += hub_sleep(MS);
    return sum == 0 && test_text(asked, asked->path);
}

static void asks(void *arg)
{
    struct http_reply *mine;
    char path[32], *url;

    snprintf(path, sizeof path, "/%d", *(int *)arg);
    url = strdup(test_url(path));
    ck_assert_int_eq(http_session_get(session, url, &mine), 0);
    ck_assert_str_eq(test_body(mine), path);
    http_reply_free(mine);
    free(url);
    order[ended++] = *(int *)arg;
}

static const struct http_session_options few[] = {
    { .connections = 3 }, { .per_host = 3 }, { .connections = 1 },
    { .connections = 5, .per_host = 3 },
};

START_TEST(who_finds_no_connection_waits_in_turn)
{
    unsigned most = few[_i].connections == 1 ? 1 : 3, waiting;
    struct greenlet *all[30];
    int number[30];

    open_with(&few[_i]);
    test_serve(after_a_while);
    ended = 0;
    for (int i = 0; i < 30; i++) {
        number[i] = i;
        all[i] = hub_spawn_raw(asks, &number[i]);
    }
    hub_sleep(MS);
    ck_assert_uint_eq(http_session_active(session, &waiting), most);
    ck_assert_uint_ge(waiting, 20);
    for (int i = 0; i < 30; i++)
        finish(all[i]);
    ck_assert_uint_eq(test_most_open, most);
    ck_assert_uint_eq(test_connections, most);
    for (int i = 0; i < 30; i++)
        ck_assert_int_le(abs(order[i] - i), (int)most - 1);
    ck_assert_uint_eq(http_session_active(session, &waiting), 0);
    ck_assert_uint_eq(waiting, 0);
}
END_TEST

/* Idle ones count as well: the oldest makes room. */
START_TEST(connections_to_several_hosts_have_a_common_limit)
{
    struct http_session_options options = { .connections = 2 };
    char url[64];

    open_with(&options);
    test_serve(after_a_while);
    for (int i = 1; i <= 5; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", test_port);
        if (i > 1)
            snprintf(url, sizeof url, "http://localhost:%d/", test_port);
        if (i > 2)
            snprintf(url, sizeof url, "http://a%d.localhost:%d/", i, test_port);
        int rc = http_session_get(session, url, &reply);
        if (rc == -ENOENT)
            break; /* no such names here */
        ck_assert_int_eq(rc, 0);
        http_reply_free(reply);
        for (int turn = 0; turn < 2000 && test_open > 2; turn++)
            hub_sleep(MS);
        ck_assert_uint_le(test_open, 2);
    }
}
END_TEST

static void asks_once(void *arg)
{
    struct http_reply *mine;

    *(int *)arg = http_session_get(session, test_url("/"), &mine);
}

START_TEST(who_waits_for_a_connection_can_be_killed_or_be_late)
{
    struct http_session_options options = { .connections = 1 };
    struct http_session_request request = { .timeout = 3 * MS };
    struct greenlet *first, *second;
    int number = 0, rc = 0;
    unsigned waiting;

    open_with(&options);
    test_serve(after_a_while);
    ended = 0;
    first = hub_spawn_raw(asks, &number);
    hub_sleep(MS);
    request.url = test_url("/");
    ck_assert_int_eq(http_session_request(session, &request, &reply), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(http_session_error(session), "in use"));
    second = hub_spawn_raw(asks_once, &rc);
    hub_yield();
    hub_kill(second);
    finish(second);
    ck_assert_int_eq(rc, -ECANCELED);
    finish(first);
    ck_assert_uint_eq(http_session_active(session, &waiting), 0);
    ck_assert_uint_eq(waiting, 0);
    ck_assert_int_eq(http_session_get(session, test_url("/x"), &reply), 0);
    http_reply_free(reply);
}
END_TEST

/* ---- times ---- */

static bool keeps_waiting(struct asked *asked)
{
    (void)asked;
    hub_sleep(HUB_FOREVER);
    return false;
}

static bool never_ends(struct asked *asked)
{
    test_say(asked, "HTTP/1.1 200 OK\r\n");
    while (test_say(asked, "X: y\r\n") && hub_sleep(MS) == 0)
        ;
    return false;
}

static bool never_ends_its_body(struct asked *asked)
{
    test_say(asked, "HTTP/1.1 200 OK\r\n\r\n");
    while (test_say(asked, "y") && hub_sleep(MS) == 0)
        ;
    return false;
}

static const struct {
    answer_function *answer;
    struct http_session_request request;
    const char *scheme, *word;
} late[] = {
    { keeps_waiting, { .first_byte_timeout = 20 * MS }, "http", "first_byte" },
    { keeps_waiting, { .first_byte_timeout = 20 * MS, .body = "x",
                       .body_size = 1 }, "http", "first_byte" },
    { keeps_waiting, { .timeout = 20 * MS }, "http", "longer" },
    { keeps_waiting, { .connect_timeout = 20 * MS }, "https", "connection" },
    { never_ends, { .timeout = 300 * MS, .first_byte_timeout = 200 * MS }, "http",
      "longer" },
    { never_ends_its_body, { .timeout = 300 * MS, .connect_timeout = 200 * MS },
      "http", "longer" },
};

START_TEST(each_time_ends_a_request)
{
    struct http_session_request request = late[_i].request;
    unsigned open;
    char url[64];
    int64_t before = hub_now();

    test_serve(late[_i].answer);
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/", late[_i].scheme, test_port);
    request.url = url;
    ck_assert_int_eq(http_session_request(session, &request, &reply), -ETIMEDOUT);
    if (strstr(http_session_error(session), late[_i].word) == NULL)
        ck_abort_msg("%s", http_session_error(session));
    ck_assert_int_ge(hub_now() - before, 19 * MS);
    ck_assert_uint_eq(http_session_active(session, NULL), 0);
    open = test_requests > 0 && late[_i].answer == keeps_waiting ? 1 : 0;
    for (int i = 0; i < 2000 && test_open != open; i++)
        hub_sleep(MS);
    ck_assert_uint_eq(test_open, open);
}
END_TEST

/* The whole time is of http_session_open() alone. */
START_TEST(a_stream_may_last)
{
    struct http_session_request request = { .timeout = 500 * MS };
    int64_t until;
    char byte;

    test_serve(never_ends_its_body);
    request.url = test_url("/");
    ck_assert_int_eq(http_session_open(session, &request, &reply), 0);
    until = hub_now() + 600 * MS;
    while (hub_now() < until)
        ck_assert_int_eq(http_reply_read(reply, &byte, 1, SOON), 1);
    http_reply_free(reply);
}
END_TEST

/* ---- scopes and kills, at any moment ---- */

/* Byte by byte, in two fields and two chunks. */
static bool bit_by_bit(struct asked *asked)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

    for (const char *at = text; *at != '\0'; at++) {
        if (test_send(asked, at, 1) < 0)
            return false;
        hub_sleep(1);
    }
    return true;
}

enum { WHOLE, STREAM, UPLOAD, KINDS };
static int outcome;

static ssize_t slowly(void *buffer, size_t size, void *data)
{
    int *left = data;

    (void)size;
    if (hub_sleep(0) < 0 || *left == 0)
        return *left == 0 ? 0 : -ECANCELED;
    memset(buffer, 'x', 1);
    return (*left)--, 1;
}

static void whole_or_stream(void *arg)
{
    int kind = *(int *)arg, left = 5;
    char url[64], buffer[2];
    struct http_session_request request = { .url = url };
    struct http_reply *mine;
    ssize_t rc;

    snprintf(url, sizeof url, "http://localhost:%d/", test_port);
    if (kind == UPLOAD) {
        request.upload = slowly;
        request.upload_data = &left;
    }
    rc = kind == STREAM ? http_session_open(session, &request, &mine)
                        : http_session_request(session, &request, &mine);
    for (outcome = (int)rc; rc >= 0 && kind == STREAM;) {
        rc = http_reply_read(mine, buffer, sizeof buffer, SOON);
        outcome = (int)rc;
        if (rc == 0)
            break;
    }
    http_reply_free(mine);
}

/* After that many turns of the loop; whether it was too late. */
static bool cut_off(int kind, int turns, bool by_kill)
{
    struct greenlet *g;
    bool over;

    outcome = 1;
    g = hub_spawn_raw(whole_or_stream, &kind);
    hub_yield();
    for (int i = 0; i < turns && !hub_ready(g); i++)
        hub_sleep(1);
    over = hub_ready(g);
    if (by_kill)
        hub_kill(g);
    finish(g);
    ck_assert_int_eq(outcome, over ? 0 : -ECANCELED);
    ck_assert_uint_eq(http_session_active(session, NULL), 0);
    return over;
}

/* What a kill has cut off leaves nothing behind that the next request would meet. */
START_TEST(a_kill_ends_a_request_at_any_moment)
{
    int turns = 0;

    test_serve(bit_by_bit);
    while (!cut_off(_i, turns, true)) {
        ck_assert_int_eq(http_session_get(session, test_url("/"), &reply), 0);
        ck_assert_str_eq(test_body(reply), "abcde");
        http_reply_free(reply);
        turns += turns < 30 ? 1 : 11;
        ck_assert_int_lt(turns, 5000);
    }
    ck_assert_int_gt(turns, 20);
}
END_TEST

START_TEST(a_timeout_around_it_ends_a_request)
{
    for (int64_t ns = 0;; ns += 50 * HUB_MICROSECOND) {
        struct hub_timeout timeout;
        int rc, fired;

        if (ns == 0)
            test_serve(bit_by_bit);
        ck_assert_int_eq(hub_timeout_begin(&timeout, hub_now() + ns), 0);
        rc = http_session_get(session, test_url("/"), &reply);
        fired = hub_timeout_end(&timeout);
        if (rc == 0)
            http_reply_free(reply);
        else
            ck_assert_int_eq(rc, -ETIMEDOUT);
        ck_assert_uint_eq(http_session_active(session, NULL), 0);
        if (rc == 0 && fired == 0)
            break;
    }
}
END_TEST

START_TEST(who_was_killed_before_asks_nothing)
{
    struct hub_scope scope;

    test_serve(bit_by_bit);
    ck_assert_int_eq(hub_scope_begin(&scope, 0), 0);
    hub_scope_cancel(&scope, NULL);
    ck_assert_int_eq(http_session_get(session, test_url("/"), &reply),
                     -ECANCELED);
    hub_scope_end(&scope);
    ck_assert_uint_eq(http_session_active(session, NULL), 0);
}
END_TEST

/* ---- the session goes ---- */

START_TEST(requests_of_a_session_that_is_freed_end)
{
    struct http_session_options options = { .connections = 3 };
    struct greenlet *all[6];
    struct http_reply *stream;
    char byte;
    int rc[6];

    open_with(&options);
    test_serve(never_ends_its_body);
    struct http_session_request request = { .url = test_url("/") };
    ck_assert_int_eq(http_session_open(session, &request, &stream), 0);
    for (int i = 0; i < 6; i++)
        all[i] = hub_spawn_raw(asks_once, &rc[i]);
    hub_sleep(5 * MS);
    http_session_free(session);
    for (int i = 0; i < 6; i++) {
        finish(all[i]);
        ck_assert_int_eq(rc[i], -EBADF);
    }
    ssize_t count;
    while ((count = http_reply_read(stream, &byte, 1, SOON)) > 0)
        ;
    ck_assert_int_eq(count, -EBADF);
    http_reply_free(stream);
    session = NULL;
}
END_TEST

static void *thread(void *arg)
{
    asks_once(arg);
    hub_destroy();
    return NULL;
}

START_TEST(a_session_is_of_one_thread)
{
    pthread_t other;
    int rc = 0;

    test_serve(never_ends);
    ck_assert_int_eq(pthread_create(&other, NULL, thread, &rc), 0);
    pthread_join(other, NULL);
    ck_assert_int_eq(rc, -EXDEV);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, who_finds_no_connection_waits_in_turn, 0, 4);
    tcase_add_test(tcase, connections_to_several_hosts_have_a_common_limit);
    tcase_add_test(tcase, who_waits_for_a_connection_can_be_killed_or_be_late);
    tcase_add_loop_test(tcase, each_time_ends_a_request, 0,
                        (int)(sizeof late / sizeof *late));
    tcase_add_test(tcase, a_stream_may_last);
    tcase_add_loop_test(tcase, a_kill_ends_a_request_at_any_moment, 0, KINDS);
    tcase_add_test(tcase, a_timeout_around_it_ends_a_request);
    tcase_add_test(tcase, who_was_killed_before_asks_nothing);
    tcase_add_test(tcase, requests_of_a_session_that_is_freed_end);
    tcase_add_test(tcase, a_session_is_of_one_thread);
    return unit_run("client_limits", tcase);
}
