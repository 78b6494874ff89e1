/* wrap_select.c - select and pselect
 *
 * Turned into poll() only for the wait.  What the program gets is what the
 * kernel's own select says, on copies of the sets; the sets may be larger than
 * FD_SETSIZE, as the kernel allows. */
#include "monkeypatch/io_impl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS (8 * sizeof(unsigned long))
#define FEW_WORDS (FD_SETSIZE / WORD_BITS)
#define FEW_FDS 16
#define SETS 3

static const short poll_events[SETS] = { POLLIN, POLLOUT, POLLPRI };

struct selection {
    int count;
    size_t words;
    unsigned long *given[SETS]; /* the program's; NULL: none */
    unsigned long few_bits[SETS * FEW_WORDS], *bits; /* copies, to ask with */
    struct pollfd few_fds[FEW_FDS], *fds;
    nfds_t fd_count;
};

static void selection_close(struct selection *selection)
{
    if (selection->bits != selection->few_bits)
        free(selection->bits);
    if (selection->fds != selection->few_fds)
        free(selection->fds);
}

struct directory_entry { /* the kernel's */
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

static int highest_in(const char *buf, long len, int highest)
{
    for (long at = 0; at < len;) {
        const struct directory_entry *entry = (const void *)(buf + at);
        char *end;
        long fd = strtol(entry->name, &end, 10);

        if (end != entry->name && *end == '\0' && fd > highest &&
            !mp__hub->fd_is_ours((int)fd))
            highest = (int)fd;
        at += entry->size;
    }
    return highest;
}

/* The program's highest fd; -1 if that cannot be found. */
static int highest_fd(void)
{
    char buf[2048] __attribute__((aligned(8)));
    long fd = SYS_CALL(SYS_openat, AT_FDCWD, "/proc/self/fd",
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
    int highest = -1;
    long len;

    if (fd < 0)
        return -1;
    while ((len = SYS_CALL(SYS_getdents64, fd, buf, sizeof buf, 0, 0, 0)) > 0)
        highest = highest_in(buf, len, highest);
    sys_close((int)fd);
    return highest;
}

/* The kernel reads no more of the sets than it has room for fds, and programs
 * pass getdtablesize() with sets that are smaller.  It has more room than
 * natively where fds of ours lie at the top. */
static int clamp(int count)
{
    int highest;

    if ((unsigned)count <= mp__hub->fd_lowest())
        return count;
    highest = highest_fd();
    if (highest < 0 || highest >= count)
        return count;
    return (highest / (int)WORD_BITS + 1) * (int)WORD_BITS;
}

static int selection_open(struct selection *selection)
{
    size_t size;

    selection->bits = selection->few_bits;
    selection->fds = selection->few_fds;
    if (selection->count < 0)
        return -EINVAL;
    selection->count = clamp(selection->count);
    selection->words = ((size_t)selection->count + WORD_BITS - 1) / WORD_BITS;
    size = selection->words * sizeof(unsigned long);
    for (int set = 0; set < SETS; set++)
        if (selection->given[set] != NULL &&
            !mp__readable(selection->given[set], size))
            return -EFAULT;
    if (selection->words > FEW_WORDS) {
        selection->bits = malloc(SETS * size);
        if (selection->bits == NULL)
            return -ENOMEM;
    }
    return 0;
}

static unsigned long *copy_of(const struct selection *selection, int set)
{
    if (selection->given[set] == NULL)
        return NULL;
    return selection->bits + (size_t)set * selection->words;
}

/* The kernel's answer for now, in the copies. */
static long ask(struct selection *selection)
{
    struct timespec zero = { 0, 0 };
    uint32_t seen;
    long rc;

    do { /* as in sys_poll() */
        seen = __atomic_load_n(&mp__handlers_run, __ATOMIC_RELAXED);
        for (int set = 0; set < SETS; set++)
            if (selection->given[set] != NULL)
                memcpy(copy_of(selection, set), selection->given[set],
                       selection->words * sizeof(unsigned long));
        rc = SYS_CALL(SYS_pselect6, selection->count, copy_of(selection, 0),
                      copy_of(selection, 1), copy_of(selection, 2), &zero,
                      NULL);
    } while (rc == -EINTR &&
             seen == __atomic_load_n(&mp__handlers_run, __ATOMIC_RELAXED));
    return rc;
}

static void answer(struct selection *selection)
{
    for (int set = 0; set < SETS; set++)
        if (selection->given[set] != NULL)
            memcpy(selection->given[set], copy_of(selection, set),
                   selection->words * sizeof(unsigned long));
}

static short wanted(const struct selection *selection, size_t word,
                    unsigned bit)
{
    short events = 0;

    for (int set = 0; set < SETS; set++)
        if (selection->given[set] != NULL &&
            (selection->given[set][word] >> bit & 1) != 0)
            events |= poll_events[set];
    return events;
}

static unsigned long any_of(const struct selection *selection, size_t word)
{
    unsigned long bits = 0;

    for (int set = 0; set < SETS; set++)
        if (selection->given[set] != NULL)
            bits |= selection->given[set][word];
    return bits;
}

static int list_fds(struct selection *selection)
{
    size_t room = 0;

    for (size_t word = 0; word < selection->words; word++)
        room += (size_t)__builtin_popcountl(any_of(selection, word));
    selection->fd_count = 0;
    if (room > FEW_FDS) {
        selection->fds = calloc(room, sizeof *selection->fds);
        if (selection->fds == NULL)
            return -ENOMEM;
    }
    for (size_t word = 0; word < selection->words; word++) {
        unsigned long bits = any_of(selection, word);

        for (; bits != 0; bits &= bits - 1) {
            unsigned bit = (unsigned)__builtin_ctzl(bits);
            int fd = (int)(word * WORD_BITS + bit);

            if (fd >= selection->count)
                return 0;
            selection->fds[selection->fd_count].fd = fd;
            selection->fds[selection->fd_count++].events =
                wanted(selection, word, bit);
        }
    }
    return 0;
}

static void set_bit(struct selection *selection, int set, int fd)
{
    copy_of(selection, set)[(size_t)fd / WORD_BITS] |=
        1ul << ((size_t)fd % WORD_BITS);
}

/* poll()'s words as select()'s, with the kernel's table of equivalents. */
static long translate(struct selection *selection)
{
    static const short means[SETS] = {
        POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
        POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR, POLLPRI
    };
    long total = 0;

    memset(selection->bits, 0,
           SETS * selection->words * sizeof(unsigned long));
    for (nfds_t i = 0; i < selection->fd_count; i++) {
        const struct pollfd *poll = &selection->fds[i];

        if ((poll->revents & POLLNVAL) != 0)
            continue; /* closed during the wait: looked at no more */
        for (int set = 0; set < SETS; set++) {
            if ((poll->events & poll_events[set]) == 0 ||
                (poll->revents & means[set]) == 0)
                continue;
            set_bit(selection, set, poll->fd);
            total++;
        }
    }
    return total;
}

/* Something poll() reports and select() does not, as a hang-up for one who only
 * wants to write, must not turn into a busy loop: such an fd is left out. */
static void drop_silent(struct selection *selection)
{
    for (nfds_t i = 0; i < selection->fd_count; i++)
        if (selection->fds[i].revents != 0)
            selection->fds[i].fd = -1;
}

/* `last`: the sets are emptied when the time is up. */
static long run(struct selection *selection, int64_t deadline, bool last)
{
    long rc = selection_open(selection), found;

    if (rc < 0)
        return rc;
    rc = ask(selection);
    if (rc < 0)
        return rc;
    if (rc > 0 || deadline == 0) {
        answer(selection);
        return rc;
    }
    rc = list_fds(selection);
    while (rc == 0) {
        rc = mp__poll(selection->fds, selection->fd_count, deadline);
        if (rc < 0)
            return rc;
        found = translate(selection);
        if (found > 0 || rc == 0) {
            if (found > 0 || last)
                answer(selection);
            return found;
        }
        drop_silent(selection);
        rc = 0;
    }
    return rc;
}

static long select_until(int count, fd_set *in, fd_set *out, fd_set *urgent,
                         int64_t deadline, bool last)
{
    struct selection selection __attribute__((cleanup(selection_close))) = {
        .count = count,
        .given = { (unsigned long *)in, (unsigned long *)out,
                   (unsigned long *)urgent }
    };

    return run(&selection, deadline, last);
}

static long do_select(int count, fd_set *in, fd_set *out, fd_set *urgent,
                      int64_t deadline)
{
    return select_until(count, in, out, urgent, deadline, true);
}

static long try_select(int count, fd_set *in, fd_set *out, fd_set *urgent,
                       int64_t deadline)
{
    return select_until(count, in, out, urgent, deadline, false);
}

/* glibc takes a second's worth of microseconds and more. */
static bool deadline_of(const struct timeval *timeout, int64_t *deadline)
{
    struct timespec relative;

    *deadline = HUB_FOREVER;
    if (timeout == NULL)
        return true;
    if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
        return false;
    relative.tv_sec = timeout->tv_sec;
    if (relative.tv_sec < LONG_MAX - timeout->tv_usec / 1000000)
        relative.tv_sec += timeout->tv_usec / 1000000;
    relative.tv_nsec = timeout->tv_usec % 1000000 * 1000;
    *deadline = relative.tv_sec == 0 && relative.tv_nsec == 0
                    ? 0
                    : mp__after(&relative);
    return true;
}

/* Linux tells how much time was left, however the call ended. */
static void write_remainder(struct timeval *timeout, int64_t deadline)
{
    int64_t left = 0;

    if (timeout == NULL || deadline == HUB_FOREVER)
        return;
    if (deadline != 0)
        left = deadline - mp__now();
    left = left > 0 ? left : 0;
    timeout->tv_sec = left / 1000000000;
    timeout->tv_usec = left % 1000000000 / 1000;
}

MP_EXPORT int select(int count, fd_set *in, fd_set *out, fd_set *urgent,
                     struct timeval *timeout)
{
    int64_t deadline;
    long rc;

    if (!MP_ACTIVE(poll))
        return MP_REAL(select)(count, in, out, urgent, timeout);
    mp__io_begin();
    if (!deadline_of(timeout, &deadline))
        return (int)mp__io_end(-EINVAL);
    rc = do_select(count, in, out, urgent, deadline);
    write_remainder(timeout, deadline);
    return (int)mp__io_end(rc);
}
MP_SPELLING(select, __select);

static long do_pselect(int count, fd_set *in, fd_set *out, fd_set *urgent,
                       const struct timespec *timeout, const sigset_t *mask)
{
    struct mp__masked_wait masked MP_MASK_CLEANUP = { .masked = false };
    int64_t deadline = HUB_FOREVER;
    long rc;

    if (timeout != NULL) {
        if (!mp__timespec_ok(timeout))
            return -EINVAL;
        deadline = timeout->tv_sec == 0 && timeout->tv_nsec == 0
                       ? 0
                       : mp__after(timeout);
    }
    if (mask != NULL && !mp__readable(mask, MP_SIGSET_BYTES))
        return -EFAULT;
    if (mask != NULL && mp__mask_begin(&masked, mask)) {
        rc = do_select(count, in, out, urgent, 0);
        return rc != 0 ? rc : -EINTR;
    }
    for (;;) {
        int64_t piece = mp__mask_piece(&masked, deadline);

        if (piece == deadline)
            return do_select(count, in, out, urgent, deadline);
        rc = try_select(count, in, out, urgent, piece);
        if (rc != 0)
            return rc;
        if (mp__mask_interrupted(&masked))
            return -EINTR;
    }
}

MP_EXPORT int pselect(int count, fd_set *in, fd_set *out, fd_set *urgent,
                      const struct timespec *timeout, const sigset_t *mask)
{
    if (!MP_ACTIVE(poll))
        return MP_REAL(pselect)(count, in, out, urgent, timeout, mask);
    mp__io_begin();
    return (int)mp__io_end(
        do_pselect(count, in, out, urgent, timeout, mask));
}
