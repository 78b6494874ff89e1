/* mapped.c - mapped threads: memory, the list of all, their blocks in ld.so's hands
 *
 * Where several OS threads run them (greenlet__several_os) who makes one, who runs it
 * and who frees it may be on three; then what is shared here is locked. */
#include "context/greenlet_impl.h"
#include "context/tls_impl.h"
#include "thread_pointer.h"

#include <dlfcn.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct greenlet__mapped *mapped_threads;
bool greenlet__several_os;
/* With several: guards what follows, and the list above. */
static pthread_mutex_t mapped_lock = PTHREAD_MUTEX_INITIALIZER;
static struct greenlet__pool shared_pool; /* who makes one, who runs it and who
                                             frees it may be on three OS threads */
static unsigned linked; /* OS threads in ld.so, which has the list meanwhile */
const void *const greenlet__debug_mapped = &mapped_threads;

static void share_malloc(char *thread_pointer, const char *model)
{
    for (unsigned i = 0; i < greenlet__tls.shared_count; i++)
        memcpy(thread_pointer + greenlet__tls.shared[i],
               model + greenlet__tls.shared[i], sizeof(uintptr_t));
}

static struct greenlet__mapped *place(const struct greenlet__slot *slot,
                                      size_t room)
{
    uintptr_t top = (uintptr_t)slot->base + slot->size;
    struct greenlet__mapped *mapped;
    uintptr_t room_at = (top - room) & ~(uintptr_t)63;

    mapped = (void *)((room_at - sizeof *mapped) & ~(uintptr_t)63);
    memset(mapped, 0, sizeof *mapped);
    memset((void *)room_at, 0, room);
    mapped->room = (void *)room_at;
    return mapped;
}

static void lock_several(void)
{
    if (unlikely(greenlet__several_os))
        pthread_mutex_lock(&mapped_lock);
}

static void unlock_several(void)
{
    if (unlikely(greenlet__several_os))
        pthread_mutex_unlock(&mapped_lock);
}

static int take_slot(size_t stack_size, size_t guard,
                     struct greenlet__slot *slot)
{
    int rc;

    if (likely(!greenlet__several_os))
        return greenlet__slot_take(&greenlet__thread_self()->os->pool,
                                   stack_size, guard, slot);
    pthread_mutex_lock(&mapped_lock);
    rc = greenlet__slot_take(&shared_pool, stack_size, guard, slot);
    pthread_mutex_unlock(&mapped_lock);
    return rc;
}

static void give_slot(const struct greenlet__slot *slot, bool foreign)
{
    if (foreign)
        return;
    if (likely(!greenlet__several_os)) {
        greenlet__slot_give(&greenlet__thread_self()->os->pool, slot);
        return;
    }
    pthread_mutex_lock(&mapped_lock);
    greenlet__slot_give(&shared_pool, slot);
    pthread_mutex_unlock(&mapped_lock);
}

void greenlet__mapped_fork(enum greenlet__fork when)
{
    if (when == FORK_PREPARE)
        lock_several();
    else
        unlock_several();
}

size_t greenlet__mapped_slots_free(void)
{
    size_t count;

    lock_several();
    count = greenlet__pool_free(&shared_pool);
    unlock_several();
    return count;
}

static void link_mapped(struct greenlet__mapped *mapped)
{
    lock_several();
    mapped->next = mapped_threads;
    mapped->back = &mapped_threads;
    if (mapped->next != NULL)
        mapped->next->back = &mapped->next;
    mapped_threads = mapped;
    unlock_several();
}

/* The slot outlives the thread while somebody holds its main greenlet. */
static void release_mapped(struct greenlet__thread *thread)
{
    struct greenlet__mapped *mapped =
        container_of(thread, struct greenlet__mapped, thread);
    struct greenlet__slot slot = thread->main.slot;

    give_slot(&slot, mapped->foreign);
}

struct greenlet__mapped *greenlet__map_thread(struct greenlet__os *os,
                                              size_t stack_size, size_t guard,
                                              size_t room, void *memory)
{
    struct greenlet__slot slot;
    struct greenlet__mapped *mapped;
    char *pointer;

    if (memory != NULL)
        slot = (struct greenlet__slot){ memory, stack_size, 0 };
    else if (take_slot(stack_size, guard, &slot) < 0)
        return NULL;
    mapped = place(&slot, room);
    mapped->foreign = memory != NULL;
    pointer = greenlet__tls_place((char *)mapped, &mapped->tls_start);
    memset(greenlet__pthread_of(pointer), 0, greenlet__tls.pthread_size);
#ifndef __x86_64__
    memset(pointer, 0, 16);
#endif
    if (greenlet__dtv_allocate(pointer) == NULL) {
        give_slot(&slot, memory != NULL);
        return NULL;
    }
    greenlet__tls_fill(greenlet__pthread_of(pointer), greenlet__pthread_of(os->thread_pointer),
                       &slot);
    share_malloc(pointer, os->thread_pointer);
    greenlet__thread_init(&mapped->thread, os, pointer);
    mapped->thread.main.slot = slot;
    mapped->thread.release = release_mapped;
    *(struct greenlet__thread **)(pointer + ((char *)&greenlet__word -
                                             (char *)greenlet__thread_pointer())) =
        &mapped->thread;
    link_mapped(mapped);
    return mapped;
}

/* pthread_setspecific() allocates the upper levels of its table, by the malloc
 * of the program, which ours need not be. */
static void free_specific(char *pthread)
{
    uintptr_t *table = (uintptr_t *)(pthread + greenlet__tls.specific);

    for (unsigned i = 1; i < greenlet__tls.specific_count; i++)
        if (table[i] != 0) {
            greenlet__libc.free((void *)table[i]);
            table[i] = 0;
        }
}

static void unlink_mapped(struct greenlet__mapped *mapped)
{
    *mapped->back = mapped->next;
    if (mapped->next != NULL)
        mapped->next->back = mapped->back;
}

static void free_mapped(struct greenlet__mapped *mapped)
{
    free_specific(greenlet__pthread_of(mapped->thread.thread_pointer));
    greenlet__dl_deallocate(mapped->thread.thread_pointer, false);
    /* A handle that is used after its end is no thread to libc either. */
    memset(greenlet__pthread_of(mapped->thread.thread_pointer) + greenlet__tls.tid, 0xff,
           sizeof(int32_t));
    greenlet__thread_end(&mapped->thread, mapped->foreign);
}

/* While another OS thread is in ld.so, with the list of blocks in its own, none of
 * them may go.  One in the program's memory, which the program takes back, waits. */
static bool must_stay(struct greenlet__mapped *mapped)
{
    while (unlikely(linked > 0) && greenlet__several_os && mapped->foreign) {
        pthread_mutex_unlock(&mapped_lock);
        sched_yield();
        pthread_mutex_lock(&mapped_lock);
    }
    return unlikely(linked > 0) && greenlet__several_os;
}

void greenlet__unmap_thread(struct greenlet__mapped *mapped)
{
    lock_several();
    mapped->ended = must_stay(mapped);
    if (!mapped->ended)
        unlink_mapped(mapped);
    unlock_several();
    if (!mapped->ended)
        free_mapped(mapped);
}

/* ---- dlopen and fork ---- */

static void link_block(struct greenlet__mapped *mapped, struct greenlet__node *head,
                       bool on)
{
    struct greenlet__node *node =
        (struct greenlet__node *)(greenlet__pthread_of(mapped->thread.thread_pointer) +
                        greenlet__tls.list);

    if (on) {
        *node = (struct greenlet__node){ head->next, head };
        head->next->prev = node;
        head->next = node;
    } else {
        node->next->prev = node->prev;
        node->prev->next = node->next;
        *node = (struct greenlet__node){ node, node };
    }
}

/* Those that ended meanwhile, taken out of the list. */
static struct greenlet__mapped *take_ended(void)
{
    struct greenlet__mapped *mapped, *next, *ended = NULL;

    for (mapped = mapped_threads; mapped != NULL; mapped = next) {
        next = mapped->next;
        if (!mapped->ended)
            continue;
        unlink_mapped(mapped);
        mapped->next = ended;
        ended = mapped;
    }
    return ended;
}

void greenlet__tls_link(bool on)
{
    struct greenlet__node *head = greenlet__tls_stacks();
    struct greenlet__mapped *mapped, *ended, *next;

    if (head == NULL)
        return;
    lock_several();
    linked += on ? 1u : -1u;
    if (linked == on) /* the first, or none any more */
        for (mapped = mapped_threads; mapped != NULL; mapped = mapped->next)
            link_block(mapped, head, on);
    ended = linked == 0 ? take_ended() : NULL;
    unlock_several();
    for (; ended != NULL; ended = next) {
        next = ended->next;
        free_mapped(ended);
    }
}

void greenlet__tls_forked(struct greenlet__mapped *self, pid_t tid)
{
    struct greenlet__os *os = greenlet__word->os;
    struct greenlet__mapped *mapped;
    int32_t value = tid;

    mapped_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    linked = 0;
    if (!greenlet__tls.found)
        return;
    for (mapped = mapped_threads; mapped != NULL; mapped = mapped->next)
        if (mapped != self)
            greenlet__thread_end(&mapped->thread, mapped->foreign);
    mapped_threads = self;
    if (self != NULL) {
        self->next = NULL;
        self->back = &mapped_threads;
        memcpy(greenlet__pthread_of(self->thread.thread_pointer) + greenlet__tls.tid,
               &value, sizeof value);
    }
    memcpy(greenlet__pthread_of(os->thread_pointer) + greenlet__tls.tid, &value,
           sizeof value);
    /* fork() told the kernel of the caller's list; that block may end. */
    if (greenlet__tls.robust >= 0)
        syscall(SYS_set_robust_list,
                greenlet__pthread_of(os->thread_pointer) + greenlet__tls.robust, 24);
}
