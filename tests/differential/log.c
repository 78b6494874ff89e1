/* log.c - the event log of the C interpreter */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool log_unbuffered;

static char *buffer;
static size_t used, size;

/* Does not switch: a line is never torn. */
static void add(const char *format, va_list list)
{
    va_list copy;
    int length;

    va_copy(copy, list);
    length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (length < 0)
        abort();
    if (used + (size_t)length + 2 > size) {
        size = 2 * (size + (size_t)length + 256);
        buffer = realloc(buffer, size);
        if (buffer == NULL)
            abort();
    }
    vsnprintf(buffer + used, size - used, format, list);
    used += (size_t)length;
}

void event_add(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    add(format, list);
    va_end(list);
}

void event_end(void)
{
    event_add("\n");
    if (log_unbuffered)
        log_flush();
}

void say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    add(format, list);
    va_end(list);
    event_end();
}

void event_begin(const char *format, ...)
{
    va_list list;

    event_add("%s: ", label_of(greenlet_current()));
    va_start(list, format);
    add(format, list);
    va_end(list);
}

void event(const char *format, ...)
{
    va_list list;

    event_add("%s: ", label_of(greenlet_current()));
    va_start(list, format);
    add(format, list);
    va_end(list);
    event_end();
}

void log_flush(void)
{
    fwrite(buffer, 1, used, stdout);
    fflush(stdout);
    used = 0;
}
