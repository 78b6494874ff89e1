/* stdio on streams that another thread reads or fills */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOME_ERRNO = 4242, DELAY_MS = 10, LARGE = 300 * 1024 };

static FILE *open_end(int fd, const char *mode)
{
    FILE *file = fdopen(fd, mode);

    ck_assert_ptr_nonnull(file);
    return file;
}

static void *take_large(void *fd)
{
    char *bytes = malloc(LARGE);

    CONF_CHECK(bytes != NULL);
    sleep_ms(DELAY_MS);
    conf_read_all(*(int *)fd, bytes, LARGE);
    CONF_CHECK(conf_filled(bytes, LARGE, 1));
    free(bytes);
    return NULL;
}

/* Each writes LARGE bytes of pattern 1. */
static bool by_fwrite(FILE *file, const char *bytes)
{
    return fwrite(bytes, 1, LARGE, file) == LARGE;
}

static bool by_fwrite_unlocked(FILE *file, const char *bytes)
{
    return fwrite_unlocked(bytes, 1, LARGE, file) == LARGE;
}

static bool by_putc(FILE *file, const char *bytes)
{
    for (size_t at = 0; at < LARGE; at++)
        if (fputc((unsigned char)bytes[at], file) == EOF)
            return false;
    return true;
}

static bool by_fprintf(FILE *file, const char *bytes)
{
    for (size_t at = 0; at < LARGE; at += 4)
        if (fprintf(file, "%c%c%c%c", bytes[at], bytes[at + 1], bytes[at + 2],
                    bytes[at + 3]) != 4)
            return false;
    return true;
}

static bool (*const writers[])(FILE *, const char *) = {
    by_fwrite, by_fwrite_unlocked, by_putc, by_fprintf,
};
enum { WRITERS = 4 };
static const int modes[] = { _IOFBF, _IONBF };

START_TEST(a_large_write_goes_on_while_another_thread_reads)
{
    int ends[2];
    char *bytes = malloc(LARGE);
    FILE *file;
    pthread_t reader;

    conf_stream(_i / WRITERS, ends);
    conf_fill(bytes, LARGE, 1);
    file = open_end(ends[1], "w");
    reader = start_thread(take_large, &ends[0]);
    ck_assert(writers[_i % WRITERS](file, bytes));
    ck_assert_int_eq(fflush(file), 0);
    join_thread(reader);
    free(bytes);
    ck_assert_int_eq(fclose(file), 0);
    close(ends[0]);
}
END_TEST

START_TEST(a_large_write_goes_on_in_any_buffering)
{
    int ends[2];
    char *bytes = malloc(LARGE);
    FILE *file;
    pthread_t reader;

    conf_pipe(ends);
    conf_fill(bytes, LARGE, 1);
    file = open_end(ends[1], "w");
    ck_assert_int_eq(setvbuf(file, NULL, modes[_i], 4096), 0);
    reader = start_thread(take_large, &ends[0]);
    ck_assert(by_fwrite(file, bytes));
    /* What is still in the buffer leaves with fclose(), which may wait. */
    ck_assert_int_eq(fclose(file), 0);
    join_thread(reader);
    free(bytes);
    close(ends[0]);
}
END_TEST

static void put_text(void *fd)
{
    conf_write_all(*(int *)fd, "one two\nthree 4 five\n", 21);
}

static void put_in_pieces(void *fd)
{
    for (const char *at = "one two\nthree 4 five\n"; *at != 0; at++) {
        conf_write_all(*(int *)fd, at, 1);
        if (at[0] == ' ' || at[0] == 'r')
            sleep_ms(2);
    }
}

static void read_by_fgets(FILE *file)
{
    char line[30];

    ck_assert_ptr_eq(fgets(line, sizeof line, file), line);
    ck_assert_str_eq(line, "one two\n");
    ck_assert_ptr_eq(fgets(line, sizeof line, file), line);
    ck_assert_str_eq(line, "three 4 five\n");
}

static void read_by_getline(FILE *file)
{
    char *line = NULL;
    size_t room = 0;

    ck_assert_int_eq(getline(&line, &room, file), 8);
    ck_assert_str_eq(line, "one two\n");
    ck_assert_int_eq(getdelim(&line, &room, '4', file), 7);
    ck_assert_str_eq(line, "three 4");
    ck_assert_int_eq(getline(&line, &room, file), 6);
    ck_assert_str_eq(line, " five\n");
    free(line);
}

static void read_by_fscanf(FILE *file)
{
    char one[10], two[10], three[10], five[10];
    int four = 0;

    ck_assert_int_eq(fscanf(file, "%9s %9s %9s %d %9s", one, two, three, &four,
                            five),
                     5);
    ck_assert_str_eq(two, "two");
    ck_assert_int_eq(four, 4);
    ck_assert_str_eq(five, "five");
    ck_assert_int_eq(getc(file), '\n');
}

static void read_by_fread(FILE *file)
{
    char bytes[22] = "";

    ck_assert_uint_eq(fread(bytes, 7, 3, file), 3);
    ck_assert_str_eq(bytes, "one two\nthree 4 five\n");
}

static void read_by_getc(FILE *file)
{
    char bytes[22] = "";

    for (int i = 0; i < 7; i++) {
        bytes[i * 3] = (char)getc(file);
        ck_assert_int_eq(ungetc('#', file), '#');
        ck_assert_int_eq(fgetc(file), '#');
        bytes[i * 3 + 1] = (char)fgetc(file);
        bytes[i * 3 + 2] = (char)getc_unlocked(file);
    }
    ck_assert_str_eq(bytes, "one two\nthree 4 five\n");
}

static void (*const readers[])(FILE *) = {
    read_by_fgets, read_by_getline, read_by_fscanf, read_by_fread,
    read_by_getc,
};
enum { READERS = 5 };

static void check_reader(int kind, void (*reader)(FILE *), int mode,
                         void (*put)(void *))
{
    int ends[2];
    FILE *file;
    pthread_t writer;

    conf_stream(kind, ends);
    file = open_end(ends[0], "r");
    setvbuf(file, NULL, mode, mode == _IONBF ? 0 : 512);
    writer = start_later(DELAY_MS, put, &ends[1]);
    reader(file);
    join_thread(writer);
    ck_assert(!ferror(file) && !feof(file));
    close(ends[1]);
    if (kind != CONF_PTY)
        ck_assert_int_eq(getc(file), EOF);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_reader_waits_for_another_thread)
{
    check_reader(_i / READERS, readers[_i % READERS], _IOFBF, put_text);
}
END_TEST

START_TEST(a_reader_takes_what_comes_in_pieces)
{
    check_reader(_i / READERS, readers[_i % READERS], _IOFBF, put_in_pieces);
}
END_TEST

START_TEST(an_unbuffered_reader_waits_too)
{
    check_reader(CONF_PIPE, readers[_i], _IONBF, put_in_pieces);
}
END_TEST

static volatile bool stop;

static void *count_up(void *count)
{
    while (!stop) {
        __atomic_fetch_add((int *)count, 1, __ATOMIC_RELAXED);
        sleep_ms(1);
    }
    return NULL;
}

struct counted {
    int counts[4];
    int fd;
};

/* The line comes only when each of the counters has run for a while. */
static void put_when_counted(void *argument)
{
    struct counted *counted = argument;

    for (int i = 0; i < 4; i++)
        while (__atomic_load_n(&counted->counts[i], __ATOMIC_RELAXED) < 5)
            sleep_ms(1);
    put_text(&counted->fd);
}

START_TEST(other_threads_run_while_one_waits_in_fgets)
{
    int ends[2];
    char line[30];
    struct counted counted = { { 0 }, 0 };
    FILE *file;
    pthread_t threads[4], writer;

    conf_stream(_i, ends);
    file = open_end(ends[0], "r");
    counted.fd = ends[1];
    stop = false;
    writer = start_later(DELAY_MS, put_when_counted, &counted);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(count_up, &counted.counts[i]);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    stop = true;
    join_thread(writer);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    fclose(file);
    close(ends[1]);
}
END_TEST

START_TEST(tells_errors_by_the_stream_and_errno)
{
    int ends[2];
    FILE *file;

    conf_pipe(ends);
    file = open_end(ends[0], "r");
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    errno = 0;
    ck_assert_int_eq(getc(file), EOF);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(ferror(file));
    clearerr(file);
    put_text(&ends[1]);
    ck_assert_int_eq(getc(file), 'o');
    fclose(file);

    file = open_end(ends[1], "w");
    ck_assert_int_eq(fputs("lost", file), 1);
    ck_assert_int_eq(fflush(file), EOF);
    ck_assert_int_eq(errno, EPIPE);
    fclose(file);
}
END_TEST

START_TEST(flushing_all_writes_every_stream)
{
    int ends[3][2];
    FILE *files[3];
    char bytes[8] = "";

    for (int i = 0; i < 3; i++) {
        conf_stream(i, ends[i]);
        files[i] = open_end(ends[i][1], "w");
        ck_assert_int_eq(fprintf(files[i], "<%d>", i), 3);
    }
    errno = SOME_ERRNO;
    ck_assert_int_eq(fflush(NULL), 0);
    ck_assert_int_eq(errno, SOME_ERRNO);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(read(ends[i][0], bytes, 7), 3);
        ck_assert_int_eq(bytes[1], '0' + i);
        fclose(files[i]);
        close(ends[i][0]);
    }
}
END_TEST

/* A stream of one socket, both ways, as a protocol's client uses it. */
START_TEST(a_stream_may_read_and_write)
{
    int ends[2];
    char line[30];
    FILE *file;
    pthread_t writer;

    conf_stream(_i == 0 ? CONF_UNIX : CONF_TCP, ends);
    file = open_end(ends[0], "r+");
    for (int round = 0; round < 3; round++) {
        ck_assert_int_gt(fprintf(file, "ask %d\n", round), 0);
        ck_assert_int_eq(fflush(file), 0);
        ck_assert_int_eq(read(ends[1], line, 29), 6);
        writer = start_later(DELAY_MS, put_text, &ends[1]);
        read_by_fgets(file);
        join_thread(writer);
    }
    fclose(file);
    close(ends[1]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_large_write_goes_on_while_another_thread_reads,
              CONF_STREAMS * WRITERS);
    conf_test(tcase, a_large_write_goes_on_in_any_buffering, 2);
    conf_test(tcase, a_reader_waits_for_another_thread,
              CONF_STREAMS * READERS);
    conf_test(tcase, a_reader_takes_what_comes_in_pieces,
              CONF_STREAMS * READERS);
    conf_test(tcase, an_unbuffered_reader_waits_too, READERS);
    conf_test(tcase, other_threads_run_while_one_waits_in_fgets,
              CONF_STREAMS);
    conf_test(tcase, tells_errors_by_the_stream_and_errno, 1);
    conf_test(tcase, flushing_all_writes_every_stream, 1);
    conf_test(tcase, a_stream_may_read_and_write, 2);
}

int main(void)
{
    return conf_main("stdio", add, CONF_THREADS);
}
