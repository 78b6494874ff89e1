/* json.c - JSON, by jansson (V-19, V-20) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <strings.h>

/* ---- of a request ---- */

/* application/json, and application/problem+json and its like. */
static bool is_json(struct http_request *request)
{
    const char *value = http_request_header(request, "Content-Type");
    size_t length = value != NULL ? strcspn(value, "; \t") : 0;

    if (http__content_type_is(request, "application/json"))
        return true;
    return length > 17 && strncasecmp(value, "application/", 12) == 0 &&
           strncasecmp(value + length - 5, "+json", 5) == 0;
}

static int malformed(struct http__call *call, const char *text)
{
    call->json_error =
        http__arena_copy(http__call_arena(call), text, strlen(text));
    return -EBADMSG;
}

static int too_deep(struct http__call *call, const char *data, size_t at)
{
    unsigned line = 1, column = 1;
    char text[96];

    for (size_t i = 0; i < at; i++, column++)
        if (data[i] == '\n')
            line++, column = 0;
    snprintf(text, sizeof text, "line %u, column %u: nested deeper than %d",
             line, column, HTTP_JSON_DEPTH);
    return malformed(call, text);
}

static int parse(struct http__call *call, const char *data, size_t size)
{
    char text[JSON_ERROR_TEXT_LENGTH + 64];
    json_error_t error;
    ssize_t deep = http__json_too_deep(data, size, HTTP_JSON_DEPTH);

    if (deep >= 0)
        return too_deep(call, data, (size_t)deep);
    call->json = json_loadb(data, size,
                            JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (call->json != NULL)
        return 0;
    if (json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    snprintf(text, sizeof text, "line %d, column %d: %s", error.line,
             error.column, error.text);
    return malformed(call, text);
}

static int read_json(struct http__call *call)
{
    const char *data;
    size_t size;
    int rc;

    if (!is_json(call->request))
        return -EPROTOTYPE;
    rc = http_request_body(call->request, &data, &size);
    return rc < 0 ? rc : parse(call, data, size);
}

int http_request_json(struct http_request *request, struct json_t **value)
{
    struct http__call *call = http__call_of(request);

    *value = NULL;
    if (call == NULL)
        return -ENOMEM;
    if (!call->json_read) {
        call->json_rc = read_json(call);
        call->json_read = true;
    }
    if (call->json_rc < 0)
        return http__data_error(call, call->json_rc);
    *value = call->json;
    return 0;
}

const char *http_request_json_error(const struct http_request *request)
{
    return request->call != NULL ? request->call->json_error : NULL;
}

/* ---- of a response ---- */

enum { ROOM = 256 }; /* of a body, until it needs more */

/* A bracket, a name, a comma: pieces are short, and many. */
static int write_piece(const char *text, size_t size, void *arg)
{
    struct http_response *response = arg;
    struct http__text *body = &response->body;

    if (unlikely(size > body->room - body->size))
        return http_response_write(response, text, size) < 0 ? -1 : 0;
    if (size == 1) {
        body->data[body->size++] = *text;
        return 0;
    }
    memcpy(body->data + body->size, text, size);
    body->size += size;
    return 0;
}

static int write_json(struct http_response *response, const json_t *value)
{
    static const char type[] = "Content-Type: application/json\r\n";
    int rc = response->begun ? -ESHUTDOWN : 0;

    if (rc == 0)
        rc = http__response_type(response, type, sizeof type - 1);
    if (rc < 0)
        return rc;
    http_response_clear(response); /* a text without bytes from here on */
    rc = http__text_reserve(&response->body, &response->work->arena, ROOM);
    if (rc < 0)
        return rc;
    errno = 0;
    if (json_dump_callback(value, write_piece, response,
                           JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        return 0;
    http_response_clear(response);
    return json_is_string(value) || json_is_object(value) ||
                   json_is_array(value)
               ? -ENOMEM
               : -EINVAL;
}

int http_response_json(struct http_response *response, struct json_t *value)
{
    int saved = errno, rc;

    if (value == NULL)
        return -EINVAL;
    rc = write_json(response, value);
    json_decref(value);
    errno = saved;
    return rc;
}

int http_response_jsonf(struct http_response *response, const char *format, ...)
{
    json_error_t error;
    json_t *value;
    va_list args;

    va_start(args, format);
    value = json_vpack_ex(&error, 0, format, args);
    va_end(args);
    if (value == NULL && json_error_code(&error) == json_error_out_of_memory)
        return -ENOMEM;
    if (value == NULL && json_error_code(&error) == json_error_invalid_utf8)
        return -EILSEQ;
    return http_response_json(response, value);
}
