/* onlook.c - what the monitor looks at: deadlocks (deadlock.c), and a thread that
 * keeps the others waiting
 *
 * Preemption takes a thread off its OS thread that computes in code of the
 * program's.  What is left: calls of libc that take long, a system call that
 * nobody knows of, a page that comes from a slow disk. */
#include "monkeypatch/onlook.h"
#include "monkeypatch/carrier.h"
#include "monkeypatch/control_impl.h"
#include "monkeypatch/deadlock.h"
#include "monkeypatch/end_wait.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MS 100
#define REPORT_NS INT64_C(1000000000) /* between two on stderr */
#define PATIENCE 20 /* so many times: then it is told without its frames */

static int64_t blocked_ms = -1; /* -1: not said */
static struct mp__onlook room;
extern void *__libc_stack_end;

bool mp__onlook_option(const char *value)
{
    char *end;
    unsigned long ms = strtoul(value, &end, 10);

    if (*value < '0' || *value > '9' || *end != '\0' || ms > INT_MAX)
        return false;
    blocked_ms = (int64_t)ms;
    return true;
}

/* ---- stacks, names ---- */

struct mp__onlook *mp__onlook_room(void)
{
    return &room;
}

/* Of the main thread's the beginning is where ld.so says. */
static uintptr_t top_of(const struct mp__thread *thread)
{
    return thread->mapped != NULL ? (uintptr_t)thread->mapped->tls_start
                                  : (uintptr_t)__libc_stack_end;
}

static void copy_from(uintptr_t sp, uintptr_t top, struct mp__onlook *seen)
{
    size_t size = top > sp ? top - sp : 0;

    if (size > MP_ONLOOK_STACK)
        size = MP_ONLOOK_STACK;
    size &= ~(size_t)7;
    seen->stack.bytes = seen->bytes;
    seen->stack.sp = sp;
    seen->stack.size =
        mp__hub->tools.scan_copy(seen->bytes, (const void *)sp, size) ? size
                                                                      : 0;
}

void mp__onlook_suspended(const struct mp__thread *thread,
                          struct mp__onlook *seen)
{
    copy_from((uintptr_t)greenlet__read(thread->identity->main.context),
              top_of(thread), seen);
}

void mp__onlook_name(const struct mp__thread *thread, char name[32])
{
    memcpy(name, thread->name, sizeof thread->name);
    name[sizeof thread->name - 1] = '\0';
    if (name[0] == '\0')
        strncpy(name, thread == &mp__main ? "main" : "thread", 31);
}

/* ---- a thread that keeps the others waiting ---- */

static bool blocked(const struct hub *hub, pid_t tid, int64_t ns);

static int64_t look(int64_t now)
{
    mp__watch_start_asked();
    return mp__deadlock_look(now);
}

static struct hub__onlooker onlooker = { .look = look,
                                         .blocked = blocked };

struct blocker {
    uint32_t id; /* 0: it is on no thread's stack: a handler's, or another one */
    char name[32];
    uintptr_t top;
};

static bool is_on(const struct mp__thread *thread, uintptr_t sp)
{
    uintptr_t top = top_of(thread);
    uintptr_t low = thread->mapped != NULL
                        ? (uintptr_t)thread->identity->main.slot.base
                        : top - ((uintptr_t)64 << 20);

    return sp >= low && sp < top;
}

static void find_blocker(uintptr_t sp, struct blocker *blocker)
{
    uint64_t before = mp__all_lock_elsewhere();
    const struct mp__thread *thread = mp__all;

    *blocker = (struct blocker){ .id = 0 };
    while (thread != NULL && !is_on(thread, sp))
        thread = thread->all_next;
    if (thread != NULL) {
        blocker->id = thread->id;
        blocker->top = top_of(thread);
        mp__onlook_name(thread, blocker->name);
    }
    mp__all_unlock_elsewhere(before);
}

/* Where the OS thread is: in a system call, else interrupted.  False: it does not
 * say. */
static bool look_inside(pid_t tid, struct blocker *blocker, long *call)
{
    uint64_t words[9];
    uint64_t *registers = room.registers.value;

    memset(&room.registers, 0, sizeof room.registers);
    *call = -1;
    room.exact = false;
    if (mp__hub->tools.scan_call(tid, words)) {
        *call = (long)words[0];
        registers[CONTROL_SP] = words[7];
        registers[CONTROL_PC] = words[8];
        room.registers.known = (uint64_t)1 << CONTROL_SP |
                               (uint64_t)1 << CONTROL_PC;
        find_blocker(words[7], blocker);
        copy_from(words[7], blocker->top, &room);
        return true;
    }
    room.stack.size = mp__control_interrupt(tid, registers, room.bytes,
                                            sizeof room.bytes);
    room.stack.bytes = room.bytes;
    room.stack.sp = registers[CONTROL_SP];
    room.registers.known = ~(uint64_t)0;
    room.exact = true;
    find_blocker(registers[CONTROL_SP], blocker);
    return registers[CONTROL_PC] != 0;
}

static void print_blocked(struct hub__print *print, const struct blocker *blocker,
                          int64_t ns, long call, bool seen)
{
    struct hub__symbols *symbols = mp__hub->tools.symbols_open();

    mp__hub->tools.print(print, "vireo: blocked: ");
    if (blocker->id != 0)
        mp__hub->tools.print(print, "thread %u \"%s\"", blocker->id,
                             blocker->name);
    else
        mp__hub->tools.print(print, "a thread");
    mp__hub->tools.print(print, " has not let others run for ");
    mp__hub->tools.print_seconds(print, ns);
    if (call >= 0)
        mp__hub->tools.print(print, ", in system call %ld", call);
    mp__hub->tools.print(print, seen ? "\n" : "; it does not show its frames\n");
    if (seen)
        mp__hub->tools.print_walk(print, symbols, &room.stack, &room.registers,
                                  room.exact);
    mp__hub->tools.symbols_close(symbols);
}

static bool blocked(const struct hub *hub, pid_t tid, int64_t ns)
{
    static int64_t reported;
    uint64_t switches = greenlet__read(hub->switches);
    int64_t now = mp__now();
    struct blocker blocker = { .id = 0 };
    bool seen, says;
    long call;

    seen = look_inside(tid, &blocker, &call);
    if (greenlet__read(hub->switches) != switches)
        return true; /* it has just ended */
    if (!seen && ns < PATIENCE * onlooker.blocked_after)
        return false;
    says = (blocked_ms > 0 || mp__options.verbose > 0) &&
           (reported == 0 || now - reported >= REPORT_NS);
    print_blocked(mp__hub->tools.kept_begin(), &blocker, ns, call, seen);
    mp__hub->tools.kept_end(HUB__KEPT_BLOCKED, ns, says);
    if (says)
        reported = now;
    return true;
}

/* ---- start ---- */

void mp__onlook_begin(void)
{
    static bool said;
    int rc;

    if (mp__hosts)
        return;
    mp__deadlock_forked();
    onlooker.blocked_after = (blocked_ms >= 0 ? blocked_ms : DEFAULT_MS) *
                             INT64_C(1000000);
    rc = mp__hub->look_on(&onlooker);
    if (rc < 0 && rc != -ECANCELED && !said) {
        said = true;
        mp__say(0, "there is no monitor: %s; nobody is told of deadlocks, and a "
                   "system call of a thread's own stops all",
                strerrordesc_np(-rc));
    }
}
