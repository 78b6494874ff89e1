/* UTF-8, asked piece by piece: all characters, all cuts. */
#include "../unit.h"
#include "http/websocket/utf8.h"

static bool is_text(const void *data, size_t size, size_t piece)
{
    struct http__utf8 utf8 = { 0 };

    for (size_t at = 0; at < size; at += piece)
        if (!http__utf8_feed(&utf8, (const char *)data + at,
                             size - at < piece ? size - at : piece))
            return false;
    return http__utf8_whole(&utf8);
}

/* RFC 3629, 3. */
static size_t encode(uint32_t c, uint8_t *out)
{
    if (c < 0x80)
        return out[0] = (uint8_t)c, 1;
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = 0x80 | (c & 63);
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = 0x80 | (c >> 6 & 63);
        out[2] = 0x80 | (c & 63);
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = 0x80 | (c >> 12 & 63);
    out[2] = 0x80 | (c >> 6 & 63);
    out[3] = 0x80 | (c & 63);
    return 4;
}

START_TEST(every_character_but_surrogates_is_text)
{
    uint8_t bytes[4];
    size_t size;

    for (uint32_t c = 0; c < 0x1fffff; c++) {
        bool good = c < 0x110000 && (c < 0xd800 || c > 0xdfff);

        size = encode(c, bytes);
        if (is_text(bytes, size, 1) != good || is_text(bytes, size, 4) != good)
            ck_abort_msg("U+%04X", (unsigned)c);
        if (good && size > 1 && is_text(bytes, size - 1, 1))
            ck_abort_msg("U+%04X, cut", (unsigned)c);
    }
}
END_TEST

/* What is longer than need be says a number that shorter ones say. */
START_TEST(of_three_bytes_as_many_are_text_as_there_are_characters)
{
    static const char ascii[] = "plain text before ";
    uint8_t bytes[sizeof ascii + 3];
    size_t good = 0;

    memcpy(bytes, ascii, sizeof ascii);
    for (unsigned i = 0x800000; i < 0x1000000; i++) {
        bytes[sizeof ascii] = (uint8_t)(i >> 16);
        bytes[sizeof ascii + 1] = (uint8_t)(i >> 8);
        bytes[sizeof ascii + 2] = (uint8_t)i;
        good += is_text(bytes, sizeof bytes, sizeof bytes);
    }
    /* 3 bytes; 2 and 1 byte: none of the latter begins with the top bit. */
    ck_assert_uint_eq(good, (0x10000 - 0x800 - 0x800) + 1920u * 128);
}
END_TEST

static const struct {
    const char *text;
    bool good;
} rows[] = {
    { "", true },
    { "0123456789abcdef\xc3\xa4" "0123456789abcdef", true },
    { "\xef\xbb\xbf", true }, /* a BOM is a character */
    { "\xef\xbf\xbf", true }, /* so are noncharacters */
    { "01234567\x80", false },
    { "\xc1\x81", false },
    { "\xe0\x9f\xbf", false },
    { "\xf0\x8f\xbf\xbf", false },
    { "\xf5\x80\x80\x80", false },
    { "\xfe", false },
    { "\xff", false },
    { "\xc3(", false },
    { "\xe2\x82(", false },
};

START_TEST(texts_in_pieces_of_each_size)
{
    size_t size = strlen(rows[_i].text);

    for (size_t piece = 1; piece <= size + 1; piece++)
        ck_assert_int_eq(is_text(rows[_i].text, size, piece), rows[_i].good);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, every_character_but_surrogates_is_text);
    tcase_add_test(tcase,
                   of_three_bytes_as_many_are_text_as_there_are_characters);
    tcase_add_loop_test(tcase, texts_in_pieces_of_each_size, 0,
                        sizeof rows / sizeof *rows);
    return unit_run("websocket_utf8", tcase);
}
