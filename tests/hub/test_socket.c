/* Sockets: data, calls that park, close, the order of those who wait. */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void note(char what)
{
    size_t length = strlen(order);

    if (length + 1 < sizeof order)
        order[length] = what;
}

struct receiver {
    char name;
    ssize_t got;
    char data[8];
    int64_t deadline;
};

static void receives(void *arg)
{
    struct receiver *r = arg;

    r->got = hub_recv(ours, r->data, sizeof r->data, 0,
                      r->deadline != 0 ? r->deadline : HUB_FOREVER);
    note(r->name);
}

static void sends_x(void *arg)
{
    (void)arg;
    ck_assert_int_eq(hub_send(theirs, "x", 1, 0, HUB_FOREVER), 1);
}

START_TEST(what_is_there_is_received_at_once)
{
    char byte;

    sends_x(NULL);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, HUB_FOREVER), 1);
    ck_assert_int_eq(byte, 'x');
}
END_TEST

START_TEST(a_receiver_waits_for_a_sender)
{
    struct greenlet *g = hub_spawn_raw(sends_x, NULL);
    char byte;

    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, SOON), 1);
    finish(g);
}
END_TEST

START_TEST(a_call_that_must_not_wait_says_so)
{
    char byte;

    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, HUB_NOWAIT), -EAGAIN);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, MSG_DONTWAIT, HUB_FOREVER),
                     -EAGAIN);
    sends_x(NULL);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, HUB_NOWAIT), 1);
}
END_TEST

START_TEST(a_deadline_ends_a_wait_but_not_a_call_that_can_be_done)
{
    char byte;

    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, hub_now() + MS), -ETIMEDOUT);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, -5), -ETIMEDOUT);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, 1), -ETIMEDOUT);
    sends_x(NULL);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, 1), 1);
}
END_TEST

START_TEST(bad_descriptors_are_refused)
{
    int file = open("/proc/self/exe", O_RDONLY);
    char byte;

    ck_assert_int_eq(hub_recv(-1, &byte, 1, 0, SOON), -EBADF);
    ck_assert_int_eq(hub_recv(999, &byte, 1, 0, SOON), -EBADF);
    ck_assert_int_eq(hub_recv(file, &byte, 1, 0, SOON), -ENOTSOCK);
    ck_assert_int_eq(hub_send(file, &byte, 1, 0, SOON), -ENOTSOCK);
    ck_assert_int_eq(hub_accept(file, NULL, NULL, SOON), -ENOTSOCK);
    ck_assert_int_eq(hub_accept(-1, NULL, NULL, SOON), -EBADF);
    ck_assert_int_eq(hub_accept(ours, NULL, NULL, SOON), -EINVAL);
    ck_assert_int_eq(hub_shutdown(file, SHUT_RD), -ENOTSOCK);
    ck_assert_int_eq(hub_fd_wrap(-1), -EBADF);
    ck_assert_int_eq(hub_dup(-1), -EBADF);
    ck_assert_int_eq(hub_close(-1), -EBADF);
    ck_assert_int_eq(hub_wait_fd(ours, 8, SOON), -EINVAL);
    close(file);
}
END_TEST

START_TEST(errno_is_left_alone)
{
    char byte;

    errno = 77;
    ck_assert_int_eq(hub_recv(-1, &byte, 1, 0, SOON), -EBADF);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, HUB_NOWAIT), -EAGAIN);
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, hub_now() + MS), -ETIMEDOUT);
    ck_assert_int_eq(hub_close(-1), -EBADF);
    ck_assert_int_eq(errno, 77);
}
END_TEST

/* A blocking socket of somebody else's cannot block the thread. */
START_TEST(a_blocking_socket_may_be_used_as_it_is)
{
    int ends[2];
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(hub_recv(ends[0], &byte, 1, 0, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_send(ends[1], "y", 1, 0, SOON), 1);
    ck_assert_int_eq(hub_recv(ends[0], &byte, 1, 0, SOON), 1);
    ck_assert_int_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    hub_close(ends[0]);
    hub_close(ends[1]);
}
END_TEST

START_TEST(several_receivers_are_served_in_the_order_they_came)
{
    struct receiver a = { .name = 'a' }, b = { .name = 'b' };
    struct greenlet *first = hub_spawn_raw(receives, &a);
    struct greenlet *second = hub_spawn_raw(receives, &b);
    char byte;

    hub_yield();
    ck_assert_int_eq(hub_send(theirs, "1", 1, 0, SOON), 1);
    /* one that comes later does not overtake them */
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, hub_now() + 20 * MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_send(theirs, "2", 1, 0, SOON), 1);
    finish(first);
    finish(second);
    ck_assert_str_eq(order, "ab");
    ck_assert_int_eq(a.data[0], '1');
    ck_assert_int_eq(b.data[0], '2');
}
END_TEST

START_TEST(a_killed_receiver_takes_nothing_with_it)
{
    struct receiver a = { .name = 'a' };
    struct greenlet *g = hub_spawn_raw(receives, &a);
    char byte;

    hub_yield();
    ck_assert_int_eq(hub_send(theirs, "1", 1, 0, SOON), 1);
    ck_assert_int_eq(hub_kill(g), 0);
    finish(g);
    ck_assert(a.got == -ECANCELED || a.got == 1);
    if (a.got < 0)
        ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, SOON), 1);
}
END_TEST

/* Woken by the event and killed before it runs. */
START_TEST(who_is_killed_between_event_and_call_has_the_data_or_leaves_it)
{
    for (int i = 0; i < 20; i++) {
        struct receiver a = { .name = 'a' };
        struct greenlet *g = hub_spawn_raw(receives, &a);
        char byte = 0;

        hub_yield();
        ck_assert_int_eq(hub_send(theirs, "z", 1, 0, SOON), 1);
        if (i % 2)
            hub_wait_fd(theirs, HUB_WRITE, SOON); /* a turn of the loop */
        hub_kill(g);
        finish(g);
        if (a.got == 1)
            byte = a.data[0];
        else
            ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, SOON), 1);
        ck_assert_int_eq(byte, 'z');
    }
}
END_TEST

static void kills_itself_and_receives(void *arg)
{
    ssize_t *got = arg;
    struct hub_shield shield;
    char byte;

    hub_kill(greenlet_current());
    got[0] = hub_recv(ours, &byte, 1, 0, HUB_FOREVER);
    hub_shield_begin(&shield);
    got[1] = hub_recv(ours, &byte, 1, 0, HUB_FOREVER);
    hub_shield_end(&shield);
}

START_TEST(who_was_killed_gets_nothing_more_but_in_a_shield)
{
    ssize_t got[2] = { 0, 0 };
    struct greenlet *g;

    sends_x(NULL);
    g = hub_spawn_raw(kills_itself_and_receives, got);
    finish(g);
    ck_assert_int_eq(got[0], -ECANCELED);
    ck_assert_int_eq(got[1], 1);
}
END_TEST

static int killed_rc;
static const struct greenlet_class *killed_by;

static void receives_what_is_there_when_killed(void *arg)
{
    struct greenlet_exception record = { .cls = &greenlet_value_class,
                                         .text = "why" };
    char byte;

    (void)arg;
    hub_kill_with(greenlet_current(), &record);
    killed_rc = (int)hub_recv(ours, &byte, 1, 0, SOON);
    if (greenlet_caught_peek() != NULL)
        killed_by = greenlet_caught_peek()->cls;
    if (greenlet_caught(&record))
        greenlet_exception_clear(&record);
}

/* ... and has the record, as if it had waited. */
START_TEST(who_was_killed_is_told_by_what)
{
    struct greenlet *g;

    sends_x(NULL);
    g = hub_spawn_raw(receives_what_is_there_when_killed, NULL);
    finish(g);
    ck_assert_int_eq(killed_rc, greenlet_value_class.error);
    ck_assert_ptr_eq(killed_by, &greenlet_value_class);
}
END_TEST

START_TEST(a_closed_socket_ends_its_waits)
{
    struct receiver a = { .name = 'a' };
    struct greenlet *g = hub_spawn_raw(receives, &a);

    hub_yield();
    ck_assert_int_eq(hub_close(ours), 0);
    finish(g);
    ck_assert_int_eq(a.got, -EBADF);
    ours = hub_dup(theirs); /* for the fixture */
}
END_TEST

/* The number is used again before the one who waited runs. */
START_TEST(a_reused_number_is_not_touched_by_those_who_waited_for_the_old)
{
    struct receiver a = { .name = 'a' };
    struct greenlet *g = hub_spawn_raw(receives, &a);
    int old = ours, ends[2];
    char byte;

    hub_yield();
    ck_assert_int_eq(hub_close(ours), 0);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(ends[0], old);
    ck_assert_int_eq(hub_send(ends[1], "n", 1, 0, SOON), 1);
    finish(g);
    ck_assert_int_eq(a.got, -EBADF);
    ck_assert_int_eq(hub_recv(ends[0], &byte, 1, 0, SOON), 1);
    ck_assert_int_eq(byte, 'n');
    /* ... and it is watched as a new file */
    ck_assert_int_eq(hub_recv(ends[0], &byte, 1, 0, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_send(ends[1], "m", 1, 0, SOON), 1);
    ck_assert_int_eq(hub_recv(ends[0], &byte, 1, 0, SOON), 1);
    hub_close(ends[1]);
    ours = ends[0];
}
END_TEST

static int gate[2], mate;

/* The loop tells of both at once, and this one runs first. */
static void closes_and_opens(void *arg)
{
    int old = ours, ends[2];
    char byte;

    (void)arg;
    ck_assert_int_eq(hub_recv(gate[0], &byte, 1, 0, SOON), 1);
    ck_assert_int_eq(hub_close(ours), 0);
    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(ends[0], old);
    mate = ends[1];
    ck_assert_int_eq(hub_send(mate, "n", 1, 0, SOON), 1);
}

/* Its event has come, but before it runs the number is another socket's. */
START_TEST(a_reused_number_is_not_touched_by_one_who_is_woken_already)
{
    struct receiver a = { .name = 'a' };
    struct greenlet *g, *closer;
    char byte;

    ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, gate), 0);
    g = hub_spawn_raw(receives, &a);
    closer = hub_spawn_raw(closes_and_opens, NULL);
    hub_sleep(MS); /* both are registered */
    ck_assert_int_eq(write(_i == 0 ? theirs : gate[1], "o", 1), 1);
    ck_assert_int_eq(write(_i == 0 ? gate[1] : theirs, "o", 1), 1);
    finish(closer);
    finish(g);
    ck_assert(a.got == -EBADF || a.data[0] == 'o');
    ck_assert_int_eq(hub_recv(ours, &byte, 1, 0, SOON), 1);
    ck_assert_int_eq(byte, 'n');
    hub_close(mate);
    hub_close(gate[0]);
    hub_close(gate[1]);
}
END_TEST

static void closes_when_it_is_its_turn(void *arg)
{
    (void)arg;
    hub_close(ours);
    ours = hub_dup(theirs);
}

/* A call that has not waited for long gives way first: to one who closes. */
START_TEST(a_call_that_gave_way_sees_that_its_number_was_closed)
{
    int old = ours;
    struct greenlet *g = NULL;
    ssize_t rc = 1;
    char byte;

    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(hub_send(theirs, "x", 1, 0, SOON), 1);
    hub_yield();
    g = hub_spawn_raw(closes_when_it_is_its_turn, NULL);
    for (int i = 0; i < 100 && rc == 1; i++)
        rc = hub_recv(old, &byte, 1, 0, HUB_NOWAIT);
    ck_assert_int_eq(rc, -EBADF);
    ck_assert_int_eq(ours, old);
    finish(g);
}
END_TEST

static void sends_later(void *arg)
{
    hub_sleep(2 * MS);
    ck_assert_int_eq(write(*(int *)arg, "x", 1), 1);
}

/* By close() itself, and pipes of somebody else's: hub_wait_fd() makes sure. */
START_TEST(a_number_that_was_closed_behind_its_back_is_looked_at_again)
{
    int ends[2], other[2];
    struct greenlet *g;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, hub_now() + MS),
                     -ETIMEDOUT);
    close(ends[0]);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, SOON), -EBADF);
    ck_assert_int_eq(pipe(other), 0);
    ck_assert_int_eq(other[0], ends[0]);
    g = hub_spawn_raw(sends_later, &other[1]);
    ck_assert_int_eq(hub_wait_fd(other[0], HUB_READ, SOON), 0);
    finish(g);
    close(other[0]);
    ck_assert_int_eq(dup2(ends[1], other[0]), other[0]);
    ck_assert_int_eq(hub_wait_fd(other[0], HUB_WRITE, SOON), 0);
    hub_close(other[0]);
    hub_close(other[1]);
    hub_close(ends[1]);
}
END_TEST

START_TEST(a_number_that_was_used_again_behind_its_back_is_watched_anew)
{
    int ends[2], other[2];
    struct greenlet *g;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(hub_wait_fd(ends[0], HUB_READ, hub_now() + MS),
                     -ETIMEDOUT);
    close(ends[0]);
    ck_assert_int_eq(pipe(other), 0);
    ck_assert_int_eq(other[0], ends[0]);
    g = hub_spawn_raw(sends_later, &other[1]);
    ck_assert_int_eq(hub_wait_fd(other[0], HUB_READ, SOON), 0);
    finish(g);
    hub_close(other[0]);
    hub_close(other[1]);
    hub_close(ends[1]);
}
END_TEST

/* Sockets of somebody else's, and close() itself. */
START_TEST(a_foreign_socket_that_replaces_another_is_watched_anew)
{
    int first[2], second[2];
    struct greenlet *g;
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
    ck_assert_int_eq(hub_recv(first[0], &byte, 1, 0, hub_now() + MS),
                     -ETIMEDOUT);
    close(first[0]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
    ck_assert_int_eq(second[0], first[0]);
    g = hub_spawn_raw(sends_later, &second[1]);
    ck_assert_int_eq(hub_recv(second[0], &byte, 1, 0, SOON), 1);
    finish(g);
    hub_close(first[1]);
    hub_close(second[0]);
    hub_close(second[1]);
}
END_TEST

START_TEST(a_shut_down_side_wakes_who_waits_on_it)
{
    struct receiver a = { .name = 'a' };
    struct greenlet *g = hub_spawn_raw(receives, &a);

    hub_yield();
    ck_assert_int_eq(hub_shutdown(ours, SHUT_RD), 0);
    finish(g);
    ck_assert_int_eq(a.got, 0);
}
END_TEST

struct sender {
    size_t sent;
    int rc;
};

#define LARGE (8 << 20)

static void sends_much(void *arg)
{
    struct sender *s = arg;
    char *data = calloc(1, LARGE);

    ck_assert_ptr_nonnull(data);
    s->rc = hub_send_all(theirs, data, LARGE, 0, &s->sent, HUB_FOREVER);
    free(data);
}

START_TEST(a_writer_whose_side_is_shut_down_gets_epipe_and_no_signal)
{
    struct sender s = { 0, 0 };
    struct greenlet *g = hub_spawn_raw(sends_much, &s);

    hub_yield();
    ck_assert_int_eq(hub_shutdown(theirs, SHUT_WR), 0);
    finish(g);
    ck_assert_int_eq(s.rc, -EPIPE);
    ck_assert_uint_gt(s.sent, 0);
    ck_assert_uint_lt(s.sent, LARGE);
}
END_TEST

START_TEST(all_is_sent_and_all_is_received)
{
    struct sender s = { 0, 0 };
    struct greenlet *g = hub_spawn_raw(sends_much, &s);
    char *data = malloc(LARGE + 1);
    size_t got = 0;

    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(hub_recv_all(ours, data, LARGE, &got, SOON), 0);
    ck_assert_uint_eq(got, LARGE);
    finish(g);
    ck_assert_int_eq(s.rc, 0);
    ck_assert_uint_eq(s.sent, LARGE);
    ck_assert_int_eq(hub_shutdown(theirs, SHUT_WR), 0);
    ck_assert_int_eq(hub_recv_all(ours, data, 1, &got, SOON), -ENODATA);
    ck_assert_uint_eq(got, 0);
    free(data);
}
END_TEST

START_TEST(sending_all_shares_one_deadline)
{
    char *data = calloc(1, LARGE);
    size_t sent = 0;

    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(
        hub_send_all(theirs, data, LARGE, 0, &sent, hub_now() + 5 * MS),
        -ETIMEDOUT);
    ck_assert_uint_gt(sent, 0);
    ck_assert_uint_lt(sent, LARGE);
    free(data);
}
END_TEST

static void add_data(TCase *tcase)
{
    tcase_add_test(tcase, what_is_there_is_received_at_once);
    tcase_add_test(tcase, a_receiver_waits_for_a_sender);
    tcase_add_test(tcase, a_call_that_must_not_wait_says_so);
    tcase_add_test(tcase,
                   a_deadline_ends_a_wait_but_not_a_call_that_can_be_done);
    tcase_add_test(tcase, bad_descriptors_are_refused);
    tcase_add_test(tcase, errno_is_left_alone);
    tcase_add_test(tcase, a_blocking_socket_may_be_used_as_it_is);
    tcase_add_test(tcase,
                   several_receivers_are_served_in_the_order_they_came);
    tcase_add_test(tcase, a_killed_receiver_takes_nothing_with_it);
    tcase_add_test(
        tcase, who_is_killed_between_event_and_call_has_the_data_or_leaves_it);
    tcase_add_test(tcase, who_was_killed_gets_nothing_more_but_in_a_shield);
    tcase_add_test(tcase, who_was_killed_is_told_by_what);
    tcase_add_test(tcase, all_is_sent_and_all_is_received);
    tcase_add_test(tcase, sending_all_shares_one_deadline);
}

static void add_close(TCase *tcase)
{
    tcase_add_test(tcase, a_closed_socket_ends_its_waits);
    tcase_add_test(
        tcase, a_reused_number_is_not_touched_by_those_who_waited_for_the_old);
    tcase_add_loop_test(
        tcase, a_reused_number_is_not_touched_by_one_who_is_woken_already, 0,
        2);
    tcase_add_test(tcase,
                   a_call_that_gave_way_sees_that_its_number_was_closed);
    tcase_add_test(tcase,
                   a_number_that_was_closed_behind_its_back_is_looked_at_again);
    tcase_add_test(
        tcase, a_number_that_was_used_again_behind_its_back_is_watched_anew);
    tcase_add_test(tcase,
                   a_foreign_socket_that_replaces_another_is_watched_anew);
    tcase_add_test(tcase, a_shut_down_side_wakes_who_waits_on_it);
    tcase_add_test(tcase,
                   a_writer_whose_side_is_shut_down_gets_epipe_and_no_signal);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tcase, open_pair, close_pair);
    add_data(tcase);
    add_close(tcase);
    return unit_run("socket", tcase);
}
