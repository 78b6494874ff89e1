/* __thread variables: of the program, and of libraries opened later */
#include "conf_threads.h"
#include "lib/tls.h"

#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>

static int target = 7;
static __thread long initialised = 99;
static __thread long zeroed;
static __thread int *pointer = &target;
static __thread char aligned[192] __attribute__((aligned(64))) = "cache line";

enum { THREADS = 20 };

static void check_fresh(void)
{
    CONF_CHECK(initialised == 99);
    CONF_CHECK(zeroed == 0);
    CONF_CHECK(pointer == &target);
    CONF_CHECK(strcmp(aligned, "cache line") == 0);
    CONF_CHECK((uintptr_t)aligned % 64 == 0);
}

/* The compiler may keep these addresses in registers, and does. */
static void *change_across_waits(void *argument)
{
    long number = (long)argument;

    check_fresh();
    for (int i = 0; i < 20; i++) {
        initialised = number + i;
        zeroed += number;
        aligned[i] = (char)number;
        if (i % 5 == 0)
            sleep_ms(1);
        else
            sched_yield();
        CONF_CHECK(initialised == number + i);
        CONF_CHECK(zeroed == number * (i + 1));
        CONF_CHECK(aligned[i] == (char)number);
    }
    return NULL;
}

START_TEST(each_thread_has_its_own)
{
    pthread_t threads[THREADS];

    check_fresh();
    for (long i = 0; i < THREADS; i++)
        threads[i] = start_thread(change_across_waits, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    check_fresh();
}
END_TEST

static void *check_it_is_fresh(void *argument)
{
    check_fresh();
    memset(aligned, 'x', sizeof aligned);
    initialised = zeroed = -1;
    pointer = NULL;
    return argument;
}

/* Blocks that dead threads leave are used again. */
START_TEST(a_new_thread_never_sees_what_a_dead_one_left)
{
    for (int i = 0; i < 200; i++)
        join_thread(start_thread(check_it_is_fresh, NULL));
}
END_TEST

static sem_t ready, go_on;

static void *lend(void *argument)
{
    zeroed = 5;
    *(long **)argument = &zeroed;
    CONF_CHECK(sem_post(&ready) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    CONF_CHECK(zeroed == 6);
    return NULL;
}

START_TEST(another_thread_may_follow_a_pointer_to_it)
{
    pthread_t thread;
    long *lent;

    ck_assert_int_eq(sem_init(&ready, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go_on, 0, 0), 0);
    thread = start_thread(lend, &lent);
    ck_assert_int_eq(sem_wait(&ready), 0);
    ck_assert_ptr_ne(lent, &zeroed);
    ck_assert_int_eq(*lent, 5);
    *lent = 6;
    ck_assert_int_eq(sem_post(&go_on), 0);
    join_thread(thread);
    ck_assert_int_eq(zeroed, 0);
}
END_TEST

/* Libraries. */

static const char *const models[] = {"initial-exec", "global-dynamic"};

static struct {
    void *handle;
    long *(*initialised)(void);
    long *(*zeroed)(void);
    char *(*aligned)(void);
} library;

static void open_library(const char *model)
{
    char path[PATH_MAX], program[PATH_MAX - 100];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

    CONF_CHECK(length > 0);
    program[length] = 0;
    *strrchr(program, '/') = 0;
    snprintf(path, sizeof path, "%s/conformance_tls_%s.so", program, model);
    library.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library.handle == NULL)
        fprintf(stderr, "%s\n", dlerror());
    CONF_CHECK(library.handle != NULL);
    *(void **)&library.initialised = dlsym(library.handle, "tls_initialised");
    *(void **)&library.zeroed = dlsym(library.handle, "tls_zeroed");
    *(void **)&library.aligned = dlsym(library.handle, "tls_aligned");
}

static void check_library(long number)
{
    CONF_CHECK(*library.initialised() == 1234);
    CONF_CHECK(*library.zeroed() == 0);
    CONF_CHECK(strcmp(library.aligned(), "aligned") == 0);
    CONF_CHECK((uintptr_t)library.aligned() % 64 == 0);
    *library.initialised() = number;
    *library.zeroed() = number;
    library.aligned()[0] = (char)number;
    for (int i = 0; i < 5; i++) {
        sched_yield();
        CONF_CHECK(*library.initialised() == number);
        CONF_CHECK(*library.zeroed() == number);
        CONF_CHECK(library.aligned()[0] == (char)number);
    }
}

static void *use_library(void *argument)
{
    check_library((long)argument);
    return NULL;
}

static void *wait_and_use(void *argument)
{
    zeroed = (long)argument;
    CONF_CHECK(sem_post(&ready) == 0);
    CONF_CHECK(sem_wait(&go_on) == 0);
    check_library((long)argument);
    CONF_CHECK(zeroed == (long)argument);
    return NULL;
}

static void *open_in_thread(void *model)
{
    open_library(model);
    check_library(-1);
    return NULL;
}

/* Threads from before the library was opened, from after it, and main. */
static void use_in_threads(const char *model, bool by_thread)
{
    pthread_t threads[THREADS];

    CONF_CHECK(sem_init(&ready, 0, 0) == 0);
    CONF_CHECK(sem_init(&go_on, 0, 0) == 0);
    for (long i = 0; i < THREADS; i++)
        threads[i] = start_thread(wait_and_use, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        CONF_CHECK(sem_wait(&ready) == 0);
    if (by_thread)
        join_thread(start_thread(open_in_thread, (void *)model));
    else
        open_library(model);
    join_thread(start_thread(use_library, (void *)100L));
    for (int i = 0; i < THREADS; i++)
        CONF_CHECK(sem_post(&go_on) == 0);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
    check_library(1000);
    CONF_CHECK(dlclose(library.handle) == 0);
}

static void open_initial_exec(void)
{
    use_in_threads(models[0], false);
}
static void open_global_dynamic(void)
{
    use_in_threads(models[1], false);
}
static void open_initial_exec_in_thread(void)
{
    use_in_threads(models[0], true);
}
static void open_global_dynamic_in_thread(void)
{
    use_in_threads(models[1], true);
}

/* In a child each: a library is opened for the first time only once. */
START_TEST(a_library_opened_late_reaches_all_threads)
{
    static void (*const bodies[])(void) = {
        open_initial_exec, open_global_dynamic, open_initial_exec_in_thread,
        open_global_dynamic_in_thread};

    ck_assert_int_eq(run_child(bodies[_i]), 0);
}
END_TEST

/* Opened, used, closed, opened: fresh values each time. */
static void open_again_and_again(void)
{
    for (int i = 0; i < 5; i++)
        for (int model = 0; model < 2; model++)
            use_in_threads(models[model], i % 2);
}

START_TEST(a_library_may_come_and_go)
{
    ck_assert_int_eq(run_child(open_again_and_again), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, each_thread_has_its_own, 1);
    conf_test(tcase, a_new_thread_never_sees_what_a_dead_one_left, 1);
    conf_test(tcase, another_thread_may_follow_a_pointer_to_it, 1);
    conf_test(tcase, a_library_opened_late_reaches_all_threads, 4);
    conf_test(tcase, a_library_may_come_and_go, 1);
}

int main(void)
{
    return conf_main("tls", add, CONF_THREADS);
}
