/* sigmask.c - waits with a signal mask of their own: ppoll, pselect, epoll_pwait
 *
 * Mapped threads share the mask of one kernel thread.  While such a wait lasts,
 * what its mask lets through and the thread blocks is let through on the kernel
 * thread, and counted, since several may do so at a time and end in any order.
 * What it blocks in addition goes unblocked: another thread of a process might
 * take the signal too. */
#include "monkeypatch/io_impl.h"

#include <signal.h>

#define SIGNALS 64

static unsigned let_through[SIGNALS]; /* waits that do so now */

static long set_mask(int how, const uint64_t *mask, uint64_t *old)
{
    return SYS_CALL(SYS_rt_sigprocmask, how, mask, old, MP_SIGSET_BYTES, 0, 0);
}

void mp__mask_begin(struct mp__masked_wait *wait, const sigset_t *mask)
{
    uint64_t wanted, blocked;

    __builtin_memcpy(&wanted, mask, sizeof wanted);
    if (set_mask(SIG_BLOCK, NULL, &blocked) < 0)
        return;
    for (unsigned i = 0; i < SIGNALS; i++) {
        uint64_t bit = (uint64_t)1 << i;

        if ((wanted & bit) == 0 &&
            ((blocked & bit) != 0 || let_through[i] > 0)) {
            wait->unblocked |= bit;
            let_through[i]++;
        }
    }
    if (wait->unblocked != 0)
        set_mask(SIG_UNBLOCK, &wait->unblocked, NULL);
}

void mp__mask_end(struct mp__masked_wait *wait)
{
    uint64_t block = 0;

    for (unsigned i = 0; i < SIGNALS && wait->unblocked != 0; i++) {
        uint64_t bit = (uint64_t)1 << i;

        if ((wait->unblocked & bit) != 0 && --let_through[i] == 0)
            block |= bit;
    }
    if (block != 0)
        set_mask(SIG_BLOCK, &block, NULL);
    wait->unblocked = 0;
}
