/* wrap_scanf.c - formatted and wide input: one call may read many times */
#include "monkeypatch/stdio_impl.h"

#include <stdarg.h>

struct scan {
    FILE *file;
    const void *format;
    va_list *list;
    int returned;
};

static int scan(struct scan *call, void (*run)(void *))
{
    if (!MP_ACTIVE(stdio) || call->file == NULL) {
        if (unlikely(mp__real.vfscanf == NULL))
            mp__init();
        run(call);
    } else {
        mp__stdio_do(call->file, STDIO_SCAN, 0, run, call);
    }
    return call->returned;
}

/* name, v-name, their f-kin, by the original that takes a list. */
#define SCANF(character, name, fname, vname, vfname)                      \
    static void run_##vfname(void *arg)                                   \
    {                                                                     \
        struct scan *call = arg;                                          \
                                                                          \
        call->returned =                                                  \
            mp__real.vfname(call->file, call->format, *call->list);       \
    }                                                                     \
    STDIO_HEAD(int, name, (const character *format, ...))                 \
    {                                                                     \
        va_list list;                                                     \
        struct scan call = { stdin, format, &list, EOF };                 \
                                                                          \
        va_start(list, format);                                           \
        scan(&call, run_##vfname);                                        \
        va_end(list);                                                     \
        return call.returned;                                             \
    }                                                                     \
    STDIO_HEAD(int, fname, (FILE *file, const character *format, ...))    \
    {                                                                     \
        va_list list;                                                     \
        struct scan call = { file, format, &list, EOF };                  \
                                                                          \
        va_start(list, format);                                           \
        scan(&call, run_##vfname);                                        \
        va_end(list);                                                     \
        return call.returned;                                             \
    }                                                                     \
    STDIO_HEAD(int, vname, (const character *format, va_list list))       \
    {                                                                     \
        va_list copy;                                                     \
        struct scan call = { stdin, format, &copy, EOF };                 \
                                                                          \
        va_copy(copy, list);                                              \
        scan(&call, run_##vfname);                                        \
        va_end(copy);                                                     \
        return call.returned;                                             \
    }                                                                     \
    STDIO_HEAD(int, vfname,                                               \
               (FILE *file, const character *format, va_list list))       \
    {                                                                     \
        va_list copy;                                                     \
        struct scan call = { file, format, &copy, EOF };                  \
                                                                          \
        va_copy(copy, list);                                              \
        scan(&call, run_##vfname);                                        \
        va_end(copy);                                                     \
        return call.returned;                                             \
    }

SCANF(char, scanf, fscanf, vscanf, vfscanf)
MP_SPELLING(vfscanf, __vfscanf);
MP_SPELLING(vfscanf, _IO_vfscanf);
SCANF(char, __isoc99_scanf, __isoc99_fscanf, __isoc99_vscanf,
      __isoc99_vfscanf)
SCANF(wchar_t, wscanf, fwscanf, vwscanf, vfwscanf)
SCANF(wchar_t, __isoc99_wscanf, __isoc99_fwscanf, __isoc99_vwscanf,
      __isoc99_vfwscanf)
SCANF(char, __isoc23_scanf, __isoc23_fscanf, __isoc23_vscanf,
      __isoc23_vfscanf)
SCANF(wchar_t, __isoc23_wscanf, __isoc23_fwscanf, __isoc23_vwscanf,
      __isoc23_vfwscanf)

STDIO_FUNCTION(wint_t, fgetwc, (FILE *file), (file), file, STDIO_SCAN, 0, WEOF)
STDIO_FUNCTION(wint_t, getwc, (FILE *file), (file), file, STDIO_SCAN, 0, WEOF)
STDIO_NULLARY(wint_t, getwchar, stdin, STDIO_SCAN, WEOF)
STDIO_FUNCTION(wchar_t *, fgetws, (wchar_t *buf, int room, FILE *file),
               (buf, room, file), file, STDIO_SCAN, 0, NULL)
STDIO_FUNCTION(wchar_t *, __fgetws_chk,
               (wchar_t *buf, size_t size, int room, FILE *file),
               (buf, size, room, file), file, STDIO_SCAN, 0, NULL)
STDIO_FUNCTION(char *, gets, (char *buf), (buf), stdin, STDIO_SCAN, 0, NULL)
char *gets(char *buf); /* gone from the headers */
MP_SPELLING(gets, _IO_gets);
STDIO_FUNCTION(char *, __gets_chk, (char *buf, size_t room), (buf, room),
               stdin, STDIO_SCAN, 0, NULL)
STDIO_FUNCTION(int, getw, (FILE *file), (file), file, STDIO_SCAN, 0, EOF)
