/* stack.c - stacks cut from slabs
 *
 * A slab is one large NORESERVE mapping of equal slots.  A slot that is given
 * back keeps its pages and goes on a LIFO list of the OS thread: the next one
 * made is warm, and no kernel call is on either path.  The topmost word, on a
 * page that is resident anyway, is the link of the list, marked as such, or
 * leads to the greenlet that has the slot: the slabs are the registry.
 *
 * Guards: markers (MADV_GUARD_INSTALL, Linux 6.13) split no mapping, so there
 * may be any number; else mprotect up to a budget of maps; else none. */
#include "context/greenlet_impl.h"
#include "context/slot.h"
#include "context/testhook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define PAGE ((size_t)4096)
#define STANDARD_STRIDE (GREENLET__STACK_DEFAULT + PAGE)
#define TWO_MIB ((size_t)2 << 20)
#define SLAB_MAX ((size_t)256 << 20)
#define SLAB_FIRST ((size_t)2 << 20)

struct greenlet__slab {
    struct greenlet__slab *next;
    char *start, *end;
    char *carved; /* atomic: slots below have been in use */
    size_t stride, guard;
};

enum guard_kind { GUARD_UNKNOWN, GUARD_MARKERS, GUARD_MPROTECT, GUARD_NONE };

/* All slabs of the process, newest first; only ever added to, so that a signal
 * handler may walk the list. */
static struct greenlet__slab *slabs;
const void *const greenlet__debug_slabs = &slabs;
const struct greenlet__slab_layout greenlet__slab_layout = {
    offsetof(struct greenlet__slab, next), offsetof(struct greenlet__slab, start),
    offsetof(struct greenlet__slab, carved), offsetof(struct greenlet__slab, stride),
    offsetof(struct greenlet__slab, guard)
};
static int guard_kind;
static long guard_budget;
static size_t slots_made; /* atomic */

static size_t round_up(size_t value, size_t to)
{
    return (value + to - 1) / to * to;
}

/* The probe is by effect: qemu-user answers 0 and installs nothing.  The kernel
 * reads the new mask before it looks at `how`, so a guard shows as EFAULT, an
 * ordinary page as EINVAL, and no mask changes. */
static bool markers_work(char *page)
{
    if (greenlet__masked & FEATURE_GUARD)
        return false;
    if (madvise(page, PAGE, MADV_GUARD_INSTALL) != 0)
        return false;
    return syscall(SYS_rt_sigprocmask, 12345, page, NULL, 8) == -1 &&
           errno == EFAULT;
}

/* Each mprotect guard costs two maps; leave the program a quarter. */
static long map_budget(void)
{
    char text[32];
    long limit = 65530;
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof text - 1);

        if (got > 0) {
            text[got] = '\0';
            limit = strtol(text, NULL, 10);
        }
        close(fd);
    }
    return limit / 4 * 3 / 2;
}

static void say_once(const char *text)
{
    static int said;

    if (__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED) == 0) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

        (void)ignored;
    }
}

static void install_guard(char *base, size_t size)
{
    int kind = __atomic_load_n(&guard_kind, __ATOMIC_RELAXED);

    if (size == 0 || kind == GUARD_NONE)
        return;
    if (kind == GUARD_UNKNOWN) {
        kind = markers_work(base) ? GUARD_MARKERS : GUARD_MPROTECT;
        __atomic_store_n(&guard_budget, map_budget(), __ATOMIC_RELAXED);
        __atomic_store_n(&guard_kind, kind, __ATOMIC_RELAXED);
    }
    if (kind == GUARD_MARKERS &&
        madvise(base, size, MADV_GUARD_INSTALL) == 0)
        return;
    if (__atomic_sub_fetch(&guard_budget, 1, __ATOMIC_RELAXED) >= 0 &&
        mprotect(base, size, PROT_NONE) == 0)
        return;
    __atomic_store_n(&guard_kind, GUARD_NONE, __ATOMIC_RELAXED);
    say_once("vireo: too many memory maps for stack guards; "
             "further stacks have none\n");
}

/* Under mlockall(MCL_FUTURE) a fresh mapping is resident at once: a large slab
 * would be paid for in full. */
static bool locked_memory(void)
{
    unsigned char resident = 0;
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return false;
    if (mincore(page, PAGE, &resident) != 0)
        resident = 0;
    munmap(page, PAGE);
    return (resident & 1) != 0;
}

static char *map_slab(size_t size, size_t align)
{
    size_t slack = align > PAGE ? align : 0;
    char *start = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (start == MAP_FAILED)
        return NULL;
    madvise(start, size + slack, MADV_NOHUGEPAGE);
    if (slack != 0)
        start = (char *)round_up((uintptr_t)start, align);
    return start;
}

/* Slots of 2 MiB and more start 1 MiB off a 2 MiB boundary: then a guard shares
 * the page-table page of its lower neighbour's top. */
static int grow(struct greenlet__size_class *class)
{
    bool large = class->stride >= TWO_MIB;
    size_t size = class->slab_size;
    struct greenlet__slab *slab;
    char *start = NULL;

    if (locked_memory())
        size = class->stride;
    for (;; size /= 2) {
        size_t count = size / class->stride > 0 ? size / class->stride : 1;

        size = count * class->stride;
        start = map_slab(size + (large ? TWO_MIB / 2 : 0),
                         large ? TWO_MIB : PAGE);
        if (start != NULL || count == 1)
            break;
    }
    if (start == NULL)
        return -ENOMEM;
    slab = greenlet__malloc(sizeof *slab);
    if (slab == NULL) {
        munmap(start, size);
        return -ENOMEM;
    }
    start += large ? TWO_MIB / 2 : 0;
    if (class->slab_size < SLAB_MAX)
        class->slab_size *= 2;
    *slab = (struct greenlet__slab){ NULL, start, start + size, start, class->stride,
                           class->guard };
    class->slab = slab;
    slab->next = __atomic_load_n(&slabs, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&slabs, &slab->next, slab, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    return 0;
}

static struct greenlet__size_class *
find_class(struct greenlet__pool *pool, size_t stride, size_t guard)
{
    struct greenlet__size_class *class = pool->last_used;

    if (likely(class != NULL && class->stride == stride &&
               class->guard == guard))
        return class;
    for (class = pool->classes; class != NULL; class = class->next)
        if (class->stride == stride && class->guard == guard)
            break;
    if (class == NULL) {
        class = greenlet__calloc(1, sizeof *class);
        if (class == NULL)
            return NULL;
        class->stride = stride;
        class->guard = guard;
        class->slab_size = SLAB_FIRST > 16 * stride ? SLAB_FIRST : 16 * stride;
        class->next = pool->classes;
        pool->classes = class;
    }
    pool->last_used = class;
    if (class->stride == STANDARD_STRIDE && class->guard == PAGE)
        pool->standard = class;
    return class;
}

static size_t stride_for(size_t size, size_t guard)
{
    size_t stride = round_up(size, PAGE) + round_up(guard, PAGE);

    return stride >= TWO_MIB ? round_up(stride, TWO_MIB) : stride;
}

/* The free slots of threads that ended go to those that ask next, some at a time:
 * one that took all would leave nothing to the next, which would carve new ones. */
#define ADOPTED 64
static struct greenlet__size_class *orphans; /* atomic; changed under the lock */
static pthread_mutex_t orphans_lock = PTHREAD_MUTEX_INITIALIZER;

static bool has_room(const struct greenlet__size_class *class)
{
    return class->slab != NULL && class->slab->carved != class->slab->end;
}

static bool same_size(const struct greenlet__size_class *a,
                      const struct greenlet__size_class *b)
{
    return a->stride == b->stride && a->guard == b->guard;
}

/* At most `count` free slots of `from`, and what is left of its slab. */
static void move_slots(struct greenlet__size_class *to,
                       struct greenlet__size_class *from, size_t count)
{
    for (; count > 0 && from->free != NULL; count--)
        greenlet__slot_push(to, greenlet__slot_pop(from));
    if (!has_room(to) && has_room(from)) {
        to->slab = from->slab;
        from->slab = NULL;
    }
}

static __attribute__((noinline)) void adopt(struct greenlet__size_class *class)
{
    struct greenlet__size_class *orphan;

    pthread_mutex_lock(&orphans_lock);
    for (orphan = orphans; orphan != NULL && class->free == NULL;
         orphan = orphan->next)
        if (same_size(orphan, class))
            move_slots(class, orphan, ADOPTED);
    pthread_mutex_unlock(&orphans_lock);
}

/* With the lock held.  Joined to one of its size, unless both have a slab that is
 * not used up. */
static void add_orphan(struct greenlet__size_class *class)
{
    struct greenlet__size_class *orphan = orphans;

    while (orphan != NULL && (!same_size(orphan, class) ||
                              (has_room(orphan) && has_room(class))))
        orphan = orphan->next;
    if (orphan != NULL) {
        move_slots(orphan, class, SIZE_MAX);
        free(class);
        return;
    }
    class->next = orphans;
    __atomic_store_n(&orphans, class, __ATOMIC_RELAXED);
}

/* ---- slots that no list could be made for ---- */

/* Freed where there was no memory for the head of a list: they say themselves
 * which they are, below the topmost word, until somebody wants one like that. */
struct stray {
    struct stray *next;
    struct greenlet__slot slot;
};
static struct stray *strays; /* under orphans_lock */

static struct stray **find_stray(size_t stride, size_t guard)
{
    struct stray **link = &strays;

    while (*link != NULL && ((*link)->slot.size != stride ||
                             (*link)->slot.guard != guard))
        link = &(*link)->next;
    return link;
}

static void stray(const struct greenlet__slot *slot)
{
    struct stray *stray = (struct stray *)greenlet__top_of(slot) - 1;
    const struct stray what = { NULL, *slot };

    greenlet__write(greenlet__top_of(slot)->next, GREENLET__FREE);
    pthread_mutex_lock(&orphans_lock);
    *stray = what;
    stray->next = strays;
    greenlet__write(strays, stray);
    pthread_mutex_unlock(&orphans_lock);
}

static bool take_stray(struct greenlet__size_class *class,
                       struct greenlet__slot *slot)
{
    struct stray **link;
    bool found;

    pthread_mutex_lock(&orphans_lock);
    link = find_stray(class->stride, class->guard);
    found = *link != NULL;
    if (found) {
        slot->base = (*link)->slot.base;
        greenlet__write(*link, (*link)->next);
    }
    pthread_mutex_unlock(&orphans_lock);
    return found;
}

/* A slot that was never in use. */
static __attribute__((noinline)) int carve(struct greenlet__size_class *class,
                                           struct greenlet__slot *slot)
{
    if (unlikely(__atomic_load_n(&strays, __ATOMIC_RELAXED) != NULL) &&
        take_stray(class, slot))
        return 0;
    if (GREENLET__ALLOCATION_FAILS())
        return -ENOMEM;
    if (class->slab == NULL || class->slab->carved == class->slab->end) {
        int rc = grow(class);

        if (rc < 0)
            return rc;
    }
    slot->base = class->slab->carved;
    greenlet__write(class->slab->carved, slot->base + class->stride);
    __atomic_add_fetch(&slots_made, 1, __ATOMIC_RELAXED);
    install_guard(slot->base, class->guard);
    greenlet__tools_slot(slot->base + class->guard, slot->base + slot->size);
    return 0;
}

struct greenlet *greenlet__in_slot(const struct greenlet__slot *slot)
{
    return greenlet__below(greenlet__top_of(slot));
}

void greenlet__slot_owner(const struct greenlet__slot *slot,
                          struct greenlet *g)
{
    greenlet__write(greenlet__top_of(slot)->next, (uintptr_t)g);
}

/* A word that is no greenlet of this very slot is none at all: mapped threads
 * have their slots filled otherwise. */
static struct greenlet *owner_of(const struct greenlet__slot *slot)
{
    struct greenlet *g =
        (struct greenlet *)greenlet__read(greenlet__top_of(slot)->next);

    return g == greenlet__in_slot(slot) ? g : NULL;
}

int greenlet__slots_each(int (*each)(struct greenlet *g, void *data),
                         void *data)
{
    const struct greenlet__slab *slab = __atomic_load_n(&slabs, __ATOMIC_ACQUIRE);
    struct greenlet__slot slot;
    struct greenlet *g;
    int rc = 0;

    for (; slab != NULL; slab = slab->next) {
        char *end = greenlet__read(slab->carved);

        slot.size = slab->stride;
        slot.guard = slab->guard;
        for (slot.base = slab->start; slot.base < end && rc == 0;
             slot.base += slab->stride)
            if ((g = owner_of(&slot)) != NULL)
                rc = each(g, data);
    }
    return rc;
}

int greenlet__slot_take(struct greenlet__pool *pool, size_t size, size_t guard,
                        struct greenlet__slot *slot)
{
    struct greenlet__size_class *class;
    int before, rc;

    if (size > SIZE_MAX / 4 || guard > SIZE_MAX / 4)
        return -ENOMEM;
    class = find_class(pool, stride_for(size, guard), round_up(guard, PAGE));
    if (unlikely(class == NULL))
        return -ENOMEM;
    slot->size = class->stride;
    slot->guard = class->guard;
    if (unlikely(class->free == NULL) &&
        unlikely(__atomic_load_n(&orphans, __ATOMIC_RELAXED) != NULL))
        adopt(class);
    if (likely(class->free != NULL)) {
        slot->base = (char *)(greenlet__slot_pop(class) + 1) - class->stride;
        return 0;
    }
    before = errno; /* some call of the system may fail on the way */
    rc = carve(class, slot);
    errno = before;
    return rc;
}

void greenlet__slot_give(struct greenlet__pool *pool,
                         const struct greenlet__slot *slot)
{
    const struct greenlet__slot what = *slot;
    struct greenlet__size_class *class =
        find_class(pool, what.size, what.guard);

    if (class == NULL) {
        stray(&what);
        return;
    }
    if (class == pool->standard) /* who gave it may not have been a greenlet */
        greenlet__in_slot(&what)->slot = what;
    greenlet__slot_push(class, greenlet__top_of(&what));
}


void greenlet__stack_fork(bool prepare)
{
    if (prepare)
        pthread_mutex_lock(&orphans_lock);
    else
        pthread_mutex_unlock(&orphans_lock);
}

void greenlet__pool_close(struct greenlet__pool *pool)
{
    struct greenlet__size_class *class = pool->classes, *next;

    pthread_mutex_lock(&orphans_lock);
    for (; class != NULL; class = next) {
        next = class->next;
        add_orphan(class);
    }
    pthread_mutex_unlock(&orphans_lock);
    memset(pool, 0, sizeof *pool);
}

size_t greenlet__orphans_free(void)
{
    const struct greenlet__size_class *class;
    size_t count = 0;

    const struct stray *stray;

    pthread_mutex_lock(&orphans_lock);
    for (class = orphans; class != NULL; class = class->next)
        count += class->free_count;
    for (stray = strays; stray != NULL; stray = stray->next)
        count++;
    pthread_mutex_unlock(&orphans_lock);
    return count;
}

size_t greenlet__pool_free(const struct greenlet__pool *pool)
{
    const struct greenlet__size_class *class;
    size_t count = 0;

    for (class = pool->classes; class != NULL; class = class->next)
        count += class->free_count;
    return count;
}

/* The owner_id in the control block of a free slot, until it is taken. */
#define TRIMMED UINT32_MAX

static void trim(struct greenlet *g)
{
    char *low = g->slot.base + g->slot.guard;
    char *high = (char *)((uintptr_t)g & ~(uintptr_t)(PAGE - 1));
    int saved = errno;

    if (high > low)
        madvise(low, (size_t)(high - low), MADV_DONTNEED);
    errno = saved;
    g->owner_id = TRIMMED;
}

/* Who is given goes on top: below one that was trimmed all were. */
void greenlet__pool_trim(const struct greenlet__pool *pool, size_t keep)
{
    struct greenlet__link *link =
        pool->standard != NULL ? pool->standard->free : NULL;

    for (; link != NULL && keep > 0; keep--)
        link = (struct greenlet__link *)(link->next & ~GREENLET__FREE);
    while (link != NULL && greenlet__below(link)->owner_id != TRIMMED) {
        trim(greenlet__below(link));
        link = (struct greenlet__link *)(link->next & ~GREENLET__FREE);
    }
}

size_t greenlet__slots_made(void)
{
    return __atomic_load_n(&slots_made, __ATOMIC_RELAXED);
}

bool greenlet__slot_guard_hit(const void *address, struct greenlet__slot *slot)
{
    const char *at = address;
    const struct greenlet__slab *slab = __atomic_load_n(&slabs, __ATOMIC_ACQUIRE);

    for (; slab != NULL; slab = slab->next) {
        size_t offset;

        if (at < slab->start || at >= slab->end)
            continue;
        offset = (size_t)(at - slab->start) % slab->stride;
        slot->base = (char *)at - offset;
        slot->size = slab->stride;
        slot->guard = slab->guard;
        return offset < slab->guard;
    }
    return false;
}

const char *greenlet__guard_kind(void)
{
    static const char *const names[] = { "unknown", "markers", "mprotect",
                                         "none" };

    return names[__atomic_load_n(&guard_kind, __ATOMIC_RELAXED)];
}
