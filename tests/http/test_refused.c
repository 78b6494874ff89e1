/* Messages that are no good, sent to a server: their status, nothing behind it,
 * and the connection's end; no view sees them, nor what is behind them. */
#include "../unit.h"
#include "messages.h"
#include "serve.h"

#include "hub/socket.h"

/* Behind each message; who misreads that one answers this, too. */
#define NEXT "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
#define CHUNKED \
    "PUT /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static unsigned views, nexts;
static int body_error;

static int view(struct http_request *request, struct http_response *response)
{
    const char *data;
    size_t size;

    (void)response;
    views++;
    if (strcmp(http_request_path(request), "/next") == 0)
        nexts++;
    body_error = http_request_body(request, &data, &size);
    return body_error < 0 ? body_error : 204;
}

static const size_t pieces[] = {4096, 11};

static const char *exchange(const char *front, const char *text, size_t size,
                            size_t piece)
{
    size_t length = strlen(front);
    char *all = malloc(length + size + strlen(NEXT));
    int fd = serve_connect();
    const char *answer;

    memcpy(all, front, length);
    memcpy(all + length, text, size);
    memcpy(all + length + size, NEXT, strlen(NEXT));
    views = nexts = 0;
    serve_send_pieces(fd, all, length + size + strlen(NEXT), piece);
    free(all);
    hub_shutdown(fd, SHUT_WR);
    answer = serve_read_all(fd, 10 * HUB_SECOND);
    hub_close(fd);
    return answer;
}

START_TEST(a_head_that_is_refused_is_the_last)
    {
        const struct message *message = &messages_heads[_i];

        if (message->result > 0)
            return;
        serve_start(view, NULL);
        for (size_t i = 0; i < 2; i++) {
            const char *answer =
                exchange("", message->text, message->size, pieces[i]);

            ck_assert_msg(serve_status(answer) == -message->result,
                          "%s: %d, not %d", message->clause,
                          serve_status(answer), -message->result);
            ck_assert_uint_eq(serve_count(answer), 1);
            ck_assert(serve_ended);
            ck_assert_uint_eq(views, 0);
        }
        serve_stop();
    }
END_TEST

START_TEST(a_body_that_is_refused_is_the_last)
    {
        const struct body *body = &messages_bodies[_i];

        if (body->result >= 0)
            return;
        serve_start(view, NULL);
        for (size_t i = 0; i < 2; i++) {
            const char *answer =
                exchange(CHUNKED, body->text, body->size, pieces[i]);

            ck_assert_msg(serve_status(answer) == 400, "%s: %d", body->clause,
                          serve_status(answer));
            ck_assert_uint_eq(serve_count(answer), 1);
            ck_assert(serve_ended);
            ck_assert_uint_eq(views, 1);
            ck_assert_int_lt(body_error, 0);
        }
        serve_stop();
    }
END_TEST

START_TEST(what_follows_a_body_is_the_next_request)
    {
        const struct body *body = &messages_bodies[_i];

        if (body->result != 2 || strstr(body->text, "GET") != NULL)
            return;
        serve_start(view, NULL);
        for (size_t i = 0; i < 2; i++) {
            const char *answer =
                exchange(CHUNKED, body->text, body->size, pieces[i]);

            ck_assert_msg(serve_count(answer) == 2, "%s: %s", body->clause,
                          answer);
            ck_assert_uint_eq(nexts, 1);
            ck_assert_int_eq(body_error, 0);
        }
        serve_stop();
    }
END_TEST

START_TEST(a_method_that_nobody_knows_gets_501)
    {
        static const char text[] = "FOO / HTTP/1.1\r\nHost: a\r\n\r\n";
        const char *answer;

        serve_start(view, NULL);
        answer = exchange("", text, strlen(text), 4096);
        ck_assert_int_eq(serve_status(answer), 501);
        ck_assert(serve_ended);
        ck_assert_uint_eq(views, 0);
        serve_stop();
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_head_that_is_refused_is_the_last, 0,
                        (int)messages_heads_count);
    tcase_add_loop_test(tcase, a_body_that_is_refused_is_the_last, 0,
                        (int)messages_bodies_count);
    tcase_add_loop_test(tcase, what_follows_a_body_is_the_next_request, 0,
                        (int)messages_bodies_count);
    tcase_add_test(tcase, a_method_that_nobody_knows_gets_501);
    return unit_run("refused", tcase);
}
