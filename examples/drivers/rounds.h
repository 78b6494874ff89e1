/* rounds.h - what the programs of this folder share: many greenlets that ask at once
 *
 * usage: PROGRAM WHERE GREENLETS
 *
 * Each line of standard input is a round: "ask SECONDS", and every greenlet takes a
 * connection from a pool of as many, asks something that takes so long, and gives it
 * back; or "kill SECONDS": they are killed while the server works.  One line tells
 * what came of it.  Nothing here knows of any driver, and no driver of greenlets: its
 * calls block, and suspend the greenlet that makes them. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <vireo/hub.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ask something that takes so many seconds, and see that the answer has `number` in
 * it: that it is this question's.  Returns 0, or a negative errno: -EBADMSG for
 * another's answer.  *broken: the connection is not to be used again. */
typedef int rounds_ask(void *conn, double seconds, int number, bool *broken);

static struct hub_connpool *rounds_pool;
static rounds_ask *rounds_question;
static double rounds_seconds;
static int rounds_numbers, rounds_right, rounds_failed, rounds_wrong;
static int rounds_now, rounds_most; /* greenlets that have a connection */

static void rounds_count(int rc)
{
    rounds_right += rc == 0;
    rounds_failed += rc < 0;
    rounds_wrong += rc == -EBADMSG;
}

static void rounds_one(void *arg)
{
    int number = ++rounds_numbers, rc;
    bool broken = false;
    void *conn;

    (void)arg;
    rc = hub_connpool_take(rounds_pool, hub_deadline(60 * HUB_SECOND), &conn);
    if (rc == 0) {
        if (++rounds_now > rounds_most)
            rounds_most = rounds_now;
        rc = rounds_question(conn, rounds_seconds, number, &broken);
        rounds_now--;
        hub_connpool_give(rounds_pool, conn, broken);
    }
    rounds_count(rc);
}

/* Until all have a connection, and the server has their questions. */
static void rounds_wait_for(int count)
{
    int64_t until = hub_deadline(60 * HUB_SECOND);

    while (rounds_now < count && hub_now() < until)
        hub_sleep(10 * HUB_MILLISECOND);
    hub_sleep(300 * HUB_MILLISECOND);
}

static void rounds_round(struct greenlet **all, int count, bool kill)
{
    for (int i = 0; i < count; i++)
        all[i] = hub_spawn_raw(rounds_one, NULL);
    if (rounds_seconds >= 1) {
        rounds_wait_for(count);
        printf("%d under way\n", rounds_now);
        fflush(stdout);
    }
    for (int i = 0; i < count && kill; i++)
        hub_kill(all[i]);
    for (int i = 0; i < count; i++) {
        hub_join(all[i], HUB_FOREVER);
        greenlet_unref(all[i]);
    }
}

static void rounds_tell(double took)
{
    struct hub_connpool_stats stats;

    hub_connpool_stats(rounds_pool, &stats);
    printf("right %d failed %d wrong %d at_once %d took %.2f open %u taken %u "
           "opened %d closed %d lost %d\n",
           rounds_right, rounds_failed, rounds_wrong, rounds_most, took,
           stats.open, stats.taken, (int)stats.opened, (int)stats.closed,
           (int)stats.lost);
    fflush(stdout);
    rounds_right = rounds_failed = rounds_wrong = rounds_most = 0;
}

/* The options are those of the driver, but for the size.  main()'s result. */
static int rounds_run(struct hub_connpool_options *options, rounds_ask *ask,
                      int count)
{
    struct greenlet **all = calloc((size_t)count, sizeof *all);
    char line[64], what[16];
    int rc;

    options->size = (unsigned)count;
    rounds_question = ask;
    rc = hub_connpool_new(options, &rounds_pool);
    if (rc < 0 || all == NULL)
        return 1;
    while (fgets(line, sizeof line, stdin) != NULL &&
           sscanf(line, "%15s %lf", what, &rounds_seconds) == 2) {
        int64_t begin = hub_now();

        rounds_round(all, count, strcmp(what, "kill") == 0);
        rounds_tell((double)(hub_now() - begin) / HUB_SECOND);
    }
    free(all);
    rc = hub_connpool_close(rounds_pool, hub_deadline(10 * HUB_SECOND));
    rounds_tell(0);
    return hub_connpool_free(rounds_pool) < 0 || rc < 0;
}

#endif
