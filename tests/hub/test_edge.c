/* Posts of a crew that are told of each thing that comes just once: nobody can tell,
 * but by the registration and the system calls that it takes. */
#include "edge.h"

/* ---- what it costs ---- */

START_TEST(one_that_is_told_of_often_becomes_edge_triggered)
{
    open_place();
    ask(WAITS - 1);
    ck_assert(!is_edge(place.fd));
    ck_assert_int_eq(changes, 1); /* as ever */
    ask(2);
    ck_assert(is_edge(place.fd));
    ask(30);
    ck_assert(is_edge(place.fd));
    ck_assert_int_eq(changes, 2);
    ck_assert_uint_eq(place.got, WAITS + 31);
    close_place();
}
END_TEST

static void waits_in_between(struct place *at)
{
    char byte;

    reads(at);
    ck_assert_int_eq(hub_recv(at->fd, &byte, 1, 0, hub_now() + MS / 4),
                     -ETIMEDOUT);
}

/* Where something else is between two waits of the crew. */
START_TEST(one_that_waits_in_other_ways_too_stays_level_triggered)
{
    open_place();
    what = waits_in_between;
    ask(2 * WAITS);
    ck_assert(!is_edge(place.fd));
    ck_assert_int_eq(changes, 1);
    close_place();
}
END_TEST

static void ask_peer_of(int domain, int type)
{
    int ends[2];

    place = (struct place){ .calls = 0 };
    ck_assert_int_eq(hub_socketpair(domain, type, 0, ends), 0);
    place.fd = ends[0];
    place.peer = ends[1];
    serve_place();
    ask(2 * WAITS);
    ck_assert(!is_edge(place.fd));
    ck_assert_int_eq(changes, 1);
    forget_bytes();
    tell("a"); /* each is one recv() on datagrams */
    tell("b");
    tell("c");
    until_got("abc");
    hub_fd_closed(place.peer);
    close_place();
}

START_TEST(other_sockets_stay_level_triggered)
{
    ask_peer_of(AF_UNIX, SOCK_STREAM);
    ask_peer_of(AF_UNIX, SOCK_DGRAM);
    ask_peer_of(AF_UNIX, SOCK_SEQPACKET);
}
END_TEST

/* ---- the end ---- */

START_TEST(the_end_that_comes_later_is_told)
{
    open_edge();
    shutdown(place.peer, SHUT_WR);
    until_ended();
    ck_assert_int_eq(place.calls, 1);
    close_place();
}
END_TEST

/* Both are there when the loop looks: no event comes for the second. */
START_TEST(data_and_the_end_are_both_told)
{
    open_edge();
    tell("last");
    shutdown(place.peer, SHUT_WR);
    until_ended();
    ck_assert_str_eq(place.text, "last");
    ck_assert_int_eq(place.calls, 2);
    close_place();
}
END_TEST

static void peer_ends_after(struct place *at)
{
    reads(at);
    shutdown(at->peer, SHUT_WR);
}

static void peer_ends_while_it_sleeps(struct place *at)
{
    reads(at);
    if (at->calls == 1) {
        shutdown(at->peer, SHUT_WR);
        hub_sleep(2 * MS); /* the loop is told, and nobody waits */
    }
}

static void peer_ends_before(struct place *at)
{
    if (at->calls == 1)
        shutdown(at->peer, SHUT_WR);
    reads(at);
}

START_TEST(the_end_that_comes_while_it_is_called_is_told)
{
    void (*const cases[])(struct place *at) = {
        peer_ends_before, peer_ends_after, peer_ends_while_it_sleeps
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_edge();
        what = cases[i];
        tell("last");
        until_ended();
        ck_assert_str_eq(place.text, "last");
        close_place();
    }
}
END_TEST

static void reset(struct place *at)
{
    struct linger none = { .l_onoff = 1 };

    setsockopt(at->peer, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(at->peer);
    at->peer = dup(at->fd); /* close_place() closes one */
}

static void peer_resets_after(struct place *at)
{
    reads(at);
    if (at->calls == 1)
        reset(at);
}

static void peer_resets_while_it_sleeps(struct place *at)
{
    reads(at);
    if (at->calls == 1) {
        reset(at);
        hub_sleep(2 * MS);
    }
}

START_TEST(a_reset_is_told)
{
    open_edge();
    reset(&place);
    until_ended();
    close_place();

    open_edge();
    tell("last");
    reset(&place);
    until_ended();
    close_place();

    open_edge();
    what = peer_resets_after;
    tell("last");
    until_ended();
    close_place();

    open_edge();
    what = peer_resets_while_it_sleeps;
    tell("last");
    until_ended();
    close_place();
}
END_TEST

/* By the program, of its own end: by a call of ours, and by one that we do not see. */
START_TEST(a_shutdown_is_told)
{
    open_edge();
    ck_assert_int_eq(hub_shutdown(place.fd, SHUT_RD), 0);
    until_ended();
    close_place();

    open_edge();
    ck_assert_int_eq(shutdown(place.fd, SHUT_RD), 0);
    until_ended();
    close_place();
}
END_TEST

/* ---- who does not read all ---- */

static void reads_two(struct place *at)
{
    read_once(at, 2);
}

/* It has found it drained, and then reads less than has come since. */
static void reads_two_more(struct place *at)
{
    read_once(at, 64);
    if (at->calls == 1) {
        tell("bcdef");
        hub_sleep(MS);
    }
    read_once(at, 2);
}

static void looks_first(struct place *at)
{
    char byte;

    if (at->calls % 2 == 1)
        ck_assert_int_eq(hub_recv(at->fd, &byte, 1, MSG_PEEK, HUB_NOWAIT), 1);
    else
        reads(at);
}

static void reads_by_itself(struct place *at)
{
    char bytes[2];
    ssize_t got = recv(at->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    keep(at, bytes, got < 0 ? -errno : got);
}

START_TEST(who_leaves_something_is_called_again)
{
    void (*const cases[])(struct place *at) = {
        reads_two,   reads_two_after_a_sleep, reads_by_itself,
        looks_first, reads_every_third_time,
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_edge();
        what = cases[i];
        tell("abcdef");
        until_got("abcdef");
        ck_works();
        close_place();
    }
    open_edge();
    what = reads_two_more;
    tell("a");
    until_got("abcdef");
    ck_works();
    close_place();
}
END_TEST

static void more_comes(struct place *at)
{
    reads(at);
    if (at->calls == 1)
        tell("more");
}

static void more_comes_while_it_sleeps(struct place *at)
{
    reads(at);
    if (at->calls == 1) {
        tell("more");
        hub_sleep(2 * MS);
    }
}

static void more_comes_and_is_read(struct place *at)
{
    more_comes_while_it_sleeps(at);
    reads(at);
}

static void more_comes_in_pieces(struct place *at)
{
    reads(at);
    for (const char *at_piece = "more"; at->calls == 1 && *at_piece != '\0';
         at_piece++) {
        tell((char[]){ *at_piece, '\0' });
        hub_sleep(MS); /* more often than the loop goes on watching */
    }
}

START_TEST(what_comes_while_it_is_called_is_told)
{
    void (*const cases[])(struct place *at) = {
        more_comes, more_comes_while_it_sleeps, more_comes_and_is_read,
        more_comes_in_pieces
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_edge();
        what = cases[i];
        tell("some");
        until_got("somemore");
        ck_works();
        close_place();
    }
}
END_TEST

/* Whom nothing more came for is not called again. */
START_TEST(what_was_read_is_not_told)
{
    open_edge();
    what = more_comes_and_is_read;
    tell("some");
    until_got("somemore");
    hub_sleep(3 * MS);
    ck_assert_int_eq(place.calls, 1);
    close_place();
}
END_TEST

START_TEST(a_low_water_mark_is_kept)
{
    int many = 5, one = 1;

    open_edge();
    ck_assert_int_eq(setsockopt(place.fd, SOL_SOCKET, SO_RCVLOWAT, &many,
                                sizeof many), 0);
    tell("ab");
    hub_sleep(2 * MS);
    ck_assert_int_eq(place.calls, 0);
    tell("cde");
    until_got("abcde");
    tell("f");
    hub_sleep(2 * MS);
    ck_assert_int_eq(place.calls, 1);
    ck_assert_int_eq(setsockopt(place.fd, SOL_SOCKET, SO_RCVLOWAT, &one,
                                sizeof one), 0);
    until_got("abcdef");
    ck_works();
    close_place();
}
END_TEST

/* ---- urgent data ---- */

static void tell_urgent(const char *text)
{
    ck_assert_int_eq(send(place.peer, text, 1, MSG_OOB), 1);
}

/* A recv() ends at the mark. */
START_TEST(what_is_behind_an_urgent_byte_is_told)
{
    for (int inline_too = 0; inline_too <= 1; inline_too++) {
        open_edge();
        ck_assert_int_eq(setsockopt(place.fd, SOL_SOCKET, SO_OOBINLINE,
                                    &inline_too, sizeof inline_too), 0);
        tell("ab");
        tell_urgent("!");
        tell("cd");
        until_got(inline_too ? "ab!cd" : "abcd");
        ck_works();
        close_place();
    }
}
END_TEST

static void takes_urgent(struct place *at)
{
    char byte;

    reads(at);
    if (at->calls != 1)
        return;
    tell("ab");
    tell_urgent("!");
    tell("cd");
    ck_assert_int_eq(hub_recv(at->fd, &byte, 1, MSG_OOB, HUB_NOWAIT), 1);
}

static void takes_urgent_by_message(struct place *at)
{
    char byte;
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    reads(at);
    if (at->calls != 1)
        return;
    tell("ab");
    tell_urgent("!");
    tell("cd");
    ck_assert_int_eq(hub_recvmsg(at->fd, &message, MSG_OOB, HUB_NOWAIT), 1);
}

/* Then no event tells of the mark, which is still there. */
START_TEST(what_is_behind_one_that_was_read_is_told)
{
    void (*const cases[])(struct place *at) = { takes_urgent,
                                                takes_urgent_by_message };

    for (int of = 0; of < 2; of++)
        for (int asked = WAITS - 3; asked <= WAITS + 3; asked++) {
            open_place();
            ask(asked);
            forget_bytes();
            place.calls = place.done = 0;
            what = cases[of];
            tell("x");
            until_got("xabcd");
            ck_works();
            ck_assert(!is_edge(place.fd));
            close_place();
        }
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_add_test(tcase, one_that_is_told_of_often_becomes_edge_triggered);
    tcase_add_test(tcase,
                   one_that_waits_in_other_ways_too_stays_level_triggered);
    tcase_add_test(tcase, other_sockets_stay_level_triggered);
    tcase_add_test(tcase, the_end_that_comes_later_is_told);
    tcase_add_test(tcase, data_and_the_end_are_both_told);
    tcase_add_test(tcase, the_end_that_comes_while_it_is_called_is_told);
    tcase_add_test(tcase, a_reset_is_told);
    tcase_add_test(tcase, a_shutdown_is_told);
    tcase_add_test(tcase, who_leaves_something_is_called_again);
    tcase_add_test(tcase, what_comes_while_it_is_called_is_told);
    tcase_add_test(tcase, what_was_read_is_not_told);
    tcase_add_test(tcase, a_low_water_mark_is_kept);
    tcase_add_test(tcase, what_is_behind_an_urgent_byte_is_told);
    tcase_add_test(tcase, what_is_behind_one_that_was_read_is_told);
    return unit_run("edge", tcase);
}
