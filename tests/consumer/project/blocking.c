/* blocking.c - a program that links libvireo-preload.so: its own blocking calls
 * suspend the greenlet that makes them, threads are real, locks serve both
 *
 * usage: blocking [all]    with `all`: VIREO_PATCH or monkeypatch_patch_all()
 * has made threads greenlets too */
#define _GNU_SOURCE
#include <vireo/hub.h>
#include <vireo/monkeypatch.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(condition)                                              \
    do {                                                              \
        if (!(condition)) {                                           \
            printf("line %d: %s (%s)\n", __LINE__, #condition,        \
                   strerror(errno));                                  \
            exit(1);                                                  \
        }                                                             \
    } while (0)

/* Threads that the kernel knows. */
static int kernel_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* . and .. */

    CHECK(tasks != NULL);
    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count;
}

/* ---- one hub: read() of one greenlet lets the other write() ---- */

static int ends[2];
static char got;

static void reader(void *arg)
{
    (void)arg;
    CHECK(read(ends[0], &got, 1) == 1);
}

static void writer(void *arg)
{
    (void)arg;
    CHECK(usleep(1000) == 0);
    CHECK(got == 0);
    CHECK(write(ends[1], "x", 1) == 1);
}

static void run_both(void (*one)(void *), void (*other)(void *))
{
    struct greenlet *first = hub_spawn_raw(one, NULL);
    struct greenlet *second = hub_spawn_raw(other, NULL);

    CHECK(first != NULL && second != NULL);
    CHECK(hub_join(first, HUB_FOREVER) == 0);
    CHECK(hub_join(second, HUB_FOREVER) == 0);
    greenlet_unref(first);
    greenlet_unref(second);
}

static void check_pipe(void)
{
    CHECK(pipe(ends) == 0);
    got = 0;
    run_both(reader, writer);
    CHECK(got == 'x');
    close(ends[0]);
    close(ends[1]);
}

/* The main greenlet parks too. */
static void check_main(void)
{
    struct greenlet *g;

    CHECK(pipe(ends) == 0);
    got = 0;
    g = hub_spawn_raw(writer, NULL);
    CHECK(read(ends[0], &got, 1) == 1 && got == 'x');
    CHECK(hub_join(g, HUB_FOREVER) == 0);
    greenlet_unref(g);
    close(ends[0]);
    close(ends[1]);
}

/* ---- a killed greenlet's read() ends ---- */

static int killed_errno;

static void endless(void *arg)
{
    char byte;

    (void)arg;
    CHECK(read(ends[0], &byte, 1) == -1);
    killed_errno = errno;
}

static void check_kill(void)
{
    struct greenlet *g;

    CHECK(pipe(ends) == 0);
    g = hub_spawn_raw(endless, NULL);
    CHECK(usleep(1000) == 0);
    CHECK(hub_kill(g) == 0);
    CHECK(hub_join(g, HUB_FOREVER) == 0);
    CHECK(killed_errno == ECANCELED);
    greenlet_unref(g);
    close(ends[0]);
    close(ends[1]);
}

/* ---- a signal's handler ends the greenlet's read(), or the kernel's rule
 * starts it again ---- */

static volatile sig_atomic_t rang;
static ssize_t read_result;
static int read_errno;

static void ring(int number)
{
    (void)number;
    rang++;
}

static void read_once(void *arg)
{
    (void)arg;
    read_result = read(ends[0], &got, 1);
    read_errno = errno;
}

static void check_signal(int flags)
{
    struct sigaction action = { .sa_handler = ring, .sa_flags = flags };
    struct greenlet *g;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(pipe(ends) == 0);
    rang = 0;
    g = hub_spawn_raw(read_once, NULL);
    CHECK(usleep(1000) == 0);
    CHECK(raise(SIGUSR1) == 0 && rang == 1);
    CHECK(usleep(1000) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(hub_join(g, HUB_FOREVER) == 0);
    if (flags & SA_RESTART)
        CHECK(read_result == 1);
    else
        CHECK(read_result == -1 && read_errno == EINTR);
    greenlet_unref(g);
    close(ends[0]);
    close(ends[1]);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0);
    CHECK(action.sa_handler == ring);
    CHECK(signal(SIGUSR1, SIG_DFL) == ring);
}

/* One that a real thread makes for it ends too. */
static char fifo[] = "/tmp/vireo-blocking-XXXXXX";

static void opener(void *arg)
{
    (void)arg;
    CHECK(open(fifo, O_RDONLY) == -1);
    killed_errno = errno;
}

static void check_kill_of_helped(void)
{
    struct greenlet *g;

    CHECK(mkdtemp(fifo) != NULL && rmdir(fifo) == 0 && mkfifo(fifo, 0600) == 0);
    killed_errno = 0;
    g = hub_spawn_raw(opener, NULL);
    CHECK(usleep(5000) == 0);
    CHECK(hub_kill(g) == 0);
    CHECK(hub_join(g, HUB_FOREVER) == 0);
    CHECK(killed_errno == ECANCELED);
    greenlet_unref(g);
    CHECK(unlink(fifo) == 0);
}

/* ---- a full socket: shutdown() wakes who is parked to write ---- */

static ssize_t sent;
static int sent_errno;

static void filler(void *arg)
{
    static char bytes[1 << 20];

    (void)arg;
    do
        sent = send(ends[1], bytes, sizeof bytes, MSG_NOSIGNAL);
    while (sent > 0);
    sent_errno = errno;
}

static void shutter(void *arg)
{
    (void)arg;
    usleep(2000);
    CHECK(shutdown(ends[1], SHUT_RDWR) == 0);
}

static void check_shutdown(void)
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    run_both(filler, shutter);
    CHECK(sent < 0 && sent_errno == EPIPE);
    close(ends[0]);
    close(ends[1]);
}

/* ---- locks: owners are greenlets ---- */

static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checking = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static int held;

static void hold(void *arg)
{
    (void)arg;
    CHECK(pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_lock(&recursive) == 0);
    CHECK(pthread_mutex_lock(&checking) == 0);
    CHECK(pthread_mutex_lock(&checking) == EDEADLK);
    held = 1;
    usleep(2000);
    held = 0;
    CHECK(pthread_mutex_unlock(&checking) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
}

static void want(void *arg)
{
    (void)arg;
    usleep(500);
    CHECK(held == 1);
    CHECK(pthread_mutex_trylock(&recursive) == EBUSY);
    CHECK(pthread_mutex_unlock(&checking) == EPERM);
    CHECK(pthread_mutex_lock(&recursive) == 0);
    CHECK(held == 0);
    CHECK(pthread_mutex_unlock(&recursive) == 0);
}

static void check_owners(void)
{
    run_both(hold, want);
}

/* ---- greenlets of several hubs, and real threads, on the same locks ---- */

enum { ROUNDS = 400, THREADS = 3, GREENLETS = 4 };

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t table = PTHREAD_RWLOCK_INITIALIZER;
static sem_t tokens;
static long counted, rows;
static int turns;

static void work(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pthread_mutex_lock(&shared) == 0);
        long before = counted;
        if (i % 16 == 0)
            usleep(10); /* with the lock: others must wait, not run into it */
        counted = before + 1;
        CHECK(pthread_mutex_unlock(&shared) == 0);
        CHECK(sem_wait(&tokens) == 0);
        CHECK(pthread_rwlock_wrlock(&table) == 0);
        rows++;
        CHECK(pthread_rwlock_unlock(&table) == 0);
        CHECK(sem_post(&tokens) == 0);
    }
    CHECK(pthread_mutex_lock(&shared) == 0);
    turns++;
    pthread_cond_broadcast(&changed);
    while (turns < (THREADS + 1) * GREENLETS + THREADS)
        CHECK(pthread_cond_wait(&changed, &shared) == 0);
    CHECK(pthread_mutex_unlock(&shared) == 0);
}

static void run_greenlets(void)
{
    struct greenlet *each[GREENLETS];

    for (int i = 0; i < GREENLETS; i++)
        CHECK((each[i] = hub_spawn_raw(work, NULL)) != NULL);
    for (int i = 0; i < GREENLETS; i++) {
        CHECK(hub_join(each[i], HUB_FOREVER) == 0);
        greenlet_unref(each[i]);
    }
}

static void *with_hub(void *arg)
{
    run_greenlets();
    return arg;
}

static void *without_hub(void *arg)
{
    work(arg);
    return arg;
}

static void check_mixed(void)
{
    pthread_t threads[2 * THREADS];
    long all = (long)ROUNDS * ((THREADS + 1) * GREENLETS + THREADS);

    CHECK(sem_init(&tokens, 0, 2) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[2 * i], NULL, with_hub, NULL) == 0);
        CHECK(pthread_create(&threads[2 * i + 1], NULL, without_hub, NULL) == 0);
    }
    run_greenlets();
    for (int i = 0; i < 2 * THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counted == all && rows == all);
}

/* ---- threads ---- */

static sem_t go;

static void *waits(void *arg)
{
    CHECK(sem_wait(&go) == 0);
    return arg;
}

static void post(void *arg)
{
    (void)arg;
    usleep(1000);
    CHECK(sem_post(&go) == 0);
}

static void *ends_at_once(void *arg)
{
    return arg;
}

/* pthread_join() of the main greenlet lets the poster run.  With the first mapped
 * thread a monitor begins. */
static void check_threads(int mapped)
{
    struct greenlet *poster;
    pthread_t thread;
    int before;

    CHECK(pthread_create(&thread, NULL, ends_at_once, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    before = kernel_threads();
    CHECK(sem_init(&go, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
    CHECK(kernel_threads() == before + (mapped ? 0 : 1));
    poster = hub_spawn_raw(post, NULL);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(hub_join(poster, HUB_FOREVER) == 0);
    greenlet_unref(poster);
}

static void unlock(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

/* A real thread in a wait of libc's is cancelled as ever. */
static void *waits_for_ever(void *arg)
{
    pthread_mutex_lock(&shared);
    pthread_cleanup_push(unlock, &shared);
    for (;;)
        pthread_cond_wait(&changed, &shared);
    pthread_cleanup_pop(1);
    return arg;
}

static void check_cancel(void)
{
    pthread_t thread;
    void *result;

    CHECK(pthread_create(&thread, NULL, waits_for_ever, NULL) == 0);
    usleep(2000);
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(pthread_mutex_trylock(&shared) == 0);
    CHECK(pthread_mutex_unlock(&shared) == 0);
}

int main(int argc, char **argv)
{
    int mapped = argc > 1 && strcmp(argv[1], "all") == 0;

    if (argc > 1 && strcmp(argv[1], "call") == 0) {
        CHECK(monkeypatch_patch_all() == 0);
        mapped = 1;
    }
    CHECK(monkeypatch_is_patched("thread") == mapped);
    CHECK(monkeypatch_is_patched("pthread_create") == mapped);
    CHECK(monkeypatch_is_patched("socket") == 1);
    CHECK(monkeypatch_is_patched("read") == 1);
    CHECK(monkeypatch_is_patched("printf_of_nobody") == 0);
    CHECK(monkeypatch_is_patched(NULL) == -EINVAL);
    check_pipe();
    check_main();
    check_kill();
    check_signal(0);
    check_signal(SA_RESTART);
    check_kill_of_helped();
    check_shutdown();
    check_owners();
    check_threads(mapped);
    check_cancel();
    if (!mapped)
        check_mixed();
    puts(mapped ? "blocking: threads are greenlets" : "blocking: threads are real");
    return 0;
}
