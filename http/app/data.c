/* data.c - arguments of the query, forms, cookies (V-19)
 *
 * Each is read by the first who asks, and refused as a whole if it is
 * malformed. */
#include "http/app/app_impl.h"

#include <errno.h>
#include <strings.h>

int http__data_error(struct http__call *call, int error)
{
    call->data_error = error;
    switch (error) {
    case -EBADMSG:
        call->data_status = 400;
        break;
    case -EMSGSIZE:
        call->data_status = 413;
        break;
    case -EPROTOTYPE:
        call->data_status = 415;
        break;
    default:
        call->data_status = 0;
    }
    return error;
}

bool http__content_type_is(struct http_request *request, const char *type)
{
    const char *value = http_request_header(request, "Content-Type");
    size_t length = strlen(type);

    if (value == NULL || strncasecmp(value, type, length) != 0)
        return false;
    value += length;
    value += strspn(value, " \t");
    return *value == '\0' || *value == ';';
}

/* ---- the query ---- */

static struct http__call *with_args(struct http_request *request)
{
    struct http__call *call = http__call_of(request);
    const char *query = http_request_query(request);

    if (call == NULL || call->args_read)
        return call;
    call->args_read = true;
    if (query != NULL)
        call->args_rc = http__urlencoded(query, strlen(query),
                                         http__call_arena(call), &call->args);
    return call;
}

int http_request_args(struct http_request *request)
{
    struct http__call *call = with_args(request);

    if (call == NULL)
        return -ENOMEM;
    return call->args_rc < 0 ? http__data_error(call, call->args_rc) : 0;
}

const char *http_request_arg(struct http_request *request, const char *name)
{
    struct http__call *call = with_args(request);

    return call != NULL ? http__pairs_get(&call->args, name) : NULL;
}

static const char *at(const struct http__pairs *pairs, size_t i,
                      const char **value)
{
    if (i >= pairs->count)
        return NULL;
    if (value != NULL)
        *value = pairs->list[i].value;
    return pairs->list[i].name;
}

const char *http_request_arg_at(struct http_request *request, size_t i,
                                const char **value)
{
    struct http__call *call = with_args(request);

    return call != NULL ? at(&call->args, i, value) : NULL;
}

/* ---- cookies ---- */

const char *http_request_cookie(struct http_request *request, const char *name)
{
    struct http__call *call = http__call_of(request);
    const char *field, *value;
    int rc = 0;

    if (call == NULL)
        return NULL;
    for (size_t i = 0; !call->cookies_read && rc == 0; i++) {
        field = http_request_header_at(request, i, &value);
        if (field == NULL)
            call->cookies_read = true;
        else if (strcasecmp(field, "Cookie") == 0)
            rc = http__cookies_read(&call->cookies, http__call_arena(call),
                                    value);
    }
    if (rc < 0) {
        call->cookies.count = 0;
        return NULL;
    }
    return http__pairs_get(&call->cookies, name);
}

/* ---- forms ---- */

static int read_form(struct http__call *call)
{
    struct http_request *request = call->request;
    bool plain =
        http__content_type_is(request, "application/x-www-form-urlencoded");
    const char *data;
    size_t size;
    int rc;

    if (!plain && !http__content_type_is(request, "multipart/form-data"))
        return -EPROTOTYPE;
    rc = http_request_body(request, &data, &size);
    if (rc < 0)
        return rc;
    if (plain)
        return http__urlencoded(data, size, http__call_arena(call),
                                &call->form);
    rc = http__multipart(call, http_request_header(request, "Content-Type"),
                         data, size);
    if (rc < 0)
        call->form.count = call->file_count = 0;
    return rc;
}

static struct http__call *with_form(struct http_request *request)
{
    struct http__call *call = http__call_of(request);

    if (call == NULL || call->form_read)
        return call;
    call->form_rc = read_form(call);
    call->form_read = true;
    return call;
}

int http_request_form(struct http_request *request)
{
    struct http__call *call = with_form(request);

    if (call == NULL)
        return -ENOMEM;
    return call->form_rc < 0 ? http__data_error(call, call->form_rc) : 0;
}

const char *http_request_form_field(struct http_request *request,
                                    const char *name)
{
    struct http__call *call = with_form(request);

    return call != NULL ? http__pairs_get(&call->form, name) : NULL;
}

const char *http_request_form_at(struct http_request *request, size_t i,
                                 const char **value)
{
    struct http__call *call = with_form(request);

    return call != NULL ? at(&call->form, i, value) : NULL;
}

const struct http_form_file *http_request_file(struct http_request *request,
                                               const char *field)
{
    struct http__call *call = with_form(request);

    for (size_t i = 0; call != NULL && i < call->file_count; i++)
        if (strcmp(call->files[i].field, field) == 0)
            return &call->files[i];
    return NULL;
}

const struct http_form_file *http_request_file_at(struct http_request *request,
                                                  size_t i)
{
    struct http__call *call = with_form(request);

    return call != NULL && i < call->file_count ? &call->files[i] : NULL;
}
