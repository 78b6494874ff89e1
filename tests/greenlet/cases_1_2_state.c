/* cases_1_2_state.c - what a switch keeps, and what it costs (G-036 ... G-040)
 */
#include "case.h"

enum { ROUNDS = 100 };

static struct greenlet_message *with_counted(int *positional, int *keyword)
{
    struct greenlet_message *message = greenlet_message_new();

    CHECK(message != NULL);
    CHECK_INT(greenlet_message_add(message, NULL, positional, count_destroy),
              0);
    CHECK_INT(greenlet_message_add(message, "key", keyword, count_destroy), 0);
    return message;
}

/* Whether anybody takes the message or not, its values end once. */
static int takes_every_other(void *value, void **result)
{
    (void)value;
    (void)result;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 == 0)
            greenlet_message_free(greenlet_received());
        YIELD(NULL);
    }
    return 0;
}

CASE(G_036, "arguments and keywords are neither leaked nor dropped")
{
    struct greenlet *g = make(takes_every_other);
    struct case_state before;
    int positional = 0, keyword = 0;

    case_state(&before);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_INT(greenlet_switch_message(
                      g, with_counted(&positional, &keyword), NULL),
                  0);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    CHECK_INT(positional, ROUNDS);
    CHECK_INT(keyword, ROUNDS);
    CHECK_SAME_STATE(&before);
    greenlet_unref(g);
}

static int fails(void *value, void **result)
{
    struct greenlet_exception exception = record(&some_error, value);

    (void)result;
    exception.destroy = count_destroy;
    return greenlet_raise(&exception);
}

CASE(G_036b, "1,000 failing children leave nothing behind")
{
    struct case_state before;
    int destroyed = 0;

    case_state(&before);
    for (int i = 0; i < 1000; i++) {
        struct greenlet *g = make(fails);

        CHECK_INT(greenlet_switch(g, &destroyed, NULL), -EPROTO);
        greenlet_unref(g);
    }
    CHECK_SAME_STATE(&before);
    CHECK_CAUGHT(some_error, &destroyed); /* the last, and clears it */
    CHECK_INT(destroyed, 1000);
}

static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long size, resident = 0;

    CHECK(file != NULL);
    CHECK_INT(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident;
}

static void create_run_die(int count)
{
    while (count-- > 0) {
        struct greenlet *g = make(returns_value);

        CHECK_PTR(SWITCH(g, V(37)), V(37));
        greenlet_unref(g);
    }
}

/* An emulator grows as it meets new code; a leak grows in every round, and of
 * 16 bytes each by 40 pages. */
CASE(G_037, "10,000 of create, run, die do not grow a warm process")
{
    struct greenlet_counts before, after;
    long least = 1000;

    create_run_die(100);
    greenlet_count(&before);
    for (int round = 0; round < 3 && least > 16; round++) {
        long grown = resident_pages();

        create_run_die(10000);
        grown = resident_pages() - grown;
        least = grown < least ? grown : least;
    }
    greenlet_count(&after);
    if (least > 16)
        FAIL("grew by %ld pages and more, three times", least);
    CHECK_INT(after.slots_used, before.slots_used);
    CHECK_INT(after.slots_free, before.slots_free);
}

/* Starts with no error pending, and makes one of its own. */
static int has_its_own_error(void *value, void **result)
{
    (void)value;
    (void)result;
    CHECK_NOTHING_CAUGHT();
    CHECK_INT(greenlet_set_parent(greenlet_current(), NULL), -EINVAL);
    YIELD(NULL);
    CHECK_CAUGHT(greenlet_type_class, NULL);
    return 0;
}

CASE(G_038, "what was caught last is each greenlet's own")
{
    struct greenlet *g = make(has_its_own_error), *empty = make(NULL);

    CHECK_INT(greenlet_switch(empty, NULL, NULL), -ENODATA);
    SWITCH(g, NULL);
    CHECK_STR(caught_name(), "attribute");
    SWITCH(g, NULL);
    CHECK_CAUGHT(greenlet_attribute_class, NULL);
    greenlet_unref(g);
    greenlet_unref(empty);
}

static int has_its_own_errno(void *value, void **result)
{
    (void)value;
    (void)result;
    errno = ERANGE;
    YIELD(NULL);
    CHECK_INT(errno, ERANGE);
    errno = EBADF;
    return 0;
}

CASE(G_038b, "errno is each greenlet's own, and left alone by failing calls")
{
    struct greenlet *g = make(has_its_own_errno), *empty = make(NULL);

    errno = EDOM;
    CHECK_INT(greenlet_switch(empty, NULL, NULL), -ENODATA);
    CHECK_INT(greenlet_set_parent(g, g), -ELOOP);
    CHECK_INT(greenlet_throw(empty, NULL, NULL), -ENODATA);
    CHECK_PTR(SWITCH(greenlet_current(), V(1)), V(1));
    CHECK_INT(errno, EDOM);
    SWITCH(g, NULL);
    CHECK_INT(errno, EDOM);
    SWITCH(g, NULL);
    CHECK_INT(errno, EDOM);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
    greenlet_unref(empty);
}

CASE(G_038c, "errno is left alone where one is made, the first too, or cannot be")
{
    struct greenlet *g;

    errno = EDOM;
    g = make(returns_value);
    CHECK_INT(errno, EDOM);
    CHECK_PTR(SWITCH(g, V(38)), V(38));
    CHECK_PTR(greenlet_new(never_run, NULL, (size_t)1 << 60), NULL);
    CHECK_INT(errno, EDOM);
    greenlet_unref(g);
    CHECK_INT(errno, EDOM);
    CHECK_CAUGHT(greenlet_memory_class, NULL);
}

/* A value that the compiler knows nothing about. */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x))

/* Has more live values across its switches than there are registers that a
 * call preserves, integers and floating-point ones. */
static void keeps_values(long seed, struct greenlet *to)
{
    long i[12], total = 0;
    double d[12], sum = 0;

    for (int k = 0; k < 12; k++) {
        i[k] = seed * 100 + k;
        OPAQUE(i[k]);
        d[k] = (double)i[k] / 2;
    }
    for (int round = 0; round < 3; round++) {
        SWITCH(to, NULL);
        for (int k = 0; k < 12; k++) {
            total += i[k];
            sum += d[k];
        }
    }
    CHECK_INT(total, 3 * (12 * seed * 100 + 66));
    CHECK(sum * 2 == (double)total);
}

static int keeps_its_values(void *value, void **result)
{
    (void)value;
    (void)result;
    keeps_values(1, greenlet_parent(greenlet_current()));
    return 0;
}

CASE(G_039, "registers that a call preserves are kept across a switch")
{
    struct greenlet *g = make(keeps_its_values);

    keeps_values(2, g);
    SWITCH(g, NULL);
    CHECK(greenlet_dead(g));
    greenlet_unref(g);
}

/* The rounding mode, of all units that have one. */
#if defined(__x86_64__)
enum { NEAREST, DOWN, UP, ZERO };

static void round_to(unsigned mode)
{
    unsigned mxcsr;
    uint16_t control;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
    mxcsr = (mxcsr & ~(3u << 13)) | mode << 13;
    control = (uint16_t)((control & ~(3u << 10)) | mode << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(control));
}

static void rounds_to(unsigned mode)
{
    unsigned mxcsr;
    uint16_t control;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
    CHECK_INT(mxcsr >> 13 & 3, mode);
    CHECK_INT(control >> 10 & 3, mode);
}
#elif defined(__aarch64__)
enum { NEAREST, UP, DOWN, ZERO };

static void round_to(unsigned mode)
{
    uint64_t control;

    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    control = (control & ~(3ull << 22)) | (uint64_t)mode << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
}

static void rounds_to(unsigned mode)
{
    uint64_t control;

    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    CHECK_INT(control >> 22 & 3, mode);
}
#endif

static int rounds_down(void *value, void **result)
{
    (void)value;
    (void)result;
    round_to(DOWN);
    YIELD(NULL);
    rounds_to(DOWN);
    round_to(ZERO);
    return 0;
}

CASE(G_039b, "floating-point control is each greenlet's own")
{
    struct greenlet *g = make(rounds_down);

    round_to(UP);
    SWITCH(g, NULL);
    rounds_to(UP);
    SWITCH(g, NULL);
    rounds_to(UP);
    CHECK(greenlet_dead(g));
    round_to(NEAREST);
    greenlet_unref(g);
}

static int factorial(int n);

/* A frame of libc between two of ours. */
static int level;
static intptr_t product;

static int called_by_bsearch(const void *one, const void *other)
{
    (void)one;
    (void)other;
    product = factorial(level - 1);
    return 0;
}

static int factorial(int n)
{
    char one = 0;

    if (n == 0)
        return (int)(intptr_t)YIELD(V(40));
    level = n;
    bsearch(&one, &one, 1, 1, called_by_bsearch);
    product *= n;
    return (int)product;
}

static int recurses(void *value, void **result)
{
    *result = V(factorial((int)(intptr_t)value));
    return 0;
}

CASE(G_040, "a switch from the bottom of a deep native recursion")
{
    struct greenlet *g = make(recurses), *h = make(recurses);

    CHECK_PTR(SWITCH(g, V(5)), V(40));
    CHECK_PTR(SWITCH(h, V(3)), V(40));
    CHECK_PTR(SWITCH(g, V(10)), V(1200)); /* 5! times 10 */
    CHECK_PTR(SWITCH(h, V(1)), V(6));
    greenlet_unref(g);
    greenlet_unref(h);
}
