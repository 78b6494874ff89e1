/* The access log: lines, files, rotation, disks that are full. */
#include "../unit.h"

#include "http/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vireo-log-XXXXXX";
static char path[64], text[65536];

static const char *contents(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[got] = '\0';
    return text;
}

#define TEXT(s)          \
    {                    \
        s, sizeof(s) - 1 \
    }
static const struct http__log_entry plain = {
    .client = "192.0.2.1",
    .verb = "GET",
    .target = "/a?b=c",
    .minor = 1,
    .referer = TEXT("http://a/"),
    .agent = TEXT("curl/7"),
    .status = 200,
    .bytes = 2326,
    .time = 971211336, /* 2000-10-10 20:55:36 UTC */
};

static const char *format(enum http_accesslog_format kind,
                          const struct http__log_entry *entry)
{
    static char line[HTTP__LOG_LINE + 1];
    size_t size = http__log_format(line, HTTP__LOG_LINE, kind, entry, "[now]");

    ck_assert_uint_le(size, HTTP__LOG_LINE);
    line[size] = '\0';
    return line;
}

START_TEST(lines_are_those_of_the_two_formats)
    {
        struct http__log_entry entry = plain;

        ck_assert_str_eq(
            format(HTTP_ACCESSLOG_COMMON, &entry),
            "192.0.2.1 - - [now] \"GET /a?b=c HTTP/1.1\" 200 2326\n");
        ck_assert_str_eq(format(HTTP_ACCESSLOG_COMBINED, &entry),
                         "192.0.2.1 - - [now] \"GET /a?b=c HTTP/1.1\" 200 2326 "
                         "\"http://a/\" \"curl/7\"\n");
        entry.referer.data = NULL;
        entry.bytes = 0;
        entry.user = (struct http__log_text)TEXT("fr ank");
        entry.verb = NULL;
        entry.line = (struct http__log_text)TEXT("garbage");
        ck_assert_str_eq(format(HTTP_ACCESSLOG_COMBINED, &entry),
                         "192.0.2.1 - fr\\x20ank [now] \"garbage\" 200 - "
                         "\"-\" \"curl/7\"\n");
    }
END_TEST

START_TEST(nothing_that_a_client_sends_ends_a_field)
    {
        struct http__log_entry entry = plain;

        entry.agent =
            (struct http__log_text)TEXT("a\"b\\c\r\n\x1b[0m\x7f\xff\0z");
        ck_assert_ptr_nonnull(
            strstr(format(HTTP_ACCESSLOG_COMBINED, &entry),
                   " \"a\\\"b\\\\c\\x0d\\x0a\\x1b[0m\\x7f\\xff\\x00z\"\n"));
    }
END_TEST

START_TEST(a_line_has_its_longest_whatever_is_in_it)
    {
        static char much[20000];
        struct http__log_entry entry = plain;
        const char *line;

        memset(much, '\xff', sizeof much - 1);
        entry.client = entry.target = entry.verb = much;
        entry.user = entry.referer = entry.agent =
            (struct http__log_text){much, sizeof much - 1};
        line = format(HTTP_ACCESSLOG_COMBINED, &entry);
        ck_assert_uint_gt(strlen(line), HTTP__LOG_LINE - 200);
        ck_assert_str_eq(line + strlen(line) - 2, "\"\n");
        ck_assert_ptr_nonnull(strstr(line, "\" 200 2326 \""));
    }
END_TEST

START_TEST(lines_are_written_after_a_while)
    {
        const struct http_accesslog_options options = {.flush_ns =
                                                           5 * HUB_MILLISECOND};
        struct http_accesslog *log;

        ck_assert_int_eq(http_accesslog_open(path, &options, &log), 0);
        http__log_write(log, &plain);
        ck_assert_str_eq(contents(path), "");
        for (int i = 0; i < 1000 && contents(path)[0] == '\0'; i++)
            hub_sleep(5 * HUB_MILLISECOND);
        ck_assert_ptr_nonnull(strstr(text, "/Oct/2000:"));
        ck_assert_ptr_nonnull(strstr(text, "] \"GET /a?b=c HTTP/1.1\" 200"));
        http_accesslog_close(log);
    }
END_TEST

START_TEST(what_is_left_is_written_at_the_end)
    {
        struct http_accesslog *log;
        size_t lines = 0;

        ck_assert_int_eq(http_accesslog_open(path, NULL, &log), 0);
        for (int i = 0; i < 100; i++)
            http__log_write(log, &plain);
        http_accesslog_close(log);
        for (const char *at = contents(path); (at = strchr(at, '\n')); at++)
            lines++;
        ck_assert_uint_eq(lines, 100);
        http_accesslog_close(NULL);
    }
END_TEST

START_TEST(a_full_buffer_is_written_at_once)
    {
        const struct http_accesslog_options options = {.buffer = 1000,
                                                       .flush_ns = HUB_FOREVER};
        struct http_accesslog *log;

        ck_assert_int_eq(http_accesslog_open(path, &options, &log), 0);
        for (int i = 0; i < 100; i++)
            http__log_write(log, &plain);
        for (int i = 0; i < 1000 && contents(path)[0] == '\0'; i++)
            hub_sleep(5 * HUB_MILLISECOND);
        ck_assert_str_ne(text, "");
        ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        ck_assert_uint_eq(http_accesslog_lost(log), 0);
        http_accesslog_close(log);
    }
END_TEST

START_TEST(a_log_that_is_rotated_goes_on_in_a_new_file)
    {
        struct http_accesslog *log;
        char old[80];

        snprintf(old, sizeof old, "%s.1", path);
        ck_assert_int_eq(http_accesslog_open(path, NULL, &log), 0);
        http__log_write(log, &plain);
        ck_assert_int_eq(rename(path, old), 0);
        http_accesslog_reopen(log);
        ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        ck_assert_str_ne(contents(old), "");
        ck_assert_str_eq(contents(path), "");
        http__log_write(log, &plain);
        ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        ck_assert_str_ne(contents(path), "");
        http_accesslog_close(log);
        unlink(old);
    }
END_TEST

/* Standard error to a file while it goes wrong. */
static int stderr_to_file(const char *name)
{
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return saved;
}

static void stderr_back(int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
}

START_TEST(a_full_disk_costs_lines_and_one_complaint)
    {
        struct http_accesslog *log;
        char said[80];
        int saved;

        snprintf(said, sizeof said, "%s.err", path);
        ck_assert_int_eq(http_accesslog_open("/dev/full", NULL, &log), 0);
        saved = stderr_to_file(said);
        for (int i = 0; i < 30; i++) {
            http__log_write(log, &plain);
            if (i % 10 == 9)
                ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        }
        ck_assert_uint_eq(http_accesslog_lost(log), 30);
        ck_assert_ptr_nonnull(
            strstr(contents(said), "No space left on device"));
        ck_assert_ptr_nonnull(strstr(text, "; 10 lines lost\n"));
        ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
        http_accesslog_close(log);
        stderr_back(saved);
        unlink(said);
    }
END_TEST

/* What was lost since the last complaint, and what the last write loses. */
START_TEST(the_end_tells_how_many_lines_were_lost)
    {
        struct http_accesslog *log;
        char said[80];
        int saved;

        snprintf(said, sizeof said, "%s.err", path);
        ck_assert_int_eq(http_accesslog_open("/dev/full", NULL, &log), 0);
        saved = stderr_to_file(said);
        for (int i = 0; i < 25; i++) {
            http__log_write(log, &plain);
            if (i % 10 == 9)
                ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        }
        http_accesslog_close(log);
        stderr_back(saved);
        ck_assert_ptr_nonnull(strstr(contents(said), "; 10 lines lost\n"));
        ck_assert_ptr_nonnull(strstr(text, "closed; 25 lines lost\n"));
        ck_assert_ptr_eq(strstr(text, "closed; 25 lines lost\n") + 22,
                         text + strlen(text));
        unlink(said);
    }
END_TEST

START_TEST(who_was_told_of_all_is_told_no_more_at_the_end)
    {
        struct http_accesslog *log;
        char said[80];
        int saved;

        snprintf(said, sizeof said, "%s.err", path);
        ck_assert_int_eq(http_accesslog_open("/dev/full", NULL, &log), 0);
        saved = stderr_to_file(said);
        http__log_write(log, &plain);
        http_accesslog_close(log);
        stderr_back(saved);
        ck_assert_ptr_nonnull(strstr(contents(said), "; 1 lines lost\n"));
        ck_assert_ptr_null(strstr(text, "closed"));
        unlink(said);
    }
END_TEST

/* A file at its limit takes part of a line; what comes later is not glued to
 * it. */
START_TEST(a_torn_line_stays_one_line)
    {
        const struct rlimit small = {250, RLIM_INFINITY};
        struct rlimit was;
        struct http_accesslog *log;
        int saved;

        getrlimit(RLIMIT_FSIZE, &was);
        ck_assert_int_eq(http_accesslog_open(path, NULL, &log), 0);
        saved = stderr_to_file("/dev/null");
        setrlimit(RLIMIT_FSIZE, &small);
        for (int i = 0; i < 5; i++)
            http__log_write(log, &plain);
        ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        setrlimit(RLIMIT_FSIZE, &was);
        stderr_back(saved);
        ck_assert_uint_eq(strlen(contents(path)), 250);
        ck_assert_uint_ge(http_accesslog_lost(log), 2);
        http__log_write(log, &plain);
        http_accesslog_close(log);
        ck_assert_int_eq(contents(path)[250], '\n');
        ck_assert_int_eq(strncmp(text + 251, "192.0.2.1 ", 10), 0);
    }
END_TEST

START_TEST(a_pipe_without_a_reader_loses_lines_alone)
    {
        struct http_accesslog *log;
        char name[64];
        int ends[2], saved;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", ends[1]);
        ck_assert_int_eq(http_accesslog_open(name, NULL, &log), 0);
        close(ends[0]);
        close(ends[1]);
        saved = stderr_to_file("/dev/null");
        http__log_write(log, &plain);
        ck_assert_int_eq(http_accesslog_flush(log, HUB_FOREVER), 0);
        stderr_back(saved);
        ck_assert_uint_eq(http_accesslog_lost(log), 1);
        http_accesslog_close(log);
    }
END_TEST

/* Nobody reads: what is written meanwhile has a limit, and nobody waits. */
START_TEST(beyond_its_limit_lines_are_lost)
    {
        const struct http_accesslog_options options = {.buffer = 1000,
                                                       .limit = 20000};
        struct http_accesslog *log;
        char name[64], drain[4096];
        int ends[2], saved;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", ends[1]);
        ck_assert_int_eq(http_accesslog_open(name, &options, &log), 0);
        close(ends[1]);
        saved = stderr_to_file("/dev/null");
        for (int i = 0; i < 2000; i++) {
            http__log_write(log, &plain);
            if (i % 10 == 0)
                hub_sleep(0);
        }
        ck_assert_uint_gt(http_accesslog_lost(log), 0);
        for (int i = 0; i < 200; i++) { /* then somebody does */
            while (read(ends[0], drain, sizeof drain) == sizeof drain)
                ;
            if (http_accesslog_flush(log, hub_deadline(HUB_MILLISECOND)) == 0)
                break;
        }
        http_accesslog_close(log);
        stderr_back(saved);
        close(ends[0]);
    }
END_TEST

START_TEST(a_path_that_cannot_be_opened_is_an_error)
    {
        struct http_accesslog *log;

        ck_assert_int_eq(http_accesslog_open("/no/such/folder/log", NULL, &log),
                         -ENOENT);
    }
END_TEST

static void empty(void)
{
    unlink(path);
}

int main(void)
{
    TCase *tcase = unit_case();
    int failed;

    hub_sleep(1);
    hub_offload((void (*)(void *))free, NULL); /* the pool has its files */
    if (mkdtemp(folder) == NULL)
        return EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/log", folder);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, empty, empty);
    tcase_add_test(tcase, lines_are_those_of_the_two_formats);
    tcase_add_test(tcase, nothing_that_a_client_sends_ends_a_field);
    tcase_add_test(tcase, a_line_has_its_longest_whatever_is_in_it);
    tcase_add_test(tcase, lines_are_written_after_a_while);
    tcase_add_test(tcase, what_is_left_is_written_at_the_end);
    tcase_add_test(tcase, a_full_buffer_is_written_at_once);
    tcase_add_test(tcase, a_log_that_is_rotated_goes_on_in_a_new_file);
    tcase_add_test(tcase, a_full_disk_costs_lines_and_one_complaint);
    tcase_add_test(tcase, a_torn_line_stays_one_line);
    tcase_add_test(tcase, a_pipe_without_a_reader_loses_lines_alone);
    tcase_add_test(tcase, the_end_tells_how_many_lines_were_lost);
    tcase_add_test(tcase, who_was_told_of_all_is_told_no_more_at_the_end);
    tcase_add_test(tcase, beyond_its_limit_lines_are_lost);
    tcase_add_test(tcase, a_path_that_cannot_be_opened_is_an_error);
    failed = unit_run("log", tcase);
    rmdir(folder);
    return failed;
}
