/* deadlock_report.c - who waits for whom, in words and with frames */
#include "monkeypatch/deadlock.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/onlook.h"


#define SHOWN 24 /* threads with frames */

struct report {
    const struct mp__deadlock *found;
    struct hub__print *print;
    struct hub__symbols *symbols;
};

#define PRINT(report, ...) mp__hub->tools.print((report)->print, __VA_ARGS__)

/* ---- names ---- */

/* It may have ended by now; those that are stuck cannot. */
static bool name_of(uint32_t id, char name[32])
{
    uint64_t before = mp__all_lock_elsewhere();
    const struct mp__thread *thread = mp__thread_by_id((pid_t)id);

    if (thread != NULL)
        mp__onlook_name(thread, name);
    mp__all_unlock_elsewhere(before);
    return thread != NULL;
}

static void print_thread(struct report *report, uint32_t id)
{
    char name[32];

    if (name_of(id, name))
        PRINT(report, "%s (%u)", name, id);
    else if (id < MP_FIRST_ID)
        PRINT(report, "thread %u of the kernel's", id);
    else
        PRINT(report, "thread %u, which is gone", id);
}

static void print_holder(struct report *report, const struct mp__stuck *stuck)
{
    if (stuck->owner == 0)
        return;
    PRINT(report, ", held by ");
    print_thread(report, stuck->owner);
}

/* Who holds it for reading is not known, only how many. */
static void print_rwlock(struct report *report, const struct mp__stuck *stuck,
                         const char *what)
{
    uint64_t state = 0;
    unsigned readers;

    PRINT(report, "rwlock %p for %s", stuck->object, what);
    print_holder(report, stuck);
    if (stuck->owner != 0 ||
        !mp__hub->tools.scan_copy(&state, stuck->object, sizeof state))
        return;
    readers = (unsigned)(state & 0x1fffff);
    if (readers != 0)
        PRINT(report, ", held by %u reader%s", readers, readers > 1 ? "s" : "");
}

static void print_wait(struct report *report, const struct mp__stuck *stuck)
{
    switch (stuck->of << MP_OF_SHIFT) {
    case MP_OF_MUTEX:
        PRINT(report, "mutex %p", stuck->object);
        print_holder(report, stuck);
        break;
    case MP_OF_GATE:
        PRINT(report, "a mutex in libc's format");
        print_holder(report, stuck);
        break;
    case MP_OF_READ:
        print_rwlock(report, stuck, "reading");
        break;
    case MP_OF_WRITE:
        print_rwlock(report, stuck, "writing");
        break;
    case MP_OF_JOIN:
        PRINT(report, "the end of thread ");
        print_thread(report, stuck->owner);
        break;
    case MP_OF_END:
        PRINT(report, "the end of all other threads");
        break;
    case MP_OF_COND:
        PRINT(report, "condition %p", stuck->object);
        break;
    case MP_OF_SEM:
        PRINT(report, "semaphore %p", stuck->object);
        break;
    case MP_OF_BARRIER:
        PRINT(report, "barrier %p", stuck->object);
        break;
    case MP_OF_ONCE:
        PRINT(report, "once %p", stuck->object);
        break;
    default:
        PRINT(report, "futex %p", stuck->object);
    }
}

/* ---- one thread ---- */

/* What is on its stack, unless it has gone on. */
static bool copy_stack(const struct mp__stuck *stuck, struct mp__onlook *seen)
{
    uint64_t before = mp__all_lock_elsewhere();
    const struct mp__thread *thread = mp__thread_by_id((pid_t)stuck->id);
    bool same = thread != NULL &&
                greenlet__read(thread->parked) == stuck->waiter;

    if (same)
        mp__onlook_suspended(thread, seen);
    mp__all_unlock_elsewhere(before);
    return same;
}

static void print_one(struct report *report, const struct mp__stuck *stuck)
{
    struct mp__onlook *seen = mp__onlook_room();
    char name[32] = "";

    name_of(stuck->id, name);
    PRINT(report, "  thread %u \"%s\" waits for ", stuck->id, name);
    print_wait(report, stuck);
    PRINT(report, ", since ");
    mp__hub->tools.print_seconds(report->print,
                                 report->found->now - stuck->since);
    PRINT(report, "\n");
    if (copy_stack(stuck, seen))
        mp__hub->tools.print_walk(report->print, report->symbols, &seen->stack,
                                  NULL, false);
}

/* ---- all ---- */

static bool is_in_it(const struct mp__deadlock *found,
                     const struct mp__stuck *stuck)
{
    return found->all || stuck->mark >= MP_MARK_STUCK;
}

/* Those in a cycle first. */
static void print_threads(struct report *report)
{
    const struct mp__deadlock *found = report->found;
    size_t shown = 0, left = 0;

    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < found->count; i++) {
            const struct mp__stuck *stuck = &found->list[i];

            if (!is_in_it(found, stuck) ||
                (stuck->mark == MP_MARK_CYCLE) != (turn == 0))
                continue;
            if (shown < SHOWN) {
                print_one(report, stuck);
                shown++;
            } else {
                left++;
            }
        }
    if (left > 0)
        PRINT(report, "  and %zu threads more\n", left);
}

/* Each once, from the first of its threads on. */
static void print_cycles(struct report *report)
{
    struct mp__stuck *list = report->found->list;

    for (size_t i = 0; i < report->found->count; i++) {
        int32_t at = (int32_t)i;

        if (list[i].mark != MP_MARK_CYCLE)
            continue;
        PRINT(report, "  cycle: ");
        do {
            list[at].mark = MP_MARK_STUCK;
            print_thread(report, list[at].id);
            PRINT(report, " -> ");
            at = list[at].next;
        } while (list[at].mark == MP_MARK_CYCLE);
        print_thread(report, list[i].id);
        PRINT(report, "\n");
    }
}

static void print_head(struct report *report)
{
    const struct mp__deadlock *found = report->found;

    if (found->all)
        PRINT(report, "vireo: deadlock: %s%zu thread%s can go on%s\n",
              found->threads > 1 ? "none of " : "", found->threads,
              found->threads > 1 ? "s" : " never",
              found->handled ? ", unless a signal's handler wakes one" : "");
    else
        PRINT(report, "vireo: deadlock: %zu of %zu threads can never go on\n",
              found->stuck, found->threads);
}

void mp__deadlock_report(const struct mp__deadlock *found, bool says)
{
    struct report report = { .found = found };

    report.print = mp__hub->tools.kept_begin();
    report.symbols = mp__hub->tools.symbols_open();
    print_head(&report);
    print_threads(&report);
    print_cycles(&report);
    mp__hub->tools.symbols_close(report.symbols);
    mp__hub->tools.kept_end(HUB__KEPT_DEADLOCK, 0, says);
}
