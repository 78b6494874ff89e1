/* wrap_printf.c - formatted output
 *
 * How much a format makes is found by formatting it in advance, but only for
 * fds that may wait: then a short line to a pipe with room needs no helper. */
#include "monkeypatch/stdio_impl.h"

#include <stdarg.h>
#include <stdlib.h>

int __vsnprintf_chk(char *buf, size_t size, int flag, size_t room,
                    const char *format, va_list list);
int __vasprintf_chk(char **buf, int flag, const char *format, va_list list);

struct print {
    FILE *file;
    int flag; /* of the checking kind; NO_FLAG: the plain one */
    const void *format;
    va_list *list;
    int returned;
};
#define NO_FLAG (-1)

static void run_narrow(void *arg)
{
    struct print *call = arg;

    if (call->flag == NO_FLAG)
        call->returned = mp__real.vfprintf(call->file, call->format,
                                           *call->list);
    else
        call->returned = mp__real.__vfprintf_chk(call->file, call->flag,
                                                 call->format, *call->list);
}

static void run_wide(void *arg)
{
    struct print *call = arg;

    if (call->flag == NO_FLAG)
        call->returned = mp__real.vfwprintf(call->file, call->format,
                                            *call->list);
    else
        call->returned = mp__real.__vfwprintf_chk(call->file, call->flag,
                                                  call->format, *call->list);
}

static size_t measure(const struct print *call, enum mp__stdio_kind *kind)
{
    int before = errno, size;
    char text[256];
    va_list list;

    va_copy(list, *call->list);
    if (call->flag == NO_FLAG)
        size = vsnprintf(text, sizeof text, call->format, list);
    else
        size = __vsnprintf_chk(text, sizeof text, call->flag, sizeof text,
                               call->format, list);
    va_end(list);
    errno = before;
    if (size < 0)
        return STDIO_UNKNOWN_SIZE;
    if ((size_t)size < sizeof text)
        *kind = mp__stdio_kind_of(call->file, text, (size_t)size);
    return (size_t)size;
}

static int print(FILE *file, int flag, const char *format, va_list *list)
{
    struct print call = { file, flag, format, list, 0 };
    enum mp__stdio_kind kind = STDIO_WRITE;
    size_t size = 0;

    if (!MP_ACTIVE(stdio) || file == NULL) {
        if (unlikely(mp__real.vfprintf == NULL))
            mp__init();
        run_narrow(&call);
        return call.returned;
    }
    if (mp__stdio_may_wait(file))
        size = measure(&call, &kind);
    mp__stdio_do(file, kind, size, run_narrow, &call);
    return call.returned;
}

static int print_wide(FILE *file, int flag, const wchar_t *format,
                      va_list *list)
{
    struct print call = { file, flag, format, list, 0 };

    if (!MP_ACTIVE(stdio) || file == NULL) {
        if (unlikely(mp__real.vfwprintf == NULL))
            mp__init();
        run_wide(&call);
        return call.returned;
    }
    mp__stdio_do(file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, run_wide, &call);
    return call.returned;
}

/* The list that came as a parameter has decayed, on machines where va_list is
 * an array: a copy has its full type again. */
static int vprint(FILE *file, int flag, const char *format, va_list list)
{
    va_list copy;
    int rc;

    va_copy(copy, list);
    rc = print(file, flag, format, &copy);
    va_end(copy);
    return rc;
}

static int vprint_wide(FILE *file, int flag, const wchar_t *format,
                       va_list list)
{
    va_list copy;
    int rc;

    va_copy(copy, list);
    rc = print_wide(file, flag, format, &copy);
    va_end(copy);
    return rc;
}

#define PRINTF(name, params, last, how, file, flag)                       \
    STDIO_HEAD(int, name, params)                                         \
    {                                                                     \
        va_list list;                                                     \
        int rc;                                                           \
                                                                          \
        va_start(list, last);                                             \
        rc = how(file, flag, last, &list);                                \
        va_end(list);                                                     \
        return rc;                                                        \
    }
#define VPRINTF(name, params, how, file, flag)                            \
    STDIO_HEAD(int, name, params)                                         \
    {                                                                     \
        return how(file, flag, format, list);                             \
    }

PRINTF(printf, (const char *format, ...), format, print, stdout, NO_FLAG)
MP_SPELLING(printf, _IO_printf);
PRINTF(fprintf, (FILE *file, const char *format, ...), format, print, file,
       NO_FLAG)
MP_SPELLING(fprintf, _IO_fprintf);
VPRINTF(vprintf, (const char *format, va_list list), vprint, stdout, NO_FLAG)
VPRINTF(vfprintf, (FILE *file, const char *format, va_list list), vprint, file,
        NO_FLAG)
MP_SPELLING(vfprintf, _IO_vfprintf);
PRINTF(__printf_chk, (int flag, const char *format, ...), format, print,
       stdout, flag)
PRINTF(__fprintf_chk, (FILE *file, int flag, const char *format, ...), format,
       print, file, flag)
VPRINTF(__vprintf_chk, (int flag, const char *format, va_list list), vprint,
        stdout, flag)
VPRINTF(__vfprintf_chk,
        (FILE *file, int flag, const char *format, va_list list), vprint, file,
        flag)

PRINTF(wprintf, (const wchar_t *format, ...), format, print_wide, stdout,
       NO_FLAG)
PRINTF(fwprintf, (FILE *file, const wchar_t *format, ...), format, print_wide,
       file, NO_FLAG)
VPRINTF(vwprintf, (const wchar_t *format, va_list list), vprint_wide, stdout,
        NO_FLAG)
VPRINTF(vfwprintf, (FILE *file, const wchar_t *format, va_list list),
        vprint_wide, file, NO_FLAG)
PRINTF(__wprintf_chk, (int flag, const wchar_t *format, ...), format,
       print_wide, stdout, flag)
PRINTF(__fwprintf_chk, (FILE *file, int flag, const wchar_t *format, ...),
       format, print_wide, file, flag)
VPRINTF(__vwprintf_chk, (int flag, const wchar_t *format, va_list list),
        vprint_wide, stdout, flag)
VPRINTF(__vfwprintf_chk,
        (FILE *file, int flag, const wchar_t *format, va_list list),
        vprint_wide, file, flag)

/* ---- dprintf: a write() that libc hides ---- */

struct text {
    char *text;
};

static void free_text(struct text *text)
{
    free(text->text);
}

/* libc's writes in pieces of its buffer; one write() is a fair answer. */
static int print_fd(int fd, int flag, const char *format, va_list *list)
{
    __attribute__((cleanup(free_text))) struct text text = { NULL };
    unsigned bits;
    int size;
    long rc;

    if (unlikely(mp__real.vdprintf == NULL))
        mp__init();
    bits = MP_ACTIVE(stdio) ? mp__fd_bits(fd) : 0;
    if (bits == 0 || (bits & FD_REGULAR) != 0)
        return flag == NO_FLAG
                   ? mp__real.vdprintf(fd, format, *list)
                   : mp__real.__vdprintf_chk(fd, flag, format, *list);
    size = flag == NO_FLAG ? vasprintf(&text.text, format, *list)
                           : __vasprintf_chk(&text.text, flag, format, *list);
    if (size <= 0) {
        if (size < 0)
            text.text = NULL;
        return size;
    }
    rc = mp__write(fd, text.text, (size_t)size);
    return rc == size ? size : rc < 0 ? mp__fail((int)rc) : -1;
}

static int vprint_fd(int fd, int flag, const char *format, va_list list)
{
    va_list copy;
    int rc;

    va_copy(copy, list);
    rc = print_fd(fd, flag, format, &copy);
    va_end(copy);
    return rc;
}

PRINTF(dprintf, (int fd, const char *format, ...), format, print_fd, fd,
       NO_FLAG)
PRINTF(__dprintf_chk, (int fd, int flag, const char *format, ...), format,
       print_fd, fd, flag)
VPRINTF(vdprintf, (int fd, const char *format, va_list list), vprint_fd, fd,
        NO_FLAG)
VPRINTF(__vdprintf_chk, (int fd, int flag, const char *format, va_list list),
        vprint_fd, fd, flag)
