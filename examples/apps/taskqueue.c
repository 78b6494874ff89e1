#include "taskqueue.h"
#include "pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What has to happen at once is a script: Redis runs nothing else meanwhile, and
 * writes all of its effects to the disk, or none.  KEYS are those of the queue, in
 * the same order everywhere: tasks, later, dead, ids. */
#define NAMES "{%s}:tasks {%s}:later {%s}:dead {%s}:ids"
#define NAMES_OF(queue) \
    (queue)->name, (queue)->name, (queue)->name, (queue)->name

#define NOW \
    "local t = redis.call('TIME') " \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000) "

/* ARGV: kind, payload, key, delay, how long a key counts; KEYS[5]: the key. */
static const char add_script[] = NOW
    "if ARGV[3] ~= '' then "
    "  local had = redis.call('GET', KEYS[5]) "
    "  if had then return had end "
    "end "
    "local id = tostring(redis.call('INCR', KEYS[4])) "
    "if tonumber(ARGV[4]) > 0 then "
    "  redis.call('ZADD', KEYS[2], now + ARGV[4], "
    "    cmsgpack.pack({id, ARGV[1], ARGV[2], ARGV[3], '1'})) "
    "else "
    "  redis.call('XADD', KEYS[1], '*', 'id', id, 'kind', ARGV[1], "
    "    'payload', ARGV[2], 'key', ARGV[3], 'attempt', '1') "
    "end "
    "if ARGV[3] ~= '' then redis.call('SET', KEYS[5], id, 'EX', ARGV[5]) end "
    "return id";

/* What is due goes to the stream. */
static const char due_script[] = NOW
    "local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, "
    "  'LIMIT', 0, 100) "
    "for _, packed in ipairs(due) do "
    "  local f = cmsgpack.unpack(packed) "
    "  redis.call('XADD', KEYS[1], '*', 'id', f[1], 'kind', f[2], "
    "    'payload', f[3], 'key', f[4], 'attempt', f[5]) "
    "  redis.call('ZREM', KEYS[2], packed) "
    "end "
    "return #due";

/* ARGV: the entry.  Gone, if it is still ours. */
static const char done_script[] =
    "redis.call('XACK', KEYS[1], 'workers', ARGV[1]) "
    "return redis.call('XDEL', KEYS[1], ARGV[1])";

/* ARGV: the entry, delay (negative: it is given up), why, id, kind, payload, key,
 * attempt.  Nothing, if another worker was faster. */
static const char failed_script[] = NOW
    "if redis.call('XACK', KEYS[1], 'workers', ARGV[1]) == 0 then return 0 end "
    "redis.call('XDEL', KEYS[1], ARGV[1]) "
    "if tonumber(ARGV[2]) < 0 then "
    "  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'id', ARGV[4], "
    "    'kind', ARGV[5], 'payload', ARGV[6], 'key', ARGV[7], "
    "    'attempt', ARGV[8], 'reason', ARGV[3]) "
    "else "
    "  redis.call('ZADD', KEYS[2], now + ARGV[2], cmsgpack.pack({ARGV[4], "
    "    ARGV[5], ARGV[6], ARGV[7], tostring(ARGV[8] + 1)})) "
    "end "
    "return 1";

/* ARGV: the entry, whose.  It is heard of again, unless it is another's by now. */
static const char renew_script[] =
    "local p = redis.call('XPENDING', KEYS[1], 'workers', ARGV[1], ARGV[1], 1) "
    "if #p == 1 and p[1][2] == ARGV[2] then "
    "  redis.call('XCLAIM', KEYS[1], 'workers', ARGV[2], 0, ARGV[1], 'JUSTID') "
    "  return 1 "
    "end "
    "return 0";

static const char group_script[] =
    "redis.pcall('XGROUP', 'CREATE', KEYS[1], 'workers', '0', 'MKSTREAM') "
    "return 1";

/* ---- who asks ---- */

int taskqueue_add(const struct taskqueue *queue, const char *kind,
                  const char *payload, const char *key, int64_t delay_ms,
                  char id[32])
{
    redisReply *reply;
    int rc;

    if (key == NULL)
        key = "";
    rc = redis_ask(queue->redis, &reply,
                   "EVAL %s 5 " NAMES " {%s}:key:%s %s %s %s %lld 86400",
                   add_script, NAMES_OF(queue), queue->name, key, kind, payload,
                   key, (long long)delay_ms);
    if (rc < 0)
        return rc;
    snprintf(id, 32, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
    return 0;
}

/* ---- who works ---- */

struct crew;

/* One greenlet, which is a consumer of the group. */
struct hand {
    struct crew *crew;
    char name[128];
    char entry[32]; /* of the stream, what it works on; "": nothing */
};

struct crew {
    const struct taskqueue *queue;
    const struct taskqueue_options *options;
    const bool *stop;
    int64_t looked; /* when somebody last looked for what is due, or left over */
    unsigned working;
};

static const char *field(const redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, name) == 0)
            return fields->element[i + 1]->str;
    return "";
}

static int finish(struct hand *hand)
{
    return redis_tell(hand->crew->queue->redis, "EVAL %s 4 " NAMES " %s",
                      done_script, NAMES_OF(hand->crew->queue), hand->entry);
}

static int put_off(struct hand *hand, const struct task *task, int64_t delay_ms,
                   const char *why)
{
    return redis_tell(hand->crew->queue->redis,
                      "EVAL %s 4 " NAMES " %s %lld %s %s %s %s %s %d",
                      failed_script, NAMES_OF(hand->crew->queue), hand->entry,
                      (long long)delay_ms, why, task->id, task->kind,
                      task->payload, task->key, task->attempt);
}

/* If Redis cannot be told what came of it, it comes again. */
static void handle(struct hand *hand, const struct task *task)
{
    const struct taskqueue_options *options = hand->crew->options;
    int64_t delay = options->retry_ms << (task->attempt < 20 ? task->attempt - 1
                                                             : 19);
    int rc;

    if (task->deliveries > options->deliveries) {
        put_off(hand, task, -1, "workers died with it");
        return;
    }
    rc = options->handler(hand->crew->queue, task, options->data);
    if (rc >= 0)
        finish(hand);
    else if (task->attempt >= options->attempts)
        put_off(hand, task, -1, strerror(-rc));
    else
        put_off(hand, task, delay, strerror(-rc));
}

/* [entry, [name, value, ...]]; nil instead of the fields: it was done already. */
static void work_on(struct hand *hand, const redisReply *entry, int deliveries)
{
    const redisReply *fields = entry->element[1];
    struct task task;

    if (fields->type != REDIS_REPLY_ARRAY)
        return;
    task = (struct task){
        .id = field(fields, "id"),
        .kind = field(fields, "kind"),
        .payload = field(fields, "payload"),
        .key = field(fields, "key"),
        .attempt = atoi(field(fields, "attempt")),
        .deliveries = deliveries,
    };
    snprintf(hand->entry, sizeof hand->entry, "%s", entry->element[0]->str);
    handle(hand, &task);
    hand->entry[0] = '\0';
}

/* How often it was given to somebody. */
static int deliveries_of(struct hand *hand, const char *entry)
{
    redisReply *reply;
    int count = 1;

    if (redis_ask(hand->crew->queue->redis, &reply,
                  "XPENDING {%s}:tasks workers %s %s 1", hand->crew->queue->name,
                  entry, entry) < 0)
        return 1;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1)
        count = (int)reply->element[0]->element[3]->integer;
    freeReplyObject(reply);
    return count;
}

/* One that a worker left when it died.  Returns 1, 0: there is none. */
static int take_left_over(struct hand *hand)
{
    const struct crew *crew = hand->crew;
    const redisReply *entries;
    redisReply *reply;
    int rc = redis_ask(crew->queue->redis, &reply,
                       "XAUTOCLAIM {%s}:tasks workers %s %lld 0-0 COUNT 1",
                       crew->queue->name, hand->name,
                       (long long)crew->options->claim_after_ms);

    if (rc < 0)
        return rc;
    entries = reply->element[1];
    rc = entries->elements > 0;
    if (rc > 0)
        work_on(hand, entries->element[0],
                deliveries_of(hand, entries->element[0]->element[0]->str));
    freeReplyObject(reply);
    return rc;
}

static int take_next(struct hand *hand)
{
    redisReply *reply;
    int rc = redis_ask(hand->crew->queue->redis, &reply,
                       "XREADGROUP GROUP workers %s COUNT 1 BLOCK 300 "
                       "STREAMS {%s}:tasks >",
                       hand->name, hand->crew->queue->name);

    if (rc < 0)
        return rc;
    if (reply->type == REDIS_REPLY_ARRAY) /* [[stream, [entry]]] */
        work_on(hand, reply->element[0]->element[1]->element[0], 1);
    freeReplyObject(reply);
    return 0;
}

/* A few times a second, one of the crew; while there is something left over, it goes
 * on with that. */
static int look_around(struct hand *hand)
{
    struct crew *crew = hand->crew;
    int rc;

    if (hub_now() - crew->looked < 200 * HUB_MILLISECOND)
        return 0;
    crew->looked = hub_now();
    rc = redis_tell(crew->queue->redis, "EVAL %s 4 " NAMES, due_script,
                    NAMES_OF(crew->queue));
    while (rc >= 0 && !*crew->stop && (rc = take_left_over(hand)) > 0)
        ;
    return rc;
}

static int join_group(const struct crew *crew)
{
    return redis_tell(crew->queue->redis, "EVAL %s 4 " NAMES, group_script,
                      NAMES_OF(crew->queue));
}

static void work(void *arg)
{
    struct hand *hand = arg;
    struct crew *crew = hand->crew;
    int rc = -EAGAIN; /* not in the group yet */

    while (!*crew->stop) {
        if (rc < 0)
            rc = join_group(crew);
        if (rc >= 0)
            rc = look_around(hand);
        if (rc >= 0 && !*crew->stop)
            rc = take_next(hand);
        if (rc < 0 && hub_sleep(200 * HUB_MILLISECOND) < 0)
            break;
    }
    crew->working--;
}

/* Says of what is under way that it is. */
static void renew(struct crew *crew, struct hand *hands)
{
    int64_t every = crew->options->claim_after_ms * HUB_MILLISECOND / 3, told = 0;

    while (crew->working > 0) {
        hub_sleep(20 * HUB_MILLISECOND);
        if (hub_now() - told < every)
            continue;
        told = hub_now();
        for (unsigned i = 0; i < crew->options->greenlets; i++)
            if (hands[i].entry[0] != '\0')
                redis_tell(crew->queue->redis, "EVAL %s 4 " NAMES " %s %s",
                           renew_script, NAMES_OF(crew->queue), hands[i].entry,
                           hands[i].name);
    }
}

int taskqueue_work(const struct taskqueue *queue,
                   const struct taskqueue_options *options, const bool *stop)
{
    struct crew crew = {.queue = queue, .options = options, .stop = stop};
    struct hand *hands = calloc(options->greenlets, sizeof *hands);
    struct greenlet **all = calloc(options->greenlets, sizeof *all);
    char host[64] = "";

    if (hands == NULL || all == NULL) {
        free(hands);
        free(all);
        return -ENOMEM;
    }
    gethostname(host, sizeof host - 1);
    for (unsigned i = 0; i < options->greenlets; i++) {
        hands[i].crew = &crew;
        snprintf(hands[i].name, sizeof hands[i].name, "%s:%d:%u", host,
                 (int)getpid(), i);
        all[i] = hub_spawn_raw(work, &hands[i]);
        crew.working += all[i] != NULL;
    }
    renew(&crew, hands);
    for (unsigned i = 0; i < options->greenlets; i++) {
        if (all[i] != NULL)
            hub_join(all[i], HUB_FOREVER);
        greenlet_unref(all[i]);
    }
    free(all);
    free(hands);
    return 0;
}
