/* The client session without memory: each allocation of ours, and each of libcurl's,
 * fails once; then each of the hub's.  A request then says so, nothing is left, and
 * the next one goes well. */
#include "client_server.h"

#include "context/testhook.h"
#include "http/client/client_impl.h"

#include <limits.h>

static long left, made, living;

static bool fails(void)
{
    made++;
    return left > 0 && --left == 0;
}

/* ---- libcurl's memory ---- */

static void *counted(void *memory)
{
    living += memory != NULL;
    return memory;
}

static void *curl_malloc(size_t size)
{
    return fails() ? NULL : counted(malloc(size));
}

static void *curl_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(calloc(count, size));
}

static void curl_release(void *memory)
{
    living -= memory != NULL;
    free(memory);
}

static void *curl_resize(void *memory, size_t size)
{
    if (fails())
        return NULL;
    return memory != NULL ? realloc(memory, size) : counted(malloc(size));
}

static char *curl_copy(const char *text)
{
    return fails() ? NULL : counted(strdup(text));
}

/* ---- what is done ---- */

static bool answers(struct asked *asked)
{
    if (strcmp(asked->path, "/moved") == 0)
        return test_reply(asked, 302, "Location: /there\r\n", "", 0);
    if (strcmp(asked->path, "/chunks") == 0)
        return test_say(asked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                               "A: b\r\n\r\n5\r\nhello\r\n0\r\nT: u\r\n\r\n");
    return test_reply(asked, 200, "X: y\r\n", asked->body, asked->body_size);
}

static ssize_t gives(void *buffer, size_t size, void *data)
{
    int *pieces = data;

    (void)size;
    if (*pieces == 0)
        return 0;
    (*pieces)--;
    memcpy(buffer, "piece", 5);
    return 5;
}

static int first_error;
static char first_text[CURL_ERROR_SIZE];

static int note(struct http_session *session, ssize_t rc)
{
    if (rc < 0 && first_error == 0) {
        first_error = (int)rc;
        snprintf(first_text, sizeof first_text, "%s",
                 session != NULL ? http_session_error(session) : "");
    }
    return (int)rc;
}

static void get(struct http_session *session, const char *url)
{
    struct http_reply *reply;

    if (note(session, http_session_get(session, url, &reply)) == 0)
        http_reply_free(reply);
}

static void upload(struct http_session *session, const char *url)
{
    static const char *const fields[] = { "A: b", "Empty:", NULL };
    int pieces = 3;
    struct http_session_request request = { .url = url, .headers = fields,
                                            .upload = gives,
                                            .upload_data = &pieces };
    struct http_reply *reply;

    if (note(session, http_session_request(session, &request, &reply)) < 0)
        return;
    ck_assert_str_eq(test_body(reply), "piecepiecepiece");
    http_reply_free(reply);
}

static void stream(struct http_session *session, const char *url)
{
    struct http_session_request request = { .url = url };
    struct http_reply *reply;
    char buffer[4];

    if (note(session, http_session_open(session, &request, &reply)) < 0)
        return;
    while (note(session, http_reply_read(reply, buffer, sizeof buffer, SOON)) > 0)
        ;
    http_reply_free(reply);
}

static void scene(void)
{
    struct http_session_options options = { .user_agent = "test" };
    struct http_session *session;
    char url[64];

    first_error = 0;
    first_text[0] = '\0';
    if (note(NULL, http_session_new(&options, &session)) < 0)
        return;
    snprintf(url, sizeof url, "http://localhost:%d/", test_port);
    get(session, url);
    get(session, test_url("/moved"));
    upload(session, test_url("/"));
    stream(session, test_url("/chunks"));
    left = 0;
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    ck_assert_uint_eq(http_session_active(session, NULL), 0);
    get(session, test_url("/"));
    http_session_free(session);
}

/* libcurl calls some of it by other names; but nothing may wait for ever. */
static bool is_honest(int error)
{
    return error != -ETIMEDOUT;
}

START_TEST(each_allocation_of_ours_and_of_libcurl_may_fail)
{
    long all, before;

    test_serve(answers);
    scene(); /* what is made once */
    ck_assert_int_eq(first_error, 0);
    made = 0;
    before = living;
    scene();
    ck_assert_int_eq(living, before);
    all = made;
    ck_assert_int_gt(all, 200);
    for (long n = 1; n <= all + 20; n++) {
        left = n;
        scene();
        left = 0;
        if (!is_honest(first_error))
            ck_abort_msg("allocation %ld of %ld: %d, %s", n, all, first_error,
                         first_text);
        if (living != before)
            ck_abort_msg("allocation %ld of %ld: %ld left", n, all,
                         living - before);
    }
    test_serve_end();
}
END_TEST

START_TEST(each_allocation_of_the_hub_may_fail)
{
    long all;

    test_serve(answers);
    scene();
    greenlet_test_fail(GREENLET_TEST_ALLOCATION, LONG_MAX);
    scene();
    ck_assert_int_eq(first_error, 0);
    all = 60;
    for (long n = 1; n <= all; n++) {
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, n);
        scene();
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    }
    scene();
    ck_assert_int_eq(first_error, 0);
    test_serve_end();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_release,
                             curl_resize, curl_copy, curl_calloc) != CURLE_OK)
        return EXIT_FAILURE;
    http__client_fails = fails;
    hub_sleep(1);
    hub_set_error_fd(-1);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, each_allocation_of_ours_and_of_libcurl_may_fail);
    tcase_add_test(tcase, each_allocation_of_the_hub_may_fail);
    return unit_run("client_memory", tcase);
}
