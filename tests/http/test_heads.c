/* Heads that are kept say what they said when they were read; what was refused
 * is not kept, and nothing is that has another byte. */
#include "../unit.h"
#include "messages.h"
#include "pieces.h"

#include "http/chars.h"
#include "http/heads.h"
#include "http/memory.h"
#include "http/parser.h"
#include "hub/hub.h"

#define HOST "Host: a\r\n"
#define END  "\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST END

struct reading {
    int rc;
    struct http__head head;
    struct http__field fields[PIECES_FIELDS];
};

static struct http__heads *heads;
static struct reading fresh, again;
static unsigned found, copies;

static int read_all(const char *text, size_t size, struct reading *reading)
{
    struct http__strict strict = {0};
    int rc;

    memset(reading, 0xa5, sizeof *reading);
    reading->head.fields = reading->fields;
    rc = http__strict_head(&strict, &pieces_limits, text, size, &reading->head);
    if (rc == 1)
        rc = http__parser_head(NULL, text, &reading->head);
    return rc < 0 ? rc : strict.at == size;
}

/* As a server does: http/head.c. */
static int ask(const char *text, size_t size, struct reading *reading)
{
    uint64_t hash = http__heads_hash(heads, text, size);
    int rc;

    memset(reading, 0x5a, sizeof *reading);
    reading->head.fields = reading->fields;
    if (hash != 0 &&
        http__heads_find(heads, text, size, hash, &reading->head)) {
        found++;
        return 1;
    }
    rc = read_all(text, size, reading);
    if (rc == 1 && hash != 0)
        http__heads_keep(heads, text, hash, &reading->head);
    return rc;
}

static bool same(const struct reading *a, const struct reading *b)
{
    const struct http__head *x = &a->head, *y = &b->head;

    return x->length == y->length && x->skipped == y->skipped &&
           x->method == y->method && x->method_length == y->method_length &&
           x->target == y->target && x->target_length == y->target_length &&
           x->path == y->path && x->path_length == y->path_length &&
           x->host == y->host && x->host_length == y->host_length &&
           x->form == y->form && x->minor == y->minor &&
           x->chunked == y->chunked && x->close == y->close &&
           x->keep_alive == y->keep_alive && x->upgrade == y->upgrade &&
           x->expect_continue == y->expect_continue &&
           x->content_length == y->content_length && x->count == y->count &&
           x->framing == y->framing && y->fields == b->fields &&
           memcmp(a->fields, b->fields, x->count * sizeof *a->fields) == 0;
}

/* In memory of just their size, at another address each time. */
static void check_as_fresh(const char *text, size_t size)
{
    char *copy = malloc(size);
    int rc;

    memcpy(copy, text, size);
    fresh.rc = read_all(copy, size, &fresh);
    rc = ask(copy, size, &again);
    ck_assert_msg(rc == fresh.rc, "%d, not %d: %.*s", rc, fresh.rc, (int)size,
                  text);
    if (rc == 1)
        ck_assert_msg(same(&fresh, &again), "%.*s", (int)size, text);
    free(copy);
}

/* From which time on. */
static unsigned found_at(const char *text, size_t size)
{
    for (unsigned i = 1; i <= 4; i++) {
        found = 0;
        check_as_fresh(text, size);
        if (found > 0)
            return i;
    }
    return 0;
}

static bool counts(void)
{
    copies++;
    return false;
}

static bool failing;

static bool fails(void)
{
    return failing;
}

static void begin(void)
{
    heads = http__heads_new();
    ck_assert_ptr_nonnull(heads);
    found = copies = 0;
}

static void end(void)
{
    http__test_fails = NULL;
    http__heads_free(heads);
    heads = NULL;
}

START_TEST(each_head_is_found_the_third_time)
    {
        const struct message *message = &messages_heads[_i];

        begin();
        /* Not those with something behind them, which come as one with it. */
        if (read_all(message->text, message->size, &fresh) == 1 &&
            message->size <= 1024 && fresh.head.count <= 24)
            ck_assert_msg(found_at(message->text, message->size) == 3, "%s",
                          message->clause);
        else
            ck_assert_msg(found_at(message->text, message->size) == 0, "%s",
                          message->clause);
        end();
    }
END_TEST

START_TEST(all_of_them_are_told_apart)
    {
        begin();
        for (size_t turn = 0; turn < 6; turn++)
            for (size_t i = 0; i < messages_heads_count; i++)
                for (size_t times = 0; times <= turn; times++) {
                    check_as_fresh(messages_heads[i].text,
                                   messages_heads[i].size);
                    check_as_fresh(GET, strlen(GET));
                }
        ck_assert_uint_gt(found, 1000);
        end();
    }
END_TEST

/* ---- another byte ---- */

static const char *const originals[] = {
    GET,
    "GET /a/b?c=d%20e HTTP/1.1\r\n" HOST "Cookie: id=1; x=\"y\"\r\n"
    "Accept: */*\r\n" END,
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n"
    "Expect: 100-continue\r\n" END,
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END,
    "GET http://a:80/ HTTP/1.1\r\n" HOST "Connection: close\r\n" END,
    "OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n" END,
    "\r\n\r\nGET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\n"
    "Upgrade: websocket\r\n" END,
    "POST / HTTP/1.1\r\n" HOST "X: Content-Length: 5\r\nContent-Lengtj: 5\r\n"
    "Transfer_Encoding: chunked\r\n" END,
};

static const char others[] = {'\0', '\n', '\r',   ' ',    '\t', ':', 'a',
                              '0',  ',',  '\x7f', '\xff', '/',  '\v'};

/* The one that has it may be valid or not, whatever was kept before. */
static void check_byte(const char *text, size_t size, size_t at, char byte)
{
    char *other = malloc(size);

    memcpy(other, text, size);
    other[at] = byte;
    for (int i = 0; i < 4; i++) {
        check_as_fresh(other, size);
        check_as_fresh(text, size);
    }
    free(other);
}

START_TEST(another_byte_is_another_head)
    {
        const char *text = originals[_i];
        size_t size = strlen(text);

        begin();
        check_as_fresh(text, size);
        ck_assert_int_eq(fresh.rc, 1);
        for (size_t at = 0; at < size; at++) {
            for (size_t i = 0; i < sizeof others; i++)
                check_byte(text, size, at, others[i]);
            check_byte(text, size, at, (char)(text[at] ^ 0x20));
            check_byte(text, size, at, (char)(text[at] + 1));
        }
        ck_assert_uint_gt(found, size * sizeof others);
        end();
    }
END_TEST

START_TEST(a_byte_less_or_more_is_another_head)
    {
        const char *text = originals[_i];
        size_t size = strlen(text);
        char longer[512];

        begin();
        snprintf(longer, sizeof longer, "%s" GET, text);
        for (size_t length = 1; length <= strlen(longer); length++)
            for (int i = 0; i < 3; i++) {
                check_as_fresh(text, size);
                check_as_fresh(longer, length);
            }
        ck_assert_uint_gt(found, size);
        end();
    }
END_TEST

/* ---- hashes that are the same ---- */

/* Two words of it are 16 bytes apart: by the second, the sum that the first has
 * changed is what it was (hash_of() in http/heads.c). */
static const char base[] = "GET / HTTP/1.1\r\nHost: a\r\nX-1:xxxy"
                           "................................"
                           "................" END END;
enum { FIRST = 32, SECOND = 48 };

static uint64_t step(uint64_t sum, const char *word)
{
    return (sum ^ http__load8(word)) * UINT64_C(0x9e3779b97f4a7c15);
}

static void collide(char *text, const char *word)
{
    uint64_t sum = step(step(sizeof base - 1, base), base + 16);
    uint64_t second =
        step(sum, base + FIRST) ^ step(sum, word) ^ http__load8(base + SECOND);

    memcpy(text, base, sizeof base);
    memcpy(text + FIRST, word, 8);
    memcpy(text + SECOND, &second, 8);
}

static uint64_t hash(const char *text)
{
    struct http__heads *none = http__heads_new();
    uint64_t value = http__heads_hash(none, text, sizeof base - 1);

    http__heads_free(none);
    return value;
}

START_TEST(heads_of_one_hash_are_told_apart)
    {
        unsigned good = 0, bad = 0;
        char text[sizeof base], word[9];

        begin();
        for (unsigned i = 0; i < 300; i++) {
            snprintf(word, sizeof word, "%08x", i * 2654435761u);
            collide(text, word);
            ck_assert_uint_eq(hash(text), hash(base));
            for (int times = 0; times < 3; times++) {
                check_as_fresh(text, sizeof base - 1);
                *(fresh.rc == 1 ? &good : &bad) += 1;
                check_as_fresh(base, sizeof base - 1);
            }
        }
        ck_assert_uint_gt(good, 30);
        ck_assert_uint_gt(bad, 30);
        ck_assert_uint_gt(found, 300);
        end();
    }
END_TEST

/* ---- what is kept ---- */

static size_t make(char *text, size_t fields, size_t size)
{
    size_t length = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" HOST);

    while (fields-- > 2)
        length +=
            (size_t)sprintf(text + length, "%c:\r\n", (int)('a' + fields % 26));
    length += (size_t)sprintf(text + length, "X:");
    while (length + 4 < size)
        text[length++] = (char)('a' + size % 26);
    return length + (size_t)sprintf(text + length, "\r\n\r\n");
}

START_TEST(heads_are_kept_up_to_their_limits)
    {
        static char text[2048];

        begin();
        ck_assert_uint_eq(found_at(text, make(text, 3, 1024)), 3);
        ck_assert_uint_eq(found_at(text, make(text, 3, 1025)), 0);
        ck_assert_uint_eq(found_at(text, make(text, 24, 600)), 3);
        ck_assert_uint_eq(found_at(text, make(text, 25, 600)), 0);
        end();
    }
END_TEST

/* Many share a place; it has what is long and what is short in turn. */
START_TEST(places_are_used_again)
    {
        static char text[2048];
        uint32_t random = 1;

        begin();
        for (unsigned i = 0; i < 20000; i++) {
            random = random * 1664525 + 1013904223;
            check_as_fresh(text, make(text, 2 + (random >> 8) % 24,
                                      150 + (random >> 16) % 30 * 30));
            check_as_fresh(text, strlen(text));
            check_as_fresh(text, strlen(text));
            check_as_fresh(GET, strlen(GET));
        }
        ck_assert_uint_gt(found, 20000);
        end();
    }
END_TEST

static size_t unlike(char *text, unsigned i)
{
    return (size_t)sprintf(text,
                           "GET / HTTP/1.1\r\n" HOST "Cookie: %08x\r\n"
                           "X-Forwarded-For: 10.0.%u.%u\r\n\r\n",
                           i * 2654435761u, i / 256 % 256, i % 256);
}

START_TEST(heads_that_come_once_are_not_copied)
    {
        char text[256];

        begin();
        http__test_fails = counts;
        for (unsigned i = 0; i < 60; i++)
            check_as_fresh(text, unlike(text, i));
        ck_assert_uint_eq(copies, 0);
        check_as_fresh(text, unlike(text, 59));
        ck_assert_uint_eq(copies, 1);
        for (unsigned i = 60; i < 100000; i++)
            check_as_fresh(text, unlike(text, i));
        ck_assert_uint_eq(copies, 1);
        ck_assert_uint_eq(found, 0);
        /* Who repeats himself then is noticed all the same. */
        for (unsigned i = 0; i < 64; i++)
            check_as_fresh(text, unlike(text, 7));
        ck_assert_uint_gt(found, 0);
        found = 0;
        for (unsigned i = 0; i < 64; i++)
            check_as_fresh(text, unlike(text, 7));
        ck_assert_uint_eq(found, 64);
        end();
    }
END_TEST

/* One in ten that is known is enough for all to be looked for. */
START_TEST(heads_are_found_among_others)
    {
        char text[256];

        begin();
        for (unsigned i = 0; i < 10000; i++) {
            check_as_fresh(text, unlike(text, i));
            if (i % 10 == 0)
                check_as_fresh(GET, strlen(GET));
        }
        ck_assert_uint_gt(found, 900);
        end();
    }
END_TEST

/* ---- no memory ---- */

START_TEST(without_memory_nothing_is_kept)
    {
        heads = NULL;
        http__test_fails = fails;
        failing = true;
        ck_assert_ptr_null(http__heads_new());
        ck_assert_uint_eq(found_at(GET, strlen(GET)), 0);
        failing = false;
        begin();
        http__test_fails = fails;
        for (int i = 0; i < 5; i++) {
            failing = true;
            check_as_fresh(GET, strlen(GET));
            ck_assert_uint_eq(found, 0);
        }
        failing = false;
        check_as_fresh(GET, strlen(GET));
        check_as_fresh(GET, strlen(GET));
        ck_assert_uint_eq(found, 1);
        end();
    }
END_TEST

/* What a place has stays there when what is longer finds no memory. */
START_TEST(what_was_kept_stays_when_memory_ends)
    {
        static char text[2048];

        begin();
        for (unsigned i = 0; i < 64 * 8; i++)
            found_at(text, make(text, 2, 100 + i));
        http__test_fails = fails;
        for (unsigned i = 0; i < 2000; i++) {
            failing = true;
            check_as_fresh(text, make(text, 2 + i % 20, 200 + i % 800));
            check_as_fresh(text, strlen(text));
            check_as_fresh(text, make(text, 2, 100 + i % 512));
        }
        failing = false;
        end();
    }
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof *table)

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1);
    tcase_set_timeout(tcase, 240);
    tcase_add_loop_test(tcase, each_head_is_found_the_third_time, 0,
                        (int)messages_heads_count);
    tcase_add_test(tcase, all_of_them_are_told_apart);
    tcase_add_loop_test(tcase, another_byte_is_another_head, 0,
                        COUNT(originals));
    tcase_add_loop_test(tcase, a_byte_less_or_more_is_another_head, 0,
                        COUNT(originals));
    tcase_add_test(tcase, heads_of_one_hash_are_told_apart);
    tcase_add_test(tcase, heads_are_kept_up_to_their_limits);
    tcase_add_test(tcase, places_are_used_again);
    tcase_add_test(tcase, heads_that_come_once_are_not_copied);
    tcase_add_test(tcase, heads_are_found_among_others);
    tcase_add_test(tcase, without_memory_nothing_is_kept);
    tcase_add_test(tcase, what_was_kept_stays_when_memory_ends);
    return unit_run("heads", tcase);
}
