/* cases_1_11.c - the frames of a suspended greenlet (G-160, G-161)
 *
 * G-162 is about state of Python's interpreter. */
#include "case.h"

enum { MOST = 200 };

static int looks_at_itself(void *value, void **result)
{
    void *frames[MOST];

    (void)result;
    CHECK_INT(greenlet_backtrace(greenlet_current(), frames, MOST), 0);
    YIELD(value);
    return 0;
}

CASE(G_160, "there are frames only while it is suspended")
{
    struct greenlet *g = make(looks_at_itself);
    void *frames[MOST];

    CHECK_INT(greenlet_backtrace(g, frames, MOST), 0);
    SWITCH(g, NULL);
    CHECK(greenlet_backtrace(g, frames, MOST) > 0);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    CHECK_INT(greenlet_backtrace(g, frames, MOST), 0);
    greenlet_unref(g);
}

static void *looks_from_another_thread(void *g)
{
    void *frames[MOST];

    CHECK_INT(greenlet_backtrace(g, frames, MOST), -EXDEV);
    return NULL;
}

CASE(G_160b, "those of another thread are not told")
{
    struct greenlet *g = make(echoes);

    SWITCH(g, NULL);
    in_thread(looks_from_another_thread, g);
    greenlet_unref(g);
}

/* Called through pointers, so that no compiler makes one function of two. */
static void *descend(int depth);
static int creates_deep(int depth);
static void *(*volatile go_down)(int) = descend;
static int (*volatile create)(int) = creates_deep;
static volatile int unwound;

static void *descend(int depth)
{
    void *value = depth > 0 ? go_down(depth - 1) : YIELD(NULL);

    unwound++; /* no tail call */
    return value;
}

static int goes_down(void *depth, void **result)
{
    *result = go_down((int)(intptr_t)depth);
    return 0;
}

static bool is_in(const void *frame, const void *function)
{
    uintptr_t at = (uintptr_t)frame, from = (uintptr_t)function;

    return at > from && at < from + 300;
}

/* 30 frames of the creator, which must not be seen. */
static int creates_deep(int depth)
{
    void *frames[MOST];
    struct greenlet *g;
    int count, found = 0;

    if (depth > 0) {
        count = create(depth - 1);
        unwound++;
        return count;
    }
    g = make(goes_down);
    SWITCH(g, V(10));
    count = greenlet_backtrace(g, frames, MOST);
    for (int i = 0; i < count; i++) {
        found += is_in(frames[i], (void *)descend);
        CHECK(!is_in(frames[i], (void *)creates_deep));
    }
    CHECK(found >= 11);
    CHECK(count < 11 + 12);
    CHECK_PTR(SWITCH(g, V(7)), V(7)); /* looking changed nothing */
    greenlet_unref(g);
    return count;
}

CASE(G_161, "the frames end with its own; its creator's are not among them")
{
    CHECK(create(30) > 11);
}

CASE(G_161b, "innermost first, as many as there is room for")
{
    struct greenlet *g = make(goes_down);
    void *all[MOST], *few[3] = {NULL, NULL, V(9)};

    SWITCH(g, V(20));
    CHECK(greenlet_backtrace(g, all, MOST) > 20);
    CHECK_INT(greenlet_backtrace(g, few, 2), 2);
    CHECK_PTR(few[0], all[0]);
    CHECK_PTR(few[1], all[1]);
    CHECK_PTR(few[2], V(9));
    SWITCH(g, NULL);
    greenlet_unref(g);
}
