/* cases_1_12.c - module level: the table, constants, counters, versions (G-170
 * ... G-183)
 *
 * G-181 is about helpers of Python's own tests. */
#include "case.h"

static const struct greenlet_callable echoing = {echoes, NULL, NULL};

/* ---- G-170 ... G-174: the table ---- */

CASE(G_170, "a table of twelve entries: three objects, nine functions")
{
    const struct greenlet_capi *api = greenlet_capi();
    void *entries[12];

    CHECK_INT(sizeof *api, sizeof entries);
    memcpy(entries, api, sizeof entries);
    for (int i = 0; i < 12; i++)
        CHECK(entries[i] != NULL);
    CHECK_PTR(api->error, &greenlet_error_class);
    CHECK_PTR(api->exit, &greenlet_exit_class);
    CHECK_STR(api->type->name, "greenlet");
}

CASE(G_171, "new: both may be missing; switch: no arguments, no keywords")
{
    const struct greenlet_capi *api = greenlet_capi();
    struct greenlet *bare = CASE_MADE(api->new_(NULL, NULL));
    struct greenlet *g = CASE_MADE(api->new_(&echoing, bare));
    struct greenlet_message *args = greenlet_message_new(), *back;

    CHECK(bare != NULL && g != NULL);
    CHECK_PTR(greenlet_parent(bare), greenlet_current());
    CHECK_PTR(greenlet_parent(g), bare);
    CHECK_INT(api->setparent(g, greenlet_current()), 0);
    back = api->switch_(g, NULL);
    CHECK(back != NULL);
    greenlet_message_free(back);
    CHECK_INT(greenlet_message_add(args, NULL, V(4), NULL), 0);
    back = api->switch_(g, args);
    CHECK(back != NULL);
    CHECK_INT(greenlet_message_shape(back), GREENLET_SINGLE);
    CHECK_PTR(greenlet_message_at(back, 0), V(4));
    greenlet_message_free(back);
    greenlet_unref(g);
    greenlet_unref(bare);
}

CASE(G_171b, "throw checks what it gets, as the method does")
{
    const struct greenlet_capi *api = greenlet_capi();
    struct greenlet *g = CASE_MADE(api->new_(&echoing, NULL));
    struct greenlet_message *back;

    CHECK_PTR(api->throw_(g, NULL, V(1), NULL), NULL);
    CHECK_STR(caught_name(), "type");
    CHECK(!greenlet_started(g));
    CHECK_PTR(api->throw_(g, &some_error, V(2), NULL), NULL);
    CHECK_CAUGHT(some_error, V(2));
    CHECK(greenlet_dead(g));
    back = api->throw_(g, &greenlet_exit_class, NULL, NULL);
    CHECK(back != NULL);
    greenlet_message_free(back);
    CHECK_PTR(api->throw_(NULL, &some_error, NULL, NULL), NULL);
    CHECK_STR(caught_name(), "type");
    greenlet_unref(g);
}

CASE(G_172, "getparent gives a new reference, or none; states, or -1")
{
    const struct greenlet_capi *api = greenlet_capi();
    struct greenlet *g = CASE_MADE(api->new_(&echoing, NULL));
    struct greenlet *self = api->getcurrent(), *parent = api->getparent(g);

    CHECK_PTR(parent, self);
    CHECK_PTR(api->getparent(self), NULL);
    CHECK_NOTHING_CAUGHT();
    CHECK_INT(api->main(self), 1);
    CHECK_INT(api->main(g), 0);
    CHECK_INT(api->started(g), 0);
    CHECK_INT(api->active(g), 0);
    greenlet_message_free(api->switch_(g, NULL));
    CHECK_INT(api->started(g), 1);
    CHECK_INT(api->active(g), 1);
    CHECK_INT(api->main(NULL), -1);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK_INT(api->started(NULL), -1);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK_INT(api->active(NULL), -1);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    greenlet_unref(parent);
    greenlet_unref(self);
    greenlet_unref(g);
}

CASE(G_173, "setparent: 0, or -1 with the errors of greenlet_set_parent()")
{
    const struct greenlet_capi *api = greenlet_capi();
    struct greenlet *a = CASE_MADE(api->new_(NULL, NULL)), *b = CASE_MADE(api->new_(NULL, a));

    CHECK_INT(api->setparent(a, b), -1);
    CHECK_STR(caught_name(), "value");
    CHECK_HAS(greenlet_caught_peek()->text, "cyclic parent chain");
    CHECK_INT(api->setparent(a, NULL), -1);
    CHECK_STR(caught_name(), "type");
    CHECK_INT(api->setparent(greenlet_current(), a), -1);
    CHECK_STR(caught_name(), "attribute");
    CHECK_INT(api->setparent(b, greenlet_current()), 0);
    CHECK_PTR(greenlet_parent(b), greenlet_current());
    greenlet_unref(b);
    greenlet_unref(a);
}

static int fails_silently(void *value, void **result)
{
    (void)value;
    (void)result;
    return -EBADE; /* and says nothing about it */
}

CASE(G_174, "a failure without a record is turned into greenlet.error")
{
    const struct greenlet_callable run = {fails_silently, NULL, NULL};
    const struct greenlet_capi *api = greenlet_capi();
    struct greenlet *g = CASE_MADE(api->new_(&run, NULL)), *h = make(fails_silently);
    struct greenlet_exception caught;

    CHECK_PTR(api->switch_(g, NULL), NULL);
    CHECK(greenlet_caught(&caught));
    CHECK_PTR(caught.cls, &greenlet_error_class);
    CHECK_INT(caught.error, -EBADE);
    greenlet_exception_clear(&caught);
    CHECK_INT(greenlet_switch(h, NULL, NULL), -EBADE);
    CHECK_STR(caught_name(), "error");
    greenlet_unref(g);
    greenlet_unref(h);
}

/* ---- G-175 ... G-177, G-182 ---- */

CASE(G_175, "greenlet.error is an ordinary error, the exit is not")
{
    CHECK(greenlet_class_is(&greenlet_error_class, &greenlet_exception_class));
    CHECK(greenlet_class_is(&greenlet_error_class, &greenlet_base_class));
    CHECK(!greenlet_class_is(&greenlet_exit_class, &greenlet_exception_class));
    CHECK(greenlet_class_is(&greenlet_exit_class, &greenlet_base_class));
    CHECK(!greenlet_class_is(&greenlet_base_class, &greenlet_exit_class));
    CHECK(greenlet_class_is(&some_exit, &greenlet_exit_class));
    CHECK_INT(greenlet_exit_class.error, -ECANCELED);
    CHECK_PTR(greenlet_base_class.base, NULL);
}

CASE(G_176, "the constants are true, in the headers and in the library")
{
    CHECK(GREENLET_USE_GC && GREENLET_USE_TRACING);
    CHECK(GREENLET_USE_CONTEXT_VARS);
    CHECK_INT(greenlet_feature("GREENLET_USE_GC"), 1);
    CHECK_INT(greenlet_feature("GREENLET_USE_TRACING"), 1);
    CHECK_INT(greenlet_feature("GREENLET_USE_CONTEXT_VARS"), 1);
    CHECK_INT(greenlet_feature("GREENLET_USE_MAGIC"), -ENOENT);
}

CASE(G_176b, "the gate opens for greenlet>=1.0, and not for what this is not")
{
    struct greenlet_gate_report report;

    if (greenlet_gate("greenlet>=1.0", &report) != 0)
        FAIL("%s", report.line);
    CHECK(report.passed >= 11 && report.failed == 0);
    CHECK_INT(greenlet_gate("greenlet>=99", &report), -ENOTSUP);
    CHECK_INT(greenlet_gate("greenlet=>1.0", &report), -EINVAL);
}

CASE(G_177, "the header's version is frozen; the real one is told")
{
    CHECK_STR(GREENLET_VERSION, "1.0.0");
    CHECK_STR(greenlet_compatible_version(), GREENLET_COMPATIBLE_VERSION);
}

/* ---- G-178 ... G-180: counters ---- */

static void *uses_it(void *unused)
{
    greenlet_current();
    return unused;
}

CASE(G_178, "exited threads that wait to be drained are counted; then 0")
{
    struct greenlet_counts counts;

    in_thread(uses_it, NULL);
    CHECK_INT(greenlet_pending_cleanups(), 1);
    greenlet_count(&counts);
    CHECK_INT(counts.pending, 0);
    CHECK_INT(greenlet_pending_cleanups(), 0);
}

static size_t mains(void)
{
    struct greenlet_counts counts;

    greenlet_count(&counts);
    return counts.mains;
}

static void *counts_mains(void *at)
{
    size_t *seen = at;

    seen[0] = mains(); /* it has not used one yet */
    greenlet_current();
    seen[1] = mains();
    return NULL;
}

CASE(G_179, "mains: one more at a thread's first use, one less at its end")
{
    size_t seen[2], before = mains();

    in_thread(counts_mains, seen);
    CHECK_INT(seen[0], before);
    CHECK_INT(seen[1], before + 1);
    CHECK_INT(mains(), before);
}

CASE(G_180, "the clock of the clean-up can be turned off, and begins at 0")
{
    long ticks;

    CHECK_INT(greenlet_cleanup_clock(), 0);
    for (int i = 0; i < 5; i++) {
        in_thread(uses_it, NULL);
        greenlet_current();
    }
    ticks = greenlet_cleanup_clock();
    CHECK(ticks >= 0);
    greenlet_enable_cleanup_clock(true); /* it is: the count is kept */
    CHECK(greenlet_cleanup_clock() >= ticks);
    greenlet_enable_cleanup_clock(false);
    CHECK_INT(greenlet_cleanup_clock(), -1);
    in_thread(uses_it, NULL);
    greenlet_current();
    CHECK_INT(greenlet_cleanup_clock(), -1);
    greenlet_enable_cleanup_clock(true);
    CHECK_INT(greenlet_cleanup_clock(), 0);
}

CASE(G_182, "the library is the one that these cases were built with")
{
    CHECK_STR(greenlet_build_version(), VIREO_VERSION);
}

/* ---- G-183 ---- */

CASE(G_183, "what a case leaves behind is found")
{
    struct greenlet *g;
    struct greenlet_message *message;
    struct greenlet_context *context;
    struct case_state before, now;
    char text[256];
    int fd;

    case_state(&before);
    g = make(echoes);
    SWITCH(g, NULL);
    message = greenlet_message_new();
    context = greenlet_context_new();
    fd = dup(0);
    case_state(&now);
    CHECK(case_grew(&before, &now, text, sizeof text));
    CHECK_HAS(text, "greenlets");
    CHECK_HAS(text, "stack slots");
    CHECK_HAS(text, "contexts");
    CHECK_HAS(text, "messages");
    CHECK_HAS(text, "descriptors");
    close(fd);
    greenlet_context_unref(context);
    greenlet_message_free(message);
    greenlet_unref(g);
    CHECK_SAME_STATE(&before);
}
