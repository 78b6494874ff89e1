/* threads.c - thread pools, calls on threads, files */
#include "torture.h"

#include <fcntl.h>

static int doubles(void *arg, void **result)
{
    *result = (void *)((intptr_t)arg * 2);
    return 0;
}

static int fails(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return -EDOM;
}

static void says_nothing(struct hub *hub, const struct greenlet *context,
                         const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)exception;
    (void)data;
}

enum { N = 4 };

static int spawn_all(struct hub_threadpool *pool, struct hub_work **work)
{
    int rc = 0;

    for (int i = 0; i < N && rc == 0; i++)
        rc = hub_threadpool_spawn(pool, i == 3 ? fails : doubles,
                                  (void *)(intptr_t)(i + 1), SOON, &work[i]);
    return rc;
}

static int wait_for_all(struct hub_work *const *work)
{
    struct hub_object objects[N];
    void *result;
    int rc;

    for (int i = 0; i < N; i++)
        objects[i] = hub_work_object(work[i]);
    rc = hub_wait(objects, N, SOON, 0, NULL);
    if (rc < 0)
        return rc;
    must(rc == N);
    for (int i = 0; i < N - 1; i++) {
        must(hub_work_get(work[i], HUB_NOWAIT, &result) == 0);
        must((intptr_t)result == 2 * (i + 1));
    }
    must(hub_work_get(work[3], HUB_NOWAIT, NULL) == -EDOM);
    return 0;
}

TORTURE(threadpool)
{
    struct hub_threadpool *pool;
    struct hub_work *work[N] = { NULL };
    void *result;
    int rc = hub_set_error_handler(says_nothing, NULL), next;

    if (rc < 0)
        return rc;
    pool = hub_threadpool_new(2, 8);
    if (pool == NULL)
        return -ENOMEM;
    rc = spawn_all(pool, work);
    if (rc == 0)
        rc = wait_for_all(work);
    for (int i = 0; i < N; i++)
        if (work[i] != NULL)
            hub_work_unref(work[i]);
    next = hub_threadpool_apply(pool, doubles, (void *)4, SOON, &result);
    must(next < 0 || (intptr_t)result == 8);
    rc = first_of(rc, next);
    next = hub_threadpool_kill(pool, SOON);
    hub_threadpool_unref(pool);
    hub_set_error_handler(NULL, NULL);
    return first_of(rc, next);
}

static void adds(void *count)
{
    __atomic_add_fetch((int *)count, 1, __ATOMIC_RELAXED);
}

TORTURE(offload)
{
    int count = 0, *owned = calloc(1, sizeof *owned);
    int rc = hub_offload(adds, &count), next;

    must(rc < 0 || count == 1);
    next = hub_offload_owned(adds, owned, free, SOON);
    if (next == 0) {
        must(*owned == 1);
        free(owned);
    }
    return first_of(rc, next);
}

static int use_file(int fd)
{
    struct stat status;
    char text[8] = "";
    int rc = (int)hub_file_pwrite(fd, "abcdef", 6, 0), next;

    must(rc < 0 || rc == 6);
    next = hub_file_stat(fd, &status);
    must(rc < 0 || next < 0 || status.st_size == 6);
    rc = first_of(rc, next);
    next = (int)hub_file_pread(fd, text, sizeof text, 0);
    must(rc < 0 || next < 0 || strcmp(text, "abcdef") == 0);
    rc = first_of(rc, next);
    next = hub_file_truncate(fd, 1);
    return first_of(rc, first_of(next, hub_file_sync(fd)));
}

TORTURE(files)
{
    char path[] = "/tmp/vireo-torture-XXXXXX";
    int made = mkstemp(path), fd, rc, next;

    must(made >= 0);
    close(made);
    fd = hub_file_open(path, O_RDWR, 0);
    rc = fd;
    if (fd >= 0) {
        rc = use_file(fd);
        next = hub_file_close(fd);
        rc = first_of(rc, next);
        must(fcntl(fd, F_GETFD) < 0);
    }
    unlink(path);
    return rc < 0 ? rc : 0;
}
