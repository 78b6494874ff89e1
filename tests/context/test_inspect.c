/* What can be seen of greenlets: state, words, stack, the registry. */
#include "../unit.h"
#include "context/inspect.h"

#include <errno.h>

enum { BIG = 48 * 1024 };

static struct greenlet *looked_at;
static enum greenlet_state state_inside, state_of_main;
static size_t main_used;

static __attribute__((noinline)) void use_stack(size_t size)
{
    char room[BIG];

    memset(room, 1, size);
    __asm__ volatile("" : : "r"(room) : "memory"); /* it must be there */
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    __asm__ volatile("" : : "r"(room) : "memory");
}

static int body(void *value, void **result)
{
    struct greenlet *main = greenlet_parent(greenlet_current());
    struct greenlet_stack_use use;

    (void)value;
    state_inside = greenlet_state_of(greenlet_current());
    state_of_main = greenlet_state_of(main);
    ck_assert_int_eq(greenlet_stack_use(main, &use), 0);
    main_used = use.used;
    use_stack(BIG);
    *result = NULL;
    return 0;
}

START_TEST(the_state_follows_the_life)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);

    ck_assert_int_eq(greenlet_state_of(g), GREENLET_IS_NEW);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(state_inside, GREENLET_IS_RUNNING);
    ck_assert_int_eq(state_of_main, GREENLET_IS_SUSPENDED);
    ck_assert_int_eq(greenlet_state_of(g), GREENLET_IS_SUSPENDED);
    ck_assert_int_eq(greenlet_state_of(greenlet_current()),
                     GREENLET_IS_RUNNING);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(greenlet_state_of(g), GREENLET_IS_DEAD);
    greenlet_unref(g);
}
END_TEST

static void check_words(struct greenlet *g, const char *words)
{
    char text[160], few[8];
    int length = greenlet_describe(g, text, sizeof text);

    ck_assert_int_eq(length, (int)strlen(text));
    ck_assert_int_eq(greenlet_describe(g, few, sizeof few), length);
    ck_assert_int_eq(strncmp(text, few, sizeof few - 1), 0);
    ck_assert_msg(strlen(text) > strlen(words) &&
                      strcmp(text + strlen(text) - strlen(words), words) == 0,
                  "%s does not end by %s", text, words);
    ck_assert_int_eq(strncmp(text, "<greenlet 0x", 12), 0);
}

static int describes_main(void *value, void **result)
{
    check_words(value, " suspended active started main>");
    check_words(greenlet_current(), " current active started>");
    *result = NULL;
    return 0;
}

START_TEST(g016_words_for_people)
{
    struct greenlet *g = greenlet_new(describes_main, NULL, 0);
    char text[160];

    check_words(greenlet_current(), " current active started main>");
    check_words(g, " suspended pending>");
    greenlet_describe(g, text, sizeof text);
    ck_assert_ptr_null(strchr(text, '"'));
    greenlet_set_name(g, "reader");
    greenlet_describe(g, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, " \"reader\" thread 0x"));
    ck_assert_int_eq(greenlet_switch(g, greenlet_current(), NULL), 0);
    check_words(g, " dead>");
    greenlet_unref(g);
}
END_TEST

static void *suspends_one_and_exits(void *data)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);

    (void)data;
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    return g;
}

START_TEST(g016_an_orphan_says_why)
{
    pthread_t thread;
    void *g;

    ck_assert_int_eq(
        pthread_create(&thread, NULL, suspends_one_and_exits, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &g), 0);
    ck_assert_int_eq(greenlet_state_of(g), GREENLET_IS_ORPHAN);
    check_words(g, " (thread exited) dead>");
    greenlet_unref(g);
}
END_TEST

START_TEST(g151_stack_use)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);
    struct greenlet_stack_use use;
    void *base;
    size_t size;

    ck_assert_int_eq(greenlet_stack(g, &base, &size), 0);
    ck_assert_uint_ge(size, 127 * 1024);
    ck_assert_int_eq(greenlet_stack_use(g, &use), 0);
    ck_assert_uint_eq(use.used, 0);
    ck_assert_uint_ge(use.reserved, 128 * 1024);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_uint_gt(main_used, 0);
    ck_assert_int_eq(greenlet_stack_use(g, &use), 0);
    ck_assert_uint_gt(use.used, BIG);
    ck_assert_uint_lt(use.used, BIG + 8 * 1024);
    ck_assert_uint_ge(use.high_water, use.used);
    ck_assert_uint_le(use.high_water, use.reserved);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(greenlet_stack_use(g, &use), 0);
    ck_assert_uint_eq(use.used, 0);
    ck_assert_uint_ge(use.high_water, BIG);
    greenlet_unref(g);
    ck_assert_int_eq(greenlet_stack_use(greenlet_current(), &use), 0);
    ck_assert_uint_eq(use.reserved, 0);
    ck_assert_uint_eq(use.used, 0);
    ck_assert_int_eq(greenlet_stack(greenlet_current(), &base, &size),
                     -EINVAL);
}
END_TEST

static int count(struct greenlet *g, void *data)
{
    *(int *)data += 1;
    return g == looked_at ? 7 : 0;
}

START_TEST(the_registry_has_all_that_live)
{
    struct greenlet *all[10];
    int before = 0, now = 0;

    looked_at = NULL;
    ck_assert_int_eq(greenlet_each(count, &before), 0);
    for (int i = 0; i < 10; i++) {
        all[i] = greenlet_new(body, NULL, i % 2 ? 0 : 512 * 1024);
        if (i % 3 != 0)
            ck_assert_int_eq(greenlet_switch(all[i], NULL, NULL), 0);
    }
    ck_assert_int_eq(greenlet_each(count, &now), 0);
    ck_assert_int_eq(now, before + 10);
    looked_at = all[4];
    ck_assert_int_eq(greenlet_each(count, &now), 7);
    looked_at = NULL;
    for (int i = 0; i < 10; i++)
        greenlet_unref(all[i]);
    now = 0;
    ck_assert_int_eq(greenlet_each(count, &now), 0);
    ck_assert_int_eq(now, before);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, the_state_follows_the_life);
    tcase_add_test(tcase, g016_words_for_people);
    tcase_add_test(tcase, g016_an_orphan_says_why);
    tcase_add_test(tcase, g151_stack_use);
    tcase_add_test(tcase, the_registry_has_all_that_live);
    return unit_run("inspect", tcase);
}
