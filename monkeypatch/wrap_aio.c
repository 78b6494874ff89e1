/* wrap_aio.c - waiting for what libc's own threads do: aio_read() and its like,
 * getaddrinfo_a()
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
