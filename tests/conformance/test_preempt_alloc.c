/* Threads that allocate all the time beside one that sleeps: nearly whenever they lose
 * their turn they are in malloc(), free() and their kin.  What these return, errno and
 * the caller's registers are as they were; and a handler that comes in between finds
 * its way through the stack to the thread's own function. */
#include "conf_threads.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unwind.h>

enum { HOGS = 3, KEPT = 64, SLEEPS = 300, SENTINEL = 12345, DEPTH = 32 };

static volatile int stop;
static unsigned long rounds[HOGS];

static uint64_t mixed(uint64_t value)
{
    return (value ^ (value >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
}

struct kept {
    unsigned char *bytes;
    size_t size;
};

static void fill(struct kept *kept, unsigned char byte)
{
    CONF_CHECK(kept->bytes != NULL);
    memset(kept->bytes, byte, kept->size);
}

static void check(const struct kept *kept, unsigned char byte)
{
    for (size_t i = 0; i < kept->size; i++)
        CONF_CHECK(kept->bytes[i] == byte);
}

/* One of each; a place has always its own byte. */
static void allocate(struct kept *kept, unsigned char byte, unsigned which)
{
    void *block = NULL;

    switch (which) {
    case 0:
        kept->bytes = malloc(kept->size);
        break;
    case 1:
        kept->bytes = calloc(1, kept->size);
        for (size_t i = 0; i < kept->size; i++)
            CONF_CHECK(kept->bytes[i] == 0);
        break;
    case 2:
        CONF_CHECK(posix_memalign(&block, 64, kept->size) == 0);
        CONF_CHECK((uintptr_t)block % 64 == 0);
        kept->bytes = block;
        break;
    default:
        kept->bytes = malloc(kept->size / 2 + 1);
        memset(kept->bytes, byte, kept->size / 2 + 1);
        kept->bytes = realloc(kept->bytes, kept->size);
        CONF_CHECK(kept->bytes[kept->size / 2] == byte);
    }
    fill(kept, byte);
}

/* In registers across the calls, if the compiler has enough. */
struct across {
    double sum;
    uint64_t a, b, c, d;
};

static void __attribute__((noinline)) one_round(struct kept kept[KEPT],
                                                uint64_t *value)
{
    struct across before = { (double)(*value >> 40), *value, *value + 1,
                             *value * 3, *value ^ 5 };
    struct across now = before;

    for (int i = 0; i < KEPT; i++) {
        *value = mixed(*value);
        check(&kept[i], (unsigned char)i);
        free(kept[i].bytes);
        kept[i].size = 1 + (*value >> 33) % ((*value & 0xf00) != 0 ? 200 : 9000);
        allocate(&kept[i], (unsigned char)i, (unsigned)(*value >> 20) % 4);
        now.sum += 1;
        now.a++, now.b += 2, now.c += 3, now.d += 4;
    }
    CONF_CHECK(now.sum - before.sum == KEPT);
    CONF_CHECK(now.a - before.a == KEPT);
    CONF_CHECK(now.b - before.b == 2 * KEPT);
    CONF_CHECK(now.c - before.c == 3 * KEPT);
    CONF_CHECK(now.d - before.d == 4 * KEPT);
}

static void *hog(void *argument)
{
    struct kept kept[KEPT] = { 0 };
    uint64_t value = (uintptr_t)argument + 1;

    while (!stop) {
        errno = SENTINEL;
        one_round(kept, &value);
        CONF_CHECK(errno == SENTINEL);
        rounds[(long)argument]++;
    }
    for (int i = 0; i < KEPT; i++)
        free(kept[i].bytes);
    return NULL;
}

static void beside_hogs(void *(*function)(void *))
{
    pthread_t hogs[HOGS];

    stop = 0;
    memset(rounds, 0, sizeof rounds);
    for (long i = 0; i < HOGS; i++)
        hogs[i] = start_thread(function, (void *)i);
    for (int i = 0; i < SLEEPS; i++)
        sleep_ms(1);
    stop = 1;
    for (int i = 0; i < HOGS; i++) {
        join_thread(hogs[i]);
        ck_assert_uint_gt(rounds[i], 0);
    }
}

START_TEST(what_it_returns_is_right)
{
    beside_hogs(hog);
}
END_TEST

/* ---- and signals ---- */

static __thread bool inside;
static volatile unsigned seen, lost;

static void *small_blocks(void *argument);

static void look_back(int number)
{
    void *frames[DEPTH];
    int count, i = 0, before = errno;

    (void)number;
    if (!inside)
        return;
    count = backtrace(frames, DEPTH);
    while (i < count && _Unwind_FindEnclosingFunction(frames[i]) !=
                            (void *)(uintptr_t)small_blocks)
        i++;
    __atomic_add_fetch(i < count ? &seen : &lost, 1, __ATOMIC_RELAXED);
    errno = before;
}

static void alarm_comes_here(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CONF_CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

/* Not by way of the linker's stubs, of which on aarch64 no table tells: who is
 * interrupted there is at the end of what can be seen of the stack, natively too. */
static void *(*volatile const get)(size_t) = malloc;
static void (*volatile const give_back)(void *) = free;

static void *__attribute__((noinline)) small_blocks(void *argument)
{
    inside = true;
    alarm_comes_here(SIG_UNBLOCK);
    while (!stop) {
        for (int i = 0; i < 100; i++) {
            char *volatile block = get((size_t)(i * 40 + 1));

            *block = 1;
            give_back(block);
        }
        rounds[(long)argument]++;
    }
    alarm_comes_here(SIG_BLOCK);
    return NULL;
}

START_TEST(a_handler_sees_the_whole_stack)
{
    struct itimerval every = { { 0, 700 }, { 0, 700 } }, none = { 0 };
    struct sigaction action = { .sa_handler = look_back, .sa_flags = SA_RESTART };
    void *frames[2];

    backtrace(frames, 2); /* what it loads it loads here */
    alarm_comes_here(SIG_BLOCK);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
    beside_hogs(small_blocks);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &none, NULL), 0);
    action.sa_handler = SIG_IGN; /* and what has come and waits is gone */
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    alarm_comes_here(SIG_UNBLOCK);
    ck_assert_uint_gt(seen, 0);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

static void add_tests(TCase *tcase)
{
    conf_test(tcase, what_it_returns_is_right, 1);
    conf_test(tcase, a_handler_sees_the_whole_stack, 1);
}

int main(void)
{
    return conf_main("preempt_alloc", add_tests, CONF_THREADS);
}
