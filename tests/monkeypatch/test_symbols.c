/* test_symbols.c - what the table says is what a program gets
 *
 * Run as it is, every function of the table that libc has is libc's; preloaded,
 * those that the table replaces are the preload library's and no others. */
#include "../runner.h"

#include <check.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    const char *kind; /* NULL: another spelling */
};

static const struct row rows[] = {
#define MP_SYMBOL(group, kind, ret, name, params, args) {#name, #kind},
#define MP_ALIAS(real, alias) {#alias, NULL},
#include "../../monkeypatch/symbols.def"
};
#define ROWS (sizeof rows / sizeof *rows)

static bool preloaded(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "libvireo-preload.so") != NULL;
}

/* The file that a program's reference to `name` leads to, or NULL. */
static const char *home(const char *name)
{
    void *address = dlsym(RTLD_DEFAULT, name);
    Dl_info info;

    if (address == NULL || dladdr(address, &info) == 0)
        return NULL;
    return info.dli_fname;
}

static bool is_ours(const char *name)
{
    const char *file = home(name);

    return file != NULL && strstr(file, "libvireo-preload.so") != NULL;
}

static bool replaced(const struct row *row)
{
    return row->kind == NULL || strcmp(row->kind, "PASS") != 0;
}

START_TEST(replaces_what_the_table_says_and_nothing_else)
{
    bool preload = preloaded();
    size_t i, wrong = 0;

    for (i = 0; i < ROWS; i++) {
        bool expected = preload && replaced(&rows[i]);

        if (is_ours(rows[i].name) == expected)
            continue;
        fprintf(stderr, "%s: %s\n", rows[i].name,
                expected ? "not replaced" : "replaced");
        wrong++;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

START_TEST(names_each_symbol_once)
{
    struct row sorted[ROWS];
    size_t i;

    memcpy(sorted, rows, sizeof rows);
    qsort(sorted, ROWS, sizeof *sorted, by_name);
    for (i = 1; i < ROWS; i++)
        ck_assert_str_ne(sorted[i - 1].name, sorted[i].name);
}
END_TEST

START_TEST(libc_has_the_originals)
{
    static const char *const wanted[] = {
        "read", "write", "poll", "pthread_create", "pthread_cond_wait",
        "sem_wait", "mtx_lock", "getaddrinfo", "waitpid", "fwrite",
    };
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    size_t i;

    ck_assert_ptr_nonnull(libc);
    for (i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        Dl_info info;

        ck_assert_int_ne(dladdr(dlsym(libc, wanted[i]), &info), 0);
        ck_assert_ptr_nonnull(strstr(info.dli_fname, "libc.so.6"));
    }
    dlclose(libc);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("table");

    tcase_add_test(tcase, replaces_what_the_table_says_and_nothing_else);
    tcase_add_test(tcase, names_each_symbol_once);
    tcase_add_test(tcase, libc_has_the_originals);
    return runner_run("symbols", tcase, CK_FORK_GETENV);
}
