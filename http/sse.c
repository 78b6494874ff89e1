/* sse.c - server-sent events, as HTML has them (text/event-stream) */
#include "http/memory.h"
#include "http/stream_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define ROOM 1024

/* The text of an event: on the stack unless it is long. */
struct event {
    char *text;
    size_t size, room;
    bool failed;
    char small[ROOM];
};

static void add(struct event *event, const char *text, size_t size)
{
    if (size > event->room - event->size) {
        size_t room = 2 * (event->size + size);
        char *more = event->failed ? NULL : http__malloc(room);

        if (more == NULL) {
            event->failed = true;
            return;
        }
        memcpy(more, event->text, event->size);
        if (event->text != event->small)
            free(event->text);
        event->text = more;
        event->room = room;
    }
    memcpy(event->text + event->size, text, size);
    event->size += size;
}

static void add_line(struct event *event, const char *name, const char *value,
                     size_t size)
{
    add(event, name, strlen(name));
    add(event, value, size);
    add(event, "\n", 1);
}

/* A line of it for each line: CRLF, LF and CR end one. */
static void add_lines(struct event *event, const char *name, const char *text)
{
    for (;;) {
        size_t size = strcspn(text, "\r\n");

        add_line(event, name, text, size);
        text += size;
        if (*text == '\0')
            return;
        text += text[0] == '\r' && text[1] == '\n' ? 2 : 1;
    }
}

static void begin(struct event *event)
{
    event->text = event->small;
    event->size = 0;
    event->room = sizeof event->small;
    event->failed = false;
}

static int end(struct event *event, struct http_stream *stream)
{
    int rc;

    add(event, "\n", 1);
    rc = event->failed ? -ENOMEM
                       : http_stream_write(stream, event->text, event->size);
    if (event->text != event->small)
        free(event->text);
    return rc;
}

static int send_event(struct http_stream *stream, const char *name,
                      const char *id, int64_t retry_ms, const char *text)
{
    struct event event;
    char number[24];

    if ((name != NULL && !http__is_value(name)) ||
        (id != NULL && !http__is_value(id)))
        return -EINVAL;
    begin(&event);
    if (name != NULL)
        add_line(&event, "event: ", name, strlen(name));
    if (id != NULL)
        add_line(&event, "id: ", id, strlen(id));
    if (retry_ms >= 0) {
        int size = snprintf(number, sizeof number, "%lld", (long long)retry_ms);

        add_line(&event, "retry: ", number, (size_t)size);
    }
    add_lines(&event, "data: ", text);
    return end(&event, stream);
}

static int send_formatted(struct http_stream *stream, const char *name,
                          const char *id, int64_t retry_ms, const char *format,
                          va_list args)
{
    char room[ROOM], *text = room;
    int length = http__format(&text, sizeof room, format, args), rc;

    if (length < 0)
        return length;
    rc = send_event(stream, name, id, retry_ms, text);
    if (text != room)
        free(text);
    return rc;
}

int http_stream_event(struct http_stream *stream, const char *name,
                      const char *format, ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = send_formatted(stream, name, NULL, -1, format, args);
    va_end(args);
    return rc;
}

int http_stream_event_with(struct http_stream *stream, const char *name,
                           const char *id, int64_t retry_ms, const char *format,
                           ...)
{
    va_list args;
    int rc;

    va_start(args, format);
    rc = send_formatted(stream, name, id, retry_ms, format, args);
    va_end(args);
    return rc;
}

int http_stream_comment(struct http_stream *stream, const char *text)
{
    struct event event;

    begin(&event);
    add_lines(&event, ": ", text);
    return end(&event, stream);
}
