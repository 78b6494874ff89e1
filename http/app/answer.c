/* answer.c - redirects and cookies (V-20) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* ---- redirects ---- */

/* A reference, as RFC 3986 has it: printable, without blanks. */
static bool is_location(const char *text)
{
    if (text == NULL || *text == '\0')
        return false;
    while (*text > ' ' && *text < 0x7f)
        text++;
    return *text == '\0';
}

int http_response_redirect(struct http_response *response, const char *location,
                           int status)
{
    int rc;

    if (status != 301 && status != 302 && status != 303 && status != 307 &&
        status != 308)
        return -EINVAL;
    if (!is_location(location))
        return -EINVAL;
    rc = http_response_set_header(response, "Location", location);
    if (rc == 0)
        rc = http_response_clear(response);
    if (rc == 0)
        rc = http_response_set_status(response, status);
    return rc == 0 ? status : rc;
}

/* ---- cookies: RFC 6265 4.1.1 ---- */

/* ASCII in both, whether or not the machine's char has a sign. */
static bool is_value(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f || strchr("\",;\\", *text) != NULL)
            return false;
    return true;
}

static bool is_attribute(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text >= 0x7f || *text == ';')
            return false;
    return true;
}

static bool is_same_site(const struct http_response_cookie *how)
{
    const char *value = how->same_site;

    if (value == NULL || strcasecmp(value, "Lax") == 0 ||
        strcasecmp(value, "Strict") == 0)
        return true;
    return strcasecmp(value, "None") == 0 && how->secure;
}

/* -Werror=format-nonliteral has no place here: texts go one by one. */
static int add(struct http__text *text, struct http__arena *arena,
               const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b);

    if (http__text_reserve(text, arena, size + 1) < 0)
        return -ENOMEM;
    strcpy(stpcpy(text->data + text->size, a), b);
    text->size += size;
    return 0;
}

static int add_age(struct http__text *text, struct http__arena *arena,
                   int64_t age)
{
    char number[32];

    if (age == 0)
        return 0;
    if (age < 0) /* old clients know Expires alone */
        return add(text, arena, "; Max-Age=0",
                   "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    snprintf(number, sizeof number, "%lld", (long long)age);
    return add(text, arena, "; Max-Age=", number);
}

static int describe(struct http__text *text, struct http__arena *arena,
                    const struct http_response_cookie *how)
{
    int rc = add(text, arena, "; Path=", how->path != NULL ? how->path : "/");

    if (rc == 0 && how->domain != NULL)
        rc = add(text, arena, "; Domain=", how->domain);
    if (rc == 0)
        rc = add_age(text, arena, how->max_age);
    if (rc == 0 && how->secure)
        rc = add(text, arena, "; Secure", "");
    if (rc == 0 && how->http_only)
        rc = add(text, arena, "; HttpOnly", "");
    if (rc == 0 && how->same_site != NULL)
        rc = add(text, arena, "; SameSite=", how->same_site);
    return rc;
}

int http_response_set_cookie(struct http_response *response, const char *name,
                             const char *value,
                             const struct http_response_cookie *how)
{
    static const struct http_response_cookie defaults;
    struct http__arena *arena = &response->work->arena;
    struct http__text text = {0};
    int rc;

    how = how != NULL ? how : &defaults;
    if (!http__is_token(name) || value == NULL || !is_value(value) ||
        !is_same_site(how) ||
        (how->path != NULL &&
         (*how->path != '/' || !is_attribute(how->path))) ||
        (how->domain != NULL && !is_attribute(how->domain)))
        return -EINVAL;
    if (response->begun)
        return -ESHUTDOWN;
    rc = add(&text, arena, name, "=");
    if (rc == 0)
        rc = add(&text, arena, value, "");
    if (rc == 0)
        rc = describe(&text, arena, how);
    return rc == 0 ? http_response_add_header(response, "Set-Cookie", text.data)
                   : rc;
}
