/* cases_1_9_exit.c - threads: their end, and fork (G-128, G-129, G-141 ...
 * G-143) */
#include "case.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <time.h>

static void *keeps_its_main(void *main_greenlet)
{
    *(struct greenlet **)main_greenlet = greenlet_ref(greenlet_current());
    CHECK(!greenlet_dead(greenlet_current()));
    return NULL;
}

CASE(G_128, "the main greenlet of a thread that exited is dead")
{
    struct greenlet *g = NULL;

    in_thread(keeps_its_main, &g);
    CHECK(greenlet_main(g));
    CHECK(greenlet_dead(g));
    CHECK(!greenlet_active(g));
    CHECK(greenlet_started(g));
    CHECK_PTR(greenlet_parent(g), NULL);
    greenlet_unref(g);
}

/* ---- G-129 ---- */

static struct greenlet *left[100];

static void *leaves_some_suspended(void *count)
{
    for (long i = 0; i < (long)(intptr_t)count; i++) {
        left[i] = make(waits);
        SWITCH(left[i], NULL);
    }
    return NULL;
}

CASE(G_129, "what was suspended in it is dead, and freed with its last holder")
{
    struct greenlet_counts before, now;

    greenlet_count(&before);
    in_thread(leaves_some_suspended, V(100));
    greenlet_count(&now);
    CHECK_INT(now.greenlets, before.greenlets + 100);
    for (int i = 0; i < 100; i++) {
        CHECK(greenlet_dead(left[i]) && !greenlet_active(left[i]));
        CHECK(greenlet_started(left[i]) && !greenlet_main(left[i]));
        CHECK_INT(greenlet_state_of(left[i]), GREENLET_IS_ORPHAN);
        greenlet_unref(left[i]);
    }
    CHECK_STR(notes(), "");
    greenlet_count(&now);
    CHECK_INT(now.greenlets, before.greenlets);
    CHECK_INT(now.slots_used, before.slots_used);
}

static void *throws_at_the_left(void *unused)
{
    CHECK_INT(greenlet_throw(left[0], NULL, NULL), -ESRCH);
    greenlet_unref(left[0]);
    return unused;
}

CASE(G_129b, "to throw into one of them, or drop it in a thread, is harmless")
{
    for (int i = 0; i < 20; i++) {
        in_thread(leaves_some_suspended, V(1));
        in_thread(throws_at_the_left, NULL);
    }
    CHECK_STR(notes(), "");
}

static void *ends_from_inside(void *unused)
{
    struct greenlet *outer = make(echoes);

    SWITCH(outer, NULL);
    greenlet_unref(outer); /* killed, as G-105 has it */
    return unused;
}

CASE(G_129c, "what a thread drops as it returns leaves nothing")
{
    for (int i = 0; i < 50; i++)
        in_thread(ends_from_inside, NULL);
}

/* ---- G-141, G-142 ---- */

static void *uses_it_once(void *unused)
{
    greenlet_unref(make(never_run));
    return unused;
}

CASE(G_141, "a thread that ends need not call anything")
{
    struct case_state before;

    case_state(&before);
    for (int i = 0; i < 20; i++)
        in_thread(uses_it_once, NULL);
    CHECK_SAME_STATE(&before);
}

static void *uses_it_then_waits(void *barrier)
{
    uses_it_once(NULL);
    pthread_barrier_wait(barrier);
    return NULL;
}

CASE(G_142, "its clean-up waits in a queue, and the next use does it")
{
    pthread_barrier_t barrier;
    pthread_t threads[2];

    CHECK_INT(greenlet_pending_cleanups(), 0);
    CHECK_INT(pthread_barrier_init(&barrier, NULL, 2), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, uses_it_then_waits,
                                 &barrier),
                  0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&barrier);
    CHECK_INT(greenlet_pending_cleanups(), 2);
    CHECK_INT(greenlet_pending_cleanups(), 2);
    greenlet_current();
    CHECK_INT(greenlet_pending_cleanups(), 0);
}

static void *ends_the_queue(void *unused)
{
    greenlet_current();
    CHECK_INT(greenlet_pending_cleanups(), 0);
    return unused;
}

CASE(G_142b, "the next use anywhere")
{
    in_thread(uses_it_once, NULL);
    CHECK_INT(greenlet_pending_cleanups(), 1);
    in_thread(ends_the_queue, NULL);
    CHECK_INT(greenlet_pending_cleanups(), 1); /* its own */
    greenlet_current();
    CHECK_INT(greenlet_pending_cleanups(), 0);
}

/* ---- G-143 ---- */

static bool stop; /* atomic */

static void *drops_all(void *unused)
{
    for (int i = 0; i < 3; i++)
        greenlet_unref(left[i]);
    return unused;
}

/* Threads that exit, drops of other threads, counts, weak handles: every lock
 * of the library is taken again and again. */
static void *keeps_the_locks_busy(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        struct greenlet_context *context = greenlet_context_new();
        struct greenlet_counts counts;
        struct greenlet_weak *weak;

        in_thread(leaves_some_suspended, V(3));
        weak = greenlet_weak_new(left[0]);
        CHECK_PTR(greenlet_weak_get(weak), left[0]);
        greenlet_unref(left[0]);
        in_thread(drops_all, NULL);
        greenlet_weak_free(weak);
        greenlet_context_unref(context);
        greenlet_count(&counts);
        greenlet_current();
    }
    return unused;
}

/* The lock that qemu-user takes to make a thread may be held for ever in the
 * child.  It has no vdso, which every kernel has. */
static bool threads_after_fork(void)
{
    return getauxval(AT_SYSINFO_EHDR) != 0;
}

static void uses_all_of_it(void)
{
    struct greenlet_gate_report report;
    struct greenlet_counts counts;
    struct greenlet *g = make(echoes);
    struct greenlet_var *var = greenlet_var_new("child", NULL);

    CHECK(greenlet_main(greenlet_current()));
    CHECK_PTR(SWITCH(g, V(1)), V(1));
    CHECK_INT(greenlet_var_set(var, V(2), NULL), 0);
    greenlet_var_unref(var);
    greenlet_unref(g);
    greenlet_count(&counts);
    CHECK_INT(counts.mains, 1);
    if (!threads_after_fork())
        return;
    in_thread(uses_it_once, NULL);
    greenlet_count(&counts);
    CHECK_INT(counts.mains, 1);
    if (greenlet_gate("greenlet>=1.0", &report) != 0)
        FAIL("%s", report.line);
}

enum { LIMIT_S = 15 }; /* then a lock is held for ever */

/* A signal does not end one that hangs in the emulator itself. */
static bool has_ended(pid_t pid, int *status)
{
    for (int i = 0; i < LIMIT_S * 100; i++) {
        pid_t ended = waitpid(pid, status, WNOHANG);

        CHECK(ended == 0 || ended == pid);
        if (ended == pid)
            return true;
        usleep(10000);
    }
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, status, 0), pid);
    return false;
}

/* Returns how many worked: 1, or 0 where only the emulator is to blame. */
static int child_works(void)
{
    pid_t pid = fork();
    int status = -1;

    CHECK(pid >= 0);
    if (pid == 0) {
        uses_all_of_it();
        _exit(0);
    }
    if (!has_ended(pid, &status)) {
        if (threads_after_fork())
            FAIL("the child of a fork hangs");
        return 0;
    }
    CHECK_INT(status, 0);
    return 1;
}

CASE(G_143, "fork() while other threads use the library: the child works")
{
    time_t start = time(NULL);
    pthread_t thread;
    int worked = 0;

    if (SANITIZED)
        SKIP("the sanitizer's allocator is locked in the child of a fork()");
    CHECK_INT(pthread_create(&thread, NULL, keeps_the_locks_busy, NULL), 0);
    /* Under an emulator one takes a second or more. */
    for (int i = 0; i < 50 && (i < 3 || time(NULL) - start < 15); i++)
        worked += child_works();
    CHECK(worked > 0);
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

static int forks(void *value, void **result)
{
    pid_t pid;
    int status = -1;

    (void)result;
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_PTR(YIELD(value), V(2)); /* the others are still there */
        _exit(11);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 11 << 8);
    return 0;
}

CASE(G_143b, "the child of a fork() in a greenlet goes on in it")
{
    struct greenlet *g = make(forks), *other = make(echoes);
    pid_t parent = getpid();

    SWITCH(other, NULL);
    SWITCH(g, V(1));
    if (getpid() != parent) {
        CHECK_PTR(SWITCH(other, V(3)), V(3));
        SWITCH(g, V(2));
        _exit(12);
    }
    greenlet_unref(g);
    greenlet_unref(other);
}
