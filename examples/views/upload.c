/* upload.c - a form with files, and a body that is read as it comes
 *
 * usage: upload [--bind ADDRESS]... */
#include <vireo/http.h>

/* multipart/form-data: all of it is in memory, so it has a limit. */
static int form(struct http_request *request, struct http_response *response)
{
    const struct http_form_file *file;
    const char *title;
    int rc;

    http_request_set_body_limit(request, 1 << 20); /* 413 beyond */
    rc = http_request_form(request);
    if (rc < 0)
        return rc; /* 400, 413, 415 */
    file = http_request_file(request, "file");
    title = http_request_form_field(request, "title");
    if (file == NULL || title == NULL)
        return 400;
    return http_response_printf(response, "%s: %s, %zu bytes of %s\n", title,
                                file->name, file->size, file->content_type);
}

/* Of any size, in pieces: nothing is kept.  A length that was announced is
 * looked at before the view is called, so this raises the limit of bodies in
 * chunks. */
static int stream(struct http_request *request, struct http_response *response)
{
    unsigned sum = 0;
    char piece[4096];
    size_t size = 0;
    ssize_t n;

    http_request_set_body_limit(request, INT64_MAX);
    while ((n = http_request_read(request, piece, sizeof piece)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)piece[i];
        size += (size_t)n;
    }
    if (n < 0)
        return (int)n;
    return http_response_printf(response, "%zu bytes, sum %08x\n", size, sum);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "POST", "/form", "form", http_view_sync(form));
    http_app_route(app, "PUT", "/stream", "stream", http_view_sync(stream));
    return http_app_run(app, argc, argv) < 0;
}
