/* redis_pool.c - Redis by hiredis' blocking calls, from many greenlets at once
 *
 * usage: redis_pool PORT GREENLETS     (rounds.h says what it reads) */
#include "rounds.h"

#include <hiredis/hiredis.h>

static int open_it(void **conn, void *port)
{
    redisContext *made = redisConnect("127.0.0.1", *(int *)port);
    int rc = 0;

    if (made == NULL)
        return -ENOMEM;
    if (made->err != 0) {
        fprintf(stderr, "redis: %s\n", made->errstr);
        redisFree(made);
        rc = -EIO;
    } else {
        *conn = made;
    }
    return rc;
}

static void close_it(void *conn, void *port)
{
    (void)port;
    redisFree(conn);
}

static int check(void *conn, void *port)
{
    redisReply *reply = redisCommand(conn, "PING");

    (void)port;
    if (reply == NULL)
        return -EIO;
    freeReplyObject(reply);
    return 0;
}

/* Waits for an element of a list that nobody writes to, and then asks for its number
 * back. */
static int ask(void *conn, double seconds, int number, bool *broken)
{
    redisContext *context = conn;
    redisReply *reply;
    char time[32];
    int rc = -EIO;

    snprintf(time, sizeof time, "%.3f", seconds > 0 ? seconds : 0.001);
    reply = redisCommand(conn, "BLPOP nothing:%d %s", number, time);
    if (reply != NULL)
        freeReplyObject(reply);
    reply = redisCommand(conn, "ECHO %d", number);
    if (reply != NULL && reply->type == REDIS_REPLY_STRING)
        rc = atoi(reply->str) == number ? 0 : -EBADMSG;
    if (reply != NULL)
        freeReplyObject(reply);
    /* After that the context answers nothing any more; a kill in the middle of a
     * call counts as well. */
    *broken = context->err != 0;
    return rc;
}

int main(int argc, char **argv)
{
    struct hub_connpool_options options = { .open = open_it,
                                            .close = close_it,
                                            .check = check };
    int port;

    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: redis_pool PORT GREENLETS\n");
        return 2;
    }
    port = atoi(argv[1]);
    options.arg = &port;
    return rounds_run(&options, ask, atoi(argv[2]));
}
