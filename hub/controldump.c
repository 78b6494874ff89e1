/* controldump.c - what all threads do, copied for one who asks at the control
 * socket
 *
 * The program goes on meanwhile.  The list of threads is taken first; then of each
 * its own data and its stack are copied by a system call that fails where a
 * pointer leads nowhere any more, and what has moved between is taken again, or is
 * sent without a stack. */
#include "hub/control.h"
#include "hub/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define TRIES 3
#define SETTLE_NS (3 * HUB_MILLISECOND)
#define SPARE 1024 /* made while others are counted */
#define ROOM_MOST 2048
#define MAIN_MOST ((uintptr_t)64 << 20) /* of the main thread's stack */
#define HUBS 64
#define KINDS 16

/* The highest address of the main thread's stack; ld.so has it. */
extern void *__libc_stack_end;

/* ---- sending ---- */

static void send_all(struct hub__control_out *out, const char *at, size_t left)
{
    while (left > 0 && !out->failed) {
        ssize_t put = send(out->fd, at, left, MSG_NOSIGNAL);

        if (put > 0) {
            at += put;
            left -= (size_t)put;
        } else if (errno != EINTR) {
            out->failed = true;
        }
    }
}

void hub__control_flush(struct hub__control_out *out)
{
    send_all(out, out->buffer, out->used);
    out->used = 0;
}

void hub__control_put(struct hub__control_out *out, const void *bytes,
                      size_t size)
{
    if (size > out->size - out->used)
        hub__control_flush(out);
    if (size > out->size) {
        send_all(out, bytes, size);
        return;
    }
    memcpy(out->buffer + out->used, bytes, size);
    out->used += size;
}

/* ---- one dump ---- */

/* Of a hub, which may be gone by now. */
struct seen {
    struct control__hub head;
    const struct hub *hub;
    const struct greenlet__os *os;
    const struct greenlet__thread *first;
};

struct dump {
    const struct hub__control *control;
    struct hub__control_out *out;
    size_t stack; /* bytes of each */
    int64_t now;
    struct hub__control_listed *listed;
    size_t count, room;
    struct seen hubs[HUBS];
    int hub_count;
    struct { /* of kinds of waits: there are few */
        const void *kind;
        char name[32];
    } kinds[KINDS];
    char *bytes; /* of one stack */
};

/* One greenlet, as it was at one moment: if `again` is the same as what was
 * copied first, it has not run between. */
struct copied {
    struct greenlet__mapped whole; /* of one that is not mapped: its greenlet */
    _Alignas(16) char room[ROOM_MOST];
    struct greenlet again;
    size_t stack;
};

static void put_record(struct dump *dump, enum control__kind kind,
                       const void *head, size_t size, const void *tail,
                       size_t more)
{
    struct control__record record = { kind, (uint32_t)(size + more) };

    hub__control_put(dump->out, &record, sizeof record);
    hub__control_put(dump->out, head, size);
    if (more > 0)
        hub__control_put(dump->out, tail, more);
}

static void put_maps(struct dump *dump)
{
    char text[4096];
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (got = read(fd, text, sizeof text)) > 0)
        put_record(dump, CONTROL_MAPS, text, (size_t)got, NULL, 0);
    if (fd >= 0)
        close(fd);
}

/* ---- a greenlet ---- */

static const struct greenlet__mapped *whole_of(const struct greenlet *g)
{
    return container_of(container_of(g, struct greenlet__thread, main),
                        struct greenlet__mapped, thread);
}

/* Where its stack may lie. */
static void find_bounds(const struct greenlet *g, const struct copied *copied,
                        bool mapped, uint64_t *low, uint64_t *high)
{
    const struct greenlet *copy = &copied->whole.thread.main;
    uintptr_t sp = (uintptr_t)copy->context;
    uintptr_t end = (uintptr_t)__libc_stack_end;

    *low = *high = 0;
    if (copy->slot.size != 0) {
        *low = (uint64_t)(uintptr_t)copy->slot.base + copy->slot.guard;
        *high = mapped ? (uint64_t)(uintptr_t)copied->whole.tls_start
                       : (uint64_t)(uintptr_t)g;
    } else if (sp < end && end - sp < MAIN_MOST) {
        *high = end;
    }
}

/* All pieces, the last one last.  Where the kernel does not do that, one by one. */
static bool copy_pieces(const struct iovec *to, const struct iovec *from,
                        size_t count)
{
    size_t size = 0;
    ssize_t got;

    for (size_t i = 0; i < count; i++)
        size += to[i].iov_len;
    got = process_vm_readv(getpid(), to, count, from, count, 0);
    if (got >= 0 || (errno != ENOSYS && errno != EPERM))
        return got == (ssize_t)size;
    for (size_t i = 0; i < count; i++)
        if (!hub__scan_copy(to[i].iov_base, from[i].iov_base, to[i].iov_len))
            return false;
    return true;
}

/* `sp`: where its stack begins; 0: leave that alone. */
static bool copy_all(struct dump *dump, const struct hub__control_listed *listed,
                     uintptr_t sp, size_t stack, struct copied *to)
{
    const struct greenlet *g = listed->greenlet;
    struct iovec into[4], from[4];
    size_t count = 0;

#define PIECE(buffer, place, size)                          \
    do {                                                    \
        into[count] = (struct iovec){ (buffer), (size) };   \
        from[count++] = (struct iovec){                     \
            (void *)(uintptr_t)(place), (size)              \
        };                                                  \
    } while (0)
    if (listed->mapped)
        PIECE(&to->whole, whole_of(g), sizeof to->whole);
    else
        PIECE(&to->whole.thread.main, g, sizeof *g);
    if (listed->room != NULL)
        PIECE(to->room, listed->room, dump->control->room_size);
    if (stack > 0)
        PIECE(dump->bytes, sp, stack);
    PIECE(&to->again, g, offsetof(struct greenlet, hub_data));
#undef PIECE
    to->stack = stack;
    return copy_pieces(into, from, count);
}

static size_t stack_size(const struct dump *dump, uint64_t sp, uint64_t low,
                         uint64_t high)
{
    if (sp == 0 || sp < low || sp >= high)
        return 0;
    return high - sp < dump->stack ? (size_t)(high - sp) : dump->stack;
}

static bool is_same(const struct copied *copied, uint64_t sp)
{
    const struct greenlet *copy = &copied->whole.thread.main;

    return copy->context == copied->again.context &&
           copy->state == copied->again.state &&
           copy->next == copied->again.next &&
           (copied->stack == 0 || (uint64_t)(uintptr_t)copy->context == sp);
}

/* Without its stack first: that says where its stack is. */
static bool take(struct dump *dump, const struct hub__control_listed *listed,
                 struct copied *copied, struct control__thread *thread)
{
    const struct greenlet *copy = &copied->whole.thread.main;
    size_t stack = 0;
    uint64_t sp;

    if (!copy_all(dump, listed, 0, 0, copied))
        return false;
    for (int i = 0; i < TRIES; i++) {
        find_bounds(listed->greenlet, copied, listed->mapped, &thread->low,
                    &thread->high);
        sp = (uint64_t)(uintptr_t)copy->context;
        if (copy->state == GREENLET_ACTIVE || copy->state == GREENLET_WAITING)
            stack = stack_size(dump, sp, thread->low, thread->high);
        if (!copy_all(dump, listed, sp, stack, copied))
            stack = 0;
        else if (is_same(copied, sp)) {
            thread->sp = stack > 0 ? sp : 0;
            return true;
        }
    }
    thread->flags |= CONTROL_MOVED;
    copied->stack = 0;
    return copy_all(dump, listed, 0, 0, copied);
}

/* ---- what it waits for ---- */

static const char *name_of(struct dump *dump, const struct hub__wait_kind *kind)
{
    struct hub__wait_kind copy;
    int i = 0;

    for (; i < KINDS - 1 && dump->kinds[i].kind != NULL; i++)
        if (dump->kinds[i].kind == kind)
            return dump->kinds[i].name;
    memset(dump->kinds[i].name, 0, sizeof dump->kinds[i].name);
    dump->kinds[i].kind = kind;
    if (hub__scan_copy(&copy, kind, sizeof copy) &&
        !hub__scan_copy(dump->kinds[i].name, copy.name,
                        sizeof dump->kinds[i].name - 1))
        dump->kinds[i].name[0] = '\0';
    return dump->kinds[i].name;
}

/* Its waiter lies on its stack, as a rule on what was copied. */
static bool find_waiter(const struct dump *dump, uint64_t sp, size_t stack,
                        const struct hub__waiter *at, struct hub__waiter *copy)
{
    uint64_t place = (uint64_t)(uintptr_t)at - sp;

    if (stack >= sizeof *copy && place <= stack - sizeof *copy) {
        memcpy(copy, dump->bytes + place, sizeof *copy);
        return true;
    }
    return at != NULL && hub__scan_copy(copy, at, sizeof *copy);
}

static void describe_wait(struct dump *dump, struct control__thread *thread,
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
    /* Behind the word of a mutex is whose it is. */
    if (thread->object > UINT32_MAX && strcmp(thread->kind, "lock") == 0)
        hub__scan_copy(&thread->owner, (const char *)waiter->object + 8,
                       sizeof thread->owner);
}

static uint32_t state_of(const struct greenlet *copy)
{
    switch (copy->state) {
    case GREENLET_NEW:
        return CONTROL_NEW;
    case GREENLET_ACTIVE:
    case GREENLET_WAITING:
        return CONTROL_READY;
    default:
        return CONTROL_ENDED;
    }
}

static void find_hub(const struct dump *dump, const struct greenlet *g,
                     const struct copied *copied, bool mapped,
                     struct control__thread *thread)
{
    for (int i = 0; i < dump->hub_count; i++) {
        const struct seen *seen = &dump->hubs[i];

        if (mapped ? copied->whole.thread.os == seen->os
                   : copied->whole.thread.main.thread == seen->first)
            thread->hub = seen->head.id;
        if ((uint64_t)(uintptr_t)g == seen->head.loop)
            thread->flags |= CONTROL_IS_LOOP;
    }
}

static void fill(struct control__thread *thread, const struct greenlet *copy)
{
    thread->left_ns = -1;
    thread->state = state_of(copy);
    if (copy->is_main)
        thread->flags |= CONTROL_IS_MAIN;
    if (copy->has & HAS_NAME)
        memcpy(thread->name, copy->name, sizeof thread->name - 1);
}

static void put_greenlet(struct dump *dump,
                         const struct hub__control_listed *listed)
{
    struct control__thread thread;
    struct copied copied;
    struct hub__waiter waiter;
    struct greenlet *copy = &copied.whole.thread.main;

    memset(&thread, 0, sizeof thread);
    if (!take(dump, listed, &copied, &thread))
        return; /* it has ended */
    thread.greenlet = (uint64_t)(uintptr_t)listed->greenlet;
    fill(&thread, copy);
    find_hub(dump, listed->greenlet, &copied, listed->mapped, &thread);
    if (listed->room != NULL) {
        thread.flags |= CONTROL_IS_THREAD;
        thread.room = (uint64_t)(uintptr_t)listed->room;
        thread.room_size = dump->control->room_size;
        dump->control->describe(copied.room, &thread);
    }
    if (copy->state == GREENLET_WAITING &&
        find_waiter(dump, thread.sp, copied.stack, hub__own(copy)->waiter,
                    &waiter))
        describe_wait(dump, &thread, &waiter);
    put_record(dump, CONTROL_THREAD, &thread, sizeof thread, dump->bytes,
               copied.stack);
}

/* ---- a hub ---- */

static bool polls(const struct hub *hub)
{
    return __atomic_load_n(&hub->dozes, __ATOMIC_RELAXED);
}

/* Its thread has the same greenlet run for so long that it is worth a look. */
static uint32_t what_does(const struct hub *hub, uint64_t *switches)
{
    uint64_t words[HUB__CALL_WORDS];
    uint32_t never = 0;

    *switches = greenlet__read(hub->switches);
    if (polls(hub))
        return CONTROL_POLLS;
    hub__raw_wait(&never, 0, SETTLE_NS);
    if (polls(hub))
        return CONTROL_POLLS;
    if (greenlet__read(hub->switches) != *switches)
        return CONTROL_SWITCHES;
    return hub__scan_call(hub->sight->tid, words) ? CONTROL_SLEEPS
                                                  : CONTROL_COMPUTES;
}

/* On whose stack that is. */
static void find_stack(struct dump *dump, uint64_t sp,
                       struct control__running *running)
{
    uintptr_t end = (uintptr_t)__libc_stack_end;
    struct copied copied;
    uint64_t low, high;

    if (sp < end && end - sp < MAIN_MOST)
        running->high = end;
    for (size_t i = 0; i < dump->count; i++) {
        const struct hub__control_listed *listed = &dump->listed[i];

        if (!copy_all(dump, listed, 0, 0, &copied))
            continue;
        find_bounds(listed->greenlet, &copied, listed->mapped, &low, &high);
        if (low == 0 || sp < low || sp >= high)
            continue;
        running->low = low;
        running->high = high;
        return;
    }
}

static void put_sleeping(struct dump *dump, const struct seen *seen,
                         struct control__running *running)
{
    uint64_t words[HUB__CALL_WORDS], sp;
    size_t stack;

    if (!hub__scan_call(seen->head.tid, words))
        return;
    running->call = (int64_t)words[0];
    sp = words[HUB__CALL_STACK];
    running->registers[CONTROL_SP] = sp;
    running->registers[CONTROL_PC] = words[HUB__CALL_CODE];
    find_stack(dump, sp, running);
    stack = stack_size(dump, sp, running->low, running->high);
    if (stack > 0 &&
        !hub__scan_copy(dump->bytes, (const void *)(uintptr_t)sp, stack))
        stack = 0;
    put_record(dump, CONTROL_RUNNING, running, sizeof *running, dump->bytes,
               stack);
}

static void put_computing(struct dump *dump, const struct seen *seen,
                          struct control__running *running)
{
    size_t stack = dump->control->interrupt(seen->head.tid, running->registers,
                                            dump->bytes, dump->stack);

    if (stack == 0)
        return;
    running->exact = 1;
    find_stack(dump, running->registers[CONTROL_SP], running);
    if (running->high - running->registers[CONTROL_SP] < stack)
        stack = (size_t)(running->high - running->registers[CONTROL_SP]);
    put_record(dump, CONTROL_RUNNING, running, sizeof *running, dump->bytes,
               stack);
}

static void look_at(const struct hub *hub, struct seen *seen)
{
    const struct hub__look *look = &hub->sight->look;
    struct control__hub *head = &seen->head;

    memset(seen, 0, sizeof *seen);
    seen->hub = hub;
    seen->os = hub->os;
    seen->first = hub->os->first;
    head->id = hub->id;
    head->tid = hub->sight->tid;
    head->loop = (uint64_t)(uintptr_t)hub->greenlet;
    head->doing = what_does(hub, &head->switches);
    if (head->doing >= CONTROL_COMPUTES)
        head->unmoved_ns = look->since != 0 && look->unmoved == head->switches
                               ? hub_now() - look->since
                               : SETTLE_NS;
}

static void look_at_hubs(struct dump *dump)
{
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL && dump->hub_count < HUBS;
         hub = hub->next_hub)
        look_at(hub, &dump->hubs[dump->hub_count++]);
    hub__all_unlock();
}

static void put_hub(struct dump *dump, const struct seen *seen)
{
    struct control__running running = { .call = -1, .hub = seen->head.id };

    put_record(dump, CONTROL_HUB, &seen->head, sizeof seen->head, NULL, 0);
    if (seen->head.doing == CONTROL_SLEEPS)
        put_sleeping(dump, seen, &running);
    else if (seen->head.doing == CONTROL_COMPUTES)
        put_computing(dump, seen, &running);
}

/* ---- all ---- */

static int add_each(struct greenlet *g, void *data)
{
    struct dump *dump = data;

    if (dump->count < dump->room)
        dump->listed[dump->count++] =
            (struct hub__control_listed){ .greenlet = g };
    return 0;
}

static bool collect(struct dump *dump)
{
    dump->room = dump->control->count() + greenlet__slots_made() + SPARE;
    dump->listed = mmap(NULL, dump->room * sizeof *dump->listed,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0);
    if (dump->listed == MAP_FAILED)
        return false;
    dump->count = dump->control->list(dump->listed, dump->room);
    greenlet_each(add_each, dump);
    return true;
}

static void put_all(struct dump *dump)
{
    uint64_t greeting = CONTROL_GREETING;

    hub__control_put(dump->out, &greeting, sizeof greeting);
    put_maps(dump);
    look_at_hubs(dump);
    dump->now = hub_now();
    for (int i = 0; i < dump->hub_count; i++)
        put_hub(dump, &dump->hubs[i]);
    for (size_t i = 0; i < dump->count && !dump->out->failed; i++)
        put_greenlet(dump, &dump->listed[i]);
    put_record(dump, CONTROL_END, NULL, 0, NULL, 0);
    hub__control_flush(dump->out);
}

void hub__control_dump(const struct hub__control *control,
                       struct hub__control_out *out, size_t stack)
{
    struct dump dump;

    memset(&dump, 0, sizeof dump);
    dump.control = control;
    dump.out = out;
    dump.stack = stack;
    if (control->room_size > ROOM_MOST || !collect(&dump))
        return;
    dump.bytes = mmap(NULL, stack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (dump.bytes != MAP_FAILED) {
        put_all(&dump);
        munmap(dump.bytes, stack);
    }
    munmap(dump.listed, dump.room * sizeof *dump.listed);
}
