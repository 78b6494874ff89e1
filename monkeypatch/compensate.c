/* compensate.c - a thread that sleeps in a system call of its own
 *
 * Code that calls the kernel by an instruction of its own (liburing, Go, a
 * language's runtime) is not seen by any wrapper: when it sleeps, so do all threads
 * that share its OS thread.  The monitor sees that: the OS thread has slept for a
 * look or two in a call that was made by the program's code.  It interrupts the
 * call by a signal, and the handler has a helper make it anew, while the others go
 * on; the result is put where the program expects it.
 *
 * Interrupted calls are of two kinds.  Some the kernel would restart: then the
 * program counter is at the instruction again.  The others returned -EINTR, which
 * the program does not get to see if no handler of its own ran meanwhile. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/helped.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/sys.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK = 7, CODE }; /* behind the number and six arguments */
enum { FREE, FILLING, SENT };

/* What the monitor saw last.  One for all hubs: a signal that is under way is
 * waited for. */
static struct {
    uint32_t state; /* atomic */
    uint32_t handlers;
    pid_t tid;
    uint64_t words[9];
} seen;

static int signal_number;

/* ---- the two architectures ---- */

#if defined(__x86_64__)
#define INSTRUCTION 2
#define PC(context) ((context)->uc_mcontext.gregs[REG_RIP])
#define SP(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_RSP])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#define NUMBER(context) RESULT(context)
static long argument(const ucontext_t *context, int i)
{
    static const int registers[] = { REG_RDI, REG_RSI, REG_RDX,
                                     REG_R10, REG_R8,  REG_R9 };

    return (long)context->uc_mcontext.gregs[registers[i]];
}
#elif defined(__aarch64__)
#define INSTRUCTION 4
#define PC(context) ((context)->uc_mcontext.pc)
#define SP(context) ((uint64_t)(context)->uc_mcontext.sp)
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#define NUMBER(context) ((context)->uc_mcontext.regs[8])
/* The first one is lost when the result is there. */
static long argument(const ucontext_t *context, int i)
{
    return i == 0 ? (long)seen.words[1] : (long)context->uc_mcontext.regs[i];
}
#endif

/* ---- the monitor ---- */

/* What belongs to the thread that calls it, or would not be the same a second
 * time. */
static bool is_its_own(const uint64_t *words)
{
    switch ((long)words[0]) {
#ifdef SYS_pause
    case SYS_pause:
#endif
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_clone:
    case SYS_clone3:
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_ptrace:
    case SYS_restart_syscall:
    case SYS_rt_sigreturn:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
        return true;
    case SYS_futex:
        return (words[2] & FUTEX_CMD_MASK) != FUTEX_WAIT &&
               (words[2] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET;
    case SYS_io_uring_enter:
        return (words[4] & IORING_ENTER_REGISTERED_RING) != 0;
    default:
        return false;
    }
}

/* The monitor's thread is none of those that it looks at. */
static uint32_t handlers_run(void)
{
    return __atomic_load_n(&mp__handlers_run, __ATOMIC_SEQ_CST);
}

/* In the monitor's thread, which libc does not know. */
static void stuck(pid_t tid, const uint64_t words[9])
{
    uint32_t free = FREE;
    siginfo_t info;

    if (is_its_own(words) || !mp__preempt_in_program((uintptr_t)words[CODE]) ||
        !__atomic_compare_exchange_n(&seen.state, &free, FILLING, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    seen.tid = tid;
    seen.handlers = handlers_run();
    memcpy(seen.words, words, sizeof seen.words);
    memset(&info, 0, sizeof info);
    info.si_signo = signal_number;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)SYS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
    info.si_ptr = &seen;
    __atomic_store_n(&seen.state, SENT, __ATOMIC_RELEASE);
    if (SYS_CALL(SYS_rt_tgsigqueueinfo, info.si_pid, tid, signal_number, &info,
                 0, 0) < 0)
        __atomic_store_n(&seen.state, FREE, __ATOMIC_RELEASE);
}

void mp__compensate_begin(int number)
{
    signal_number = number;
    __atomic_store_n(&seen.state, FREE, __ATOMIC_RELAXED);
    mp__hub->watch_stuck(stuck);
}

/* ---- the handler ---- */

bool mp__compensate_is(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_ptr == &seen;
}

static long make(void *arg)
{
    const long *call = arg;

    return SYS_CALL(call[0], call[1], call[2], call[3], call[4], call[5],
                    call[6]);
}

static long wait_for(long call[7], bool restarts)
{
    long rc = mp__helped_wait(make, call,
                              MP_INTERRUPTIBLE | (restarts ? MP_RESTARTS : 0));

    return rc == -EEXIST && call[0] == SYS_io_uring_enter ? make(call) : rc;
}

/* A write was interrupted in the middle: natively it ends when all is written. */
static long write_rest(const long call[7], long done)
{
    long rest[7], rc = 1;

    memcpy(rest, call, sizeof rest);
    while (done < call[3] && rc > 0) {
        rest[2] = call[2] + done;
        rest[3] = call[3] - done;
        rc = wait_for(rest, true);
        done += rc > 0 ? rc : 0;
    }
    return done;
}

static bool is_write(long number)
{
    return number == SYS_write || number == SYS_sendto;
}

static void say_once(long number, uint64_t code)
{
    static bool said;
    Dl_info info;

    if (said)
        return;
    said = true;
    if (dladdr((void *)(uintptr_t)code, &info) == 0 || info.dli_fname == NULL)
        info.dli_fname = "the program";
    mp__say(2, "a thread slept in system call %ld, which %s makes itself: a "
               "helper waits for it", number, info.dli_fname);
}

/* Whether it is the very call that the monitor saw, and how it was ended. */
enum ended { ENDED_ELSE, ENDED_RESTARTS, ENDED_INTERRUPTED, ENDED_PARTLY };

static enum ended how_it_ended(const ucontext_t *context)
{
    const uint64_t *words = seen.words, code = words[CODE];
    const long result = (long)RESULT(context);

    if (SP(context) != words[STACK])
        return ENDED_ELSE;
    if ((uint64_t)PC(context) == code - INSTRUCTION)
        return (uint64_t)NUMBER(context) == words[0] ? ENDED_RESTARTS
                                                     : ENDED_ELSE;
    if ((uint64_t)PC(context) != code)
        return ENDED_ELSE;
    if (result == -EINTR)
        return handlers_run() == seen.handlers ? ENDED_INTERRUPTED
                                               : ENDED_ELSE;
    return is_write((long)words[0]) && result > 0 &&
                   result < argument(context, 2)
               ? ENDED_PARTLY
               : ENDED_ELSE;
}

static void again(ucontext_t *context, const long call[7])
{
    PC(context) -= INSTRUCTION;
#if defined(__aarch64__)
    RESULT(context) = (uint64_t)call[1];
#endif
    NUMBER(context) = (__typeof__(NUMBER(context)))call[0];
}

void mp__compensate(struct mp__thread *self, ucontext_t *context)
{
    const enum ended ended = how_it_ended(context);
    const uint64_t code = seen.words[CODE];
    long call[7] = { (long)seen.words[0] }, rc = (long)RESULT(context);

    for (int i = 0; i < 6; i++)
        call[1 + i] = argument(context, i);
    __atomic_store_n(&seen.state, FREE, __ATOMIC_RELEASE);
    if (ended == ENDED_ELSE)
        return;
    if (self == NULL || !mp__preempt_may(self, context)) {
        if (ended == ENDED_INTERRUPTED)
            again(context, call);
        return;
    }
    mp__preempt_let_in();
    mp__count(compensated);
    say_once(call[0], code);
    rc = ended == ENDED_PARTLY ? write_rest(call, rc)
                               : wait_for(call, ended == ENDED_RESTARTS);
    mp__preempt_renew(context);
    PC(context) = (__typeof__(PC(context)))code;
    RESULT(context) = (__typeof__(RESULT(context)))rc;
}
