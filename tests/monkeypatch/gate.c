/* The gate of preempt_gate.c by itself, on both architectures: a signal's handler puts
 * it wherever it finds the allocator, or takes it away again, and what these calls
 * give, their caller and an unwinder see nothing of it. */
#include "../conformance/conformance.h"
#include "monkeypatch/libc_table.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/monkeypatch_impl.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unwind.h>

enum { ENOUGH = 60, DEPTH = 32, SENTINEL = 12345, MOST_ROUNDS = 3000000 };

__thread struct mp__thread *mp__self;
static struct mp__thread self;
static unsigned placed, passed, removed, lost;
static bool remove_some;

void *mp__real_next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

bool mp__preempt_in_program(uintptr_t pc)
{
    return !mp__libc_has(pc) && !mp__gate_has(pc - 1) && !mp__gate_has(pc);
}

/* What is allocated meanwhile is another thread's: here it is the same. */
void mp__preempt_now(struct mp__thread *thread, uintptr_t sp)
{
    ck_assert_ptr_eq(thread, &self);
    ck_assert_uint_gt(sp, (uintptr_t)&sp);
    free(malloc(100));
    errno = 1;
    passed++;
}

static void *allocates(size_t size);

static void look_back(void)
{
    void *frames[DEPTH];
    int count = backtrace(frames, DEPTH), i = 0;

    while (i < count && _Unwind_FindEnclosingFunction(frames[i]) !=
                            (void *)(uintptr_t)allocates)
        i++;
    lost += i == count;
}

static void on_alarm(int number, siginfo_t *info, void *context)
{
    int before = errno;

    (void)number;
    (void)info;
    if (mp__gate_place(&self, context)) {
        placed++;
        if (remove_some && placed % 2 == 0) {
            mp__gate_remove(&self, context);
            look_back();
            removed++;
        }
    }
    errno = before;
}

/* Only from here is malloc() called while the alarm is on. */
static void *__attribute__((noinline)) allocates(size_t size)
{
    static volatile char sink;
    char *blocks[8], *more;
    unsigned i;

    for (i = 0; i < 8; i++) {
        blocks[i] = i % 2 == 0 ? malloc(size + i) : calloc(1, size + i);
        ck_assert_ptr_nonnull(blocks[i]);
        memset(blocks[i], (int)i, size + i);
    }
    for (i = 0; i < 8; i++) {
        more = realloc(blocks[i], size * 2 + i);
        ck_assert_ptr_nonnull(more);
        ck_assert_int_eq(more[0], (int)i);
        ck_assert_int_eq(more[size + i - 1], (int)i);
        sink = more[0];
        free(more);
    }
    (void)sink;
    return blocks[0];
}

static void alarms(suseconds_t every_us)
{
    const struct itimerval every = { { 0, every_us }, { 0, every_us } };
    struct sigaction action = { .sa_sigaction = on_alarm,
                                .sa_flags = SA_SIGINFO | SA_RESTART };

    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void allocate_until_enough(void)
{
    bool changed = false;
    void *frames[2];

    placed = passed = removed = lost = 0;
    memset(&self, 0, sizeof self);
    backtrace(frames, 2); /* what it loads it loads here */
    mp__libc_table_begin();
    mp__gate_begin();
    mp__self = &self;
    alarms(1000);
    for (unsigned i = 0; i < MOST_ROUNDS && placed < ENOUGH; i++) {
        errno = SENTINEL;
        allocates(1 + i % 3000);
        changed |= errno != SENTINEL;
    }
    alarms(0);
    ck_assert(!changed);
}

START_TEST(each_is_passed_once)
{
    allocate_until_enough();
    ck_assert_uint_ge(placed, ENOUGH);
    /* One that is found again is the same. */
    ck_assert_uint_gt(passed, ENOUGH / 2);
    ck_assert_uint_le(passed, placed);
    ck_assert_ptr_null(self.gate.place);
}
END_TEST

START_TEST(where_it_was_taken_away_the_stack_is_whole)
{
    remove_some = true;
    allocate_until_enough();
    ck_assert_uint_ge(removed, ENOUGH / 2);
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_gt(passed, 0);
}
END_TEST

static void add_tests(TCase *tcase)
{
    conf_test(tcase, each_is_passed_once, 1);
    conf_test(tcase, where_it_was_taken_away_the_stack_is_whole, 1);
}

int main(void)
{
    return conf_main("gate", add_tests, 0);
}
