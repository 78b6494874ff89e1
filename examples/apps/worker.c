/* worker.c - does what enqueue.c leaves to it; as many of these as are wanted
 *
 * Kinds of tasks: "mail" puts its payload into the set `outbox`, which is the same
 * however often it is done; "nap" takes so many ms; "flaky" fails the first time;
 * "fails" always; with "crash" the worker dies.
 *
 * usage: REDIS=HOST:PORT QUEUE=NAME worker [CLAIM_AFTER_MS [DELIVERIES]]
 *                                                                ends by SIGTERM */
#include "pools.h"
#include "taskqueue.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GREENLETS = 10 };

static bool stop;

static void please_stop(int number, void *arg)
{
    (void)number;
    (void)arg;
    stop = true;
}

static int send_mail(const struct taskqueue *queue, const struct task *task)
{
    int rc = redis_tell(queue->redis, "SADD outbox %s", task->payload);

    return rc < 0 ? rc
                  : redis_tell(queue->redis, "HINCRBY runs %s 1", task->id);
}

static int do_task(const struct taskqueue *queue, const struct task *task,
                   void *data)
{
    (void)data;
    if (strcmp(task->kind, "fails") == 0)
        return -EIO;
    if (strcmp(task->kind, "flaky") == 0 && task->attempt == 1)
        return -EAGAIN;
    if (strcmp(task->kind, "crash") == 0)
        raise(SIGKILL);
    if (strcmp(task->kind, "nap") == 0)
        hub_sleep(atoll(task->payload) * HUB_MILLISECOND);
    return send_mail(queue, task);
}

int main(int argc, char **argv)
{
    struct taskqueue queue = {.name = getenv("QUEUE")};
    struct taskqueue_options options = {
        .handler = do_task,
        .greenlets = GREENLETS,
        .claim_after_ms = argc > 1 ? atoi(argv[1]) : 30000,
        .retry_ms = 200,
        .attempts = 3,
        .deliveries = argc > 2 ? atoi(argv[2]) : 3,
    };
    struct hub_signal *end;
    int rc;

    if (getenv("REDIS") == NULL || queue.name == NULL ||
        options.claim_after_ms < 1)
        return 2;
    signal(SIGPIPE, SIG_IGN); /* hiredis writes to a server that may be gone */
    rc = redis_pool(getenv("REDIS"), 3 * GREENLETS, &queue.redis);
    if (rc < 0)
        return 1;
    rc = hub_signal_start(SIGTERM, please_stop, NULL, &end);
    if (rc < 0)
        return 1;
    rc = taskqueue_work(&queue, &options, &stop);
    hub_signal_stop(end);
    hub_connpool_close(queue.redis, hub_deadline(5 * HUB_SECOND));
    hub_connpool_free(queue.redis);
    return rc < 0;
}
