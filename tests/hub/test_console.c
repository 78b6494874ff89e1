/* console.c, consolecmd.c: a socket that answers questions. */
#include "../unit.h"
#include "hub/hub.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/vireo-console-XXXXXX", path[64];
static struct hub_console *console;
static int fd;
static char answer[65536];

static int sleeps_long(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return hub_sleep(1000 * HUB_SECOND) == -ECANCELED ? 0 : 1;
}

static int connect_to(const char *where)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, where);
    ck_assert_int_eq(connect(made, (void *)&address, sizeof address), 0);
    return made;
}

/* Up to a prompt, or the end. */
static const char *read_answer(void)
{
    size_t filled = 0;
    ssize_t got;

    for (;;) {
        got = read(fd, answer + filled, sizeof answer - 1 - filled);
        if (got < 0)
            ck_assert_int_eq(hub_wait_fd(fd, HUB_READ,
                                         hub_deadline(20 * HUB_SECOND)), 0);
        if (got == 0)
            break;
        filled += got > 0 ? (size_t)got : 0;
        answer[filled] = '\0';
        if (filled >= 2 && strcmp(answer + filled - 2, "> ") == 0)
            break;
    }
    answer[filled] = '\0';
    return answer;
}

static const char *ask(const char *line)
{
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    return read_answer();
}

static void setup(void)
{
    hub_sleep(HUB_MILLISECOND);
    unit_setup();
    ck_assert_int_eq(hub_console_open(path, &console), 0);
    fd = connect_to(path);
    read_answer();
}

static bool served_still(void)
{
    struct greenlet_counts now;

    greenlet_count(&now);
    return now.greenlets > unit_before.greenlets;
}

/* A slow machine ends a little later who served. */
static void teardown(void)
{
    hub_fd_closed(fd);
    close(fd);
    hub_console_close(console);
    ck_assert_int_ne(access(path, F_OK), 0);
    for (int i = 0; i < 20000 && served_still(); i++)
        hub_sleep(HUB_MILLISECOND);
    unit_teardown();
}

START_TEST(the_socket_is_for_its_owner_alone)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFSOCK | 0600);
    ck_assert_str_eq(hub_console_path(console), path);
}
END_TEST

START_TEST(help_lists_the_commands)
{
    const char *text = ask("help\n");

    for (const char *const *word = (const char *const[]){
             "list", "bt N", "kill N", "watchers", "stats", "dump", "tree",
             "config", "help", "quit", NULL };
         *word != NULL; word++)
        ck_assert_msg(strstr(text, *word) != NULL, "%s", *word);
    ck_assert(strstr(ask("sing\n"), "no such command") != NULL);
    ck_assert_str_eq(ask("\n"), "> ");
}
END_TEST

/* "7 <greenlet 0x... "name"> ..." */
static int number_of(const char *name)
{
    const char *text = ask("list\n"), *at = strstr(text, name);

    ck_assert_msg(at != NULL, "no %s in:\n%s", name, text);
    while (at > text && at[-1] != '\n')
        at--;
    return atoi(at);
}

START_TEST(one_of_the_list_shows_its_frames_and_is_killed)
{
    struct greenlet *g = hub_spawn(sleeps_long, NULL);
    char line[40];
    int number;

    greenlet_set_name(g, "the victim");
    number = number_of("\"the victim\"> suspended, hub ");
    snprintf(line, sizeof line, "bt %d\n", number);
    ck_assert(strstr(ask(line), "waits for a time to come") != NULL);
    snprintf(line, sizeof line, "bt %p\n", (void *)g);
    ck_assert(strstr(ask(line), "\"the victim\"") != NULL);
    snprintf(line, sizeof line, "kill %d\n", number);
    ck_assert_str_eq(ask(line), "killed\n> ");
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_str_eq(ask(line), "it has ended\n> ");
    greenlet_unref(g);
    ck_assert_str_eq(ask(line), "no such greenlet\n> ");
    ck_assert_str_eq(ask("kill 99999\n"), "no such greenlet\n> ");
    ck_assert_str_eq(ask("kill all\n"), "no such greenlet\n> ");
    ck_assert_str_eq(ask("bt\n"), "no such greenlet\n> ");
    snprintf(line, sizeof line, "kill %d\n", number_of("the loop"));
    ck_assert_str_eq(ask(line), "the loop cannot be killed\n> ");
}
END_TEST

START_TEST(watchers_stats_and_dumps)
{
    ck_assert(strstr(ask("watchers\n"), "read, 1 waiting") != NULL);
    ck_assert(strstr(ask("stats\n"), "switches ") != NULL);
    ck_assert(strstr(ask("dump\n"), "end of the dump") != NULL);
    ck_assert(strstr(ask("tree\n"), "\"console client\"> running") != NULL);
}
END_TEST

START_TEST(options_are_shown_and_set)
{
    ck_assert_str_eq(ask("config threadpool_size\n"),
                     "threadpool_size = 10\n> ");
    ck_assert_str_eq(ask("config threadpool_size 8\n"),
                     "threadpool_size = 8\n> ");
    ck_assert(strstr(ask("config threadpool_size none\n"), "not set") != NULL);
    ck_assert(strstr(ask("config\n"), "max_blocking_time = 0.1\n") != NULL);
    ck_assert_str_eq(ask("config colour\n"), "no such option\n> ");
    ck_assert_int_eq(hub_config_reset("threadpool_size"), 0);
}
END_TEST

START_TEST(commands_may_come_together_and_in_pieces)
{
    const char *text;

    ck_assert_int_eq(write(fd, "he", 2), 2);
    hub_sleep(5 * HUB_MILLISECOND);
    ck_assert_int_eq(write(fd, "lp\nconfig fork\nconfig resolver\n", 32), 32);
    ck_assert(strstr(read_answer(), "list") != NULL);
    text = answer;
    while (strstr(text, "resolver = thread") == NULL)
        text = read_answer(); /* they may come in one piece, or in three */
}
END_TEST

START_TEST(quit_closes_the_connection)
{
    char byte;

    ck_assert_str_eq(ask("quit\n"), "");
    ck_assert_int_eq(read(fd, &byte, 1), 0);
}
END_TEST

START_TEST(a_line_without_end_is_not_kept)
{
    char line[600];
    char byte;

    memset(line, 'x', sizeof line);
    ck_assert_int_eq(write(fd, line, sizeof line), sizeof line);
    while (read(fd, &byte, 1) != 0) {
        if (errno == ECONNRESET)
            break;
        hub_wait_fd(fd, HUB_READ, hub_deadline(HUB_SECOND));
    }
}
END_TEST

START_TEST(several_are_served_and_closing_ends_them)
{
    int other = connect_to(path), first = fd;

    fd = other;
    read_answer();
    ck_assert(strstr(ask("list\n"), "console client") != NULL);
    fd = first;
    ck_assert(strstr(ask("list\n"), "console client") != NULL);
    hub_fd_closed(other);
    close(other);
}
END_TEST

START_TEST(what_is_there_is_not_replaced_unless_nobody_serves_it)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct hub_console *second;
    char name[80];
    int plain, stale;

    ck_assert_int_eq(hub_console_open(path, &second), -EADDRINUSE);
    ck_assert_ptr_null(second);
    snprintf(name, sizeof name, "%s/file", folder);
    plain = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(plain);
    ck_assert_int_eq(hub_console_open(name, &second), -EADDRINUSE);
    unlink(name);
    stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, name);
    ck_assert_int_eq(bind(stale, (void *)&address, sizeof address), 0);
    close(stale);
    ck_assert_int_eq(hub_console_open(name, &second), 0);
    hub_console_close(second);
    ck_assert_int_eq(hub_console_open("", &second), -EINVAL);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(answer, sizeof answer, "%s/%s%s", folder, name, name);
    ck_assert_int_eq(hub_console_open(answer, &second), -ENAMETOOLONG);
    ck_assert_int_eq(hub_console_open("/nowhere/at/all", &second), -ENOENT);
    hub_console_close(NULL);
}
END_TEST

/* One that is connected sees the end, though a child was made meanwhile. */
START_TEST(the_child_of_a_fork_leaves_it_alone)
{
    int ends[2], status, other;
    char byte = 'x';
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    ask("stats\n");
    pid = hub_fork();
    if (pid == 0) {
        close(ends[1]);
        hub_console_close(console);
        _exit(access(path, F_OK) == 0 && read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    other = connect_to(path);
    close(other);
    ck_assert_str_eq(ask("quit\n"), "");
    ck_assert_int_eq(read(fd, &byte, 1), 0);
    close(ends[0]);
    close(ends[1]);
    ck_assert_int_eq(hub_waitpid(pid, &status, 0, HUB_FOREVER), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(what_lies_there_instead_of_it_is_not_removed)
{
    struct hub_console *second;
    char name[80];
    int plain;

    snprintf(name, sizeof name, "%s/moved", folder);
    ck_assert_int_eq(hub_console_open(name, &second), 0);
    unlink(name);
    plain = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(plain);
    hub_console_close(second);
    ck_assert_int_eq(access(name, F_OK), 0);
    unlink(name);
}
END_TEST

START_TEST(the_path_may_have_the_process_in_it)
{
    struct hub_console *second;
    char name[80], expected[100];

    snprintf(name, sizeof name, "%s/%%p.socket", folder);
    snprintf(expected, sizeof expected, "%s/%d.socket", folder, (int)getpid());
    ck_assert_int_eq(hub_console_open(name, &second), 0);
    ck_assert_str_eq(hub_console_path(second), expected);
    hub_console_close(second);
}
END_TEST

START_TEST(it_does_not_keep_the_loop_from_ending)
{
    ck_assert_int_eq(hub_drain(HUB_FOREVER), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");
    int rc;

    hub_sleep(1);
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/socket", folder);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_socket_is_for_its_owner_alone);
    tcase_add_test(tcase, help_lists_the_commands);
    tcase_add_test(tcase, one_of_the_list_shows_its_frames_and_is_killed);
    tcase_add_test(tcase, watchers_stats_and_dumps);
    tcase_add_test(tcase, options_are_shown_and_set);
    tcase_add_test(tcase, commands_may_come_together_and_in_pieces);
    tcase_add_test(tcase, quit_closes_the_connection);
    tcase_add_test(tcase, a_line_without_end_is_not_kept);
    tcase_add_test(tcase, several_are_served_and_closing_ends_them);
    tcase_add_test(tcase, what_is_there_is_not_replaced_unless_nobody_serves_it);
    tcase_add_test(tcase, the_child_of_a_fork_leaves_it_alone);
    tcase_add_test(tcase, what_lies_there_instead_of_it_is_not_removed);
    tcase_add_test(tcase, the_path_may_have_the_process_in_it);
    tcase_add_test(tcase, it_does_not_keep_the_loop_from_ending);
    rc = unit_run("console", tcase);
    rmdir(folder);
    return rc;
}
