/* ask.c - dumps of all hubs: each is asked to print itself
 *
 * First its loop is asked, as by hub_call_soon_threadsafe().  If that does not
 * come round, and the hub has not switched meanwhile, its thread is interrupted:
 * who is suspended then is so for certain. */
#include "hub/dump.h"
#include "hub/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOP_ANSWERS_NS (100 * HUB_MILLISECOND)
#define HANDLER_ANSWERS_NS (200 * HUB_MILLISECOND)
#define TRIES 4 /* for a hub that is busy switching */

void hub__answer(struct hub *hub, void *interrupted)
{
    struct hub__sight *sight = hub->sight;
    uint32_t expected = ASKED;

    if (!__atomic_compare_exchange_n(&sight->asked, &expected, ASKED_ANSWERS,
                                     false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    if (sight->ask_tree)
        hub__dump_tree(hub, NULL, sight->ask_fd);
    else if (sight->ask_about == NULL)
        hub__dump_hub(hub, sight->ask_fd, interrupted);
    else
        hub__dump_greenlet(hub, (struct greenlet *)sight->ask_about,
                           sight->ask_fd, interrupted);
    __atomic_store_n(&sight->asked, ASKED_DONE, __ATOMIC_RELEASE);
    hub__raw_wake(&sight->asked);
}

/* The callback may still be queued from when nobody waited any more. */
static void queue_call(struct hub *hub)
{
    uint8_t queued = __atomic_exchange_n(&hub->sight->call.queued, 1,
                                         __ATOMIC_ACQ_REL);

    if (!queued)
        hub__callback_push_remote(&hub->sight->call);
    else
        hub__loop_notify(hub);
}

void hub__ask_only(struct hub *hub)
{
    __atomic_store_n(&hub->sight->asked, ASKED, __ATOMIC_RELEASE);
    queue_call(hub);
}

static bool answered(struct hub *hub)
{
    uint64_t switches = greenlet__read(hub->switches), before;

    for (int i = 0; i < TRIES; i++) {
        before = switches;
        if (hub__await(&hub->sight->asked, LOOP_ANSWERS_NS))
            return true;
        switches = greenlet__read(hub->switches);
        if (switches == before)
            break;
        hub__ask_only(hub);
    }
    if (switches != before)
        return false;
    __atomic_store_n(&hub->sight->asked, ASKED, __ATOMIC_RELEASE);
    if (hub__sample_poke(hub->sight))
        return hub__await(&hub->sight->asked, HANDLER_ANSWERS_NS);
    __atomic_store_n(&hub->sight->asked, ASKED_NOTHING, __ATOMIC_RELEASE);
    return false;
}

void hub__ask(struct hub *hub, const struct greenlet *about, bool tree, int fd)
{
    struct hub__sight *sight = hub->sight;

    sight->ask_fd = fd;
    sight->ask_about = about;
    sight->ask_tree = tree;
    hub__ask_only(hub);
    if (!answered(hub))
        hub__dump_from_outside(hub, fd);
    __atomic_store_n(&sight->asked, ASKED_NOTHING, __ATOMIC_RELEASE);
}

/* Who has the lock may be waiting for us. */
static void lock_and_answer(struct hub *own)
{
    uint32_t never = 0;

    while (!hub__all_try_lock()) {
        if (own != NULL)
            hub__answer(own, NULL);
        hub__raw_wait(&never, 0, HUB_MILLISECOND);
    }
}

void hub__dump_all(int fd)
{
    struct hub *own = hub__peek(), *hub;
    struct hub__print print;

    hub__print_open(&print, fd);
    hub__print(&print, "vireo: dump of process %d\n", (int)getpid());
    hub__print_flush(&print);
    if (own != NULL)
        hub__dump_hub(own, fd, NULL);
    lock_and_answer(own);
    for (hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (hub != own)
            hub__ask(hub, NULL, false, fd);
    hub__all_unlock();
    hub__print(&print, "vireo: end of the dump\n");
    hub__print_flush(&print);
}

int hub_dump(int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    hub__sample_start();
    hub__dump_all(fd);
    return 0;
}

int hub_dump_tree(int fd)
{
    struct hub *own = hub__peek(), *hub;

    if (fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    hub__sample_start();
    if (own != NULL)
        hub__dump_tree(own, NULL, fd);
    lock_and_answer(own);
    for (hub = hub__all; hub != NULL; hub = hub->next_hub)
        if (hub != own)
            hub__ask(hub, NULL, true, fd);
    hub__all_unlock();
    return 0;
}

int hub_dump_current_tree(int fd)
{
    struct hub *own = hub__peek();

    if (fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    if (own != NULL)
        hub__dump_tree(own, greenlet_current(), fd);
    return 0;
}

/* What has been written to a file in memory. */
char *hub__text_of(int fd)
{
    long size = syscall(SYS_lseek, fd, 0L, SEEK_END);
    char *text = size >= 0 ? greenlet__malloc((size_t)size + 1) : NULL;
    ssize_t got = text != NULL ? pread(fd, text, (size_t)size, 0) : -1;

    if (got < 0) {
        free(text);
        return NULL;
    }
    text[got] = '\0';
    return text;
}

int hub__text_fd(void)
{
    int fd = memfd_create("vireo", MFD_CLOEXEC);

    return fd >= 0 ? fd : -errno;
}

char *hub_dump_text(void)
{
    int before = errno, fd = hub__text_fd();
    char *text = NULL;

    if (fd >= 0) {
        hub_dump(fd);
        text = hub__text_of(fd);
        close(fd);
    }
    errno = before;
    return text;
}

char *hub__report(struct hub *hub)
{
    int before = errno, fd = hub__text_fd();
    char *text = NULL;

    if (fd >= 0) {
        hub__dump_deadlock(hub, fd);
        text = hub__text_of(fd);
        close(fd);
    }
    errno = before;
    return text;
}
