/* The lock of a FILE: whole lines from many threads, flockfile(3) */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DELAY_MS = 20, PRINTERS = 4, LINES = 300, WIDTH = 60 };

static int say(FILE *file, const char *format, ...)
{
    va_list list;
    int length;

    va_start(list, format);
    length = vfprintf(file, format, list);
    va_end(list);
    return length;
}

static void print_line(FILE *file, int way, const char *text)
{
    if (way == 0)
        CONF_CHECK(fprintf(file, "%s|%s\n", text, text) == 2 * WIDTH + 2);
    else if (way == 1)
        CONF_CHECK(say(file, "%s|%s\n", text, text) == 2 * WIDTH + 2);
    else {
        /* Several calls make one line only under the lock. */
        flockfile(file);
        CONF_CHECK(fputs(text, file) >= 0);
        CONF_CHECK(putc('|', file) == '|');
        CONF_CHECK(fwrite(text, WIDTH, 1, file) == 1);
        CONF_CHECK(putc_unlocked('\n', file) == '\n');
        funlockfile(file);
    }
}

struct printer {
    FILE *file;
    int way;
    char letter;
};

static void *print_lines(void *argument)
{
    struct printer *printer = argument;
    char text[WIDTH + 1] = "";

    memset(text, printer->letter, WIDTH);
    for (int i = 0; i < LINES; i++)
        print_line(printer->file, printer->way, text);
    return NULL;
}

static void check_line(FILE *file, int counts[PRINTERS])
{
    char line[2 * WIDTH + 4];

    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_uint_eq(strlen(line), 2 * WIDTH + 2);
    ck_assert_uint_eq(strspn(line, (char[]){ line[0], 0 }), WIDTH);
    ck_assert_int_eq(line[WIDTH], '|');
    ck_assert_uint_eq(strspn(line + WIDTH + 1, (char[]){ line[0], 0 }), WIDTH);
    counts[line[0] - 'a']++;
}

START_TEST(lines_of_several_threads_stay_whole)
{
    int ends[2], counts[PRINTERS] = { 0 };
    struct printer printers[PRINTERS];
    pthread_t threads[PRINTERS];
    FILE *in, *out;

    conf_stream(_i / 3, ends);
    in = fdopen(ends[0], "r");
    out = fdopen(ends[1], "w");
    for (int i = 0; i < PRINTERS; i++) {
        printers[i] = (struct printer){ out, _i % 3, (char)('a' + i) };
        threads[i] = start_thread(print_lines, &printers[i]);
    }
    /* The printers fill the pipe, and wait with the lock held. */
    for (int i = 0; i < PRINTERS * LINES - 100; i++)
        check_line(in, counts);
    for (int i = 0; i < PRINTERS; i++)
        join_thread(threads[i]);
    ck_assert_int_eq(fclose(out), 0);
    for (int i = 0; i < 100; i++)
        check_line(in, counts);
    ck_assert_int_eq(getc(in), EOF);
    for (int i = 0; i < PRINTERS; i++)
        ck_assert_int_eq(counts[i], LINES);
    fclose(in);
}
END_TEST

struct holding {
    FILE *file;
    int times;
    volatile bool held, seen;
};

static void *hold(void *argument)
{
    struct holding *holding = argument;

    for (int i = 0; i < holding->times; i++)
        flockfile(holding->file);
    holding->held = true;
    fputs("held ", holding->file);
    while (!holding->seen)
        sleep_ms(1);
    sleep_ms(2 * DELAY_MS);
    fputs("long ", holding->file);
    holding->held = false;
    for (int i = 0; i < holding->times; i++)
        funlockfile(holding->file);
    return NULL;
}

/* The time that it is held begins when the other one knows. */
static void wait_held(struct holding *holding)
{
    while (!holding->held)
        sleep_ms(1);
    holding->seen = true;
}

static void print_waiting(FILE *file, int way)
{
    if (way == 0)
        ck_assert_int_eq(fprintf(file, "then"), 4);
    else if (way == 1)
        ck_assert_int_ge(fputs("then", file), 0);
    else if (way == 2)
        ck_assert_uint_eq(fwrite("then", 4, 1, file), 1);
    else if (way == 3)
        for (const char *at = "then"; *at != 0; at++)
            ck_assert_int_eq(putc(*at, file), *at);
    else {
        flockfile(file);
        fputs("then", file);
        funlockfile(file);
    }
}

/* One thread holds the lock across a sleep while another one prints. */
START_TEST(printing_waits_for_the_holder_who_sleeps)
{
    int ends[2];
    char text[30] = "";
    struct holding holding = { .times = 1 + _i % 2 };
    pthread_t holder;

    conf_pipe(ends);
    holding.file = fdopen(ends[1], "w");
    holder = start_thread(hold, &holding);
    wait_held(&holding);
    print_waiting(holding.file, _i);
    ck_assert(!holding.held);
    join_thread(holder);
    ck_assert_int_eq(fflush(holding.file), 0);
    ck_assert_int_eq(read(ends[0], text, 29), 14);
    ck_assert_str_eq(text, "held long then");
    fclose(holding.file);
    close(ends[0]);
}
END_TEST

START_TEST(trying_tells_who_holds)
{
    int ends[2];
    struct holding holding = { .times = 2 };
    pthread_t holder;

    conf_pipe(ends);
    holding.file = fdopen(ends[1], "w");
    ck_assert_int_eq(ftrylockfile(holding.file), 0);
    ck_assert_int_eq(ftrylockfile(holding.file), 0); /* recursive */
    funlockfile(holding.file);
    funlockfile(holding.file);
    holder = start_thread(hold, &holding);
    wait_held(&holding);
    ck_assert_int_ne(ftrylockfile(holding.file), 0);
    join_thread(holder);
    ck_assert_int_eq(ftrylockfile(holding.file), 0);
    funlockfile(holding.file);
    fclose(holding.file);
    close(ends[0]);
}
END_TEST

static void *flush_all(void *argument)
{
    CONF_CHECK(fflush(NULL) == 0);
    return argument;
}

START_TEST(flushing_all_waits_for_the_holder)
{
    int ends[2];
    struct holding holding = { .times = 1 };
    char text[30] = "";
    pthread_t holder, flusher;

    conf_pipe(ends);
    holding.file = fdopen(ends[1], "w");
    holder = start_thread(hold, &holding);
    wait_held(&holding);
    flusher = start_thread(flush_all, NULL);
    join_thread(flusher);
    join_thread(holder);
    ck_assert_int_eq(read(ends[0], text, 29), 10);
    fclose(holding.file);
    close(ends[0]);
}
END_TEST

static void *print_to_stdout(void *argument)
{
    for (int i = 0; i < 2000; i++)
        CONF_CHECK(printf("%4d %40s\n", i, "from a thread") == 46);
    CONF_CHECK(fflush(stdout) == 0);
    return argument;
}

/* stdout becomes a pipe that this thread reads: 180 KB go through. */
START_TEST(stdout_may_be_a_pipe_to_another_thread)
{
    int ends[2], saved;
    char line[100];
    FILE *in;
    pthread_t printers[2];

    fflush(stdout);
    conf_pipe(ends);
    saved = dup(1);
    ck_assert_int_eq(dup2(ends[1], 1), 1);
    close(ends[1]);
    in = fdopen(ends[0], "r");
    for (int i = 0; i < 2; i++)
        printers[i] = start_thread(print_to_stdout, NULL);
    for (int i = 0; i < 4000; i++) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, in));
        ck_assert_uint_eq(strlen(line), 46);
        ck_assert_str_eq(line + 32, "from a thread\n");
    }
    for (int i = 0; i < 2; i++)
        join_thread(printers[i]);
    ck_assert_int_eq(dup2(saved, 1), 1);
    close(saved);
    ck_assert_int_eq(getc(in), EOF);
    fclose(in);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, lines_of_several_threads_stay_whole, 3 * CONF_PTY);
    conf_test(tcase, printing_waits_for_the_holder_who_sleeps, 5);
    conf_test(tcase, trying_tells_who_holds, 1);
    conf_test(tcase, flushing_all_waits_for_the_holder, 1);
    conf_test(tcase, stdout_may_be_a_pipe_to_another_thread, 1);
}

int main(void)
{
    return conf_main("stdio_lock", add, CONF_THREADS);
}
