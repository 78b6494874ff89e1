/* cases_1_9_trees.c - threads: each has its own tree (G-123 ... G-127, G-144)
 *
 * The end of threads is in cases_1_9_exit.c. */
#include "case.h"

/* ---- G-123 ---- */

static void *switches_often(void *counter)
{
    struct greenlet *a = make(echoes), *b = make(echoes);

    for (long i = 0; i < 1000; i++) {
        CHECK_PTR(SWITCH(a, V(i)), V(i));
        CHECK_PTR(SWITCH(b, V(-i)), V(-i));
    }
    greenlet_unref(a);
    greenlet_unref(b);
    __atomic_add_fetch((int *)counter, 1, __ATOMIC_RELAXED);
    return NULL;
}

CASE(G_123, "ten threads switch at once, each in its own tree")
{
    pthread_t threads[10];
    int done = 0;

    for (int i = 0; i < 10; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, switches_often, &done), 0);
    switches_often(&done);
    for (int i = 0; i < 10; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(done, 11);
}

/* ---- G-124, G-125: a thread that lives, with one of each state ---- */

enum { NEW, SUSPENDED, FINISHED, MAIN, STATES };

struct other {
    struct greenlet *g[STATES];
    pthread_barrier_t ready, over;
    pthread_t thread;
};

/* The main is borrowed. */
static void make_one_of_each(struct other *other)
{
    other->g[NEW] = make(never_run);
    other->g[SUSPENDED] = make(echoes);
    SWITCH(other->g[SUSPENDED], NULL);
    other->g[FINISHED] = make(returns_value);
    SWITCH(other->g[FINISHED], NULL);
    other->g[MAIN] = greenlet_current();
}

static void *has_one_of_each(void *arg)
{
    struct other *other = arg;

    make_one_of_each(other);
    pthread_barrier_wait(&other->ready);
    pthread_barrier_wait(&other->over);
    CHECK(!greenlet_started(other->g[NEW]));
    CHECK_PTR(SWITCH(other->g[SUSPENDED], V(4)), V(4));
    CHECK_NOTHING_CAUGHT();
    for (int i = NEW; i < MAIN; i++)
        greenlet_unref(other->g[i]);
    return NULL;
}

static void begin_other(struct other *other)
{
    CHECK_INT(pthread_barrier_init(&other->ready, NULL, 2), 0);
    CHECK_INT(pthread_barrier_init(&other->over, NULL, 2), 0);
    CHECK_INT(pthread_create(&other->thread, NULL, has_one_of_each, other), 0);
    pthread_barrier_wait(&other->ready);
}

static void end_other(struct other *other)
{
    pthread_barrier_wait(&other->over);
    CHECK_INT(pthread_join(other->thread, NULL), 0);
    pthread_barrier_destroy(&other->ready);
    pthread_barrier_destroy(&other->over);
}

/* What is sent there is destroyed, not delivered. */
static void is_refused(struct greenlet *g)
{
    int destroyed = 0;
    struct greenlet_exception thrown = {
        .cls = &some_error, .payload = &destroyed, .destroy = count_destroy};
    struct greenlet_message *message = greenlet_message_new();
    void *result = V(3);

    CHECK_INT(greenlet_switch(g, V(1), &result), -EXDEV);
    CHECK_STR(caught_name(), "error");
    CHECK_INT(greenlet_throw(g, &thrown, &result), -EXDEV);
    CHECK_INT(destroyed, 1);
    CHECK_INT(greenlet_message_add(message, NULL, &destroyed, count_destroy),
              0);
    CHECK_INT(greenlet_switch_message(g, message, &result), -EXDEV);
    CHECK_INT(destroyed, 2);
    CHECK_PTR(result, V(3));
}

CASE(G_124, "to a greenlet of another thread nobody switches, in no state")
{
    struct other other;

    begin_other(&other);
    for (int i = 0; i < STATES; i++)
        is_refused(other.g[i]);
    end_other(&other);
}

static void *is_refused_often(void *arg)
{
    struct other *other = arg;

    for (int n = 0; n < 50; n++)
        for (int i = 0; i < STATES; i++)
            CHECK_INT(greenlet_switch(other->g[i], V(1), NULL), -EXDEV);
    return NULL;
}

CASE(G_124b, "16 threads that are switched to by 16 others")
{
    static struct other others[16];
    pthread_t threads[16];

    for (int i = 0; i < 16; i++)
        begin_other(&others[i]);
    for (int i = 0; i < 16; i++)
        CHECK_INT(
            pthread_create(&threads[i], NULL, is_refused_often, &others[i]), 0);
    for (int i = 0; i < 16; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 16; i++)
        end_other(&others[i]);
}

CASE(G_125, "the text names both mains")
{
    struct other other;
    const char *text;
    char address[32];

    begin_other(&other);
    CHECK_INT(greenlet_switch(other.g[SUSPENDED], NULL, NULL), -EXDEV);
    CHECK(greenlet_caught_peek() != NULL);
    text = greenlet_caught_peek()->text;
    CHECK_HAS(text, "cannot switch to a different thread");
    CHECK_HAS(text, "\n\tCurrent:");
    CHECK_HAS(text, "\n\tExpected:");
    snprintf(address, sizeof address, "%p", (void *)greenlet_current());
    CHECK_HAS(text, address);
    snprintf(address, sizeof address, "%p", (void *)other.g[MAIN]);
    CHECK_HAS(text, address);
    end_other(&other);
}

CASE(G_125b, "a new one under a parent of another thread: found at its start")
{
    struct greenlet *g = make(never_run);
    struct other other;

    begin_other(&other);
    CHECK_INT(greenlet_set_parent(g, other.g[MAIN]), 0);
    CHECK_INT(greenlet_switch(g, NULL, NULL), -EXDEV);
    CHECK_INT(greenlet_throw(g, NULL, NULL), -EXDEV);
    CHECK(!greenlet_started(g));
    CHECK_INT(greenlet_set_parent(g, greenlet_current()), 0);
    CHECK_INT(throw_into(g, &some_error, NULL, NULL), -EPROTO);
    greenlet_unref(g);
    end_other(&other);
}

CASE(G_125c, "a started one cannot be given such a parent")
{
    struct greenlet *g = make(echoes);
    struct other other;

    SWITCH(g, NULL);
    begin_other(&other);
    CHECK_INT(greenlet_set_parent(g, other.g[MAIN]), -EXDEV);
    CHECK_STR(caught_name(), "value");
    CHECK_PTR(greenlet_parent(g), greenlet_current());
    end_other(&other);
    greenlet_unref(g);
}

/* ---- G-126 ---- */

static void *leaves_one_of_each(void *arg)
{
    struct other *other = arg;

    make_one_of_each(other);
    greenlet_ref(other->g[MAIN]);
    return NULL;
}

CASE(G_126, "whose thread has exited, that text; and it is another error")
{
    struct other other;

    in_thread(leaves_one_of_each, &other);
    for (int i = 0; i < STATES; i++) {
        CHECK_INT(greenlet_switch(other.g[i], NULL, NULL), -ESRCH);
        CHECK(greenlet_caught_peek() != NULL);
        CHECK_HAS(greenlet_caught_peek()->text,
                  "cannot switch to a different thread (which happens to have "
                  "exited)");
        CHECK_INT(greenlet_throw(other.g[i], NULL, NULL), -ESRCH);
        CHECK_STR(caught_name(), "error");
    }
    CHECK(!greenlet_started(other.g[NEW]) && !greenlet_dead(other.g[NEW]));
    for (int i = 0; i < STATES; i++)
        greenlet_unref(other.g[i]);
}

/* ---- G-127 ---- */

static int notes_its_thread(void *value, void **result)
{
    note("ran");
    *(pthread_t *)value = pthread_self();
    *result = value;
    return 0;
}

static void *makes_one(void *g)
{
    *(struct greenlet **)g = make(notes_its_thread);
    return NULL;
}

CASE(G_127, "a new one belongs to the thread of the main above it")
{
    struct greenlet *g = NULL, *below;
    pthread_t ran_in;

    in_thread(makes_one, &g);
    below = make_below(notes_its_thread, g);
    CHECK_INT(greenlet_switch(below, &ran_in, NULL), -ESRCH);
    CHECK_INT(greenlet_set_parent(g, greenlet_current()), 0);
    CHECK_PTR(SWITCH(below, &ran_in), &ran_in); /* both: below, then g */
    CHECK_STR(notes(), "ran ran");
    CHECK(pthread_equal(ran_in, pthread_self()));
    greenlet_unref(below);
    greenlet_unref(g);
}

static void *runs_it(void *arg)
{
    struct greenlet *g = arg;
    pthread_t ran_in;

    CHECK_INT(greenlet_switch(g, &ran_in, NULL), -EXDEV);
    CHECK_INT(greenlet_set_parent(g, greenlet_current()), 0);
    CHECK_PTR(SWITCH(g, &ran_in), &ran_in);
    CHECK(pthread_equal(ran_in, pthread_self()));
    CHECK(greenlet_dead(g));
    return NULL;
}

CASE(G_127b, "so it can be started in another thread than it was made in")
{
    struct greenlet *g = make(notes_its_thread);

    in_thread(runs_it, g);
    CHECK_STR(notes(), "ran");
    greenlet_unref(g);
}

/* ---- G-144 ---- */

struct disturbed {
    struct greenlet *g;
    bool stop; /* atomic */
};

static void *disturbs(void *arg)
{
    struct disturbed *disturbed = arg;
    long count = 0;

    while (!__atomic_load_n(&disturbed->stop, __ATOMIC_ACQUIRE)) {
        struct greenlet_message *message = greenlet_message_new();

        CHECK_INT(greenlet_message_add(message, NULL, V(-1), NULL), 0);
        CHECK_INT(greenlet_switch(disturbed->g, V(-1), NULL), -EXDEV);
        CHECK_INT(greenlet_switch_message(disturbed->g, message, NULL), -EXDEV);
        CHECK_INT(greenlet_throw(disturbed->g, NULL, NULL), -EXDEV);
        count++;
        sched_yield();
    }
    CHECK(count > 0);
    return NULL;
}

CASE(G_144, "hopeless switches of other threads disturb nothing on its way")
{
    struct disturbed disturbed = {make(echoes), false};
    pthread_t threads[2];

    SWITCH(disturbed.g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, disturbs, &disturbed), 0);
    for (long i = 0; i < 50000; i++)
        CHECK_PTR(SWITCH(disturbed.g, V(i)), V(i));
    usleep(1000); /* on one CPU the others have not run yet */
    for (long i = 0; i < 50000; i++)
        CHECK_PTR(SWITCH(disturbed.g, V(i)), V(i));
    usleep(100000);
    __atomic_store_n(&disturbed.stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_NOTHING_CAUGHT();
    greenlet_unref(disturbed.g);
}
