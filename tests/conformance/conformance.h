/* conformance.h - what the conformance programs share
 *
 * A conformance program is built once and run twice: as it is, and with the
 * runtime preloaded.  The native run is the oracle, so nothing in a program
 * may know which run it is in.  The one exception is conf_assert_mapped(),
 * which sees to it that the preloaded run did not quietly run native.
 *
 * Check reports a failure by longjmp() on the stack of the main thread.  Only
 * the main thread may therefore use ck_assert*(); other threads and forked
 * children use CONF_CHECK(), which prints and aborts.
 *
 * Programs run with CK_FORK=no: every test cleans up after itself, and
 * conf_main()'s fixture fails the test that left an fd or mappings behind. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Flags of conf_main(). */
#define CONF_THREADS 1 /* the program makes threads: conf_assert_mapped() */

#define CONF_MS 1000000LL
#define CONF_S 1000000000LL

/* An assertion that any thread or child may make. */
#define CONF_CHECK(condition)                                       \
    ((condition) ? (void)0                                          \
                 : conf_check_failed(#condition, __FILE__, __LINE__))

void conf_check_failed(const char *what, const char *file, int line)
    __attribute__((noreturn));

/* Run the suite `name` whose tests `add` adds by conf_test(); the value is
 * main()'s.
 *
 * The program is killed when it takes more than a minute (CONF_LIMIT_S=n:
 * n seconds).  CONF_TRACE=1 prints each test's name when it starts, CONF_ONLY=x
 * runs only the tests whose names contain x, CONF_CASE=x the one of that name.
 * CONF_ASK=cases prints names and iterations of the tests and runs none;
 * CONF_ASK=machine makes a thread and says what libc it is of. */
int conf_main(const char *name, void (*add)(TCase *), int flags);

/* Add a test; with `times` > 1 it runs with _i from 0 to times - 1. */
void conf_test(TCase *tcase, const TTest *test, int times);

/* Say that something could not be tried here, and why. */
void conf_skip(const char *reason);

/* CLOCK_MONOTONIC, in nanoseconds. */
int64_t now_ns(void);

/* Sleep at least `ms` milliseconds, whatever signals arrive. */
void sleep_ms(int ms);

/* pthread_create() and pthread_join() that cannot fail. */
pthread_t start_thread(void *(*function)(void *), void *argument);
void *join_thread(pthread_t thread);

/* Start a thread that sleeps `ms` milliseconds and then calls
 * function(argument).  To be joined. */
pthread_t start_later(int ms, void (*function)(void *), void *argument);

/* A pipe, or a connected pair of stream sockets (AF_UNIX, or AF_INET over
 * loopback); fails the test when there is none.  Main thread only. */
void conf_pipe(int ends[2]);
void conf_unix_pair(int ends[2]);
void conf_tcp_pair(int ends[2]);

/* The kinds of byte streams; CONF_STREAMS of them.  ends[0] reads what was
 * written to ends[1].  A pty is in raw mode, and its slave is the reader. */
enum conf_stream {
    CONF_PIPE,
    CONF_FIFO,
    CONF_UNIX,
    CONF_TCP,
    CONF_PTY,
    CONF_STREAMS
};
void conf_stream(enum conf_stream kind, int ends[2]);
void conf_close_both(int ends[2]);

/* A directory of the program's own under $TMPDIR, its name in `path`. */
enum { CONF_PATH = 200 };
void conf_make_dir(char path[CONF_PATH]);

/* A page that may be neither read nor written; never unmapped. */
void *conf_bad_address(void);

/* A TCP socket that listens on a loopback port of the kernel's choice. */
struct sockaddr_in;
int conf_listen(struct sockaddr_in *address, int backlog);

/* Does [address, address + length) hold the bytes of conf_fill(.., seed)?
 * The pattern has no short period, so a lost or doubled block shows. */
void conf_fill(void *address, size_t length, unsigned seed);
bool conf_filled(const void *address, size_t length, unsigned seed);

/* Write or read exactly `length` bytes, or abort. */
void conf_write_all(int fd, const void *bytes, size_t length);
void conf_read_all(int fd, void *bytes, size_t length);

/* What a forked child does first: it must not outlive a hung test. */
void conf_child_begin(void);

/* Wait for the child; its exit status, or 128 + the signal that ended it. */
int conf_child_status(pid_t child);

/* Is this program run by qemu's user mode?  Some things of the kernel are not
 * the kernel's there; the library under test is no less so. */
bool conf_emulated(void);

/* Entries of /proc/self/task; lines of /proc/self/maps; open fds below the
 * top 64 of the soft limit (where a runtime may keep its own). */
int conf_count_tasks(void);
int conf_count_maps(void);
int conf_count_fds(void);

/* The test has up to `alive` threads at once: from here on so many stacks may
 * stay mapped for later ones, each with a guard that is a mapping of its own. */
void conf_expect_threads(int alive);

/* Called around each test by conf_main()'s fixture: the fds after are the fds
 * before, number for number, and the program's mappings have not grown by more
 * than the caches of an allocator and a thread library explain. */
void leak_check_begin(void);
void leak_check_end(void);

/* Make 20 threads.  All must run; and if VIREO_REQUIRE is set they must be
 * on at most 4 kernel threads, else the program ends with status 99. */
void conf_assert_mapped(void);

#endif
