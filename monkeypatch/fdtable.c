/* fdtable.c - what we know of the program's fds
 *
 * fds are also made and closed inside libc, where nobody sees it, so all this
 * is guesses.  A wrong one costs a system call and is then put right: a socket
 * call on what is no socket says ENOTSOCK, RWF_NOWAIT works on sockets too, and
 * before a plain call the file is looked at.  O_NONBLOCK belongs to the open file,
 * which other processes may share: that it is off is noted only of sockets that
 * nobody else has. */
#include "monkeypatch/io_impl.h"

#include <sys/sysmacros.h>

#define TABLE_SIZE 65536 /* higher numbers are looked at each time */

struct entry {
    uint32_t bits;
    uint32_t untimed; /* timeout_epoch at which it had no SO_*TIMEO */
    uint32_t own;     /* share_epoch at which FD_OWN was right */
    uint32_t blocks;  /* flags_epoch at which it was without O_NONBLOCK */
};

static struct entry table[TABLE_SIZE];
static uint32_t timeout_epoch = 1;
static uint32_t share_epoch = 1;
static uint32_t flags_epoch = 1;
static bool lowat_used; /* the program has set SO_RCVLOWAT somewhere */

static struct entry *entry_of(int fd)
{
    return fd >= 0 && fd < TABLE_SIZE ? &table[fd] : NULL;
}

static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* /dev/null, /dev/zero and their kin: never wait. */
static bool is_memory(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1;
}

/* O_SYNC has the bit of O_DSYNC. */
static bool writes_through(int fd)
{
    long flags = sys_get_flags(fd);

    return flags >= 0 && (flags & (O_DSYNC | O_DIRECT)) != 0;
}

unsigned mp__fd_examine(int fd)
{
    struct entry *entry = entry_of(fd);
    struct stat st;
    unsigned bits = FD_KNOWN;

    if (sys_fstat(fd, &st) < 0)
        return 0;
    if (S_ISSOCK(st.st_mode))
        bits |= FD_SOCKET;
    else if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ||
             S_ISDIR(st.st_mode) || is_memory(&st))
        bits |= FD_REGULAR | (writes_through(fd) ? FD_STORED : 0U);
    else if (S_ISCHR(st.st_mode))
        bits |= FD_TERMINAL;
    if (entry != NULL) {
        store(&entry->untimed, 0);
        store(&entry->bits, bits);
    }
    return bits;
}

unsigned mp__fd_bits(int fd)
{
    struct entry *entry = entry_of(fd);
    unsigned bits = entry != NULL ? load(&entry->bits) : 0;

    if (unlikely(bits == 0))
        bits = mp__fd_examine(fd);
    if ((bits & FD_OWN) != 0 && load(&entry->own) != load(&share_epoch))
        bits &= ~(unsigned)FD_OWN;
    return bits;
}

void mp__fd_learn(int fd, unsigned bits)
{
    struct entry *entry = entry_of(fd);

    if (entry != NULL)
        store(&entry->bits, load(&entry->bits) | bits);
}

void mp__fd_born_socket(int fd, int type)
{
    struct entry *entry = entry_of(fd);
    unsigned bits = FD_KNOWN | FD_SOCKET | FD_OWN;

    if (entry == NULL)
        return;
    if ((type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM)
        bits |= FD_STREAM;
    store(&entry->untimed, 0);
    store(&entry->own, load(&share_epoch));
    store(&entry->blocks,
          (type & SOCK_NONBLOCK) != 0 ? 0 : load(&flags_epoch));
    store(&entry->bits, bits);
}

bool mp__fd_blocks(int fd)
{
    const struct entry *entry = entry_of(fd);

    return entry != NULL && (mp__fd_bits(fd) & FD_OWN) != 0 &&
           load(&entry->blocks) == load(&flags_epoch);
}

void mp__fd_flags_seen(int fd, bool blocks)
{
    struct entry *entry = entry_of(fd);

    if (entry != NULL && (load(&entry->bits) & FD_OWN) != 0)
        store(&entry->blocks, blocks ? load(&flags_epoch) : 0);
}

/* A duplicate is not FD_OWN: which others have its file is not known. */
void mp__fd_flags_changing(int fd)
{
    struct entry *entry = entry_of(fd);
    uint32_t bits = entry != NULL ? load(&entry->bits) : 0;

    if ((bits & FD_REGULAR) != 0)
        mp__fd_forget(fd); /* O_DIRECT comes and goes */
    if ((bits & FD_OWN) != 0)
        store(&entry->blocks, 0);
    else
        __atomic_fetch_add(&flags_epoch, 1, __ATOMIC_RELAXED);
}

void mp__fd_forget(int fd)
{
    struct entry *entry = entry_of(fd);

    if (entry == NULL || load(&entry->bits) == 0)
        return;
    store(&entry->bits, 0);
    store(&entry->untimed, 0);
}

void mp__fd_forget_range(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd < TABLE_SIZE; fd++)
        mp__fd_forget((int)fd);
}

void mp__fd_closing(int fd)
{
    mp__fd_forget(fd);
    if (mp__here != NULL)
        mp__hub->fd_closing(fd);
}

void mp__fd_shared(void)
{
    __atomic_fetch_add(&share_epoch, 1, __ATOMIC_RELAXED);
}

void mp__fd_timeouts_changed(void)
{
    __atomic_fetch_add(&timeout_epoch, 1, __ATOMIC_RELAXED);
}

void mp__fd_lowat_set(void)
{
    lowat_used = true;
}

bool mp__fd_waits_for_more(int fd)
{
    return unlikely(lowat_used) && sys_sockopt(fd, SO_RCVLOWAT) > 1;
}

/* One of the two, in ns; 0: none. */
static int64_t timeout_of(int fd, int name)
{
    struct timeval tv = { 0, 0 };
    socklen_t len = sizeof tv;

    if (sys_getsockopt(fd, name, &tv, &len) < 0)
        return 0;
    return (int64_t)tv.tv_sec * 1000000000 + (int64_t)tv.tv_usec * 1000;
}

int64_t mp__fd_deadline(int fd, int events)
{
    struct entry *entry = entry_of(fd);
    uint32_t epoch = load(&timeout_epoch);
    int64_t receive, send, ns;

    if (entry != NULL && load(&entry->untimed) == epoch)
        return HUB_FOREVER;
    receive = timeout_of(fd, SO_RCVTIMEO);
    send = timeout_of(fd, SO_SNDTIMEO);
    if (receive == 0 && send == 0 && entry != NULL)
        store(&entry->untimed, epoch);
    ns = events == HUB_READ ? receive : send;
    return ns > 0 ? mp__now() + ns : HUB_FOREVER;
}

bool mp__fd_nowait_works(void)
{
    return (mp__options.masked & FEATURE_RWF_NOWAIT) == 0;
}

bool mp__fd_ours(int fd)
{
    return mp__here != NULL && mp__in_vfork_child == 0 &&
           mp__hub->fd_is_ours(fd);
}
