/* wrap_queue.c - message queues and semaphores of POSIX and of System V
 *
 * A POSIX queue is an fd: tried with a time-out that is over, then polled.
 * Nothing tells of the others when they are ready: after a try that does not
 * wait, a helper waits. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"

#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* ---- POSIX ---- */

struct letter {
    char *buf;
    size_t len;
    unsigned priority, *priority_out;
    bool sends;
    const struct timespec *until; /* CLOCK_REALTIME; NULL: for ever */
};

static long transfer(int fd, const struct letter *letter,
                     const struct timespec *until)
{
    if (letter->sends)
        return SYS_CALL(SYS_mq_timedsend, fd, letter->buf, letter->len,
                        letter->priority, until, 0);
    return SYS_CALL(SYS_mq_timedreceive, fd, letter->buf, letter->len,
                    letter->priority_out, until, 0);
}

static long plainly(struct mp__io *io, void *letter)
{
    return transfer(io->fd, letter, ((struct letter *)letter)->until);
}

static long run(int fd, struct letter *letter)
{
    const struct timespec past = { 0, 0 };
    int64_t deadline = HUB_FOREVER;
    struct mp__io io MP_IO_CLEANUP;

    mp__io_open(&io, fd, letter->sends ? HUB_WRITE : HUB_READ);
    mp__io_begin(); /* may unwind */
    if (letter->until != NULL)
        deadline = mp__at(CLOCK_REALTIME, letter->until);
    for (;;) {
        long rc = transfer(io.fd, letter, &past);

        if (rc != -ETIMEDOUT || mp__real_time_now(deadline) <= mp__now())
            return rc;
        io.deadline = deadline;
        io.restarts = 1; /* signal(7): the time-out is a moment */
        rc = mp__io_wait(&io);
        if (rc == MP_IO_NATIVE)
            return plainly(&io, letter);
        if (rc == MP_IO_OFFLOAD)
            return mp__io_offload(&io, plainly, letter);
        if (rc < 0 && rc != -EAGAIN) /* else its time is over: look */
            return rc;
    }
}

/* What is wrong with the time gets the kernel's answer. */
static bool may_park(const struct timespec *until)
{
    return MP_ACTIVE(file) && mp__may_park() &&
           (until == NULL || (mp__readable(until, sizeof *until) &&
                              mp__timespec_ok(until)));
}

MP_EXPORT ssize_t mq_timedreceive(mqd_t queue, char *buf, size_t len,
                                  unsigned *priority,
                                  const struct timespec *until)
{
    struct letter letter = { .buf = buf, .len = len, .priority_out = priority,
                             .until = until };

    if (!may_park(until))
        return MP_REAL(mq_timedreceive)(queue, buf, len, priority, until);
    return mp__io_end(run(queue, &letter));
}

MP_EXPORT ssize_t mq_receive(mqd_t queue, char *buf, size_t len,
                             unsigned *priority)
{
    struct letter letter = { .buf = buf, .len = len,
                             .priority_out = priority };

    if (!may_park(NULL))
        return MP_REAL(mq_receive)(queue, buf, len, priority);
    return mp__io_end(run(queue, &letter));
}

MP_EXPORT int mq_timedsend(mqd_t queue, const char *buf, size_t len,
                           unsigned priority, const struct timespec *until)
{
    struct letter letter = { .buf = (char *)buf, .len = len,
                             .priority = priority, .sends = true,
                             .until = until };

    if (!may_park(until))
        return MP_REAL(mq_timedsend)(queue, buf, len, priority, until);
    return (int)mp__io_end(run(queue, &letter));
}

MP_EXPORT int mq_send(mqd_t queue, const char *buf, size_t len,
                      unsigned priority)
{
    struct letter letter = { .buf = (char *)buf, .len = len,
                             .priority = priority, .sends = true };

    if (!may_park(NULL))
        return MP_REAL(mq_send)(queue, buf, len, priority);
    return (int)mp__io_end(run(queue, &letter));
}

/* By its plain name close() is ours. */
MP_EXPORT int mq_close(mqd_t queue)
{
    return close(queue);
}

/* ---- System V ---- */

struct message {
    int queue, flags;
    void *out;
    const void *in;
    size_t size;
    long type;
};

static long receive(void *arg)
{
    struct message *call = arg;

    return SYS_CALL(SYS_msgrcv, call->queue, call->out, call->size, call->type,
                    call->flags, 0);
}

static long deliver(void *arg)
{
    struct message *call = arg;

    return SYS_CALL(SYS_msgsnd, call->queue, call->in, call->size, call->flags,
                    0, 0);
}

static bool sysv_may_park(void)
{
    return MP_ACTIVE(process) && mp__may_park();
}

MP_EXPORT ssize_t msgrcv(int queue, void *message, size_t room, long type,
                         int flags)
{
    struct message call = { .queue = queue, .flags = flags | IPC_NOWAIT,
                            .out = message, .size = room, .type = type };
    long rc;

    mp__testcancel();
    if ((flags & IPC_NOWAIT) != 0 || !sysv_may_park())
        return MP_REAL(msgrcv)(queue, message, room, type, flags);
    mp__io_begin();
    rc = receive(&call);
    if (rc == -ENOMSG) {
        call.flags = flags;
        rc = mp__helped_wait(receive, &call, MP_CANCEL | MP_INTERRUPTIBLE);
    }
    return mp__io_end(rc);
}

MP_EXPORT int msgsnd(int queue, const void *message, size_t size, int flags)
{
    struct message call = { .queue = queue, .flags = flags | IPC_NOWAIT,
                            .in = message, .size = size };
    long rc;

    mp__testcancel();
    if ((flags & IPC_NOWAIT) != 0 || !sysv_may_park())
        return MP_REAL(msgsnd)(queue, message, size, flags);
    mp__io_begin();
    rc = deliver(&call);
    if (rc == -EAGAIN) {
        call.flags = flags;
        rc = mp__helped_wait(deliver, &call, MP_CANCEL | MP_INTERRUPTIBLE);
    }
    return (int)mp__io_end(rc);
}

struct operations {
    int set;
    struct sembuf *operations;
    size_t count;
    const struct timespec *timeout;
};

static long operate(void *arg)
{
    struct operations *call = arg;

    return SYS_CALL(SYS_semtimedop, call->set, call->operations, call->count,
                    call->timeout, 0, 0);
}

static int run_operations(struct operations *call)
{
    const struct timespec zero = { 0, 0 }, *timeout = call->timeout;
    long rc;

    call->timeout = &zero;
    rc = operate(call);
    call->timeout = timeout;
    if (rc == -EAGAIN) /* or because of IPC_NOWAIT: then it is said again */
        rc = mp__helped_wait(operate, call, MP_INTERRUPTIBLE);
    return (int)mp__io_end(rc);
}

MP_EXPORT int semtimedop(int set, struct sembuf *operations, size_t count,
                         const struct timespec *timeout)
{
    struct operations call = { set, operations, count, timeout };

    if (!sysv_may_park() ||
        (timeout != NULL && !mp__readable(timeout, sizeof *timeout)))
        return MP_REAL(semtimedop)(set, operations, count, timeout);
    return run_operations(&call);
}

MP_EXPORT int semop(int set, struct sembuf *operations, size_t count)
{
    struct operations call = { set, operations, count, NULL };

    if (!sysv_may_park())
        return MP_REAL(semop)(set, operations, count);
    return run_operations(&call);
}
