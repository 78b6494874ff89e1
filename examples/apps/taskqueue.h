/* taskqueue.h - tasks that outlive who asks for them, on a stream of Redis
 *
 * A view adds a task, and answers when Redis has it; workers, on any machine, take
 * tasks as consumers of one group.  Each is done at least once: a worker that dies
 * leaves what it had to the others, so a handler may see a task again, with the same
 * `id`, and has to do the same then as once.
 *
 * Of a queue N there are {N}:tasks (the stream), {N}:later (what waits for its
 * time), {N}:dead (a stream of what was given up), {N}:ids, and {N}:key:K for a key K
 * that a task was added with.
 *
 * Redis keeps what it has acknowledged with `appendonly yes` and `appendfsync
 * always`; with less, what is acknowledged may be lost with the machine. */
#ifndef TASKQUEUE_H
#define TASKQUEUE_H

#include <vireo/hub.h>

#include <stdbool.h>

struct taskqueue {
    const char *name;
    struct hub_connpool *redis; /* pools.h; a connection for each greenlet that
                                   works, and a few more */
};

struct task {
    const char *id; /* the task's, however often it is tried */
    const char *kind, *payload;
    const char *key; /* "": it has none */
    int attempt;     /* 1, and one more each time the handler failed */
    int deliveries;  /* of this attempt; 2 and more: a worker died with it */
};

/* ---- who asks ---- */

/* Add a task; delay_ms from now it may begin.  With a key (NULL: none) that a task of
 * the last day was added with, that one's id is told, and nothing added: who does not
 * know what came of a call repeats it.  When this returns 0, the task will be done.
 * Returns 0; -EHOSTDOWN and others of redis_ask(): it may have been added. */
int taskqueue_add(const struct taskqueue *queue, const char *kind,
                  const char *payload, const char *key, int64_t delay_ms,
                  char id[32]);

/* ---- who works ---- */

/* Do it.  Returns 0: done; negative: once more, later. */
typedef int taskqueue_handler(const struct taskqueue *queue,
                              const struct task *task, void *data);

struct taskqueue_options {
    taskqueue_handler *handler;
    void *data;
    unsigned greenlets;     /* so many tasks at once */
    int64_t claim_after_ms; /* a task of which nothing was heard for so long is
                               somebody else's; who has one says so three times in
                               this time */
    int64_t retry_ms;       /* before the second attempt; twice as long each time */
    int attempts;           /* then it is given up */
    int deliveries;         /* a task that so many workers died with is given up */
};

/* Work until *stop, and finish what was begun.  Servers that are away are waited
 * for.  Switches.  Returns 0, -ENOMEM. */
int taskqueue_work(const struct taskqueue *queue,
                   const struct taskqueue_options *options, const bool *stop);

#endif
