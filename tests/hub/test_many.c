/* Very many at once: sleepers that are woken and killed, and timers.
 *
 * VIREO_TEST_MANY sets how many sleepers; 10,000 without it (1,000 with
 * AddressSanitizer), 1,000,000 in the
 * run of label `memory`, which also looks at what each costs. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <errno.h>
#include <unistd.h>

#define MEASURED_FROM 100000 /* below that the process itself counts too much */
#define MOST_BYTES 4400

static long many(void)
{
    const char *text = getenv("VIREO_TEST_MANY");

    if (text != NULL)
        return atol(text);
    if (WITH_ASAN)
        printf("many: 1,000 sleepers instead of 10,000, by reason of "
               "AddressSanitizer's leak check, which reads all stacks\n");
    return WITH_ASAN ? 1000 : 10000;
}

static long woken, killed, begun;

static int sleeps(void *arg, void **result)
{
    int rc;

    (void)result;
    begun++;
    rc = hub_sleep_until(*(const int64_t *)arg);
    if (rc == 0)
        woken++;
    else if (rc == -ECANCELED)
        killed++;
    return rc;
}

/* Of this process, page tables included. */
static long resident(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0, value;

    while (fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %ld", &value) == 1 ||
            sscanf(line, "VmPTE: %ld", &value) == 1)
            kib += value;
    fclose(status);
    return kib * 1024;
}

static void look_at_cost(long before, long count)
{
    long each = (resident() - before) / count;

    printf("%ld sleepers: %ld bytes each, page tables included\n", count, each);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (count >= MEASURED_FROM)
        ck_assert_int_le(each, MOST_BYTES);
#endif
}

/* Every second one is killed, the others wake by themselves. */
START_TEST(sleepers_are_woken_and_killed)
{
    long count = many();
    struct greenlet **all = calloc((size_t)count, sizeof(struct greenlet *));
    int64_t soon = HUB_FOREVER, never = HUB_FOREVER - 1;
    long before;

    ck_assert_ptr_nonnull(all);
    memset(all, 1, (size_t)count * sizeof(struct greenlet *));
    hub_yield();
    before = resident();
    soon = hub_deadline(HUB_SECOND + count * 10000);
    for (long i = 0; i < count; i++) {
        all[i] = hub_spawn(sleeps, i % 2 ? &never : &soon);
        ck_assert_ptr_nonnull(all[i]);
    }
    hub_yield();
    ck_assert_int_eq(begun, count);
    look_at_cost(before, count);
    for (long i = 1; i < count; i += 2)
        ck_assert_int_eq(hub_kill(all[i]), 0);
    for (long i = 0; i < count; i++) {
        ck_assert_int_eq(hub_join(all[i], HUB_FOREVER), 0);
        greenlet_unref(all[i]);
    }
    ck_assert_int_eq(woken, (count + 1) / 2);
    ck_assert_int_eq(killed, count / 2);
    ck_assert_int_ge(hub_now(), soon);
    free(all);
}
END_TEST

enum { TIMERS = 100000, MOMENTS = 50 };
static struct hub__timer timers[TIMERS];
static long order[TIMERS], fired, early;

static void rings(struct hub *hub, struct hub__timer *timer)
{
    (void)hub;
    early += hub_now() < timer->deadline;
    order[fired++] = timer - timers;
}

/* Which moment each has is mixed up, so that their order in the heap is not that
 * in which they were set. */
static void set_timers(int64_t start)
{
    for (long i = 0; i < TIMERS; i++) {
        hub__timer_init(&timers[i], rings);
        ck_assert_int_eq(hub__timer_add(hub_current(), &timers[i],
                                        start + i * 31 % MOMENTS *
                                                    HUB_MILLISECOND),
                         0);
    }
}

/* All are set before the first moment, which is far enough away for that. */
START_TEST(no_timer_is_early_and_equal_ones_keep_their_order)
{
    int64_t lead = 5 * HUB_SECOND, start;

    for (;; lead *= 4) {
        start = hub_deadline(lead);
        set_timers(start);
        if (hub_now() < start)
            break;
        for (long i = 0; i < TIMERS; i++)
            hub__timer_remove(hub_current(), &timers[i]);
        ck_assert_msg(lead < 300 * HUB_SECOND, "setting them takes minutes");
    }
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
    ck_assert_int_eq(fired, TIMERS);
    ck_assert_int_eq(early, 0);
    for (long i = 1; i < TIMERS; i++) {
        int64_t before = timers[order[i - 1]].deadline;
        int64_t now = timers[order[i]].deadline;

        ck_assert_int_le(before, now);
        if (before == now)
            ck_assert_int_lt(order[i - 1], order[i]);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    if (hub_current() == NULL) /* made here, it lives as long as the thread */
        return EXIT_FAILURE;
    tcase_set_timeout(tcase, 0);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, sleepers_are_woken_and_killed);
    tcase_add_test(tcase, no_timer_is_early_and_equal_ones_keep_their_order);
    return unit_run("many", tcase);
}
