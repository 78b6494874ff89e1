/* cases_1_2_values.c - what a switch carries (G-020 ... G-026) */
#include "case.h"

/* The shapes of Python's switch(*args, **kw). */
static const struct form {
    int positional, keywords;
    enum greenlet_shape shape;
} forms[] = {
    {0, 0, GREENLET_EMPTY}, {1, 0, GREENLET_SINGLE}, {2, 0, GREENLET_TUPLE},
    {5, 0, GREENLET_TUPLE}, {0, 1, GREENLET_DICT},   {0, 3, GREENLET_DICT},
    {1, 1, GREENLET_BOTH},  {3, 2, GREENLET_BOTH},
};

enum { FORMS = sizeof forms / sizeof *forms };

static const char *const keywords[] = {"one", "two", "three"};
static int values[8], destroyed[8];

static void destroy_value(void *data)
{
    destroyed[(int *)data - values]++;
}

static struct greenlet_message *build(const struct form *form)
{
    struct greenlet_message *message = greenlet_message_new();
    int i;

    CHECK(message != NULL);
    for (i = 0; i < form->positional; i++)
        CHECK_INT(
            greenlet_message_add(message, NULL, &values[i], destroy_value), 0);
    for (i = 0; i < form->keywords; i++)
        CHECK_INT(greenlet_message_add(message, keywords[i], &values[5 + i],
                                       destroy_value),
                  0);
    return message;
}

static void has_form(const struct greenlet_message *message,
                     const struct form *form)
{
    int i;

    CHECK_INT(greenlet_message_shape(message), form->shape);
    CHECK_INT(greenlet_message_positional(message), form->positional);
    CHECK_INT(greenlet_message_keywords(message), form->keywords);
    for (i = 0; i < form->positional; i++)
        CHECK_PTR(greenlet_message_at(message, (size_t)i), &values[i]);
    CHECK_PTR(greenlet_message_at(message, (size_t)i), NULL);
    for (i = 0; i < form->keywords; i++) {
        void *data = NULL;

        CHECK_INT(greenlet_message_get(message, keywords[i], &data), 0);
        CHECK_PTR(data, &values[5 + i]);
        CHECK_STR(greenlet_message_keyword(message, (size_t)i, &data),
                  keywords[i]);
        CHECK_PTR(data, &values[5 + i]);
    }
    CHECK_PTR(greenlet_message_keyword(message, (size_t)i, NULL), NULL);
}

/* What the calling greenlet was just sent, as a pointer and as a message. */
static void received(const struct form *form, void *pointer)
{
    struct greenlet_message *message = greenlet_received();
    int i;

    CHECK(message != NULL);
    has_form(message, form);
    CHECK_PTR(pointer,
              form->shape == GREENLET_SINGLE ? (void *)&values[0] : message);
    CHECK_PTR(greenlet_received(), NULL); /* it is taken */
    memset(destroyed, 0, sizeof destroyed);
    greenlet_message_free(message);
    for (i = 0; i < 8; i++)
        CHECK_INT(destroyed[i],
                  i < 5 ? i < form->positional : i - 5 < form->keywords);
}

/* Sends and is sent every form: a suspended one and a main one receive. */
static int trades_forms(void *value, void **result)
{
    (void)value;
    (void)result;
    for (const struct form *form = forms; form < forms + FORMS; form++) {
        void *pointer = NULL;

        CHECK_INT(greenlet_switch_message(greenlet_parent(greenlet_current()),
                                          build(form), &pointer),
                  0);
        received(form, pointer);
    }
    return 0;
}

CASE(G_020, "the shape of what is sent is the shape of what is received")
{
    struct greenlet *g = make(trades_forms);
    void *pointer = SWITCH(g, NULL);

    for (const struct form *form = forms; form < forms + FORMS; form++) {
        received(form, pointer);
        pointer = NULL;
        CHECK_INT(greenlet_switch_message(g, build(form), &pointer), 0);
    }
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_020b, "one value by position is that value itself, a tuple too")
{
    struct greenlet_message *tuple = build(&forms[2]);
    struct greenlet_message *message = greenlet_message_new();
    struct greenlet *g = make(echoes);
    void *pointer = NULL;

    SWITCH(g, NULL);
    CHECK_INT(greenlet_message_add(message, NULL, tuple, NULL), 0);
    CHECK_INT(greenlet_switch_message(g, message, &pointer), 0);
    CHECK_PTR(pointer, tuple);
    has_form(pointer, &forms[2]);
    greenlet_message_free(tuple);
    CHECK_PTR(SWITCH(g, &values[0]), &values[0]);
    CHECK_PTR(greenlet_received(), NULL); /* a plain pointer is no message */
    CHECK_PTR(SWITCH(g, NULL), NULL);
    CHECK_PTR(greenlet_received(), NULL);
    greenlet_unref(g);
}

CASE(G_020c, "a keyword is there once; of nothing there is nothing")
{
    struct greenlet_message *message = build(&forms[4]);
    void *data = &values[7];

    CHECK_INT(greenlet_message_add(message, "one", &values[7], destroy_value),
              -EEXIST);
    CHECK_INT(destroyed[7], 0); /* it stays the caller's */
    has_form(message, &forms[4]);
    CHECK_INT(greenlet_message_get(message, "two", &data), -ENODATA);
    greenlet_message_free(message);
    greenlet_message_free(NULL);
    CHECK_INT(destroyed[5], 1);
}

static int started_with(void *value, void **result)
{
    const struct form *form = greenlet_closure();

    (void)result;
    received(form, value);
    note("%d+%d", form->positional, form->keywords);
    return 0;
}

CASE(G_021, "what the first switch sends are the arguments of the body")
{
    for (const struct form *form = forms; form < forms + FORMS; form++) {
        struct greenlet *g = make_with(started_with, (void *)form);

        CHECK_INT(greenlet_switch_message(g, build(form), NULL), 0);
        CHECK(greenlet_dead(g));
        greenlet_unref(g);
    }
    CHECK_STR(notes(), "0+0 1+0 2+0 5+0 0+1 0+3 1+1 3+2");
}

CASE(G_021b, "no message at all is the empty one")
{
    struct greenlet *g = make(returns_value);
    struct greenlet_message *message;
    void *result = NULL;

    CHECK_INT(greenlet_switch_message(g, NULL, &result), 0);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);

    CHECK_INT(greenlet_switch_message(greenlet_current(), NULL, &result), 0);
    message = greenlet_received();
    CHECK(message == NULL || greenlet_message_shape(message) == GREENLET_EMPTY);
    greenlet_message_free(message);
}

/* A body that takes no arguments. */
static int takes_nothing(void *value, void **result)
{
    if (value != NULL)
        return raise_here(&greenlet_type_class, NULL);
    *result = V(24);
    return 0;
}

CASE(G_022, "wrong arguments are an error in the parent, not the caller's")
{
    struct greenlet *g = make(takes_nothing);

    CHECK_INT(greenlet_switch(g, V(1), NULL), -EINVAL);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

static int forty_two(void *value, void **result)
{
    (void)value;
    *result = V(42);
    return 0;
}

CASE(G_022b, "so it is when a child's end starts the parent wrongly")
{
    struct greenlet *parent = make(takes_nothing);
    struct greenlet *child = make_below(forty_two, parent);

    CHECK_INT(greenlet_switch(child, NULL, NULL), -EINVAL);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK(greenlet_dead(child) && greenlet_dead(parent));
    greenlet_unref(child);
    greenlet_unref(parent);
}

CASE(G_023, "a returned value is one value, whatever it is")
{
    struct greenlet_message *tuple = build(&forms[2]);
    struct greenlet *g = make(returns_value);

    CHECK_PTR(SWITCH(g, tuple), tuple); /* not spread: it is a pointer */
    CHECK_PTR(greenlet_received(), NULL);
    greenlet_message_free(tuple);
    greenlet_unref(g);

    g = make(returns_value);
    CHECK_PTR(SWITCH(g, NULL), NULL);
    CHECK_PTR(greenlet_received(), NULL);
    greenlet_unref(g);
}

static int raises(void *value, void **result)
{
    (void)result;
    return raise_here(greenlet_closure(), value);
}

CASE(G_024, "a raised record ends the parent's switch")
{
    struct greenlet *g = make_with(raises, (void *)&some_error);

    CHECK_INT(greenlet_switch(g, V(24), NULL), -EPROTO);
    CHECK_CAUGHT(some_error, V(24));
    CHECK_NOTHING_CAUGHT();
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_024b, "and goes onward from there if it is not handled")
{
    struct greenlet *g1 = make(waits), *g2 = make(waits);

    SWITCH(g1, NULL);
    SWITCH(g2, NULL);
    CHECK_INT(greenlet_set_parent(g2, g1), 0);
    CHECK_STR(notes(), "");
    CHECK_INT(greenlet_switch(g2, NULL, NULL), -EPROTO);
    CHECK_STR(notes(), "some_error");
    CHECK_CAUGHT(some_error, NULL);
    CHECK_PTR(SWITCH(g2, V(25)), V(25)); /* both are dead */
    CHECK_STR(notes(), "some_error");
    CHECK(greenlet_dead(g1) && greenlet_dead(g2));
    greenlet_unref(g1);
    greenlet_unref(g2);
}

static int ends_by_code(void *value, void **result)
{
    (void)result;
    return (int)(intptr_t)value;
}

CASE(G_024c, "an errno that nobody raised is an error of its own")
{
    struct greenlet *g = make(ends_by_code);

    CHECK_INT(greenlet_switch(g, V(-EBADF), NULL), -EBADF);
    CHECK_CAUGHT(greenlet_error_class, NULL);
    greenlet_unref(g);
    g = make(ends_by_code);
    CHECK_INT(greenlet_switch(g, V(-ECANCELED), NULL), 0);
    CHECK_CAUGHT(greenlet_exit_class, NULL);
    greenlet_unref(g);
}

CASE(G_025, "an exit, or one below it, is swallowed: it is the value")
{
    const struct greenlet_class *classes[] = {&greenlet_exit_class, &some_exit};

    for (int i = 0; i < 2; i++) {
        struct greenlet *g = make_with(raises, (void *)classes[i]);

        SWITCH(g, V(25));
        CHECK_CAUGHT(*classes[i], V(25));
        CHECK_NOTHING_CAUGHT();
        CHECK(greenlet_dead(g));
        greenlet_unref(g);
    }
}

CASE(G_026, "other records are not special, whatever they derive from")
{
    const struct greenlet_class *classes[] = {&some_base, &greenlet_base_class};

    for (int i = 0; i < 2; i++) {
        struct greenlet *g = make_with(raises, (void *)classes[i]);

        CHECK(greenlet_switch(g, V(26), NULL) < 0);
        CHECK_CAUGHT(*classes[i], V(26));
        CHECK(greenlet_dead(g));
        greenlet_unref(g);
    }
    CHECK(greenlet_class_is(&some_base, &greenlet_base_class));
    CHECK(!greenlet_class_is(&some_base, &greenlet_exit_class));
    CHECK(!greenlet_class_is(&some_base, &greenlet_exception_class));
}
