/* wrap_stdin.c - unformatted input
 *
 * From an fd that may wait, what these functions do is done here, buffer by
 * buffer: the wait for each is the greenlet's own, and needs no helper. */
#include "monkeypatch/stdio_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

STDIO_FUNCTION(int, fgetc, (FILE *file), (file), file, STDIO_READ, 0, EOF)
STDIO_FUNCTION(int, getc, (FILE *file), (file), file, STDIO_READ, 0, EOF)
MP_SPELLING(getc, _IO_getc);

STDIO_NULLARY(int, getchar, stdin, STDIO_READ, EOF)
STDIO_FUNCTION(int, fgetc_unlocked, (FILE *file), (file), file, STDIO_READ, 0,
               EOF)
STDIO_FUNCTION(int, getc_unlocked, (FILE *file), (file), file, STDIO_READ, 0,
               EOF)
STDIO_NULLARY(int, getchar_unlocked, stdin, STDIO_READ, EOF)
/* The inlined ones call these when the buffer is empty. */
STDIO_FUNCTION(int, __underflow, (FILE *file), (file), file, STDIO_READ, 0,
               EOF)
STDIO_FUNCTION(int, __uflow, (FILE *file), (file), file, STDIO_READ, 0, EOF)

/* True where the loops below are to be used, with the lock held. */
static bool by_hand(const FILE *file)
{
    return file->_mode <= 0 && (file->_flags & FILE_NO_READS) == 0 &&
           mp__stdio_may_wait(file);
}

/* Up to `room` bytes from the buffer, to and with the first `end` (EOF: no
 * such).  Returns how many; *found: it ends so. */
static size_t take(FILE *file, char *to, size_t room, int end, bool *found)
{
    size_t n = (size_t)(file->_IO_read_end - file->_IO_read_ptr);
    const char *hit;

    if (n > room)
        n = room;
    hit = end == EOF ? NULL : memchr(file->_IO_read_ptr, end, n);
    *found = hit != NULL;
    if (hit != NULL)
        n = (size_t)(hit + 1 - file->_IO_read_ptr);
    memcpy(to, file->_IO_read_ptr, n);
    file->_IO_read_ptr += n;
    return n;
}

static bool is_empty(const FILE *file)
{
    return file->_IO_read_ptr >= file->_IO_read_end;
}

/* An earlier error does not count; one that leaves nothing read does. */
static char *get_line(char *buf, int room, FILE *file)
{
    int old_error = file->_flags & FILE_ERROR, rc = 1;
    size_t got = 0;
    bool found = false;

    file->_flags &= ~FILE_ERROR;
    while (got + 1 < (size_t)room && !found) {
        if (is_empty(file)) {
            rc = mp__stdio_fill(file);
            if (rc <= 0)
                break;
        }
        got += take(file, buf + got, (size_t)room - 1 - got, '\n', &found);
    }
    if (got == 0 || (rc < 0 && errno != EAGAIN))
        buf = NULL;
    else
        buf[got] = '\0';
    file->_flags |= old_error;
    return buf;
}

STDIO_CALL(char *, fgets, (char *buf, int room, FILE *file), (buf, room, file))

STDIO_HEAD(char *, fgets, (char *buf, int room, FILE *file))
{
    struct stdio_fgets call = { buf, room, file, NULL };

    if (!MP_ACTIVE(stdio) || file == NULL || room <= 1)
        return MP_REAL(fgets)(buf, room, file);
    STDIO_LOCKED(file);
    if (by_hand(file))
        return get_line(buf, room, file);
    mp__stdio_run(file, STDIO_SCAN, 0, run_fgets, &call);
    return call.returned;
}
MP_SPELLING(fgets, _IO_fgets);

STDIO_CALL(char *, __fgets_chk, (char *buf, size_t size, int room, FILE *file),
           (buf, size, room, file))

STDIO_HEAD(char *, __fgets_chk,
           (char *buf, size_t size, int room, FILE *file))
{
    struct stdio___fgets_chk call = { buf, size, room, file, NULL };

    if (!MP_ACTIVE(stdio) || file == NULL || room <= 1 || (size_t)room > size)
        return MP_REAL(__fgets_chk)(buf, size, room, file);
    STDIO_LOCKED(file);
    if (by_hand(file))
        return get_line(buf, room, file);
    mp__stdio_run(file, STDIO_SCAN, 0, run___fgets_chk, &call);
    return call.returned;
}

STDIO_HEAD(char *, fgets_unlocked, (char *buf, int room, FILE *file))
{
    if (!MP_ACTIVE(stdio) || file == NULL || !mp__stdio_may_wait(file))
        return MP_REAL(fgets_unlocked)(buf, room, file);
    return STDIO_NAME(fgets)(buf, room, file);
}

STDIO_HEAD(char *, __fgets_unlocked_chk,
           (char *buf, size_t size, int room, FILE *file))
{
    if (!MP_ACTIVE(stdio) || file == NULL || !mp__stdio_may_wait(file))
        return MP_REAL(__fgets_unlocked_chk)(buf, size, room, file);
    return STDIO_NAME(__fgets_chk)(buf, size, room, file);
}

/* ---- lines of any length ---- */

static bool make_room(char **line, size_t *room, size_t needed)
{
    size_t size = *line == NULL ? 120 : *room;
    char *larger;

    if (*line != NULL && *room >= needed)
        return true;
    while (size < needed)
        size = size < 60 ? 120 : 2 * size;
    larger = realloc(*line, size);
    if (larger == NULL)
        return false;
    *line = larger;
    *room = size;
    return true;
}

static ssize_t get_delimited(char **line, size_t *room, int end, FILE *file)
{
    bool found = false;
    size_t got = 0;

    while (!found) {
        size_t more;

        if (is_empty(file) && mp__stdio_fill(file) <= 0) {
            if (got == 0 || ferror_unlocked(file))
                return -1;
            break;
        }
        more = (size_t)(file->_IO_read_end - file->_IO_read_ptr);
        if (!make_room(line, room, got + more + 1))
            return -1;
        got += take(file, *line + got, more, end, &found);
    }
    (*line)[got] = '\0';
    return (ssize_t)got;
}

STDIO_CALL(ssize_t, getdelim, (char **line, size_t *room, int end, FILE *file),
           (line, room, end, file))

STDIO_HEAD(ssize_t, getdelim, (char **line, size_t *room, int end, FILE *file))
{
    struct stdio_getdelim call = { line, room, end, file, -1 };

    if (!MP_ACTIVE(stdio) || file == NULL || line == NULL || room == NULL)
        return MP_REAL(getdelim)(line, room, end, file);
    STDIO_LOCKED(file);
    if (by_hand(file))
        return get_delimited(line, room, end, file);
    mp__stdio_run(file, STDIO_SCAN, 0, run_getdelim, &call);
    return call.returned;
}
MP_SPELLING(getdelim, __getdelim);

STDIO_HEAD(ssize_t, getline, (char **line, size_t *room, FILE *file))
{
    if (!MP_ACTIVE(stdio))
        return MP_REAL(getline)(line, room, file);
    return STDIO_NAME(getdelim)(line, room, '\n', file);
}

/* ---- blocks ---- */

/* What is there already can be asked for in one piece: past the buffer, if it
 * is more than that holds. */
static size_t take_large(FILE *file, char *to, size_t room)
{
    size_t buffer = (size_t)(file->_IO_buf_end - file->_IO_buf_base);
    int there = 0;

    if (room < buffer || !is_empty(file) ||
        SYS_CALL(SYS_ioctl, file->_fileno, FIONREAD, &there, 0, 0, 0) < 0 ||
        there <= 0 || (size_t)there < buffer)
        return 0;
    if ((size_t)there < room)
        room = (size_t)there;
    return (mp__real.fread_unlocked)(to, 1, room, file); /* not the macro */
}

static size_t get_block(char *to, size_t len, FILE *file)
{
    bool found;
    size_t got = 0;

    while (got < len) {
        if (is_empty(file)) {
            size_t n = take_large(file, to + got, len - got);

            got += n;
            if (n > 0)
                continue;
            if (mp__stdio_fill(file) <= 0)
                break;
        }
        got += take(file, to + got, len - got, EOF, &found);
    }
    return got;
}

STDIO_CALL(size_t, fread, (void *buf, size_t size, size_t count, FILE *file),
           (buf, size, count, file))

static size_t read_block(void *buf, size_t size, size_t count, FILE *file)
{
    struct stdio_fread call = { buf, size, count, file, 0 };
    size_t bytes = size * count, got;

    STDIO_LOCKED(file);
    if (by_hand(file)) {
        got = get_block(buf, bytes, file);
        return got == bytes ? count : got / size;
    }
    mp__stdio_run(file, STDIO_SCAN, 0, run_fread, &call);
    return call.returned;
}

STDIO_HEAD(size_t, fread, (void *buf, size_t size, size_t count, FILE *file))
{
    if (!MP_ACTIVE(stdio) || file == NULL || size == 0 || count == 0)
        return MP_REAL(fread)(buf, size, count, file);
    return read_block(buf, size, count, file);
}
MP_SPELLING(fread, _IO_fread);

STDIO_HEAD(size_t, __fread_chk,
           (void *buf, size_t room, size_t size, size_t count, FILE *file))
{
    size_t bytes;

    if (!MP_ACTIVE(stdio) || file == NULL || size == 0 || count == 0 ||
        __builtin_mul_overflow(size, count, &bytes) || bytes > room)
        return MP_REAL(__fread_chk)(buf, room, size, count, file);
    return read_block(buf, size, count, file);
}

STDIO_HEAD(size_t, fread_unlocked,
           (void *buf, size_t size, size_t count, FILE *file))
{
    if (!MP_ACTIVE(stdio) || file == NULL || !mp__stdio_may_wait(file))
        return MP_REAL(fread_unlocked)(buf, size, count, file);
    return STDIO_NAME(fread)(buf, size, count, file);
}

STDIO_HEAD(size_t, __fread_unlocked_chk,
           (void *buf, size_t room, size_t size, size_t count, FILE *file))
{
    if (!MP_ACTIVE(stdio) || file == NULL || !mp__stdio_may_wait(file))
        return MP_REAL(__fread_unlocked_chk)(buf, room, size, count, file);
    return STDIO_NAME(__fread_chk)(buf, room, size, count, file);
}
