/* Who the client is, behind proxies that are trusted: 10.0.0.0/8 and Unix
 * sockets. */
#include "../unit.h"

#include "http/forwarded.h"

#include <errno.h>

static struct http_trust *trust;

static void setup(void)
{
    ck_assert_int_eq(http_trust_new("10.0.0.0/8, unix", &trust), 0);
}

static void teardown(void)
{
    http_trust_free(trust);
}

/* A list of fields, with '|' between two. */
static struct http__forwarded_list split(const char *text,
                                         struct http__forwarded_value *values)
{
    struct http__forwarded_list list = {values, 0};

    while (text != NULL) {
        const char *end = strchr(text, '|');

        values[list.count].data = text;
        values[list.count++].size =
            end != NULL ? (size_t)(end - text) : strlen(text);
        text = end != NULL ? end + 1 : NULL;
    }
    return list;
}

struct expected {
    const char *peer, *client, *proto, *host; /* fields */
    const char *is, *is_proto, *is_host;      /* what they mean */
};

static void look(enum http__forwarded_kind kind, const struct expected *what)
{
    struct http__forwarded_value a[8], b[8], c[8];
    const struct http__forwarded_fields fields = {
        split(what->client, a), split(what->proto, b), split(what->host, c)};
    struct http__forwarded result;
    struct hub_address peer;
    char text[128];

    ck_assert_int_eq(hub_address_parse(what->peer, &peer), 0);
    http__forwarded_read(kind, trust, &peer, &fields, &result);
    ck_assert_int_gt(hub_address_format(&result.client, text, sizeof text), 0);
    ck_assert_msg(strcmp(text, what->is) == 0, "%s: %s, not %s", what->client,
                  text, what->is);
    ck_assert_pstr_eq(result.proto, what->is_proto);
    ck_assert_int_eq(result.host != NULL, what->is_host != NULL);
    if (what->is_host != NULL) {
        ck_assert_uint_eq(result.host_size, strlen(what->is_host));
        ck_assert_mem_eq(result.host, what->is_host, result.host_size);
    }
}

#define PROXY "10.0.0.1:1"
static const struct expected x[] = {
    {"1.2.3.4:5", "9.9.9.9", "https", "a", "1.2.3.4:5", NULL, NULL},
    {PROXY, NULL, NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "9.9.9.9", "https", "example.org:8080", "9.9.9.9:0", "https",
     "example.org:8080"},
    {"unix:/x", "9.9.9.9", "HTTP", "a", "9.9.9.9:0", "http", "a"},
    {PROXY, "8.8.8.8, 9.9.9.9", NULL, NULL, "9.9.9.9:0", NULL, NULL},
    {PROXY, "8.8.8.8,9.9.9.9 , 10.2.2.2", NULL, NULL, "9.9.9.9:0", NULL, NULL},
    {PROXY, "8.8.8.8|9.9.9.9|10.2.2.2", NULL, NULL, "9.9.9.9:0", NULL, NULL},
    {PROXY, "10.3.3.3, 10.2.2.2", NULL, NULL, "10.3.3.3:0", NULL, NULL},
    {PROXY, "8.8.8.8, junk, 10.2.2.2", NULL, NULL, "10.2.2.2:0", NULL, NULL},
    {PROXY, "8.8.8.8, junk", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "8.8.8.8, ", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "unknown", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "9.9.9.9:4711", NULL, NULL, "9.9.9.9:0", NULL, NULL},
    {PROXY, "9.9.9.9:x", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "2001:db8::1", NULL, NULL, "[2001:db8::1]:0", NULL, NULL},
    {PROXY, "[2001:db8::1]", NULL, NULL, "[2001:db8::1]:0", NULL, NULL},
    {PROXY, "[2001:db8::1]:99", NULL, NULL, "[2001:db8::1]:0", NULL, NULL},
    {PROXY, "[2001:db8::1", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "[2001:db8::1]x", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "9.9.9.9 8.8.8.8", NULL, NULL, PROXY, NULL, NULL},
    {PROXY, "9.9.9.9", "https, http", "b, a", "9.9.9.9:0", "http", "a"},
    {PROXY, "9.9.9.9", "https|http", "b|a", "9.9.9.9:0", "http", "a"},
    {PROXY, "9.9.9.9", "gopher", "a b", "9.9.9.9:0", NULL, NULL},
    {PROXY, "9.9.9.9", "wss", "<script>", "9.9.9.9:0", "https", NULL},
    {PROXY, NULL, "https", "a", PROXY, "https", "a"},
};

START_TEST(reads_x_forwarded)
    {
        look(HTTP__FORWARDED_X, &x[_i]);
    }
END_TEST

#define F(peer, text, is, proto, host)          \
    {                                           \
        peer, text, NULL, NULL, is, proto, host \
    }
static const struct expected rfc[] = {
    F("1.2.3.4:5", "for=9.9.9.9", "1.2.3.4:5", NULL, NULL),
    F(PROXY, "for=9.9.9.9", "9.9.9.9:0", NULL, NULL),
    F(PROXY, "For=9.9.9.9;Proto=https;host=example.org;by=203.0.113.43",
      "9.9.9.9:0", "https", "example.org"),
    F(PROXY, "for=\"9.9.9.9:47\"; proto=http", "9.9.9.9:0", "http", NULL),
    F(PROXY, "for=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:0", NULL,
      NULL),
    F(PROXY, "for=\"2001:db8:cafe::17\"", PROXY, NULL, NULL),
    F(PROXY, "for=8.8.8.8, for=9.9.9.9;proto=https, for=10.2.2.2;proto=http",
      "9.9.9.9:0", "https", NULL),
    F(PROXY, "for=8.8.8.8|for=9.9.9.9", "9.9.9.9:0", NULL, NULL),
    F(PROXY, "for=8.8.8.8, for=_hidden;proto=https", PROXY, "https", NULL),
    F(PROXY, "for=8.8.8.8, for=_hidden;proto=https, for=10.2.2.2", "10.2.2.2:0",
      "https", NULL),
    F(PROXY, "for=unknown", PROXY, NULL, NULL),
    F(PROXY, "for=8.8.8.8, nonsense", PROXY, NULL, NULL),
    F(PROXY, "for=8.8.8.8, for=1;for=2", PROXY, NULL, NULL),
    F(PROXY, "for=8.8.8.8, for=1.1.1.1;for=2.2.2.2, for=10.2.2.2", "10.2.2.2:0",
      NULL, NULL),
    F(PROXY, "for=\"8.8.8.8, for=9.9.9.9", PROXY, NULL, NULL),
    F(PROXY, "for=\"|for=9.9.9.9", "9.9.9.9:0", NULL, NULL),
    F(PROXY, "for=\"9.9.9.9\\\"\"", PROXY, NULL, NULL),
    F(PROXY, "host=\"a, b\";for=9.9.9.9", "9.9.9.9:0", NULL, NULL),
    F(PROXY, "secret=\"x;y,z\";for=9.9.9.9", "9.9.9.9:0", NULL, NULL),
    F(PROXY, ", ,for=9.9.9.9,", "9.9.9.9:0", NULL, NULL),
    F(PROXY, "for=;proto=http", PROXY, NULL, NULL),
    F(PROXY, "=9.9.9.9", PROXY, NULL, NULL),
    F(PROXY, "", PROXY, NULL, NULL),
};

START_TEST(reads_forwarded)
    {
        look(HTTP__FORWARDED_RFC7239, &rfc[_i]);
    }
END_TEST

/* Bytes of any kind: whatever they say, nothing beyond them is looked at. */
START_TEST(takes_any_bytes)
    {
        static const char alphabet[] = "for=\"[]:;,.0129af_\\ \t\xff\0pht";
        unsigned seed = 1;
        struct hub_address peer;

        hub_address_parse(PROXY, &peer);
        for (int round = 0; round < 20000; round++) {
            size_t size = (size_t)rand_r(&seed) % 40;
            char *text = malloc(size + 1);
            struct http__forwarded_value value = {text, size};
            const struct http__forwarded_fields fields = {
                {&value, 1}, {&value, 1}, {&value, 1}};
            struct http__forwarded result;

            for (size_t i = 0; i < size; i++)
                text[i] =
                    alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
            http__forwarded_read(HTTP__FORWARDED_X, trust, &peer, &fields,
                                 &result);
            http__forwarded_read(HTTP__FORWARDED_RFC7239, trust, &peer, &fields,
                                 &result);
            free(text);
        }
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, reads_x_forwarded, 0,
                        (int)(sizeof x / sizeof *x));
    tcase_add_loop_test(tcase, reads_forwarded, 0,
                        (int)(sizeof rfc / sizeof *rfc));
    tcase_add_test(tcase, takes_any_bytes);
    return unit_run("forwarded", tcase);
}
