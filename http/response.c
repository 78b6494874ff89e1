/* response.c - status, fields and body of a response
 *
 * The fields are kept as the text that is sent. */
#include "http/http_impl.h"

#include "http/chars.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

int http_response_set_status(struct http_response *response, int status)
{
    if (response->begun)
        return -ESHUTDOWN;
    if (status < 200 || status > 599)
        return -EINVAL;
    response->status = (int16_t)status;
    return 0;
}

int http_response_status(const struct http_response *response)
{
    return response->status;
}

/* ---- names and values ---- */

bool http__is_token(const char *text)
{
    if (*text == '\0')
        return false;
    while (http__char_is(*text, HTTP__CHAR_TOKEN))
        text++;
    return *text == '\0';
}

bool http__is_value(const char *text)
{
    return text != NULL && text[strcspn(text, "\r\n")] == '\0';
}

/* ---- fields ---- */

/* The first field called `name` at `at` or behind it; NULL: none. */
static char *find(const struct http__text *fields, char *at, const char *name,
                  size_t length)
{
    char *end = fields->data + fields->size;

    while (at != NULL && at < end) {
        if ((size_t)(end - at) > length && at[length] == ':' &&
            strncasecmp(at, name, length) == 0)
            return at;
        at = memchr(at, '\n', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    return NULL;
}

static int remove_all(struct http_response *response, const char *name)
{
    struct http__text *fields = &response->fields;
    size_t length = strlen(name);
    char *at = fields->data;
    int removed = 0;

    while ((at = find(fields, at, name, length)) != NULL) {
        char *end = fields->data + fields->size;
        char *next = memchr(at, '\n', (size_t)(end - at));

        next++;
        memmove(at, next, (size_t)(end - next));
        fields->size -= (size_t)(next - at);
        removed++;
    }
    return removed;
}

static int append_line(struct http_response *response, const char *line,
                       size_t size)
{
    struct http__text *fields = &response->fields;

    if (http__text_reserve(fields, &response->work->arena, size) < 0)
        return -ENOMEM;
    memcpy(fields->data + fields->size, line, size);
    fields->size += size;
    return 0;
}

static int append(struct http_response *response, const char *name,
                  const char *value)
{
    size_t name_length = strlen(name), value_length = strlen(value);
    struct http__text *fields = &response->fields;
    char *at;

    if (http__text_reserve(fields, &response->work->arena,
                           name_length + value_length + 4) < 0)
        return -ENOMEM;
    at = fields->data + fields->size;
    memcpy(at, name, name_length);
    memcpy(at + name_length, ": ", 2);
    memcpy(at + name_length + 2, value, value_length);
    memcpy(at + name_length + 2 + value_length, "\r\n", 2);
    fields->size += name_length + value_length + 4;
    return 0;
}

static int set_length(struct http_response *response, const char *value)
{
    char *end;
    unsigned long long length;

    if (*value < '0' || *value > '9')
        return -EINVAL;
    errno = 0;
    length = strtoull(value, &end, 10);
    if (*end != '\0' || errno != 0 || length > INT64_MAX)
        return -EINVAL;
    response->has_length = true;
    response->length = length;
    return 0;
}

/* Fields that are ours, or that we must know of.  Returns 1: an ordinary one;
 * 0: it is done; or why not. */
static int look_at(struct http_response *response, const char *name,
                   const char *value, bool set)
{
    int saved = errno, rc;

    switch (name[0] | 0x20) {
    case 'c':
        if (strcasecmp(name, "Connection") == 0) {
            if (strcasecmp(value, "close") != 0)
                return -EPERM;
            response->close = set;
            return 0;
        }
        if (strcasecmp(name, "Content-Type") == 0)
            response->has_type = set;
        if (strcasecmp(name, "Content-Length") != 0)
            return 1;
        rc = set ? set_length(response, value) : 0;
        if (!set)
            response->has_length = false;
        errno = saved;
        return rc;
    case 'd':
        if (strcasecmp(name, "Date") == 0)
            response->has_date = set;
        return 1;
    case 's':
        if (strcasecmp(name, "Server") == 0)
            response->has_server = set;
        return 1;
    case 't':
        return strcasecmp(name, "Transfer-Encoding") == 0 ? -EPERM : 1;
    case 'k':
        return strcasecmp(name, "Keep-Alive") == 0 ? -EPERM : 1;
    default:
        return 1;
    }
}

static int check(const struct http_response *response, const char *name,
                 const char *value)
{
    if (response->begun)
        return -ESHUTDOWN;
    return http__is_token(name) && http__is_value(value) ? 0 : -EINVAL;
}

/* Memory first: what fails changes nothing. */
int http_response_set_header(struct http_response *response, const char *name,
                             const char *value)
{
    int rc = check(response, name, value);

    if (rc == 0)
        rc = http__text_reserve(&response->fields, &response->work->arena,
                                strlen(name) + strlen(value) + 4);
    if (rc == 0)
        rc = look_at(response, name, value, true);
    if (rc <= 0)
        return rc;
    remove_all(response, name);
    return append(response, name, value);
}

int http_response_add_header(struct http_response *response, const char *name,
                             const char *value)
{
    int rc = check(response, name, value);

    if (rc == 0)
        rc = http__text_reserve(&response->fields, &response->work->arena,
                                strlen(name) + strlen(value) + 4);
    if (rc == 0)
        rc = look_at(response, name, value, true);
    return rc <= 0 ? rc : append(response, name, value);
}

int http_response_remove_header(struct http_response *response,
                                const char *name)
{
    if (response->begun)
        return -ESHUTDOWN;
    look_at(response, name, "close", false);
    return remove_all(response, name);
}

/* The value is followed by CRLF: a 0 there would be sent, so a copy has it. */
const char *http_response_header(const struct http_response *response,
                                 const char *name)
{
    const struct http__text *fields = &response->fields;
    size_t length = strlen(name);
    const char *at = find(fields, fields->data, name, length), *end;

    if (at == NULL)
        return NULL;
    at += length + 2;
    end = memchr(at, '\r', (size_t)(fields->data + fields->size - at));
    return http__arena_copy(&response->work->arena, at, (size_t)(end - at));
}

/* ---- body ---- */

/* What it was is let go. */
static void drop_body(struct http_response *response)
{
    void (*drop)(void *) = response->drop;

    response->drop = NULL;
    response->borrowed = NULL;
    response->borrowed_size = 0;
    response->body.size = 0;
    if (drop != NULL)
        drop(response->drop_arg);
    if (response->file >= 0)
        hub_close(response->file);
    response->file = -1;
    response->parts = NULL;
    response->part_count = 0;
    response->tail_size = 0;
    if (response->upgraded_drop != NULL)
        response->upgraded_drop(response->upgraded_data);
    response->upgraded_drop = NULL;
    response->upgraded = NULL;
    response->producer = NULL;
    response->kind = HTTP__KIND_BYTES;
}

const void *http_response_bytes(const struct http_response *response,
                                size_t *size)
{
    *size = 0;
    if (response->kind != HTTP__KIND_BYTES)
        return NULL;
    if (response->borrowed != NULL) {
        *size = response->borrowed_size;
        return response->borrowed;
    }
    *size = response->body.size;
    return response->body.data != NULL ? response->body.data : "";
}

int http_response_clear(struct http_response *response)
{
    drop_body(response);
    return 0;
}

static bool is_plain(const struct http_response *response)
{
    return response->kind == HTTP__KIND_BYTES && response->borrowed == NULL;
}

/* Room behind what was written; what is no text yet becomes one. */
static int reserve(struct http_response *response, size_t more)
{
    if (response->begun)
        return -ESHUTDOWN;
    if (unlikely(!is_plain(response))) {
        size_t size = response->borrowed_size;
        const void *data = response->borrowed;
        int rc = 0;

        response->body.size = 0;
        if (response->kind == HTTP__KIND_BYTES && size > 0)
            rc = http__text_reserve(&response->body, &response->work->arena,
                                    size + more);
        if (rc < 0)
            return rc;
        if (response->kind == HTTP__KIND_BYTES && size > 0)
            memcpy(response->body.data, data, size);
        else
            size = 0;
        drop_body(response);
        response->body.size = size;
    }
    return http__text_reserve(&response->body, &response->work->arena, more);
}

int http_response_write(struct http_response *response, const void *data,
                        size_t size)
{
    int rc = reserve(response, size);

    if (rc < 0)
        return rc;
    if (size > 0)
        memcpy(response->body.data + response->body.size, data, size);
    response->body.size += size;
    return 0;
}

int http_response_vprintf(struct http_response *response, const char *format,
                          va_list args)
{
    va_list again;
    int length, rc;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return -EINVAL;
    rc = reserve(response, (size_t)length + 1);
    if (rc < 0)
        return rc;
    vsnprintf(response->body.data + response->body.size, (size_t)length + 1,
              format, args);
    response->body.size += (size_t)length;
    return 0;
}

int http_response_printf(struct http_response *response, const char *format,
                         ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = http_response_vprintf(response, format, args);
    va_end(args);
    return rc;
}

int http__response_type(struct http_response *response, const char *line,
                        size_t size)
{
    int rc = response->has_type ? 0 : append_line(response, line, size);

    if (rc == 0)
        response->has_type = true;
    return rc;
}

int http_response_text(struct http_response *response, const char *text)
{
    static const char type[] = "Content-Type: text/plain; charset=utf-8\r\n";
    size_t size = text != NULL ? strlen(text) : 0;
    int rc = text != NULL ? reserve(response, size) : -EINVAL;

    if (rc == 0)
        rc = http__response_type(response, type, sizeof type - 1);
    if (rc < 0)
        return rc;
    if (size > 0)
        memcpy(response->body.data, text, size);
    response->body.size = size;
    return 0;
}

int http_response_body(struct http_response *response, const void *data,
                       size_t size, void (*drop)(void *arg), void *drop_arg)
{
    if (response->begun) {
        if (drop != NULL)
            drop(drop_arg);
        return -ESHUTDOWN;
    }
    drop_body(response);
    response->borrowed = data;
    response->borrowed_size = size;
    response->drop = drop;
    response->drop_arg = drop_arg;
    return 0;
}

int http_response_stream(struct http_response *response,
                         const char *content_type,
                         http_stream_producer *producer, void *data)
{
    int rc = response->begun ? -ESHUTDOWN : 0;

    if (rc == 0 && content_type != NULL)
        rc = http_response_set_header(response, "Content-Type", content_type);
    if (rc < 0)
        return rc;
    drop_body(response);
    response->kind = HTTP__KIND_STREAM;
    response->producer = producer;
    response->producer_data = data;
    return 0;
}

void http__response_page(struct http_response *response, int status)
{
    char page[64];

    drop_body(response);
    response->begun = false;
    response->status = (int16_t)status;
    snprintf(page, sizeof page, "%d %s\n", status,
             http_response_reason(status));
    if (response->has_type)
        http_response_remove_header(response, "Content-Type");
    response->has_length = false;
    http_response_text(response,
                       page); /* there is room for it, or it is short */
}
