/* Messages that libc writes to stderr or to the system log: stderr may be full,
 * or another thread may have its lock */
#include "conformance.h"

#include <assert.h>
#include <err.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <fmtmsg.h>
#include <gnu/libc-version.h>
#include <malloc.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static int old_stderr, ends[2];

static void take_stderr(void)
{
    conf_assert_mapped();
    conf_pipe(ends);
    old_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
}

static void give_stderr_back(void)
{
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    conf_close_both(ends);
}

static void fill(void)
{
    char page[4096];

    memset(page, '.', sizeof page);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], page, sizeof page) > 0)
        continue;
    while (write(ends[1], page, 1) > 0)
        continue;
    fcntl(ends[1], F_SETFL, 0);
}

static void say_warn(void) { warn("%s", "message"); }
static void say_warnx(void) { warnx("%s", "message"); }
static void say_error(void) { error(0, 1, "%s", "message"); }
static void say_at(void) { error_at_line(0, 1, "f", 1, "%s", "message"); }
static void say_psignal(void) { psignal(SIGINT, "message"); }
static void say_herror(void) { herror("message"); }
static void say_perror(void) { perror("message"); }

static void say_fmtmsg(void)
{
    CONF_CHECK(fmtmsg(MM_PRINT, "a:b", MM_ERROR, "message", "act", "a:b:1") ==
               MM_OK);
}

static void (*const says[])(void) = { say_warn, say_warnx, say_error, say_at,
                                      say_psignal, say_herror, say_perror,
                                      say_fmtmsg };
#define SAYS (int)(sizeof says / sizeof *says)

static char text[1 << 20];

/* All there is, as soon as "message" is among it. */
static void take(void *unused)
{
    size_t got = 0;

    text[0] = '\0';
    while (strstr(text, "message") == NULL ||
           text[got - 1] != '\n') {
        ssize_t n = read(ends[0], text + got, sizeof text - 1 - got);

        CONF_CHECK(n > 0);
        got += (size_t)n;
        text[got] = '\0';
    }
    (void)unused;
}

START_TEST(a_full_stderr_stops_nobody_else)
{
    pthread_t reader;

    take_stderr();
    fill();
    reader = start_later(30, take, NULL);
    says[_i]();
    join_thread(reader);
    give_stderr_back();
}
END_TEST

START_TEST(malloc_stats_tells_on_stderr)
{
    take_stderr();
    malloc_stats();
    ck_assert_int_gt(read(ends[0], text, sizeof text), 0);
    give_stderr_back();
}
END_TEST

static void *hold_lock(void *unused)
{
    flockfile(stderr);
    sleep_ms(100);
    funlockfile(stderr);
    return unused;
}

/* Both may come while another thread has the lock: natively they wait. */
static void fail_an_assertion(int which)
{
    pthread_t holder;

    conf_child_begin();
    signal(SIGABRT, SIG_DFL);
    holder = start_thread(hold_lock, NULL);
    sleep_ms(20);
    if (which == 0)
        __assert_fail("is so", "file", 1, "function");
    else if (which == 1)
        __assert_perror_fail(EPERM, "file", 2, "function");
    else
        __assert("is so", "file", 3);
    join_thread(holder);
}

/* glibc 2.41 reads the function's name, which __assert() has none of. */
static bool assert_is_broken(void)
{
    return strverscmp(gnu_get_libc_version(), "2.41") >= 0;
}

START_TEST(an_assertion_aborts_whoever_has_the_lock)
{
    int status;
    pid_t child;

    if (_i == 2 && assert_is_broken()) {
        printf("skipped: __assert() of this libc crashes natively\n");
        return;
    }
    take_stderr();
    child = fork();
    if (child == 0)
        fail_an_assertion(_i);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_int_gt(read(ends[0], text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "file"));
    give_stderr_back();
}
END_TEST

void __vsyslog_chk(int priority, int flag, const char *format, va_list list);

static void log_both(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsyslog(LOG_DEBUG, format, list);
    va_end(list);
    va_start(list, format);
    __vsyslog_chk(LOG_DEBUG, 1, format, list);
    va_end(list);
}

/* There may be no server; LOG_PERROR shows the text all the same. */
START_TEST(the_system_log_tells_on_stderr)
{
    ssize_t n;

    take_stderr();
    openlog("ident", LOG_PERROR, LOG_USER);
    errno = ENOENT;
    log_both("number %d: %m", 9);
    n = read(ends[0], text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_str_eq(text, "ident: number 9: No such file or directory\n"
                           "ident: number 9: No such file or directory\n");
    ck_assert_int_eq(setlogmask(LOG_MASK(LOG_ERR)), 0xff);
    log_both("nothing");
    ck_assert_int_eq(setlogmask(0xff), LOG_MASK(LOG_ERR));
    closelog();
    give_stderr_back();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_full_stderr_stops_nobody_else, SAYS);
    conf_test(tcase, malloc_stats_tells_on_stderr, 1);
    conf_test(tcase, an_assertion_aborts_whoever_has_the_lock, 3);
    conf_test(tcase, the_system_log_tells_on_stderr, 1);
}

int main(void)
{
    return conf_main("messages", add, CONF_THREADS);
}
