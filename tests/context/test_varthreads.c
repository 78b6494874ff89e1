/* Contexts of several threads (G-117, G-118), and over a fork (G-143). */
#include "../sanitized.h"
#include "vars.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a thread and its creator tell each other. */
static pthread_barrier_t barrier;
static struct greenlet *theirs[2]; /* main, suspended or running */

static void meet(void)
{
    pthread_barrier_wait(&barrier);
}

static void start(pthread_t *thread, void *(*function)(void *), void *data)
{
    ck_assert_int_eq(pthread_create(thread, NULL, function, data), 0);
}

static int waits_in_a_greenlet(void *value, void **out)
{
    (void)value;
    set(v, 30);
    theirs[1] = greenlet_current();
    meet();
    meet();
    ck_assert_int_eq(get(v), 30);
    *out = NULL;
    return 0;
}

static void *runs_a_greenlet(void *data)
{
    struct greenlet *g = greenlet_new(waits_in_a_greenlet, NULL, 0);

    (void)data;
    theirs[0] = greenlet_current();
    set(v, 40);
    greenlet_switch(g, NULL, NULL);
    ck_assert_int_eq(get(v), 50); /* set from outside meanwhile */
    meet();
    meet();
    greenlet_unref(g);
    return NULL;
}

START_TEST(g118_running_in_another_thread_is_refused)
    {
        struct greenlet_context *context = NULL, *fifty = context_with(v, 50);
        pthread_t thread;

        pthread_barrier_init(&barrier, NULL, 2);
        start(&thread, runs_a_greenlet, NULL);
        meet();
        ck_assert_int_eq(greenlet_get_context(theirs[1], &context), -EBUSY);
        ck_assert_ptr_null(context);
        ck_assert_ptr_eq(greenlet_caught_peek()->cls, &greenlet_value_class);
        ck_assert_int_eq(greenlet_set_context(theirs[1], fifty), -EBUSY);
        ck_assert_int_eq(greenlet_set_context(theirs[1], NULL), -EBUSY);
        /* its main is suspended */
        ck_assert_int_eq(greenlet_get_context(theirs[0], &context), 0);
        ck_assert_int_eq(get_from(context, v), 40);
        greenlet_context_unref(context);
        ck_assert_int_eq(greenlet_set_context(theirs[0], fifty), 0);
        meet();
        meet();
        /* now the main runs, and the other is dead */
        ck_assert_int_eq(greenlet_get_context(theirs[0], &context), -EBUSY);
        ck_assert_int_eq(greenlet_get_context(theirs[1], &context), 0);
        ck_assert_int_eq(get_from(context, v), 30);
        greenlet_context_unref(context);
        meet();
        pthread_join(thread, NULL);
        greenlet_context_unref(fifty);
        pthread_barrier_destroy(&barrier);
    }
END_TEST

enum { SHARED_VARS = 40, ROUNDS = 3000 };
static struct greenlet_var *many[SHARED_VARS];

static void use_all(unsigned seed)
{
    struct greenlet_token *token;
    struct greenlet_context *copy;
    void *unused;

    for (int i = 0; i < ROUNDS; i++) {
        struct greenlet_var *var = many[rand_r(&seed) % SHARED_VARS];
        int what = rand_r(&seed) % 8;

        greenlet_var_get(var, &unused);
        if (what < 5) {
            set(var, i);
        } else if (what == 5) {
            copy = greenlet_context_copy(NULL);
            get_from(copy, var); /* nobody else changes this one */
            greenlet_context_unref(copy);
        } else if (greenlet_var_set(var, make(i), &token) != 0 ||
                   greenlet_var_reset(var, token) != 0) {
            ck_abort();
        }
    }
}

static void *shares(void *context)
{
    static unsigned seed = 1;

    greenlet_set_context(greenlet_current(), context);
    use_all(__atomic_add_fetch(&seed, 1, __ATOMIC_RELAXED));
    greenlet_set_context(greenlet_current(), NULL);
    return NULL;
}

static void make_many(void)
{
    for (int i = 0; i < SHARED_VARS; i++)
        many[i] = greenlet_var_new("many", destroy);
}

static void drop_many(void)
{
    for (int i = 0; i < SHARED_VARS; i++)
        greenlet_var_unref(many[i]);
}

START_TEST(g117_threads_may_share_a_context)
    {
        struct greenlet_context *shared = greenlet_context_new();
        pthread_t threads[3];

        make_many();
        for (int i = 0; i < 3; i++)
            start(&threads[i], shares, shared);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        ck_assert_int_le((int)greenlet_context_size(shared), SHARED_VARS);
        ck_assert_int_eq(values, (long)greenlet_context_size(shared));
        greenlet_context_unref(shared);
        ck_assert_int_eq(values, 0);
        drop_many();
    }
END_TEST

static void *has_its_own(void *context)
{
    static int next;
    int own = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);

    greenlet_set_context(greenlet_current(), context);
    for (int i = 0; i < ROUNDS; i++) {
        set(many[own], i);
        if (get(many[own]) != i) /* nobody else sets this one */
            ck_abort_msg("a set was lost");
        if (i % 64 == 0)
            sched_yield();
    }
    greenlet_set_context(greenlet_current(), NULL);
    return NULL;
}

START_TEST(g117_no_set_of_a_shared_context_is_lost)
    {
        struct greenlet_context *shared = greenlet_context_new();
        pthread_t threads[3];

        make_many();
        for (int i = 0; i < 3; i++)
            start(&threads[i], has_its_own, shared);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        ck_assert_uint_eq(greenlet_context_size(shared), 3);
        greenlet_context_unref(shared);
        drop_many();
    }
END_TEST

static bool stop; /* atomic */

/* Suspended or running, as seen by others: now this, now that. */
static int comes_and_goes(void *value, void **out)
{
    unsigned seed = 5;
    int rc = 0;

    (void)value;
    *out = NULL;
    while (rc == 0) {
        set(many[rand_r(&seed) % SHARED_VARS], 1);
        greenlet_var_get(many[0], &value);
        rc = greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    }
    return rc;
}

static void *switches_all_the_time(void *data)
{
    (void)data;
    theirs[1] = greenlet_new(comes_and_goes, NULL, 0);
    meet();
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        if (greenlet_switch(theirs[1], NULL, NULL) != 0 || sched_yield() != 0)
            ck_abort();
    greenlet_unref(theirs[1]);
    return NULL;
}

START_TEST(g116_contexts_may_be_set_from_other_threads)
    {
        struct greenlet_context *mine = greenlet_context_new(), *got;
        int done = 0, rc;
        pthread_t thread;

        make_many();
        pthread_barrier_init(&barrier, NULL, 2);
        start(&thread, switches_all_the_time, NULL);
        meet();
        for (int i = 0; i < ROUNDS || done == 0; i++) {
            rc = i % 3 == 0   ? greenlet_set_context(theirs[1], NULL)
                 : i % 3 == 1 ? greenlet_set_context(theirs[1], mine)
                              : greenlet_get_context(theirs[1], &got);
            if (rc == 0 && i % 3 == 2)
                greenlet_context_unref(got);
            if (rc != 0 && rc != -EBUSY)
                ck_abort();
            done += rc == 0;
        }
        __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
        ck_assert_int_gt(done, 0);
        greenlet_context_unref(mine);
        drop_many();
        pthread_barrier_destroy(&barrier);
    }
END_TEST

static void *sets_all_the_time(void *context)
{
    unsigned seed = 3;

    greenlet_set_context(greenlet_current(), context);
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        use_all(seed++);
    greenlet_set_context(greenlet_current(), NULL);
    return NULL;
}

/* Every lock is asked for: one that another thread held would hang us.  So does
 * clang 14's AddressSanitizer itself, whose allocator knows nothing of fork(). */
static _Noreturn void child(struct greenlet_context *context)
{
    struct greenlet_context *others[64];
    int sum = 0;

    alarm(SANITIZED_ADDRESS ? 5 : 20);
    for (int i = 0; i < 64; i++)
        others[i] = greenlet_context_copy(context);
    for (int i = 0; i < 64; i++)
        sum += get_from(others[i], many[0]) != get_from(others[0], many[0]);
    for (int i = 0; i < 64; i++)
        greenlet_context_unref(others[i]);
    _exit(sum);
}

START_TEST(g143_a_fork_does_not_hang_the_child)
    {
        struct greenlet_context *shared = greenlet_context_new();
        int status, hung = 0;
        pthread_t thread;

        make_many();
        stop = false;
        start(&thread, sets_all_the_time, shared);
        for (int i = 0; i < 50; i++) {
            pid_t pid = fork();

            if (pid == 0)
                child(shared);
            ck_assert_int_gt(pid, 0);
            ck_assert_int_eq(waitpid(pid, &status, 0), pid);
            if (SANITIZED_ADDRESS && status == SIGALRM && ++hung < 10)
                continue;
            ck_assert_int_eq(status, 0);
        }
        __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
        greenlet_context_unref(shared);
        drop_many();
    }
END_TEST

/* Registered before the library's: called while it holds its locks. */
static bool watches; /* a fork of this test */

static void uses_variables(void)
{
    struct greenlet_context *copy;

    if (!watches)
        return;
    set(v, get(v) + 1);
    copy = greenlet_context_copy(NULL);
    if (get_from(copy, v) != get(v))
        ck_abort();
    greenlet_context_unref(copy);
}

__attribute__((constructor(101))) static void register_first(void)
{
    pthread_atfork(uses_variables, NULL, uses_variables);
}

START_TEST(g143_handlers_of_a_fork_may_use_variables)
    {
        struct greenlet_context *shared = greenlet_context_new();
        int status;
        pthread_t thread;
        pid_t pid;
        bool alone = SANITIZED_ADDRESS; /* see child() */

        make_many();
        stop = false;
        if (!alone)
            start(&thread, sets_all_the_time, shared);
        set(v, 0);
        for (int i = 1; i <= 20; i++) {
            watches = true;
            pid = fork();
            watches = false;
            if (pid == 0)
                _exit(get(v) == i + 1 ? 0 : 1);
            ck_assert_int_gt(pid, 0);
            ck_assert_int_eq(get(v), i);
            ck_assert_int_eq(waitpid(pid, &status, 0), pid);
            ck_assert_int_eq(status, 0);
        }
        __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
        if (!alone)
            pthread_join(thread, NULL);
        greenlet_context_unref(shared);
        drop_many();
    }
END_TEST

static void *sets_and_exits(void *data)
{
    (void)data;
    set(v, 1);
    return NULL;
}

START_TEST(a_thread_that_exits_leaves_no_context)
    {
        pthread_t thread;

        start(&thread, sets_and_exits, NULL);
        pthread_join(thread, NULL);
        greenlet_current(); /* G-142: drains */
        ck_assert_int_eq(values, 0);
    }
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, g118_running_in_another_thread_is_refused);
    tcase_add_test(tcase, g117_threads_may_share_a_context);
    tcase_add_test(tcase, g117_no_set_of_a_shared_context_is_lost);
    tcase_add_test(tcase, g116_contexts_may_be_set_from_other_threads);
    tcase_add_test(tcase, g143_a_fork_does_not_hang_the_child);
    tcase_add_test(tcase, g143_handlers_of_a_fork_may_use_variables);
    tcase_add_test(tcase, a_thread_that_exits_leaves_no_context);
    return vars_run("varthreads", tcase);
}
