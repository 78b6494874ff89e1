/* deadlock_scan.c - is there a thread that can never go on?
 *
 * Who waits for a mutex, a read-write lock that is held for writing or the end of
 * a thread waits for one thread.  If these waits lead in a circle, nobody in it
 * goes on, whatever others do.  Other waits anybody may end: nobody can if all
 * threads wait so, no time is waited for, no file and no helper, there is no
 * thread but those, and the program has no handler of a signal that could.
 *
 * Threads may run meanwhile: what is found counts once it is found twice, a second
 * apart, with the same waits (deadlock.c).  A wait is known by its waiter and by
 * when it began, so who is in it both times has been in it in between, and holds
 * what it held. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/clone.h"
#include "monkeypatch/deadlock.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/signal_impl.h"
#include "monkeypatch/sync_gate.h"
#include "monkeypatch/sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BATCH 128 /* threads for which nobody can end, at once */
#define OLD_NS 1000000000 /* waits that are looked at */

/* Whom a wait is for. */
enum who { ANYBODY, ANYBODY_OR_HANDLER, OWNER };

static const uint8_t whose[] = {
    [MP_OF(MP_OF_MUTEX)] = OWNER,
    [MP_OF(MP_OF_GATE)] = OWNER,
    [MP_OF(MP_OF_READ)] = OWNER,
    [MP_OF(MP_OF_WRITE)] = OWNER,
    [MP_OF(MP_OF_COND)] = ANYBODY_OR_HANDLER,
    [MP_OF(MP_OF_SEM)] = ANYBODY_OR_HANDLER,
    [MP_OF(MP_OF_BARRIER)] = ANYBODY,
    [MP_OF(MP_OF_ONCE)] = ANYBODY,
    [MP_OF(MP_OF_JOIN)] = OWNER,
    [MP_OF(MP_OF_END)] = ANYBODY,
    [MP_OF(MP_OF_FUTEX)] = ANYBODY_OR_HANDLER,
};

struct scan {
    int64_t now;
    size_t threads, alive; /* those that may go on by themselves */
    size_t owned;          /* old waits for one thread */
    bool handled;          /* a wait that a handler may end */
    bool young;            /* one that is not old yet */
    struct mp__stuck *list;
    size_t count, room;
};

/* ---- one thread ---- */

/* As a rule it is on the thread's own stack, which stays while nobody can end. */
static bool copy_waiter(const struct mp__thread *thread,
                        const struct hub__waiter *from, struct hub__waiter *to)
{
    const struct greenlet__slot *slot = &thread->identity->main.slot;
    uintptr_t at = (uintptr_t)from, low = (uintptr_t)slot->base + slot->guard;

    if (thread->mapped == NULL || at < low ||
        at + sizeof *to > (uintptr_t)thread)
        return mp__hub->tools.scan_copy(to, from, sizeof *to);
    memcpy(to, from, sizeof *to);
    return true;
}

static uint32_t word_at(const void *object, size_t at)
{
    uint32_t word;

    return mp__hub->tools.scan_copy(&word, (const char *)object + at,
                                    sizeof word)
               ? word
               : 0;
}

static uint32_t gate_owner(const void *word)
{
    return word_at((const char *)word - offsetof(struct sync_gate, word),
                   offsetof(struct sync_gate, owner));
}

static uint32_t owner_of(unsigned of, const void *object)
{
    switch (of << MP_OF_SHIFT) {
    case MP_OF_MUTEX:
        return word_at(object, offsetof(pthread_mutex_t, __data.__owner));
    case MP_OF_GATE:
        return gate_owner(object);
    case MP_OF_READ:
    case MP_OF_WRITE:
        return word_at(object, offsetof(pthread_rwlock_t, __data.__cur_writer));
    case MP_OF_JOIN:
        return word_at((const char *)object -
                           offsetof(struct mp__thread, ended),
                       offsetof(struct mp__thread, id));
    default:
        return 0;
    }
}

/* False: it runs, is about to, or waits for something else, or for a time. */
static bool look_at(const struct mp__thread *thread, struct mp__stuck *stuck)
{
    const struct hub__waiter *waiter = greenlet__read(thread->parked);
    unsigned of = MP_OF(greenlet__read(thread->parked_flags));
    struct hub__waiter copy;

    if (waiter == NULL || of == 0 || of >= sizeof whose ||
        greenlet__read(thread->identity->main.state) != GREENLET_WAITING ||
        !copy_waiter(thread, waiter, &copy) || copy.state != WAITER_WAITING ||
        copy.timer.slot != HUB__NO_INDEX)
        return false;
    *stuck = (struct mp__stuck){ .id = thread->id,
                                 .of = of,
                                 .next = -1,
                                 .object = copy.object,
                                 .waiter = waiter,
                                 .since = copy.since };
    return true;
}

static void take(struct scan *scan, const struct mp__thread *thread)
{
    struct mp__stuck stuck;
    bool waits = look_at(thread, &stuck);

    scan->threads++;
    if (!waits || scan->now - stuck.since < OLD_NS) {
        scan->alive++;
        scan->young |= waits;
        return;
    }
    scan->owned += whose[stuck.of] == OWNER;
    scan->handled |= whose[stuck.of] == ANYBODY_OR_HANDLER;
    if (scan->list == NULL)
        return;
    if (scan->count == scan->room) { /* new ones, since it was measured */
        scan->alive++;
        return;
    }
    stuck.owner = owner_of(stuck.of, stuck.object);
    scan->list[scan->count++] = stuck;
}

/* ---- all ---- */

static bool visit_some(struct scan *scan, bool first)
{
    struct mp__thread **cursor = &mp__all_cursors[MP_CURSOR_MONITOR];
    uint64_t before = mp__all_lock_elsewhere();
    bool more;

    if (first)
        *cursor = __atomic_load_n(&mp__all, __ATOMIC_ACQUIRE);
    for (int i = 0; i < BATCH && *cursor != NULL; i++) {
        take(scan, *cursor);
        *cursor = (*cursor)->all_next;
    }
    more = *cursor != NULL;
    mp__all_unlock_elsewhere(before);
    return more;
}

static void visit(struct scan *scan)
{
    bool first = true;

    scan->threads = scan->alive = scan->owned = scan->count = 0;
    scan->handled = scan->young = false;
    while (visit_some(scan, first))
        first = false;
}

static bool all_doze(unsigned *carriers)
{
    struct mp__carrier *carrier = NULL;

    *carriers = 0;
    while ((carrier = mp__carrier_next(carrier)) != NULL) {
        const struct hub *hub = carrier->hub;

        ++*carriers;
        if (hub == NULL || !__atomic_load_n(&hub->dozes, __ATOMIC_RELAXED))
            return false;
    }
    return true;
}

/* Of the process; two hard links more than there are threads. */
static bool has_only_ours(unsigned carriers)
{
    unsigned own = mp__hub->tools.own_threads();
    struct stat st;

    /* The monitor, and who serves the control socket. */
    return own <= 2 &&
           SYS_CALL(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0, 0,
                    0) == 0 &&
           st.st_nlink == 2 + carriers + own + mp__watch_threads();
}

/* One that comes from outside, or from a timer.  Not those of a fault. */
static bool has_handler(void)
{
    const uint64_t faults = mp__signal_bit(SIGSEGV) | mp__signal_bit(SIGBUS) |
                            mp__signal_bit(SIGILL) | mp__signal_bit(SIGFPE) |
                            mp__signal_bit(SIGTRAP) | mp__signal_bit(SIGSYS);
    bool restarts;

    for (int number = 1; number <= MP_SIGNALS; number++)
        if ((faults & mp__signal_bit(number)) == 0 &&
            mp__signal_has_handler(number, &restarts))
            return true;
    return false;
}

static bool nobody_can(const struct scan *scan)
{
    unsigned carriers;

    return scan->alive == 0 && scan->threads > 0 && all_doze(&carriers) &&
           !__atomic_load_n(&mp__tids_cleared, __ATOMIC_RELAXED) &&
           has_only_ours(carriers);
}

/* ---- who waits for whom ---- */

/* They are nearly in order, the other way round. */
static void sort(struct mp__stuck *list, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct mp__stuck swap = list[i];

        list[i] = list[count - 1 - i];
        list[count - 1 - i] = swap;
    }
    for (size_t gap = count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < count; i++) {
            struct mp__stuck moved = list[i];
            size_t at = i;

            for (; at >= gap && list[at - gap].id > moved.id; at -= gap)
                list[at] = list[at - gap];
            list[at] = moved;
        }
}

static int32_t place_of(const struct scan *scan, uint32_t id)
{
    size_t low = 0, high = scan->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (scan->list[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return id != 0 && low < scan->count && scan->list[low].id == id
               ? (int32_t)low
               : -1;
}

static void link_all(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++)
        scan->list[i].next = place_of(scan, scan->list[i].owner);
}

/* From one to the next, until one is met that is known, or that goes on. */
static void follow(struct mp__stuck *list, int32_t from)
{
    int32_t at = from, before;
    uint32_t mark;

    for (; at >= 0 && list[at].mark == MP_MARK_NEW; at = list[at].next)
        list[at].mark = MP_MARK_VISITED;
    if (at >= 0 && list[at].mark == MP_MARK_VISITED)
        for (; list[at].mark == MP_MARK_VISITED; at = list[at].next)
            list[at].mark = MP_MARK_CYCLE;
    mark = at < 0 || list[at].mark == MP_MARK_GOES_ON ? MP_MARK_GOES_ON
                                                      : MP_MARK_STUCK;
    for (at = from; at >= 0 && list[at].mark == MP_MARK_VISITED; at = before) {
        before = list[at].next;
        list[at].mark = mark;
    }
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 29;
}

static uint64_t print_of(const struct mp__stuck *stuck)
{
    uint64_t hash = mix(stuck->id, stuck->owner);

    hash = mix(hash, (uintptr_t)stuck->object);
    hash = mix(hash, (uintptr_t)stuck->waiter);
    return mix(hash, (uint64_t)stuck->since);
}

static void judge(struct scan *scan, struct mp__deadlock *found)
{
    for (size_t i = 0; i < scan->count; i++)
        follow(scan->list, (int32_t)i);
    for (size_t i = 0; i < scan->count; i++) {
        bool cycle = scan->list[i].mark == MP_MARK_CYCLE;

        found->cycles += cycle;
        found->stuck += cycle || scan->list[i].mark == MP_MARK_STUCK;
        if (cycle || found->all)
            found->print += print_of(&scan->list[i]);
    }
}

/* Its memory is used again, and given back where nothing was found. */
static bool find_room(struct scan *scan, size_t threads)
{
    static struct {
        struct mp__stuck *list;
        size_t room;
    } kept;
    size_t room = threads + 64;

    if (kept.room < room || kept.room > 4 * room) {
        if (kept.list != NULL)
            munmap(kept.list, kept.room * sizeof *kept.list);
        kept.list = mmap(NULL, room * sizeof *kept.list, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        kept.room = room;
    }
    if (kept.list == MAP_FAILED)
        kept.list = NULL;
    if (kept.list == NULL)
        kept.room = 0;
    scan->list = kept.list;
    scan->room = kept.room;
    return kept.list != NULL;
}

bool mp__deadlock_scan(struct mp__deadlock *found)
{
    struct scan scan = { .now = found->now };

    visit(&scan);
    found->again = scan.young;
    if ((scan.owned == 0 && scan.alive > 0) ||
        !find_room(&scan, scan.threads))
        return false;
    visit(&scan);
    sort(scan.list, scan.count);
    link_all(&scan);
    found->list = scan.list;
    found->count = scan.count;
    found->threads = scan.threads;
    found->stuck = found->cycles = 0;
    found->print = 0;
    found->all = nobody_can(&scan);
    found->again |= scan.alive == 0;
    found->handled = found->all && scan.handled && has_handler();
    judge(&scan, found);
    return found->all || found->cycles > 0;
}
