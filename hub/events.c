/* events.c - who is told of what the library has noticed
 *
 * The lock is recursive: a subscriber may subscribe and unsubscribe, also itself.
 * Whoever unsubscribes from another thread waits until no call is under way. */
#include "hub/events.h"
#include "hub/events_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct subscription {
    struct subscription *next;
    hub_subscriber *subscriber; /* NULL: unsubscribed during a call */
    void *data;
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct subscription *first; /* in the order of subscribing */
static uint32_t count; /* atomic */
static unsigned telling; /* calls under way, under the lock */

static struct subscription *find(hub_subscriber *subscriber, const void *data)
{
    struct subscription *at = first;

    while (at != NULL && (at->subscriber != subscriber || at->data != data))
        at = at->next;
    return at;
}

static int add(hub_subscriber *subscriber, void *data)
{
    struct subscription **end = &first, *made;

    if (find(subscriber, data) != NULL)
        return -EEXIST;
    made = greenlet__calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->subscriber = subscriber;
    made->data = data;
    while (*end != NULL)
        end = &(*end)->next;
    *end = made;
    __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    return 0;
}

int hub_subscribe(hub_subscriber *subscriber, void *data)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = add(subscriber, data);
    pthread_mutex_unlock(&lock);
    if (rc < 0)
        return rc;
    rc = hub__monitor_needs_thread();
    if (rc < 0)
        hub_unsubscribe(subscriber, data);
    return rc;
}

static void sweep(void)
{
    struct subscription **link = &first;

    while (*link != NULL) {
        struct subscription *at = *link;

        if (at->subscriber != NULL) {
            link = &at->next;
            continue;
        }
        *link = at->next;
        free(at);
    }
}

int hub_unsubscribe(hub_subscriber *subscriber, void *data)
{
    struct subscription *found;

    pthread_mutex_lock(&lock);
    found = find(subscriber, data);
    if (found != NULL) {
        found->subscriber = NULL;
        __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
        if (telling == 0)
            sweep();
    }
    pthread_mutex_unlock(&lock);
    return found != NULL ? 0 : -ENOENT;
}

bool hub__has_subscribers(void)
{
    return __atomic_load_n(&count, __ATOMIC_RELAXED) != 0;
}

void hub__tell(struct hub_notice *event)
{
    event->size = sizeof *event;
    pthread_mutex_lock(&lock);
    telling++;
    for (struct subscription *at = first; at != NULL; at = at->next)
        if (at->subscriber != NULL)
            at->subscriber(event, at->data);
    if (--telling == 0)
        sweep();
    pthread_mutex_unlock(&lock);
}

void hub__events_forked(void)
{
    static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

    lock = fresh;
    telling = 0;
}
