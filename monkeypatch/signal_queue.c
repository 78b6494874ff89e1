/* signal_queue.c - signals that were sent to one mapped thread
 *
 * A handler of ours may have to keep a signal, so the nodes are in static
 * memory.  signals_pending says which numbers are there; a number without a node
 * has come when there was none left, and has no more to tell. */
#include "monkeypatch/signal_impl.h"

#include <sys/syscall.h>
#include <unistd.h>

#define NODES 1024

struct mp__queued_signal {
    struct mp__queued_signal *next;
    siginfo_t info;
};

static struct mp__queued_signal nodes[NODES], *unused;
static unsigned fresh; /* nodes that were never used begin here */
static bool taken;     /* the lock, held with all signals blocked */

static uint64_t lock(void)
{
    uint64_t all = ~(uint64_t)0, before = 0;

    mp__real.syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before,
                     sizeof all);
    while (__atomic_test_and_set(&taken, __ATOMIC_ACQUIRE))
        continue;
    return before;
}

static void unlock(uint64_t before)
{
    __atomic_clear(&taken, __ATOMIC_RELEASE);
    mp__real.syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL,
                     sizeof before);
}

static struct mp__queued_signal *new_node(void)
{
    struct mp__queued_signal *node = unused;

    if (node != NULL)
        unused = node->next;
    else if (fresh < NODES)
        node = &nodes[fresh++];
    return node;
}

static void append(struct mp__thread *thread, struct mp__queued_signal *node)
{
    struct mp__queued_signal **end = &thread->signal_queue;

    while (*end != NULL)
        end = &(*end)->next;
    node->next = NULL;
    *end = node;
}

/* A number below the real-time ones is pending once, whatever its values. */
int mp__signal_enqueue(struct mp__thread *thread, const siginfo_t *info)
{
    uint64_t bit = mp__signal_bit(info->si_signo), before = lock();
    struct mp__queued_signal *node = NULL;
    int rc = 0;

    if (info->si_signo >= MP_FIRST_REAL_TIME ||
        (thread->signals_pending & bit) == 0) {
        node = new_node();
        if (node != NULL) {
            node->info = *info;
            append(thread, node);
        } else if (info->si_code == SI_QUEUE) {
            rc = EAGAIN;
        }
    }
    if (rc == 0)
        __atomic_or_fetch(&thread->signals_pending, bit, __ATOMIC_SEQ_CST);
    unlock(before);
    return rc;
}

/* Unlink the first of that number.  NULL: it has no node. */
static struct mp__queued_signal *take(struct mp__thread *thread, int number)
{
    struct mp__queued_signal **at = &thread->signal_queue, *node;

    while (*at != NULL && (*at)->info.si_signo != number)
        at = &(*at)->next;
    node = *at;
    if (node != NULL)
        *at = node->next;
    return node;
}

static bool has_more(const struct mp__thread *thread, int number)
{
    const struct mp__queued_signal *node = thread->signal_queue;

    while (node != NULL && node->info.si_signo != number)
        node = node->next;
    return node != NULL;
}

static void nothing_known(int number, siginfo_t *info)
{
    memset(info, 0, sizeof *info);
    info->si_signo = number;
    info->si_code = SI_TKILL;
    info->si_pid = getpid();
    info->si_uid = getuid();
}

bool mp__signal_dequeue(struct mp__thread *thread, uint64_t set,
                        siginfo_t *info)
{
    uint64_t before, due;

    if (likely((thread->signals_pending & set) == 0))
        return false;
    before = lock();
    due = thread->signals_pending & set;
    if (due != 0) {
        int number = __builtin_ctzll(due) + 1;
        struct mp__queued_signal *node = take(thread, number);

        if (node != NULL) {
            *info = node->info;
            node->next = unused;
            unused = node;
        } else {
            nothing_known(number, info);
        }
        if (!has_more(thread, number))
            __atomic_and_fetch(&thread->signals_pending,
                               ~mp__signal_bit(number), __ATOMIC_SEQ_CST);
    }
    unlock(before);
    return due != 0;
}

void mp__signal_discard(struct mp__thread *thread, uint64_t set)
{
    siginfo_t info;

    while (mp__signal_dequeue(thread, set, &info))
        continue;
}

void mp__signals_thread_freed(struct mp__thread *thread)
{
    mp__signal_discard(thread, ~(uint64_t)0);
}

/* What is pending for a thread is not pending for a child. */
void mp__signal_queue_forked(void)
{
    taken = false;
    unused = NULL;
    fresh = 0;
}
