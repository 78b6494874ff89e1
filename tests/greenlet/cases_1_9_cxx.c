/* cases_1_9_cxx.c - exceptions of C++ (G-146) */
#include "case.h"
#include "cxx.h"

#include <signal.h>
#include <sys/wait.h>

static int catches_its_own(void *value, void **result)
{
    *result = V(cxx_catches_its_own((long)(intptr_t)value, 10));
    return 0;
}

static void *interleaves_four(void *unused)
{
    struct greenlet *g[4];

    for (int i = 0; i < 4; i++)
        g[i] = make(catches_its_own);
    for (int step = 0; step < 4; step++) /* deep, handling, deep, handling */
        for (int n = 0; n < 4; n++) {
            int i = step % 2 ? 3 - n : n;

            CHECK_PTR(SWITCH(g[i], V(i + 1)), V(0));
            CHECK_INT(cxx_is_handling(), 0);
            CHECK_INT(cxx_uncaught(), 0);
        }
    for (int i = 0; i < 4; i++) {
        CHECK_PTR(SWITCH(g[i], NULL), V(11 + 3)); /* frames unwound */
        CHECK(greenlet_dead(g[i]));
        greenlet_unref(g[i]);
    }
    return unused;
}

CASE(G_146, "four greenlets interleaved: each catches its own exceptions")
{
    interleaves_four(NULL);
}

CASE(G_146e, "in a thread that is not the first, too")
{
    in_thread(interleaves_four, NULL);
}

/* ---- what leaves the bottom frame ---- */

static void leaves(void *run)
{
    struct greenlet *g = greenlet_new(*(greenlet_run **)run, NULL, 0);

    signal(SIGABRT, SIG_DFL);
    greenlet_set_name(g, "the-culprit");
    greenlet_switch(g, NULL, NULL);
    _exit(0);
}

static void aborts(greenlet_run *run)
{
    char text[1000];
    int status = in_child(leaves, &run, text, sizeof text);

    CHECK_HAS(text, "vireo: ");
    CHECK_HAS(text, "exception");
    CHECK_HAS(text, "the-culprit");
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGABRT);
}

CASE(G_146b, "one that leaves the bottom frame aborts, and names the greenlet")
{
    aborts(cxx_throws_std);
}

CASE(G_146c, "one that is no std::exception, too")
{
    aborts(cxx_throws_int);
}

/* ---- */

static int catches_then_fails(void *value, void **result)
{
    (void)result;
    CHECK_INT(cxx_catches(), 1);
    return raise_here(&some_error, value);
}

CASE(G_146d, "1,000 failing children that throw and catch; none is left")
{
    struct case_state before;

    case_state(&before);
    for (long i = 0; i < 1000; i++) {
        struct greenlet *g = make(catches_then_fails);

        CHECK_INT(greenlet_switch(g, V(i), NULL), -EPROTO);
        CHECK_CAUGHT(some_error, V(i));
        greenlet_unref(g);
    }
    CHECK_SAME_STATE(&before);
}
