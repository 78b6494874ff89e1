/* thread.c - the state of OS threads and of TLS identities
 *
 * Made on first use, ended by a key's destructor when a real thread exits
 * (G-110, G-141).  Mapped threads get theirs from tls.c. */
#include "context/greenlet_impl.h"
#include "context/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

__thread struct greenlet__thread *greenlet__word;
struct greenlet__libc greenlet__libc = { pthread_create, pthread_join };
unsigned greenlet__masked;
ptrdiff_t greenlet__errno_offset;

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static struct greenlet__os *all_os;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static long live_of_ended; /* of OS threads that are gone */

struct own {
    struct greenlet__os os;
    struct greenlet__thread thread;
};

static void thread_exit(void *data)
{
    struct own *own = data;
    struct greenlet__os **link;

    greenlet__word = NULL;
    pthread_mutex_lock(&all_lock);
    for (link = &all_os; *link != NULL; link = &(*link)->next)
        if (*link == &own->os) {
            *link = own->os.next;
            break;
        }
    live_of_ended += own->os.live;
    pthread_mutex_unlock(&all_lock);
    greenlet__pool_close(&own->os.pool);
    /* Suspended greenlets of this thread may still be referenced and point
     * here; they are dead from now on (G-128), so the main must stay. */
    own->thread.main.state = GREENLET_DEAD;
    if (own->os.live == 0)
        free(own);
}

static void make_key(void)
{
    if (pthread_key_create(&exit_key, thread_exit) != 0)
        abort();
}

static void init_main(struct greenlet__thread *thread)
{
    thread->current = &thread->main;
    thread->main.thread = thread;
    thread->main.state = GREENLET_ACTIVE;
    thread->main.is_main = 1;
    thread->main.refs = 1;
}

struct greenlet__thread *greenlet__thread_make(void)
{
    struct own *own = calloc(1, sizeof *own);

    greenlet__errno_offset =
        (char *)&errno - (char *)greenlet__thread_pointer();
    pthread_once(&exit_key_once, make_key);
    if (own == NULL || pthread_setspecific(exit_key, own) != 0)
        abort(); /* greenlet_current() never fails; nothing can go on */
    own->os.thread_pointer = greenlet__thread_pointer();
    own->os.first = &own->thread;
    own->thread.os = &own->os;
    own->thread.thread_pointer = own->os.thread_pointer;
    init_main(&own->thread);
    greenlet__pool_open(&own->os.pool);
    pthread_mutex_lock(&all_lock);
    own->os.next = all_os;
    all_os = &own->os;
    pthread_mutex_unlock(&all_lock);
    greenlet__word = &own->thread;
    return &own->thread;
}

void greenlet__thread_init(struct greenlet__thread *thread,
                           struct greenlet__os *os, void *thread_pointer)
{
    thread->os = os;
    thread->thread_pointer = thread_pointer;
    init_main(thread);
}

void greenlet_count(struct greenlet_counts *counts)
{
    const struct greenlet__os *os;
    long live;

    memset(counts, 0, sizeof *counts);
    pthread_mutex_lock(&all_lock);
    live = live_of_ended;
    for (os = all_os; os != NULL; os = os->next) {
        live += os->live;
        counts->slots_free += greenlet__pool_free(&os->pool);
    }
    pthread_mutex_unlock(&all_lock);
    counts->greenlets = (size_t)live;
    counts->slots_used = greenlet__slots_made() - counts->slots_free;
}

/* In the child of a fork(): the calling identity's OS thread is the only one. */
void greenlet__threads_forked(struct greenlet__os *os)
{
    pthread_mutex_init(&all_lock, NULL);
    all_os = os;
    os->next = NULL;
}
