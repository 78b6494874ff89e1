/* cases_1_7_main.c - the current greenlet: main, maintenance, the end of the
 * process (G-110 ... G-112)
 *
 * Contexts (G-113 ... G-122) are in cases_1_7_vars.c. */
#include "case.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/wait.h>

/* ---- G-110 ---- */

static void *looks_at_its_main(void *result)
{
    struct greenlet *seen = greenlet_current(), *counted;

    CHECK_PTR(greenlet_current(), seen);
    CHECK(greenlet_main(seen));
    CHECK(greenlet_active(seen) && greenlet_started(seen));
    CHECK(!greenlet_dead(seen));
    CHECK_PTR(greenlet_parent(seen), NULL);
    counted = greenlet_capi()->getcurrent();
    CHECK_PTR(counted, seen);
    greenlet_unref(counted);
    *(struct greenlet **)result = seen;
    return NULL;
}

CASE(G_110, "each thread has a main greenlet, made by its first use")
{
    struct greenlet *seen = NULL;

    in_thread(looks_at_its_main, &seen);
    CHECK(seen != NULL && seen != greenlet_current());
    CHECK(greenlet_main(greenlet_current()));
}

static int tells_who_is_current(void *value, void **result)
{
    (void)value;
    *result = greenlet_current();
    return 0;
}

CASE(G_110b, "the current greenlet is the one that runs")
{
    struct greenlet *g = make(tells_who_is_current);

    CHECK_PTR(SWITCH(g, NULL), g);
    CHECK(greenlet_main(greenlet_current()));
    greenlet_unref(g);
}

/* ---- G-111 ---- */

static int notes_its_end(void *value, void **result)
{
    int rc = echoes(value, result);

    note("ended by %d", rc);
    return rc;
}

static void *drops(void *g)
{
    greenlet_unref(g);
    return NULL;
}

CASE(G_111, "asking for the current greenlet ends what other threads dropped")
{
    struct greenlet *g = make(notes_its_end);

    SWITCH(g, NULL);
    in_thread(drops, g);
    CHECK_STR(notes(), "");
    CHECK(greenlet_main(greenlet_current()));
    CHECK_STR(notes(), "ended by -125");
}

CASE(G_111b, "so does making one")
{
    struct greenlet *g = make(notes_its_end);

    SWITCH(g, NULL);
    in_thread(drops, g);
    greenlet_unref(make(never_run));
    CHECK_STR(notes(), "ended by -125");
}

/* ---- G-112 ---- */

static void use_everything(void)
{
    struct greenlet *g = make(echoes);
    struct greenlet_var *var = greenlet_var_new("late", NULL);

    CHECK(greenlet_main(greenlet_current()));
    CHECK_PTR(SWITCH(g, V(7)), V(7));
    CHECK_PTR(greenlet_settrace(NULL, NULL, NULL), NULL);
    CHECK_PTR(greenlet_gettrace(NULL), NULL);
    CHECK(var != NULL);
    CHECK_INT(greenlet_var_set(var, V(1), NULL), 0);
    greenlet_var_unref(var);
    greenlet_unref(g);
    CHECK_INT(write(STDERR_FILENO, "used ", 5), 5);
}

static void exits_and_uses(void *unused)
{
    (void)unused;
    CHECK_INT(atexit(use_everything), 0);
    exit(3);
}

CASE(G_112, "all of it works in a handler that atexit() registered")
{
    char text[200];
    int status = in_child(exits_and_uses, NULL, text, sizeof text);

    CHECK_STR(text, "used ");
    CHECK_INT(status, 3 << 8);
}

static struct greenlet *dropped;

static void *drops_the_other(void *unused)
{
    greenlet_unref(dropped);
    return unused;
}

static int tells_its_end(void *value, void **result)
{
    int rc = echoes(value, result);

    CHECK_INT(write(STDERR_FILENO, "ended ", 6), 6);
    return rc;
}

static void exits_with_a_kill_to_do(void *unused)
{
    (void)unused;
    dropped = make(tells_its_end);
    SWITCH(dropped, NULL);
    in_thread(drops_the_other, NULL);
    CHECK_INT(atexit(use_everything), 0);
    exit(0);
}

CASE(G_112b, "also with deferred kills to be done")
{
    char text[200];
    int status = in_child(exits_with_a_kill_to_do, NULL, text, sizeof text);

    CHECK_STR(text, "ended used ");
    CHECK_INT(status, 0);
}

static void uses_at_thread_end(void *value)
{
    *(int *)value = 1;
    use_everything();
}

static pthread_key_t key;

static void *sets_the_key(void *value)
{
    greenlet_current();
    CHECK_INT(pthread_setspecific(key, value), 0);
    return NULL;
}

static void threads_with_a_key(void *unused)
{
    int done = 0;

    (void)unused;
    CHECK_INT(pthread_key_create(&key, uses_at_thread_end), 0);
    in_thread(sets_the_key, &done);
    CHECK_INT(done, 1);
    exit(0);
}

CASE(G_112c, "and in the destructor of a key, as a thread ends")
{
    char text[200];
    int status = in_child(threads_with_a_key, NULL, text, sizeof text);

    CHECK_STR(text, "used ");
    CHECK_INT(status, 0);
}

/* Exit with suspended greenlets: here, in others, from any depth. */

static int stays(void *value, void **result)
{
    int rc = echoes(value, result);

    CHECK_INT(write(STDERR_FILENO, "ran ", 4), 4);
    return rc;
}

static sem_t suspended;

static void *leaves_some_suspended(void *unused)
{
    SWITCH(make(stays), NULL);
    SWITCH(make(stays), NULL);
    sem_post(&suspended);
    pause();
    return unused;
}

static int exits_here(void *value, void **result)
{
    (void)result;
    if (value != V(0)) {
        struct greenlet *g = make(exits_here);

        SWITCH(make(stays), NULL);
        SWITCH(g, V((intptr_t)value - 1));
    }
    exit(5);
}

static void exits_from_the_deep(void *unused)
{
    pthread_t thread;

    CHECK_INT(sem_init(&suspended, 0, 0), 0);
    CHECK_INT(pthread_create(&thread, NULL, leaves_some_suspended, unused), 0);
    CHECK_INT(sem_wait(&suspended), 0);
    SWITCH(make(stays), NULL);
    SWITCH(make(exits_here), V(5));
}

CASE(G_112d, "exit() with suspended greenlets, from any depth, runs none")
{
    char text[200];
    int status = in_child(exits_from_the_deep, NULL, text, sizeof text);

    CHECK_STR(text, "");
    CHECK_INT(status, 5 << 8);
}

/* The last thing that exit() does is to flush stdout: on a pipe that is full it
 * stays there for ever, behind every destructor, while another thread goes on.
 */

static void never_end_the_flush(void)
{
    static const char zeros[512];
    int ends[2];

    CHECK_INT(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], zeros, sizeof zeros) > 0)
        ;
    while (write(ends[1], zeros, 1) > 0)
        ;
    CHECK_INT(fcntl(ends[1], F_SETFL, 0), 0);
    CHECK_INT(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    fputs("never seen", stdout);
}

static void *outlives_the_library(void *unused)
{
    struct greenlet *g = make(stays);
    int tries;

    SWITCH(g, NULL);
    CHECK_INT(write(STDERR_FILENO, "ready ", 6), 6);
    CHECK_INT(sem_post(&suspended), 0);
    for (tries = 0; greenlet_current() != NULL && tries < 1000; tries++)
        usleep(10000);
    CHECK_PTR(greenlet_current(), NULL);
    CHECK_PTR(greenlet_new(never_run, NULL, 0), NULL);
    CHECK_INT(greenlet_switch(g, NULL, NULL), -ESHUTDOWN);
    CHECK_INT(greenlet_throw(g, NULL, NULL), -ESHUTDOWN);
    CHECK_INT(greenlet_gate("greenlet>=1.0", NULL), -ENOTSUP);
    CHECK_INT(write(STDERR_FILENO, "refused", 7), 7);
    _exit(6);
    return unused;
}

static void exits_for_ever(void *unused)
{
    pthread_t thread;

    greenlet_current();
    never_end_the_flush();
    CHECK_INT(sem_init(&suspended, 0, 0), 0);
    CHECK_INT(pthread_create(&thread, NULL, outlives_the_library, unused), 0);
    CHECK_INT(sem_wait(&suspended), 0);
    exit(0);
}

CASE(G_112e, "behind that the library refuses, and nothing crashes")
{
    char text[200];
    int status;

    if (threads_are_greenlets())
        SKIP("what stops exit() stops every thread where threads are "
             "greenlets");
    status = in_child(exits_for_ever, NULL, text, sizeof text);

    CHECK_STR(text, "ready refused");
    CHECK_INT(status, 6 << 8);
}
