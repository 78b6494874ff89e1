/* cases_1_5_generators.c - generators made of greenlets (G-089)
 *
 * A generator is a greenlet whose parent is, each time, who asks it. */
#include "case.h"

struct generator {
    struct greenlet *g;
    void *yielded;
    bool more; /* something was yielded since it was asked */
};

/* The next value into *value; false at the end.  What the body raises is the
 * caller's error. */
static bool next(struct generator *generator, void **value, int *error)
{
    CHECK_INT(greenlet_set_parent(generator->g, greenlet_current()), 0);
    generator->more = false;
    *error = greenlet_switch(generator->g, generator, NULL);
    *value = generator->yielded;
    return *error == 0 && generator->more;
}

/* From a body, at whatever depth. */
static void yield(struct generator *generator, void *value)
{
    generator->yielded = value;
    generator->more = true;
    SWITCH(greenlet_parent(generator->g), NULL);
}

/* Its values as a text, which the generator ends with. */
static void generates(greenlet_run *run, void *closure, const char *want)
{
    struct generator generator = {make_with(run, closure), NULL, false};
    void *value;
    int error;

    forget_notes();
    while (next(&generator, &value, &error))
        note("%d", (int)(intptr_t)value);
    CHECK_INT(error, 0);
    CHECK(greenlet_dead(generator.g));
    CHECK(!next(&generator, &value, &error)); /* and stays there */
    CHECK_INT(error, 0);
    CHECK_STR(notes(), want);
    greenlet_unref(generator.g);
}

static int counts(void *generator, void **result)
{
    (void)result;
    for (intptr_t i = 0; i < (intptr_t)greenlet_closure(); i++)
        yield(generator, V(i));
    return 0;
}

CASE(G_089, "a generator yields its values and ends")
{
    generates(counts, V(5), "0 1 2 3 4");
    generates(counts, V(0), "");
}

/* From two frames down and from its own. */
static void recursive(struct generator *generator, intptr_t n)
{
    if (n > 0)
        recursive(generator, n - 1);
    yield(generator, V(n));
}

static int recurses(void *generator, void **result)
{
    (void)result;
    recursive(generator, (intptr_t)greenlet_closure());
    return 0;
}

CASE(G_089b, "it yields from any depth of calls")
{
    generates(recurses, V(4), "0 1 2 3 4");
}

static int asks_another(void *value, void **result)
{
    struct generator inner = {make_with(counts, greenlet_closure()), NULL,
                              false};
    struct generator *outer = value;
    void *got;
    int error;

    (void)result;
    while (next(&inner, &got, &error))
        yield(outer, V((intptr_t)got * 10));
    CHECK_INT(error, 0);
    greenlet_unref(inner.g);
    return 0;
}

CASE(G_089c, "one asks another, which asks back to whom it is asked by")
{
    generates(asks_another, V(4), "0 10 20 30");
}

/* The value goes to who asks, the outermost, over all levels: the inner one's
 * parent chain leads there. */
static int layer(void *value, void **result)
{
    struct generator *generator = value;
    intptr_t depth = (intptr_t)greenlet_closure();
    struct generator below;
    void *got;
    int error;

    (void)result;
    yield(generator, V(depth));
    if (depth == 0)
        return 0;
    below = (struct generator){make_with(layer, V(depth - 1)), NULL, false};
    while (next(&below, &got, &error))
        yield(generator, got);
    CHECK_INT(error, 0);
    greenlet_unref(below.g);
    yield(generator, V(depth));
    return 0;
}

CASE(G_089d, "layers of generators, five deep")
{
    generates(layer, V(5), "5 4 3 2 1 0 1 2 3 4 5");
}

/* The permutations of four letters, each made by a generator of those of the
 * other letters. */
struct letters {
    char order[5];
    int length;
};

static int permutes(void *value, void **result)
{
    const struct letters *all = greenlet_closure();
    struct letters rest = {"", 0}, here;
    struct generator below;
    void *got;
    int error;

    (void)result;
    if (all->length <= 1) {
        yield(value, (void *)all);
        return 0;
    }
    rest.length = all->length - 1;
    memcpy(rest.order, all->order + 1, (size_t)rest.length);
    below = (struct generator){make_with(permutes, &rest), NULL, false};
    while (next(&below, &got, &error))
        for (int at = 0; at < all->length; at++) {
            const struct letters *less = got;

            here = (struct letters){"", all->length};
            memcpy(here.order, less->order, (size_t)at);
            here.order[at] = all->order[0];
            memcpy(here.order + at + 1, less->order + at,
                   (size_t)(less->length - at));
            yield(value, &here);
        }
    CHECK_INT(error, 0);
    greenlet_unref(below.g);
    return 0;
}

CASE(G_089e, "the 24 permutations of four letters, each once")
{
    struct letters all = {"abcd", 4};
    struct generator generator = {make_with(permutes, &all), NULL, false};
    char seen[24][5];
    void *value;
    int count = 0, error;

    while (next(&generator, &value, &error)) {
        CHECK(count < 24);
        memcpy(seen[count], ((struct letters *)value)->order, 5);
        for (int i = 0; i < count; i++)
            CHECK(strcmp(seen[i], seen[count]) != 0);
        CHECK_INT(strspn(seen[count], "abcd"), 4);
        count++;
    }
    CHECK_INT(error, 0);
    CHECK_INT(count, 24);
    greenlet_unref(generator.g);
}

static int goes_bad(void *generator, void **result)
{
    (void)result;
    yield(generator, V(1));
    return raise_here(&some_error, V(89));
}

CASE(G_089f, "what a generator raises is the error of who asks it")
{
    struct generator generator = {make(goes_bad), NULL, false};
    void *value;
    int error;

    CHECK(next(&generator, &value, &error));
    CHECK_PTR(value, V(1));
    CHECK(!next(&generator, &value, &error));
    CHECK_INT(error, -EPROTO);
    CHECK_CAUGHT(some_error, V(89));
    CHECK(!next(&generator, &value, &error));
    CHECK_INT(error, 0);
    greenlet_unref(generator.g);
}
