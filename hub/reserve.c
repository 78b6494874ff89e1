/* reserve.c - descriptors of ours, out of the program's way
 *
 * They sit at the top of the table, so that the numbers the program gets are
 * the ones it would get without us. */
#include "hub/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OURS_MAX 320 /* of 64 hubs, and copies of what the program closes */
#define ABOVE 64 /* numbers above the limit, in a full table */
#define HIGHEST 65536 /* libev keeps an array up to the highest number */
#define LEAVING 64

static int *slots[OURS_MAX]; /* where a number is kept, to change it; or NULL */
static int numbers[OURS_MAX];          /* atomic, as count and lowest are: */
static unsigned count;                 /* signal handlers look, without lock */
static unsigned lowest = (unsigned)-1;
static uint32_t locked; /* by who changes: hubs come and go */

/* A handler that leaves by siglongjmp() waits until the hub is not entered. */
static struct hub *entered; /* of who changes; or NULL */

static void lock(void)
{
    struct hub *hub = hub__peek();

    if (hub != NULL)
        hub__enter(hub);
    while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE) != 0)
        sched_yield();
    entered = hub;
}

static void unlock(void)
{
    struct hub *hub = entered;

    __atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
    if (hub != NULL)
        hub__exit(hub);
}

/* Being closed: no more ours, and not free yet.  Number + 1; 0: none. */
static int leaving[LEAVING]; /* atomic */

static void find_lowest(void)
{
    unsigned least = (unsigned)-1;

    for (unsigned i = 0; i < count; i++)
        if ((unsigned)numbers[i] < least)
            least = (unsigned)numbers[i];
    for (unsigned i = 0; i < LEAVING; i++)
        if ((unsigned)leaving[i] - 1 < least)
            least = (unsigned)leaving[i] - 1;
    __atomic_store_n(&lowest, least, __ATOMIC_RELAXED);
}

static int top(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 64)
        return 64;
    return limit.rlim_cur > HIGHEST ? HIGHEST : (int)limit.rlim_cur;
}

/* What the program takes, or has taken: another thread may look for a number just
 * before it does. */
static uint64_t wanted[HIGHEST / 64];

static int looked_from; /* atomic: below, none is looked for */

bool hub__fd_may_be_ours(int fd)
{
    return fd >= __atomic_load_n(&looked_from, __ATOMIC_ACQUIRE) ||
           (unsigned)fd >= hub__fd_lowest();
}

static bool is_wanted(int fd)
{
    return (wanted[fd / 64] & (uint64_t)1 << fd % 64) != 0;
}

/* Where that number is; -1: not ours. */
static int find(int fd)
{
    unsigned end = __atomic_load_n(&count, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < end; i++)
        if (greenlet__read(numbers[i]) == fd)
            return (int)i;
    return -1;
}

/* What is wanted is not even taken for a moment: giving it back would close what the
 * program has put there. */
static int duplicate_unwanted(int fd)
{
    int end = top(), least = end > 2 * OURS_MAX ? end - 2 * OURS_MAX : 0;

    __atomic_store_n(&looked_from, least, __ATOMIC_RELEASE);
    for (int at = end - 1; at >= least; at--) {
        int copy;

        if (is_wanted(at) || find(at) >= 0 || fcntl(at, F_GETFD) >= 0)
            continue;
        copy = fcntl(fd, F_DUPFD_CLOEXEC, at);
        if (copy == at)
            return copy;
        if (copy >= 0)
            close(copy);
    }
    return -EMFILE;
}

/* Duplicate to the highest free number. */
static int duplicate_high(int fd)
{
    int copy = duplicate_unwanted(fd);

    if (copy >= 0)
        return copy;
    memset(wanted, 0, sizeof wanted); /* it has wanted them all by now */
    return duplicate_unwanted(fd);
}

/* In a full table there is room above the soft limit, unless that is the hard
 * one. */
bool hub__limit_raise(struct rlimit *before)
{
    struct rlimit more;

    if (getrlimit(RLIMIT_NOFILE, before) != 0 ||
        before->rlim_cur >= before->rlim_max)
        return false;
    more = *before;
    more.rlim_cur = before->rlim_max - before->rlim_cur > ABOVE
                        ? before->rlim_cur + ABOVE
                        : before->rlim_max;
    return setrlimit(RLIMIT_NOFILE, &more) == 0;
}

int hub__fd_to_top(int fd)
{
    int copy = -EMFILE;

    lock();
    if (count < OURS_MAX)
        copy = duplicate_high(fd);
    if (copy >= 0)
        close(fd);
    else
        copy = fd; /* a full table: better low than not at all */
    if (count < OURS_MAX) {
        greenlet__write(numbers[count], copy);
        slots[count] = NULL;
        __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
        find_lowest();
    }
    unlock();
    return copy;
}

/* What somebody goes on waiting with: no hub's own, and it stays where it is. */
static int a_copy;

int hub__fd_copy_to_top(int fd)
{
    int copy = hub__fd_to_top(fd);

    lock();
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == copy)
            slots[i] = &a_copy;
    unlock();
    return copy;
}

void hub__fd_kept_in(int *slot)
{
    lock();
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == *slot)
            slots[i] = slot;
    unlock();
}

bool hub__fd_is_ours(int fd)
{
    return (unsigned)fd >= hub__fd_lowest() && find(fd) >= 0;
}

static void take_out(int fd)
{
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == fd) {
            greenlet__write(numbers[i], numbers[count - 1]);
            slots[i] = slots[count - 1];
            greenlet__write(count, count - 1);
            break;
        }
    find_lowest();
}

void hub__fd_forget(int fd)
{
    lock();
    take_out(fd);
    unlock();
}

/* With so many hubs none is free only for a moment. */
static int *leaving_begins(int fd)
{
    for (;;) {
        lock();
        for (unsigned i = 0; i < LEAVING; i++)
            if (leaving[i] == 0) {
                __atomic_store_n(&leaving[i], fd + 1, __ATOMIC_RELEASE);
                take_out(fd);
                unlock();
                return &leaving[i];
            }
        unlock();
        sched_yield();
    }
}

/* A preload library's close() knows none that is ours, so it is forgotten first. */
void hub__fd_drop(int fd)
{
    int *place = leaving_begins(fd);

    close(fd);
    lock();
    __atomic_store_n(place, 0, __ATOMIC_RELEASE);
    find_lowest();
    unlock();
}

static bool is_leaving(int fd)
{
    for (unsigned i = 0; i < LEAVING; i++)
        if (leaving[i] == fd + 1)
            return true;
    return false;
}

/* Under the lock: who looks while others come and go may miss one. */
enum hub__fd_use hub__fd_want(int fd)
{
    enum hub__fd_use use;
    int at;

    lock();
    if (fd < HIGHEST)
        wanted[fd / 64] |= (uint64_t)1 << fd % 64;
    at = find(fd);
    if (at >= 0)
        use = slots[at] == &a_copy ? HUB__FD_COPY : HUB__FD_OURS;
    else
        use = is_leaving(fd) ? HUB__FD_LEAVES : HUB__FD_FREE;
    unlock();
    return use;
}

unsigned hub__fd_lowest(void)
{
    return __atomic_load_n(&lowest, __ATOMIC_RELAXED);
}

void hub__reserve_forked(void)
{
    locked = 0; /* whoever held it is gone */
    greenlet__write(count, 0);
    memset(leaving, 0, sizeof leaving);
    find_lowest();
}

/* The program wants the number (dup2, dup3): those kept in a place of ours can
 * move; libev's epoll is made anew. */
static int move_away(int *slot, int fd)
{
    int copy;

    if (slot == &a_copy)
        return -EBUSY;
    if (slot == NULL)
        return hub__loop_reopen(fd);
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : hub__loop_replace(slot, copy);
}

/* libev's code is no library of ours to who interrupts a thread that computes
 * (monkeypatch/preempt.c): as everywhere, it is not where the hub is entered. */
int hub__fd_evacuate(int fd)
{
    struct hub *hub = hub__peek();
    int *slot = NULL;
    int at, rc = 0;

    if (hub__fd_want(fd) != HUB__FD_OURS)
        return 0;
    if (hub != NULL)
        hub__enter(hub);
    lock();
    at = find(fd);
    if (at >= 0)
        slot = slots[at];
    unlock();
    if (at >= 0)
        rc = move_away(slot, fd);
    if (hub != NULL)
        hub__exit(hub);
    return rc;
}
