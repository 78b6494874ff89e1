/* wrap_syslog.c - the system log: a datagram to a server, which may be slow
 *
 * libc holds the lock of the log while it connects and sends.  Every call that
 * takes it runs on a helper, so that it stops nobody but the caller.  The text
 * is made here, by the caller: %m is its errno. */
#include "monkeypatch/io_impl.h"

#include <stdlib.h>
#include <syslog.h>

void __vsyslog_chk(int priority, int flag, const char *format, va_list list);
int __vasprintf_chk(char **text, int flag, const char *format, va_list list);
void __syslog_chk(int priority, int flag, const char *format, ...);

static void log_plainly(int priority, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    mp__real.vsyslog(priority, format, list);
    va_end(list);
}

struct record {
    int priority;
    const char *text;
};

static void run_log(void *arg)
{
    struct record *record = arg;

    log_plainly(record->priority, "%s", record->text);
}

/* The text with the checks of a fortified call, if flag is > 0. */
static void log_text(int priority, int flag, const char *format, va_list list)
{
    struct record record = { priority, NULL };
    int before = errno;
    char *text;

    mp__testcancel();
    if (__vasprintf_chk(&text, flag, format, list) < 0)
        return; /* no memory: as libc's, which then says less */
    record.text = text;
    mp__offload(run_log, &record, HUB_OFFLOAD_LONG);
    free(text);
    errno = before;
}

static bool may_park(void)
{
    mp__init();
    return MP_ACTIVE(stdio) && mp__may_park();
}

MP_EXPORT void vsyslog(int priority, const char *format, va_list list)
{
    if (may_park())
        log_text(priority, 0, format, list);
    else
        mp__real.vsyslog(priority, format, list);
}

MP_EXPORT void __vsyslog_chk(int priority, int flag, const char *format,
                             va_list list)
{
    if (may_park())
        log_text(priority, flag, format, list);
    else
        mp__real.__vsyslog_chk(priority, flag, format, list);
}

MP_EXPORT void syslog(int priority, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsyslog(priority, format, list);
    va_end(list);
}

MP_EXPORT void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    __vsyslog_chk(priority, flag, format, list);
    va_end(list);
}

struct opening {
    const char *name;
    int options, facility;
};

static void run_open(void *arg)
{
    struct opening *call = arg;

    mp__real.openlog(call->name, call->options, call->facility);
}

MP_EXPORT void openlog(const char *name, int options, int facility)
{
    struct opening call = { name, options, facility };
    int before = errno;

    mp__init();
    if (MP_ACTIVE(stdio))
        mp__offload(run_open, &call, HUB_OFFLOAD_LONG);
    else
        run_open(&call);
    errno = before;
}
