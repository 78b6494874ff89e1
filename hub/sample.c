/* sample.c - the stack of an OS thread that is in the middle of something
 *
 * A thread that runs gets a signal of ours, whose handler walks the stack.  One
 * that is blocked in a system call does not: sleeps and polls would end with
 * EINTR, which the program does not expect from a library that only looks.  Then
 * the return addresses that lie on its stack are found by looking at each word
 * (scan.c), and a few of them may be left from earlier calls. */
#include "hub/sight.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ALTERNATE_SIZE ((size_t)64 * 1024)
#define SPARED 4
#define HANDLER_FRAMES 8 /* of ours and the kernel's, at most */

static int signal_number; /* 0: none yet */

static uintptr_t interrupted_at(const void *interrupted)
{
    const ucontext_t *context = interrupted;

#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#endif
}

/* The walk begins in the handler; what it interrupted begins where it says. */
int hub__frames_interrupted(void *interrupted, void **frames, int max)
{
    void *all[HUB__SAMPLED + HANDLER_FRAMES];
    int count = backtrace(all, HUB__SAMPLED + HANDLER_FRAMES), first = 0;

    while (first < count && (uintptr_t)all[first] != interrupted_at(interrupted))
        first++;
    if (first == count) { /* it did not get through: the innermost, at least */
        all[0] = (void *)interrupted_at(interrupted);
        first = 0;
        count = 1;
    }
    if (count - first < max)
        max = count - first;
    memcpy(frames, all + first, (size_t)max * sizeof *frames);
    return max;
}

static bool begin(uint32_t *state)
{
    uint32_t expected = ASKED;

    return __atomic_compare_exchange_n(state, &expected, ASKED_ANSWERS, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void on_signal(int number, siginfo_t *info, void *interrupted)
{
    struct hub *hub = hub__peek();
    struct hub__sight *sight = hub != NULL ? hub->sight : NULL;
    int before = errno;

    (void)number;
    (void)info;
    if (sight != NULL && begin(&sight->sample.state)) {
        sight->sample.count = hub__frames_interrupted(
            interrupted, sight->sample.frames, HUB__SAMPLED);
        __atomic_store_n(&sight->sample.state, ASKED_DONE, __ATOMIC_RELEASE);
        hub__raw_wake(&sight->sample.state);
    }
    if (sight != NULL)
        hub__answer(hub, interrupted);
    errno = before;
}

/* A high one that nobody has: programs count from below, and emulators have not
 * all of them. */
static int choose_signal(void)
{
    struct sigaction now;

    for (int number = SIGRTMAX - SPARED; number > SIGRTMIN; number--)
        if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            return number;
    return 0;
}

int hub__sample_start(void)
{
    struct sigaction action = { .sa_sigaction = on_signal,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK |
                                            SA_RESTART };
    void *frame;

    if (signal_number != 0)
        return 0;
    backtrace(&frame, 1); /* loads the unwinder, which a handler must not */
    sigfillset(&action.sa_mask);
    signal_number = choose_signal();
    if (signal_number == 0 || sigaction(signal_number, &action, NULL) != 0)
        return -EAGAIN;
    return 0;
}

/* ---- a stack for the handler ---- */

/* That of a greenlet may be small. */
void hub__sample_thread(struct hub *hub)
{
    stack_t stack;
    void *memory;

    if (hub->sight->alternate != NULL || sigaltstack(NULL, &stack) != 0 ||
        !(stack.ss_flags & SS_DISABLE))
        return;
    memory = mmap(NULL, ALTERNATE_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return;
    stack = (stack_t){ .ss_sp = memory, .ss_size = ALTERNATE_SIZE };
    if (sigaltstack(&stack, NULL) == 0)
        hub->sight->alternate = memory;
    else
        munmap(memory, ALTERNATE_SIZE);
}

void hub__sample_thread_ends(struct hub *hub)
{
    static const stack_t none = { .ss_flags = SS_DISABLE };
    stack_t stack;

    if (hub->sight->alternate == NULL)
        return;
    if (sigaltstack(NULL, &stack) == 0 &&
        stack.ss_sp == hub->sight->alternate && sigaltstack(&none, NULL) != 0)
        return; /* in use: by a handler that we are called from */
    munmap(hub->sight->alternate, ALTERNATE_SIZE);
    hub->sight->alternate = NULL;
}

/* ---- asking for it ---- */

static bool is_installed(void)
{
    struct sigaction now;

    return signal_number != 0 && sigaction(signal_number, NULL, &now) == 0 &&
           now.sa_sigaction == on_signal;
}

bool hub__sample_poke(const struct hub__sight *sight)
{
    uintptr_t stack, code;

    if (!is_installed() || hub__scan_is_blocked(sight->tid, &stack, &code))
        return false;
    return syscall(SYS_tgkill, getpid(), sight->tid, signal_number) == 0;
}

/* Until it is done; `most` for it to begin. */
bool hub__await(uint32_t *state, int64_t most)
{
    int64_t until = hub_now() + most;
    uint32_t now;

    while ((now = __atomic_load_n(state, __ATOMIC_ACQUIRE)) != ASKED_DONE) {
        int64_t left = until - hub_now();
        uint32_t expected = ASKED;

        if (now == ASKED_ANSWERS)
            left = HUB_SECOND;
        else if (left <= 0 && __atomic_compare_exchange_n(
                                  state, &expected, ASKED_NOTHING, false,
                                  __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return false;
        if (left > 0)
            hub__raw_wait(state, now, left);
    }
    return true;
}

int hub__sample_take(struct hub *hub, int64_t most, bool *exact)
{
    struct hub__sight *sight = hub->sight;
    struct hub__sample *sample = &sight->sample;
    uintptr_t stack, code;

    *exact = false;
    if (hub__scan_is_blocked(sight->tid, &stack, &code))
        return hub__scan_stack(hub, stack, code, sample->frames, HUB__SAMPLED);
    __atomic_store_n(&sample->state, ASKED, __ATOMIC_RELEASE);
    if (!hub__sample_poke(sight)) {
        __atomic_store_n(&sample->state, ASKED_NOTHING, __ATOMIC_RELEASE);
        return 0;
    }
    if (!hub__await(&sample->state, most))
        return 0;
    __atomic_store_n(&sample->state, ASKED_NOTHING, __ATOMIC_RELEASE);
    *exact = true;
    return sample->count;
}
