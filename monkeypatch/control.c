/* control.c - threads and counters, for those who ask at the control socket
 *
 * All but the handler is run by hub/control.c's thread, which is libc's own and
 * none of the program's. */
#include "monkeypatch/control_impl.h"
#include "monkeypatch/end_wait.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWERS_NS 50000000

static bool wanted = true;
static char directory[PATH_MAX], runtime[PATH_MAX];
static int signal_number;

bool mp__control_option(const char *value)
{
    if (value[0] == '/' && strlen(value) < sizeof directory) {
        strcpy(directory, value);
        return true;
    }
    wanted = value[0] == '1';
    return (value[0] == '0' || value[0] == '1') && value[1] == '\0';
}

void mp__control_environment(const char *runtime_directory)
{
    if (strlen(runtime_directory) < sizeof runtime)
        strcpy(runtime, runtime_directory);
}

/* ---- threads ---- */

static size_t count(void)
{
    return __atomic_load_n(&mp__live, __ATOMIC_RELAXED);
}

/* Ten thousand are in no cache: what comes is on its way while one is copied. */
static void look_ahead(const struct mp__thread *thread,
                       struct hub__control_listed *listed)
{
    for (int i = 0; i < 2 && (thread = thread->all_next) != NULL; i++)
        if (thread->mapped != NULL)
            listed->next[i] = &thread->identity->main;
    if (thread == NULL || (thread = thread->all_next) == NULL)
        return;
    __builtin_prefetch(&thread->id);
    __builtin_prefetch(&thread->start);
    __builtin_prefetch(&thread->all_next);
    __builtin_prefetch(&thread->name);
}

static bool visit(bool first,
                  bool (*each)(const struct hub__control_listed *, void *),
                  void *data)
{
    struct mp__thread **cursor = &mp__all_cursors[MP_CURSOR_CONTROL];
    uint64_t before = mp__all_lock_elsewhere();
    bool goes_on = true;

    if (first)
        *cursor = __atomic_load_n(&mp__all, __ATOMIC_ACQUIRE);
    while (*cursor != NULL && goes_on) {
        const struct mp__thread *thread = *cursor;
        struct hub__control_listed listed = { .greenlet = &thread->identity->main,
                                              .room = thread,
                                              .mapped = thread->mapped != NULL };

        look_ahead(thread, &listed);
        goes_on = each(&listed, data);
        if (goes_on)
            *cursor = thread->all_next;
    }
    goes_on = *cursor != NULL;
    mp__all_unlock_elsewhere(before);
    return goes_on;
}

static void describe(const void *room, struct control__thread *to)
{
    const struct mp__thread *thread = room;

    to->id = thread->id;
    to->start = (uint64_t)(uintptr_t)thread->start;
    memcpy(to->name, thread->name, sizeof thread->name);
    to->name[sizeof thread->name - 1] = '\0';
    if (thread->exiting)
        to->state = CONTROL_ENDED;
}

/* ---- counters ---- */

struct text {
    char *at, *end;
};

static void __attribute__((format(printf, 2, 3)))
add(struct text *text, const char *format, ...)
{
    va_list list;
    int wrote;

    va_start(list, format);
    wrote = vsnprintf(text->at, (size_t)(text->end - text->at), format, list);
    va_end(list);
    if (wrote > 0 && wrote < text->end - text->at)
        text->at += wrote;
    *text->at = '\0'; /* a line that does not fit is left out */
}

static void add_later(const char *name, uint64_t calls, uint64_t total_ns,
                      uint64_t longest_ns, void *text)
{
    add(text, "stopped_by.%s %lu %lu %lu\n", name, (unsigned long)calls,
        (unsigned long)total_ns, (unsigned long)longest_ns);
}

static void stats(char *to, size_t size)
{
    struct mp__stats sum;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        { "threads_made", (mp__stats_sum(&sum), sum.threads) },
        { "parks", sum.parks },
        { "offloads", sum.offloads },
        { "native_waits", sum.native_waits },
        { "preemptions", sum.preemptions },
        { "compensated", sum.compensated },
    };
    struct text text = { to, to + size };

    add(&text, "threads %zu\nguards %s\n", count(), mp__hub->guard_kind());
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        add(&text, "%s %lu\n", counters[i].name,
            (unsigned long)counters[i].value);
    mp__later_each(add_later, &text);
}

/* ---- an OS thread in the middle of something ---- */

static struct {
    uint32_t state; /* atomic */
    uint64_t *registers;
    void *stack;
    size_t most, size;
} asked;
enum { FREE, ASKED, ANSWERS, DONE };
static bool asking;

bool mp__control_is(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_ptr == &asked;
}

static void take_registers(const ucontext_t *context, uint64_t *registers)
{
#if defined(__x86_64__)
    static const int order[] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI,
                                 REG_RDI, REG_RBP, REG_RSP, REG_R8,  REG_R9,
                                 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
                                 REG_R15, REG_RIP };

    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        registers[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
#elif defined(__aarch64__)
    for (size_t i = 0; i < 31; i++)
        registers[i] = context->uc_mcontext.regs[i];
    registers[CONTROL_SP] = context->uc_mcontext.sp;
    registers[CONTROL_PC] = context->uc_mcontext.pc;
#endif
}

#define MAIN_MOST ((uintptr_t)64 << 20) /* of the main thread's stack */
extern void *__libc_stack_end;

/* How much of a stack there is from here up: of what runs now; 0: it is on another,
 * one for handlers or of the program's own making. */
static size_t left_of_stack(uintptr_t sp)
{
    const struct mp__thread *self = mp__self;
    uintptr_t low = 0, high = (uintptr_t)__libc_stack_end;

    if (self != NULL && self->mapped != NULL) {
        low = (uintptr_t)self->identity->main.slot.base;
        high = (uintptr_t)self->mapped->tls_start;
    }
    return sp >= low && sp < high && (low != 0 || high - sp < MAIN_MOST)
               ? high - sp
               : 0;
}

static size_t copy_stack(uintptr_t from, void *to, size_t most)
{
    size_t left = left_of_stack(from);

    if (left > most)
        left = most;
    memcpy(to, (const void *)from, left);
    return left;
}

void mp__control_answer(const ucontext_t *context)
{
    uint32_t expected = ASKED;

    if (!__atomic_compare_exchange_n(&asked.state, &expected, ANSWERS, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    memset(asked.registers, 0, CONTROL_REGISTERS * sizeof *asked.registers);
    take_registers(context, asked.registers);
    asked.size = copy_stack(CONTEXT_SP(context), asked.stack, asked.most);
    __atomic_store_n(&asked.state, DONE, __ATOMIC_RELEASE);
}

static bool send_signal(pid_t tid)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_signo = signal_number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_ptr = &asked;
    return SYS_CALL(SYS_rt_tgsigqueueinfo, info.si_pid, tid, signal_number,
                    &info, 0, 0) == 0;
}

/* Whoever has begun is waited for: it writes to memory of the caller's. */
static bool await(void)
{
    int64_t until = mp__now() + ANSWERS_NS;
    struct timespec pause = { 0, 50000 };
    uint32_t state, expected = ASKED;

    while ((state = __atomic_load_n(&asked.state, __ATOMIC_ACQUIRE)) != DONE) {
        if (state == ASKED && mp__now() > until &&
            __atomic_compare_exchange_n(&asked.state, &expected, FREE, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return false;
        expected = ASKED;
        mp__real.nanosleep(&pause, NULL);
    }
    return true;
}

static size_t interrupt(pid_t tid, uint64_t registers[CONTROL_REGISTERS],
                        void *stack, size_t most)
{
    asked.registers = registers;
    asked.stack = stack;
    asked.most = most;
    __atomic_store_n(&asked.state, ASKED, __ATOMIC_RELEASE);
    if (!send_signal(tid))
        __atomic_store_n(&asked.state, FREE, __ATOMIC_RELEASE);
    else if (await())
        return asked.size;
    return 0;
}

/* Two threads may want that: who serves the socket, and the monitor. */
size_t mp__control_interrupt(pid_t tid, uint64_t registers[CONTROL_REGISTERS],
                             void *stack, size_t most)
{
    size_t size;

    memset(registers, 0, CONTROL_REGISTERS * sizeof *registers);
    if (signal_number == 0)
        return 0;
    while (__atomic_test_and_set(&asking, __ATOMIC_ACQUIRE))
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    size = interrupt(tid, registers, stack, most);
    __atomic_clear(&asking, __ATOMIC_RELEASE);
    return size;
}

/* ---- start, end ---- */

static struct hub__control control = { .room_size = sizeof(struct mp__thread),
                                       .visit = visit,
                                       .describe = describe,
                                       .stats = stats,
                                       .interrupt = mp__control_interrupt };

void mp__control_begin(int number)
{
    signal_number = number;
    if (!wanted || mp__hosts)
        return;
    control.directory = directory[0] != '\0' ? directory : NULL;
    control.runtime = runtime[0] != '\0' ? runtime : NULL;
    control.verbose = directory[0] != '\0' || mp__options.verbose > 0;
    mp__hub->control_start(&control);
}

void mp__control_forked(void)
{
    asked.state = FREE;
    asking = false;
    if (mp__hub != NULL)
        mp__hub->control_forked();
}

__attribute__((destructor)) static void end(void)
{
    if (mp__hub != NULL)
        mp__hub->control_end();
}
