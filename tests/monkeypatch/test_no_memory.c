/* ENOMEM at every allocation: the n-th one of the program, of libc and of the
 * preload library fails, and then, where a runtime is there that can be told to
 * fail, the n-th one of the runtime.  Each call says what POSIX says, what cannot
 * fail does not, another thread goes on all the time, nothing hangs, and
 * afterwards all is well.
 *
 * The program's allocator is its own, as one that is linked to another is. */
#include "../conformance/conf_threads.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MOST = 400, MOST_EMULATED = 10, PIPES = 40, KEYS = 40, REACHED = 0,
       NOT_REACHED = 10 };

/* ---- an allocator that fails once ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static long countdown; /* atomic; 0: never */

static bool fails(void)
{
    return __atomic_load_n(&countdown, __ATOMIC_RELAXED) > 0 &&
           __atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED) == 0;
}

static void *none(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return fails() ? none() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? none() : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? none() : __libc_realloc(memory, size);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd,
           off_t offset)
{
    if (fails()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd,
                           offset);
}

/* The runtime's own allocator is not the program's. */
static long (*fail_runtime)(int fault, long n);

static void find_runtime(void)
{
    void *runtime = dlopen("libvireo.so.0", RTLD_LAZY | RTLD_NOLOAD);

    if (runtime != NULL)
        *(void **)&fail_runtime = dlsym(runtime, "greenlet_test_fail");
}

static void arm(bool runtime, long n)
{
    if (runtime)
        fail_runtime(0, n);
    else
        __atomic_store_n(&countdown, n, __ATOMIC_RELAXED);
}

/* False: it was never made. */
static bool disarm(bool runtime, long n)
{
    if (runtime)
        return fail_runtime(0, 0) >= n;
    return __atomic_exchange_n(&countdown, 0, __ATOMIC_RELAXED) == 0;
}

/* ---- what is called ---- */

static bool may_fail;

/* 0, or one of the errors that the manual page has for it. */
static bool is_short(int error)
{
    return may_fail && (error == ENOMEM || error == ENOBUFS || error == EAGAIN);
}

#define FINE(call) CONF_CHECK((call) >= 0 || is_short(errno))

static int pairs[PIPES][2];

static void *nothing(void *argument)
{
    return argument;
}

static void make_threads(void)
{
    pthread_t threads[4];
    pthread_attr_t attr;
    int made = 0;

    CONF_CHECK(pthread_attr_init(&attr) == 0);
    CONF_CHECK(pthread_attr_setstacksize(&attr, 300 << 10) == 0);
    for (int i = 0; i < 4; i++) {
        int rc = pthread_create(&threads[made], i < 2 ? NULL : &attr, nothing,
                                &attr);

        CONF_CHECK(rc == 0 || (may_fail && rc == EAGAIN));
        made += rc == 0;
    }
    while (made > 0)
        CONF_CHECK(pthread_join(threads[--made], NULL) == 0);
    CONF_CHECK(pthread_attr_destroy(&attr) == 0);
}

static void wait_for_many(void)
{
    struct timespec soon = {0, CONF_MS};
    struct pollfd fds[PIPES];
    struct epoll_event event = {EPOLLIN, {.u32 = 7}};
    int set = epoll_create1(EPOLL_CLOEXEC), highest = 0;
    fd_set reads;

    FD_ZERO(&reads);
    for (int i = 0; i < PIPES; i++) {
        fds[i] = (struct pollfd){pairs[i][0], POLLIN, 0};
        FD_SET(pairs[i][0], &reads);
        if (pairs[i][0] > highest)
            highest = pairs[i][0];
    }
    FINE(poll(fds, PIPES, 1));
    FINE(ppoll(fds, PIPES, &soon, NULL));
    FINE(pselect(highest + 1, &reads, NULL, NULL, &soon, NULL));
    CONF_CHECK(set >= 0);
    FINE(epoll_ctl(set, EPOLL_CTL_ADD, pairs[0][0], &event));
    FINE(epoll_wait(set, &event, 1, 1));
    close(set);
}

static void *echo(void *argument)
{
    char byte = 0;
    ssize_t n = recv(pairs[0][0], &byte, 1, 0);

    CONF_CHECK(n == 1 || is_short(errno));
    n = send(pairs[0][0], &byte, 1, 0);
    CONF_CHECK(n == 1 || is_short(errno));
    return argument;
}

/* Who waits on a socket may be told; the byte is there for the next call. */
static void send_and_receive(void)
{
    pthread_t thread;
    char byte;
    int rc = pthread_create(&thread, NULL, echo, NULL);

    CONF_CHECK(rc == 0 || (may_fail && rc == EAGAIN));
    sleep_ms(1);
    FINE(send(pairs[0][1], "x", 1, 0));
    if (rc != 0)
        echo(NULL);
    else
        CONF_CHECK(pthread_join(thread, NULL) == 0);
    FINE(recv(pairs[0][1], &byte, 1, 0));
    while (recv(pairs[0][0], &byte, 1, MSG_DONTWAIT) > 0)
        continue;
    while (recv(pairs[0][1], &byte, 1, MSG_DONTWAIT) > 0)
        continue;
}

/* None of these knows an error for want of memory. */
static void sleep_and_lock(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    struct timespec until, soon = {0, CONF_MS};
    int64_t begin = now_ns();
    sigset_t set;
    sem_t never;

    CONF_CHECK(nanosleep(&soon, NULL) == 0 && now_ns() - begin >= CONF_MS);
    CONF_CHECK(sem_init(&never, 0, 0) == 0);
    until = deadline_in(CLOCK_REALTIME, 2);
    CONF_CHECK(sem_timedwait(&never, &until) == -1 && errno == ETIMEDOUT);
    CONF_CHECK(pthread_mutex_lock(&lock) == 0);
    until = deadline_in(CLOCK_REALTIME, 2);
    CONF_CHECK(pthread_cond_timedwait(&changed, &lock, &until) == ETIMEDOUT);
    CONF_CHECK(pthread_mutex_unlock(&lock) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CONF_CHECK(sigtimedwait(&set, NULL, &soon) == -1 && errno == EAGAIN);
}

static void keep_values(void)
{
    pthread_key_t keys[KEYS];

    for (int i = 0; i < KEYS; i++) {
        int rc;

        CONF_CHECK(pthread_key_create(&keys[i], NULL) == 0);
        rc = pthread_setspecific(keys[i], keys);
        CONF_CHECK(rc == 0 || (may_fail && rc == ENOMEM));
    }
    for (int i = 0; i < KEYS; i++)
        CONF_CHECK(pthread_key_delete(keys[i]) == 0);
}

static void use_files(void)
{
    struct addrinfo hint = {.ai_flags = AI_NUMERICHOST}, *found = NULL;
    char bytes[100];
    FILE *stream;
    int fd, rc;

    fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    CONF_CHECK(fd >= 0 && pread(fd, bytes, sizeof bytes, 0) > 0);
    close(fd);
    stream = fopen("/dev/null", "w");
    CONF_CHECK(stream != NULL || is_short(errno));
    if (stream != NULL) {
        FINE(fputs("text", stream));
        FINE(fclose(stream));
    }
    rc = getaddrinfo("127.0.0.1", "80", &hint, &found);
    CONF_CHECK(rc == 0 || (may_fail && rc == EAI_MEMORY));
    if (rc == 0)
        freeaddrinfo(found);
}

static void have_a_child(void)
{
    pid_t child = fork();
    int status;

    CONF_CHECK(child >= 0 || is_short(errno));
    if (child < 0)
        return;
    if (child == 0) {
        usleep(1000);
        _exit(3);
    }
    CONF_CHECK(waitpid(child, &status, 0) == child);
    CONF_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* A child of fork() makes its loop of memory that it has just given back: a failure
 * of that, which ends it, is not tried. */
static bool forks;

static void all(void)
{
    sleep_and_lock();
    make_threads();
    send_and_receive();
    wait_for_many();
    keep_values();
    use_files();
    if (forks)
        have_a_child();
}

/* ---- once for each allocation ---- */

static volatile int ticks, stop_ticking;

static void *tick(void *argument)
{
    while (!stop_ticking) {
        ticks++;
        sleep_ms(1);
    }
    return argument;
}

static void run_with_failure(bool runtime, long n)
{
    pthread_t other = start_thread(tick, NULL);
    bool reached;
    int then;

    for (int i = 0; i < PIPES; i++)
        CONF_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) == 0);
    may_fail = true;
    forks = !runtime;
    arm(runtime, n);
    all();
    reached = disarm(runtime, n);
    may_fail = false;
    forks = true;
    all();
    then = ticks;
    while (ticks < then + 2)
        sleep_ms(1);
    stop_ticking = 1;
    join_thread(other);
    _exit(reached ? REACHED : NOT_REACHED);
}

/* Returns how many allocations there were. */
static long fail_each(bool runtime)
{
    long most = conf_emulated() ? MOST_EMULATED : MOST, n;

    for (n = 1; n <= most; n++) {
        pid_t child;
        int status;

        fflush(NULL);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            conf_child_begin();
            run_with_failure(runtime, n);
        }
        status = conf_child_status(child);
        if (status == NOT_REACHED)
            break;
        ck_assert_msg(status == REACHED, "allocation %ld%s: status %d", n,
                      runtime ? " of the runtime" : "", status);
    }
    printf("%ld allocations%s failed%s\n", n - 1,
           runtime ? " of the runtime" : "", n > most ? ", and there are more"
                                                      : "");
    return n - 1;
}

START_TEST(each_of_the_program)
{
    ck_assert_int_gt((int)fail_each(false), 1);
}
END_TEST

START_TEST(each_of_the_runtime)
{
    if (fail_runtime == NULL) {
        conf_skip("no runtime that could be told to fail");
        return;
    }
    ck_assert_int_gt((int)fail_each(true), 1);
}
END_TEST

static void add(TCase *tcase)
{
    find_runtime();
    conf_test(tcase, each_of_the_program, 1);
    conf_test(tcase, each_of_the_runtime, 1);
}

int main(void)
{
    return conf_main("no_memory", add, CONF_THREADS);
}
