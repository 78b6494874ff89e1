/* cases_1_4_forms.c - what may be thrown, and how (G-060 ... G-062, G-072) */
#include "case.h"

#include <semaphore.h>

/* Reports what was thrown into it: takes the record and sends it. */
static struct greenlet_exception thrown;

static int reports(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    int rc;

    while ((rc = greenlet_switch(parent, value, result)) < 0) {
        CHECK(greenlet_caught(&thrown));
        if (thrown.payload == V(-1)) /* enough */
            return 0;
        value = V(rc);
    }
    return 0;
}

CASE(G_060, "throwing nothing throws the exit")
{
    struct greenlet *g = make(reports);
    void *result = NULL;

    SWITCH(g, NULL);
    CHECK_INT(greenlet_throw(g, NULL, &result), 0);
    CHECK_PTR(result, V(-ECANCELED));
    CHECK_PTR(thrown.cls, &greenlet_exit_class);
    CHECK_PTR(thrown.payload, NULL);
    CHECK_PTR(thrown.cause, NULL);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

static const struct greenlet_class below_some_error = {"Below", &some_error,
                                                       -EILSEQ};

/* Throw as the form says; the record that arrives is in `thrown`. */
static void throw_form(struct greenlet *g, struct greenlet_throw_form form,
                       const struct greenlet_class *cls, void *payload)
{
    void *result = NULL;

    memset(&thrown, 0, sizeof thrown);
    CHECK_INT(greenlet_throw_as(g, &form, &result), 0);
    CHECK_PTR(result, V(cls->error));
    CHECK_PTR(thrown.cls, cls);
    CHECK_PTR(thrown.payload, payload);
}

CASE(G_061, "class; class and value; instance; class and instance; nothing")
{
    struct greenlet *g = make(reports);
    struct greenlet_exception error = record(&below_some_error, V(61));
    struct greenlet_throw_form nothing = {.cls = NULL};
    struct greenlet_throw_form class = {.cls = &some_error};
    struct greenlet_throw_form value = {.cls = &some_error, .payload = V(60)};
    struct greenlet_throw_form instance = {.instance = &error};
    struct greenlet_throw_form exact = {.cls = &below_some_error,
                                        .instance = &error};
    struct greenlet_throw_form base = {.cls = &some_error, .instance = &error};

    SWITCH(g, NULL);
    throw_form(g, nothing, &greenlet_exit_class, NULL);
    throw_form(g, class, &some_error, NULL);
    CHECK_PTR(thrown.cause, NULL);
    CHECK(thrown.origin != NULL); /* filled in */
    throw_form(g, value, &some_error, V(60));
    throw_form(g, instance, &below_some_error, V(61));
    throw_form(g, exact, &below_some_error, V(61)); /* used as it is */
    CHECK_PTR(thrown.cause, NULL);
    throw_form(g, base, &below_some_error, V(61));
    CHECK_PTR(thrown.cause, NULL);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

CASE(G_061b, "class and an instance of another class: it is wrapped")
{
    int destroyed = 0;
    struct greenlet *g = make(reports);
    struct greenlet_exception error = record(&some_error, &destroyed);
    struct greenlet_throw_form form = {.cls = &some_base, .instance = &error};

    error.destroy = count_destroy;
    SWITCH(g, NULL);
    throw_form(g, form, &some_base, NULL);
    CHECK(thrown.cause != NULL);
    CHECK_PTR(thrown.cause->cls, &some_error);
    CHECK_PTR(thrown.cause->payload, &destroyed);
    CHECK_INT(destroyed, 0);
    greenlet_exception_clear(&thrown);
    CHECK_INT(destroyed, 1);
    CHECK_PTR(thrown.cls, NULL);
    CHECK_PTR(thrown.cause, NULL);
    SWITCH(g, NULL);
    greenlet_unref(g);
}

CASE(G_061c, "a record's own error and text arrive with it, and its origin")
{
    struct greenlet *g = make(reports);
    struct greenlet_exception error = record(&some_error, NULL);
    void *result = NULL;

    error.error = -EMLINK;
    error.text = "too many";
    error.origin = &thrown;
    SWITCH(g, NULL);
    CHECK_INT(greenlet_throw(g, &error, &result), 0);
    CHECK_PTR(result, V(-EMLINK));
    CHECK_PTR(thrown.cls, &some_error);
    CHECK_STR(thrown.text, "too many");
    CHECK_PTR(thrown.origin, &thrown);
    SWITCH(g, NULL);
    greenlet_unref(g);
}

/* Refused with a type error, here; the payload, which is given, ended. */
static void refused(struct greenlet *g, const struct greenlet_throw_form *form,
                    const char *text, const int *destroyed)
{
    CHECK_INT(greenlet_throw_as(g, form, NULL), -EINVAL);
    CHECK_HAS(greenlet_caught_peek()->text, text);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK_INT(*destroyed, 1);
}

static void refuses_bad_forms(struct greenlet *g)
{
    int destroyed = 0;
    struct greenlet_exception error = record(&some_error, NULL);
    struct greenlet_exception none = record(NULL, &destroyed);
    struct greenlet_throw_form both = {
        .instance = &error, .payload = &destroyed, .destroy = count_destroy};
    struct greenlet_throw_form classless = {.instance = &none};

    refused(g, &both, "instance exception may not have a separate value",
            &destroyed);
    destroyed = 0;
    none.destroy = count_destroy;
    refused(g, &classless, "exceptions must be classes, or instances",
            &destroyed);
    destroyed = 0;
    CHECK_INT(greenlet_throw(g, &none, NULL), -EINVAL);
    CHECK_HAS(greenlet_caught_peek()->text, "exceptions must be");
    CHECK_CAUGHT(greenlet_type_class, NULL);
    CHECK_INT(destroyed, 1);
}

CASE(G_062, "a bad form is the thrower's error; the target is untouched")
{
    struct greenlet *g = make(echoes), *fresh = make(returns_value);

    SWITCH(g, NULL);
    refuses_bad_forms(g);
    CHECK_PTR(SWITCH(g, V(62)), V(62));
    refuses_bad_forms(fresh);
    CHECK(!greenlet_started(fresh) && !greenlet_dead(fresh));
    CHECK_PTR(SWITCH(fresh, V(63)), V(63));
    refuses_bad_forms(greenlet_current());
    greenlet_unref(g);
    greenlet_unref(fresh);
}

/* Greenlets in every state, of a thread that stays until it is told. */
enum { NEW, SUSPENDED, DEAD, MAIN, STATES };

static struct foreign {
    sem_t ready, end;
    struct greenlet *all[STATES];
} foreign;

static void *has_all_states(void *argument)
{
    struct greenlet **all = foreign.all;
    void *got = NULL;

    (void)argument;
    all[NEW] = make(never_run);
    all[SUSPENDED] = make(echoes);
    all[DEAD] = make(returns_value);
    all[MAIN] = greenlet_ref(greenlet_current());
    SWITCH(all[SUSPENDED], NULL);
    SWITCH(all[DEAD], NULL);
    sem_post(&foreign.ready);
    while (sem_wait(&foreign.end) < 0)
        ;
    CHECK_NOTHING_CAUGHT(); /* nothing moved */
    CHECK_PTR(greenlet_current(), all[MAIN]);
    CHECK_INT(greenlet_switch(all[SUSPENDED], V(72), &got), 0);
    CHECK_PTR(got, V(72));
    return NULL;
}

static void throw_at_all(int error)
{
    for (int i = 0; i < STATES; i++) {
        int destroyed = 0;
        struct greenlet_exception exception = record(&some_error, &destroyed);

        exception.destroy = count_destroy;
        CHECK_INT(greenlet_throw(foreign.all[i], &exception, NULL), error);
        CHECK_HAS(greenlet_caught_peek()->text,
                  "cannot switch to a different thread");
        CHECK_CAUGHT(greenlet_error_class, NULL);
        CHECK_INT(destroyed, 1);
        CHECK_INT(greenlet_throw(foreign.all[i], NULL, NULL), error);
        CHECK_CAUGHT(greenlet_error_class, NULL);
    }
}

CASE(G_072, "throwing has the thread rules of switching")
{
    pthread_t thread;

    sem_init(&foreign.ready, 0, 0);
    sem_init(&foreign.end, 0, 0);
    CHECK_INT(pthread_create(&thread, NULL, has_all_states, NULL), 0);
    while (sem_wait(&foreign.ready) < 0)
        ;
    throw_at_all(-EXDEV);
    CHECK(!greenlet_started(foreign.all[NEW]));
    sem_post(&foreign.end);
    CHECK_INT(pthread_join(thread, NULL), 0);
    throw_at_all(-ESRCH);
    for (int i = 0; i < STATES; i++)
        greenlet_unref(foreign.all[i]);
}
