/* waiting.c - threads that seem to wait for each other for ever, and one that lets
 * no other run
 *
 * waiting WHAT [SECONDS]: prints "done" when it has waited for so long. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static pthread_t threads[3];
static unsigned seconds = 4;

static pthread_t start(const char *name, void *(*function)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, arg) != 0)
        exit(2);
    pthread_setname_np(thread, name);
    return thread;
}

/* A child that does not outlive us. */
static pid_t branch(void)
{
    pid_t child = fork();

    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static void join_all(int count)
{
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- what they do ---- */

static void __attribute__((noinline)) take(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
}

static void *first_then_second(void *arg)
{
    pthread_mutex_lock(&first);
    usleep(20000);
    take(&second);
    return arg;
}

static void *wait_cond(void *arg)
{
    pthread_mutex_lock(&first);
    pthread_cond_wait(&cond, &first);
    pthread_mutex_unlock(&first);
    return arg;
}

static void *wait_sem(void *arg)
{
    while (sem_wait(&sem) < 0 && errno == EINTR)
        ;
    return arg;
}

static void *take_first(void *arg)
{
    take(&first);
    return arg;
}

/* ---- not for ever ---- */

static struct timespec in_time(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    return until;
}

static void *connect_later(void *arg)
{
    const struct sockaddr_in *address = arg;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sleep(seconds);
    if (connect(fd, (const void *)address, sizeof *address) < 0)
        perror("connect");
    exit(0);
}

/* A child connects: here nothing but accept() is waited for. */
static void accepting(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (void *)&address, size) < 0 || listen(fd, 5) < 0)
        exit(2);
    getsockname(fd, (void *)&address, &size);
    if (branch() == 0)
        connect_later(&address);
    threads[0] = start("worker", wait_cond, NULL);
    if (accept(fd, NULL, NULL) < 0)
        perror("accept");
}

static void *wait_for_a_time(void *arg)
{
    struct timespec until = in_time();

    pthread_mutex_lock(&second);
    while (pthread_cond_timedwait(&cond, &second, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&second);
    return arg;
}

static void timed(void)
{
    threads[1] = start("patient", wait_cond, NULL);
    threads[0] = start("timed", wait_for_a_time, NULL);
    join_all(1);
}

static void *lock_for_a_time(void *arg)
{
    struct timespec until = in_time();

    pthread_mutex_lock(&second);
    usleep(20000);
    if (pthread_mutex_timedlock(&first, &until) != ETIMEDOUT)
        puts("locked?");
    pthread_mutex_unlock(&second);
    return arg;
}

/* As ABBA, but one gives up. */
static void timed_abba(void)
{
    threads[0] = start("alpha", first_then_second, NULL);
    threads[1] = start("gives up", lock_for_a_time, NULL);
    join_all(2);
}

static void send_later(int number)
{
    pid_t parent = getpid();

    if (branch() == 0) {
        sleep(seconds);
        kill(parent, number);
        _exit(0);
    }
}

static void waits_for_signal(void)
{
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    send_later(SIGUSR1);
    threads[0] = start("worker", wait_cond, NULL);
    sigwait(&set, &number);
}

static void on_signal(int number)
{
    (void)number;
    sem_post(&sem);
}

static void handler_posts(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGUSR1, &action, NULL);
    send_later(SIGUSR1);
    threads[0] = start("waiter", wait_sem, NULL);
    join_all(1);
}

/* Then it waits for a time. */
static void handler_posts_first(void)
{
    handler_posts();
    sleep(seconds);
}

static void alarm_posts(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
    threads[0] = start("waiter", wait_sem, NULL);
    join_all(1);
}

static void timer_posts_now(union sigval value)
{
    (void)value;
    sem_post(&sem);
}

static void timer_posts(void)
{
    struct itimerspec once = { .it_value = { .tv_sec = (time_t)seconds } };
    struct sigevent event = { .sigev_notify = SIGEV_THREAD,
                              .sigev_notify_function = timer_posts_now };
    timer_t timer;

    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &once, NULL) != 0)
        exit(2);
    threads[0] = start("waiter", wait_sem, NULL);
    join_all(1);
}

/* Its thread stays the kernel's: VIREO_NATIVE_THREADS=post_later. */
void *post_later(void *arg);
void *post_later(void *arg)
{
    struct timespec span = { (time_t)seconds, 0 };

    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &span, NULL);
    sem_post(&sem);
    return arg;
}

static void native(void)
{
    threads[1] = start("post_later", post_later, NULL);
    threads[0] = start("waiter", wait_sem, NULL);
    join_all(1);
}

static pthread_mutex_t *shared_mutex(int robust)
{
    pthread_mutex_t *mutex =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, robust);
    if (mutex == MAP_FAILED || pthread_mutex_init(mutex, &attributes) != 0)
        exit(2);
    return mutex;
}

static void *lock_it(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* Two wait, since the first of them waits in the kernel, and the other for it. */
static void held_by_child(int robust)
{
    pthread_mutex_t *mutex = shared_mutex(robust);
    int ends[2];
    char byte = 0;

    if (pipe(ends) < 0)
        exit(2);
    if (branch() == 0) {
        pthread_mutex_lock(mutex);
        if (write(ends[1], &byte, 1) < 0)
            perror("write");
        sleep(seconds);
        if (!robust)
            pthread_mutex_unlock(mutex);
        _exit(0);
    }
    if (read(ends[0], &byte, 1) < 0)
        perror("read");
    threads[0] = start("sharer", lock_it, mutex);
    threads[1] = start("other", lock_it, mutex);
    join_all(2);
}

static void shared(void)
{
    held_by_child(PTHREAD_MUTEX_STALLED);
}

static void robust(void)
{
    held_by_child(PTHREAD_MUTEX_ROBUST);
}

static void shared_sem(void)
{
    sem_t *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED || sem_init(shared, 1, 0) < 0)
        exit(2);
    if (branch() == 0) {
        sleep(seconds);
        sem_post(shared);
        _exit(0);
    }
    threads[0] = start("patient", wait_cond, NULL);
    while (sem_wait(shared) < 0 && errno == EINTR)
        ;
}

static void *lock_file(void *name)
{
    int fd = open(name, O_RDWR | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        perror("flock");
    return NULL;
}

/* A call that is made by a helper. */
static void file_lock(void)
{
    static char name[] = "/tmp/vireo-deadlocked-XXXXXX";
    int fd = mkstemp(name), ends[2];
    char byte = 0;

    if (fd < 0 || pipe(ends) < 0)
        exit(2);
    if (branch() == 0) {
        int own = open(name, O_RDWR);

        flock(own, LOCK_EX);
        if (write(ends[1], &byte, 1) < 0)
            perror("write");
        sleep(seconds);
        _exit(0);
    }
    if (read(ends[0], &byte, 1) < 0)
        perror("read");
    threads[0] = start("locker", lock_file, name);
    join_all(1);
    unlink(name);
}

static void child_ends(void)
{
    int status;

    if (branch() == 0) {
        sleep(seconds);
        _exit(0);
    }
    threads[0] = start("worker", wait_cond, NULL);
    if (wait(&status) < 0)
        perror("wait");
}

static void *sleep_holding(void *arg)
{
    pthread_mutex_lock(&first);
    sleep(seconds);
    pthread_mutex_unlock(&first);
    return arg;
}

static void slow_holder(void)
{
    threads[0] = start("slow", sleep_holding, NULL);
    usleep(20000);
    threads[1] = start("waiter", take_first, NULL);
    join_all(2);
}

/* A mutex that another thread gives up, which works with all libcs. */
static void *sleep_and_unlock(void *arg)
{
    sleep(seconds);
    pthread_mutex_unlock(&first);
    return arg;
}

static void handed_over(void)
{
    threads[0] = start("giver", sleep_and_unlock, NULL);
    pthread_mutex_lock(&first);
    pthread_cond_signal(&cond);
    threads[1] = start("taker", take_first, NULL);
    join_all(2);
}

static void *compete(void *arg)
{
    time_t end = time(NULL) + (time_t)seconds;

    while (time(NULL) < end) {
        pthread_mutex_lock(&first);
        pthread_mutex_lock(&second);
        sched_yield();
        pthread_mutex_unlock(&second);
        pthread_mutex_unlock(&first);
    }
    return arg;
}

static void competing(void)
{
    for (int i = 0; i < 3; i++)
        threads[i] = start("rival", compete, NULL);
    join_all(3);
}

/* ---- a thread that keeps the others waiting ---- */

/* In libc nothing is taken off its OS thread: here by a search that finds
 * nothing. */
static void __attribute__((noinline)) search_much(char *hay, size_t size)
{
    const char *volatile found;

    for (int i = 0; i < 2; i++)
        found = memmem(hay, size, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 32);
    (void)found;
}

static void *searcher(void *arg)
{
    size_t size = (size_t)1 << 28;
    char *hay = malloc(size);

    if (arg != NULL)
        usleep(300000);
    memset(hay, 'a', size);
    search_much(hay, size);
    return arg;
}

static void *tick(void *arg)
{
    for (;;)
        usleep(10000);
    return arg;
}

static void blocked(void)
{
    start("ticker", tick, NULL);
    threads[0] = start("searcher", searcher, "later");
    join_all(1);
    sleep(seconds);
}

/* The same in a system call of its own, which nobody makes for it where
 * VIREO_PREEMPT=0. */
static void __attribute__((noinline)) sleep_itself(time_t how_long)
{
    struct timespec span = { how_long, 0 };
    long rc;

#if defined(__x86_64__)
    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"((long)SYS_nanosleep), "D"(&span), "S"(NULL)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_nanosleep;
    register long to_first __asm__("x0") = (long)&span;
    register long to_second __asm__("x1") = 0;

    __asm__ volatile("svc #0"
                     : "+r"(to_first)
                     : "r"(number), "r"(to_second)
                     : "memory");
    rc = to_first;
#endif
    (void)rc;
}

static void *sleeper(void *arg)
{
    usleep(100000);
    sleep_itself(2);
    return arg;
}

static void sleeps(void)
{
    start("ticker", tick, NULL);
    threads[0] = start("sleeper", sleeper, NULL);
    join_all(1);
    sleep(seconds);
}

/* The same where nobody else has anything to do. */
static void blocks_nobody(void)
{
    threads[0] = start("searcher", searcher, NULL);
    join_all(1);
}

static const struct {
    const char *name;
    void (*run)(void);
} all[] = {
    { "accept", accepting },
    { "timed", timed },
    { "timed-abba", timed_abba },
    { "sigwait", waits_for_signal },
    { "handler", handler_posts },
    { "handler-twice", handler_posts_first },
    { "alarm", alarm_posts },
    { "timer", timer_posts },
    { "native", native },
    { "shared", shared },
    { "robust", robust },
    { "shared-sem", shared_sem },
    { "flock", file_lock },
    { "child", child_ends },
    { "slow", slow_holder },
    { "handed-over", handed_over },
    { "competing", competing },
    { "blocked", blocked },
    { "sleeps", sleeps },
    { "blocks-nobody", blocks_nobody },
};

int main(int argc, char **argv)
{
    if (argc > 2)
        seconds = (unsigned)atoi(argv[2]);
    for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, argv[1]) == 0) {
            all[i].run();
            puts("done");
            return 0;
        }
    return 2;
}
