/* print.c - text for people, from anywhere (print.h) */
#include "hub/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void hub__print_open(struct hub__print *print, int fd)
{
    print->fd = fd;
    print->used = 0;
    print->memory = NULL;
}

void hub__print_open_memory(struct hub__print *print, char *memory,
                            size_t room)
{
    hub__print_open(print, -1);
    print->memory = memory;
    print->room = room;
    print->wrote = 0;
}

static void keep(struct hub__print *print)
{
    size_t left = print->room - print->wrote;
    size_t size = print->used < left ? print->used : left;

    memcpy(print->memory + print->wrote, print->text, size);
    print->wrote += size;
}

/* What cannot be written at once is lost: nobody may be kept waiting by a full
 * pipe that nobody reads. */
void hub__print_flush(struct hub__print *print)
{
    const char *at = print->text;
    size_t left = print->used;
    int before = errno;

    if (print->memory != NULL)
        keep(print);
    print->used = 0;
    while (print->fd >= 0 && left > 0) {
        long put = syscall(SYS_write, print->fd, at, left);

        if (put < 0 && errno != EINTR)
            break;
        if (put > 0) {
            at += put;
            left -= (size_t)put;
        }
    }
    errno = before;
}

static void put(struct hub__print *print, char c)
{
    if (print->used == sizeof print->text)
        hub__print_flush(print);
    print->text[print->used++] = c;
}

static void put_text(struct hub__print *print, const char *text)
{
    for (text = text != NULL ? text : "(null)"; *text != '\0'; text++)
        put(print, *text);
}

static void put_number(struct hub__print *print, uint64_t number, unsigned base,
                       int width)
{
    char digits[24];
    int count = 0;

    do
        digits[count++] = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    while (count < width)
        digits[count++] = '0';
    while (count > 0)
        put(print, digits[--count]);
}

static void put_signed(struct hub__print *print, int64_t number)
{
    if (number < 0)
        put(print, '-');
    put_number(print, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10,
               0);
}

/* Each argument is fetched by the one who knows the size. */
static int64_t fetch(va_list *list, bool wide, bool is_signed)
{
    if (wide)
        return va_arg(*list, int64_t);
    return is_signed ? (int64_t)va_arg(*list, int)
                     : (int64_t)va_arg(*list, unsigned);
}

static void put_argument(struct hub__print *print, char kind, bool wide,
                         va_list *list)
{
    switch (kind) {
    case 's':
        put_text(print, va_arg(*list, const char *));
        break;
    case 'c':
        put(print, (char)va_arg(*list, int));
        break;
    case 'd':
        put_signed(print, fetch(list, wide, true));
        break;
    case 'u':
        put_number(print, (uint64_t)fetch(list, wide, false), 10, 0);
        break;
    case 'x':
        put_number(print, (uint64_t)fetch(list, wide, false), 16, 0);
        break;
    case 'p':
        put_text(print, "0x");
        put_number(print, (uintptr_t)va_arg(*list, void *), 16, 0);
        break;
    default:
        put(print, kind);
    }
}

void hub__print(struct hub__print *print, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    for (; *format != '\0'; format++) {
        bool wide = false;

        if (*format != '%') {
            put(print, *format);
            continue;
        }
        format++;
        for (; *format == 'l' || *format == 'z'; format++)
            wide = true;
        put_argument(print, *format, wide, &list);
    }
    va_end(list);
}

void hub__print_seconds(struct hub__print *print, int64_t ns)
{
    uint64_t ms = (ns > 0 ? (uint64_t)ns : 0) / 1000000;

    put_number(print, ms / 1000, 10, 0);
    put(print, '.');
    put_number(print, ms % 1000, 10, 3);
    put_text(print, " s");
}
