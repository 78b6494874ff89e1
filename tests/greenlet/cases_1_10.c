/* cases_1_10.c - stacks (G-150 ... G-155)
 *
 * G-153 is about Python's counters of recursion. */
#include "case.h"

#include <signal.h>
#include <sys/wait.h>

/* ---- G-150 ---- */

static int lends_a_local(void *value, void **result)
{
    volatile long local = (long)(intptr_t)value;

    YIELD((void *)&local);
    *result = V(local);
    return 0;
}

CASE(G_150, "a stack of its own: what is on it stays where it is")
{
    struct greenlet *g[3];
    volatile long *lent[3];

    for (int i = 0; i < 3; i++) {
        void *base = NULL;
        size_t size = 0;

        g[i] = make(lends_a_local);
        lent[i] = SWITCH(g[i], V(10 + i));
        CHECK_INT(greenlet_stack(g[i], &base, &size), 0);
        CHECK((char *)lent[i] >= (char *)base &&
              (char *)lent[i] < (char *)base + size);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(*lent[i], 10 + i);
        *lent[i] += 10;
    }
    for (int i = 0; i < 3; i++) {
        CHECK_PTR(SWITCH(g[i], NULL), V(20 + i));
        greenlet_unref(g[i]);
    }
}

CASE(G_150b, "the size asked for is there; a main has none to tell")
{
    static const size_t sizes[] = {0, 1, 16384, 100000, 1 << 20};
    size_t size = 0;
    void *base;

    for (int i = 0; i < 5; i++) {
        struct greenlet *g = greenlet_new(returns_value, NULL, sizes[i]);

        CHECK(g != NULL);
        CHECK_INT(greenlet_stack(g, &base, &size), 0);
        CHECK(size + 4096 >= (sizes[i] != 0 ? sizes[i] : 128 * 1024));
        CHECK(size >= 12 * 1024);
        CHECK_PTR(SWITCH(g, V(3)), V(3));
        greenlet_unref(g);
    }
    CHECK_PTR(greenlet_new(returns_value, NULL, (size_t)1 << 60), NULL);
    CHECK_STR(caught_name(), "memory");
    CHECK_INT(greenlet_stack(greenlet_current(), &base, &size), -EINVAL);
}

/* ---- G-151 ---- */

static size_t used_by(struct greenlet *g)
{
    struct greenlet_stack_use use;

    CHECK_INT(greenlet_stack_use(g, &use), 0);
    CHECK_INT(use.reserved == 0, greenlet_main(g));
    CHECK(greenlet_main(g) || use.high_water <= use.reserved);
    return use.used;
}

static int looks_at_both(void *value, void **result)
{
    struct greenlet *self = greenlet_current();

    (void)result;
    CHECK_INT(used_by(self), 0);
    CHECK(used_by(greenlet_parent(self)) > 0);
    YIELD(value);
    return 0;
}

CASE(G_151, "bytes in use: of suspended ones, and of main seen from a child")
{
    struct greenlet *g = make(looks_at_both);

    CHECK_INT(used_by(g), 0);
    CHECK_INT(used_by(greenlet_current()), 0);
    SWITCH(g, NULL);
    CHECK(used_by(g) > 0 && used_by(g) < 16384);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    CHECK_INT(used_by(g), 0);
    greenlet_unref(g);
}

static __attribute__((noinline)) void *waits_deep(int depth)
{
    volatile char room[1024];
    void *value;

    room[0] = (char)depth;
    value = depth > 0 ? waits_deep(depth - 1) : YIELD(NULL);
    CHECK_INT(room[0], (char)depth);
    return value;
}

static int goes_down(void *depth, void **result)
{
    *result = waits_deep((int)(intptr_t)depth);
    return 0;
}

CASE(G_151b, "the deeper it is, the more; the most that was is remembered")
{
    struct greenlet *shallow = make(goes_down), *deep = make(goes_down);
    struct greenlet_stack_use use;

    SKIP_SANITIZED();
    SWITCH(shallow, V(1));
    SWITCH(deep, V(40));
    CHECK(used_by(deep) > used_by(shallow) + 35 * 1024);
    CHECK_INT(greenlet_stack_use(deep, &use), 0);
    CHECK(use.high_water >= use.used);
    CHECK_PTR(SWITCH(deep, V(6)), V(6));
    CHECK_INT(greenlet_stack_use(deep, &use), 0);
    CHECK_INT(use.used, 0);
    CHECK(use.high_water >= 35 * 1024);
    SWITCH(shallow, NULL);
    greenlet_unref(shallow);
    greenlet_unref(deep);
}

/* ---- G-152 ---- */

static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long size = 0, resident = 0;

    CHECK(file != NULL);
    CHECK_INT(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

CASE(G_152, "20,000 suspended ones are unremarkable: a page or two each")
{
    enum { MANY = 20000 };
    struct greenlet **g = calloc(MANY, sizeof *g);
    long before;

    SKIP_SANITIZED();
    CHECK(g != NULL);
    before = resident_kb();
    for (long i = 0; i < MANY; i++) {
        g[i] = make(echoes);
        CHECK_PTR(SWITCH(g[i], V(i)), V(i));
    }
    CHECK((resident_kb() - before) / (MANY / 1000) <= 8 * 1000);
    for (long i = 0; i < MANY; i++)
        CHECK_PTR(SWITCH(g[i], V(-i)), V(-i));
    for (long i = 0; i < MANY; i++)
        greenlet_unref(g[i]);
    free(g);
}

/* ---- G-154 ---- */

static __attribute__((noinline)) long falls(volatile long *above)
{
    volatile long here[128];

    here[0] = *above + 1;
    return here[0] != 0 ? falls(here) + here[0] : 0;
}

static int falls_for_ever(void *value, void **result)
{
    volatile long start = (long)(intptr_t)value;

    *result = V(falls(&start));
    return 0;
}

static void overflows(void *unused)
{
    struct greenlet *g = make(falls_for_ever);

    (void)unused;
    greenlet_set_name(g, "bottomless");
    greenlet_watch_overflow();
    SWITCH(g, NULL);
}

CASE(G_154, "a stack that ends is named before the process dies")
{
    char text[500];
    int status;

    SKIP_SANITIZED();
    status = in_child(overflows, NULL, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGSEGV);
    CHECK_HAS(text, "overflow");
    CHECK_HAS(text, "bottomless");
}

/* ---- G-155: the shapes of upstream's benchmarks; their speed is measured by
 * the project's own ---- */

static void *switches_deep(int depth, struct greenlet *g, long rounds)
{
    if (depth > 0)
        return switches_deep(depth - 1, g, rounds);
    for (long i = 0; i < rounds; i++)
        CHECK_PTR(SWITCH(g, V(i)), V(i));
    return g;
}

struct echo_from {
    int depth;
    volatile char room[64];
};

static __attribute__((noinline)) int echoes_from(struct echo_from from,
                                                 void *value, void **result)
{
    from.room[0] = 1;
    if (from.depth > 0) {
        int rc;

        from.depth--;
        rc = echoes_from(from, value, result);
        from.room[0] = 2; /* no tail call */
        return rc;
    }
    return echoes(value, result);
}

static int echoes_deep(void *value, void **result)
{
    struct echo_from from = {0};

    from.depth = (int)(intptr_t)value;
    return echoes_from(from, V(0), result);
}

CASE(G_155, "create; switch shallow, at depth 200, at depth 400; current")
{
    static const int depths[] = {0, 200, 400};

    SKIP_SANITIZED();
    for (int i = 0; i < 1000; i++)
        greenlet_unref(make(never_run));
    for (int i = 0; i < 3; i++) {
        struct greenlet *g = make(echoes_deep);

        SWITCH(g, V(depths[i]));
        CHECK_PTR(switches_deep(depths[i], g, 1000), g);
        CHECK_PTR(greenlet_current(), greenlet_parent(g));
        greenlet_unref(g);
    }
}

static int passes_on(void *next, void **result)
{
    void *value = YIELD(NULL);

    *result = next != NULL ? SWITCH(next, (char *)value + 1) : value;
    return 0;
}

CASE(G_155b, "a chain of 10,000 that a value goes through")
{
    enum { LONG = 10000 };
    struct greenlet **g = calloc(LONG, sizeof *g);

    CHECK(g != NULL);
    for (int i = LONG - 1; i >= 0; i--) {
        g[i] = make(passes_on);
        SWITCH(g[i], i + 1 < LONG ? g[i + 1] : NULL);
        if (i + 1 < LONG)
            CHECK_INT(greenlet_set_parent(g[i + 1], g[i]), 0);
    }
    CHECK_PTR(SWITCH(g[0], V(1)), V(LONG));
    for (int i = LONG - 1; i >= 0; i--) {
        CHECK(greenlet_dead(g[i]));
        greenlet_unref(g[i]);
    }
    free(g);
}
