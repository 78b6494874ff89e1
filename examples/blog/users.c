#include "blog.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <errno.h>
#include <string.h>

enum { ROUNDS = 20000, BYTES = 32, HEX = 2 * BYTES + 1 };

static void to_hex(const unsigned char *bytes, char text[HEX])
{
    for (size_t i = 0; i < BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* ---- passwords ---- */

struct digest {
    const char *password, *salt;
    char hash[HEX];
};

/* It takes milliseconds on purpose: on a thread of the pool. */
static int make_hash(void *arg, void **result)
{
    struct digest *digest = arg;
    unsigned char bytes[BYTES];
    int done = PKCS5_PBKDF2_HMAC(digest->password, -1,
                                 (const unsigned char *)digest->salt,
                                 (int)strlen(digest->salt), ROUNDS,
                                 EVP_sha256(), BYTES, bytes);

    (void)result;
    to_hex(bytes, digest->hash);
    return done == 1 ? 0 : -EIO;
}

static int hash(struct http_request *request, const char *password,
                const char *salt, const char **text)
{
    struct digest *digest = http_request_alloc(request, sizeof *digest);
    struct hub_shield shield;
    int rc;

    if (digest == NULL)
        return -ENOMEM;
    *digest = (struct digest){.password = password, .salt = salt};
    hub_shield_begin(&shield); /* the thread has what is the request's */
    rc = hub_threadpool_apply(hub_threadpool_default(), make_hash, digest,
                              HUB_FOREVER, NULL);
    hub_shield_end(&shield);
    *text = digest->hash;
    return rc;
}

/* ---- sessions ---- */

const char *blog_user(struct http_request *request)
{
    return http_request_session_get(request, "user");
}

/* The same code for sync and async views. */
static int if_logged_in(struct http_request *request,
                        struct http_response *response,
                        const struct http_view *inner, void *data)
{
    (void)data;
    if (blog_user(request) != NULL)
        return http_view_call(inner, request, response);
    if (strncmp(http_request_path(request), "/api/", 5) == 0)
        return 401;
    return http_response_redirect(response, "/login", 303);
}

struct http_view blog_login_required(struct http_app *app,
                                     struct http_view view)
{
    return http_view_wrap(app, view, if_logged_in, NULL);
}

static int remember(struct http_request *request, const char *id,
                    const char *name)
{
    int rc = http_request_session_set(request, "user", id);

    return rc < 0 ? rc : http_request_session_set(request, "name", name);
}

/* ---- forms ---- */

/* Name and password of a form, or 400. */
static int read_form(struct http_request *request, const char **name,
                     const char **password)
{
    int rc = http_request_form(request);

    if (rc < 0)
        return rc;
    *name = http_request_form_field(request, "name");
    *password = http_request_form_field(request, "password");
    return *name != NULL && **name != '\0' && *password != NULL &&
                   strlen(*password) >= 8
               ? 0
               : 400;
}

static int add_user(const char *const values[3], const char **id,
                    struct http_request *request)
{
    PGresult *rows;
    char *copy;
    int rc = pq_ask(blog_database, &rows,
                    "INSERT INTO users (name, salt, hash) VALUES ($1, $2, $3) "
                    "RETURNING id",
                    3, values);

    if (rc < 0)
        return rc == -EEXIST ? 409 : rc;
    copy = http_request_alloc(request, 32);
    if (copy != NULL)
        snprintf(copy, 32, "%s", PQgetvalue(rows, 0, 0));
    PQclear(rows);
    *id = copy;
    return copy != NULL ? 0 : -ENOMEM;
}

static int sign_up(struct http_request *request, struct http_response *response)
{
    const char *values[3], *password, *id;
    unsigned char bytes[BYTES];
    char salt[HEX];
    int rc = read_form(request, &values[0], &password);

    if (rc != 0)
        return rc;
    if (RAND_bytes(bytes, BYTES) != 1)
        return -EIO;
    to_hex(bytes, salt);
    values[1] = salt;
    rc = hash(request, password, salt, &values[2]);
    if (rc == 0)
        rc = add_user(values, &id, request);
    if (rc == 0)
        rc = remember(request, id, values[0]);
    return rc != 0 ? rc : http_response_redirect(response, "/", 303);
}

/* 403 for a wrong password, and for a name that nobody has. */
static int look_up(struct http_request *request, const char *name,
                   const char *password)
{
    const char *mine;
    PGresult *rows;
    int rc = pq_ask(blog_database, &rows,
                    "SELECT id, salt, hash FROM users WHERE name = $1", 1,
                    &name);

    if (rc < 0)
        return rc;
    if (PQntuples(rows) == 0) {
        PQclear(rows);
        return 403;
    }
    rc = hash(request, password, PQgetvalue(rows, 0, 1), &mine);
    if (rc == 0 && CRYPTO_memcmp(mine, PQgetvalue(rows, 0, 2), HEX - 1) != 0)
        rc = 403;
    if (rc == 0)
        rc = remember(request, PQgetvalue(rows, 0, 0), name);
    PQclear(rows);
    return rc;
}

static int log_in(struct http_request *request, struct http_response *response)
{
    const char *name, *password;
    int rc = read_form(request, &name, &password);

    if (rc == 0)
        rc = look_up(request, name, password);
    return rc != 0 ? rc : http_response_redirect(response, "/", 303);
}

static int log_out(struct http_request *request, struct http_response *response)
{
    int rc = http_request_session_clear(request);

    return rc < 0 ? rc : http_response_redirect(response, "/", 303);
}

void blog_add_users(struct http_app *app)
{
    http_app_route(app, "POST", "/register", "sign_up",
                   http_view_sync(sign_up));
    http_app_route(app, "POST", "/login", "log_in", http_view_sync(log_in));
    http_app_route(app, "POST", "/logout", "log_out", http_view_sync(log_out));
}
