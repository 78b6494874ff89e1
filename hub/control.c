/* control.c - the thread that serves the control socket
 *
 * One client at a time, each for SEND_S at most where it does not read. */
#include "hub/control.h"
#include "hub/counters.h"
#include "hub/sight.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER ((size_t)256 * 1024)
#define LATER_MS 50 /* who has ended by then never had a socket */
#define RECEIVE_S 1
#define SEND_S 2

static const struct hub__control *served;
static char path[108];
static pid_t bound; /* atomic: whose `path` is, which is good; 0: there is none */

/* ---- stats ---- */

static void print_counters(struct hub__print *print)
{
    struct hub_counters counters;
    int64_t longest = 0, now = hub_now(), blocked = 0;

    hub_counters(NULL, &counters);
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL; hub = hub->next_hub) {
        const struct hub__look *look = &hub->sight->look;

        if (look->longest > longest)
            longest = look->longest;
        if (look->since != 0 && now - look->since > blocked &&
            !__atomic_load_n(&hub->dozes, __ATOMIC_RELAXED) &&
            greenlet__read(hub->switches) == look->unmoved)
            blocked = now - look->since;
    }
    hub__all_unlock();
    hub__print(print, "now_ns %ld\nhubs %lu\nswitches %lu\nwakeups %lu\n"
                      "polls %lu\n",
               (long)now, (unsigned long)counters.hubs,
               (unsigned long)counters.switches, (unsigned long)counters.wakeups,
               (unsigned long)counters.polls);
    hub__print(print, "blocked_longest_ns %ld\nblocked_ns %ld\n",
               (long)(blocked > longest ? blocked : longest), (long)blocked);
    hub__print(print, "stacks_made %lu\n",
               (unsigned long)greenlet__slots_made());
}

static void answer_stats(int fd)
{
    struct hub__print print;
    char text[16384];

    hub__print_open(&print, fd);
    hub__print(&print, "pid %d\n", (int)getpid());
    print_counters(&print);
    served->stats(text, sizeof text);
    hub__print(&print, "%send\n", text);
    hub__print_flush(&print);
}

/* ---- requests ---- */

static size_t number(const char *at)
{
    size_t value = 0;

    for (at += strspn(at, " "); *at >= '0' && *at <= '9' && value < INT_MAX;
         at++)
        value = value * 10 + (size_t)(*at - '0');
    return value;
}

static void answer_dump(int fd, const char *arguments)
{
    struct hub__control_out out = { .fd = fd, .size = BUFFER };
    size_t stack = number(arguments);

    if (stack == 0)
        stack = CONTROL_STACK;
    if (stack > CONTROL_STACK_MOST)
        stack = CONTROL_STACK_MOST;
    out.buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (out.buffer == MAP_FAILED)
        return;
    hub__control_dump(served, &out, stack);
    munmap(out.buffer, BUFFER);
}

static bool read_line(int fd, char *line, size_t size)
{
    size_t length = 0;

    while (length + 1 < size) {
        ssize_t got = read(fd, line + length, size - 1 - length);

        if (got <= 0)
            return false;
        length += (size_t)got;
        line[length] = '\0';
        if (strchr(line, '\n') != NULL) {
            *strchr(line, '\n') = '\0';
            return true;
        }
    }
    return false;
}

static void refuse(int fd, const char *why)
{
    struct hub__print print;

    hub__print_open(&print, fd);
    hub__print(&print, CONTROL_REFUSED "%s\n", why);
    hub__print_flush(&print);
}

static void serve(int fd)
{
    const struct timeval receive = { RECEIVE_S, 0 }, to_send = { SEND_S, 0 };
    char line[64];

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof receive);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &to_send, sizeof to_send);
    if (!hub__control_may_ask(fd))
        refuse(fd, "the process belongs to another user");
    else if (!read_line(fd, line, sizeof line))
        return;
    else if (strcmp(line, "stats") == 0)
        answer_stats(fd);
    else if (strncmp(line, "dump", 4) == 0)
        answer_dump(fd, line + 4);
    else
        refuse(fd, "no such request");
}

/* ---- its thread ---- */

static void say_failed(int failed)
{
    struct hub__print print;

    if (!served->verbose)
        return;
    hub__print_open(&print, hub__apart_copy(STDERR_FILENO));
    hub__print(&print, "vireo: no control socket at %s: %s\n", path,
               strerrordesc_np(-failed));
    hub__print_flush(&print);
    if (print.fd >= 0)
        close(print.fd);
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0) {
            serve(fd);
            close(fd);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            poll(NULL, 0, 1000); /* no memory, as a rule */
        }
    }
}

static void *run(void *unused)
{
    int listener;

    prctl(PR_SET_NAME, "vireo-control");
    poll(NULL, 0, LATER_MS);
    if (!hub__apart_leave()) {
        hub__own_thread_ends();
        return unused;
    }
    listener = hub__control_listen(served, path);
    if (listener < 0) {
        say_failed(listener);
        hub__own_thread_ends();
        return unused;
    }
    __atomic_store_n(&bound, getpid(), __ATOMIC_RELEASE);
    accept_all(listener);
    return unused;
}

void hub__control_start(const struct hub__control *control)
{
    if (served != NULL)
        return;
    served = control;
    hub__own_thread(run, NULL);
}

void hub__control_end(void)
{
    if (__atomic_exchange_n(&bound, 0, __ATOMIC_ACQ_REL) == getpid())
        unlink(path);
}

void hub__control_forked(void)
{
    served = NULL;
    bound = 0;
}
