/* slow.c - clients whose bytes come one by one
 *
 * Ten thousand that send a byte of a request in a second would wake the thread
 * ten thousand times a second, each time for some microseconds of work that
 * answers nobody; and when a hundred bytes come together, whoever comes next
 * with a whole request is the hundred and first.  So a connection from which a
 * few crumbs have come in a row waits in an epoll of its own.  Its keeper looks
 * once in a few milliseconds, and lets some of those go on who have something,
 * the others in their turn a moment later.  (The loop could be told to watch
 * that epoll: but the kernel then looks through all that is in it, each time.)
 *
 * A client that goes on as others do is taken out when there is news for which
 * it does not wait here; and the keeper goes when nobody waits.
 *
 * A child of a fork() has that epoll together with its parent: what it takes
 * out there its parent would not hear of any more.  So it leaves it alone. */
#include "http/slow.h"
#include "http/memory.h"

#include "hub/event.h"
#include "hub/socket.h"
#include "hub/spawn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CRUMB    64 /* bytes: less is one */
#define CRUMBS   3  /* in a row: it is slow */
#define CROWD    64 /* slow clients: of one more the first crumb is enough */
#define SHORT_NS (2 * HUB_MILLISECOND) /* between two looks */
#define LONG_NS  (8 * HUB_MILLISECOND) /* after some that found nothing */
#define LEAST    32                    /* go on at a time */
#define MOST     256
#define ROUNDS   8 /* that were not enough: twice as many go on at a time */
#define LONELY   8 /* rounds in which nobody waited: the keeper goes */

struct http__slow_client {
    struct http__slow *slow;
    struct http__wire *wire; /* NULL: it is gone */
    struct hub_event *waits; /* NULL: it does not wait here */
    struct http__slow_client *next, **back;
};

/* Its keeper's. */
struct http__slow {
    int epoll;
    pid_t process; /* whose epoll that is */
    struct http__slow_client *first;
    unsigned count, waiting;
    struct http__slow_client *gone; /* while it looks */
    struct greenlet *keeper;        /* NULL: it ends */
    bool begun, looks;
    int full, lonely; /* rounds in a row that were not enough, or for nobody */
    struct http__slow **where;
};

/* ---- the keeper ---- */

static bool is_ours(const struct http__slow *slow)
{
    return slow->process == getpid();
}

static void waits_no_more(struct http__slow_client *client)
{
    if (client->waits != NULL)
        client->slow->waiting--;
    client->waits = NULL;
}

static void take_out(struct http__slow_client *client)
{
    struct http__slow *slow = client->slow;
    int saved = errno;

    waits_no_more(client);
    if (is_ours(slow))
        epoll_ctl(slow->epoll, EPOLL_CTL_DEL, client->wire->fd, NULL);
    errno = saved;
    *client->back = client->next;
    if (client->next != NULL)
        client->next->back = client->back;
    slow->count--;
    client->wire->slow = NULL;
    client->wire->crumbs = 0;
    client->wire = NULL;
    client->next = slow->gone;
    slow->gone = client;
}

/* Not while the keeper may have it among what it has found. */
static void free_gone(struct http__slow *slow)
{
    struct http__slow_client *client;

    while (!slow->looks && (client = slow->gone) != NULL) {
        slow->gone = client->next;
        free(client);
    }
}

/* Returns how many had something.  With the preload library any call may let
 * others run, epoll_wait() with what it has found, too. */
static int let_go_on(struct http__slow *slow, int most)
{
    struct epoll_event events[MOST];
    int saved = errno, count;

    slow->looks = true;
    count = epoll_wait(slow->epoll, events, most, 0);
    errno = saved;
    for (int i = 0; i < count; i++) {
        struct http__slow_client *client = events[i].data.ptr;

        if (client->waits != NULL)
            hub_event_set(client->waits);
        else if (client->wire != NULL)
            take_out(client);
    }
    slow->looks = false;
    free_gone(slow);
    return count;
}

/* Those who still wait here do so somewhere else. */
static void end(struct http__slow *slow)
{
    if (slow->keeper != NULL) {
        if (*slow->where == slow)
            *slow->where = NULL;
        greenlet_unref(slow->keeper);
    }
    while (slow->first != NULL) {
        struct hub_event *waits = slow->first->waits;

        take_out(slow->first);
        if (waits != NULL)
            hub_event_set(waits);
    }
    slow->looks = false;
    free_gone(slow);
    hub_close(slow->epoll);
    free(slow);
}

/* How many may go on next time, when so many of `most` have. */
static int next_most(struct http__slow *slow, int most, int count)
{
    slow->full = count == most ? slow->full + 1 : 0;
    if (count < most)
        return LEAST;
    if (slow->full < ROUNDS || most == MOST)
        return most;
    slow->full = 0;
    return 2 * most;
}

static bool is_needed(struct http__slow *slow)
{
    slow->lonely = slow->waiting == 0 ? slow->lonely + 1 : 0;
    return slow->first != NULL && slow->lonely <= LONELY && is_ours(slow);
}

static void keep(void *arg)
{
    struct http__slow *slow = arg;
    int64_t pause = SHORT_NS;
    int most = LEAST, rc = 0;

    slow->begun = true;
    while (rc == 0 && is_needed(slow)) {
        int count = let_go_on(slow, most);

        if (count > 0)
            pause = SHORT_NS;
        else if (pause < LONG_NS)
            pause *= 2;
        most = next_most(slow, most, count);
        if (slow->first != NULL)
            rc = hub_sleep(pause);
    }
    end(slow);
}

/* ---- clients ---- */

static struct http__slow *begin(struct http__slow **where)
{
    struct http__slow *slow = *where;
    int saved = errno;

    if (slow != NULL && is_ours(slow))
        return slow;
    slow = http__calloc(1, sizeof *slow);
    if (slow == NULL)
        return NULL;
    slow->where = where;
    slow->process = getpid();
    slow->epoll = epoll_create1(EPOLL_CLOEXEC);
    errno = saved;
    if (slow->epoll >= 0)
        slow->keeper = hub_spawn_raw(keep, slow);
    if (slow->keeper == NULL) {
        if (slow->epoll >= 0)
            close(slow->epoll);
        free(slow);
        return NULL;
    }
    return *where = slow;
}

/* The last one out.  A keeper that has not begun never will; in the child of a
 * fork() it may be gone. */
static void dismiss(struct http__slow *slow)
{
    struct greenlet *keeper = slow->keeper;
    bool gone;

    if (keeper == NULL)
        return;
    if (*slow->where == slow)
        *slow->where = NULL;
    slow->keeper = NULL;
    gone = !slow->begun || hub_ready(keeper);
    hub_kill(keeper);
    greenlet_unref(keeper);
    if (gone)
        end(slow);
}

void http__slow_leave(struct http__wire *wire)
{
    struct http__slow *slow = wire->slow != NULL ? wire->slow->slow : NULL;

    if (slow == NULL)
        return;
    take_out(wire->slow);
    free_gone(slow);
    if (slow->first == NULL)
        dismiss(slow);
}

/* Returns false: it cannot wait here. */
static bool enter(struct http__wire *wire, struct http__slow **where)
{
    struct http__slow_client *client = http__calloc(1, sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    struct http__slow *slow = client != NULL ? begin(where) : NULL;
    int saved = errno, rc;

    if (slow == NULL) {
        free(client);
        return false;
    }
    rc = epoll_ctl(slow->epoll, EPOLL_CTL_ADD, wire->fd, &event);
    errno = saved;
    if (rc < 0) {
        free(client);
        if (slow->first == NULL)
            dismiss(slow);
        return false;
    }
    client->slow = slow;
    client->wire = wire;
    client->next = slow->first;
    client->back = &slow->first;
    if (client->next != NULL)
        client->next->back = &client->next;
    slow->first = wire->slow = client;
    slow->count++;
    hub_fd_unwatch(wire->fd);
    return true;
}

/* Returns as http__wire_wait(). */
static int wait_here(struct http__wire *wire, int64_t deadline_ns)
{
    struct hub_event came;
    int rc;

    hub_event_init(&came);
    wire->slow->waits = &came;
    wire->slow->slow->waiting++;
    rc = hub_event_wait(&came, deadline_ns);
    if (wire->slow != NULL)
        waits_no_more(wire->slow);
    return rc;
}

static int wait_for_rest(struct http__wire *wire, struct http__slow **where,
                         int64_t deadline_ns)
{
    if (wire->slow != NULL && !is_ours(wire->slow->slow))
        http__slow_leave(wire);
    if (wire->slow != NULL || enter(wire, where))
        return wait_here(wire, deadline_ns);
    return http__wire_wait(wire, deadline_ns);
}

static bool is_slow(const struct http__wire *wire,
                    const struct http__slow *slow)
{
    uint8_t enough = slow != NULL && slow->count >= CROWD ? 1 : CRUMBS;

    return wire->crumbs >= enough && wire->tls == NULL && wire->drained;
}

void http__slow_note(struct http__wire *wire, ssize_t got)
{
    if (got >= CRUMB)
        wire->crumbs = 0;
    else if (got > 0 && wire->crumbs < CRUMBS)
        wire->crumbs++;
}

unsigned http__slow_count(const struct http__slow *slow)
{
    return slow != NULL ? slow->count : 0;
}

ssize_t http__slow_read(struct http__wire *wire, struct http__slow **slow,
                        void *buffer, size_t size, int64_t deadline_ns)
{
    int rc = 0;
    ssize_t got;

    if (!is_slow(wire, *slow)) {
        got = http__wire_read(wire, buffer, size, deadline_ns);
    } else {
        do {
            rc = wait_for_rest(wire, slow, deadline_ns);
            got =
                rc == 0 ? http__wire_read(wire, buffer, size, HUB_NOWAIT) : rc;
        } while (got == -EAGAIN);
    }
    http__slow_note(wire, got);
    return got;
}
