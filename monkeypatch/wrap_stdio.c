/* wrap_stdio.c - locks, output and positions of FILEs */
#include "monkeypatch/stdio_impl.h"

#include <string.h>

/* ---- the lock itself ---- */

STDIO_HEAD(void, flockfile, (FILE *file))
{
    if (MP_ACTIVE(stdio))
        mp__stdio_lock(file);
    else
        MP_REAL(flockfile)(file);
}
MP_SPELLING(flockfile, _IO_flockfile);

STDIO_HEAD(int, ftrylockfile, (FILE *file))
{
    return MP_REAL(ftrylockfile)(file);
}
MP_SPELLING(ftrylockfile, _IO_ftrylockfile);

STDIO_HEAD(void, funlockfile, (FILE *file))
{
    if (MP_ACTIVE(stdio))
        mp__stdio_unlock(file);
    else
        MP_REAL(funlockfile)(file);
}
MP_SPELLING(funlockfile, _IO_funlockfile);

/* ---- output ---- */

static size_t product(size_t size, size_t count)
{
    size_t bytes;

    return __builtin_mul_overflow(size, count, &bytes) ? STDIO_UNKNOWN_SIZE
                                                       : bytes;
}

STDIO_FUNCTION(size_t, fwrite,
               (const void *buf, size_t size, size_t count, FILE *file),
               (buf, size, count, file), file,
               mp__stdio_kind_of(file, buf, product(size, count)),
               product(size, count), 0)
MP_SPELLING(fwrite, _IO_fwrite);

STDIO_FUNCTION(int, fputs, (const char *text, FILE *file), (text, file), file,
               mp__stdio_kind_of(file, text, strlen(text)), strlen(text), EOF)
MP_SPELLING(fputs, _IO_fputs);

STDIO_FUNCTION(int, puts, (const char *text), (text), stdout, STDIO_WRITE,
               strlen(text) + 1, EOF)
MP_SPELLING(puts, _IO_puts);

#define STDIO_CHAR(c) ((unsigned char)(c) == '\n' ? STDIO_WRITE : STDIO_STORE)
STDIO_FUNCTION(int, fputc, (int c, FILE *file), (c, file), file, STDIO_CHAR(c),
               1, EOF)
STDIO_FUNCTION(int, putc, (int c, FILE *file), (c, file), file, STDIO_CHAR(c),
               1, EOF)
MP_SPELLING(putc, _IO_putc);
STDIO_FUNCTION(int, putchar, (int c), (c), stdout, STDIO_CHAR(c), 1, EOF)
STDIO_FUNCTION(int, putw, (int word, FILE *file), (word, file), file,
               STDIO_WRITE, sizeof word, EOF)

STDIO_FUNCTION(wint_t, fputwc, (wchar_t c, FILE *file), (c, file), file,
               STDIO_WRITE, STDIO_UNKNOWN_SIZE, WEOF)
STDIO_FUNCTION(wint_t, putwc, (wchar_t c, FILE *file), (c, file), file,
               STDIO_WRITE, STDIO_UNKNOWN_SIZE, WEOF)
STDIO_FUNCTION(wint_t, putwchar, (wchar_t c), (c), stdout, STDIO_WRITE,
               STDIO_UNKNOWN_SIZE, WEOF)
STDIO_FUNCTION(int, fputws, (const wchar_t *text, FILE *file), (text, file),
               file, STDIO_WRITE, STDIO_UNKNOWN_SIZE, EOF)

/* Without the lock.  Where they may wait they are treated like their kin. */
STDIO_FUNCTION(size_t, fwrite_unlocked,
               (const void *buf, size_t size, size_t count, FILE *file),
               (buf, size, count, file), file,
               mp__stdio_kind_of(file, buf, product(size, count)),
               product(size, count), 0)
STDIO_FUNCTION(int, fputs_unlocked, (const char *text, FILE *file),
               (text, file), file,
               mp__stdio_kind_of(file, text, strlen(text)), strlen(text), EOF)
STDIO_FUNCTION(int, fputc_unlocked, (int c, FILE *file), (c, file), file,
               STDIO_CHAR(c), 1, EOF)
STDIO_FUNCTION(int, putc_unlocked, (int c, FILE *file), (c, file), file,
               STDIO_CHAR(c), 1, EOF)
STDIO_FUNCTION(int, putchar_unlocked, (int c), (c), stdout, STDIO_CHAR(c), 1,
               EOF)
/* What inlined putc_unlocked() calls when the buffer is full. */
STDIO_FUNCTION(int, __overflow, (FILE *file, int c), (file, c), file,
               c == EOF ? STDIO_FLUSH : STDIO_CHAR(c), 1, EOF)

/* The text, a colon, and the longest of libc's messages. */
STDIO_PROCEDURE(perror, (const char *text), (text), stderr, STDIO_FLUSH,
                (text != NULL ? strlen(text) : 0) + 256)

/* ---- flushing and closing ---- */

struct flush {
    FILE *file;
    int returned;
};

static void run_flush(void *arg)
{
    struct flush *flush = arg;

    flush->returned = mp__real.fflush(flush->file);
}

static int flush_locked(FILE *file)
{
    struct flush flush = { file, 0 };

    mp__stdio_run(file, STDIO_FLUSH, 0, run_flush, &flush);
    return flush.returned;
}

static int flush_one(FILE *file)
{
    struct flush flush = { file, 0 };

    mp__stdio_do(file, STDIO_FLUSH, 0, run_flush, &flush);
    return flush.returned;
}

STDIO_HEAD(int, fflush, (FILE *file))
{
    if (!MP_ACTIVE(stdio))
        return MP_REAL(fflush)(file);
    if (file == NULL)
        return mp__stdio_flush_all();
    return flush_one(file);
}
MP_SPELLING(fflush, _IO_fflush);

STDIO_HEAD(int, fflush_unlocked, (FILE *file))
{
    if (!MP_ACTIVE(stdio))
        return MP_REAL(fflush_unlocked)(file);
    return STDIO_NAME(fflush)(file);
}

/* Nothing is left for fclose() or freopen() to write then.  What could not be
 * written they try again, and report. */
static void prepare_close(FILE *file)
{
    STDIO_LOCKED(file);
    if (file->_IO_write_ptr > file->_IO_write_base || file->_mode > 0)
        flush_locked(file);
    if (file->_fileno >= 0 && !mp__fd_ours(file->_fileno))
        mp__fd_closing(file->_fileno);
}

STDIO_HEAD(int, fclose, (FILE *file))
{
    if (file != NULL && MP_ACTIVE(stdio))
        prepare_close(file);
    else if (file != NULL && mp__in_vfork_child == 0)
        mp__fd_forget(file->_fileno);
    return MP_REAL(fclose)(file);
}
MP_SPELLING(fclose, _IO_fclose);

struct pclosing {
    FILE *file;
    int returned, error;
};

static void run_pclose(void *arg)
{
    struct pclosing *call = arg;

    errno = call->error;
    call->returned = mp__real.pclose(call->file);
    call->error = errno;
}

/* It waits for the command. */
STDIO_HEAD(int, pclose, (FILE *file))
{
    struct pclosing call = { file, -1, errno };

    if (file == NULL || !MP_ACTIVE(process))
        return MP_REAL(pclose)(file);
    prepare_close(file);
    mp__offload(run_pclose, &call, HUB_OFFLOAD_LONG);
    errno = call.error;
    return call.returned;
}

STDIO_HEAD(FILE *, freopen, (const char *path, const char *mode, FILE *file))
{
    FILE *again;

    if (file != NULL && MP_ACTIVE(stdio))
        prepare_close(file);
    again = MP_REAL(freopen)(path, mode, file);
    if (again != NULL && mp__in_vfork_child == 0)
        mp__fd_forget(again->_fileno);
    return again;
}

STDIO_HEAD(FILE *, freopen64, (const char *path, const char *mode, FILE *file))
{
    FILE *again;

    if (file != NULL && MP_ACTIVE(stdio))
        prepare_close(file);
    again = MP_REAL(freopen64)(path, mode, file);
    if (again != NULL && mp__in_vfork_child == 0)
        mp__fd_forget(again->_fileno);
    return again;
}

/* ---- positions: what is buffered is written first ---- */

#define STDIO_MOVES(name, params, args) \
    STDIO_FUNCTION(int, name, params, args, file, STDIO_FLUSH, 0, -1)
#define STDIO_ASKS(ret, name, params, args) \
    STDIO_FUNCTION(ret, name, params, args, file, STDIO_QUIET, 0, (ret)-1)

STDIO_MOVES(fseek, (FILE *file, long offset, int whence),
            (file, offset, whence))
STDIO_MOVES(fseeko, (FILE *file, off_t offset, int whence),
            (file, offset, whence))
STDIO_MOVES(fseeko64, (FILE *file, off_t offset, int whence),
            (file, offset, whence))
STDIO_MOVES(fsetpos, (FILE *file, const fpos_t *position), (file, position))
STDIO_MOVES(fsetpos64, (FILE *file, const fpos64_t *position),
            (file, position))
MP_SPELLING(fsetpos, _IO_fsetpos);
MP_SPELLING(fsetpos64, _IO_fsetpos64);
STDIO_MOVES(setvbuf, (FILE *file, char *buf, int mode, size_t size),
            (file, buf, mode, size))
MP_SPELLING(setvbuf, _IO_setvbuf);

STDIO_PROCEDURE(rewind, (FILE *file), (file), file, STDIO_FLUSH, 0)
STDIO_PROCEDURE(setbuf, (FILE *file, char *buf), (file, buf), file,
                STDIO_FLUSH, 0)
STDIO_PROCEDURE(setbuffer, (FILE *file, char *buf, size_t size),
                (file, buf, size), file, STDIO_FLUSH, 0)
MP_SPELLING(setbuffer, _IO_setbuffer);
STDIO_PROCEDURE(setlinebuf, (FILE *file), (file), file, STDIO_FLUSH, 0)

STDIO_ASKS(long, ftell, (FILE *file), (file))
MP_SPELLING(ftell, _IO_ftell);
STDIO_ASKS(off_t, ftello, (FILE *file), (file))
STDIO_ASKS(off_t, ftello64, (FILE *file), (file))
STDIO_ASKS(int, fgetpos, (FILE *file, fpos_t *position), (file, position))
STDIO_ASKS(int, fgetpos64, (FILE *file, fpos64_t *position), (file, position))
MP_SPELLING(fgetpos, _IO_fgetpos);
MP_SPELLING(fgetpos64, _IO_fgetpos64);
STDIO_ASKS(int, feof, (FILE *file), (file))
STDIO_ASKS(int, ferror, (FILE *file), (file))
MP_SPELLING(feof, _IO_feof);
MP_SPELLING(ferror, _IO_ferror);
STDIO_ASKS(int, ungetc, (int c, FILE *file), (c, file))
MP_SPELLING(ungetc, _IO_ungetc);
STDIO_ASKS(wint_t, ungetwc, (wint_t c, FILE *file), (c, file))
STDIO_PROCEDURE(clearerr, (FILE *file), (file), file, STDIO_QUIET, 0)
