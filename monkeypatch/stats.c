/* stats.c - what VIREO_STATS=1 prints on stderr when the program ends
 *
 * Counted always, since it costs an addition where a call waited anyway. */
#include "monkeypatch/carrier.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

/* Names of STORAGE calls that blocked; by address, open addressing.  More than
 * symbols.def has. */
#define SLOTS 256

static struct later_count {
    const char *name; /* atomic; NULL: free */
    uint64_t calls, total_ns, longest_ns; /* atomic */
} counts[SLOTS];

void mp__stats_sum(struct mp__stats *sum)
{
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < mp__options.hubs; i++) {
        const struct mp__stats *one = &mp__carriers[i].stats;

        sum->threads += greenlet__read(one->threads);
        sum->parks += greenlet__read(one->parks);
        sum->offloads += greenlet__read(one->offloads);
        sum->native_waits += greenlet__read(one->native_waits);
        sum->preemptions += greenlet__read(one->preemptions);
        sum->compensated += greenlet__read(one->compensated);
    }
}

static struct later_count *find(const char *name)
{
    size_t at = ((uintptr_t)name >> 3) % SLOTS, i;

    for (i = 0; i < SLOTS; i++, at = (at + 1) % SLOTS) {
        const char *there = __atomic_load_n(&counts[at].name, __ATOMIC_ACQUIRE);
        const char *none = NULL;

        if (there == NULL &&
            !__atomic_compare_exchange_n(&counts[at].name, &none, name, false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            there = none; /* somebody was faster */
        if (there == NULL || there == name)
            return &counts[at];
    }
    return NULL;
}

void mp__later(const char *name, int64_t ns)
{
    struct later_count *count = find(name);
    uint64_t longest, took = (uint64_t)ns;

    if (count == NULL)
        return;
    __atomic_fetch_add(&count->calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&count->total_ns, took, __ATOMIC_RELAXED);
    longest = __atomic_load_n(&count->longest_ns, __ATOMIC_RELAXED);
    while (took > longest &&
           !__atomic_compare_exchange_n(&count->longest_ns, &longest, took,
                                        true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
}

void mp__later_each(void (*each)(const char *name, uint64_t calls,
                                 uint64_t total_ns, uint64_t longest_ns,
                                 void *data),
                    void *data)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const struct later_count *count = &counts[i];
        const char *name = __atomic_load_n(&count->name, __ATOMIC_ACQUIRE);
        uint64_t calls = __atomic_load_n(&count->calls, __ATOMIC_RELAXED);

        if (name != NULL && calls != 0)
            each(name, calls,
                 __atomic_load_n(&count->total_ns, __ATOMIC_RELAXED),
                 __atomic_load_n(&count->longest_ns, __ATOMIC_RELAXED), data);
    }
}

/* Text that is written in one piece, so that it stays together. */
struct text {
    char bytes[8192];
    size_t size;
    bool any_later;
};

static void __attribute__((format(printf, 2, 3)))
add(struct text *text, const char *format, ...)
{
    size_t room = sizeof text->bytes - text->size;
    va_list list;
    int wrote;

    va_start(list, format);
    wrote = vsnprintf(text->bytes + text->size, room, format, list);
    va_end(list);
    if (wrote > 0)
        text->size += (size_t)wrote < room ? (size_t)wrote : room - 1;
}

static void add_one_later(const char *name, uint64_t calls, uint64_t total_ns,
                          uint64_t longest_ns, void *data)
{
    struct text *text = data;

    if (!text->any_later)
        add(text, "vireo:   calls that stopped all threads:\n");
    text->any_later = true;
    add(text, "vireo:     %-16s %llu times, %.1f ms in all, longest %.1f ms\n",
        name, (unsigned long long)calls, (double)total_ns / 1e6,
        (double)longest_ns / 1e6);
}

static void add_later(struct text *text)
{
    text->any_later = false;
    mp__later_each(add_one_later, text);
    if (!text->any_later)
        add(text, "vireo:   no call stopped all threads\n");
}

static void add_greenlets(struct text *text)
{
    struct greenlet_counts left;

    if (mp__hub == NULL)
        return;
    mp__hub->count(&left);
    add(text, "vireo:   stacks at exit: %zu used, %zu free, guards: %s\n",
        left.slots_used, left.slots_free, mp__hub->guard_kind());
}

/* The last destructors run first; this library's run late, since it was loaded
 * early. */
__attribute__((destructor)) static void print(void)
{
    static struct text text; /* the stack may be a small one */
    const char *at = text.bytes;
    struct mp__stats sum;

    if (!mp__options.stats)
        return;
    mp__stats_sum(&sum);
    text.size = 0;
    add(&text, "vireo: statistics of process %ld\n", (long)getpid());
    add(&text, "vireo:   threads mapped onto greenlets: %llu\n",
        (unsigned long long)sum.threads);
    add(&text,
        "vireo:   parks: %llu, offloaded calls: %llu, native waits: %llu\n",
        (unsigned long long)sum.parks,
        (unsigned long long)sum.offloads,
        (unsigned long long)sum.native_waits);
    add_greenlets(&text);
    add_later(&text);
    while (text.size > 0) {
        ssize_t wrote = mp__real.write(STDERR_FILENO, at, text.size);

        if (wrote <= 0)
            return;
        at += wrote;
        text.size -= (size_t)wrote;
    }
}
