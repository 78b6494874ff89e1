/* io_impl.h - what the wrappers of fd calls share
 *
 * A call is described by an attempt, which never waits, and a native form,
 * which may.  mp__io_run() makes attempts and parks the greenlet between them.
 * Everything here returns a result or -errno; a wrapper's last step is
 * mp__io_end(). */
#ifndef MONKEYPATCH_IO_IMPL_H
#define MONKEYPATCH_IO_IMPL_H

#include "monkeypatch/carrier.h"
#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/sys.h"

#include <limits.h>

/* The original, also before the constructor ran. */
#define MP_REAL(name)                                                     \
    (*({                                                                  \
        if (unlikely(mp__real.name == NULL))                              \
            mp__init();                                                   \
        mp__real.name;                                                    \
    }))

/* For what not every libc has. */
#define MP_REAL_FOUND(name) \
    (mp__real.name != NULL || (mp__init(), mp__real.name != NULL))

/* True where a wrapper of `group` does anything but call the original. */
#define MP_ACTIVE(group) \
    (unlikely(mp__here != NULL) && mp__io_active(MP_##group))

static inline bool mp__io_active(enum mp__group group)
{
    return (mp__options.groups & group) != 0 && mp__in_vfork_child == 0;
}

/* fdtable.c: guesses about fds.  None of them decides alone whether a call that
 * may block is made: the kernel is asked again first. */
enum {
    FD_KNOWN = 1,
    FD_SOCKET = 2,
    FD_REGULAR = 4, /* or a block device, a directory, /dev/null */
    FD_POLL_READ = 8,   /* RWF_NOWAIT is refused for reading */
    FD_POLL_WRITE = 16, /* and for writing */
    FD_OWN = 32,        /* a socket that no other process has */
    FD_TERMINAL = 64,   /* or another character device */
    FD_STREAM = 128,    /* with FD_OWN: of type SOCK_STREAM */
    FD_STORED = 256     /* with FD_REGULAR: a write ends when it is stored */
};
unsigned mp__fd_bits(int fd);    /* 0 for an fd that is not open */
unsigned mp__fd_examine(int fd); /* the same, not trusting what is noted */
void mp__fd_learn(int fd, unsigned bits);
/* Made here just now; `type` as for socket(), with its flags. */
void mp__fd_born_socket(int fd, int type);
/* Certainly without O_NONBLOCK: no other process has it, and this one has not
 * changed that. */
bool mp__fd_blocks(int fd);
void mp__fd_flags_seen(int fd, bool blocks);
/* Before F_SETFL or FIONBIO; the first may also change FD_STORED. */
void mp__fd_flags_changing(int fd);
void mp__fd_forget_range(unsigned first, unsigned last);
/* When a call that starts to wait now has to give up, by SO_RCVTIMEO or
 * SO_SNDTIMEO. */
int64_t mp__fd_deadline(int fd, int events);
void mp__fd_timeouts_changed(void);
/* True where SO_RCVLOWAT wants more than a byte. */
void mp__fd_lowat_set(void);
bool mp__fd_waits_for_more(int fd);
/* Other processes have from now on what is open now. */
void mp__fd_shared(void);
/* True while preadv2(RWF_NOWAIT) is worth trying. */
bool mp__fd_nowait_works(void);
bool mp__fd_ours(int fd); /* one of the hub's: the program has no such fd */

/* One call on one fd. */
struct mp__io {
    int fd; /* first: MP_WRITER.  Changes when the program closes its number */
    int original;
    uint8_t events;   /* HUB_READ or HUB_WRITE */
    uint8_t waited, stuck;
    uint8_t polls;   /* the attempt asks poll() first, so EAGAIN is a guess */
    uint8_t offload; /* the attempt knows that waiting for fd does not help */
    uint8_t restarts; /* after SA_RESTART, although it has a time-out */
    uint8_t shut;    /* somebody called shutdown() while it was parked */
    int64_t deadline;
    /* Of one that is parked to write: */
    struct mp__io *next, **back;
    struct hub__waiter *waiter;
};
#define MP_IO_UNASKED (-1)

/* Must not wait.  -EAGAIN: would have to. */
typedef long mp__io_call(struct mp__io *io, void *call);

/* Attempt `call` on fd until it is done.  `native` finishes it where it cannot
 * be waited for, here or on a helper.  A cancellation point; may unwind. */
long mp__io_run(int fd, int events, mp__io_call *attempt, mp__io_call *native,
                void *call);

/* mp__io_run() to receive at most `len` bytes.  When the last call on a stream
 * got less than it asked for, nothing was left: then it waits first, for news.
 * Registrations are made level-triggered, so nothing is missed if that was wrong. */
long mp__io_receive(int fd, size_t len, mp__io_call *attempt,
                    mp__io_call *native, void *call);

/* An urgent byte is to be read. */
void mp__io_urgent(int fd);

/* The pieces, for calls that are no plain loop. */
void mp__io_open(struct mp__io *io, int fd, int events);
void mp__io_close(struct mp__io *io);
#define MP_IO_CLEANUP __attribute__((cleanup(mp__io_close)))
enum { MP_IO_NATIVE = 1, MP_IO_OFFLOAD = 2 };
/* After -EAGAIN.  0: attempt again; MP_IO_NATIVE: call it plainly here;
 * MP_IO_OFFLOAD: on a helper; -errno: that is the result. */
int mp__io_wait(struct mp__io *io);
long mp__io_offload(struct mp__io *io, mp__io_call *native, void *call);

/* What mp__wait_fd() does of a wait with MP_WRITER, before and after. */
void mp__io_writer_parks(struct mp__io *io, struct hub__waiter *waiter);
void mp__io_writer_runs(struct mp__io *io);

/* shutdown(), and all that are parked to write try again.  A socket that is shut down
 * while it is full is not "writable" for poll(). */
int mp__io_shut_down(int fd, int how);

/* mp__wait_fd() that leaves errno alone, and renews the budget. */
int mp__io_park(int *fd, int events, int64_t deadline, unsigned flags);

/* False where the kernel would say EFAULT. */
bool mp__readable(const void *address, size_t len);

/* Every MP_IO_BUDGET-th call in a row that did not park gives way. */
#define MP_IO_BUDGET 64
void mp__io_give_way(void);

static inline void mp__io_begin(void)
{
    if (unlikely(mp__here->cancel_pending != 0))
        mp__testcancel();
}

static inline void mp__io_spend(void)
{
    struct mp__thread *here = mp__here;

    if (likely(here != NULL) && unlikely(--here->io_budget == 0))
        mp__io_give_way();
}

/* The errno boundary, and the end of every wrapper of an fd call. */
static inline long mp__io_end(long rc)
{
    mp__io_spend();
    return likely(rc >= 0) ? rc : mp__fail((int)rc);
}

/* wrap_file.c, wrap_poll.c, ...: bodies that other wrappers use */
long mp__read(int fd, void *buf, size_t len);
long mp__write(int fd, const void *buf, size_t len);
long mp__poll(struct pollfd *fds, nfds_t count, int64_t deadline);
long mp__accept(int fd, struct sockaddr *address, socklen_t *len, int flags);
void mp__accept_forked(void); /* in the child */

/* A part of an iovec array: the first `room` pieces behind `skip` bytes. */
struct mp__window {
    struct iovec vec[16];
    int count;
};
void mp__window_fill(struct mp__window *window, const struct iovec *vec,
                     int count, size_t skip);
size_t mp__iov_total(const struct iovec *vec, int count);

/* recv_all.c: MSG_WAITALL after the first piece */
long mp__receive_rest(int fd, struct msghdr *msg, size_t room, size_t done,
                      int flags);

/* sigmask.c: waits with a signal mask of their own, as in ppoll().  begin: true
 * when a signal came in at once, which is EINTR. */
struct mp__masked_wait {
    bool masked;
    sigset_t before;
    uint32_t seen; /* handlers */
};
bool mp__mask_begin(struct mp__masked_wait *wait, const sigset_t *mask);
void mp__mask_end(struct mp__masked_wait *wait);
/* A handler that runs just before the greenlet is parked does not end its wait:
 * so wait in pieces, and look in between. */
int64_t mp__mask_piece(const struct mp__masked_wait *wait, int64_t deadline);
bool mp__mask_interrupted(const struct mp__masked_wait *wait);
#define MP_MASK_CLEANUP __attribute__((cleanup(mp__mask_end)))

/* stdio: the child of fork() is alone */
void mp__stdio_forked(void);

#endif
