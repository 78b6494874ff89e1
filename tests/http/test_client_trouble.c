/* The client session and servers that go away, or that speak no good HTTP: every
 * answer in pieces of each size, and cut off at each byte. */
#include "client_server.h"

#include <sys/socket.h>

static struct http_session *session;
static struct http_reply *reply;

static void setup(void)
{
    ck_assert_int_eq(http_session_new(NULL, &session), 0);
}

static void teardown(void)
{
    http_session_free(session);
    session = NULL;
    test_serve_end();
}

/* ---- answers byte for byte ---- */

static const char *text;    /* what is said */
static size_t text_size, text_piece;
static bool text_resets;    /* with a reset behind it */

static bool says_text(struct asked *asked)
{
    struct linger linger = { .l_onoff = 1 };
    size_t now;

    if (strcmp(asked->path, "/good") == 0)
        return test_text(asked, "good");
    for (size_t at = 0; at < text_size; at += now) {
        now = text_size - at < text_piece ? text_size - at : text_piece;
        if (test_send(asked, text + at, now) < 0)
            return false;
        if (text_piece < text_size)
            hub_sleep(1);
    }
    if (text_resets)
        setsockopt(asked->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return false;
}

static void will_say(const char *what, size_t size, size_t piece)
{
    text = what;
    text_size = size;
    text_piece = piece;
}

/* What happens to one request does not happen to the next. */
static void goes_on(void)
{
    ck_assert_uint_eq(http_session_active(session, NULL), 0);
    ck_assert_int_eq(http_session_get(session, test_url("/good"), &reply), 0);
    ck_assert_str_eq(test_body(reply), "good");
    http_reply_free(reply);
}

/* ---- good ones ---- */

static const struct {
    const char *text, *body;
    bool open; /* only its end says where it ends */
} good[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"
      "2;x=y\r\nlo\r\n0\r\nT: u\r\n\r\n", "hello", false },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false },
    { "HTTP/1.0 200 OK\r\n\r\nhello", "hello", true },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "hello", true },
    { "HTTP/1.1 204 No Content\r\n\r\n", "", false },
    { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", false },
    { "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "no", false },
};
#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

START_TEST(an_answer_may_come_in_pieces_of_any_size)
{
    size_t size = strlen(good[_i].text);

    test_serve(says_text);
    for (size_t piece = 1; piece <= size; piece += piece < 20 ? 1 : 11) {
        will_say(good[_i].text, size, piece);
        ck_assert_int_eq(http_session_get(session, test_url("/"), &reply), 0);
        ck_assert_str_eq(test_body(reply), good[_i].body);
        http_reply_free(reply);
    }
    goes_on();
}
END_TEST

static int read_to_its_end(void)
{
    char buffer[16];
    ssize_t rc;

    do {
        rc = http_reply_read(reply, buffer, sizeof buffer, SOON);
    } while (rc > 0);
    http_reply_free(reply);
    return (int)rc;
}

/* Whole and as a stream; by an end, and by a reset. */
START_TEST(a_server_may_go_away_at_each_byte)
{
    size_t size = strlen(good[_i].text);
    int rc;

    test_serve(says_text);
    for (size_t length = 0; length < size; length++)
        for (int kind = 0; kind < 4; kind++) {
            struct http_session_request request = { .url = test_url("/") };

            will_say(good[_i].text, length, size);
            text_resets = kind & 1;
            rc = kind < 2 ? http_session_request(session, &request, &reply)
                          : http_session_open(session, &request, &reply);
            if (rc == 0 && kind < 2)
                http_reply_free(reply);
            else if (rc == 0)
                rc = read_to_its_end();
            if (good[_i].open && length >= size - 5) /* behind the head */
                ck_assert(rc == 0 || rc == -ECONNRESET);
            else if (rc == 0 && text[length] == '\n' && length == size - 1)
                continue; /* all was there but the last byte of the framing */
            else if (rc != -ECONNRESET && rc != -EBADMSG)
                ck_abort_msg("%zu bytes, kind %d: %d, %s", length, kind, rc,
                             http_session_error(session));
            if (length % 16 == 0)
                goes_on();
        }
    text_resets = false;
    goes_on();
}
END_TEST

/* ---- bad ones ---- */

static const struct {
    const char *text;
    int error;
} bad[] = {
    { "what?\r\n\r\n", -EBADMSG },
    { "\r\n\r\n\r\n\r\n", -EBADMSG },
    { "SSH-2.0-x\r\n", -EBADMSG },
    { "HTTP/1.1 99999 no\r\n\r\n", -EBADMSG },
    { "HTTP/4.2 200 OK\r\n\r\n", -EBADMSG },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", -EBADMSG },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "fffffffffffffffffff\r\nx", -EBADMSG },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel\r\n",
      -ECONNRESET },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhelp\r\n",
      -EBADMSG },
    { "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", -EBADMSG },
    { "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", -ECONNRESET },
    { "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
      "hello", -EBADMSG },
    { "HTTP/1.1 302 Found\r\nLocation: http://:\r\nContent-Length: 0\r\n\r\n",
      -EBADMSG },
};

START_TEST(what_is_no_good_answer_is_an_error)
{
    test_serve(says_text);
    for (int i = 0; i < 3; i++) {
        int rc;

        will_say(bad[_i].text, strlen(bad[_i].text), i == 0 ? 1000 : 1);
        rc = http_session_get(session, test_url("/"), &reply);
        if (rc != bad[_i].error)
            ck_abort_msg("%d instead of %d: %s", rc, bad[_i].error,
                         http_session_error(session));
        ck_assert_str_ne(http_session_error(session), "");
        goes_on();
    }
}
END_TEST

static bool endless_fields(struct asked *asked)
{
    test_say(asked, "HTTP/1.1 200 OK\r\n");
    while (test_say(asked, "Some-Field: with a value of some length, again and "
                           "again, and again\r\n"))
        ;
    return false;
}

static bool endless_line(struct asked *asked)
{
    test_say(asked, "HTTP/1.1 200 OK\r\nA: ");
    while (test_say(asked, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
        ;
    return false;
}

static bool endless_skipped(struct asked *asked)
{
    if (strcmp(asked->path, "/there") == 0)
        return test_text(asked, "there");
    test_say(asked, "HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n");
    while (test_say(asked, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
        ;
    return false;
}

START_TEST(a_head_without_an_end_is_cut_off)
{
    test_serve(_i == 0 ? endless_fields : endless_line);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(http_session_get(session, test_url("/"), &reply),
                         -EBADMSG);
        ck_assert_str_ne(http_session_error(session), "");
    }
}
END_TEST

START_TEST(a_redirect_is_followed_whatever_its_body_is)
{
    test_serve(endless_skipped);
    ck_assert_int_eq(http_session_get(session, test_url("/"), &reply), 0);
    ck_assert_str_eq(test_body(reply), "there");
    http_reply_free(reply);
}
END_TEST

/* What nobody asked for is no answer to what is asked next. */
static bool says_too_much(struct asked *asked)
{
    char number[32];

    snprintf(number, sizeof number, "%u", asked->connection);
    return test_text(asked, number) && hub_sleep(10 * MS) == 0 &&
           test_text(asked, "evil");
}

START_TEST(what_comes_while_nothing_is_asked_is_no_answer)
{
    test_serve(says_too_much);
    for (int i = 1; i <= 3; i++) {
        char number[32];
        int rc = _i == 0 ? http_session_get(session, test_url("/"), &reply)
                         : http_session_post(session, test_url("/"), NULL, "x",
                                             1, &reply);

        ck_assert_int_eq(rc, 0);
        snprintf(number, sizeof number, "%d", i);
        ck_assert_str_eq(test_body(reply), number);
        http_reply_free(reply);
        hub_sleep(50 * MS);
    }
    ck_assert_uint_eq(test_requests, 3);
}
END_TEST

/* ---- no descriptors ---- */

START_TEST(without_descriptors_a_request_fails_and_the_next_does_not)
{
    struct http_session *another;
    static int fds[100000];
    int count = 0;

    will_say("", 0, 1);
    test_serve(says_text);
    goes_on();
    while (count < 100000 && (fds[count] = dup(0)) >= 0)
        count++;
    if (count == 100000) { /* no limit that we could reach */
        while (count > 0)
            close(fds[--count]);
        return;
    }
    ck_assert_int_lt(http_session_get(session, "http://127.0.0.2:9/", &reply), 0);
    ck_assert_str_ne(http_session_error(session), "");
    ck_assert_int_eq(http_session_new(NULL, &another), -EMFILE);
    while (count > 0)
        close(fds[--count]);
    goes_on();
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, an_answer_may_come_in_pieces_of_any_size, 0,
                        COUNT(good));
    tcase_add_loop_test(tcase, a_server_may_go_away_at_each_byte, 0,
                        COUNT(good));
    tcase_add_loop_test(tcase, what_is_no_good_answer_is_an_error, 0, COUNT(bad));
    tcase_add_loop_test(tcase, a_head_without_an_end_is_cut_off, 0, 2);
    tcase_add_test(tcase, a_redirect_is_followed_whatever_its_body_is);
    tcase_add_loop_test(tcase, what_comes_while_nothing_is_asked_is_no_answer, 0,
                        2);
    tcase_add_test(tcase,
                   without_descriptors_a_request_fails_and_the_next_does_not);
    return unit_run("client_trouble", tcase);
}
