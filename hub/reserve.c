/* reserve.c - descriptors of ours, out of the program's way
 *
 * They sit at the top of the table, so that the numbers the program gets are
 * the ones it would get without us. */
#include "hub/hub_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#define OURS_MAX 320 /* of 64 hubs, and copies of what the program closes */
#define ABOVE 64 /* numbers above the limit, in a full table */
#define HIGHEST 65536 /* libev keeps an array up to the highest number */

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

static void find_lowest(void)
{
    unsigned least = (unsigned)-1;

    for (unsigned i = 0; i < count; i++)
        if ((unsigned)numbers[i] < least)
            least = (unsigned)numbers[i];
    __atomic_store_n(&lowest, least, __ATOMIC_RELAXED);
}

static int top(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 64)
        return 64;
    return limit.rlim_cur > HIGHEST ? HIGHEST : (int)limit.rlim_cur;
}

static int avoided = -1; /* a number that the program is about to take */

static int avoid(void)
{
    return __atomic_load_n(&avoided, __ATOMIC_RELAXED);
}

/* Duplicate to the highest free number. */
static int duplicate_high(int fd)
{
    int end = top();

    for (int from = end - 1; from >= 0 && from >= end - 2 * OURS_MAX; from--) {
        int copy = from != avoid() ? fcntl(fd, F_DUPFD_CLOEXEC, from) : -1;

        if (copy >= 0 && copy != avoid())
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

/* Where that number is; -1: not ours. */
static int find(int fd)
{
    unsigned end = __atomic_load_n(&count, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < end; i++)
        if (greenlet__read(numbers[i]) == fd)
            return (int)i;
    return -1;
}

bool hub__fd_is_ours(int fd)
{
    return (unsigned)fd >= hub__fd_lowest() && find(fd) >= 0;
}

void hub__fd_forget(int fd)
{
    lock();
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == fd) {
            greenlet__write(numbers[i], numbers[count - 1]);
            slots[i] = slots[count - 1];
            greenlet__write(count, count - 1);
            break;
        }
    find_lowest();
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
    int at = find(fd), rc = 0;

    if (at < 0)
        return 0;
    __atomic_store_n(&avoided, fd, __ATOMIC_RELAXED);
    rc = move_away(slots[at], fd);
    __atomic_store_n(&avoided, -1, __ATOMIC_RELAXED);
    return rc;
}
