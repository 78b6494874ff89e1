/* The opening handshake, by clauses of RFC 6455, 4.2, and of RFC 7692, 7.1. */
#include "../unit.h"
#include "http/websocket/handshake.h"

#include <strings.h>

/* "Name: value" lines up to a NULL. */
static bool find(const void *request, const char *name, size_t n,
                 struct http__span *value)
{
    const char *const *line = request;
    size_t length = strlen(name);

    for (; *line != NULL; line++) {
        if (strncasecmp(*line, name, length) != 0 || (*line)[length] != ':')
            continue;
        if (n-- > 0)
            continue;
        *value = (struct http__span){ *line + length + 2,
                                      strlen(*line + length + 2) };
        return true;
    }
    return false;
}

static int shake(const char *const *lines,
                 const struct http_websocket_options *options,
                 struct http__handshake_answer *answer)
{
    struct http__handshake asked = { .is_get = true, .is_11 = true,
                                     .fields = { find, lines } };

    return http__handshake(&asked, options, answer);
}

#define UPGRADE "Upgrade: websocket"
#define CONNECTION "Connection: Upgrade"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
#define VERSION "Sec-WebSocket-Version: 13"
#define GOOD UPGRADE, CONNECTION, KEY, VERSION

static const struct {
    const char *clause;
    const char *lines[8];
    int status;
} checks[] = {
    { "1.2: the sample", { "Host: server.example.com", GOOD,
      "Origin: http://example.com", "Sec-WebSocket-Protocol: chat, superchat" },
      101 },
    { "4.2.1, 3: no case, among others",
      { "Upgrade: foo, WebSocket", CONNECTION, KEY, VERSION }, 101 },
    { "RFC 9110, 7.6.1: a list of options",
      { UPGRADE, "Connection: keep-alive, upgrade", KEY, VERSION }, 101 },
    { "RFC 9110, 5.6.1.2: empty elements",
      { "Upgrade: ,, websocket,", "Connection: , upgrade ,", KEY, VERSION },
      101 },
    { "a list in two fields",
      { UPGRADE, "Connection: keep-alive", CONNECTION, KEY, VERSION }, 101 },
    { "RFC 9110, 15.5.22: no upgrade", { CONNECTION, KEY, VERSION }, 426 },
    { "to something else", { "Upgrade: h2c", CONNECTION, KEY, VERSION }, 426 },
    { "to another version of the protocol's name",
      { "Upgrade: websocket/2", CONNECTION, KEY, VERSION }, 426 },
    { "4.2.1, 4: no Connection", { UPGRADE, KEY, VERSION }, 400 },
    { "not that option",
      { UPGRADE, "Connection: upgraded", KEY, VERSION }, 400 },
    { "4.2.1, 5: no key", { UPGRADE, CONNECTION, VERSION }, 400 },
    { "11.3.1: two of them", { GOOD, KEY }, 400 },
    { "a short one", { UPGRADE, CONNECTION, VERSION,
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j" }, 400 },
    { "one of 17 bytes", { UPGRADE, CONNECTION, VERSION,
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQE=" }, 400 },
    { "one that is no base64", { UPGRADE, CONNECTION, VERSION,
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==" }, 400 },
    { "4.2.1, 6: no version", { UPGRADE, CONNECTION, KEY }, 400 },
    { "4.4: another version",
      { UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 8" }, 426 },
    { "11.3.5: two of them",
      { UPGRADE, CONNECTION, KEY, VERSION, VERSION }, 400 },
    { "a list of them",
      { UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 13, 8" }, 426 },
    { "RFC 9110, 5.6.1.2: empty elements are ignored",
      { GOOD, "Sec-WebSocket-Protocol: , a ,, b," }, 101 },
    { "11.3.4: no protocol", { GOOD, "Sec-WebSocket-Protocol: , ," }, 400 },
    { "none at all", { GOOD, "Sec-WebSocket-Protocol: " }, 400 },
    { "one that is no token", { GOOD, "Sec-WebSocket-Protocol: a, ;, b" },
      400 },
    { "one with a blank", { GOOD, "Sec-WebSocket-Protocol: a b" }, 400 },
    { "RFC 9110, 5.6.1.2: empty elements are ignored",
      { GOOD, "Sec-WebSocket-Extensions: ,x;a ,\t, y ," }, 101 },
    { "9.1: no extension", { GOOD, "Sec-WebSocket-Extensions: ,, " }, 400 },
    { "an empty one with a parameter",
      { GOOD, "Sec-WebSocket-Extensions: x, ;a" }, 400 },
    { "a parameter without a name", { GOOD, "Sec-WebSocket-Extensions: x; =1" },
      400 },
    { "one without its value", { GOOD, "Sec-WebSocket-Extensions: x; a=" },
      400 },
    { "a quotation without an end",
      { GOOD, "Sec-WebSocket-Extensions: x; a=\"1" }, 400 },
    { "two behind each other", { GOOD, "Sec-WebSocket-Extensions: x y" }, 400 },
    { "extensions that nobody knows",
      { GOOD, "Sec-WebSocket-Extensions: x; a=\"1\"; b, y;c=2" }, 101 },
};

START_TEST(a_handshake_is_answered_with)
{
    static const struct http_websocket_options defaults;
    struct http__handshake_answer answer;
    int status = shake(checks[_i].lines, &defaults, &answer);

    ck_assert_msg(status == checks[_i].status, "%s: %d", checks[_i].clause,
                  status);
    ck_assert_int_eq(answer.why == NULL, status == 101);
    ck_assert(!answer.deflate.on);
    if (status == 101) /* 1.3 */
        ck_assert_str_eq(answer.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

START_TEST(only_get_of_http_1_1_without_a_body)
{
    static const char *const lines[] = { GOOD, NULL };
    static const struct http_websocket_options defaults;
    struct http__handshake_answer answer;
    struct http__handshake asked = { .is_get = true, .is_11 = true,
                                     .fields = { find, lines } };

    asked.is_get = false;
    ck_assert_int_eq(http__handshake(&asked, &defaults, &answer), 400);
    asked.is_get = true;
    asked.is_11 = false;
    ck_assert_int_eq(http__handshake(&asked, &defaults, &answer), 400);
    asked.is_11 = true;
    asked.has_body = true;
    ck_assert_int_eq(http__handshake(&asked, &defaults, &answer), 400);
}
END_TEST

/* ---- origins ---- */

#define HOST "Host: a.example:81"

static const struct {
    const char *origins[3];
    const char *lines[8];
    int status;
} origins[] = {
    { { NULL }, { GOOD, HOST, "Origin: https://evil.example" }, 101 },
    { { "same" }, { GOOD, HOST, "Origin: https://evil.example" }, 403 },
    { { "same" }, { GOOD, HOST, "Origin: http://A.example:81" }, 101 },
    { { "same" }, { GOOD, HOST, "Origin: http://a.example" }, 403 },
    { { "same" }, { GOOD, HOST, "Origin: http://xa.example:81" }, 403 },
    { { "same" }, { GOOD, HOST, "Origin: null" }, 403 },
    { { "same" }, { GOOD, HOST }, 101 },
    { { "same" }, { GOOD, HOST, "Origin: http://a.example:81", "Origin: x" },
      403 },
    { { "https://b.example" }, { GOOD, HOST, "Origin: https://b.example" },
      101 },
    { { "https://b.example" }, { GOOD, HOST, "Origin: http://b.example" },
      403 },
    { { "https://b.example", "same" },
      { GOOD, HOST, "Origin: http://a.example:81" }, 101 },
};

START_TEST(pages_of_some_origins_may_connect)
{
    const char *list[4] = { NULL };
    struct http_websocket_options options = { .origins = NULL };
    struct http__handshake_answer answer;

    if (origins[_i].origins[0] != NULL) {
        memcpy(list, origins[_i].origins, sizeof origins[_i].origins);
        options.origins = list;
    }
    ck_assert_int_eq(shake(origins[_i].lines, &options, &answer),
                     origins[_i].status);
}
END_TEST

/* ---- subprotocols ---- */

static const struct {
    const char *lines[8];
    const char *chosen;
} protocols[] = {
    { { GOOD }, NULL },
    { { GOOD, "Sec-WebSocket-Protocol: chat" }, "chat" },
    { { GOOD, "Sec-WebSocket-Protocol: chat, v2.chat" }, "v2.chat" },
    { { GOOD, "Sec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Protocol: v2.chat" }, "v2.chat" },
    { { GOOD, "Sec-WebSocket-Protocol: Chat" }, NULL },
    { { GOOD, "Sec-WebSocket-Protocol: chatter" }, NULL },
};

START_TEST(the_subprotocol_that_we_prefer_is_chosen)
{
    static const char *const ours[] = { "v2.chat", "chat", NULL };
    struct http_websocket_options options = { .protocols = ours };
    struct http__handshake_answer answer;

    ck_assert_int_eq(shake(protocols[_i].lines, &options, &answer), 101);
    if (protocols[_i].chosen == NULL)
        ck_assert_ptr_null(answer.protocol);
    else
        ck_assert_str_eq(answer.protocol, protocols[_i].chosen);
}
END_TEST

/* ---- compression ---- */

#define D "permessage-deflate"
#define NO "; server_no_context_takeover; client_no_context_takeover"
enum { BOTH = HTTP_WEBSOCKET_SEND_TAKEOVER | HTTP_WEBSOCKET_RECEIVE_TAKEOVER };

static const struct {
    const char *offer;
    unsigned flags;
    int bits;
    const char *answer; /* NULL: declined */
} offers[] = {
    { D, 0, 0, D NO },
    { D, HTTP_WEBSOCKET_PLAIN, 0, NULL },
    { D, BOTH, 0, D },
    { D, HTTP_WEBSOCKET_SEND_TAKEOVER, 0, D "; client_no_context_takeover" },
    { D "; server_no_context_takeover", BOTH, 0,
      D "; server_no_context_takeover" },
    { D "; client_no_context_takeover", BOTH, 0,
      D "; client_no_context_takeover" },
    { D "; client_max_window_bits", 0, 0, D NO },
    { D "; client_max_window_bits", 0, 10,
      D NO "; server_max_window_bits=10; client_max_window_bits=10" },
    { D, 0, 10, D NO "; server_max_window_bits=10" },
    { D "; client_max_window_bits=9", 0, 0, D NO "; client_max_window_bits=9" },
    { D "; client_max_window_bits=8", 0, 0, D NO "; client_max_window_bits=8" },
    { D "; client_max_window_bits=\"12\"", 0, 0,
      D NO "; client_max_window_bits=12" },
    { D "; server_max_window_bits=15", 0, 0, D NO "; server_max_window_bits=15" },
    { D "; server_max_window_bits=9", 0, 0, D NO "; server_max_window_bits=9" },
    { D "; server_max_window_bits=8", 0, 0, NULL }, /* zlib cannot */
    { D "; server_max_window_bits=8, " D, 0, 0, D NO },
    { D "; server_max_window_bits", 0, 0, NULL }, /* 7.1.2.1 */
    { D "; server_max_window_bits=16", 0, 0, NULL },
    { D "; server_max_window_bits=7", 0, 0, NULL },
    { D "; server_max_window_bits=09", 0, 0, NULL },
    { D "; client_max_window_bits=16", 0, 0, NULL },
    { D "; client_max_window_bits; client_max_window_bits", 0, 0, NULL },
    { D "; server_no_context_takeover=1", 0, 0, NULL }, /* 7.1.1.1 */
    { D "; server_no_context_takeover; server_no_context_takeover", 0, 0, NULL },
    { D "; something", 0, 0, NULL },
    { D "; something, " D "; client_max_window_bits", 0, 0, D NO },
    { "x-webkit-deflate-frame, " D, 0, 0, D NO },
    { "Permessage-Deflate", 0, 0, D NO },
    { "permessage-deflated", 0, 0, NULL },
};

START_TEST(compression_is_agreed_on)
{
    struct http_websocket_options options = { .flags = offers[_i].flags,
                                              .window_bits = offers[_i].bits };
    char line[256], text[HTTP__EXTENSION_SIZE];
    const char *const lines[] = { GOOD, line, NULL };
    struct http__handshake_answer answer;

    snprintf(line, sizeof line, "Sec-WebSocket-Extensions: %s",
             offers[_i].offer);
    ck_assert_int_eq(shake(lines, &options, &answer), 101);
    ck_assert_int_eq(answer.deflate.on, offers[_i].answer != NULL);
    if (offers[_i].answer == NULL)
        return;
    http__extension_text(&answer.deflate, text);
    ck_assert_str_eq(text, offers[_i].answer);
}
END_TEST

#define COUNT(rows) (int)(sizeof(rows) / sizeof *(rows))

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_loop_test(tcase, a_handshake_is_answered_with, 0, COUNT(checks));
    tcase_add_test(tcase, only_get_of_http_1_1_without_a_body);
    tcase_add_loop_test(tcase, pages_of_some_origins_may_connect, 0,
                        COUNT(origins));
    tcase_add_loop_test(tcase, the_subprotocol_that_we_prefer_is_chosen, 0,
                        COUNT(protocols));
    tcase_add_loop_test(tcase, compression_is_agreed_on, 0, COUNT(offers));
    return unit_run("websocket_handshake", tcase);
}
