/* The loop: its descriptors are out of the way, its sleeps are precise. */
#include "../unit.h"
#include "hub/hub_impl.h"

#include <dlfcn.h>
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

/* loop.c finds these here.  While a number is given away the hub is entered: libev is
 * not to be interrupted for another greenlet that does the same. */
struct ev_loop;
void ev_io_start(struct ev_loop *ev, void *io);
int ev_run(struct ev_loop *ev, int flags);

static bool gives_away;
static unsigned entered, not_entered; /* calls then */

static void note_call(void)
{
    if (!gives_away)
        return;
    if (hub__peek()->critical != 0)
        entered++;
    else
        not_entered++;
}

void ev_io_start(struct ev_loop *ev, void *io)
{
    void (*libevs)(struct ev_loop *, void *);

    *(void **)&libevs = dlsym(RTLD_NEXT, "ev_io_start");
    note_call();
    libevs(ev, io);
}

int ev_run(struct ev_loop *ev, int flags)
{
    int (*libevs)(struct ev_loop *, int);

    *(void **)&libevs = dlsym(RTLD_NEXT, "ev_run");
    note_call();
    return libevs(ev, flags);
}

static void give_away(int fd)
{
    unsigned before = entered;

    gives_away = true;
    ck_assert_int_eq(hub__fd_evacuate(fd), 0);
    gives_away = false;
    ck_assert_uint_gt(entered, before);
    ck_assert_uint_eq(not_entered, 0);
    ck_assert_uint_eq(hub__peek()->critical, 0);
}

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
        give_away(fd);
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

static void sleeps(void *arg)
{
    *(int *)arg = hub_sleep(US);
}

/* libev makes its epoll anew, which is no turn: what has come by then is told of in
 * the next one. */
START_TEST(giving_a_number_away_wakes_nobody)
{
    hub_yield();
    for (int fd = 0; fd < 65536; fd++) {
        int rc[2] = { 1, 1 };
        struct greenlet *g[2];
        int64_t began;

        if (!hub__fd_is_ours(fd))
            continue;
        ck_assert_int_eq(pipe(ends), 0);
        g[0] = hub_spawn_raw(waits, &rc[0]);
        g[1] = hub_spawn_raw(sleeps, &rc[1]);
        hub_yield();
        ck_assert_int_eq(write(ends[1], "x", 1), 1);
        for (began = hub_now(); hub_now() - began < 2 * US;)
            continue;
        give_away(fd);
        ck_assert_ptr_null(hub__peek()->ready_head);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(hub_join(g[i], hub_deadline(HUB_SECOND * 20)), 0);
            ck_assert_int_eq(rc[i], 0);
            greenlet_unref(g[i]);
        }
        hub_fd_closed(ends[0]);
        close(ends[0]);
        close(ends[1]);
    }
}
END_TEST

/* libev would abort: it polls a number that it was given and that is closed. */
START_TEST(an_fd_closed_without_a_word_ends_its_waits)
{
    int rc = 1;
    struct greenlet *g;

    hub_sleep(HUB_MILLISECOND); /* no timer of before rings */
    ck_assert_int_eq(pipe(ends), 0);
    g = hub_spawn_raw(waits, &rc);
    hub_yield();
    close(ends[0]);
    ck_assert_int_eq(hub_join(g, hub_deadline(HUB_SECOND * 20)), 0);
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
    tcase_add_test(tcase, giving_a_number_away_wakes_nobody);
    tcase_add_test(tcase, an_fd_closed_without_a_word_ends_its_waits);
    tcase_add_test(tcase, one_closed_after_a_killed_wait_does_no_harm);
    return unit_run("loop", tcase);
}
