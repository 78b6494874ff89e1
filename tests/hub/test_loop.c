/* The loop: its descriptors are out of the way, its sleeps are precise. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define US INT64_C(1000)

START_TEST(the_program_s_numbers_are_the_lowest)
{
    int lowest = open("/dev/null", O_RDONLY), next;

    close(lowest);
    hub_yield();
    next = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(next, lowest);
    close(next);
    ck_assert_uint_gt(hub__fd_lowest(), 100);
    ck_assert(hub__fd_is_ours((int)hub__fd_lowest()));
    ck_assert(!hub__fd_is_ours(next));
}
END_TEST

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* libev alone would round to a millisecond. */
START_TEST(a_sleep_of_100_us_takes_no_millisecond)
{
    int64_t took[51];

    for (int i = 0; i < 51; i++) {
        int64_t before = hub_now();

        ck_assert_int_eq(hub_sleep(100 * US), 0);
        took[i] = hub_now() - before;
        ck_assert(took[i] >= 100 * US);
    }
    qsort(took, 51, sizeof *took, compare);
    ck_assert(took[25] < 900 * US);
}
END_TEST

/* Each of ours in turn is wanted by the program, and everything goes on. */
START_TEST(a_number_of_ours_can_be_given_away)
{
    int source = open("/dev/null", O_RDONLY), ends[2];

    hub_yield();
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, hub_now() + US), -ETIMEDOUT);
    for (int fd = 0; fd < 65536; fd++) {
        if (!hub__fd_is_ours(fd))
            continue;
        ck_assert_int_eq(hub__fd_evacuate(fd), 0);
        ck_assert_int_eq(dup2(source, fd), fd);
        ck_assert(!hub__fd_is_ours(fd));
        ck_assert_int_eq(hub_sleep(200 * US), 0);
        close(fd);
    }
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, hub_now() + 1000000 * US),
                     0);
    hub_fd_closed(ends[0]);
    close(ends[0]);
    close(ends[1]);
    close(source);
}
END_TEST

static int ends[2];

static void waits(void *arg)
{
    *(int *)arg = hub_wait_fd(ends[0], HUB_READ, HUB_FOREVER);
}

/* libev would abort: it polls a number that it was given and that is closed. */
START_TEST(an_fd_closed_without_a_word_ends_its_waits)
{
    int rc = 1;
    struct greenlet *g;

    ck_assert_int_eq(pipe(ends), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    close(ends[0]);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -EBADF);
    greenlet_unref(g);
    close(ends[1]);
}
END_TEST

START_TEST(one_closed_after_a_killed_wait_does_no_harm)
{
    int rc = 1;
    struct greenlet *g;

    ck_assert_int_eq(pipe(ends), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    hub_kill(g);
    close(ends[0]);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(hub_sleep(HUB_MILLISECOND), 0);
    ck_assert_int_eq(rc, -ECANCELED);
    greenlet_unref(g);
    close(ends[1]);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");

    tcase_add_test(tcase, the_program_s_numbers_are_the_lowest);
    tcase_add_test(tcase, a_sleep_of_100_us_takes_no_millisecond);
    tcase_add_test(tcase, a_number_of_ours_can_be_given_away);
    tcase_add_test(tcase, an_fd_closed_without_a_word_ends_its_waits);
    tcase_add_test(tcase, one_closed_after_a_killed_wait_does_no_harm);
    return unit_run("loop", tcase);
}
