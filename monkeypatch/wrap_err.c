/* wrap_err.c - messages that libc writes to stderr
 *
 * libc locks stderr inside them, where nobody can park, and writes, which may
 * wait: each is called with that lock held already, taken by ours, and where
 * its fd may make it wait, on a helper. */
#include "monkeypatch/stdio_impl.h"

#include <assert.h>
#include <err.h>
#include <error.h>
#include <fmtmsg.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct message {
    void (*plain)(const char *, va_list); /* vwarn or vwarnx */
    const char *format;
    va_list *list;
};

static void run_message(void *arg)
{
    struct message *call = arg;

    call->plain(call->format, *call->list);
}

/* Run it, with the lock of stderr. */
static void say(void (*run)(void *), void *call)
{
    mp__init();
    if (MP_ACTIVE(stdio) && mp__may_park())
        mp__stdio_complain(run, call);
    else
        run(call);
}

static void say_message(void (*plain)(const char *, va_list),
                        const char *format, va_list list)
{
    va_list copy;
    struct message call = { plain, format, &copy };

    va_copy(copy, list);
    say(run_message, &call);
    va_end(copy);
}

MP_EXPORT void vwarn(const char *format, va_list list)
{
    mp__init();
    say_message(mp__real.vwarn, format, list);
}

MP_EXPORT void vwarnx(const char *format, va_list list)
{
    mp__init();
    say_message(mp__real.vwarnx, format, list);
}

MP_EXPORT void warn(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vwarn(format, list);
    va_end(list);
}

MP_EXPORT void warnx(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vwarnx(format, list);
    va_end(list);
}

/* exit() runs without the lock. */
MP_EXPORT void verr(int status, const char *format, va_list list)
{
    vwarn(format, list);
    exit(status);
}

MP_EXPORT void verrx(int status, const char *format, va_list list)
{
    vwarnx(format, list);
    exit(status);
}

MP_EXPORT void err(int status, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    verr(status, format, list);
    va_end(list);
}

MP_EXPORT void errx(int status, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    verrx(status, format, list);
    va_end(list);
}

/* error() has no form with a va_list: the text is made first. */
static char *text_of(const char *format, va_list list)
{
    int saved = errno;
    char *text;

    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    errno = saved;
    return text;
}

#define TEXT(text) ((text) != NULL ? (text) : "(no memory)")

struct report {
    int number;
    const char *file, *text;
    unsigned line;
};

static void run_error(void *arg)
{
    struct report *call = arg;

    mp__real.error(0, call->number, "%s", call->text);
}

static void run_error_at_line(void *arg)
{
    struct report *call = arg;

    mp__real.error_at_line(0, call->number, call->file, call->line, "%s",
                           call->text);
}

MP_EXPORT void error(int status, int number, const char *format, ...)
{
    va_list list;
    char *text;

    va_start(list, format);
    text = text_of(format, list);
    va_end(list);
    struct report call = { number, NULL, TEXT(text), 0 };
    say(run_error, &call);
    free(text);
    if (status != 0)
        exit(status);
}

MP_EXPORT void error_at_line(int status, int number, const char *file,
                             unsigned line, const char *format, ...)
{
    va_list list;
    char *text;

    va_start(list, format);
    text = text_of(format, list);
    va_end(list);
    struct report call = { number, file, TEXT(text), line };
    say(run_error_at_line, &call);
    free(text);
    if (status != 0)
        exit(status);
}

struct signal_text {
    int number;
    const siginfo_t *info;
    const char *text;
};

static void run_psignal(void *arg)
{
    struct signal_text *call = arg;

    mp__real.psignal(call->number, call->text);
}

static void run_psiginfo(void *arg)
{
    struct signal_text *call = arg;

    mp__real.psiginfo(call->info, call->text);
}

MP_EXPORT void psignal(int number, const char *text)
{
    struct signal_text call = { number, NULL, text };

    say(run_psignal, &call);
}

MP_EXPORT void psiginfo(const siginfo_t *info, const char *text)
{
    struct signal_text call = { 0, info, text };

    say(run_psiginfo, &call);
}

struct fmtmsg {
    long classification;
    const char *label, *text, *action, *tag;
    int severity, result;
};

static void run_fmtmsg(void *arg)
{
    struct fmtmsg *call = arg;

    call->result = mp__real.fmtmsg(call->classification, call->label,
                                   call->severity, call->text, call->action,
                                   call->tag);
}

MP_EXPORT int fmtmsg(long classification, const char *label, int severity,
                     const char *text, const char *action, const char *tag)
{
    struct fmtmsg call = { classification, label, text, action, tag, severity,
                           MM_NOTOK };

    say(run_fmtmsg, &call);
    return call.result;
}

static void run_malloc_stats(void *unused)
{
    (void)unused;
    mp__real.malloc_stats();
}

MP_EXPORT void malloc_stats(void)
{
    say(run_malloc_stats, NULL);
}

/* Past stdio, as libc's.  By its plain name writev() is ours. */
MP_EXPORT void herror(const char *text)
{
    const char *message = hstrerror(h_errno);
    struct iovec line[4];
    int n = 0;

    if (text != NULL && *text != '\0') {
        line[n++] = (struct iovec){ (void *)text, strlen(text) };
        line[n++] = (struct iovec){ (void *)": ", 2 };
    }
    line[n++] = (struct iovec){ (void *)message, strlen(message) };
    line[n++] = (struct iovec){ (void *)"\n", 1 };
    if (writev(STDERR_FILENO, line, n) < 0)
        return; /* there is nobody to tell */
}

/* ---- assert(): somebody who is parked may have the lock ---- */

static void have_stderr(void)
{
    mp__init();
    if (MP_ACTIVE(stdio) && mp__may_park())
        mp__stdio_lock(stderr);
}

MP_EXPORT void __assert_fail(const char *assertion, const char *file,
                             unsigned line, const char *function)
{
    have_stderr();
    mp__real.__assert_fail(assertion, file, line, function);
    abort();
}

MP_EXPORT void __assert(const char *assertion, const char *file, int line)
{
    have_stderr();
    mp__real.__assert(assertion, file, line);
    abort();
}

MP_EXPORT void __assert_perror_fail(int number, const char *file,
                                    unsigned line, const char *function)
{
    have_stderr();
    mp__real.__assert_perror_fail(number, file, line, function);
    abort();
}
