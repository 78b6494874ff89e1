/* The PROXY protocol: what is read, and what is refused. */
#include "../unit.h"

#include "http/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define HEAD "\r\n\r\n\0\r\nQUIT\n"

static struct http__proxy proxy;
static size_t length;

static int parse(const char *data, size_t size)
{
    length = 0;
    return http__proxy_parse(data, size, &length, &proxy);
}

/* Each piece of it asks for more, and the whole is read whatever comes behind.
 */
static void whole(const char *data, size_t size, const char *source)
{
    char text[256], more[1024];

    for (size_t n = 0; n < size; n++)
        ck_assert_msg(parse(data, n) == 0, "%zu of %zu bytes", n, size);
    memcpy(more, data, size);
    memcpy(more + size, "GET / HTTP/1.1\r\n", 16);
    ck_assert_int_eq(parse(more, size + 16), 1);
    ck_assert_uint_eq(length, size);
    ck_assert_int_eq(parse(data, size), 1);
    ck_assert_uint_eq(length, size);
    ck_assert_int_eq(proxy.known, source != NULL);
    if (source == NULL)
        return;
    ck_assert_int_gt(hub_address_format(&proxy.source, text, sizeof text), 0);
    ck_assert_str_eq(text, source);
}
#define WHOLE(text, source) whole(text, sizeof(text) - 1, source)

START_TEST(a_line_of_version_1_names_the_client)
    {
        WHOLE("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
              "192.0.2.1:56324");
        WHOLE("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", "[2001:db8::1]:65535");
        WHOLE("PROXY UNKNOWN\r\n", NULL);
        WHOLE("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
              NULL);
    }
END_TEST

START_TEST(version_2_names_it_in_binary)
    {
        WHOLE(HEAD "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb",
              "192.0.2.1:56324");
        WHOLE(HEAD "\x21\x21\0\x24\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff\0\x50",
              "[2001:db8::1]:65535");
        WHOLE(HEAD "\x20\0\0\0", NULL); /* LOCAL */
        WHOLE(HEAD "\x20\x11\0\x03"
                   "abc",
              NULL);                    /* and what it adds */
        WHOLE(HEAD "\x21\0\0\0", NULL); /* nobody knows */
        WHOLE(HEAD "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb\x04\0\0",
              "192.0.2.1:56324"); /* with a NOOP behind it */
        ck_assert(!proxy.tls);
        WHOLE(HEAD "\x21\x11\0\x14\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"
                   "\x20\0\5\1\0\0\0\0",
              "192.0.2.1:56324");
        ck_assert(proxy.tls);
    }
END_TEST

START_TEST(addresses_of_unix_sockets_are_taken)
    {
        char data[16 + 216] = HEAD "\x21\x31\0\xd8";

        memcpy(data + 16, "/run/client", 11);
        memcpy(data + 16 + 108, "/run/server", 11);
        whole(data, sizeof data, "unix:/run/client");
    }
END_TEST

/* The CRC-32C of "123456789" is known; a header's is over all of it. */
START_TEST(a_wrong_checksum_is_refused)
    {
        char data[] = HEAD "\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"
                           "\x03\0\4\0\0\0\0";
        const size_t size = sizeof data - 1;
        uint32_t crc = UINT32_MAX;

        ck_assert_int_eq(parse(data, size), -EBADMSG);
        for (size_t i = 0; i < size; i++) {
            crc ^= (unsigned char)data[i];
            for (int bit = 0; bit < 8; bit++)
                crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82f63b78) : crc >> 1;
        }
        crc = htonl(~crc);
        memcpy(data + size - 4, &crc, 4);
        whole(data, size, "192.0.2.1:56324");
    }
END_TEST

#define BAD(text)              \
    {                          \
        text, sizeof(text) - 1 \
    }
static const struct {
    const char *data;
    size_t size;
} refused[] = {
    BAD("GET / HTTP/1.1\r\n"),
    BAD("PROXY\r\n"),
    BAD("PROXY \r\n"),
    BAD("PROXYTCP4 1.2.3.4 1.2.3.4 1 1\r\n"),
    BAD("proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n"),
    BAD("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n"),
    BAD("PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.400 1 1\r\n"),
    BAD("PROXY TCP4 ::1 ::1 1 1\r\n"),
    BAD("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"),
    BAD("PROXY TCP4 1.2.3.4\r1.2.3.4 1 1\r\n"),
    BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1\0 1\r\n"),
    BAD("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901"
        "23456789012345678901234567890123456789012345678901234567890\r\n"),
    BAD("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0"),
    BAD(HEAD "\x11\x11\0\x0c"), /* another version */
    BAD(HEAD "\x22\x11\0\x0c"), /* another command */
    BAD(HEAD "\x21\x11\x10\0"), /* longer than we take */
    BAD(HEAD "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"), /* UDP */
    BAD(HEAD "\x21\x10\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
    BAD(HEAD "\x21\x01\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
    BAD(HEAD "\x21\x41\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
    BAD(HEAD "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1"),
    BAD(HEAD "\x21\x11\0\x0e\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb\x04\0"),
    BAD(HEAD "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb\x04\0\1"),
    BAD(HEAD "\x21\x11\0\x11\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb\x20\0\2\1\0"),
};

START_TEST(refuses)
    {
        ck_assert_msg(parse(refused[_i].data, refused[_i].size) == -EBADMSG,
                      "case %d", _i);
        for (size_t n = 0; n < refused[_i].size; n++) {
            int rc = parse(refused[_i].data, n);

            ck_assert(rc == 0 || rc == -EBADMSG);
            if (rc < 0) /* what is bad stays so */
                ck_assert_int_eq(parse(refused[_i].data, n + 1), -EBADMSG);
        }
    }
END_TEST

START_TEST(a_line_that_does_not_end_is_refused_at_its_limit)
    {
        char line[120];

        memset(line, '1', sizeof line);
        memcpy(line, "PROXY TCP6 ", 11);
        ck_assert_int_eq(parse(line, 106), 0);
        ck_assert_int_eq(parse(line, 107), -EBADMSG);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_add_test(tcase, a_line_of_version_1_names_the_client);
    tcase_add_test(tcase, version_2_names_it_in_binary);
    tcase_add_test(tcase, addresses_of_unix_sockets_are_taken);
    tcase_add_test(tcase, a_wrong_checksum_is_refused);
    tcase_add_loop_test(tcase, refuses, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tcase, a_line_that_does_not_end_is_refused_at_its_limit);
    return unit_run("proxy", tcase);
}
