/* Queries, forms and cookies: what is read lies in the arena, ends with a 0,
 * and has no other; a form that was read and written is read again as the same.
 */
#include "fuzz.h"

#include "http/app/app_impl.h"

static void look(const struct http__pairs *pairs)
{
    fuzz_check(pairs->count <= HTTP__MOST);
    for (size_t i = 0; i < pairs->count; i++)
        fuzz_check(strlen(pairs->list[i].name) < 1 << 20 &&
                   strlen(pairs->list[i].value) < 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy((const char *)data, size), *text;
    static max_align_t room[16];
    struct http__arena arena;
    struct http__pairs form = {0}, cookies = {0};
    int rc;

    http__arena_init(&arena, room, sizeof room);
    rc = http__urlencoded(copy, size, &arena, &form);
    fuzz_check(rc <= 0 && (rc == 0 || form.count == 0));
    look(&form);
    free(copy);
    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    fuzz_check(http__cookies_read(&cookies, &arena, text) == 0);
    look(&cookies);
    for (size_t i = 0; i < cookies.count; i++)
        fuzz_check(strchr(cookies.list[i].value, ';') == NULL &&
                   strpbrk(cookies.list[i].name, ";=") == NULL);
    free(text);
    http__arena_free(&arena);
    return 0;
}
