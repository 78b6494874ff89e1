/* mailer.c - does what the blog leaves for later; as many of these as are wanted
 *
 * A mail is a row here.  It may come to one twice, and is the same row.
 *
 * usage: BLOG_DATABASE=CONNINFO BLOG_REDIS=HOST:PORT blog_mailer [CLAIM_AFTER_MS] */
#include "pools.h"
#include "taskqueue.h"

#include <signal.h>
#include <stdlib.h>

enum { GREENLETS = 4 };

static struct hub_connpool *database;
static bool stop;

static void please_stop(int number, void *arg)
{
    (void)number;
    (void)arg;
    stop = true;
}

static int send_mail(const struct taskqueue *queue, const struct task *task,
                     void *data)
{
    PGresult *rows;
    int rc = pq_ask(
        database, &rows,
        "INSERT INTO mails (comment, reader, body) SELECT c.id, u.name, c.body "
        "FROM comments c JOIN posts p ON p.id = c.post "
        "JOIN users u ON u.id = p.author WHERE c.id = $1 "
        "ON CONFLICT DO NOTHING",
        1, &task->payload);

    (void)queue;
    (void)data;
    if (rc == 0)
        PQclear(rows);
    return rc;
}

int main(int argc, char **argv)
{
    const char *where = getenv("BLOG_REDIS");
    struct taskqueue queue = {.name = "blog"};
    struct taskqueue_options options = {
        .handler = send_mail,
        .greenlets = GREENLETS,
        .claim_after_ms = argc > 1 ? atoi(argv[1]) : 30000,
        .retry_ms = 500,
        .attempts = 20,
        .deliveries = 20,
    };
    struct hub_signal *end;

    signal(SIGPIPE, SIG_IGN); /* drivers write to servers that may be gone */
    if (where == NULL || getenv("BLOG_DATABASE") == NULL ||
        options.claim_after_ms < 1)
        return 2;
    if (redis_pool(where, 3 * GREENLETS, &queue.redis) < 0 ||
        pq_pool(getenv("BLOG_DATABASE"), GREENLETS, &database) < 0 ||
        hub_signal_start(SIGTERM, please_stop, NULL, &end) < 0)
        return 1;
    taskqueue_work(&queue, &options, &stop);
    hub_signal_stop(end);
    hub_connpool_close(queue.redis, hub_deadline(5 * HUB_SECOND));
    hub_connpool_close(database, hub_deadline(5 * HUB_SECOND));
    return hub_connpool_free(queue.redis) | hub_connpool_free(database);
}
