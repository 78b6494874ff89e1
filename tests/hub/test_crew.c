/* Crews: greenlets that are there only while something can be read. */
#include "foreign.h"
#include "context/inspect.h"
#include "hub/hub.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS    HUB_MILLISECOND
#define COUNT 20
#define TRIES 2000

struct place {
    struct hub_crew_post post; /* first */
    int ends[2];
    int calls, error;
    struct greenlet *by; /* borrowed, to compare */
    uintptr_t deep;      /* a page of its stack */
};

static struct hub_crew *crew;
static struct place places[COUNT];
static bool waits;   /* the function does */
static bool returns; /* to its post */
static int in_it;    /* calls that have not returned */
static int distinct;
static struct greenlet *last;

/* In a page that is not the first of its stack. */
static __attribute__((noinline)) void use_stack(struct place *place)
{
    volatile char much[40000];

    for (size_t i = 0; i < sizeof much; i += 1000)
        much[i] = 1;
    place->deep = (uintptr_t)&much[sizeof much / 2] & ~(uintptr_t)4095;
}

static void be_with(struct hub_crew_post *post, int error)
{
    struct place *place = (struct place *)(void *)post;
    char byte;

    in_it++;
    place->calls++;
    place->error = error;
    place->by = greenlet_current();
    distinct += place->by != last;
    last = place->by;
    if (error == 0)
        hub_recv(place->ends[0], &byte, 1, 0, HUB_NOWAIT);
    use_stack(place);
    if (waits)
        hub_sleep(10 * MS);
    if (returns && error == 0)
        ck_assert_int_eq(hub_crew_wait(post, place->ends[0]), 0);
    in_it--;
}

/* Between the poll and those it was about, a busy machine may have let pass any time:
 * then sleeps that are over end first.  So whoever sleeps until others have run has to
 * look whether they have, or sleep on; as long as a test may take if they never do. */
#define sleep_until(done)                                      \
    do {                                                       \
        hub_sleep(5 * MS);                                     \
        for (int tries = 0; !(done) && tries < TRIES; tries++) \
            hub_sleep(5 * MS);                                 \
    } while (0)

/* Every place was called that often, and all calls have returned. */
static bool all_called(int times)
{
    for (int i = 0; i < COUNT; i++)
        if (places[i].calls < times)
            return false;
    return in_it == 0;
}

static bool all_canceled(void)
{
    for (int i = 0; i < COUNT; i++)
        if (places[i].error != -ECANCELED)
            return false;
    return in_it == 0;
}

static void open_all(void)
{
    ck_assert_int_eq(hub_crew_new(be_with, 0, &crew), 0);
    waits = false;
    returns = true;
    for (int i = 0; i < COUNT; i++) {
        struct place *place = &places[i];

        *place = (struct place){ .calls = 0 };
        ck_assert_int_eq(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, place->ends),
                         0);
        hub_crew_post_init(&place->post, crew);
        ck_assert_int_eq(hub_crew_wait(&place->post, place->ends[0]), 0);
    }
    distinct = in_it = 0;
    last = NULL;
}

static void close_all(void)
{
    returns = false;
    for (int i = 0; i < COUNT; i++)
        hub_crew_call(&places[i].post, -ECANCELED);
    sleep_until(all_canceled());
    ck_assert(all_canceled());
    hub_crew_free(crew);
    for (int i = 0; i < COUNT; i++) {
        hub_close(places[i].ends[0]);
        hub_close(places[i].ends[1]);
    }
}

static void ring(int i)
{
    ck_assert_int_eq(hub_send(places[i].ends[1], "x", 1, 0, HUB_NOWAIT), 1);
}

START_TEST(a_post_is_called_when_something_can_be_read)
{
    open_all();
    hub_sleep(5 * MS);
    ck_assert_int_eq(places[3].calls, 0);
    for (int i = 1; i <= 3; i++) {
        ring(3);
        sleep_until(places[3].calls >= i);
        ck_assert_int_eq(places[3].calls, i);
        ck_assert_int_eq(places[3].error, 0);
    }
    ck_assert_int_eq(places[4].calls, 0);
    close_all();
    ck_assert_int_eq(places[3].error, -ECANCELED);
}
END_TEST

START_TEST(those_who_wait_have_no_greenlet)
{
    struct greenlet_counts before, now;

    hub_sleep(1);
    greenlet_count(&before);
    open_all();
    hub_sleep(5 * MS);
    greenlet_count(&now);
    ck_assert_uint_eq(now.greenlets, before.greenlets);
    close_all();
}
END_TEST

START_TEST(those_who_are_ready_together_share_one)
{
    open_all();
    for (int i = 0; i < COUNT; i++)
        ring(i);
    sleep_until(all_called(1));
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(places[i].calls, 1);
    ck_assert_int_eq(distinct, 1);
    close_all();
}
END_TEST

START_TEST(a_call_that_waits_has_its_own)
{
    open_all();
    waits = true;
    for (int i = 0; i < COUNT; i++)
        ring(i);
    sleep_until(in_it == COUNT || all_called(1));
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(places[i].calls, 1); /* all were in it together */
        for (int k = 0; k < i; k++)
            ck_assert_ptr_ne(places[i].by, places[k].by);
    }
    sleep_until(in_it == 0);
    waits = false;
    close_all();
}
END_TEST

START_TEST(the_stack_that_was_used_last_is_used_again)
{
    struct greenlet *kept;

    open_all();
    ring(0);
    sleep_until(places[0].calls >= 1);
    ck_assert_ptr_nonnull(last);
    kept = last; /* has ended; only its address is looked at */
    for (int i = 0; i < COUNT; i++)
        ring(i);
    sleep_until(all_called(1) && places[0].calls >= 2);
    ck_assert_int_eq(places[0].calls, 2);
    ck_assert_ptr_eq(last, kept); /* on the stack that was used last */
    hub_crew_settle(crew);
    ring(0);
    sleep_until(places[0].calls >= 3);
    ck_assert_int_eq(places[0].calls, 3);
    close_all();
}
END_TEST

static int there(void)
{
    unsigned char is_there;
    int count = 0;

    for (int i = 0; i < COUNT; i++)
        if (mincore((void *)places[i].deep, 4096, &is_there) == 0)
            count += is_there & 1;
    return count;
}

/* All but 16, which are kept for those to come. */
START_TEST(stacks_that_are_not_needed_any_more_are_given_back)
{
    open_all();
    waits = true;
    for (int i = 0; i < COUNT; i++)
        ring(i);
    sleep_until(all_called(1));
    waits = false;
    ck_assert_int_eq(there(), COUNT);
    hub_crew_settle(crew); /* they were just in use */
    ck_assert_int_eq(there(), COUNT);
    hub_crew_settle(crew);
    ck_assert_int_le(there(), 16);
    for (int i = 0; i < COUNT; i++)
        ring(i);
    sleep_until(all_called(2));
    ck_assert_int_eq(places[0].calls, 2);
    close_all();
}
END_TEST

START_TEST(a_post_is_called_with_an_error)
{
    open_all();
    hub_crew_call(&places[1].post, -EINTR);
    ring(1); /* not by this: it does not wait any more */
    ck_assert_int_eq(places[1].calls, 0);
    sleep_until(places[1].calls >= 1);
    ck_assert_int_eq(places[1].calls, 1);
    ck_assert_int_eq(places[1].error, -EINTR);
    close_all();
}
END_TEST

START_TEST(a_descriptor_that_is_closed_ends_the_wait)
{
    open_all();
    hub_close(places[2].ends[0]);
    sleep_until(places[2].calls >= 1);
    ck_assert_int_eq(places[2].calls, 1);
    ck_assert_int_eq(places[2].error, -EBADF);
    ck_assert_int_eq(hub_crew_wait(&places[2].post, -1), -EBADF);
    places[2].ends[0] = dup(places[2].ends[1]);
    close_all();
}
END_TEST

static struct greenlet *victim;

static void is_killed(struct hub_crew_post *post, int error)
{
    (void)post;
    (void)error;
    places[0].calls++;
    ck_assert_int_eq(hub_canceled(), 0);
    if (victim == NULL) {
        victim = greenlet_current();
        hub_kill(victim);
    }
}

START_TEST(a_kill_is_not_for_the_next)
{
    ck_assert_int_eq(hub_crew_new(is_killed, 0, &crew), 0);
    places[0].calls = 0;
    for (int i = 0; i < 3; i++) {
        hub_crew_post_init(&places[i].post, crew);
        hub_crew_call(&places[i].post, 0);
    }
    sleep_until(places[0].calls >= 3);
    ck_assert_int_eq(places[0].calls, 3);
    hub_crew_free(crew);
}
END_TEST

/* Its owner has no use for it any more; what was called still is. */
START_TEST(a_crew_that_is_freed_calls_who_is_due)
{
    ck_assert_int_eq(hub_crew_new(be_with, 64 * 1024, &crew), 0);
    returns = waits = false;
    hub_crew_post_init(&places[0].post, crew);
    places[0].calls = 0;
    hub_crew_call(&places[0].post, -ECANCELED);
    hub_crew_free(crew);
    sleep_until(places[0].calls >= 1);
    ck_assert_int_eq(places[0].calls, 1);
}
END_TEST

/* ---- what happens to the hub ---- */

static void *destroy_hub(void *arg)
{
    (void)arg;
    open_all();
    returns = false;
    ck_assert_int_eq(hub_destroy(), 0);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(places[i].calls, 1);
        ck_assert_int_eq(places[i].error, -ECANCELED);
        ck_assert_int_eq(hub_crew_wait(&places[i].post, places[i].ends[0]),
                         -ECANCELED);
        close(places[i].ends[0]);
        close(places[i].ends[1]);
    }
    hub_crew_free(crew);
    return NULL;
}

START_TEST(who_waits_is_called_before_the_hub_goes)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, destroy_hub, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static int in_child(void)
{
    returns = false;
    for (int i = 0; i < COUNT; i++)
        hub_crew_call(&places[i].post, -ECANCELED);
    if (hub_sleep(MS) != 0)
        return 1;
    sleep_until(all_canceled());
    for (int i = 0; i < COUNT; i++)
        if (places[i].calls != 1 || places[i].error != -ECANCELED)
            return 2;
    return hub_sleep(MS) == 0 ? 0 : 3;
}

START_TEST(in_the_child_of_a_fork_nobody_waits)
{
    int status;
    pid_t child;

    open_all();
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(in_child());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close_all();
}
END_TEST

static struct greenlet *parents[2];

static void does_nothing(void *arg)
{
    (void)arg;
    hub_sleep(10 * MS);
}

static void takes_a_parent(struct hub_crew_post *post, int error)
{
    int at = places[0].calls++;

    (void)post;
    (void)error;
    parents[at] = greenlet_parent(greenlet_current());
    if (at == 0)
        ck_assert_int_eq(greenlet_set_parent(greenlet_current(), victim), 0);
}

START_TEST(a_parent_is_not_for_the_next)
{
    struct hub_crew_post two[2];

    ck_assert_int_eq(hub_crew_new(takes_a_parent, 0, &crew), 0);
    victim = hub_spawn_raw(does_nothing, NULL);
    places[0].calls = 0;
    for (int i = 0; i < 2; i++) {
        hub_crew_post_init(&two[i], crew);
        hub_crew_call(&two[i], 0);
    }
    sleep_until(places[0].calls >= 2);
    ck_assert_int_eq(places[0].calls, 2);
    ck_assert_ptr_eq(parents[0], parents[1]);
    hub_join(victim, HUB_FOREVER);
    greenlet_unref(victim);
    hub_crew_free(crew);
}
END_TEST

static int kills;

static void kill_some(struct greenlet *g, void *data)
{
    (void)data;
    if (kills > 0 && kills-- > 0)
        hub_kill(g);
}

/* Not for ever, and not at once again. */
START_TEST(who_is_killed_before_it_begins_has_a_successor)
{
    kills = 2;
    ck_assert_int_eq(hub_add_spawn_callback(kill_some, NULL), 0);
    ck_assert_int_eq(hub_crew_new(be_with, 0, &crew), 0);
    returns = waits = false;
    places[0].calls = 0;
    hub_crew_post_init(&places[0].post, crew);
    hub_crew_call(&places[0].post, -ECANCELED);
    sleep_until(places[0].calls >= 1);
    ck_assert_int_eq(hub_remove_spawn_callback(kill_some, NULL), 0);
    ck_assert_int_eq(kills, 0);
    ck_assert_int_eq(places[0].calls, 1);
    hub_crew_free(crew);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_sleep(1); /* makes the hub, and its greenlet */
    tcase_add_test(tcase, a_post_is_called_when_something_can_be_read);
    tcase_add_test(tcase, those_who_wait_have_no_greenlet);
    tcase_add_test(tcase, those_who_are_ready_together_share_one);
    tcase_add_test(tcase, a_call_that_waits_has_its_own);
    tcase_add_test(tcase, the_stack_that_was_used_last_is_used_again);
    tcase_add_test(tcase, stacks_that_are_not_needed_any_more_are_given_back);
    tcase_add_test(tcase, a_post_is_called_with_an_error);
    tcase_add_test(tcase, a_descriptor_that_is_closed_ends_the_wait);
    tcase_add_test(tcase, a_kill_is_not_for_the_next);
    tcase_add_test(tcase, a_crew_that_is_freed_calls_who_is_due);
    tcase_add_test(tcase, who_waits_is_called_before_the_hub_goes);
    tcase_add_test(tcase, in_the_child_of_a_fork_nobody_waits);
    tcase_add_test(tcase, a_parent_is_not_for_the_next);
    tcase_add_test(tcase, who_is_killed_before_it_begins_has_a_successor);
    return unit_run("crew", tcase);
}
