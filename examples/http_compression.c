/* http_compression.c - an extension: answers go compressed to those who like it
 *
 * It is a wrapper (http_view_wrap()) around sync and async views.  Streams and
 * files pass through as they are.  Not for pages that show a secret beside what
 * a stranger can choose: the length of such a page tells what the two have in
 * common. `http_compression --bind 127.0.0.1:8080` serves; without an argument
 * the program asks itself, and ends. */
#include <vireo/http.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

/* ---- the extension ---- */

enum { FROM = 256 }; /* bytes: less is not worth it */

/* RFC 9110, 12.5.3: "gzip", "*", without a q of 0. */
static bool takes_gzip(const char *list)
{
    bool any = false;

    while (list != NULL && *list != '\0') {
        const char *name = list + strspn(list, " ,"), *q;
        size_t length = strcspn(name, " ;,");
        const char *end = name + strcspn(name, ",");
        bool takes;

        q = memchr(name, '=', (size_t)(end - name));
        takes = q == NULL || strtod(q + 1, NULL) > 0;
        if (length == 4 && strncasecmp(name, "gzip", 4) == 0)
            return takes;
        if (length == 1 && *name == '*')
            any = takes;
        list = end;
    }
    return any;
}

static bool is_text(const char *type)
{
    static const char *const types[] = {
        "text/", "application/json", "application/javascript", "image/svg+xml"};

    for (size_t i = 0; type != NULL && i < sizeof types / sizeof *types; i++)
        if (strncasecmp(type, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

/* Returns 0 with what is smaller in *to, to be freed; 1: it would not be;
 * -ENOMEM. */
static int compress_bytes(const void *data, size_t size, void **to,
                          size_t *to_size)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)size};
    int rc;

    if (deflateInit2(&stream, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return -ENOMEM;
    *to = malloc(size);
    stream.next_out = *to;
    stream.avail_out = *to != NULL ? (uInt)size : 0;
    rc = *to != NULL ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
    *to_size = stream.total_out;
    deflateEnd(&stream);
    if (rc == Z_STREAM_END)
        return 0;
    free(*to);
    return rc == Z_MEM_ERROR ? -ENOMEM : 1;
}

/* It is another representation: a strong ETag may not be the same (RFC
 * 9110, 8.8.1). */
static void weaken(struct http_response *response)
{
    const char *tag = http_response_header(response, "ETag");
    char weak[256];

    if (tag == NULL || strncmp(tag, "W/", 2) == 0 ||
        strlen(tag) + 3 > sizeof weak)
        return;
    snprintf(weak, sizeof weak, "W/%s", tag);
    http_response_set_header(response, "ETag", weak);
}

static int compress_response(struct http_response *response)
{
    const void *data;
    void *small;
    size_t size, small_size;
    int rc;

    data = http_response_bytes(response, &size);
    if (data == NULL || size < FROM || size > UINT32_MAX)
        return 0;
    rc = compress_bytes(data, size, &small, &small_size);
    if (rc != 0)
        return 0; /* without memory it goes as it is */
    rc = http_response_body(response, small, small_size, free, small);
    if (rc == 0)
        rc = http_response_set_header(response, "Content-Encoding", "gzip");
    weaken(response);
    return rc;
}

static int compressed(struct http_request *request,
                      struct http_response *response,
                      const struct http_view *inner, void *data)
{
    int rc = http_view_call(inner, request, response), failed;

    (void)data;
    if (rc < 0 || !is_text(http_response_header(response, "Content-Type")) ||
        http_response_header(response, "Content-Encoding") != NULL ||
        http_response_header(response, "Content-Range") != NULL)
        return rc;
    failed = http_response_add_header(response, "Vary", "Accept-Encoding");
    if (failed == 0 &&
        takes_gzip(http_request_header(request, "Accept-Encoding")))
        failed = compress_response(response);
    return failed < 0 ? failed : rc;
}

/* ---- an application ---- */

static int numbers(struct http_request *request, struct http_response *response,
                   struct hub_scope *scope)
{
    int rc = http_response_text(response, "");

    (void)scope;
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = http_response_printf(response, "%d bottles of beer\n", i);
    http_response_set_header(response, "ETag", "\"beer\"");
    return http_request_arg(request, "gone") != NULL ? 410 : rc;
}

static int little(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "little");
}

static int pieces(struct http_stream *stream, void *data)
{
    (void)data;
    return http_stream_printf(stream, "%s", "a stream");
}

static int streamed(struct http_request *request,
                    struct http_response *response)
{
    (void)request;
    return http_response_stream(response, "text/plain", pieces, NULL);
}

static void put_together(struct http_app *app)
{
    http_app_route(
        app, "GET", "/numbers", "numbers",
        http_view_wrap(app, http_view_async(numbers), compressed, NULL));
    http_app_route(
        app, "GET", "/little", "little",
        http_view_wrap(app, http_view_sync(little), compressed, NULL));
    http_app_route(
        app, "GET", "/stream", "stream",
        http_view_wrap(app, http_view_sync(streamed), compressed, NULL));
}

/* ---- what a browser would ask ---- */

/* How many bytes it was before, if it is no longer. */
static size_t inflated(const char *data, size_t size)
{
    static unsigned char room[1 << 16];
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)size,
                       .next_out = room,
                       .avail_out = sizeof room};

    if (inflateInit2(&stream, 16 + 15) == Z_OK) {
        inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
    }
    return stream.total_out;
}

static void ask(struct http_testclient *client, const char *path,
                const char *accept)
{
    const char *encoding, *tag, *body;
    size_t size;
    int status;

    http_testclient_set_header(client, "Accept-Encoding", accept);
    status = http_testclient_get(client, path);
    encoding = http_testclient_header(client, "Content-Encoding");
    tag = http_testclient_header(client, "ETag");
    body = http_testclient_body(client, &size);
    printf("%s, %s: %d, ", path, accept != NULL ? accept : "-", status);
    if (encoding != NULL)
        printf("%s of %zu bytes, a %s of it", encoding, inflated(body, size),
               size < inflated(body, size) / 4 ? "quarter" : "large part");
    else
        printf("%zu bytes", size);
    printf(", %s\n", tag != NULL ? tag : "no ETag");
}

static int ask_all(struct http_app *app)
{
    struct http_testclient *client;
    int rc = http_testclient_new(app, &client);

    if (rc < 0)
        return rc;
    ask(client, "/numbers", NULL);
    ask(client, "/numbers", "br, gzip");
    ask(client, "/numbers?gone=1", "GZIP;q=0.5");
    ask(client, "/numbers", "gzip;q=0, *");
    ask(client, "/numbers", "br;q=1, *;q=0.1");
    ask(client, "/little", "gzip");
    ask(client, "/stream", "gzip");
    http_testclient_free(client);
    return 0;
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();
    int rc;

    put_together(app);
    if (argc > 1)
        return http_app_run(app, argc, argv) == 0 ? 0 : 1;
    rc = ask_all(app);
    http_app_free(app);
    return rc == 0 ? 0 : 1;
}
