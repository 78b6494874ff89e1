/* sigmask.c - waits with a signal mask of their own: ppoll, pselect, epoll_pwait
 *
 * The mask is the thread's for that time.  A signal that it lets in ends the
 * wait, also when it came before and was pending. */
#include "monkeypatch/io_impl.h"

#include "monkeypatch/per_thread.h"

#include <signal.h>
#include <string.h>

#define PIECE_NS 200000000

bool mp__mask_begin(struct mp__masked_wait *wait, const sigset_t *mask)
{
    sigset_t full; /* the kernel's is shorter, and so may be the caller's */

    wait->seen = __atomic_load_n(mp__handler_count(false), __ATOMIC_SEQ_CST);
    sigemptyset(&full);
    memcpy(&full, mask, MP_SIGSET_BYTES);
    pthread_sigmask(SIG_SETMASK, &full, &wait->before);
    wait->masked = true;
    return mp__mask_interrupted(wait);
}

bool mp__mask_interrupted(const struct mp__masked_wait *wait)
{
    return wait->masked &&
           __atomic_load_n(mp__handler_count(false), __ATOMIC_SEQ_CST) != wait->seen;
}

int64_t mp__mask_piece(const struct mp__masked_wait *wait, int64_t deadline)
{
    int64_t piece;

    if (!wait->masked || deadline == 0)
        return deadline;
    piece = mp__now() + PIECE_NS;
    return piece < deadline ? piece : deadline;
}

void mp__mask_end(struct mp__masked_wait *wait)
{
    int before = errno;

    if (wait->masked)
        pthread_sigmask(SIG_SETMASK, &wait->before, NULL);
    errno = before;
}
