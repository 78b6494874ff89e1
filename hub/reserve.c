/* reserve.c - descriptors of ours, out of the program's way
 *
 * They sit at the top of the table, so that the numbers the program gets are
 * the ones it would get without us. */
#include "hub/hub_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OURS_MAX 320 /* of 64 hubs, and copies of what the program closes */
#define ABOVE 64 /* numbers above the limit, in a full table */
#define HIGHEST 65536 /* libev keeps an array up to the highest number */
#define WANTED 64
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

/* What the program takes, or took last: another thread may look for a number just
 * before it does.  Number + 1; 0: none. */
static int wanted[WANTED];
static unsigned wanted_next;

static bool is_wanted(int fd)
{
    for (unsigned i = 0; i < WANTED; i++)
        if (wanted[i] == fd + 1)
            return true;
    return false;
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

/* Duplicate to the highest free number.  What is wanted is not even taken for a
 * moment: giving it back would close what the program has put there. */
static int duplicate_high(int fd)
{
    int end = top();

    for (int at = end - 1; at >= 0 && at >= end - 2 * OURS_MAX; at--) {
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

bool hub__fd_is_leaving(int fd)
{
    for (unsigned i = 0; i < LEAVING; i++)
        if (__atomic_load_n(&leaving[i], __ATOMIC_ACQUIRE) == fd + 1)
            return true;
    return false;
}

void hub__fd_want(int fd)
{
    lock();
    if (!is_wanted(fd))
        wanted[wanted_next++ % WANTED] = fd + 1;
    unlock();
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

    if (slot == NULL)
        return hub__loop_reopen(fd);
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : hub__loop_replace(slot, copy);
}

int hub__fd_evacuate(int fd)
{
    int at = find(fd);

    if (at < 0)
        return 0;
    hub__fd_want(fd);
    return move_away(slots[at], fd);
}
