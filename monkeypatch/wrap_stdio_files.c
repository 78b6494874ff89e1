/* wrap_stdio_files.c - the rest of what locks a FILE of the program's
 *
 * Wide characters without the lock, all FILEs at once, and the files of lines
 * that libc reads and writes for others: passwd, group, mtab. */
#include "monkeypatch/stdio_impl.h"

#include <malloc.h>
#include <stdio_ext.h>

/* ---- wide, without the lock: they wait all the same ---- */

STDIO_FUNCTION(wint_t, fgetwc_unlocked, (FILE *file), (file), file, STDIO_SCAN,
               0, WEOF)
STDIO_FUNCTION(wint_t, getwc_unlocked, (FILE *file), (file), file, STDIO_SCAN,
               0, WEOF)
STDIO_NULLARY(wint_t, getwchar_unlocked, stdin, STDIO_SCAN, WEOF)
STDIO_FUNCTION(wchar_t *, fgetws_unlocked,
               (wchar_t *buf, int room, FILE *file), (buf, room, file), file,
               STDIO_SCAN, 0, NULL)
STDIO_FUNCTION(wchar_t *, __fgetws_unlocked_chk,
               (wchar_t *buf, size_t size, int room, FILE *file),
               (buf, size, room, file), file, STDIO_SCAN, 0, NULL)
STDIO_FUNCTION(wint_t, fputwc_unlocked, (wchar_t c, FILE *file), (c, file),
               file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, WEOF)
STDIO_FUNCTION(wint_t, putwc_unlocked, (wchar_t c, FILE *file), (c, file),
               file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, WEOF)
STDIO_FUNCTION(wint_t, putwchar_unlocked, (wchar_t c), (c), stdout,
               STDIO_WRITE, STDIO_UNKNOWN_SIZE, WEOF)
STDIO_FUNCTION(int, fputws_unlocked, (const wchar_t *text, FILE *file),
               (text, file), file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, EOF)

STDIO_FUNCTION(int, fwide, (FILE *file, int mode), (file, mode), file,
               STDIO_QUIET, 0, 0)

/* ---- lines of passwd and its like ---- */

#define STDIO_ENTRIES(name, type)                                         \
    STDIO_FUNCTION(int, put##name, (const type *entry, FILE *file),       \
                   (entry, file), file, STDIO_WRITE, STDIO_UNKNOWN_SIZE,  \
                   -1)                                                    \
    STDIO_FUNCTION(type *, fget##name, (FILE *file), (file), file,        \
                   STDIO_SCAN, 0, NULL)                                   \
    STDIO_FUNCTION(int, fget##name##_r,                                   \
                   (FILE *file, type *entry, char *buf, size_t room,      \
                    type **found),                                        \
                   (file, entry, buf, room, found), file, STDIO_SCAN, 0,  \
                   EINTR)

STDIO_ENTRIES(pwent, struct passwd)
STDIO_ENTRIES(grent, struct group)
STDIO_ENTRIES(spent, struct spwd)
STDIO_ENTRIES(sgent, struct sgrp)

STDIO_FUNCTION(struct mntent *, getmntent, (FILE *file), (file), file,
               STDIO_SCAN, 0, NULL)
STDIO_FUNCTION(struct mntent *, getmntent_r,
               (FILE *file, struct mntent *entry, char *buf, int room),
               (file, entry, buf, room), file, STDIO_SCAN, 0, NULL)
MP_SPELLING(getmntent_r, __getmntent_r);
STDIO_FUNCTION(int, addmntent, (FILE *file, const struct mntent *entry),
               (file, entry), file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, 1)

/* By their plain names fclose() and fflush() are ours. */
STDIO_HEAD(int, endmntent, (FILE *file))
{
    if (file != NULL)
        fclose(file);
    return 1;
}
MP_SPELLING(endmntent, __endmntent);

STDIO_FUNCTION(int, malloc_info, (int options, FILE *file), (options, file),
               file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, -1)

/* ---- all there are ---- */

STDIO_HEAD(int, _IO_flush_all, (void))
{
    return fflush(NULL);
}

/* Flushing the others too does no harm. */
STDIO_HEAD(void, _flushlbf, (void))
{
    if (MP_ACTIVE(stdio))
        mp__stdio_flush_all();
    else
        MP_REAL(_flushlbf)();
}
MP_SPELLING(_flushlbf, _IO_flush_all_linebuffered);

/* Nothing is left for libc's to write then; it drops the buffers. */
STDIO_HEAD(int, fcloseall, (void))
{
    int flushed = MP_ACTIVE(stdio) ? mp__stdio_flush_all() : 0;

    return MP_REAL(fcloseall)() == EOF ? EOF : flushed;
}
