/* url.c - the paths of rules (V-21) */
#include "http/app/app_impl.h"

#include <errno.h>

/* ---- encoding ---- */

static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

int http__url_encode(struct http__text *to, struct http__arena *arena,
                     const char *text, const char *also)
{
    static const char digits[] = "0123456789ABCDEF";

    if (http__text_reserve(to, arena, 3 * strlen(text)) < 0)
        return -ENOMEM;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (is_unreserved(*text) || strchr(also, *text) != NULL) {
            to->data[to->size++] = *text;
            continue;
        }
        to->data[to->size++] = '%';
        to->data[to->size++] = digits[c >> 4];
        to->data[to->size++] = digits[c & 15];
    }
    return 0;
}

static int add_text(struct http__text *to, struct http__arena *arena,
                    const char *text, size_t length)
{
    if (http__text_reserve(to, arena, length) < 0)
        return -ENOMEM;
    memcpy(to->data + to->size, text, length);
    to->size += length;
    return 0;
}

/* ---- a rule, filled in ---- */

struct filling {
    struct http__arena *arena;
    const struct http__route *route;
    const struct http__pairs *values;
    struct http__text text;
};

static const char *default_of(const struct http__route *route, const char *name)
{
    for (size_t i = 0; i < route->how.default_count; i++)
        if (strcmp(route->how.defaults[i].name, name) == 0)
            return route->how.defaults[i].value;
    return NULL;
}

static int fill_piece(struct filling *filling, const struct http__piece *piece)
{
    const char *value;

    if (piece->converter == HTTP__TEXT)
        return add_text(&filling->text, filling->arena, piece->text,
                        piece->length);
    value = http__pairs_get(filling->values, piece->text);
    if (value == NULL ||
        !http__converter_takes(piece->converter, value, strlen(value)))
        return -EINVAL;
    if (piece->converter == HTTP__PATH && *value == '/')
        return -EINVAL;
    return http__url_encode(&filling->text, filling->arena, value,
                            piece->converter == HTTP__PATH ? "/:@!$&'()*+,;="
                                                           : ":@!$&'()*+,;=");
}

static bool has_argument(const struct http__route *route, const char *name)
{
    for (unsigned i = 0; i < route->argument_count; i++)
        if (strcmp(route->arguments[i], name) == 0)
            return true;
    return false;
}

/* What the rule lacks becomes the query, unless it is what a default says. */
static int fill_query(struct filling *filling)
{
    char before = '?';
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < filling->values->count; i++) {
        const struct http__pair *pair = &filling->values->list[i];

        if (has_argument(filling->route, pair->name) ||
            default_of(filling->route, pair->name) != NULL)
            continue;
        rc = add_text(&filling->text, filling->arena, &before, 1);
        before = '&';
        if (rc == 0)
            rc = http__url_encode(&filling->text, filling->arena, pair->name,
                                  "");
        if (rc == 0)
            rc = add_text(&filling->text, filling->arena, "=", 1);
        if (rc == 0)
            rc = http__url_encode(&filling->text, filling->arena, pair->value,
                                  "");
    }
    return rc;
}

static bool suits(const struct http__route *route,
                  const struct http__pairs *values)
{
    for (unsigned i = 0; i < route->argument_count; i++)
        if (http__pairs_get(values, route->arguments[i]) == NULL)
            return false;
    for (size_t i = 0; i < route->how.default_count; i++) {
        const char *value =
            http__pairs_get(values, route->how.defaults[i].name);

        if (value != NULL && strcmp(value, route->how.defaults[i].value) != 0)
            return false;
    }
    return true;
}

static const char *fill(struct filling *filling)
{
    const struct http__route *route = filling->route;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < route->count; i++) {
        rc = add_text(&filling->text, filling->arena, "/", 1);
        for (unsigned k = 0; rc == 0 && k < route->segments[i].count; k++)
            rc = fill_piece(filling, &route->segments[i].pieces[k]);
    }
    if (rc == 0 && route->slash)
        rc = add_text(&filling->text, filling->arena, "/", 1);
    if (rc == 0)
        rc = fill_query(filling);
    if (rc == 0)
        rc = add_text(&filling->text, filling->arena, "", 1);
    return rc == 0 ? filling->text.data : NULL;
}

/* ".name": of the blueprint of the request. */
static const char *full_name(struct http__call *call, const char *endpoint)
{
    size_t length = strlen(endpoint);
    const char *blueprint =
        call->blueprint != NULL ? call->blueprint->name : "";
    char *full;

    if (*endpoint != '.')
        return endpoint;
    if (*blueprint == '\0')
        return endpoint + 1;
    full = http__arena_alloc(http__call_arena(call),
                             strlen(blueprint) + length + 1);
    if (full != NULL)
        strcpy(stpcpy(full, blueprint), endpoint);
    return full;
}

/* How much of the values it takes: a default rather than an argument. */
static size_t taken(const struct http__route *route,
                    const struct http__pairs *values)
{
    size_t score = 2 * (size_t)route->argument_count;

    for (size_t i = 0; i < route->how.default_count; i++)
        if (http__pairs_get(values, route->how.defaults[i].name) != NULL)
            score += 3;
    return score;
}

static const char *url_for(struct http__call *call, const char *endpoint,
                           const struct http__pairs *values)
{
    struct filling filling = {.arena = http__call_arena(call),
                              .values = values};
    const struct http__route *best = NULL;

    for (const struct http__route *route = call->app->routes; route != NULL;
         route = route->next)
        if (strcmp(route->how.endpoint, endpoint) == 0 &&
            suits(route, values) &&
            (best == NULL || taken(route, values) > taken(best, values)))
            best = route;
    filling.route = best;
    return best != NULL ? fill(&filling) : NULL;
}

const char *http_request_url_for(struct http_request *request,
                                 const char *endpoint, ...)
{
    struct http__call *call = request->call;
    struct http__pairs values = {0};
    const char *name, *value;
    va_list args;
    int rc = 0;

    if (call == NULL || call->app == NULL)
        return NULL;
    va_start(args, endpoint);
    while (rc == 0 && (name = va_arg(args, const char *)) != NULL) {
        value = va_arg(args, const char *);
        rc = value != NULL
                 ? http__pairs_add(&values, http__call_arena(call), name, value)
                 : -EINVAL;
    }
    va_end(args);
    endpoint = full_name(call, endpoint);
    return rc == 0 && endpoint != NULL ? url_for(call, endpoint, &values)
                                       : NULL;
}
