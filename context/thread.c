/* thread.c - the state of OS threads and of TLS identities
 *
 * Made on first use, ended by a key's destructor when a real thread exits, or by
 * that of a thread-local object where the keys are all the program's
 * (G-110, G-141).  Mapped threads get theirs from tls.c.
 *
 * An identity that ends leaves behind what others still have references to:
 * greenlets that were suspended in it are orphans, dead but not freed (G-129),
 * and its main lives until its last reference goes.  What remains to be done is
 * queued, and done by whoever uses the library next (G-142); who also ends those of
 * threads that used it after what would have told us of their end. */
#include "context/switch.h"
#include "context/testhook.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread struct greenlet__thread *greenlet__word;
struct greenlet__libc greenlet__libc = { pthread_create, pthread_join,
                                         calloc, free, false };
unsigned greenlet__masked;
ptrdiff_t greenlet__errno_offset;
pthread_mutex_t greenlet__threads_lock = PTHREAD_MUTEX_INITIALIZER;
struct greenlet__thread greenlet__gone = {
    .exited = 1,
    .main = { .thread = &greenlet__gone,
              .state = GREENLET_DEAD,
              .is_main = 1,
              .refs = 1 }
};
unsigned greenlet__attention;

static __thread uint32_t signal_depth; /* before there is an identity, too */
static __thread bool ended; /* an identity of this thread */
static __thread bool stays; /* it says itself when it ends */
static pthread_key_t exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool finalized;
/* Under greenlet__threads_lock: */
static struct greenlet__os *all_os;
const void *const greenlet__debug_threads = &all_os;
static long live_of_ended; /* of OS threads that are gone */
static struct greenlet__thread *exited; /* by next_exited */
static struct greenlet__thread *ending; /* so too: between the two locks of
                                           thread_exit() */
static size_t mains;
static size_t unsure; /* whose `tid` is set */

struct own {
    struct greenlet__os os;
    struct greenlet__thread thread;
    int rounds_left; /* of key destructors, before ours may be the last */
    pid_t group, tid; /* for those that may end without a word; else 0 */
};

extern int __cxa_thread_atexit_impl(void (*function)(void *), void *object,
                                    void *library) __attribute__((weak));
extern char __dso_handle __attribute__((visibility("hidden")));

static void lock(void)
{
    pthread_mutex_lock(&greenlet__threads_lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&greenlet__threads_lock);
}

/* ---- the end of an identity ---- */

/* One that is new or dead may be freed by another thread meanwhile, and its slot
 * be used again there: then it is not ours to mark.  An active one of ours stays
 * so while we hold the lock; that it is ours is looked at after its state. */
static int make_orphan(struct greenlet *g, void *data)
{
    struct greenlet__thread *owner = data;
    uint8_t state;

    if (greenlet__read(g->thread) != owner)
        return 0;
    state = __atomic_load_n(&g->state, __ATOMIC_ACQUIRE);
    if (greenlet__read(g->thread) != owner)
        return 0;
    if (state == GREENLET_ACTIVE || state == GREENLET_WAITING)
        greenlet__write(g->state, GREENLET_ORPHAN);
    __atomic_compare_exchange_n(&g->thread, &owner, &greenlet__gone, false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return 0;
}

/* With the lock held.  Returns what other threads had dropped. */
static struct greenlet *disown(struct greenlet__thread *thread)
{
    struct greenlet *dropped = thread->drop_queue;

    greenlet__write(thread->exited, 1);
    greenlet__write(thread->drop_queue, NULL);
    if (thread->started)
        greenlet__slots_each(make_orphan, thread);
    greenlet__write(thread->main.state, GREENLET_DEAD);
    greenlet__write(thread->main.thread, &greenlet__gone);
    return dropped;
}

static void unref_dropped(struct greenlet *g)
{
    while (g != NULL) {
        struct greenlet *next = g->next_dropped;

        greenlet_unref(g);
        g = next;
    }
}

/* With the lock held. */
static void queue_exited(struct greenlet__thread *thread)
{
    thread->next_exited = exited;
    greenlet__write(exited, thread);
    __atomic_add_fetch(&greenlet__attention, 1, __ATOMIC_RELEASE);
}

/* Of a mapped thread: its OS thread goes on.  One that never used greenlets
 * leaves nothing behind; nor one whose memory the program takes back now. */
void greenlet__thread_end(struct greenlet__thread *thread, bool at_once)
{
    bool used = (thread->special & SPECIAL_UNUSED) == 0;
    struct greenlet *dropped;

    lock();
    dropped = disown(thread);
    if (used && !at_once)
        queue_exited(thread);
    else if (used)
        mains--;
    unlock();
    unref_dropped(dropped);
    if (!used || at_once)
        greenlet_unref(&thread->main);
}

/* With the lock held. */
static void add_ended(const struct greenlet__os *os)
{
    live_of_ended += os->live;
    __atomic_fetch_add(&greenlet__contexts_elsewhere, os->contexts,
                       __ATOMIC_RELAXED);
}

static void release_own(struct greenlet__thread *thread)
{
    struct own *own = container_of(thread, struct own, thread);

    greenlet__cells_free(&own->os);
    free(own);
}

static void unlink_os(struct greenlet__os *os)
{
    struct greenlet__os **link = &all_os;

    while (*link != NULL && *link != os)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = os->next;
    if (container_of(os, struct own, os)->tid != 0)
        unsure--;
}

static void unlink_ending(const struct greenlet__thread *thread)
{
    struct greenlet__thread **link = &ending;

    while (*link != thread)
        link = &(*link)->next_exited;
    *link = thread->next_exited;
}

/* With the lock held, which it lets go. */
static void end_own(struct own *own)
{
    struct greenlet *dropped;

    unlink_os(&own->os);
    dropped = disown(&own->thread);
    own->thread.next_exited = ending;
    ending = &own->thread;
    unlock();
    while (dropped != NULL) { /* destroy functions may have made new ones */
        unref_dropped(dropped);
        lock();
        dropped = disown(&own->thread);
        unlock();
    }
    lock();
    unlink_ending(&own->thread);
    add_ended(&own->os);
    queue_exited(&own->thread);
    unlock();
}

/* Of a real thread.  Destructors of other keys may use greenlets yet (G-112):
 * ours goes to the end of the queue as often as POSIX allows. */
static void thread_exit(void *data)
{
    struct own *own = data;

    if (own->rounds_left-- > 0 && pthread_setspecific(exit_key, own) == 0)
        return;
    if (own->os.hub_close != NULL)
        own->os.hub_close(&own->os);
    if ((own->thread.main.has & HAS_MORE) && greenlet__hub_ends != NULL)
        greenlet__hub_ends(&own->thread.main);
    lock();
    end_own(own);
    greenlet__word = NULL;
    ended = true;
}

void greenlet__thread_stays(void)
{
    stays = true;
}

void greenlet__thread_leaves(void)
{
    if (greenlet__word != NULL)
        thread_exit(container_of(greenlet__word->os, struct own, os));
    stays = false;
}

/* Of this process; a process that shares its memory cannot tell. */
static bool is_gone(const struct own *own, pid_t group)
{
    return own->tid != 0 && own->group == group && own->os.hub == NULL &&
           syscall(SYS_tgkill, group, own->tid, 0) < 0 && errno == ESRCH;
}

/* Threads that have ended without a word.  One with a hub stays: who has a loop is
 * the only one who can close it. */
static void end_gone(void)
{
    pid_t group = getpid();
    int saved = errno;

    if (greenlet__read(unsure) == 0)
        return;
    for (;;) {
        struct greenlet__os *os;

        lock();
        for (os = all_os; os != NULL; os = os->next)
            if (is_gone(container_of(os, struct own, os), group))
                break;
        if (os == NULL)
            break;
        end_own(container_of(os, struct own, os));
    }
    unlock();
    errno = saved;
}

/* ---- what is left to others ---- */

static bool cleanup_clock_on = true;
static long cleanup_clock;

void greenlet_enable_cleanup_clock(bool on)
{
    lock();
    if (on && !cleanup_clock_on)
        cleanup_clock = 0;
    cleanup_clock_on = on;
    unlock();
}

long greenlet_cleanup_clock(void)
{
    long ticks;

    lock();
    ticks = cleanup_clock_on ? cleanup_clock : -1;
    unlock();
    return ticks;
}

static void drain_exited(void)
{
    struct greenlet__thread *thread, *next;
    clock_t start = clock();

    lock();
    thread = exited;
    greenlet__write(exited, NULL);
    for (next = thread; next != NULL; next = next->next_exited) {
        mains--;
        __atomic_sub_fetch(&greenlet__attention, 1, __ATOMIC_RELAXED);
    }
    unlock();
    if (thread == NULL)
        return;
    for (; thread != NULL; thread = next) {
        next = thread->next_exited;
        if (thread->os->first == thread)
            greenlet__pool_close(&thread->os->pool);
        greenlet_unref(&thread->main);
    }
    lock();
    cleanup_clock += (long)(clock() - start);
    unlock();
}

void greenlet__maintain(struct greenlet__thread *self)
{
    struct greenlet *dropped;

    if (unlikely(self->special & SPECIAL_SIGNAL))
        return; /* a kill is a switch: later (G-147) */
    if (unlikely(self->special & SPECIAL_UNUSED)) {
        self->special &= (uint8_t)~SPECIAL_UNUSED;
        lock();
        mains++;
        unlock();
    }
    if (greenlet__read(self->drop_queue) != NULL) {
        lock();
        dropped = self->drop_queue;
        greenlet__write(self->drop_queue, NULL);
        unlock();
        unref_dropped(dropped);
    }
    if (__atomic_load_n(&exited, __ATOMIC_RELAXED) != NULL)
        drain_exited();
    if (unlikely(finalized))
        self->special |= SPECIAL_FINALIZED;
}

size_t greenlet_pending_cleanups(void)
{
    const struct greenlet__thread *thread;
    size_t count = 0;

    lock();
    for (thread = exited; thread != NULL; thread = thread->next_exited)
        count++;
    unlock();
    return count;
}

/* Handlers of atexit() that were registered after this library was loaded have
 * run by now. */
__attribute__((destructor)) static void finalize(void)
{
    finalized = true;
    if (greenlet__word != NULL)
        greenlet__word->special |= SPECIAL_FINALIZED;
    __atomic_add_fetch(&greenlet__attention, 1, __ATOMIC_RELEASE);
}

/* ---- fork ---- */

/* Locks of ours are held over a fork, so that they are free in the child and what
 * they protect is whole (G-143). */
static bool fork_locked;

static void before_fork(void)
{
    lock();
    greenlet__weak_fork(FORK_PREPARE);
    greenlet__stack_fork(true);
    greenlet__vars_fork(FORK_PREPARE);
    greenlet__mapped_fork(FORK_PREPARE);
    fork_locked = true;
}

static void after_fork(void)
{
    fork_locked = false;
    greenlet__mapped_fork(FORK_DONE);
    greenlet__vars_fork(FORK_DONE);
    greenlet__stack_fork(false);
    greenlet__weak_fork(FORK_DONE);
    unlock();
}

/* All threads but the caller are gone, as if they had exited.  The preload
 * library, whose own handler may run before this one, calls it first thing. */
void greenlet__fork_child(void)
{
    struct greenlet__thread *self = greenlet__thread_peek();
    struct greenlet__os *os, *next;

    if (!fork_locked)
        return;
    for (os = all_os; os != NULL; os = next) {
        next = os->next;
        if (self == NULL || os != self->os) {
            unlink_os(os);
            disown(os->first);
            add_ended(os);
            mains--;
        }
    }
    for (; ending != NULL; ending = ending->next_exited) {
        add_ended(ending->os);
        mains--;
    }
    after_fork();
}

static void start_up(void)
{
    greenlet__errno_offset =
        (char *)&errno - (char *)greenlet__thread_pointer();
    if ((!greenlet__libc.keyless &&
         pthread_key_create(&exit_key, thread_exit) != 0) ||
        pthread_atfork(before_fork, after_fork, greenlet__fork_child) != 0)
        abort();
}

/* ---- the beginning ---- */

static void init_main(struct greenlet__thread *thread)
{
    thread->current = &thread->main;
    thread->main.thread = thread;
    thread->main.state = GREENLET_ACTIVE;
    thread->main.is_main = 1;
    thread->main.refs = 1;
    greenlet__tools_thread(thread);
    greenlet__cxx_thread(thread);
    if (finalized)
        thread->special |= SPECIAL_FINALIZED;
}

/* Nobody tells: it is asked for. */
static void ask_for_end(struct own *own)
{
    own->group = getpid();
    own->tid = (pid_t)syscall(SYS_gettid);
}

/* Destructors of all keys come after this; what they use makes another one. */
static bool notice_end_keyless(struct own *own)
{
    own->rounds_left = 0;
    ask_for_end(own);
    if (own->tid == own->group) {
        own->tid = 0;
        return true; /* ends with the process, handlers of atexit() first */
    }
    return __cxa_thread_atexit_impl == NULL ||
           __cxa_thread_atexit_impl(thread_exit, own, &__dso_handle) == 0;
}

static bool notice_end(struct own *own)
{
    if (stays)
        return true;
    if (ended) {
        ask_for_end(own);
        return true;
    }
    if (greenlet__libc.keyless)
        return notice_end_keyless(own);
    own->rounds_left = PTHREAD_DESTRUCTOR_ITERATIONS - 1;
    /* A sanitizer leaves in the last round. */
    if (own->thread.tools & (TOOL_ASAN | TOOL_TSAN))
        own->rounds_left--;
    return pthread_setspecific(exit_key, own) == 0;
}

struct greenlet__thread *greenlet__thread_make(void)
{
    struct own *own = calloc(1, sizeof *own);

    pthread_once(&once, start_up);
    if (own == NULL)
        abort(); /* greenlet_current() never fails; nothing can go on */
    own->os.thread_pointer = greenlet__thread_pointer();
    own->os.first = &own->thread;
    own->thread.os = &own->os;
    own->thread.thread_pointer = own->os.thread_pointer;
    own->thread.release = release_own;
    init_main(&own->thread);
    if (signal_depth > 0)
        own->thread.special |= SPECIAL_SIGNAL;
    if (!notice_end(own))
        abort();
    end_gone();
    lock();
    if (own->tid != 0)
        unsure++;
    own->os.next = all_os;
    all_os = &own->os;
    mains++;
    unlock();
    greenlet__word = &own->thread;
    return &own->thread;
}

void greenlet__thread_init(struct greenlet__thread *thread,
                           struct greenlet__os *os, void *thread_pointer)
{
    thread->os = os;
    thread->thread_pointer = thread_pointer;
    init_main(thread);
    thread->special |= SPECIAL_UNUSED; /* its first use counts (G-179) */
}

void greenlet_signal_enter(void)
{
    struct greenlet__thread *self = greenlet__thread_peek();

    signal_depth++;
    if (self != NULL)
        self->special |= SPECIAL_SIGNAL;
}

void greenlet_signal_leave(void)
{
    struct greenlet__thread *self = greenlet__thread_peek();

    if (signal_depth > 0 && --signal_depth == 0 && self != NULL)
        self->special &= (uint8_t)~SPECIAL_SIGNAL;
}

void greenlet_count(struct greenlet_counts *counts)
{
    const struct greenlet__os *os;
    long live, contexts;

    memset(counts, 0, sizeof *counts);
    end_gone();
    if (greenlet__thread_peek() != NULL)
        drain_exited();
    lock();
    live = live_of_ended;
    contexts = greenlet__read(greenlet__contexts_elsewhere);
    for (os = all_os; os != NULL; os = os->next) {
        live += os->live;
        contexts += greenlet__read(os->contexts);
        counts->slots_free += greenlet__pool_free(&os->pool);
    }
    counts->slots_free += greenlet__orphans_free();
    counts->slots_free += greenlet__mapped_slots_free();
    counts->mains = mains;
    unlock();
    counts->greenlets = (size_t)live;
    counts->slots_used = greenlet__slots_made() - counts->slots_free;
    counts->pending = greenlet_pending_cleanups();
    counts->contexts = (size_t)contexts;
    counts->messages = greenlet__messages_made();
}

/* In the child of a fork(): the calling identity's OS thread is the only one. */
void greenlet__threads_forked(struct greenlet__os *os)
{
    lock();
    all_os = os;
    os->next = NULL;
    unsure = container_of(os, struct own, os)->tid != 0;
    unlock();
}
