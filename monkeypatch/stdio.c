/* stdio.c - locks of FILEs, and who runs a call that may wait */
#include "monkeypatch/stdio_impl.h"

#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>

extern FILE *_IO_list_all; /* libc's, through _chain */

/* ---- the lock ---- */

/* Where libc keeps the owner in a FILE's lock: found the first time one of ours
 * holds one.  -1: not known yet, -2: it is kept otherwise, so that no helper
 * can be made the owner. */
static ptrdiff_t owner_at = -1;

static void find_owner(const FILE *file)
{
    void *const *words = (void *const *)(const void *)file->_lock;

    owner_at = -2;
    for (int i = 0; i < 2; i++)
        if (words[i] == (void *)pthread_self())
            owner_at = i * (ptrdiff_t)sizeof(void *);
}

static void **owner_of(FILE *file)
{
    return (void **)(void *)((char *)file->_lock + owner_at);
}

/* Those who wait for a lock wait for its gate to change. */
#define GATES 64
static struct gate {
    uint32_t word, waiters;
} gates[GATES];

#define RECHECK_NS 1000000000 /* a real thread may hold it, and wakes nobody */

static struct gate *gate_of(const FILE *file)
{
    return &gates[(uintptr_t)file / 64 % GATES];
}

static void wait_for(FILE *file)
{
    struct gate *gate = gate_of(file);
    uint32_t seen = __atomic_load_n(&gate->word, __ATOMIC_ACQUIRE);
    int before = errno; /* printf's %m */

    __atomic_fetch_add(&gate->waiters, 1, __ATOMIC_SEQ_CST);
    if (mp__real.ftrylockfile(file) == 0)
        mp__real.funlockfile(file);
    else
        mp__lot_wait(&gate->word, seen, mp__now() + RECHECK_NS, 0);
    __atomic_fetch_sub(&gate->waiters, 1, __ATOMIC_RELAXED);
    errno = before;
}

void mp__stdio_lock(FILE *file)
{
    while (mp__real.ftrylockfile(file) != 0) {
        if (!mp__may_park()) {
            mp__real.flockfile(file);
            break;
        }
        wait_for(file);
    }
    if (unlikely(owner_at == -1))
        find_owner(file);
}

static void open_gate(const FILE *file)
{
    struct gate *gate = gate_of(file);

    if (likely(__atomic_load_n(&gate->waiters, __ATOMIC_SEQ_CST) == 0))
        return;
    __atomic_fetch_add(&gate->word, 1, __ATOMIC_RELEASE);
    mp__lot_wake(&gate->word, INT_MAX);
}

void mp__stdio_unlock(FILE *file)
{
    mp__real.funlockfile(file);
    open_gate(file);
}

void mp__stdio_release(struct mp__stdio_guard *guard)
{
    int before = errno;

    mp__stdio_unlock(guard->file);
    errno = before;
}

/* libc does this for all in a child that it takes for one of many threads. */
void mp__stdio_forked(void)
{
    memset(gates, 0, sizeof gates);
    if (owner_at < 0)
        return;
    for (FILE *file = _IO_list_all; file != NULL; file = file->_chain)
        if (file->_lock != NULL && *owner_of(file) != NULL &&
            *owner_of(file) != (void *)pthread_self())
            memset(file->_lock, 0, 2 * sizeof(void *));
}

/* ---- may it wait? ---- */

bool mp__stdio_may_wait(const FILE *file)
{
    unsigned bits;

    if (file->_fileno < 0) /* in memory, or the program's own functions */
        return false;
    bits = mp__fd_bits(file->_fileno);
    return bits != 0 && (bits & FD_REGULAR) == 0;
}

/* All that is buffered goes into the buffer's end, no system call is made. */
static bool only_buffers(const FILE *file, enum mp__stdio_kind kind,
                         size_t size)
{
    int writes = FILE_UNBUFFERED;

    if (kind == STDIO_FLUSH)
        return false;
    if (kind == STDIO_WRITE)
        writes |= FILE_LINE_BUFFERED;
    return (file->_flags & writes) == 0 && (file->_flags & FILE_PUTTING) != 0 &&
           size < (size_t)(file->_IO_buf_end - file->_IO_write_ptr);
}

/* Up to PIPE_BUF bytes can be written to what poll() calls writable, if it is
 * no terminal. */
static bool write_waits(const FILE *file, enum mp__stdio_kind kind, size_t size)
{
    size_t pending = 0;

    if (file->_mode > 0 || size == STDIO_UNKNOWN_SIZE)
        return true;
    if (only_buffers(file, kind, size))
        return false;
    if (file->_IO_write_ptr > file->_IO_write_base)
        pending = (size_t)(file->_IO_write_ptr - file->_IO_write_base);
    if (pending == 0 && size == 0)
        return false;
    if (pending > PIPE_BUF || size > PIPE_BUF - pending)
        return true;
    if ((mp__fd_bits(file->_fileno) & FD_TERMINAL) != 0)
        return true;
    return sys_poll_one(file->_fileno, POLLOUT) == 0;
}

enum mp__stdio_kind mp__stdio_kind_of(const FILE *file, const void *text,
                                      size_t len)
{
    if (file == NULL || (file->_flags & FILE_LINE_BUFFERED) == 0 ||
        len > PIPE_BUF || memchr(text, '\n', len) != NULL)
        return STDIO_WRITE;
    return STDIO_STORE;
}

bool mp__stdio_has_input(const FILE *file)
{
    if (file->_IO_read_ptr < file->_IO_read_end)
        return true;
    return (file->_flags & FILE_IN_BACKUP) != 0 &&
           file->_IO_save_end > file->_IO_save_base;
}

static bool has_output(const FILE *file)
{
    return file->_IO_write_ptr > file->_IO_write_base;
}

/* Before reading from what is not fully buffered libc locks and flushes stdout
 * (a prompt should be seen). */
static bool read_waits_for_stdout(const FILE *file)
{
    FILE *out = stdout;
    bool waits;

    if ((file->_flags & (FILE_LINE_BUFFERED | FILE_UNBUFFERED)) == 0 ||
        out == NULL)
        return false;
    if (mp__real.ftrylockfile(out) != 0)
        return true;
    waits = (out->_flags & FILE_LINE_BUFFERED) != 0 && has_output(out) &&
            mp__stdio_may_wait(out);
    mp__real.funlockfile(out);
    return waits;
}

/* ---- on a helper ---- */

struct offloaded {
    FILE *file;
    void (*run)(void *);
    void *call;
    locale_t locale; /* of the thread that calls: printf's decimal point */
    int error;
};

static void run_offloaded(void *arg)
{
    struct offloaded *job = arg;
    void **owner = owner_of(job->file), *caller = *owner;
    locale_t before = uselocale(job->locale);

    *owner = (void *)pthread_self();
    errno = job->error;
    job->run(job->call);
    job->error = errno;
    *owner = caller;
    uselocale(before);
}

static void offload(FILE *file, void (*run)(void *), void *call)
{
    struct offloaded job = { file, run, call, uselocale((locale_t)0), errno };

    if (owner_at < 0 || !mp__may_park() ||
        mp__offload(run_offloaded, &job, HUB_OFFLOAD_LONG) < 0) {
        run(call);
        return;
    }
    errno = job.error;
}

/* ---- input ---- */

static long ask_input(struct mp__io *io, void *call)
{
    (void)call;
    io->polls = 1;
    return sys_poll_one(io->fd, POLLIN) != 0 ? 0 : -EAGAIN;
}

static long go_on(struct mp__io *io, void *call)
{
    (void)io;
    (void)call;
    return 0;
}

/* Wait until a read() would not.  0, or -EINTR and the like. */
static int wait_for_input(FILE *file)
{
    long rc;

    mp__io_begin();
    rc = mp__io_run(file->_fileno, HUB_READ, ask_input, go_on, NULL);
    mp__io_spend();
    if (rc >= 0 || rc == -EBADF) /* the read itself will tell */
        return 0;
    file->_flags |= FILE_ERROR;
    errno = (int)-rc;
    return (int)rc;
}

struct filling {
    FILE *file;
    int c;
};

static void run_fill(void *arg)
{
    struct filling *filling = arg;

    filling->c = mp__real.__underflow(filling->file);
}

int mp__stdio_fill(FILE *file)
{
    struct filling filling = { file, EOF };

    if (mp__stdio_may_wait(file)) {
        if (has_output(file)) {
            offload(file, run_fill, &filling);
            return filling.c != EOF ? 1 : ferror_unlocked(file) ? -1 : 0;
        }
        if (!feof_unlocked(file) && !mp__stdio_has_input(file) &&
            wait_for_input(file) < 0)
            return -1;
        if (read_waits_for_stdout(file)) {
            offload(file, run_fill, &filling);
            return filling.c != EOF ? 1 : ferror_unlocked(file) ? -1 : 0;
        }
    }
    run_fill(&filling);
    return filling.c != EOF ? 1 : ferror_unlocked(file) ? -1 : 0;
}

/* ---- the calls ---- */

static bool must_offload(FILE *file, enum mp__stdio_kind kind, size_t size)
{
    if (kind == STDIO_QUIET || !mp__stdio_may_wait(file))
        return false;
    if (kind == STDIO_SCAN)
        return true;
    if (kind == STDIO_READ)
        return has_output(file) || file->_mode > 0 ||
               read_waits_for_stdout(file);
    return write_waits(file, kind, size);
}

void mp__stdio_run(FILE *file, enum mp__stdio_kind kind, size_t size,
                   void (*run)(void *), void *call)
{
    if (must_offload(file, kind, size))
        offload(file, run, call);
    else
        run(call);
}

static bool with_lock(FILE *file, enum mp__stdio_kind kind, size_t size,
                      void (*run)(void *), void *call)
{
    STDIO_LOCKED(file);
    if (kind == STDIO_READ && mp__stdio_may_wait(file)) {
        if (mp__stdio_has_input(file)) {
            run(call);
            return true;
        }
        if (!feof_unlocked(file) && !has_output(file) && file->_mode <= 0 &&
            wait_for_input(file) < 0)
            return false;
    }
    mp__stdio_run(file, kind, size, run, call);
    return true;
}

/* A loop of these lets others run, too: it is inside libc most of the time. */
static bool run_locked(FILE *file, enum mp__stdio_kind kind, size_t size,
                       void (*run)(void *), void *call)
{
    bool rc = with_lock(file, kind, size, run, call);

    if (mp__here != NULL)
        mp__io_spend();
    return rc;
}

static bool cancel_pending(void)
{
    const struct mp__thread *self = mp__self;

    return self != NULL && unlikely(self->cancel_pending != 0);
}

static size_t buffered(const FILE *file)
{
    return has_output(file)
               ? (size_t)(file->_IO_write_ptr - file->_IO_write_base)
               : 0;
}

/* libc's write() inside is where a thread that does nothing but print is
 * cancelled.  Here when it is done. */
bool mp__stdio_do(FILE *file, enum mp__stdio_kind kind, size_t size,
                  void (*run)(void *), void *call)
{
    size_t before;
    bool rc;

    if (likely(!cancel_pending()) || file->_fileno < 0 ||
        kind == STDIO_QUIET || kind == STDIO_READ || kind == STDIO_SCAN)
        return run_locked(file, kind, size, run, call);
    before = buffered(file);
    rc = run_locked(file, kind, size, run, call);
    if (buffered(file) < before || (before == 0 && buffered(file) == 0 &&
                                    kind != STDIO_FLUSH))
        mp__testcancel();
    return rc;
}

bool mp__stdio_complain(void (*run)(void *), void *call)
{
    return run_locked(stderr, STDIO_WRITE, STDIO_UNKNOWN_SIZE, run, call);
}

/* ---- fflush(NULL) ---- */

static bool is_listed(const FILE *file)
{
    for (const FILE *other = _IO_list_all; other != NULL; other = other->_chain)
        if (other == file)
            return true;
    return false;
}

struct flushing {
    FILE *file;
    int returned;
};

static void run_flush(void *arg)
{
    struct flushing *flushing = arg;

    flushing->returned = mp__real.fflush(flushing->file);
}

/* Of a wide FILE it cannot be seen. */
static bool may_have_output(const FILE *file)
{
    return has_output(file) || file->_mode > 0;
}

static int flush_if_listed(FILE *file)
{
    struct flushing flushing = { file, 0 };

    while (is_listed(file) && may_have_output(file)) {
        if (mp__real.ftrylockfile(file) == 0) {
            STDIO_LOCKED(file);
            mp__real.funlockfile(file);
            mp__stdio_run(file, STDIO_FLUSH, 0, run_flush, &flushing);
            return flushing.returned;
        }
        if (!mp__may_park())
            return mp__real.fflush(file);
        wait_for(file);
    }
    return 0;
}

/* libc's holds the lock of the list of FILEs while it writes: one by one here,
 * so that nobody who opens or closes a FILE meanwhile stops the hub. */
int mp__stdio_flush_all(void)
{
    FILE *files[128];
    const size_t room = sizeof files / sizeof *files;
    size_t count;
    int result = 0;

    do {
        count = 0;
        for (FILE *file = _IO_list_all; file != NULL && count < room;
             file = file->_chain)
            if (may_have_output(file))
                files[count++] = file;
        for (size_t i = 0; i < count; i++)
            if (flush_if_listed(files[i]) != 0)
                result = EOF;
    } while (count == room && result == 0);
    return result;
}
