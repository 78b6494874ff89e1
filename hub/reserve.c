/* reserve.c - descriptors of ours, out of the program's way
 *
 * They sit at the top of the table, so that the numbers the program gets are
 * the ones it would get without us. */
#include "hub/hub_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define OURS_MAX 64
#define HIGHEST 65536 /* libev keeps an array up to the highest number */

static int *slots[OURS_MAX]; /* where a number is kept, to change it; or NULL */
static int numbers[OURS_MAX];
static unsigned count;
static unsigned lowest = (unsigned)-1;

static void find_lowest(void)
{
    lowest = (unsigned)-1;
    for (unsigned i = 0; i < count; i++)
        if ((unsigned)numbers[i] < lowest)
            lowest = (unsigned)numbers[i];
}

static int top(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 64)
        return 64;
    return limit.rlim_cur > HIGHEST ? HIGHEST : (int)limit.rlim_cur;
}

static int avoided = -1; /* a number that the program is about to take */

/* Duplicate to the highest free number. */
static int duplicate_high(int fd)
{
    int end = top();

    for (int from = end - 1; from >= 0 && from >= end - 2 * OURS_MAX; from--) {
        int copy = from != avoided ? fcntl(fd, F_DUPFD_CLOEXEC, from) : -1;

        if (copy >= 0 && copy != avoided)
            return copy;
        if (copy >= 0)
            close(copy);
    }
    return -EMFILE;
}

int hub__fd_to_top(int fd)
{
    int copy;

    if (count == OURS_MAX)
        return fd;
    copy = duplicate_high(fd);
    if (copy >= 0)
        close(fd);
    else
        copy = fd; /* a full table: better low than not at all */
    numbers[count] = copy;
    slots[count++] = NULL;
    find_lowest();
    return copy;
}

void hub__fd_kept_in(int *slot)
{
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == *slot)
            slots[i] = slot;
}

bool hub__fd_is_ours(int fd)
{
    if ((unsigned)fd < lowest)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == fd)
            return true;
    return false;
}

void hub__fd_forget(int fd)
{
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == fd) {
            numbers[i] = numbers[--count];
            slots[i] = slots[count];
            break;
        }
    find_lowest();
}

unsigned hub__fd_lowest(void)
{
    return lowest;
}

void hub__reserve_forked(void)
{
    count = 0;
    find_lowest();
}

/* The program wants the number (dup2, dup3): those kept in a place of ours can
 * move; libev's epoll is made anew. */
static int move_away(unsigned i, int fd)
{
    int copy;

    if (slots[i] == NULL)
        return hub__loop_reopen(fd);
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : hub__loop_replace(slots[i], copy);
}

int hub__fd_evacuate(int fd)
{
    int rc = 0;

    avoided = fd;
    for (unsigned i = 0; i < count; i++)
        if (numbers[i] == fd) {
            rc = move_away(i, fd);
            break;
        }
    avoided = -1;
    return rc;
}
