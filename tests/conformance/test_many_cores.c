/* Threads that may really run at once: whatever they share adds up in the end
 *
 * What a round does is drawn from a seed, which a failure names; CONF_SEED=n is the
 * only one then. */
#include "conf_threads.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 12, STEPS = 400, SEEDS = 4, CELLS = 4, SPINS = 60 };

static struct cell {
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    long a, b;   /* under the mutex: a + b is 0 */
    long c, d;   /* under the rwlock: c == d */
} cells[CELLS];

static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_cond = PTHREAD_COND_INITIALIZER;
static long queued, taken_sum, given_sum;
static int queue_length;
static sem_t permits;
static pthread_barrier_t barrier;
static pthread_key_t key;
static long key_ends, detached_ends, signals_seen, signals_sent;
static long pipe_in, pipe_out;
static int pipe_ends[2];
static pthread_t workers[WORKERS];
static unsigned base_seed;

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static void spin(unsigned rounds)
{
    for (volatile unsigned i = 0; i < rounds * 50; i++)
        ;
}

static void add(long *counter, long by)
{
    __atomic_add_fetch(counter, by, __ATOMIC_SEQ_CST);
}

/* ---- steps ---- */

static void use_mutex(unsigned *state)
{
    struct cell *cell = &cells[draw(state, CELLS)];
    long by = draw(state, 100);

    if (draw(state, 4) != 0)
        CONF_CHECK(pthread_mutex_lock(&cell->mutex) == 0);
    else if (pthread_mutex_trylock(&cell->mutex) != 0)
        return;
    CONF_CHECK(cell->a + cell->b == 0);
    cell->a += by;
    spin(draw(state, SPINS));
    cell->b -= by;
    CONF_CHECK(pthread_mutex_unlock(&cell->mutex) == 0);
}

static void use_rwlock(unsigned *state)
{
    struct cell *cell = &cells[draw(state, CELLS)];

    if (draw(state, 3) == 0) {
        CONF_CHECK(pthread_rwlock_wrlock(&cell->rwlock) == 0);
        cell->c++;
        spin(draw(state, SPINS));
        cell->d++;
    } else {
        CONF_CHECK(pthread_rwlock_rdlock(&cell->rwlock) == 0);
        CONF_CHECK(cell->c == cell->d);
        spin(draw(state, SPINS));
        CONF_CHECK(cell->c == cell->d);
    }
    CONF_CHECK(pthread_rwlock_unlock(&cell->rwlock) == 0);
}

/* Each gives as often as it takes, so nobody waits for ever. */
static void use_queue(unsigned *state)
{
    long value = draw(state, 1000);

    CONF_CHECK(pthread_mutex_lock(&queue_mutex) == 0);
    queued += value;
    given_sum += value;
    queue_length++;
    CONF_CHECK(pthread_cond_signal(&queue_cond) == 0);
    while (queue_length == 0)
        CONF_CHECK(pthread_cond_wait(&queue_cond, &queue_mutex) == 0);
    queue_length--;
    value = queue_length == 0 ? queued : queued / 2;
    queued -= value;
    taken_sum += value;
    CONF_CHECK(pthread_mutex_unlock(&queue_mutex) == 0);
}

static void use_permit(unsigned *state)
{
    static long inside;

    while (sem_wait(&permits) != 0)
        CONF_CHECK(errno == EINTR);
    CONF_CHECK(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) <= 3);
    spin(draw(state, SPINS));
    add(&inside, -1);
    CONF_CHECK(sem_post(&permits) == 0);
}

static void key_ended(void *value)
{
    add(&key_ends, (long)(intptr_t)value);
}

static void *short_life(void *argument)
{
    CONF_CHECK(pthread_setspecific(key, (void *)1) == 0);
    spin((unsigned)(intptr_t)argument % SPINS);
    return argument;
}

static void *detached_life(void *argument)
{
    sched_yield();
    add(&detached_ends, 1);
    return argument;
}

static long made_joined, made_detached;

static void use_threads(unsigned *state)
{
    void *value = (void *)(intptr_t)draw(state, 1000);
    pthread_t thread;

    if (draw(state, 2) == 0) {
        add(&made_joined, 1);
        thread = start_thread(short_life, value);
        CONF_CHECK(join_thread(thread) == value);
        return;
    }
    add(&made_detached, 1);
    thread = start_thread(detached_life, NULL);
    CONF_CHECK(pthread_detach(thread) == 0);
}

static void on_signal(int number)
{
    (void)number;
    add(&signals_seen, 1);
}

/* A real-time one: none is merged with another. */
static void use_signal(unsigned *state)
{
    union sigval value = { .sival_int = 1 };

    if (pthread_sigqueue(workers[draw(state, WORKERS)], SIGRTMIN + 5, value) ==
        0)
        add(&signals_sent, 1);
}

static void use_pipe(unsigned *state)
{
    unsigned char byte = (unsigned char)draw(state, 256), back;

    add(&pipe_in, byte);
    while (write(pipe_ends[1], &byte, 1) != 1)
        CONF_CHECK(errno == EINTR);
    while (read(pipe_ends[0], &back, 1) != 1)
        CONF_CHECK(errno == EINTR);
    add(&pipe_out, back);
}

static void *cancelled(void *argument)
{
    sem_t *never = argument;

    for (;;)
        sem_wait(never);
    return NULL;
}

static void use_cancel(unsigned *state)
{
    sem_t never;
    pthread_t thread;

    CONF_CHECK(sem_init(&never, 0, 0) == 0);
    thread = start_thread(cancelled, &never);
    spin(draw(state, SPINS));
    CONF_CHECK(pthread_cancel(thread) == 0);
    CONF_CHECK(join_thread(thread) == PTHREAD_CANCELED);
    CONF_CHECK(sem_destroy(&never) == 0);
}

static void use_fork(unsigned *state)
{
    pid_t child;
    int code = (int)draw(state, 100);

    if (draw(state, 8) != 0 || conf_emulated())
        return;
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        for (int i = 0; i < 3; i++)
            CONF_CHECK(join_thread(start_thread(short_life, &code)) == &code);
        _exit(code);
    }
    CONF_CHECK(conf_child_status(child) == code);
}

/* ---- rounds ---- */

static void *work(void *argument)
{
    static void (*const steps[])(unsigned *) = {
        use_rwlock, use_queue,  use_permit, use_threads,
        use_signal, use_pipe,   use_cancel, use_rwlock,
    };
    unsigned state = base_seed * 7919u + (unsigned)(intptr_t)argument;

    pthread_barrier_wait(&barrier);
    for (int i = 0; i < STEPS; i++) {
        use_mutex(&state);
        steps[draw(&state, sizeof steps / sizeof *steps)](&state);
        if (i % 100 == 50)
            use_fork(&state);
        if (i % 100 == 0)
            pthread_barrier_wait(&barrier);
    }
    pthread_barrier_wait(&barrier); /* nobody sends to who is gone */
    return argument;
}

static void begin(void)
{
    struct sigaction action = { .sa_handler = on_signal,
                                .sa_flags = SA_RESTART };

    if (conf_emulated())
        puts("reduced: no forks, children of threads hang in the emulator");
    ck_assert_int_eq(sigaction(SIGRTMIN + 5, &action, NULL), 0);
    memset(cells, 0, sizeof cells);
    for (int i = 0; i < CELLS; i++) {
        pthread_mutex_init(&cells[i].mutex, NULL);
        pthread_rwlock_init(&cells[i].rwlock, NULL);
    }
    ck_assert_int_eq(sem_init(&permits, 0, 3), 0);
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, WORKERS + 1), 0);
    ck_assert_int_eq(pthread_key_create(&key, key_ended), 0);
    conf_pipe(pipe_ends);
    queued = taken_sum = given_sum = queue_length = 0;
    key_ends = detached_ends = signals_seen = signals_sent = 0;
    made_joined = made_detached = pipe_in = pipe_out = 0;
}

static void check_and_end(void)
{
    int64_t until = now_ns() + 20 * CONF_S;

    while (__atomic_load_n(&detached_ends, __ATOMIC_SEQ_CST) != made_detached &&
           now_ns() < until)
        sleep_ms(1);
    ck_assert_int_eq(detached_ends, made_detached);
    ck_assert_int_eq(key_ends, made_joined);
    ck_assert_int_eq(given_sum, taken_sum + queued);
    ck_assert_int_eq(queue_length, 0);
    ck_assert_int_eq(pipe_in, pipe_out);
    ck_assert_int_eq(signals_seen, signals_sent);
    for (int i = 0; i < CELLS; i++) {
        ck_assert_int_eq(cells[i].a + cells[i].b, 0);
        ck_assert_int_eq(cells[i].c, cells[i].d);
    }
    conf_close_both(pipe_ends);
    pthread_key_delete(key);
    pthread_barrier_destroy(&barrier);
    sem_destroy(&permits);
    signal(SIGRTMIN + 5, SIG_DFL);
}

START_TEST(nothing_that_is_shared_is_lost)
{
    const char *only = getenv("CONF_SEED");

    base_seed = only != NULL ? (unsigned)atoi(only) : (unsigned)_i + 1;
    printf("seed %u\n", base_seed);
    fflush(stdout);
    begin();
    conf_expect_threads(4 * WORKERS);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_thread(work, (void *)(intptr_t)i);
    for (int i = 0; i < STEPS / 100 + 2; i++)
        pthread_barrier_wait(&barrier);
    for (int i = 0; i < WORKERS; i++)
        join_thread(workers[i]);
    check_and_end();
}
END_TEST

/* One that computes takes its signal, and its cancellation, all the same. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void *compute(void *argument)
{
    while (!interrupted)
        spin(1);
    return argument;
}

static void *compute_for_ever(void *argument)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        spin(1);
    return argument;
}

START_TEST(a_computing_thread_is_reached)
{
    struct sigaction action = { .sa_handler = on_interrupt };
    pthread_t thread;

    if (conf_emulated()) {
        conf_skip("needs preemption, see docs/limitations.md");
        return;
    }
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 10; i++) {
        interrupted = 0;
        thread = start_thread(compute, NULL);
        sleep_ms(2);
        ck_assert_int_eq(pthread_kill(thread, SIGUSR1), 0);
        join_thread(thread);
        thread = start_thread(compute_for_ever, NULL);
        sleep_ms(2);
        ck_assert_int_eq(pthread_cancel(thread), 0);
        ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
    }
    signal(SIGUSR1, SIG_DFL);
}
END_TEST

static void add_tests(TCase *tcase)
{
    conf_test(tcase, nothing_that_is_shared_is_lost, SEEDS);
    conf_test(tcase, a_computing_thread_is_reached, 1);
}

int main(void)
{
    return conf_main("many_cores", add_tests, CONF_THREADS);
}
