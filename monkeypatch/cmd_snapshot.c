/* cmd_snapshot.c - what a process has said of its threads, made readable */
#include "monkeypatch/cmd.h"
#include "monkeypatch/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- records ---- */

static void *grow(void *array, size_t count, size_t size)
{
    void *larger = array;

    /* At each power of two there is no room left. */
    if ((count & (count - 1)) == 0)
        larger = realloc(array, (count == 0 ? 1 : count * 2) * size);
    if (larger == NULL) {
        cmd_say("no memory");
        exit(EXIT_FAILURE);
    }
    return larger;
}

static struct walk_stack stack_behind(const void *record, size_t head,
                                      size_t size, uint64_t sp)
{
    return (struct walk_stack){ (const char *)record + head, sp,
                                size > head ? size - head : 0 };
}

static void take_thread(struct snapshot *snapshot, const void *record,
                        size_t size)
{
    const struct control__thread *thread = record;
    struct seen_thread seen = { .thread = thread };

    if (size < sizeof *thread)
        return;
    seen.stack = stack_behind(record, sizeof *thread, size, thread->sp);
    snapshot->threads = grow(snapshot->threads, snapshot->count,
                             sizeof *snapshot->threads);
    snapshot->threads[snapshot->count++] = seen;
}

/* Kept aside, until all threads are there. */
static void take_running(struct snapshot *snapshot, const void *record,
                         size_t size)
{
    const struct control__running *running = record;
    struct seen_thread seen = { .running = running };

    if (size < sizeof *running)
        return;
    seen.running_stack = stack_behind(record, sizeof *running, size,
                                      running->registers[CONTROL_SP]);
    snapshot->loose = grow(snapshot->loose, (size_t)snapshot->loose_count,
                           sizeof *snapshot->loose);
    snapshot->loose[snapshot->loose_count++] = seen;
}

static void take_report(struct snapshot *snapshot, const void *record,
                        size_t size)
{
    struct seen_report *report;

    if (size < sizeof report->ago_ns || snapshot->report_count == SEEN_REPORTS)
        return;
    report = &snapshot->reports[snapshot->report_count++];
    memcpy(&report->ago_ns, record, sizeof report->ago_ns);
    report->text = (const char *)record + sizeof report->ago_ns;
    report->size = strnlen(report->text, size - sizeof report->ago_ns);
}

static void take_record(struct snapshot *snapshot, int maps,
                        const struct control__record *head, const void *record)
{
    switch (head->kind) {
    case CONTROL_MAPS:
        if (write(maps, record, head->size) < 0)
            cmd_say("no memory");
        break;
    case CONTROL_HUB:
        if (head->size < sizeof(struct control__hub))
            break;
        snapshot->hubs = grow(snapshot->hubs, (size_t)snapshot->hub_count,
                              sizeof *snapshot->hubs);
        snapshot->hubs[snapshot->hub_count++] = record;
        break;
    case CONTROL_REPORT:
        take_report(snapshot, record, head->size);
        break;
    case CONTROL_THREAD:
        take_thread(snapshot, record, head->size);
        break;
    case CONTROL_RUNNING:
        take_running(snapshot, record, head->size);
        break;
    }
}

/* Returns whether all of it is there: the process may have ended meanwhile. */
static bool take_records(struct snapshot *snapshot, size_t size, int maps)
{
    size_t at = sizeof(uint64_t);
    struct control__record head;

    while (at + sizeof head <= size) {
        char *place = snapshot->bytes + at;

        memcpy(&head, place, sizeof head);
        if (head.size > size - at - sizeof head)
            return false;
        if (head.kind == CONTROL_END)
            return true;
        /* So that what is in it is aligned: the heads are eight bytes. */
        if (((uintptr_t)place & 7) != 0)
            memmove(place - ((uintptr_t)place & 7), place,
                    sizeof head + head.size);
        place -= (uintptr_t)place & 7;
        take_record(snapshot, maps, &head, place + sizeof head);
        at += sizeof head + head.size;
    }
    return false;
}

/* On whose stack each hub's OS thread is. */
static void give_running(struct snapshot *snapshot)
{
    int left = 0;

    for (int i = 0; i < snapshot->loose_count; i++) {
        struct seen_thread *loose = &snapshot->loose[i];
        uint64_t sp = loose->running->registers[CONTROL_SP];
        struct seen_thread *owner = NULL;

        for (size_t j = 0; j < snapshot->count; j++) {
            const struct control__thread *thread = snapshot->threads[j].thread;
            bool is_main = thread->low == 0 && thread->id != 0;

            if ((loose->running->low != 0 && sp >= thread->low &&
                 sp < thread->high && thread->low != 0) ||
                (loose->running->low == 0 && is_main && owner == NULL))
                owner = &snapshot->threads[j];
        }
        if (owner == NULL) {
            snapshot->loose[left++] = *loose;
            continue;
        }
        owner->running = loose->running;
        owner->running_stack = loose->running_stack;
    }
    snapshot->loose_count = left;
}

static struct snapshot *read_answer(pid_t pid, char *answer, size_t size,
                                    const char **why)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    const uint64_t greeting = CONTROL_GREETING;
    int maps = memfd_create("maps", MFD_CLOEXEC);

    if (snapshot == NULL || maps < 0) {
        *why = "no memory";
        free(answer);
        free(snapshot);
        return NULL;
    }
    snapshot->pid = pid;
    snapshot->bytes = answer;
    *why = size < sizeof greeting ||
                   memcmp(answer, &greeting, sizeof greeting) != 0
               ? "it runs another version of Vireo"
               : "it has ended, or does not answer";
    if (size < sizeof greeting ||
        memcmp(answer, &greeting, sizeof greeting) != 0 ||
        !take_records(snapshot, size, maps)) {
        close(maps);
        snapshot_free(snapshot);
        return NULL;
    }
    lseek(maps, 0, SEEK_SET);
    snprintf(snapshot->root, sizeof snapshot->root, "/proc/%ld/root",
             (long)pid);
    proc_name(pid, snapshot->name, sizeof snapshot->name);
    if (access(snapshot->root, X_OK) < 0)
        snapshot->root[0] = '\0';
    snapshot->symbols = hub__symbols_open_of(maps, snapshot->root);
    give_running(snapshot);
    return snapshot;
}

struct snapshot *snapshot_take(pid_t pid, size_t stack, const char **why)
{
    char request[32], *answer;
    size_t size = 0;

    snprintf(request, sizeof request, "dump %zu", stack);
    answer = target_ask(pid, request, &size, why);
    return answer != NULL ? read_answer(pid, answer, size, why) : NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot->symbols != NULL)
        hub__symbols_close(snapshot->symbols);
    free(snapshot->hubs);
    free(snapshot->threads);
    free(snapshot->loose);
    for (size_t i = 0; i < snapshot->shape_count; i++)
        free(snapshot->shapes[i].text);
    free(snapshot->shapes);
    free(snapshot->own.text);
    free(snapshot->bytes);
    free(snapshot);
}

/* ---- frames ---- */

static void find_symbol(const struct snapshot *snapshot,
                        const struct walk_frame *frame,
                        struct hub__symbol *symbol)
{
    hub__symbols_find(snapshot->symbols,
                      (const void *)(uintptr_t)(frame->pc - frame->is_call),
                      symbol);
}

static bool is_library(const char *file)
{
    return file != NULL && strncmp(file, "libvireo", 8) == 0;
}

/* Behind the last frame of the library at the inner end, but for the function that
 * the program called, by which the library stands in libc's place. */
static int first_shown(const struct snapshot *snapshot,
                       const struct walk_frame *frames, int count,
                       char called[48])
{
    struct hub__symbol symbol;
    int first = 0;

    called[0] = '\0';
    while (first < count) {
        find_symbol(snapshot, &frames[first], &symbol);
        if (!is_library(symbol.file))
            break;
        snprintf(called, 48, "%s", symbol.name != NULL ? symbol.name : "");
        called[strcspn(called, ".@")] = '\0'; /* what compilers add */
        if (strcmp(called, "on_tick") == 0) /* preempt.c */
            strcpy(called, "a system call of its own");
        first++;
    }
    return first > 0 && first < count ? first - 1 : first == count ? 0 : first;
}

static int last_shown(const struct snapshot *snapshot,
                      const struct walk_frame *frames, int count)
{
    struct hub__symbol symbol;

    while (count > 0) {
        find_symbol(snapshot, &frames[count - 1], &symbol);
        if (!is_library(symbol.file))
            break;
        count--;
    }
    return count;
}

static void walk_thread(const struct snapshot *snapshot,
                        const struct seen_thread *seen, struct seen_shape *shape)
{
    struct walk_frame *frames = shape->frames;
    struct walk_registers registers;
    const struct walk_stack *stack = &seen->stack;
    int count, first, end;

    shape->called[0] = '\0';
    shape->count = 0;
    if (seen->running != NULL) {
        stack = &seen->running_stack;
        memcpy(registers.value, seen->running->registers,
               sizeof registers.value);
        registers.known = seen->running->exact
                              ? ~(uint64_t)0
                              : (uint64_t)1 << CONTROL_SP |
                                    (uint64_t)1 << CONTROL_PC;
    } else if (stack->size == 0 || !hub__walk_suspended(stack, &registers)) {
        return;
    }
    count = hub__walk(snapshot->symbols, stack, &registers,
                 seen->running != NULL && seen->running->exact, frames);
    first = first_shown(snapshot, frames, count, shape->called);
    end = last_shown(snapshot, frames, count);
    if (end <= first)
        return;
    memmove(frames, frames + first, (size_t)(end - first) * sizeof *frames);
    shape->count = end - first;
}

/* Of the first thread whose stack looked so. */
static struct seen_shape *shape_of(struct snapshot *snapshot, uint64_t greenlet)
{
    struct seen_shape *shape;
    size_t i = 0;

    for (; i < snapshot->shape_count; i++)
        if (snapshot->shapes[i].greenlet == greenlet)
            return &snapshot->shapes[i];
    snapshot->shapes = grow(snapshot->shapes, snapshot->shape_count,
                            sizeof *snapshot->shapes);
    shape = &snapshot->shapes[snapshot->shape_count++];
    memset(shape, 0, sizeof *shape);
    shape->greenlet = greenlet;
    for (i = 0; i < snapshot->count; i++)
        if (snapshot->threads[i].thread->greenlet == greenlet) {
            struct seen_thread seen = snapshot->threads[i];

            seen.running = NULL;
            walk_thread(snapshot, &seen, shape);
            break;
        }
    return shape;
}

struct seen_shape *snapshot_shape(struct snapshot *snapshot,
                                  const struct seen_thread *seen)
{
    struct seen_shape *own = &snapshot->own;

    if (seen->running == NULL && seen->thread->like != 0)
        return shape_of(snapshot, seen->thread->like);
    free(own->text);
    own->text = NULL;
    walk_thread(snapshot, seen, own);
    return own;
}

/* ---- words ---- */

void put_ns(char *text, size_t size, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    snprintf(text, size, "%ld.%03ld s", (long)(ns / 1000000000),
             (long)(ns / 1000000 % 1000));
}

const char *snapshot_state(const struct seen_thread *seen)
{
    static const char *const words[] = { [CONTROL_NEW] = "not started",
                                         [CONTROL_READY] = "ready",
                                         [CONTROL_WAITS] = "waits",
                                         [CONTROL_ENDED] = "ended" };
    const struct control__thread *thread = seen->thread;

    if (seen->running != NULL)
        return seen->running->call >= 0 ? "blocked" : "running";
    if (thread->flags & CONTROL_IS_LOOP)
        return "the loop";
    return thread->state <= CONTROL_ENDED ? words[thread->state] : "?";
}

void snapshot_name(const struct snapshot *snapshot,
                   const struct seen_thread *seen, char *text, size_t size)
{
    const struct control__thread *thread = seen->thread;
    bool is_main = thread->id != 0 && thread->low == 0;

    if (thread->name[0] != '\0')
        snprintf(text, size, "%.31s", thread->name);
    else if (thread->flags & CONTROL_IS_LOOP)
        snprintf(text, size, "hub");
    else if (thread->id != 0 || is_main)
        snprintf(text, size, "%.31s", snapshot->name);
    else
        snprintf(text, size, "greenlet %#lx", (unsigned long)thread->greenlet);
}

static const struct seen_thread *by_id(const struct snapshot *snapshot,
                                       uint32_t id)
{
    for (size_t i = 0; i < snapshot->count && id != 0; i++)
        if (snapshot->threads[i].thread->id == id)
            return &snapshot->threads[i];
    return NULL;
}

/* Whose own data an address is in: its end is waited for there. */
static const struct seen_thread *by_room(const struct snapshot *snapshot,
                                         uint64_t object)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct control__thread *thread = snapshot->threads[i].thread;

        if (object - thread->room < thread->room_size)
            return &snapshot->threads[i];
    }
    return NULL;
}

static size_t add_thread(const struct snapshot *snapshot,
                         const struct seen_thread *seen, const char *before,
                         char *text, size_t size)
{
    char name[48];

    snapshot_name(snapshot, seen, name, sizeof name);
    return (size_t)snprintf(text, size, "%s%s (%u)", before, name,
                            seen->thread->id);
}

static void put_lock(const struct snapshot *snapshot,
                     const struct control__thread *thread, const char *called,
                     char *text, size_t size)
{
    const struct seen_thread *other = by_room(snapshot, thread->object);

    if (other != NULL) {
        add_thread(snapshot, other, "the end of thread ", text, size);
        return;
    }
    snprintf(text, size, "%s %#lx", called[0] != '\0' ? called : thread->kind,
             (unsigned long)thread->object);
    text += strlen(text);
    size -= strlen(text);
    other = by_id(snapshot, thread->owner);
    if (other != NULL)
        add_thread(snapshot, other, ", held by ", text, size);
    else if (thread->owner >= 0x400000) /* MP_FIRST_ID */
        snprintf(text, size, ", held by thread %u, which is gone",
                 thread->owner);
    else if (thread->owner != 0)
        snprintf(text, size, ", held by thread %u of the kernel's",
                 thread->owner);
    else if (thread->readers != 0)
        snprintf(text, size, ", held by %u reader%s", thread->readers,
                 thread->readers > 1 ? "s" : "");
}

void snapshot_wait(const struct snapshot *snapshot,
                   const struct seen_thread *seen, const char *called,
                   char *text, size_t size)
{
    const struct control__thread *thread = seen->thread;

    text[0] = '\0';
    if (seen->running != NULL && seen->running->call >= 0)
        snprintf(text, size, "system call %ld", (long)seen->running->call);
    else if (thread->state != CONTROL_WAITS || seen->running != NULL)
        return;
    else if (strcmp(thread->kind, "fd") == 0)
        snprintf(text, size, "%s%sfd %ld", called, called[0] != '\0' ? " " : "",
                 (long)thread->object);
    else if (thread->object >= 4096) /* no number */
        put_lock(snapshot, thread, called, text, size);
    else if (called[0] != '\0')
        snprintf(text, size, "%s", called);
    else
        snprintf(text, size, "%.31s", thread->kind);
}
