/* The same head again and again: what a view sees of it, and the client of the
 * answer, is what they saw the first time, however it comes. */
#include "../unit.h"
#include "messages.h"
#include "serve.h"

#include "http/heads.h"
#include "http/http_impl.h"
#include "hub/socket.h"

#define HOST "Host: a\r\n"
#define NEXT "GET /next HTTP/1.1\r\n" HOST "X: y\r\n\r\n"

static unsigned views;

/* ---- what a view sees ---- */

static int tell_body(struct http_request *request,
                     struct http_response *response)
{
    const char *data;
    size_t size;
    int rc = http_request_body(request, &data, &size);

    return rc < 0 ? rc
                  : http_response_printf(response, "body %zu %.*s\n", size,
                                         (int)size, data);
}

static const char *text_of(const char *text)
{
    return text != NULL ? text : "(none)";
}

/* All that can be asked, twice: what was asked for has a 0 behind it then. */
static int tell(struct http_request *request, struct http_response *response)
{
    int rc = 0;

    views++;
    for (int times = 0; times < 2 && rc == 0; times++) {
        rc = http_response_printf(
            response, "%s %s 1.%d\npath %s query %s host %s length %lld\n",
            http_request_verb(request), http_request_target(request),
            http_request_minor(request), http_request_path(request),
            text_of(http_request_query(request)), http_request_host(request),
            (long long)http_request_length(request));
        for (size_t i = 0; i < http_request_headers(request) && rc == 0; i++) {
            const char *value;
            const char *name = http_request_header_at(request, i, &value);

            rc = http_response_printf(response, "[%s]=[%s]\n", name, value);
        }
    }
    if (rc == 0)
        rc = http_response_printf(
            response, "expects %d upgrade %d chunked %d ends %d\n",
            request->head.expect_continue, request->head.upgrade,
            request->head.chunked, http__head_ends(&request->head));
    return rc == 0 ? tell_body(request, response) : rc;
}

/* ---- what a client sees ---- */

/* Without the lines of the time. */
static char *without_dates(const char *answer)
{
    char *copy = strdup(answer), *date;

    while ((date = strstr(copy, "Date: ")) != NULL) {
        char *behind = strstr(date, "\r\n") + 2;

        memmove(date, behind, strlen(behind) + 1);
    }
    return copy;
}

static char *finish(int fd)
{
    char *answer;

    hub_shutdown(fd, SHUT_WR);
    answer = without_dates(serve_read_all(fd, 10 * HUB_SECOND));
    hub_close(fd);
    return answer;
}

/* How head and body come. */
enum how { APART, TOGETHER, IN_PIECES, BEHIND_EMPTY_LINES, HOWS };

/* Its view has begun, if it gets one. */
static void wait_for_view(unsigned before)
{
    for (int i = 0; i < 20 && views == before; i++)
        hub_sleep(100 * HUB_MICROSECOND);
}

static char *ask(const char *head, size_t size, const char *body, enum how how)
{
    size_t length = strlen(body), skip = how == BEHIND_EMPTY_LINES ? 4 : 0;
    char *all = malloc(4 + size + length);
    unsigned before = views;
    int fd = serve_connect();

    memcpy(all, "\r\n\r\n", 4);
    memcpy(all + skip, head, size);
    memcpy(all + skip + size, body, length);
    if (how == TOGETHER)
        serve_send_pieces(fd, all, size + length, size + length);
    else if (how == IN_PIECES)
        serve_send_pieces(fd, all, size + length, size / 2 + 1);
    else
        serve_send_pieces(fd, all, skip + size, skip + size);
    if (length > 0 && (how == APART || how == BEHIND_EMPTY_LINES)) {
        wait_for_view(before);
        serve_send_pieces(fd, body, length, length);
    }
    free(all);
    return finish(fd);
}

static char *ask_fresh(const char *head, size_t size, const char *body)
{
    char *answer;

    serve_start(tell, NULL);
    answer = ask(head, size, body, APART);
    serve_stop();
    return answer;
}

static void check_same(const char *head, size_t size, const char *body,
                       enum how how, const char *expected)
{
    char *answer = ask(head, size, body, how);

    ck_assert_msg(strcmp(answer, expected) == 0,
                  "%.*s (%d):\n%s---- and not:\n%s", (int)size, head, how,
                  answer, expected);
    free(answer);
}

/* Does the server know it? */
static bool is_kept(const char *text, size_t size)
{
    struct http__field fields[100];
    struct http__head head = {.fields = fields};
    struct http__heads *heads = serve_server->heads;
    uint64_t hash = http__heads_hash(heads, text, size);

    return hash != 0 && http__heads_find(heads, text, size, hash, &head);
}

/* ---- one after the other ---- */

/* It has its end, and nothing behind it. */
static bool can_be_kept(const struct message *message)
{
    const char *line = message->text + strspn(message->text, "\r\n");
    const char *end = strstr(line, "\r\n\r\n");

    return message->size >= 16 && message->size <= 1024 &&
           end + 4 == message->text + message->size;
}

/* A body, and what is behind it. */
static const char *body_of(const struct message *message)
{
    static char body[1024];
    const char *length = strcasestr(message->text, "\r\nContent-Length:");
    unsigned long size = 0;

    if (strcasestr(message->text, "\r\nTransfer-Encoding:") != NULL)
        return "3\r\nabc\r\n0\r\n\r\n" NEXT;
    if (length != NULL)
        size = strtoul(length + 17, NULL, 10);
    if (size > 100)
        return "";
    memset(body, 'b', size);
    strcpy(body + size, NEXT);
    return body;
}

START_TEST(each_head_is_answered_as_it_was_the_first_time)
    {
        const struct message *message = &messages_heads[_i];
        const char *body = body_of(message);
        char *expected;

        if (message->result != 1)
            return;
        expected = ask_fresh(message->text, message->size, body);
        serve_start(tell, NULL);
        for (unsigned times = 0; times < 3; times++)
            check_same(message->text, message->size, body, APART, expected);
        for (unsigned times = 0; times < 3; times++)
            free(ask(message->text, message->size, "", APART)); /* alone */
        /* http-parser takes no TAB around a Content-Length. */
        ck_assert_msg(
            is_kept(message->text, message->size) ==
                (can_be_kept(message) && serve_status(expected) != 400),
            "%s", message->clause);
        for (enum how how = APART; how < HOWS; how++)
            for (unsigned times = 0; times < 3; times++)
                check_same(message->text, message->size, body, how, expected);
        free(expected);
        serve_stop();
    }
END_TEST

START_TEST(what_is_refused_is_refused_each_time)
    {
        static const char good[] =
            "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n";
        const struct message *message = &messages_heads[_i];

        if (message->result == 1)
            return;
        serve_start(tell, NULL);
        for (unsigned times = 0; times < 4; times++)
            free(ask(good, strlen(good), "abc", APART));
        ck_assert(is_kept(good, strlen(good)));
        for (unsigned times = 0; times < 4; times++) {
            char *answer;

            views = 0;
            answer = ask(message->text, message->size, NEXT,
                         times % 2 == 0 ? APART : TOGETHER);
            ck_assert_msg(serve_status(answer) == -message->result, "%s: %s",
                          message->clause, answer);
            ck_assert_uint_eq(serve_count(answer), 1);
            ck_assert_uint_eq(views, 0);
            free(answer);
            ck_assert(!is_kept(message->text, message->size));
            free(ask(good, strlen(good), "abc", APART));
        }
        serve_stop();
    }
END_TEST

/* ---- on one connection ---- */

/* Of the answer that is there; its bytes. */
static char *one_answer(int fd, const char *head)
{
    serve_send(fd, head);
    return without_dates(serve_read_until(fd, "body 0 \n"));
}

static const char original[] = "GET /a?b HTTP/1.1\r\nHost: a.b\r\n"
                               "Cookie: id=1\r\nConnection: close, x\r\n\r\n";

/* A head that has another byte gets the answer of a server that knows none. */
static void check_byte(size_t at, char byte)
{
    char other[sizeof original], *expected;

    memcpy(other, original, sizeof original);
    other[at] = byte;
    expected = ask_fresh(other, sizeof other - 1, NEXT);
    serve_start(tell, NULL);
    for (int times = 0; times < 3; times++)
        free(ask(original, sizeof original - 1, "", APART));
    ck_assert(is_kept(original, sizeof original - 1));
    for (int times = 0; times < 3; times++) {
        check_same(other, sizeof other - 1, NEXT, APART, expected);
        free(ask(original, sizeof original - 1, "", APART));
    }
    serve_stop();
    free(expected);
}

START_TEST(another_byte_gets_another_answer)
    {
        static const char bytes[] = {'\r', '\n', ' ', ':', 'x', '\0'};

        for (size_t at = 0; at < sizeof original - 1; at++) {
            check_byte(at, (char)(original[at] ^ 1));
            check_byte(at, bytes[at % sizeof bytes]);
        }
    }
END_TEST

START_TEST(a_connection_that_stays_has_the_same_answers)
    {
        static const char *const heads[] = {
            "GET /one?x=%41 HTTP/1.1\r\n" HOST "Cookie: a=b\r\n\r\n",
            "GET /two?x=%41 HTTP/1.1\r\n" HOST "Cookie: a=c\r\n\r\n",
            "GET /ten HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "\r\nGET /empty HTTP/1.1\r\n" HOST "\r\n",
            "POST /none HTTP/1.1\r\n" HOST "Content-Length: 0\r\n"
            "Expect: 100-continue\r\n\r\n",
        };
        enum { MANY = sizeof heads / sizeof *heads };
        char *first[MANY];
        int fd;

        serve_start(tell, NULL);
        fd = serve_connect();
        for (size_t i = 0; i < MANY; i++)
            first[i] = one_answer(fd, heads[i]);
        for (unsigned times = 0; times < 100; times++) {
            size_t i = times * 7 % MANY;
            char *answer = one_answer(fd, heads[i]);

            ck_assert_str_eq(answer, first[i]);
            free(answer);
        }
        for (size_t i = 0; i < MANY; i++) {
            for (unsigned times = 0; times < 3; times++)
                free(one_answer(fd, heads[i]));
            ck_assert_msg(is_kept(heads[i], strlen(heads[i])), "%s", heads[i]);
            free(first[i]);
        }
        hub_close(fd);
        serve_stop();
    }
END_TEST

/* ---- kept requests ---- */

static struct http_request *held[3];
static unsigned holding;

static int hold(struct http_request *request, struct http_response *response)
{
    held[holding++] = http_request_ref(request);
    return http_response_printf(response, "%s body 0 \n",
                                http_request_header(request, "Cookie"));
}

/* Its fields are its own, whatever comes to the place meanwhile. */
START_TEST(a_request_that_is_held_stays_what_it_was)
    {
        static const char head[] =
            "GET /held HTTP/1.1\r\n" HOST "Cookie: a=b\r\n\r\n";
        int fd;

        holding = 0;
        serve_start(hold, NULL);
        fd = serve_connect();
        for (unsigned i = 0; i < 3; i++)
            free(one_answer(fd, head));
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_str_eq(http_request_path(held[i]), "/held");
            ck_assert_str_eq(http_request_header(held[i], "Cookie"), "a=b");
            ck_assert_uint_eq(http_request_headers(held[i]), 2);
            http_request_unref(held[i]);
        }
        ck_assert(is_kept(head, strlen(head)));
        hub_close(fd);
        serve_stop();
    }
END_TEST

/* ---- no memory ---- */

static long fails_in; /* so many allocations of the server's; 0: none does */

static bool fails(void)
{
    return fails_in > 0 && --fails_in == 0;
}

/* Its third allocation is for them. */
START_TEST(a_server_without_places_for_heads_serves)
    {
        static const char head[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
        char *expected = ask_fresh(head, strlen(head), "");

        http__test_fails = fails;
        fails_in = 3;
        serve_start(tell, NULL);
        http__test_fails = NULL;
        ck_assert_ptr_null(serve_server->heads);
        for (unsigned times = 0; times < 4; times++)
            check_same(head, strlen(head), "", APART, expected);
        serve_stop();
        free(expected);
    }
END_TEST

START_TEST(each_allocation_that_fails_costs_a_head_its_place_at_most)
    {
        static const char head[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
        char *expected = ask_fresh(head, strlen(head), "");

        for (long n = 1; n < 20; n++) {
            serve_start(tell, NULL);
            free(ask(head, strlen(head), "", APART));
            http__test_fails = fails;
            fails_in = n;
            free(ask(head, strlen(head), "", APART));
            free(ask(head, strlen(head), "", APART));
            fails_in = 0;
            http__test_fails = NULL;
            for (unsigned times = 0; times < 3; times++)
                check_same(head, strlen(head), "", APART, expected);
            ck_assert(is_kept(head, strlen(head)));
            serve_stop();
        }
        free(expected);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, each_head_is_answered_as_it_was_the_first_time,
                        0, (int)messages_heads_count);
    tcase_add_loop_test(tcase, what_is_refused_is_refused_each_time, 0,
                        (int)messages_heads_count);
    tcase_add_test(tcase, another_byte_gets_another_answer);
    tcase_add_test(tcase, a_connection_that_stays_has_the_same_answers);
    tcase_add_test(tcase, a_request_that_is_held_stays_what_it_was);
    tcase_add_test(tcase, a_server_without_places_for_heads_serves);
    tcase_add_test(tcase,
                   each_allocation_that_fails_costs_a_head_its_place_at_most);
    return unit_run("heads_again", tcase);
}
