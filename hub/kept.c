/* kept.c - the last reports of a preloaded process (kept.h) */
#include "hub/kept.h"
#include "hub/sight.h"

#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT ((size_t)16 * 1024)
#define SHORT ((size_t)2 * 1024) /* of one block, of which there are several */
#define BLOCKS 4
#define LOOK_NS HUB_MILLISECOND

struct kept {
    int64_t at; /* 0: none */
    int64_t blocked;
    size_t size;
};

static struct {
    uint32_t held; /* atomic */
    struct kept deadlock, longest, blocks[BLOCKS];
    unsigned next; /* of blocks */
    char deadlock_text[TEXT], longest_text[SHORT], block_texts[BLOCKS][SHORT];
} all;

static struct hub__print print;
static char text[TEXT];

static void lock(void)
{
    while (__atomic_exchange_n(&all.held, 1, __ATOMIC_ACQUIRE) != 0)
        hub__raw_wait(&all.held, 1, LOOK_NS);
}

static void unlock(void)
{
    __atomic_store_n(&all.held, 0, __ATOMIC_RELEASE);
}

struct hub__print *hub__kept_begin(void)
{
    hub__print_open_memory(&print, text, sizeof text);
    return &print;
}

/* Whole words: what is behind the text is zero. */
static void copy(struct kept *kept, char *to, size_t room, int64_t blocked,
                 int64_t now)
{
    size_t size = print.wrote < room ? print.wrote : room;

    kept->at = now;
    kept->blocked = blocked;
    kept->size = (size + 7) & ~(size_t)7;
    memcpy(to, text, size);
    memset(to + size, 0, kept->size - size);
}

static void keep_block(int64_t blocked, int64_t now)
{
    unsigned place = all.next++ % BLOCKS;

    copy(&all.blocks[place], all.block_texts[place], SHORT, blocked, now);
    if (blocked >= all.longest.blocked)
        copy(&all.longest, all.longest_text, SHORT, blocked, now);
}

/* Nobody may be kept waiting by a pipe that nobody reads, least of all the
 * monitor. */
static void say(void)
{
    struct pollfd out = { hub__apart_borrow(STDERR_FILENO), POLLOUT, 0 };
    struct timespec none = { 0, 0 };
    size_t at = 0;

    while (out.fd >= 0 && at < print.wrote) {
        size_t left = print.wrote - at;
        long put;

        if (syscall(SYS_ppoll, &out, 1L, &none, NULL, 0L) != 1 ||
            (out.revents & POLLOUT) == 0)
            break;
        put = syscall(SYS_write, out.fd, text + at, left < 4096 ? left : 4096);
        if (put <= 0)
            break;
        at += (size_t)put;
    }
    hub__apart_return(out.fd);
}

void hub__kept_end(enum hub__kept_kind kind, int64_t blocked, bool says)
{
    int64_t now = hub_now();

    hub__print_flush(&print);
    lock();
    if (kind == HUB__KEPT_DEADLOCK)
        copy(&all.deadlock, all.deadlock_text, TEXT, 0, now);
    else
        keep_block(blocked, now);
    unlock();
    if (says)
        say();
}

void hub__kept_gone(void)
{
    lock();
    all.deadlock.at = 0;
    unlock();
}

void hub__kept_forked(void)
{
    all.held = 0;
    all.deadlock.at = all.longest.at = all.longest.blocked = 0;
    for (unsigned i = 0; i < BLOCKS; i++)
        all.blocks[i].at = 0;
}

void hub__kept_each(void (*each)(int64_t ago, const char *text, size_t size,
                                 void *data),
                    void *data)
{
    int64_t now = hub_now();

    lock();
    if (all.deadlock.at != 0)
        each(now - all.deadlock.at, all.deadlock_text, all.deadlock.size, data);
    if (all.longest.at != 0)
        each(now - all.longest.at, all.longest_text, all.longest.size, data);
    for (unsigned i = 1; i <= BLOCKS; i++) {
        unsigned place = (all.next - i) % BLOCKS;
        const struct kept *kept = &all.blocks[place];

        if (kept->at != 0 && kept->at != all.longest.at)
            each(now - kept->at, all.block_texts[place], kept->size, data);
    }
    unlock();
}
