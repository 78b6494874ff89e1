/* memory.c - the monitor looks at the memory of the process
 *
 * What counts is what is the process's own (unique set size): it would be free
 * if the process ended. */
#include "hub/config_impl.h"
#include "hub/events_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

static int64_t next_look; /* of the monitor's thread alone */
static uint64_t exceeded; /* by how much it was over last time; 0: it was not */

static bool read_file(const char *path, char *text, size_t size)
{
    int before = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    long got = fd >= 0 ? syscall(SYS_read, fd, text, size - 1) : -1;

    if (fd >= 0)
        syscall(SYS_close, fd);
    text[got > 0 ? got : 0] = '\0';
    errno = before;
    return got > 0;
}

static uint64_t number_at(const char *at)
{
    uint64_t number = 0;

    for (at += strspn(at, " "); *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

/* In bytes; 0: not known. */
static uint64_t own_memory(void)
{
    static const char *const kinds[] = { "Private_Clean:", "Private_Dirty:",
                                         "Private_Hugetlb:" };
    char text[2048];
    const char *at;
    uint64_t sum = 0;

    if (read_file("/proc/self/smaps_rollup", text, sizeof text)) {
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            at = strstr(text, kinds[i]);
            if (at != NULL)
                sum += number_at(at + strlen(kinds[i])) * 1024;
        }
        return sum;
    }
    if (!read_file("/proc/self/statm", text, sizeof text))
        return 0;
    at = text + strcspn(text, " ");
    sum = number_at(at);
    at += strspn(at, " ");
    return (sum - number_at(at + strcspn(at, " "))) * PAGE;
}

static void tell(enum hub_notice_kind kind, uint64_t memory, uint64_t most)
{
    struct hub_notice event = { .kind = kind,
                               .memory = memory,
                               .memory_max = most };

    if (hub__has_subscribers())
        hub__tell(&event);
}

static void print_line(const char *what, uint64_t memory, uint64_t most)
{
    struct hub__print print;

    if (!hub__option(HUB_OPTION_MONITOR_REPORTS))
        return;
    hub__print_open(&print, hub__apart_borrow(STDERR_FILENO));
    hub__print(&print, "vireo: memory: %lu KiB, which is %s the limit of %lu "
                       "KiB\n",
               (unsigned long)(memory / 1024), what,
               (unsigned long)(most / 1024));
    hub__print_flush(&print);
    hub__apart_return(print.fd);
}

static void look(uint64_t most)
{
    uint64_t memory = own_memory();

    if (memory > most) {
        if (exceeded == 0)
            print_line("over", memory, most);
        if (memory > exceeded)
            tell(HUB_NOTICE_MEMORY_OVER, memory, most);
        exceeded = memory;
    } else if (exceeded != 0) {
        exceeded = 0;
        print_line("under", memory, most);
        tell(HUB_NOTICE_MEMORY_UNDER, memory, most);
    }
}

int64_t hub__memory_next(void)
{
    return hub__option(HUB_OPTION_MONITOR_MEMORY_MAX) != 0 ? next_look
                                                           : HUB_FOREVER;
}

void hub__memory_look(int64_t now)
{
    int64_t period = hub__option(HUB_OPTION_MONITOR_MEMORY_PERIOD);
    int64_t most = hub__option(HUB_OPTION_MONITOR_MEMORY_MAX);

    if (most == 0)
        return;
    if (next_look > now + period)
        next_look = now; /* the period was made shorter */
    if (now < next_look)
        return;
    next_look = now + period;
    look((uint64_t)most);
}
