/* thread_create.c - pthread_create(): a greenlet with a TLS block of its own */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/signal_own.h"
#include "monkeypatch/thread_impl.h"

#include <stdlib.h>
#include <string.h>

#define LAST_ID 0x1fffffffu /* those above are greenlets', up to FUTEX_TID_MASK */

static uint32_t next_id = MP_FIRST_ID;
uint32_t mp__staying;

/* Unique among the living: ids come round after a thousand million threads. */
static uint32_t new_id(void)
{
    MP_ALL_STAY;
    uint32_t id;

    do {
        id = next_id;
        next_id = id == LAST_ID ? MP_FIRST_ID : id + 1;
    } while (unlikely(id < MP_FIRST_ID));
    return id;
}

static void link_thread(struct mp__thread *thread)
{
    MP_ALL_STAY;

    thread->all_prev = NULL;
    thread->all_next = mp__all;
    if (mp__all != NULL)
        mp__all->all_prev = thread;
    __atomic_store_n(&mp__all, thread, __ATOMIC_RELEASE);
    mp__live++;
    if (all_stay) /* it is counted down without the lock */
        __atomic_add_fetch(&mp__staying, 1, __ATOMIC_SEQ_CST);
    else
        mp__staying++;
    greenlet__write(thread->carrier->threads, thread->carrier->threads + 1);
}

/* With the lock held. */
static void unlink_thread(struct mp__thread *thread)
{
    for (int i = 0; i < MP_CURSORS; i++)
        if (unlikely(mp__all_cursors[i] == thread))
            mp__all_cursors[i] = thread->all_next;
    if (thread->all_prev != NULL)
        thread->all_prev->all_next = thread->all_next;
    else
        mp__all = thread->all_next;
    if (thread->all_next != NULL)
        thread->all_next->all_prev = thread->all_prev;
    greenlet__write(thread->carrier->threads, thread->carrier->threads - 1);
    mp__live--;
}

/* Both words of a block that is not loaded: one is as far from the other as here.
 */
static void set_self(char *pointer, struct mp__thread *thread)
{
    char *base = (char *)&mp__self;
    ptrdiff_t here;

    /* Else gcc 14 subtracts two places in the GOT, which binutils refuses from
     * 2.44 on. */
    __asm__("" : "+r"(base));
    here = (char *)&mp__here - base;
    *(struct mp__thread **)(pointer + mp__self_offset) = thread;
    *(struct mp__thread **)(pointer + mp__self_offset + here) = thread;
}

void mp__thread_free(struct mp__thread *thread)
{
    mp__sched_free(thread);
    if (unlikely(thread->signals_pending != 0))
        mp__signals_thread_freed(thread);
    set_self(thread->identity->thread_pointer, NULL);
    mp__hub->unmap_thread(thread->mapped);
}

/* On the next stack, when the thread has left its own for good. */
static void thread_left(struct greenlet *g)
{
    struct mp__thread *thread =
        container_of(container_of(g, struct greenlet__thread, main),
                     struct greenlet__mapped, thread)->room;

    bool detached, last, several = mp__several;

    mp__all_lock();
    unlink_thread(thread);
    last = mp__live == 1;
    detached = thread->detached == 1;
    if (!detached) /* and with several it may be gone from here on */
        __atomic_store_n(&thread->ended, 1, __ATOMIC_SEQ_CST);
    mp__all_unlock();
    if (unlikely(last || mp__main.ended))
        mp__lot_wake(&mp__live, INT32_MAX);
    if (detached)
        mp__thread_free(thread);
    else if (unlikely(several) ||
             __atomic_load_n(&thread->detached, __ATOMIC_SEQ_CST) > 1)
        mp__lot_wake(&thread->ended, INT32_MAX);
}

/* pthread_exit() and cancellation unwind to here; so does a normal end. */
static void run_start(struct mp__thread *self)
{
    __pthread_unwind_buf_t buffer;

    if (mp__set_jump(&buffer, 0) == 0) {
        __pthread_register_cancel(&buffer);
        self->result = self->start(self->arg);
    }
}

/* What exit() runs is the last thread's still, its signals too. */
void mp__thread_exit_if_last(void)
{
    bool last = likely(!mp__several)
                    ? --mp__staying == 0
                    : __atomic_sub_fetch(&mp__staying, 1, __ATOMIC_SEQ_CST) == 0;

    if (unlikely(last) && __atomic_load_n(&mp__natives, __ATOMIC_SEQ_CST) == 0)
        exit(0);
}

static void finish(struct mp__thread *self)
{
    self->exiting = 1;
    mp__thread_destructors();
    mp__thread_exit_if_last();
    mp__mutex_thread_ends(self);
    if (unlikely(self->robust_list != NULL || self->tid_address != NULL))
        mp__words_end(self);
    mp__signals_thread_ends(self);
    mp__cpu_forget(self);
    if (unlikely(mp__blocks_linked))
        mp__unlink_blocks();
    /* Whoever joins may run next: `ended` is set on its stack (thread_left). */
    if (self->detached > 1 && !mp__several)
        mp__lot_wake(&self->ended, INT32_MAX);
    mp__hub->leave(self->identity->os->hub);
}

static void thread_entry(struct greenlet *g)
{
    struct mp__thread *self = mp__self;

    (void)g;
    mp__hub->tls_enter();
    if (unlikely(mp__signal_stacks))
        mp__signal_stack_enter(self);
    if (unlikely(mp__signal_own))
        mp__signal_own_enter(self);
    if (unlikely(mp__cpu_clocks))
        mp__cpu_switch(self);
    if (unlikely((self->signals_pending & ~self->signal_mask) != 0))
        mp__signals_deliver(self);
    run_start(self);
    finish(self);
}

struct wanted {
    size_t stack, guard;
    void *memory;
    int detached;
};

/* What a fresh attribute says: pthread_setattr_default_np() changes it. */
size_t mp__thread_default_size(void)
{
    pthread_attr_t fresh;
    size_t size = 0;

    pthread_attr_init(&fresh);
    pthread_attr_getstacksize(&fresh, &size);
    pthread_attr_destroy(&fresh);
    return size;
}

static bool default_changed;

MP_EXPORT int pthread_setattr_default_np(const pthread_attr_t *attributes)
{
    mp__init();
    default_changed = true;
    return mp__real.pthread_setattr_default_np(attributes);
}

/* libc's default stands for ours; any other size is honoured. */
static void read_attributes(const pthread_attr_t *attr, struct wanted *wanted)
{
    size_t size = 0;
    void *memory = NULL;

    *wanted = (struct wanted){ .guard = 4096,
                               .detached = PTHREAD_CREATE_JOINABLE };
    if (attr == NULL) {
        size = mp__options.libc_stack;
    } else {
        pthread_attr_getdetachstate(attr, &wanted->detached);
        pthread_attr_getguardsize(attr, &wanted->guard);
        pthread_attr_getstacksize(attr, &size);
    }
    wanted->stack = size == mp__options.libc_stack && mp__options.stack != 0
                        ? mp__options.stack
                        : size;
    if (attr != NULL && pthread_attr_getstack(attr, &memory, &size) == 0 &&
        size != 0 && memory != NULL && (uintptr_t)memory + size != 0) {
        wanted->memory = memory;
        wanted->stack = size;
        wanted->guard = 0;
    }
}

static void fill_thread(struct mp__thread *thread,
                        struct mp__carrier *carrier,
                        struct greenlet__mapped *mapped,
                        const struct wanted *wanted)
{
    char *pointer = mapped->thread.thread_pointer;

    thread->mapped = mapped;
    thread->carrier = carrier;
    thread->io_budget = MP_IO_BUDGET;
    thread->identity = &mapped->thread;
    thread->handle = (pthread_t)(pointer + mp__hub->tls->pthread_start);
    thread->id = new_id();
    thread->detached = wanted->detached == PTHREAD_CREATE_DETACHED;
    thread->stack_size = wanted->stack & ~(size_t)63; /* as libc's */
    thread->guard_size = wanted->guard;
    memcpy(thread->name, mp__self->name, sizeof thread->name);
    mapped->thread.main.on_left = thread_left;
    set_self(pointer, thread);
}

/* Small stacks get room for what the program does not know of: a signal that is for
 * another thread, and one of the library's own, may come on top of its handler, 3.4 KiB
 * each with the registers of AVX-512. */
enum { SMALL = 64 * 1024, ROOM = 16 * 1024 };

static struct greenlet__mapped *map(struct mp__carrier *carrier,
                                    const struct wanted *wanted)
{
    size_t room = wanted->memory == NULL && wanted->stack < SMALL ? ROOM : 0;

    return mp__hub->map_thread(carrier->hub, wanted->stack + room, wanted->guard,
                               sizeof(struct mp__thread), wanted->memory);
}

/* Without memory for one more, those that are ready may come to their end: a program
 * may try until it can be had. */
static int spawn(pthread_t *handle, const pthread_attr_t *attr,
                 void *(*start)(void *), void *arg)
{
    struct mp__carrier *carrier;
    struct greenlet__mapped *mapped;
    struct mp__thread *thread;
    struct wanted wanted;
    int rc;

    read_attributes(attr, &wanted);
    mp__preempt_begin();
    carrier = mp__carrier_choose();
    mapped = map(carrier, &wanted);
    if (unlikely(mapped == NULL)) {
        mp__yield();
        mapped = map(carrier, &wanted);
    }
    if (mapped == NULL)
        return EAGAIN;
    thread = mapped->room;
    fill_thread(thread, carrier, mapped, &wanted);
    thread->start = start;
    thread->arg = arg;
    rc = mp__sched_created(thread, attr);
    if (rc != 0) {
        mp__thread_free(thread);
        return rc == ENOMEM ? EAGAIN : rc;
    }
    mp__signals_thread_begins(thread, attr);
    mp__hub->prepare(&mapped->thread.main, mapped->tls_start, thread_entry);
    link_thread(thread);
    mp__count(threads);
    *handle = thread->handle;
    mp__carrier_begin(thread);
    mp__io_spend(); /* their stacks are used again when some have ended */
    return 0;
}

int mp__thread_spawn(pthread_t *handle, const pthread_attr_t *attr,
                     void *(*start)(void *), void *arg)
{
    pthread_attr_t usual;
    int rc;

    if (likely(attr != NULL || !default_changed))
        return spawn(handle, attr, start, arg);
    rc = pthread_getattr_default_np(&usual);
    if (rc != 0)
        return rc == ENOMEM ? EAGAIN : rc;
    rc = spawn(handle, &usual, start, arg);
    pthread_attr_destroy(&usual);
    return rc;
}

MP_EXPORT int pthread_create(pthread_t *handle, const pthread_attr_t *attr,
                             void *(*start)(void *), void *arg)
{
    int saved = errno, rc;

    mp__init();
    if (mp__in_vfork_child || mp__start() < 0 || mp__self == NULL)
        return mp__real.pthread_create(handle, attr, start, arg);
    rc = unlikely(mp__native_thread(start))
             ? mp__native_thread_create(handle, attr, start, arg)
             : mp__thread_spawn(handle, attr, start, arg);
    errno = saved;
    return rc;
}

/* In the child of a fork() the others are gone; their memory comes back. */
void mp__threads_forked(struct mp__thread *self)
{
    struct mp__thread *thread = mp__all, *next;

    for (; thread != NULL; thread = next) {
        next = thread->all_next;
        thread->signals_pending = 0; /* with all that is queued: signal_queue.c */
        thread->signal_queue = NULL;
        if (thread != self && thread != &mp__main)
            mp__thread_free(thread);
    }
    mp__all = self;
    mp__carriers_forked(self);
    self->robust_list = self->tid_address = NULL;
    self->all_next = self->all_prev = NULL;
    mp__live = mp__staying = 1;
}
