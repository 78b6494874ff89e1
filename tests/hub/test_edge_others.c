/* What else happens to a descriptor that a post of a crew is told of just once: others
 * wait for it, its number is used again, the loop is made anew. */
#include "edge.h"

#include <pthread.h>
#include <sys/wait.h>

/* ---- others who wait for the same ---- */

static void reads_with_a_wait(struct place *at)
{
    char bytes[64];

    reads(at);
    keep(at, bytes, hub_recv(at->fd, bytes, sizeof bytes, 0, SOON));
}

static void waits_for_it(struct place *at)
{
    reads(at);
    ck_assert_int_eq(hub_wait_fd(at->fd, HUB_READ, SOON), 0);
    reads(at);
}

static void waits_for_it_and_leaves_it(struct place *at)
{
    reads(at);
    if (at->calls == 1)
        ck_assert_int_eq(hub_wait_fd(at->fd, HUB_READ, SOON), 0);
}

static void waits_to_write(struct place *at)
{
    reads(at);
    ck_assert_int_eq(hub_wait_fd(at->fd, HUB_WRITE, SOON), 0);
}

START_TEST(its_function_may_wait_for_the_same)
{
    void (*const cases[])(struct place *at) = {
        reads_with_a_wait, waits_for_it, waits_for_it_and_leaves_it,
        waits_to_write
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 2; k++) {
            open_edge();
            what = cases[i];
            for (const char *text = "abcdef"; *text != '\0'; text++) {
                tell((char[]){ *text, '\0' });
                hub_sleep(MS);
            }
            until_got("abcdef");
            ck_works();
            close_place();
        }
}
END_TEST

static int looked;

/* It does not read. */
static void looks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(hub_wait_fd(place.fd, HUB_READ, SOON), 0);
        looked++;
        hub_sleep(MS);
    }
}

START_TEST(another_greenlet_may_wait_for_the_same)
{
    struct greenlet *g;
    size_t told = 0;

    open_edge();
    g = hub_spawn_raw(looks, NULL);
    hub_sleep(MS);
    for (looked = 0; looked < 3; told++) {
        int calls = place.calls;

        what = reads_every_third_time;
        tell("x");
        for (int64_t end = SOON;
             looked < 3 && place.calls == calls && hub_now() < end;)
            hub_sleep(2 * MS);
        ck_assert(looked == 3 || place.calls > calls);
    }
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
    for (int64_t end = SOON; place.got < told && hub_now() < end;)
        hub_sleep(MS / 4);
    ck_assert_uint_eq(place.got, told);
    ck_works();
    close_place();
}
END_TEST

static int looked_elsewhere; /* atomic */

static void *looks_elsewhere(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&looked_elsewhere, __ATOMIC_ACQUIRE) >= 0) {
        if (hub_wait_fd(place.fd, HUB_READ, hub_now() + MS) == 0)
            __atomic_add_fetch(&looked_elsewhere, 1, __ATOMIC_ACQ_REL);
    }
    hub_destroy();
    return NULL;
}

/* Its loop has a registration of its own, and takes nothing away. */
START_TEST(another_hub_may_wait_for_the_same)
{
    int64_t end = SOON;
    pthread_t thread;

    open_edge();
    looked_elsewhere = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, looks_elsewhere, NULL), 0);
    ck_works();
    what = reads_two_after_a_sleep;
    do { /* until that thread has had its turn while something was there */
        forget_bytes();
        tell("abcdefgh");
        until_got("abcdefgh");
    } while (__atomic_load_n(&looked_elsewhere, __ATOMIC_ACQUIRE) == 0 &&
             hub_now() < end);
    ck_assert_int_gt(__atomic_load_n(&looked_elsewhere, __ATOMIC_ACQUIRE), 0);
    __atomic_store_n(&looked_elsewhere, INT32_MIN, __ATOMIC_RELEASE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_works();
    close_place();
}
END_TEST

/* Both posts wait; each byte comes to one of them.  Then the other is given up. */
static void share_with(struct place *other)
{
    hub_crew_post_init(&other->post, crew);
    ck_assert_int_eq(hub_crew_wait(&other->post, other->fd), 0);
    for (int i = 0; i < 4 * WAITS; i++) {
        size_t got = place.got + other->got;

        tell("z");
        for (int64_t end = SOON; place.got + other->got == got && hub_now() < end;)
            hub_sleep(MS / 4);
        ck_assert_uint_eq(place.got + other->got, got + 1);
    }
    other->leaves = true;
    hub_crew_call(&other->post, -ECANCELED);
    hub_sleep(MS);
}

START_TEST(two_numbers_may_name_the_same)
{
    struct place other = { .leaves = false };

    open_edge();
    other.fd = hub_dup(place.fd);
    ck_assert_int_ge(other.fd, 0);
    share_with(&other);
    hub_close(other.fd);
    ck_works();
    close_place();
}
END_TEST

START_TEST(two_posts_may_wait_for_the_same)
{
    struct place other = { .leaves = false };

    open_edge();
    other.fd = place.fd;
    share_with(&other);
    ck_works();
    close_place();
}
END_TEST

START_TEST(a_post_that_was_called_otherwise_waits_again)
{
    open_edge();
    hub_crew_call(&place.post, -EINTR);
    until_calls(1);
    ck_works();
    ck_assert_int_eq(place.error, 0);
    hub_crew_call(&place.post, -EINTR);
    forget_bytes();
    tell("x");
    tell("y");
    until_got("xy");
    ck_works();
    close_place();
}
END_TEST

/* ---- the number ---- */

START_TEST(a_number_that_is_used_again_begins_anew)
{
    int before;

    open_edge();
    before = place.fd;
    close_place();
    open_place();
    ck_assert_int_eq(place.fd, before);
    ck_assert(!is_edge(place.fd));
    ask(WAITS - 1);
    ck_assert(!is_edge(place.fd));
    ask(2);
    ck_assert(is_edge(place.fd));
    close_place();
}
END_TEST

/* As a dup2() of a program does it: who waits goes on with the file that was there. */
START_TEST(a_number_that_is_replaced_is_left)
{
    struct place next = { .calls = 0 };
    int old = -1;

    open_edge();
    connect_both(&next);
    place.leaves = true;
    hub__fd_closing(place.fd);
    ck_assert_int_eq(dup2(next.fd, place.fd), place.fd);
    tell("x"); /* to the old one, which nobody else has */
    until_calls(1);
    ck_assert(!is_edge(place.fd));
    old = place.peer;
    place.peer = next.peer;
    place.leaves = false;
    ck_assert_int_eq(hub_crew_wait(&place.post, place.fd), 0);
    forget_bytes();
    ck_works();
    close(old);
    hub_close(next.fd);
    close_place();
}
END_TEST

/* Without a word: the kernel says so when it is to be changed. */
START_TEST(one_that_was_replaced_without_a_word_is_seen)
{
    struct place next = { .calls = 0 };
    int old;

    open_edge();
    connect_both(&next);
    place.leaves = true;
    tell("x");
    until_calls(1);
    ck_assert_int_eq(dup2(next.fd, place.fd), place.fd);
    old = place.peer;
    place.peer = next.peer;
    place.leaves = false;
    ck_assert_int_eq(hub_wait_fd(place.fd, HUB_READ, hub_now() + MS),
                     -ETIMEDOUT);
    ck_assert_int_eq(hub_crew_wait(&place.post, place.fd), 0);
    ck_works();
    close(old);
    hub_close(next.fd);
    close_place();
}
END_TEST

/* ---- the loop ---- */

static int epoll_number(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    int found = -1;

    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && is_edge_in(entry->d_name, place.fd))
            found = atoi(entry->d_name);
    closedir(dir);
    return found;
}

START_TEST(a_loop_that_is_made_anew_watches_it)
{
    for (int told_before = 0; told_before <= 1; told_before++) {
        open_edge();
        if (told_before)
            tell("y");
        ck_assert_int_eq(hub__fd_evacuate(epoll_number()), 0);
        ck_assert(!is_edge(place.fd));
        if (told_before)
            until_got("y");
        ck_works();
        ck_assert(is_edge(place.fd));
        close_place();
    }
}
END_TEST

static int child_works(void)
{
    place.leaves = false;
    hub_crew_post_init(&place.post, crew);
    if (hub_fd_wrap(place.fd) != 0 ||
        hub_crew_wait(&place.post, place.fd) != 0)
        return 1;
    ck_works();
    return is_edge(place.fd) ? 0 : 2;
}

START_TEST(the_child_of_a_fork_watches_for_itself)
{
    int status;
    pid_t child;

    open_edge();
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(child_works());
    place.leaves = true;
    while (waitpid(child, &status, WNOHANG) == 0) {
        hub_crew_call(&place.post, -ECANCELED); /* the child reads */
        hub_sleep(MS);
    }
    ck_assert_int_eq(status, 0);
    place.leaves = false;
    ck_assert_int_eq(hub_crew_wait(&place.post, place.fd), 0);
    ck_works();
    close_place();
}
END_TEST

/* It has the socket, too, and a hub that watches it. */
START_TEST(the_parent_of_a_fork_goes_on)
{
    int status, hold[2];
    pid_t child;
    char byte;

    open_edge();
    ck_assert_int_eq(pipe(hold), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(hold[1]);
        hub_wait_fd(place.fd, HUB_READ, hub_now() + 5 * MS);
        _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
    }
    ck_works();
    ck_assert(is_edge(place.fd));
    shutdown(place.peer, SHUT_WR);
    until_ended();
    close(hold[0]);
    close(hold[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close_place();
}
END_TEST

/* ---- all of it, in any order ---- */

static unsigned long random_state;

static unsigned any(unsigned below)
{
    random_state = random_state * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(random_state >> 33) % below;
}

static void does_anything(struct place *at)
{
    char bytes[64];

    for (unsigned times = 1 + any(3); times > 0 && !at->ended; times--)
        switch (any(10)) {
        case 0:
            read_once(at, 1 + any(20));
            break;
        case 1:
            hub_sleep(any(2) * MS / 10);
            break;
        case 2:
            if (hub_wait_fd(at->fd, HUB_READ, hub_now() + MS / 10) == 0)
                read_once(at, 1 + any(64));
            break;
        case 3:
            hub_recv(at->fd, bytes, 10, MSG_PEEK, HUB_NOWAIT);
            break;
        case 4:
            hub_wait_fd(at->fd, HUB_WRITE, SOON);
            break;
        default:
            reads(at);
        }
}

static size_t send_anything(void)
{
    size_t sent = 0;

    for (int i = 0; i < 200; i++) {
        char bytes[100];
        size_t size = 1 + any(any(4) == 0 ? 100 : 10);

        memset(bytes, 'b', size);
        ck_assert_int_eq(send(place.peer, bytes, size, 0), (ssize_t)size);
        sent += size;
        if (any(40) == 0) {
            hub_sleep(MS / 5);
            what = reads; /* for a while, as a server */
            for (int k = 0; k < 2 * WAITS; k++, sent++) {
                tell("c");
                hub_sleep(MS / 20);
            }
            what = does_anything;
        } else if (any(2) == 0) {
            hub_sleep(any(3) * MS / 20);
        }
    }
    return sent;
}

START_TEST(nothing_is_lost_whatever_is_done)
{
    for (int i = 0; i < 4; i++) {
        size_t sent;

        random_state = (unsigned long)i;
        open_edge();
        place.got = 0;
        what = does_anything;
        sent = send_anything();
        shutdown(place.peer, SHUT_WR);
        until_ended();
        ck_assert_uint_eq(place.got, sent);
        close_place();
    }
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_add_test(tcase, its_function_may_wait_for_the_same);
    tcase_add_test(tcase, another_greenlet_may_wait_for_the_same);
    tcase_add_test(tcase, another_hub_may_wait_for_the_same);
    tcase_add_test(tcase, two_numbers_may_name_the_same);
    tcase_add_test(tcase, two_posts_may_wait_for_the_same);
    tcase_add_test(tcase, a_post_that_was_called_otherwise_waits_again);
    tcase_add_test(tcase, a_number_that_is_used_again_begins_anew);
    tcase_add_test(tcase, a_number_that_is_replaced_is_left);
    tcase_add_test(tcase, one_that_was_replaced_without_a_word_is_seen);
    tcase_add_test(tcase, a_loop_that_is_made_anew_watches_it);
    tcase_add_test(tcase, the_child_of_a_fork_watches_for_itself);
    tcase_add_test(tcase, the_parent_of_a_fork_goes_on);
    tcase_add_test(tcase, nothing_is_lost_whatever_is_done);
    return unit_run("edge_others", tcase);
}
