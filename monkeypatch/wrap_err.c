/* wrap_err.c - messages that libc writes to stderr or the system log
 *
 * libc locks stderr inside them, where nobody can park.  They are called with
 * that lock held already, taken by ours. */
#include "monkeypatch/io_impl.h"

#include <err.h>
#include <error.h>
#include <stdlib.h>
#include <syslog.h>

static bool cooperative(void)
{
    mp__init();
    return MP_ACTIVE(stdio) && mp__may_park();
}

static void unlock(FILE **file)
{
    if (*file != NULL)
        funlockfile(*file);
}

/* By its plain name flockfile() is ours. */
static FILE *lock(void)
{
    if (!cooperative())
        return NULL;
    flockfile(stderr);
    return stderr;
}

#define LOCKED \
    __attribute__((cleanup(unlock), unused)) FILE *locked = lock()

MP_EXPORT void vwarn(const char *format, va_list list)
{
    LOCKED;
    mp__real.vwarn(format, list);
}

MP_EXPORT void vwarnx(const char *format, va_list list)
{
    LOCKED;
    mp__real.vwarnx(format, list);
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

MP_EXPORT void error(int status, int number, const char *format, ...)
{
    va_list list;
    char *text;

    va_start(list, format);
    text = text_of(format, list);
    va_end(list);
    {
        LOCKED;
        mp__real.error(0, number, "%s", TEXT(text));
    }
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
    {
        LOCKED;
        mp__real.error_at_line(0, number, file, line, "%s", TEXT(text));
    }
    free(text);
    if (status != 0)
        exit(status);
}

MP_EXPORT void psignal(int number, const char *text)
{
    LOCKED;
    mp__real.psignal(number, text);
}

MP_EXPORT void psiginfo(const siginfo_t *info, const char *text)
{
    LOCKED;
    mp__real.psiginfo(info, text);
}

/* ---- the system log: a datagram to a server, which may be slow ---- */

MP_EXPORT void syslog(int priority, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsyslog(priority, format, list);
    va_end(list);
}

MP_EXPORT void __syslog_chk(int priority, int flag, const char *format, ...);
void __vsyslog_chk(int priority, int flag, const char *format, va_list list);

MP_EXPORT void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    __vsyslog_chk(priority, flag, format, list);
    va_end(list);
}
