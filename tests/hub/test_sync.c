/* Whatever ends waits, in whatever order: permits and items are conserved, and
 * nobody is left waiting.  Each seed is one order. */
#include "sync.h"

#define GREENS 6
#define STEPS 60

static uint64_t seed;

static unsigned random_below(unsigned limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % limit;
}

static struct hub_semaphore semaphore;
static struct hub_queue queue;
static struct hub_rlock lock;
static int held, in_queue_or_hand, stop;

static int64_t some_deadline(void)
{
    return random_below(3) == 0 ? hub_now() : HUB_FOREVER;
}

/* One use of one object.  Whatever a wait returns, what it says is true. */
static void use_semaphore(void)
{
    if (hub_semaphore_acquire(&semaphore, some_deadline()) != 0)
        return;
    ck_assert_int_le(++held, 2);
    if (random_below(2) == 0)
        hub_yield();
    held--;
    ck_assert_int_ge(hub_semaphore_release(&semaphore), 0);
}

static void use_queue(void)
{
    void *item = NULL;

    if (random_below(2) == 0) {
        if (hub_queue_put(&queue, POINTER(1), some_deadline()) == 0)
            in_queue_or_hand++;
    } else if (hub_queue_get(&queue, some_deadline(), &item) == 0) {
        ck_assert_int_eq(NUMBER(item), 1);
        in_queue_or_hand--;
    }
}

static void use_lock(void)
{
    int rc = hub_rlock_acquire(&lock, some_deadline());

    ck_assert_int_eq(hub_rlock_owned(&lock) > 0, rc == 0);
    if (rc != 0)
        return;
    hub_yield();
    ck_assert_int_eq(hub_rlock_release(&lock), 0);
}

static int lives(void *arg, void **result)
{
    (void)arg;
    (void)result;
    while (!stop && hub_canceled() == 0) {
        switch (random_below(3)) {
        case 0:
            use_semaphore();
            break;
        case 1:
            use_queue();
            break;
        default:
            use_lock();
        }
        if (random_below(4) == 0)
            hub_yield();
    }
    return 0;
}

/* Ends the wait of one of them; often one that was just given something. */
static void disturb(struct greenlet **all)
{
    struct greenlet **one = &all[random_below(GREENS)];
    unsigned how = random_below(8);

    if (how == 0) {
        hub_kill(*one);
        finish(*one);
        *one = hub_spawn(lives, NULL);
    } else if (how < 4) {
        end_soon(*one, (int)(1 + how % 2)); /* THROWN, SWITCHED */
    }
    hub_yield();
    if (random_below(8) == 0)
        hub_sleep(1);
}

static void end_all(struct greenlet **all)
{
    stop = 1;
    hub_queue_shutdown(&queue, false);
    for (int i = 0; i < GREENS; i++)
        hub_kill(all[i]);
    for (int i = 0; i < GREENS; i++)
        finish(all[i]);
    hub_sleep(1);
}

START_TEST(whatever_ends_waits_nothing_is_lost)
{
    struct greenlet *all[GREENS];
    int left = 0;

    seed = (uint64_t)_i;
    held = in_queue_or_hand = stop = 0;
    hub_bounded_semaphore_init(&semaphore, 2);
    hub_queue_init(&queue, 2);
    hub_rlock_init(&lock);
    for (int i = 0; i < GREENS; i++)
        all[i] = hub_spawn(lives, NULL);
    for (int i = 0; i < STEPS; i++)
        disturb(all);
    end_all(all);
    ck_assert_int_eq(held, 0);
    ck_assert_int_eq(hub_semaphore_count(&semaphore), 2);
    ck_assert(!hub_rlock_locked(&lock));
    while (hub_queue_try_get(&queue, NULL) == 0)
        left++;
    ck_assert_int_eq(left, in_queue_or_hand);
    ck_assert_int_eq(hub_semaphore_destroy(&semaphore), 0);
    ck_assert_int_eq(hub_rlock_destroy(&lock), 0);
    ck_assert_int_eq(hub_queue_destroy(&queue), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = sync_case();

    hub_set_error_fd(-1); /* a switch into one that waits is no news here */
    tcase_add_loop_test(tcase, whatever_ends_waits_nothing_is_lost, 0, 300);
    return unit_run("sync", tcase);
}
