/* controlthread.c - one greenlet, copied for one who asks at the control socket
 *
 * A thread that is visited cannot end, and its stack is memory as long as it is;
 * but it may run, and change both.  What has changed is taken again. */
#include "hub/controldump_impl.h"

#include <stddef.h>
#include <string.h>

#define TRIES 3
#define MAIN_MOST ((uintptr_t)64 << 20) /* of the main thread's stack */

/* The highest address of the main thread's stack; ld.so has it. */
extern void *__libc_stack_end;

/* Written by another thread all the time: a race that is meant. */
#define RACES __attribute__((no_sanitize("thread", "address", "undefined"), noinline))

/* ---- copies ---- */

/* Not memcpy(), by which a sanitizer would look at what is read: stacks of others.
 * The sizes of what is copied are multiples of a word. */
static RACES void copy_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (; count >= 4; count -= 4, to += 4, from += 4) {
        uint64_t a = from[0], b = from[1], c = from[2], d = from[3];

        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
    }
    for (; count > 0; count--, to++, from++) {
        uint64_t a = *from;

        __asm__ volatile("" : "+r"(a));
        *to = a;
    }
}

/* `stays`: it is memory for certain. */
static bool copy(void *to, const void *from, size_t size, bool stays)
{
    if (!stays)
        return hub__scan_copy(to, from, size);
    copy_words(to, from, size / sizeof(uint64_t));
    return true;
}

static const struct greenlet__mapped *whole_of(const struct greenlet *g)
{
    return container_of(container_of(g, struct greenlet__thread, main),
                        struct greenlet__mapped, thread);
}

/* A mapped one with its identity. */
struct copied {
    _Alignas(16) struct greenlet__mapped whole;
    uint64_t low, high; /* its stack; low 0: not known */
};
_Static_assert(sizeof(struct greenlet__mapped) % 8 == 0 &&
                   sizeof(struct greenlet) % 8 == 0,
               "copied by words");
static void find_bounds(const struct hub__control_listed *listed,
                        struct copied *copied)
{
    const struct greenlet *g = &copied->whole.thread.main;
    uintptr_t sp = (uintptr_t)g->context, end = (uintptr_t)__libc_stack_end;

    copied->low = copied->high = 0;
    if (g->slot.size != 0) {
        copied->low = (uint64_t)(uintptr_t)g->slot.base + g->slot.guard;
        copied->high = listed->mapped
                           ? (uint64_t)(uintptr_t)copied->whole.tls_start
                           : (uint64_t)(uintptr_t)listed->greenlet;
    } else if (sp < end && end - sp < MAIN_MOST) {
        copied->high = end;
    }
}

/* What is looked at, of so many that no cache has them all. */
#define FIRST offsetof(struct greenlet__mapped, thread.os)
#define LAST (offsetof(struct greenlet__mapped, thread.main.slot) + \
              sizeof(struct greenlet__slot))
_Static_assert(FIRST % 8 == 0 && LAST % 8 == 0, "copied by words");

/* A mapped one stays as long as it is visited. */
static void copy_mapped(const struct greenlet__mapped *from,
                        struct greenlet__mapped *to)
{
    struct greenlet *g = &to->thread.main;

    copy_words((void *)((char *)to + FIRST), (const void *)((const char *)from + FIRST),
               (LAST - FIRST) / sizeof(uint64_t));
    copy_words((void *)&to->tls_start, (const void *)&from->tls_start, 1);
    if (g->has & HAS_NAME)
        copy_words((void *)g->name, (const void *)from->thread.main.name,
                   sizeof g->name / sizeof(uint64_t));
}

static bool copy_head(const struct hub__control_listed *listed,
                      struct copied *copied)
{
    const struct greenlet *g = listed->greenlet;

    if (listed->mapped)
        copy_mapped(whole_of(g), &copied->whole);
    else if (!copy(&copied->whole.thread.main, g, sizeof *g, listed->room != NULL))
        return false;
    find_bounds(listed, copied);
    return true;
}

/* Has it not run since it was copied? */
static RACES bool is_same(const struct greenlet *g, const struct greenlet *was)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&g->context, __ATOMIC_RELAXED) == was->context &&
           __atomic_load_n(&g->state, __ATOMIC_RELAXED) == was->state &&
           __atomic_load_n(&g->next, __ATOMIC_RELAXED) == was->next;
}

static size_t stack_size(size_t most, const struct copied *copied)
{
    const struct greenlet *g = &copied->whole.thread.main;
    uint64_t sp = (uint64_t)(uintptr_t)g->context;

    if ((g->state != GREENLET_ACTIVE && g->state != GREENLET_WAITING) ||
        sp == 0 || sp % 8 != 0 || sp < copied->low || sp >= copied->high)
        return 0;
    return copied->high - sp < most ? (size_t)(copied->high - sp) & ~(size_t)7
                                    : most;
}

/* Into `bytes`.  Sets thread->sp if all is of one moment. */
static bool take(const struct hub__control_listed *listed, size_t most,
                 struct copied *copied, struct control__thread *thread,
                 char *bytes, size_t *stack)
{
    const struct greenlet *g = &copied->whole.thread.main;
    bool stays = listed->room != NULL;

    for (int i = 0; i < TRIES; i++) {
        if (!copy_head(listed, copied))
            return false;
        *stack = stack_size(most, copied);
        if (!copy(bytes, g->context, *stack, stays))
            *stack = 0;
        if (stays && !is_same(listed->greenlet, g))
            continue;
        thread->low = copied->low;
        thread->high = copied->high;
        thread->sp = *stack > 0 ? (uint64_t)(uintptr_t)g->context : 0;
        return true;
    }
    thread->flags |= CONTROL_MOVED;
    thread->low = copied->low;
    thread->high = copied->high;
    *stack = 0;
    return true;
}

/* ---- what it waits for ---- */

static const char *name_of(struct control__dump *dump,
                           const struct hub__wait_kind *kind)
{
    struct hub__wait_kind seen;
    int i = 0;

    for (; i < CONTROL_KINDS - 1 && dump->kinds[i].kind != NULL; i++)
        if (dump->kinds[i].kind == kind)
            return dump->kinds[i].name;
    memset(dump->kinds[i].name, 0, sizeof dump->kinds[i].name);
    dump->kinds[i].kind = kind;
    if (hub__scan_copy(&seen, kind, sizeof seen) &&
        !hub__scan_copy(dump->kinds[i].name, seen.name,
                        sizeof dump->kinds[i].name - 1))
        dump->kinds[i].name[0] = '\0';
    return dump->kinds[i].name;
}

/* It lies on the stack of the one who waits, as a rule on what was copied. */
static bool find_waiter(uint64_t sp, const char *bytes, size_t stack,
                        const struct hub__waiter *at, struct hub__waiter *found)
{
    uint64_t place = (uint64_t)(uintptr_t)at - sp;

    if (stack >= sizeof *found && place <= stack - sizeof *found) {
        memcpy(found, bytes + place, sizeof *found);
        return true;
    }
    return at != NULL && hub__scan_copy(found, at, sizeof *found);
}

static void describe_wait(struct control__dump *dump,
                          struct control__thread *thread,
                          const struct hub__waiter *waiter)
{
    if (waiter->state == WAITER_CLAIMED)
        return;
    thread->state = CONTROL_WAITS;
    thread->waited_ns = dump->now - waiter->since;
    if (waiter->timer.slot != HUB__NO_INDEX)
        thread->left_ns = waiter->timer.deadline - dump->now;
    if (waiter->kind == NULL)
        return;
    strncpy(thread->kind, name_of(dump, waiter->kind), sizeof thread->kind - 1);
    thread->object = (uint64_t)(uintptr_t)waiter->object;
}

/* Locks that say whose they are, and where: of libc's format, or of the preload
 * library's. */
static const struct {
    char kind[16];
    int owner, readers; /* from the object on; 0: no word for that */
} owned[] = { { "mutex", 8, 0 }, { "shared mutex", -8, 0 }, { "rwlock", 24, 1 } };
#define READERS 0x1fffff /* of the first word, if nobody has it for writing */

static int owned_by(const char *kind)
{
    for (int i = 0; i < (int)(sizeof owned / sizeof *owned); i++)
        if (strcmp(kind, owned[i].kind) == 0)
            return i;
    return -1;
}

void control__find_owners(struct control__dump *dump)
{
    for (int i = 0; i < dump->lock_count; i++) {
        struct control__thread *thread =
            (void *)(dump->out->buffer + dump->locks[i]);
        int at = owned_by(thread->kind);
        const char *object = (const char *)(uintptr_t)thread->object;

        hub__scan_copy(&thread->owner, object + owned[at].owner,
                       sizeof thread->owner);
        if (owned[at].readers && thread->owner == 0 &&
            hub__scan_copy(&thread->readers, object, sizeof thread->readers))
            thread->readers &= READERS;
    }
    dump->lock_count = 0;
}

/* ---- a record ---- */

static uint32_t state_of(const struct greenlet *g)
{
    switch (g->state) {
    case GREENLET_NEW:
        return CONTROL_NEW;
    case GREENLET_ACTIVE:
    case GREENLET_WAITING:
        return CONTROL_READY;
    default:
        return CONTROL_ENDED;
    }
}

static void find_hub(const struct control__dump *dump,
                     const struct hub__control_listed *listed,
                     const struct copied *copied,
                     struct control__thread *thread)
{
    for (int i = 0; i < dump->hub_count; i++) {
        const struct control__seen *seen = &dump->hubs[i];

        if (listed->mapped ? copied->whole.thread.os == seen->os
                           : copied->whole.thread.main.thread == seen->first)
            thread->hub = seen->head.id;
        if ((uint64_t)(uintptr_t)listed->greenlet == seen->head.loop)
            thread->flags |= CONTROL_IS_LOOP;
    }
}

static bool fill(struct control__dump *dump,
                 const struct hub__control_listed *listed,
                 struct control__thread *thread, char *bytes, size_t *stack)
{
    struct copied copied;
    struct greenlet *g = &copied.whole.thread.main;
    struct hub__waiter waiter;

    memset(thread, 0, sizeof *thread);
    if (!take(listed, dump->stack, &copied, thread, bytes, stack))
        return false;
    thread->greenlet = (uint64_t)(uintptr_t)listed->greenlet;
    thread->left_ns = -1;
    thread->state = state_of(g);
    if (g->is_main)
        thread->flags |= CONTROL_IS_MAIN;
    if (g->has & HAS_NAME)
        memcpy(thread->name, g->name, sizeof thread->name - 1);
    find_hub(dump, listed, &copied, thread);
    if (listed->room != NULL) {
        thread->flags |= CONTROL_IS_THREAD;
        thread->room = (uint64_t)(uintptr_t)listed->room;
        thread->room_size = dump->control->room_size;
        dump->control->describe(listed->room, thread);
    }
    if (g->state == GREENLET_WAITING && thread->state == CONTROL_READY &&
        find_waiter(thread->sp, bytes, *stack, hub__own(g)->waiter, &waiter))
        describe_wait(dump, thread, &waiter);
    return true;
}

#define LINE ((size_t)64)
#define AHEAD (24 * LINE) /* of a stack: the processor goes on by itself */

/* The head of the one after the next, and the stack of the next, whose head is there. */
static RACES void fetch(const struct hub__control_listed *listed)
{
    const char *head = listed->next[1] == NULL
                           ? NULL
                           : (const char *)whole_of(listed->next[1]);
    const char *stack = listed->next[0] == NULL
                            ? NULL
                            : __atomic_load_n(&listed->next[0]->context,
                                              __ATOMIC_RELAXED);

    for (size_t at = FIRST; at < LAST && head != NULL; at += LINE)
        __builtin_prefetch(head + at);
    if (head != NULL)
        __builtin_prefetch(head + offsetof(struct greenlet__mapped, tls_start));
    for (size_t at = 0; at < AHEAD && stack != NULL; at += LINE)
        __builtin_prefetch(stack + at);
}

/* Straight into the buffer: head, thread, stack. */
static void put(struct control__dump *dump,
                const struct hub__control_listed *listed)
{
    struct hub__control_out *out = dump->out;
    struct control__record *head = (void *)(out->buffer + out->used);
    struct control__thread *thread = (void *)(head + 1);
    size_t stack = 0;

    if (!fill(dump, listed, thread, (char *)(thread + 1), &stack))
        return;
    if (thread->object != 0 && owned_by(thread->kind) >= 0 &&
        dump->lock_count < CONTROL_LOCKS)
        dump->locks[dump->lock_count++] = out->used + sizeof *head;
    if (stack > 0)
        thread->like = control__shape_find(&dump->shapes, thread->greenlet,
                                           thread->sp, thread->high,
                                           (char *)(thread + 1), stack);
    if (thread->like != 0)
        stack = 0;
    *head = (struct control__record){ CONTROL_THREAD,
                                      (uint32_t)(sizeof *thread + stack) };
    out->used += sizeof *head + head->size;
}

static bool has_room(const struct control__dump *dump)
{
    return dump->out->size - dump->out->used >=
           sizeof(struct control__record) + sizeof(struct control__thread) +
               dump->stack;
}

bool control__put_listed(const struct hub__control_listed *listed, void *data)
{
    struct control__dump *dump = data;

    if (!has_room(dump))
        return false;
    fetch(listed);
    put(dump, listed);
    return true;
}

void control__put_own(struct control__dump *dump, const struct greenlet *g)
{
    const struct hub__control_listed listed = { .greenlet = g };

    if (!has_room(dump))
        hub__control_flush(dump->out);
    put(dump, &listed);
    dump->lock_count = 0;
}

/* ---- whose stack ---- */

struct search {
    uint64_t sp, low, high;
};

static bool look_whether(const struct hub__control_listed *listed, void *data)
{
    struct search *search = data;
    struct copied copied;

    if (!copy_head(listed, &copied) || copied.low == 0 ||
        search->sp < copied.low || search->sp >= copied.high)
        return true;
    search->low = copied.low;
    search->high = copied.high;
    return false;
}

void control__find_stack(struct control__dump *dump, uint64_t sp, uint64_t *low,
                         uint64_t *high)
{
    uintptr_t end = (uintptr_t)__libc_stack_end;
    struct search search = { sp, 0, 0 };

    if (sp < end && end - sp < MAIN_MOST)
        search.high = end;
    dump->control->visit(true, look_whether, &search);
    *low = search.low;
    *high = search.high;
}
