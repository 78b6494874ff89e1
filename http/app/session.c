/* session.c - sessions in a signed cookie (V-23)
 *
 * "JSON.time.signature", each in base64url: an HMAC-SHA256 of the two before,
 * with a key that is made of the secret for this and nothing else.  What does
 * not match, or is too old, is as if it had not been sent. */
#include "http/app/app_impl.h"
#include "http/websocket/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <time.h>

enum {
    SECRET_LEAST = 16,
    SIGNATURE = 32,
    SIGNATURE_TEXT = 43,
    COOKIE_MOST = 4093, /* what browsers keep of one */
    SKEW = 60           /* clocks of several machines */
};

/* ---- options ---- */

int http_app_set_secrets(struct http_app *app, const char *const *secrets,
                         size_t count)
{
    const char **copy =
        http__arena_alloc(&app->arena, (count + 1) * sizeof *copy);
    int rc = copy != NULL ? 0 : -ENOMEM;

    if (count == 0)
        rc = -EINVAL;
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t length = strlen(secrets[i]);

        copy[i] = http__arena_copy(&app->arena, secrets[i], length);
        if (copy[i] == NULL)
            rc = -ENOMEM;
        else if (length < SECRET_LEAST)
            rc = -EINVAL;
    }
    if (rc < 0)
        return http__app_fail(app, rc, "secrets",
                              rc == -EINVAL ? "none, or one that is too short"
                                            : NULL);
    app->secrets = copy;
    app->secret_count = count;
    return app->error;
}

static const char *copied(struct http_app *app, const char *text, int *rc)
{
    const char *copy = text;

    if (text != NULL)
        copy = http__arena_copy(&app->arena, text, strlen(text));
    if (text != NULL && copy == NULL)
        *rc = -ENOMEM;
    return copy;
}

int http_app_set_session_cookie(struct http_app *app, const char *name,
                                const struct http_response_cookie *how)
{
    struct http_response_cookie *mine = &app->session_cookie;
    int rc = name != NULL && !http__is_token(name) ? -EINVAL : 0;

    if (rc == 0 && name != NULL)
        app->session_name = copied(app, name, &rc);
    if (rc == 0 && how != NULL) {
        *mine = *how;
        mine->path = copied(app, how->path, &rc);
        mine->domain = copied(app, how->domain, &rc);
        mine->same_site = copied(app, how->same_site, &rc);
        if (mine->max_age <= 0)
            mine->max_age = HTTP__SESSION_AGE;
    }
    return rc < 0 ? http__app_fail(app, rc, "the session's cookie", NULL)
                  : app->error;
}

/* ---- signing ---- */

static bool sign(const char *secret, const char *text, size_t length,
                 unsigned char signature[SIGNATURE])
{
    static const unsigned char purpose[] = "vireo session cookie 1";
    unsigned char key[SIGNATURE];
    unsigned size = SIGNATURE;
    bool done = HMAC(EVP_sha256(), secret, (int)strlen(secret), purpose,
                     sizeof purpose - 1, key, &size) != NULL &&
                HMAC(EVP_sha256(), key, SIGNATURE, (const unsigned char *)text,
                     length, signature, &size) != NULL;

    OPENSSL_cleanse(key, sizeof key);
    return done && size == SIGNATURE;
}

static bool is_signed(const struct http_app *app, const char *text,
                      size_t length, const char *signature)
{
    unsigned char given[SIGNATURE + 1], wanted[SIGNATURE];
    bool good = false;

    if (strlen(signature) != SIGNATURE_TEXT ||
        http__base64url_decode(given, signature, SIGNATURE_TEXT) != SIGNATURE)
        return false;
    for (size_t i = 0; i < app->secret_count; i++)
        good |= sign(app->secrets[i], text, length, wanted) &&
                CRYPTO_memcmp(given, wanted, SIGNATURE) == 0;
    return good;
}

/* ---- reading ---- */

static bool is_fresh(const struct http_app *app, const char *text,
                     size_t length)
{
    unsigned char bytes[12];
    int64_t then = 0, now = (int64_t)time(NULL);

    if (length != 11 || http__base64url_decode(bytes, text, length) != 8)
        return false;
    for (int i = 0; i < 8; i++)
        then = (int64_t)((uint64_t)then << 8 | bytes[i]);
    return then <= now + SKEW && now - then <= app->session_cookie.max_age;
}

static json_t *read_cookie(struct http__call *call, const char *cookie)
{
    const char *last = strrchr(cookie, '.'), *first = strchr(cookie, '.');
    ssize_t size;
    json_t *value;
    char *text;

    if (last == NULL || first == last ||
        !is_signed(call->app, cookie, (size_t)(last - cookie), last + 1) ||
        !is_fresh(call->app, first + 1, (size_t)(last - first - 1)))
        return NULL;
    text = http__arena_alloc(http__call_arena(call), strlen(cookie));
    if (text == NULL)
        return NULL;
    size = http__base64url_decode(text, cookie, (size_t)(first - cookie));
    if (size < 0 || http__json_too_deep(text, (size_t)size, 1) >= 0)
        return NULL;
    value = json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
    if (value != NULL && !json_is_object(value)) {
        json_decref(value);
        value = NULL;
    }
    return value;
}

/* NULL: there are no secrets, or no memory. */
static struct http__call *with_session(struct http_request *request)
{
    struct http__call *call = request->call;
    const char *cookie;

    if (call == NULL || call->app == NULL || call->app->secret_count == 0)
        return NULL;
    if (call->session_read)
        return call->session != NULL ? call : NULL;
    call->session_read = true;
    cookie = http_request_cookie(request, call->app->session_name);
    call->session_sent = cookie != NULL;
    if (cookie != NULL)
        call->session = read_cookie(call, cookie);
    if (call->session == NULL)
        call->session = json_object();
    return call->session != NULL ? call : NULL;
}

const char *http_request_session_get(struct http_request *request,
                                     const char *name)
{
    struct http__call *call = with_session(request);

    return call != NULL
               ? json_string_value(json_object_get(call->session, name))
               : NULL;
}

/* ---- changing ---- */

static int may_change(struct http_request *request)
{
    struct http__call *call = request->call;

    if (call == NULL || call->app == NULL || call->app->secret_count == 0)
        return -ENOTSUP;
    if (call->response->begun)
        return -ESHUTDOWN;
    return with_session(request) != NULL ? 0 : -ENOMEM;
}

/* jansson does not tell bad texts from no memory. */
static bool is_utf8(const char *text)
{
    struct http__utf8 utf8 = {0};

    return http__utf8_feed(&utf8, text, strlen(text)) &&
           http__utf8_whole(&utf8);
}

int http_request_session_set(struct http_request *request, const char *name,
                             const char *value)
{
    int rc = may_change(request);

    if (rc < 0)
        return rc;
    if (value == NULL)
        json_object_del(request->call->session, name);
    else if (!is_utf8(name) || !is_utf8(value))
        return -EILSEQ;
    else if (json_object_set_new_nocheck(request->call->session, name,
                                         json_string_nocheck(value)) < 0)
        return -ENOMEM;
    request->call->session_changed = true;
    return 0;
}

int http_request_session_clear(struct http_request *request)
{
    int rc = may_change(request);

    if (rc < 0)
        return rc;
    request->call->session_changed = true;
    json_object_clear(request->call->session);
    return 0;
}

/* ---- writing ---- */

/* Returns the cookie's value, of memory that is the request's; NULL: no memory,
 * or it is too long (*rc). */
static char *make_cookie(struct http__call *call, const char *json, int *rc)
{
    size_t size = strlen(json), length;
    uint64_t now = (uint64_t)time(NULL);
    unsigned char bytes[8], signature[SIGNATURE];
    char *text;

    *rc = -EMSGSIZE;
    if (size > COOKIE_MOST)
        return NULL;
    *rc = -ENOMEM;
    text = http__arena_alloc(http__call_arena(call), 4 * size / 3 + 128);
    if (text == NULL)
        return NULL;
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(now >> (56 - 8 * i));
    length = http__base64url_encode(text, json, size);
    text[length++] = '.';
    length += http__base64url_encode(text + length, bytes, sizeof bytes);
    if (!sign(call->app->secrets[0], text, length, signature))
        return NULL;
    text[length++] = '.';
    http__base64url_encode(text + length, signature, sizeof signature);
    return text;
}

static int save(struct http__call *call)
{
    struct http_response_cookie how = call->app->session_cookie;
    const char *name = call->app->session_name;
    char *json, *text;
    int rc;

    how.secure |= strcmp(http_request_scheme(call->request), "https") == 0;
    if (json_object_size(call->session) == 0) {
        how.max_age = -1;
        return call->session_sent
                   ? http_response_set_cookie(call->response, name, "", &how)
                   : 0;
    }
    json = json_dumps(call->session, JSON_COMPACT);
    if (json == NULL)
        return -ENOMEM;
    text = make_cookie(call, json, &rc);
    free(json);
    if (text != NULL && strlen(text) + strlen(name) > COOKIE_MOST)
        rc = -EMSGSIZE;
    else if (text != NULL)
        rc = http_response_set_cookie(call->response, name, text, &how);
    return rc;
}

/* Who answers from a cache has to know that the answer depends on the cookie.
 */
void http__session_save(struct http__call *call)
{
    int rc = http_response_add_header(call->response, "Vary", "Cookie");

    if (rc == 0 && call->session_changed && call->session != NULL)
        rc = save(call);
    if (rc < 0)
        http__app_report(call, "keeping the session", rc);
}
