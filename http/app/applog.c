/* applog.c - lines for the operator (V-31) */
#include "http/app/app_impl.h"

#include <stdio.h>
#include <unistd.h>

enum { LINE = 1000 };

static const struct {
    const char *name, *journal; /* sd-daemon(3) */
} levels[] = {
    {"DEBUG", "<7>"}, {"INFO", "<6>"}, {"WARNING", "<4>"}, {"ERROR", "<3>"}};

/* What a client sent does not write lines of its own. */
static void clean(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = '?';
}

static void say(const struct http_app *app, enum http_app_level level,
                const char *line)
{
    const char *journal =
        getenv("JOURNAL_STREAM") != NULL ? levels[level].journal : "";

    if (app->sink != NULL)
        app->sink(level, line, app->sink_data);
    else
        dprintf(2, "%s%s %s\n", journal, levels[level].name, line);
}

void http_app_log(struct http_app *app, enum http_app_level level,
                  const char *format, ...)
{
    struct http_request *request = http_request_current();
    char line[LINE + 1];
    int length = 0;
    va_list args;

    if (level < app->least || level > HTTP_APP_ERROR)
        return;
    if (request != NULL)
        length = snprintf(line, sizeof line, "[%s] ", http_request_id(request));
    va_start(args, format);
    vsnprintf(line + length, sizeof line - (size_t)length, format, args);
    va_end(args);
    clean(line);
    say(app, level, line);
}

void http_app_set_log(struct http_app *app, enum http_app_level least,
                      void (*sink)(enum http_app_level level, const char *line,
                                   void *data),
                      void *data)
{
    app->least = least;
    app->sink = sink;
    app->sink_data = data;
}

/* ---- ids of requests ---- */

/* That of who sent it on to us, if it may be one; else a number of ours. */
static bool is_id(const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;

    return length > 0 && length <= 64 &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == length;
}

const char *http_request_id(struct http_request *request)
{
    static uint64_t last; /* of all threads */
    struct http__call *call = http__call_of(request);
    const char *given = http_request_header(request, "X-Request-Id");
    char text[48];

    if (call == NULL)
        return "-";
    if (call->id == NULL && is_id(given))
        call->id = given;
    if (call->id == NULL) {
        snprintf(
            text, sizeof text, "%lx-%llx", (long)getpid(),
            (unsigned long long)__atomic_add_fetch(&last, 1, __ATOMIC_RELAXED));
        call->id = http__arena_copy(http__call_arena(call), text, strlen(text));
    }
    return call->id != NULL ? call->id : "-";
}
