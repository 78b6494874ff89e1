/* Rules and paths.  The input is rules, a line each, and after an empty line a
 * path: what is found has the arguments of its rule, which its converters take.
 */
#include "fuzz.h"

#include "http/app/app_impl.h"

enum { RULES = 16 };

static void look(const struct http__found *found)
{
    const struct http__route *route = found->route;

    if (route == NULL)
        return;
    fuzz_check(found->count == route->argument_count);
    for (unsigned i = 0; i < found->count; i++)
        fuzz_check(strcmp(found->values[i].name, route->arguments[i]) == 0 &&
                   *found->values[i].value != '\0');
    for (unsigned i = 0, k = 0; i < route->count; i++)
        for (unsigned p = 0; p < route->segments[i].count; p++) {
            const struct http__piece *piece = &route->segments[i].pieces[p];
            const char *value;

            if (piece->converter == HTTP__TEXT)
                continue;
            value = found->values[k++].value;
            fuzz_check(
                http__converter_takes(piece->converter, value, strlen(value)));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static max_align_t room[16];
    struct http__arena arena;
    struct http__node *root = NULL;
    struct http__found found;
    char *text = malloc(size + 1), *at = text;

    memcpy(text, data, size);
    text[size] = '\0';
    http__arena_init(&arena, room, sizeof room);
    for (unsigned i = 0; i < RULES && *at != '\n' && *at != '\0'; i++) {
        struct http__route *route = http__arena_alloc(&arena, sizeof *route);
        const char *why;
        size_t length = strcspn(at, "\n");

        memset(route, 0, sizeof *route);
        route->path = http__arena_copy(&arena, at, length);
        route->methods = 1 + i % 2;
        at += length + (at[length] == '\n');
        if (length < 200 && http__rule_parse(&arena, route, &why) == 0)
            http__router_add(&root, &arena, route);
    }
    at += *at == '\n';
    if (strlen(at) < 200 && http__router_find(root, &arena, at, 1, &found) == 0)
        look(&found);
    http__arena_free(&arena);
    free(text);
    return 0;
}
