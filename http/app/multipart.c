/* multipart.c - multipart/form-data (RFC 7578, RFC 2046 5.1.1)
 *
 * The body begins with a delimiter and ends behind the last one: nobody sends a
 * text before it, and who looks for one may be led to take data for a
 * delimiter. */
#include "http/app/app_impl.h"

#include "http/chars.h"

#include <errno.h>
#include <strings.h>

enum { BOUNDARY_MOST = 70, HEAD_MOST = 8192 };

struct reader {
    struct http__call *call;
    const char *at, *end;
    char delimiter[BOUNDARY_MOST + 5]; /* CR LF - - boundary */
    size_t delimiter_length;
};

struct part {
    const char *name, *filename, *type;
};

/* ---- the boundary ---- */

static bool is_boundary(const char *text, size_t length)
{
    if (length == 0 || length > BOUNDARY_MOST || text[length - 1] == ' ')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!((text[i] >= '0' && text[i] <= '9') ||
              ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z') ||
              (text[i] != '\0' && strchr("'()+_,-./:=? ", text[i]) != NULL)))
            return false;
    return true;
}

/* The parameter of a field, as it stands, or what is between its quotes.  NULL:
 * there is none. */
static const char *parameter(const char *value, const char *end,
                             const char *name, size_t *length)
{
    size_t size = strlen(name);

    for (const char *at = value; at < end; at++) {
        const char *stop = at;

        while (stop < end && *stop != ';') { /* those in quotes do not count */
            if (*stop == '"')
                do
                    stop += *stop == '\\' && stop + 1 < end && stop[1] == '"'
                                ? 2
                                : 1;
                while (stop < end && *stop != '"');
            stop += stop < end;
        }
        while (at < stop && http__blank(*at))
            at++;
        if ((size_t)(stop - at) > size && at[size] == '=' &&
            strncasecmp(at, name, size) == 0 && at > value) {
            const char *last = stop;

            at += size + 1;
            while (last > at && http__blank(last[-1]))
                last--;
            if (last - at >= 2 && *at == '"' && last[-1] == '"')
                at++, last--;
            *length = (size_t)(last - at);
            return at;
        }
        at = stop;
    }
    return NULL;
}

static int set_delimiter(struct reader *reader, const char *type)
{
    size_t length = 0;
    const char *boundary =
        parameter(type, type + strlen(type), "boundary", &length);

    if (boundary == NULL || !is_boundary(boundary, length))
        return -EBADMSG;
    memcpy(reader->delimiter, "\r\n--", 4);
    memcpy(reader->delimiter + 4, boundary, length);
    reader->delimiter_length = length + 4;
    return 0;
}

/* ---- the head of a part ---- */

/* curl writes \" for a quote; a \ before anything else is one. */
static const char *copy_name(struct reader *reader, const char *text,
                             size_t length)
{
    char *copy = http__arena_copy(http__call_arena(reader->call), text, length);
    char *to = copy;

    for (size_t i = 0; copy != NULL && i < length; i++) {
        if (text[i] == '\\' && i + 1 < length && text[i + 1] == '"')
            i++;
        *to++ = text[i];
    }
    if (copy != NULL)
        *to = '\0';
    return copy;
}

static int read_disposition(struct reader *reader, struct part *part,
                            const char *value, const char *end)
{
    size_t length = 0;
    const char *text;

    if (end - value < 9 || strncasecmp(value, "form-data", 9) != 0 ||
        part->name != NULL)
        return -EBADMSG;
    text = parameter(value, end, "name", &length);
    if (text == NULL)
        return -EBADMSG;
    part->name = copy_name(reader, text, length);
    text = parameter(value, end, "filename", &length);
    if (text != NULL)
        part->filename = copy_name(reader, text, length);
    return part->name == NULL || (text != NULL && part->filename == NULL)
               ? -ENOMEM
               : 0;
}

static int read_field(struct reader *reader, struct part *part,
                      const char *line, const char *end)
{
    const char *colon = memchr(line, ':', (size_t)(end - line)), *value;
    size_t length = colon != NULL ? (size_t)(colon - line) : 0;

    if (length == 0 || memchr(line, '\0', (size_t)(end - line)) != NULL ||
        memchr(line, '\r', (size_t)(end - line)) != NULL ||
        memchr(line, '\n', (size_t)(end - line)) != NULL)
        return -EBADMSG;
    value = colon + 1;
    while (value < end && http__blank(*value))
        value++;
    if (length == 19 && strncasecmp(line, "Content-Disposition", 19) == 0)
        return read_disposition(reader, part, value, end);
    if (length == 12 && strncasecmp(line, "Content-Type", 12) == 0) {
        part->type = http__arena_copy(http__call_arena(reader->call), value,
                                      (size_t)(end - value));
        return part->type != NULL ? 0 : -ENOMEM;
    }
    return 0;
}

static int read_head(struct reader *reader, struct part *part)
{
    const char *begin = reader->at;
    int rc = 0;

    while (rc == 0) {
        const char *line = reader->at;
        const char *end = memmem(line, (size_t)(reader->end - line), "\r\n", 2);

        if (end == NULL || end - begin > HEAD_MOST)
            return -EBADMSG;
        reader->at = end + 2;
        if (end == line)
            break;
        rc = read_field(reader, part, line, end);
    }
    return rc == 0 && part->name == NULL ? -EBADMSG : rc;
}

/* ---- a part ---- */

static int add_file(struct http__call *call, const struct part *part,
                    const char *data, size_t size)
{
    if (call->file_count == call->file_room) {
        size_t room = call->file_room > 0 ? 2 * call->file_room : 4;
        struct http_form_file *files =
            http__arena_alloc(http__call_arena(call), room * sizeof *files);

        if (files == NULL)
            return -ENOMEM;
        if (call->file_count > 0)
            memcpy(files, call->files, call->file_count * sizeof *files);
        call->files = files;
        call->file_room = room;
    }
    call->files[call->file_count++] = (struct http_form_file){
        .field = part->name,
        .name = part->filename,
        .content_type =
            part->type != NULL ? part->type : "application/octet-stream",
        .data = data,
        .size = size,
    };
    return 0;
}

static int add_part(struct http__call *call, const struct part *part,
                    const char *data, size_t size)
{
    const char *value;

    if (call->form.count + call->file_count == HTTP__MOST)
        return -EMSGSIZE;
    if (part->filename != NULL)
        return add_file(call, part, data, size);
    if (memchr(data, '\0', size) != NULL) /* a text cannot have it */
        return -EBADMSG;
    value = http__arena_copy(http__call_arena(call), data, size);
    if (value == NULL)
        return -ENOMEM;
    return http__pairs_add(&call->form, http__call_arena(call), part->name,
                           value);
}

/* Behind a delimiter: 1: a part follows, 0: it was the last. */
static int behind_delimiter(struct reader *reader)
{
    bool last = reader->end - reader->at >= 2 && reader->at[0] == '-' &&
                reader->at[1] == '-';

    if (last)
        reader->at += 2;
    while (reader->at < reader->end && http__blank(*reader->at))
        reader->at++;
    if (last && reader->at == reader->end)
        return 0;
    if (reader->end - reader->at < 2 || memcmp(reader->at, "\r\n", 2) != 0)
        return -EBADMSG;
    reader->at += 2;
    if (last)
        return reader->at == reader->end ? 0 : -EBADMSG;
    return 1;
}

/* The empty line of a head may be the one before a delimiter. */
static int read_part(struct reader *reader)
{
    struct part part = {.name = NULL};
    int rc = read_head(reader, &part);
    const char *data = reader->at, *stop;

    if (rc < 0)
        return rc;
    stop = memmem(data - 2, (size_t)(reader->end - data) + 2, reader->delimiter,
                  reader->delimiter_length);
    if (stop == NULL)
        return -EBADMSG;
    reader->at = stop + reader->delimiter_length;
    return add_part(reader->call, &part, data,
                    stop < data ? 0 : (size_t)(stop - data));
}

int http__multipart(struct http__call *call, const char *type, const char *data,
                    size_t size)
{
    struct reader reader = {.call = call, .at = data, .end = data + size};
    int rc = set_delimiter(&reader, type);
    size_t first = reader.delimiter_length - 2; /* without its CR LF */

    if (rc < 0)
        return rc;
    if (size < first || memcmp(data, reader.delimiter + 2, first) != 0)
        return -EBADMSG;
    reader.at += first;
    while ((rc = behind_delimiter(&reader)) == 1) {
        rc = read_part(&reader);
        if (rc < 0)
            break;
    }
    return rc;
}
