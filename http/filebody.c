/* filebody.c - a file as the body: what a request asks of it
 *
 * Conditions are looked at in the order of RFC 9110 13.2.2. */
#include "http/http_impl.h"
#include "http/range.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct http_request *request;
    struct http_response *response;
    uint64_t size;
    int64_t modified; /* seconds */
    char tag[48];
    const char *type;
};

static bool is_verb(const struct file *file, const char *verb)
{
    return strcmp(http_request_verb(file->request), verb) == 0;
}

static bool is_read(const struct file *file)
{
    return is_verb(file, "GET") || is_verb(file, "HEAD");
}

/* ---- conditions ---- */

/* The tag at the front of a list, with its quotes; NULL: there is none. */
static const char *take_tag(const char **at, size_t *length, bool *weak)
{
    const char *first = *at + strspn(*at, " \t,"), *end;

    *weak = first[0] == 'W' && first[1] == '/';
    first += *weak ? 2 : 0;
    end = *first == '"' ? strchr(first + 1, '"') : NULL;
    if (end == NULL)
        return NULL;
    *length = (size_t)(end + 1 - first);
    *at = end + 1;
    return first;
}

static bool tags_have(const struct file *file, const char *list, bool strong)
{
    const char *tag;
    size_t length;
    bool weak;

    if (list[strspn(list, " \t")] == '*')
        return true;
    while ((tag = take_tag(&list, &length, &weak)) != NULL)
        if (!(strong && weak) && length == strlen(file->tag) &&
            memcmp(tag, file->tag, length) == 0)
            return true;
    return false;
}

/* The list may stand in several fields (RFC 9110 5.3). */
static bool field_has(const struct file *file, const char *name, bool strong)
{
    size_t count = http_request_headers(file->request);

    for (size_t i = 0; i < count; i++) {
        const char *value = NULL;
        const char *has = http_request_header_at(file->request, i, &value);

        if (has != NULL && strcasecmp(has, name) == 0 &&
            tags_have(file, value, strong))
            return true;
    }
    return false;
}

/* Was it changed after the date of that field?  A date that is none counts as
 * no field: *known is false. */
static bool changed_since(const struct file *file, const char *name,
                          bool *known)
{
    const char *value = http_request_header(file->request, name);
    int64_t date = 0;

    *known = value != NULL && http__date_parse(value, &date) == 0;
    return *known && file->modified > date;
}

/* Returns 0: none stands in the way; 304 or 412. */
static int conditions(const struct file *file)
{
    bool match = http_request_header(file->request, "If-Match") != NULL;
    bool none = http_request_header(file->request, "If-None-Match") != NULL;
    bool known;

    if (match ? !field_has(file, "If-Match", true)
              : changed_since(file, "If-Unmodified-Since", &known))
        return 412;
    if (none) {
        if (!field_has(file, "If-None-Match", false))
            return 0;
        return is_read(file) ? 304 : 412;
    }
    if (is_read(file) && !changed_since(file, "If-Modified-Since", &known) &&
        known)
        return 304;
    return 0;
}

/* Is what the client has a part of the same file (RFC 9110 13.1.5)? */
static bool if_range(const struct file *file)
{
    const char *value = http_request_header(file->request, "If-Range");
    int64_t date;

    if (value == NULL)
        return true;
    if (value[0] == '"' || value[0] == 'W')
        return strcmp(value, file->tag) == 0;
    return http__date_parse(value, &date) == 0 && date == file->modified;
}

/* ---- what is sent ---- */

static int set_number(struct http_response *response, const char *name,
                      const char *format, uint64_t a, uint64_t b, uint64_t c)
{
    char text[96];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, (unsigned long long)a,
             (unsigned long long)b, (unsigned long long)c);
#pragma GCC diagnostic pop
    return http_response_set_header(response, name, text);
}

static int set_parts(struct http_response *response, unsigned count)
{
    size_t size = count * sizeof *response->parts;

    response->parts = http__arena_alloc(&response->work->arena, size);
    if (response->parts == NULL)
        return -ENOMEM;
    memset(response->parts, 0, size);
    response->part_count = count;
    return 0;
}

static int send_whole(struct file *file)
{
    struct http_response *response = file->response;
    int rc = file->size > 0 ? set_parts(response, 1) : 0;

    if (rc == 0 && file->size > 0)
        response->parts[0].size = file->size;
    return rc;
}

static int send_range(struct file *file, const struct http__range *range)
{
    int rc = set_parts(file->response, 1);

    if (rc == 0)
        rc = set_number(file->response, "Content-Range", "bytes %llu-%llu/%llu",
                        range->first, range->first + range->size - 1,
                        file->size);
    if (rc < 0)
        return rc;
    file->response->parts[0].offset = (off_t)range->first;
    file->response->parts[0].size = range->size;
    file->response->status = 206;
    return 0;
}

static int set_part(struct file *file, struct http__part *part,
                    const struct http__range *range, const char *boundary)
{
    char text[512];
    int size = snprintf(text, sizeof text,
                        "\r\n--%s\r\nContent-Type: %s\r\n"
                        "Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
                        boundary, file->type, (unsigned long long)range->first,
                        (unsigned long long)(range->first + range->size - 1),
                        (unsigned long long)file->size);

    if (size < 0 || (size_t)size >= sizeof text)
        return -EINVAL;
    part->text =
        http__arena_copy(&file->response->work->arena, text, (size_t)size);
    part->text_size = (size_t)size;
    part->offset = (off_t)range->first;
    part->size = range->size;
    return part->text != NULL ? 0 : -ENOMEM;
}

/* multipart/byteranges (RFC 9110 14.6). */
static int send_ranges(struct file *file, const struct http__range *ranges,
                       unsigned count)
{
    struct http_response *response = file->response;
    char boundary[24], text[96];
    int rc = set_parts(response, count);

    snprintf(boundary, sizeof boundary, "vireo%016llx",
             (unsigned long long)hub_now() * 0x9e3779b97f4a7c15u);
    for (unsigned i = 0; rc == 0 && i < count; i++)
        rc = set_part(file, &response->parts[i], &ranges[i], boundary);
    if (rc < 0)
        return rc;
    snprintf(text, sizeof text, "\r\n--%s--\r\n", boundary);
    response->tail =
        http__arena_copy(&response->work->arena, text, strlen(text));
    response->tail_size = response->tail != NULL ? strlen(text) : 0;
    snprintf(text, sizeof text, "multipart/byteranges; boundary=%s", boundary);
    response->status = 206;
    return response->tail == NULL
               ? -ENOMEM
               : http_response_set_header(response, "Content-Type", text);
}

/* The page that names it, without what was said of the file. */
static int refuse(struct file *file, int status)
{
    struct http_response *response = file->response;

    http_response_remove_header(response, "Last-Modified");
    http_response_remove_header(response, "ETag");
    http__response_page(response, status);
    return status == 416 ? set_number(response, "Content-Range", "bytes */%llu",
                                      file->size, 0, 0)
                         : 0;
}

static int send_some(struct file *file)
{
    struct http__range ranges[HTTP__RANGES_MOST];
    const char *field = http_request_header(file->request, "Range");
    int count = 0;

    if (field != NULL && is_verb(file, "GET") && if_range(file))
        count = http__ranges(field, file->size, ranges);
    if (count < 0)
        return refuse(file, 416);
    if (count == 0)
        return send_whole(file);
    return count == 1 ? send_range(file, ranges)
                      : send_ranges(file, ranges, (unsigned)count);
}

/* ---- the file ---- */

static int describe(struct file *file, const struct http_response_file *how)
{
    struct http_response *response = file->response;
    char date[30];
    int rc = 0;

    if (!response->has_type)
        rc = http_response_set_header(response, "Content-Type", file->type);
    if (rc == 0 && !how->whole)
        rc = http_response_set_header(response, "Accept-Ranges", "bytes");
    if (rc < 0 || how->unconditional)
        return rc;
    http__date_format(file->modified, date);
    rc = http_response_set_header(response, "Last-Modified", date);
    return rc == 0 ? http_response_set_header(response, "ETag", file->tag) : rc;
}

static int open_file(struct file *file, int fd)
{
    struct stat status;
    int saved = errno, rc = fstat(fd, &status) < 0 ? -errno : 0;

    errno = saved;
    if (rc < 0)
        return rc;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    file->size = (uint64_t)status.st_size;
    file->modified = status.st_mtim.tv_sec;
    snprintf(file->tag, sizeof file->tag, "\"%llx-%lx-%llx\"",
             (unsigned long long)status.st_mtim.tv_sec,
             (unsigned long)status.st_mtim.tv_nsec,
             (unsigned long long)status.st_size);
    return 0;
}

static int set_file(struct file *file, int fd,
                    const struct http_response_file *how)
{
    struct http_response *response = file->response;
    const bool plain = response->status == 0 || response->status == 200;
    int rc = open_file(file, fd), verdict = 0;

    if (rc < 0)
        return rc;
    file->type = how->content_type != NULL ? how->content_type
                                           : "application/octet-stream";
    rc = describe(file, how);
    if (rc < 0)
        return rc;
    if (plain && !how->unconditional)
        verdict = conditions(file);
    if (verdict == 304) {
        http_response_clear(response); /* and so is fd */
        response->status = 304;
        http_response_remove_header(response, "Content-Type");
        return 0;
    }
    if (verdict != 0)
        return refuse(file, verdict);
    return plain && !how->whole ? send_some(file) : send_whole(file);
}

int http_response_file(struct http_response *response, int fd,
                       const struct http_response_file *how)
{
    static const struct http_response_file defaults;
    struct file file = {.request = &response->work->request,
                        .response = response};
    int rc;

    if (fd < 0)
        return -EBADF;
    if (response->begun) {
        hub_close(fd);
        return -ESHUTDOWN;
    }
    http_response_clear(response);
    response->file = fd;
    response->kind = HTTP__KIND_FILE;
    rc = set_file(&file, fd, how != NULL ? how : &defaults);
    if (rc < 0)
        http_response_clear(response);
    return rc;
}
