/* views.h - what the tests of applications share: one application, served */
#ifndef VIREO_TESTS_VIEWS_H
#define VIREO_TESTS_VIEWS_H

#include "../http/serve.h"
#include "../unit.h"

#include "hub/task.h"
#include "hub/timeout.h"

#include <errno.h>
#include <stdarg.h>

static struct http_app *app;

static inline void views_begin(void)
{
    app = http_app_new();
    ck_assert_ptr_nonnull(app);
}

/* What was registered is all right, and is served. */
static inline void views_serve(void)
{
    const char *why;

    ck_assert_msg(http_app_error(app, &why) == 0, "%s", why);
    serve_start_view(http_app_view(app), NULL);
}

static inline void views_end(void)
{
    if (serve_server != NULL)
        serve_stop();
    http_app_free(app);
    app = NULL;
    hub_yield();
}

/* The answer to METHOD path, with fields ("" or "A: b\r\n") and a body (or
 * NULL). */
static inline const char *ask_with(const char *method, const char *path,
                                   const char *fields, const char *body)
{
    static char request[1 << 17];

    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s"
             "Content-Length: %zu\r\n\r\n%s",
             method, path, fields, body != NULL ? strlen(body) : 0,
             body != NULL ? body : "");
    return serve_exchange(request);
}

static inline const char *ask(const char *path)
{
    return ask_with("GET", path, "", NULL);
}

#define ck_answer(answer, status, body)                                  \
    do {                                                                 \
        const char *answer_ = (answer);                                  \
        ck_assert_msg(serve_status(answer_) == (status), "%s", answer_); \
        ck_assert_str_eq(serve_body(answer_), (body));                   \
    } while (0)

/* Does the head have that line? */
static inline bool has_field(const char *answer, const char *line)
{
    const char *at = strstr(answer, line);

    return at != NULL && at[-1] == '\n' && at[strlen(line)] == '\r' &&
           at < serve_body(answer);
}

/* Notes of what happened, in its order. */
static char notes[512];

static inline void note(const char *format, ...)
{
    size_t length = strlen(notes);
    va_list args;

    va_start(args, format);
    vsnprintf(notes + length, sizeof notes - length, format, args);
    va_end(args);
}

static inline TCase *views_case(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, views_begin, views_end);
    return tcase;
}

#endif
