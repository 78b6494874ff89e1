/* The map behind context variables, against a plain table. */
#include "../unit.h"
#include "context/testhook.h"
#include "context/varmap.h"

#include <errno.h>
#include <pthread.h>

enum { VARS = 3000, MAPS = 6, STEPS = 40000 };

static struct greenlet_var *vars[VARS];
static struct greenlet__varmap maps[MAPS];
static struct greenlet__binding *table[MAPS][VARS]; /* what each map has */
static size_t table_size[MAPS];
static long living; /* bindings */

/* How hashes can fall: as the library makes them, everywhere, few, one, and
 * alike in their lowest or highest bits. */
static uint32_t hash_dense(uint32_t i)
{
    return i;
}

static uint32_t hash_mixed(uint32_t i)
{
    return (i + 1) * 2654435761u;
}

static uint32_t hash_few(uint32_t i)
{
    return hash_mixed(i % 7);
}

static uint32_t hash_one(uint32_t i)
{
    (void)i;
    return 0xffffffffu;
}

static uint32_t hash_high(uint32_t i)
{
    return i << 20;
}

static uint32_t hash_pairs(uint32_t i)
{
    return i / 2 << 24 | (i & 1);
}

static uint32_t (*const hashes[])(uint32_t) = {
    hash_dense, hash_mixed, hash_few, hash_one, hash_high, hash_pairs};
enum { HASHES = sizeof hashes / sizeof *hashes };

/* Each ck_assert costs a system call: too much for each of millions. */
#define quick_assert(what) \
    do {                   \
        if (!(what))       \
            ck_abort();    \
    } while (0)

static uint32_t seed;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Lists of equal hashes are searched one by one: fewer there. */
static uint32_t many(int kind)
{
    return hashes[kind] == hash_few || hashes[kind] == hash_one ? 150 : VARS;
}

static void make_vars(int kind)
{
    seed = 1u + (unsigned)kind;
    for (uint32_t i = 0; i < VARS; i++) {
        vars[i] = calloc(1, sizeof *vars[i] + 1);
        ck_assert_ptr_nonnull(vars[i]);
        vars[i]->refs = 1;
        vars[i]->hash = hashes[kind](i);
    }
    memset(maps, 0, sizeof maps);
    memset(table, 0, sizeof table);
    memset(table_size, 0, sizeof table_size);
}

static struct greenlet__binding *bind(struct greenlet_var *var)
{
    struct greenlet__binding *binding = calloc(1, sizeof *binding);

    quick_assert(binding != NULL);
    binding->refs = 1;
    binding->var = var;
    binding->value = binding;
    living++;
    return binding;
}

/* Each binding comes here once: another time it would be freed memory. */
static void bury(struct greenlet__binding *dead)
{
    while (dead != NULL) {
        struct greenlet__binding *next = dead->next_dead;

        quick_assert(dead->refs == 0);
        quick_assert(dead->value == dead);
        dead->value = NULL;
        free(dead);
        living--;
        dead = next;
    }
}

static void drop_map(struct greenlet__varmap *map)
{
    struct greenlet__binding *dead = NULL;

    greenlet__varmap_drop(map, &dead);
    quick_assert(map->root == NULL);
    quick_assert(map->size == 0);
    bury(dead);
}

static void drop_binding(struct greenlet__binding *binding)
{
    struct greenlet__binding *dead = NULL;

    greenlet__binding_drop(binding, &dead);
    bury(dead);
}

static void drop_all(void)
{
    for (int m = 0; m < MAPS; m++)
        drop_map(&maps[m]);
    ck_assert_int_eq(living, 0);
    for (uint32_t i = 0; i < VARS; i++)
        free(vars[i]);
}

static long set_in_place;

/* Where it is refused the map is as it was, which is checked as ever. */
static bool set_here(uint32_t m, uint32_t i, struct greenlet__binding *binding)
{
    struct greenlet__binding *replaced = NULL;

    if (!greenlet__varmap_set_here(&maps[m], binding, &replaced))
        return false;
    quick_assert(replaced == table[m][i]);
    if (replaced != NULL)
        drop_binding(replaced);
    table_size[m] += table[m][i] == NULL;
    table[m][i] = binding;
    set_in_place++;
    return true;
}

static void step_set(uint32_t m, uint32_t i)
{
    struct greenlet__binding *binding = bind(vars[i]);
    struct greenlet__varmap to;

    if (any(2) == 0 && set_here(m, i, binding))
        return;
    quick_assert(greenlet__varmap_set(&maps[m], binding, &to) == 0);
    drop_binding(binding);
    drop_map(&maps[m]);
    maps[m] = to;
    table_size[m] += table[m][i] == NULL;
    table[m][i] = binding;
}

static void step_remove(uint32_t m, uint32_t i)
{
    struct greenlet__varmap to;

    quick_assert(greenlet__varmap_remove(&maps[m], vars[i], &to) == 0);
    drop_map(&maps[m]);
    maps[m] = to;
    table_size[m] -= table[m][i] != NULL;
    table[m][i] = NULL;
}

static void step_copy(uint32_t from, uint32_t to)
{
    struct greenlet__varmap copy = greenlet__varmap_copy(&maps[from]);

    drop_map(&maps[to]);
    maps[to] = copy;
    memmove(table[to], table[from], sizeof table[to]);
    table_size[to] = table_size[from];
}

static int count_each(struct greenlet_var *var, void *value, void *data)
{
    const struct greenlet__binding *binding = value;
    size_t *count = data;

    quick_assert(binding->var == var);
    ++*count;
    return 0;
}

static void check_map(int m)
{
    size_t count = 0;

    ck_assert_uint_eq(maps[m].size, table_size[m]);
    for (uint32_t i = 0; i < VARS; i++)
        quick_assert(greenlet__varmap_find(&maps[m], vars[i]) == table[m][i]);
    ck_assert_int_eq(greenlet__varmap_each(&maps[m], count_each, &count), 0);
    ck_assert_uint_eq(count, table_size[m]);
}

START_TEST(random_operations_agree_with_a_plain_table)
    {
        uint32_t of = many(_i);

        make_vars(_i);
        for (int step = 0; step < STEPS; step++) {
            /* Now mostly setting, now mostly removing: maps grow and shrink. */
            uint32_t sets = step / 5000 % 2 == 0 ? 70 : 25;
            uint32_t m = any(MAPS), i = any(of), what = any(100);

            if (what < sets)
                step_set(m, i);
            else if (what < 99)
                step_remove(m, i);
            else
                step_copy(m, any(MAPS));
            quick_assert(greenlet__varmap_find(&maps[m], vars[i]) ==
                         table[m][i]);
            if (step % 1000 == 0)
                for (int k = 0; k < MAPS; k++)
                    check_map(k);
        }
        ck_assert(set_in_place > 0 || _i > 2); /* the root has nodes alone */
        drop_all();
    }
END_TEST

/* How many nodes are on the way to a variable: a set copies these. */
static long depth(const struct greenlet__varmap *map,
                  struct greenlet__binding *binding)
{
    struct greenlet__varmap to;

    greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
    ck_assert_int_eq(greenlet__varmap_set(map, binding, &to), 0);
    drop_map(&to);
    return greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
}

START_TEST(what_was_removed_leaves_no_nodes_behind)
    {
        uint32_t of = many(_i), few = 40;

        make_vars(_i);
        for (uint32_t i = 0; i < few; i++)
            step_set(0, i);
        step_copy(0, 1);
        for (uint32_t i = few; i < of; i++)
            step_set(1, i);
        for (uint32_t i = of; i-- > few;)
            step_remove(1, i);
        check_map(1);
        for (uint32_t left = few; left-- > 0;) {
            for (uint32_t i = 0; i <= left; i++)
                ck_assert_int_eq(depth(&maps[1], table[1][i]),
                                 depth(&maps[0], table[0][i]));
            step_remove(0, left);
            step_set(1, left); /* the order of the two does not matter */
            step_remove(1, left);
        }
        ck_assert_ptr_null(maps[0].root);
        ck_assert_ptr_null(maps[1].root);
        drop_all();
    }
END_TEST

START_TEST(a_map_of_thousands_is_shallow)
    {
        make_vars(0);
        for (uint32_t i = 0; i < VARS; i++)
            step_set(0, i);
        for (uint32_t i = 0; i < VARS; i++)
            ck_assert_int_le(depth(&maps[0], table[0][i]), 3); /* 16^3 > 3000 */
        drop_all();
    }
END_TEST

/* One that has the root as well would see it; one that looked and went does not
 * matter. */
START_TEST(in_place_is_set_only_what_nobody_else_has)
    {
        struct greenlet__binding *binding, *replaced = NULL;
        struct greenlet__varmap copy;

        make_vars(0);
        binding = bind(vars[0]);
        ck_assert(!greenlet__varmap_set_here(&maps[0], binding, &replaced));
        ck_assert_int_eq(greenlet__varmap_of(binding, &maps[0]), 0);
        ck_assert_uint_eq(maps[0].size, 1);
        ck_assert_ptr_eq(greenlet__varmap_find(&maps[0], vars[0]), binding);
        binding = bind(vars[1]);
        copy = greenlet__varmap_copy(&maps[0]);
        ck_assert(!greenlet__varmap_set_here(&maps[0], binding, &replaced));
        drop_map(&copy);
        ck_assert(greenlet__varmap_set_here(&maps[0], binding, &replaced));
        ck_assert_ptr_null(replaced);
        ck_assert_uint_eq(maps[0].size, 2);
        binding = bind(vars[1]);
        ck_assert(greenlet__varmap_set_here(&maps[0], binding, &replaced));
        ck_assert_ptr_eq(replaced->var, vars[1]);
        drop_binding(replaced);
        ck_assert_uint_eq(maps[0].size, 2);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 1);
        ck_assert_int_eq(greenlet__varmap_of(binding, &copy), -ENOMEM);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        drop_all();
    }
END_TEST

static void torture_set(uint32_t i)
{
    struct greenlet__varmap to = {0};
    struct greenlet__binding *binding = bind(vars[i]);
    long n = 0;
    int rc;

    do {
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, ++n);
        rc = greenlet__varmap_set(&maps[0], binding, &to);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        ck_assert(rc == 0 || rc == -ENOMEM);
        ck_assert(rc == 0 || (to.root == NULL && binding->refs == 1));
    } while (rc < 0);
    ck_assert_int_ge(n, 2);
    drop_binding(binding);
    drop_map(&maps[0]);
    maps[0] = to;
    table_size[0] += table[0][i] == NULL;
    table[0][i] = binding;
}

static long torture_remove(uint32_t i)
{
    struct greenlet__varmap to = {0};
    long n = 0;
    int rc;

    do {
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, ++n);
        rc = greenlet__varmap_remove(&maps[0], vars[i], &to);
        greenlet_test_fail(GREENLET_TEST_ALLOCATION, 0);
        ck_assert(rc == 0 || rc == -ENOMEM);
        ck_assert(rc == 0 || to.root == NULL);
    } while (rc < 0);
    drop_map(&maps[0]);
    maps[0] = to;
    table_size[0] -= table[0][i] != NULL;
    table[0][i] = NULL;
    return n;
}

START_TEST(without_memory_nothing_changes)
    {
        long failed = 0;

        make_vars(_i);
        for (uint32_t i = 0; i < 60; i++)
            torture_set(any(40));
        check_map(0);
        for (uint32_t i = 0; i < 40; i++)
            failed += torture_remove(i) - 1;
        ck_assert_int_gt(failed, 0);
        ck_assert_uint_eq(maps[0].size, 0);
        check_map(0);
        drop_all();
    }
END_TEST

static int stop_at_three(struct greenlet_var *var, void *value, void *data)
{
    int *count = data;

    (void)var;
    (void)value;
    return ++*count == 3 ? -EINTR : 0;
}

START_TEST(each_ends_when_it_is_told_to)
    {
        int count = 0;

        make_vars(_i);
        for (uint32_t i = 0; i < 100; i++)
            step_set(0, i);
        ck_assert_int_eq(greenlet__varmap_each(&maps[0], stop_at_three, &count),
                         -EINTR);
        ck_assert_int_eq(count, 3);
        drop_all();
    }
END_TEST

/* Every thread changes maps of its own that began as the same one. */
static void *changes_a_copy(void *data)
{
    struct greenlet__varmap map = *(struct greenlet__varmap *)data, to;
    struct greenlet__binding *dead = NULL;

    for (uint32_t i = 0; i < 2000; i++) {
        struct greenlet__binding *binding =
            greenlet__varmap_find(&map, vars[i * 7 % 100]);

        quick_assert((i % 3 == 0 || binding == NULL
                          ? greenlet__varmap_remove(&map, vars[i % 100], &to)
                          : greenlet__varmap_set(&map, binding, &to)) == 0);
        greenlet__varmap_drop(&map, &dead);
        map = to;
    }
    greenlet__varmap_drop(&map, &dead);
    ck_assert_ptr_null(dead); /* maps[0] has them all */
    return NULL;
}

START_TEST(threads_share_nodes)
    {
        pthread_t threads[2];
        struct greenlet__varmap copies[2];

        make_vars(_i);
        for (uint32_t i = 0; i < 100; i++)
            step_set(0, i);
        for (int i = 0; i < 2; i++) {
            copies[i] = greenlet__varmap_copy(&maps[0]);
            ck_assert_int_eq(
                pthread_create(&threads[i], NULL, changes_a_copy, &copies[i]),
                0);
        }
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        check_map(0);
        for (uint32_t i = 0; i < 100; i++)
            ck_assert_int_eq(table[0][i]->refs, 1);
        drop_all();
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_loop_test(tcase, random_operations_agree_with_a_plain_table, 0,
                        HASHES);
    tcase_add_loop_test(tcase, what_was_removed_leaves_no_nodes_behind, 0,
                        HASHES);
    tcase_add_test(tcase, a_map_of_thousands_is_shallow);
    tcase_add_test(tcase, in_place_is_set_only_what_nobody_else_has);
    tcase_add_loop_test(tcase, without_memory_nothing_changes, 0, HASHES);
    tcase_add_loop_test(tcase, each_ends_when_it_is_told_to, 0, HASHES);
    tcase_add_loop_test(tcase, threads_share_nodes, 0, HASHES);
    return unit_run("varmap", tcase);
}
