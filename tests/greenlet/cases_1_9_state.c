/* cases_1_9_state.c - threads: what is kept for each greenlet, and signal
 * handlers (G-145, G-147, G-148)
 *
 * Exceptions of C++ (G-146) are in cases_1_9_cxx.cpp. */
#include "case.h"

#include <fenv.h>
#include <signal.h>

/* ---- G-145 ---- */

static int sets_its_state(void *value, void **result)
{
    int number = (int)(intptr_t)value;

    (void)result;
    for (int i = 0; i < 3; i++) {
        fesetround(number % 2 ? FE_UPWARD : FE_DOWNWARD);
        errno = number;
        raise_here(&some_error, V(number));
        YIELD(NULL);
        CHECK_INT(errno, number);
        CHECK_INT(fegetround(), number % 2 ? FE_UPWARD : FE_DOWNWARD);
        CHECK_CAUGHT(some_error, V(number));
    }
    return 0;
}

CASE(G_145, "errno, the rounding mode, the record caught: of each greenlet")
{
    struct greenlet *g[4];

    errno = 99;
    raise_here(&some_base, V(99));
    for (int i = 0; i < 4; i++)
        g[i] = make(sets_its_state);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 4; i++) {
            errno = 99;
            CHECK_INT(fegetround(), FE_TONEAREST);
            SWITCH(g[i], V(i + 1));
            CHECK_INT(errno, 99);
            CHECK_INT(fegetround(), FE_TONEAREST);
        }
    CHECK_CAUGHT(some_base, V(99));
    for (int i = 0; i < 4; i++) {
        CHECK(greenlet_dead(g[i]));
        greenlet_unref(g[i]);
    }
}

/* ---- G-147 ---- */

static struct greenlet *target;
static volatile sig_atomic_t switched, nested;

static void switches_away(int number)
{
    (void)number;
    greenlet_signal_enter();
    if (nested == 0) {
        nested = 1;
        raise(SIGUSR2);
    }
    switched = greenlet_switch(target, NULL, NULL);
    greenlet_signal_leave();
}

CASE(G_147, "a signal handler cannot switch; it returns, and all is well")
{
    struct sigaction action = {.sa_handler = switches_away};

    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(sigaction(SIGUSR2, &action, NULL), 0);
    target = make(echoes);
    SWITCH(target, NULL);
    switched = 1;
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(switched, -EDEADLK);
    CHECK_INT(nested, 1);
    CHECK_PTR(SWITCH(target, V(3)), V(3));
    greenlet_unref(target);
}

static int is_interrupted(void *value, void **result)
{
    (void)result;
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(switched, -EDEADLK);
    YIELD(value);
    return 0;
}

CASE(G_147b, "nor in a greenlet, nor to a new one, nor to throw")
{
    struct sigaction action = {.sa_handler = switches_away};
    struct greenlet *g = make(is_interrupted);

    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    nested = 1;
    target = make(never_run);
    CHECK_PTR(SWITCH(g, V(5)), V(5));
    SWITCH(g, NULL);
    CHECK(!greenlet_started(target));
    greenlet_signal_enter();
    CHECK_INT(greenlet_throw(target, NULL, NULL), -EDEADLK);
    CHECK_INT(greenlet_switch(greenlet_current(), NULL, NULL), -EDEADLK);
    greenlet_signal_leave();
    CHECK(!greenlet_started(target));
    greenlet_unref(target);
    greenlet_unref(g);
}

static int notes_its_end(void *value, void **result)
{
    int *ended = value;

    (void)result;
    CHECK_INT(greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL),
              -ECANCELED);
    *ended = 1;
    return -ECANCELED;
}

CASE(G_147c, "what loses its last reference in one is killed behind it")
{
    struct greenlet *g = make(notes_its_end);
    int ended = 0;

    CHECK_INT(greenlet_switch(g, &ended, NULL), 0);
    greenlet_signal_enter();
    greenlet_unref(g);
    greenlet_current();
    CHECK_INT(ended, 0);
    greenlet_signal_leave();
    greenlet_current();
    CHECK_INT(ended, 1);
}

CASE(G_147d, "what the code that is interrupted caught is there behind it")
{
    struct sigaction action = {.sa_handler = switches_away};
    struct greenlet *empty = make(NULL);

    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    nested = 1;
    target = make(never_run);
    CHECK_INT(greenlet_switch(empty, NULL, NULL), -ENODATA);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(switched, -EDEADLK);
    CHECK_STR(caught_name(), "attribute");
    greenlet_signal_enter();
    CHECK_INT(greenlet_throw(target, NULL, NULL), -EDEADLK);
    CHECK_INT(greenlet_switch_message(target, NULL, NULL), -EDEADLK);
    greenlet_signal_leave();
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    greenlet_unref(target);
    greenlet_unref(empty);
}

/* ---- G-148 ---- */

/* Two greenlets in one function at once, as two threads would be: its locals
 * are theirs, what is static is shared. */
static int is_entered_twice(void *value, void **result)
{
    static long shared;
    long own = (intptr_t)value;

    shared = own;
    YIELD(NULL);
    CHECK_INT(own, (intptr_t)value);
    *result = V(shared);
    return 0;
}

CASE(G_148, "a function that two greenlets are in: static data is shared")
{
    struct greenlet *a = make(is_entered_twice), *b = make(is_entered_twice);

    SWITCH(a, V(1));
    SWITCH(b, V(2));
    CHECK_PTR(SWITCH(a, NULL), V(2));
    CHECK_PTR(SWITCH(b, NULL), V(2));
    greenlet_unref(a);
    greenlet_unref(b);
}
