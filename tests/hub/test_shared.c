/* Threads with hubs, and without, on the same objects at once: nothing is lost,
 * nothing is had twice, nobody is left waiting.  Built with ThreadSanitizer, too
 * (hub/shared-tsan). */
#include "sync.h"

#define HUBS 2    /* threads with greenlets */
#define GREENS 4  /* of each */
#define PLAIN 2   /* threads without */
#define ALL (HUBS * GREENS + PLAIN)

#if WITH_TSAN
#define ROUNDS 40
#else
#define ROUNDS 100
#endif
#define LONG hub_deadline(60 * HUB_SECOND)

struct crew {
    void (*work)(int who);
    int first;
};

static void work_of(void *arg)
{
    struct crew *crew = arg;

    crew->work(crew->first++);
}

static void *with_a_hub(void *arg)
{
    struct greenlet *all[GREENS];

    for (int i = 0; i < GREENS; i++)
        all[i] = hub_spawn_raw(work_of, arg);
    for (int i = 0; i < GREENS; i++) {
        ck_assert_int_eq(hub_join(all[i], LONG), 0);
        greenlet_unref(all[i]);
    }
    return NULL;
}

static void *plain(void *arg)
{
    work_of(arg);
    return NULL;
}

/* Everybody does `work`; they are numbered from 0. */
static void run_all(void (*work)(int who))
{
    struct crew crews[HUBS + PLAIN];
    pthread_t threads[HUBS + PLAIN];

    for (int i = 0; i < HUBS + PLAIN; i++) {
        crews[i].work = work;
        crews[i].first = i < HUBS ? i * GREENS : HUBS * GREENS + i - HUBS;
        threads[i] = thread(i < HUBS ? with_a_hub : plain, &crews[i]);
    }
    for (int i = 0; i < HUBS + PLAIN; i++)
        pthread_join(threads[i], NULL);
}

/* A different short wait each time, which often ends just as it is granted. */
static int64_t short_deadline(int who, int round)
{
    return hub_now() + (who * 37 + round * 101) % 60 * HUB_MICROSECOND;
}

/* ---- semaphore, lock ---- */

static struct hub_semaphore semaphore;
static struct hub_rlock lock;
static int inside, most;
static long counted, plain_count;

static void enter(int limit)
{
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);

    ck_assert_int_le(now, limit);
    if (now > __atomic_load_n(&most, __ATOMIC_RELAXED))
        __atomic_store_n(&most, now, __ATOMIC_RELAXED);
    if (greenlet__thread_peek() != NULL)
        hub_yield();
    else
        usleep(1); /* a thread without a hub stays so */
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static void use_semaphore(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int rc = hub_semaphore_acquire(&semaphore, i % 3 == 0
                                                       ? short_deadline(who, i)
                                                       : LONG);

        if (rc == -ETIMEDOUT && i % 3 == 0)
            continue;
        ck_assert_int_eq(rc, 0);
        enter(2);
        ck_assert_int_ge(hub_semaphore_release(&semaphore), 0);
    }
}

START_TEST(no_permit_is_lost_or_had_twice)
{
    hub_bounded_semaphore_init(&semaphore, 2);
    inside = most = 0;
    run_all(use_semaphore);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 2);
    ck_assert_int_gt(most, 0);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
}
END_TEST

static void use_lock(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int rc = hub_rlock_acquire(&lock,
                                   i % 3 == 0 ? short_deadline(who, i) : LONG);

        if (rc == -ETIMEDOUT && i % 3 == 0)
            continue;
        ck_assert_int_eq(rc, 0);
        ck_assert_int_eq(hub_rlock_acquire(&lock, LONG), 0);
        plain_count++; /* not atomic: the lock orders it */
        enter(1);
        ck_assert_int_eq(hub_rlock_release(&lock), 1);
        ck_assert_int_eq(hub_rlock_release(&lock), 0);
        __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
    }
}

START_TEST(a_lock_has_one_owner)
{
    hub_rlock_init(&lock);
    inside = most = 0;
    counted = plain_count = 0;
    run_all(use_lock);
    ck_assert_int_eq(counted, plain_count);
    ck_assert_int_eq(most, 1);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}
END_TEST

/* ---- queues ---- */

static struct hub_queue queue;
static struct hub_channel channel;
static long sum_put, sum_got;

static int by_value(const void *a, const void *b, void *arg)
{
    (void)arg;
    return (a > b) - (a < b);
}

static void put_and_get(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int item = who * ROUNDS + i + 1, rc;
        void *got = NULL;

        do
            rc = hub_queue_put(&queue, POINTER(item),
                               i % 4 == 0 ? short_deadline(who, i) : LONG);
        while (rc == -ETIMEDOUT && i % 4 == 0);
        ck_assert_int_eq(rc, 0);
        __atomic_add_fetch(&sum_put, item, __ATOMIC_RELAXED);
        do
            rc = hub_queue_get(&queue, i % 4 == 1 ? short_deadline(who, i) : LONG,
                               &got);
        while (rc == -ETIMEDOUT && i % 4 == 1);
        ck_assert_int_eq(rc, 0);
        __atomic_add_fetch(&sum_got, NUMBER(got), __ATOMIC_RELAXED);
        ck_assert_int_ge(hub_queue_task_done(&queue), 0);
    }
}

START_TEST(each_item_comes_out_once)
{
    static const int sizes[] = { 1, 3, HUB_UNBOUNDED };
    int size = sizes[_i / 3];

    if (_i % 3 == 0)
        hub_queue_init(&queue, size);
    else if (_i % 3 == 1)
        hub_lifo_queue_init(&queue, size);
    else
        hub_priority_queue_init(&queue, size, by_value, NULL);
    sum_put = sum_got = 0;
    run_all(put_and_get);
    ck_assert_int_eq(sum_put, sum_got);
    ck_assert_int_eq(hub_queue_size(&queue), 0);
    ck_assert_int_eq(hub_queue_join(&queue, LONG), 0);
    ck_assert_int_eq(hub_queue_destroy(&queue), 0);
}
END_TEST

/* Even ones put, odd ones get. */
static void meet(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        int64_t deadline = i % 4 == 0 ? short_deadline(who, i) : LONG;
        void *item = POINTER(i + 1);
        int rc;

        do {
            rc = who % 2 == 0 ? hub_channel_put(&channel, item, deadline)
                              : hub_channel_get(&channel, deadline, &item);
            deadline = LONG;
        } while (rc == -ETIMEDOUT);
        ck_assert_int_eq(rc, 0);
        __atomic_add_fetch(who % 2 == 0 ? &sum_put : &sum_got, NUMBER(item),
                           __ATOMIC_RELAXED);
    }
}

START_TEST(each_item_of_a_channel_changes_hands_once)
{
    hub_channel_init(&channel);
    sum_put = sum_got = 0;
    run_all(meet);
    ck_assert_int_eq(sum_put, sum_got);
    ck_assert_int_eq(hub_channel_destroy(&channel), 0);
}
END_TEST

/* ---- events, results, conditions ---- */

static struct hub_event *events;
static struct hub_async_result *results;
static struct hub_condition condition;
static int turn;

/* One sets what the others wait for; and each takes part in all. */
static void wait_or_set(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        void *value = NULL;
        int rc;

        if (i % ALL == who) {
            hub_event_set(&events[i]);
            hub_async_result_set(&results[i], POINTER(i));
            continue;
        }
        do
            rc = hub_event_wait(&events[i],
                                i % 5 == 0 ? short_deadline(who, i) : LONG);
        while (rc == -ETIMEDOUT && i % 5 == 0);
        ck_assert_int_eq(rc, 0);
        ck_assert_int_eq(hub_async_result_get(&results[i], LONG, &value), 0);
        ck_assert_int_eq(NUMBER(value), i);
    }
}

START_TEST(whoever_waits_for_an_event_or_a_result_is_woken)
{
    events = calloc(ROUNDS, sizeof *events);
    results = calloc(ROUNDS, sizeof *results);
    run_all(wait_or_set);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(hub_event_destroy(&events[i]), 0);
        ck_assert_int_eq(hub_async_result_destroy(&results[i]), 0);
    }
    free(events);
    free(results);
}
END_TEST

static bool is_my_turn(void *arg)
{
    return turn % ALL == *(int *)arg;
}

static void take_turns(int who)
{
    for (int i = 0; i < ROUNDS / 10; i++) {
        hub_rlock_acquire(&lock, LONG);
        ck_assert_int_eq(
            hub_condition_wait_for(&condition, is_my_turn, &who, LONG), 0);
        turn++;
        hub_condition_notify_all(&condition);
        hub_rlock_release(&lock);
    }
}

START_TEST(they_take_turns_by_a_condition)
{
    hub_rlock_init(&lock);
    hub_condition_init(&condition, &lock);
    turn = 0;
    run_all(take_turns);
    ck_assert_int_eq(turn, ROUNDS / 10 * ALL);
    ck_assert_int_eq(hub_condition_destroy(&condition), 0);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
}
END_TEST

/* ---- memory that goes with the wake ---- */

static struct hub_queue to_set;

static void asks(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (who == ALL - 1) { /* serves */
            void *event = NULL;

            for (int j = 0; j < ALL - 1; j++) {
                ck_assert_int_eq(hub_queue_get(&to_set, LONG, &event), 0);
                hub_event_set(event);
            }
        } else {
            struct hub_event *event = calloc(1, sizeof *event);

            hub_queue_put(&to_set, event, LONG);
            ck_assert_int_eq(hub_event_wait(event, LONG), 0);
            memset(event, 0xff, sizeof *event);
            free(event);
        }
    }
}

START_TEST(an_event_may_be_freed_as_soon_as_its_only_waiter_was_woken)
{
    hub_queue_init(&to_set, 5);
    run_all(asks);
    ck_assert_int_eq(hub_queue_destroy(&to_set), 0);
}
END_TEST

/* ---- locals ---- */

static struct hub_local local;
static int made, destroyed;

static int make(void *arg, void **value)
{
    *value = arg;
    __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    return 0;
}

static void destroy(void *value, void *arg)
{
    ck_assert_ptr_eq(value, arg);
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
}

static void use_locals(int who)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct hub_local mine;
        void *value;

        hub_local_init(&mine, make, destroy, &mine);
        ck_assert_int_eq(hub_local_get(&local, &value), 0);
        ck_assert_int_eq(hub_local_get(&mine, &value), 0);
        ck_assert_ptr_eq(value, &mine);
        if (who < HUBS * GREENS)
            hub_yield();
        if (i % 2)
            hub_local_clear(&local);
        hub_local_destroy(&mine);
    }
}

START_TEST(each_value_of_a_local_is_destroyed_once)
{
    made = destroyed = 0;
    hub_local_init(&local, make, destroy, &local);
    run_all(use_locals);
    ck_assert_int_eq(hub_local_count(&local), 0);
    ck_assert_int_eq(made, destroyed);
    hub_local_destroy(&local);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    tcase_add_test(tcase, no_permit_is_lost_or_had_twice);
    tcase_add_test(tcase, a_lock_has_one_owner);
    tcase_add_loop_test(tcase, each_item_comes_out_once, 0, 9);
    tcase_add_test(tcase, each_item_of_a_channel_changes_hands_once);
    tcase_add_test(tcase, whoever_waits_for_an_event_or_a_result_is_woken);
    tcase_add_test(tcase, they_take_turns_by_a_condition);
    tcase_add_test(tcase,
                   an_event_may_be_freed_as_soon_as_its_only_waiter_was_woken);
    tcase_add_test(tcase, each_value_of_a_local_is_destroyed_once);
    return unit_run("shared", tcase);
}
