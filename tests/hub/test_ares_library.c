/* What is said when c-ares cannot be used, and who answers instead. */
#include "../unit.h"
#include "hub/hub.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a process of its own, since the library is looked for once. */
static int without(const char *library, const char *choice,
                           const char *wanted, const char *why)
{
    char line[512] = "";
    int ends[2], status;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        setenv("VIREO_ARES_LIBRARY", library, 1);
        setenv("VIREO_RESOLVER", choice, 1);
        _exit(strcmp(hub_resolver_name(), wanted) == 0 &&
                      hub_resolver_set("ares") == -ELIBACC
                  ? 0
                  : 1);
    }
    close(ends[1]);
    ck_assert_int_ge(read(ends[0], line, sizeof line - 1), 0);
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_ptr_nonnull(strstr(line, "resolver ares is not there"));
    ck_assert_msg(strstr(line, why) != NULL, "%s", line);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    return status;
}

START_TEST(without_its_library_ares_says_so_in_one_line)
{
    static const char none[] = "/no/such/library.so";

    ck_assert_int_eq(without(none, "ares", "thread", "cannot open"), 0);
    ck_assert_int_eq(without(none, "ares,block", "block", none), 0);
    ck_assert_int_eq(without("libm.so.6", "ares", "thread",
                                     "(it lacks ares_library_init)"),
                     0);
    ck_assert_int_eq(without(ARES_THAT_FAILS, "ares", "thread",
                                     "(it cannot be initialised: nothing left)"),
                     0);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    hub_yield();
    tcase_add_test(tcase, without_its_library_ares_says_so_in_one_line);
    return unit_run("ares_library", tcase);
}
