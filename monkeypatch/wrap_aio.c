/* wrap_aio.c - waiting for what libc's own threads do: aio_read() and its like,
 * lio_listio(), getaddrinfo_a()
 *
 * The calls wait inside libc: a helper makes them.  Its signal ends them with
 * what they say for EINTR. */
#include "monkeypatch/helped.h"
#include "monkeypatch/io_impl.h"

#include <aio.h>
#include <netdb.h>

/* A time-out is not waited for anew after a handler (signal(7)). */
static unsigned how_to_wait(const struct timespec *timeout)
{
    return MP_CANCEL | MP_INTERRUPTIBLE | (timeout == NULL ? MP_RESTARTS : 0);
}

struct requests {
    const struct aiocb *const *list;
    int count;
    const struct timespec *timeout;
};

static long suspend(void *arg)
{
    struct requests *call = arg;

    return mp__real.aio_suspend(call->list, call->count, call->timeout) < 0
               ? -errno
               : 0;
}

MP_EXPORT int aio_suspend(const struct aiocb *const list[], int count,
                          const struct timespec *timeout)
{
    int (*original)(const struct aiocb *const *, int, const struct timespec *) =
        MP_REAL(aio_suspend);
    struct requests call = { list, count, timeout };

    if (!MP_ACTIVE(file) || !mp__may_park())
        return original(list, count, timeout);
    mp__io_begin();
    return (int)mp__io_end(
        mp__helped_wait(suspend, &call, how_to_wait(timeout)));
}
MP_SPELLING(aio_suspend, aio_suspend64);

struct batch {
    struct aiocb *const *list;
    int count;
};

static bool is_request(const struct aiocb *request)
{
    return request != NULL && request->aio_lio_opcode != LIO_NOP;
}

/* Which have been submitted: so it may be made anew. */
static long wait_for_batch(void *arg)
{
    const struct batch *call = arg;
    bool failed = false;
    int i;

    for (i = 0; i < call->count; i++) {
        const struct aiocb *const request = call->list[i];

        if (!is_request(request))
            continue;
        while (aio_error(request) == EINPROGRESS)
            if (mp__real.aio_suspend(&request, 1, NULL) < 0)
                return -errno;
        failed |= aio_error(request) != 0;
    }
    return failed ? -EIO : 0;
}

/* No cancellation point, as libc's. */
MP_EXPORT int lio_listio(int mode, struct aiocb *const list[], int count,
                         struct sigevent *event)
{
    int (*original)(int, struct aiocb *const *, int, struct sigevent *) =
        MP_REAL(lio_listio);
    struct batch call = { list, count };
    int refused = 0;
    long rc;

    if (mode != LIO_WAIT || !MP_ACTIVE(file) || !mp__may_park())
        return original(mode, list, count, event);
    if (original(LIO_NOWAIT, list, count, NULL) < 0)
        refused = -errno; /* one or more; the others go on */
    mp__io_begin();
    rc = mp__helped_wait(wait_for_batch, &call,
                         MP_INTERRUPTIBLE | MP_RESTARTS);
    return (int)mp__io_end(rc != -EINTR && refused != 0 ? refused : rc);
}
MP_SPELLING(lio_listio, lio_listio64);

struct look_ups {
    const struct gaicb *const *list;
    int count, result;
    const struct timespec *timeout;
};

static long suspend_look_ups(void *arg)
{
    struct look_ups *call = arg;

    call->result = mp__real.gai_suspend(call->list, call->count,
                                        call->timeout);
    return call->result == EAI_INTR ? -EINTR : 0;
}

/* Returns the error. */
MP_EXPORT int gai_suspend(const struct gaicb *const list[], int count,
                          const struct timespec *timeout)
{
    int (*original)(const struct gaicb *const *, int, const struct timespec *) =
        MP_REAL(gai_suspend);
    struct look_ups call = { list, count, EAI_INTR, timeout };

    if (!MP_ACTIVE(dns) || !mp__may_park())
        return original(list, count, timeout);
    mp__io_begin();
    if (mp__helped_wait(suspend_look_ups, &call, how_to_wait(timeout)) < 0)
        return EAI_INTR;
    return call.result;
}
