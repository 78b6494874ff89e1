/* idling.c - a process all of whose threads wait for each other, but for one, which
 * waits for what comes from elsewhere
 *
 * idling WHAT [SECONDS]: prints "done" when that has come, after so long. */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t beside = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem, for_main;
static unsigned seconds = 4;

static void must(int holds)
{
    if (!holds) {
        perror("idling");
        exit(2);
    }
}

static pthread_t start(void *(*function)(void *), void *arg)
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, function, arg) == 0);
    return thread;
}

/* What others of this process are waited for by; it ends with the process. */
static pid_t branch(void)
{
    pid_t child = fork();

    must(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sleep(seconds);
    }
    return child;
}

/* ---- those who wait for main, or for nobody ---- */

static void *take_held(void *arg)
{
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
    return arg;
}

static void *read_held(void *arg)
{
    pthread_rwlock_rdlock(&rwlock);
    return arg;
}

static void *wait_cond(void *arg)
{
    pthread_mutex_lock(&beside);
    pthread_cond_wait(&cond, &beside);
    return arg;
}

static void *wait_sem(void *arg)
{
    while (sem_wait(&sem) < 0 && errno == EINTR)
        ;
    return arg;
}

static void *arrive(void *arg)
{
    pthread_barrier_wait(&barrier);
    return arg;
}

static void *join_it(void *thread)
{
    pthread_join(*(pthread_t *)thread, NULL);
    return NULL;
}

/* On all hubs, and signals are not for them. */
static void crowd(void)
{
    static pthread_t joined[2];
    sigset_t every, before;

    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    pthread_barrier_init(&barrier, NULL, 100);
    pthread_mutex_lock(&held);
    pthread_rwlock_wrlock(&rwlock);
    for (int i = 0; i < 2; i++) {
        joined[i] = start(take_held, NULL);
        start(read_held, NULL);
        start(wait_cond, NULL);
        start(wait_sem, NULL);
        start(arrive, NULL);
        start(join_it, &joined[i]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- what comes from elsewhere ---- */

/* A byte can be read, later. */
static int pipe_later(void)
{
    int ends[2];

    must(pipe(ends) == 0);
    if (branch() == 0)
        _exit(write(ends[1], "x", 1) != 1);
    return ends[0];
}

static void by_read(void)
{
    char byte;

    must(read(pipe_later(), &byte, 1) == 1);
}

static void by_poll(void)
{
    struct pollfd fd = { pipe_later(), POLLIN, 0 };

    must(poll(&fd, 1, -1) == 1);
}

static void by_epoll(void)
{
    int set = epoll_create1(0), fd = pipe_later();
    struct epoll_event event = { .events = EPOLLIN };

    must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 &&
         epoll_wait(set, &event, 1, -1) == 1);
}

static void by_aio(void)
{
    char byte;
    struct aiocb block;
    const struct aiocb *list[] = { &block };

    memset(&block, 0, sizeof block);
    block.aio_fildes = pipe_later();
    block.aio_buf = &byte;
    block.aio_nbytes = 1;
    must(aio_read(&block) == 0);
    while (aio_suspend(list, 1, NULL) < 0 && errno == EINTR)
        ;
}

static void by_timerfd(void)
{
    struct itimerspec once = { .it_value = { .tv_sec = (time_t)seconds } };
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t count;

    must(timerfd_settime(fd, 0, &once, NULL) == 0 &&
         read(fd, &count, sizeof count) == sizeof count);
}

static void nothing(int number)
{
    (void)number;
}

static void post_for_main(int number)
{
    (void)number;
    sem_post(&for_main);
}

static void unlock_held(int number)
{
    (void)number;
    pthread_mutex_unlock(&held);
    sem_post(&for_main);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };

    must(sigaction(number, &action, NULL) == 0);
}

static void kill_later(int number)
{
    pid_t parent = getpid();

    if (branch() == 0)
        _exit(kill(parent, number));
}

static void by_pause(void)
{
    handle(SIGUSR1, nothing);
    kill_later(SIGUSR1);
    pause();
}

static void by_handler(void)
{
    handle(SIGUSR1, unlock_held);
    kill_later(SIGUSR1);
    while (sem_wait(&for_main) < 0 && errno == EINTR)
        ;
}

static void by_timer(void)
{
    struct itimerspec once = { .it_value = { .tv_sec = (time_t)seconds } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGUSR2 };
    timer_t timer;

    handle(SIGUSR2, post_for_main);
    must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
         timer_settime(timer, 0, &once, NULL) == 0);
    while (sem_wait(&for_main) < 0 && errno == EINTR)
        ;
}

static void *take_signal(void *set)
{
    int number;

    must(sigwait(set, &number) == 0);
    return NULL;
}

static void by_sigwait(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    kill_later(SIGUSR1);
    pthread_join(start(take_signal, &set), NULL);
}

static void by_child(void)
{
    pid_t child = branch();

    if (child == 0)
        _exit(0);
    must(waitpid(child, NULL, 0) == child);
}

static void by_queue(void)
{
    struct {
        long type;
        char text[1];
    } message = { 1, "x" };
    int queue = msgget(IPC_PRIVATE, 0600);

    must(queue >= 0);
    if (branch() == 0)
        _exit(msgsnd(queue, &message, 1, 0));
    must(msgrcv(queue, &message, 1, 0, 0) == 1);
    msgctl(queue, IPC_RMID, NULL);
}

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_rwlock_t rwlock;
    _Atomic uint32_t word, ready;
};

static struct shared *make_shared(void)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t for_mutex;
    pthread_condattr_t for_cond;
    pthread_rwlockattr_t for_rwlock;

    must(shared != MAP_FAILED);
    pthread_mutexattr_init(&for_mutex);
    pthread_mutexattr_setpshared(&for_mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &for_mutex);
    pthread_condattr_init(&for_cond);
    pthread_condattr_setpshared(&for_cond, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&shared->cond, &for_cond);
    pthread_rwlockattr_init(&for_rwlock);
    pthread_rwlockattr_setpshared(&for_rwlock, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&shared->rwlock, &for_rwlock);
    return shared;
}

static void by_shared_cond(void)
{
    struct shared *shared = make_shared();

    if (branch() == 0) {
        pthread_mutex_lock(&shared->mutex);
        shared->ready = 1;
        pthread_cond_signal(&shared->cond);
        pthread_mutex_unlock(&shared->mutex);
        _exit(0);
    }
    pthread_mutex_lock(&shared->mutex);
    while (!shared->ready)
        pthread_cond_wait(&shared->cond, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
}

static void by_shared_rwlock(void)
{
    struct shared *shared = make_shared();
    pid_t child = fork();

    must(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pthread_rwlock_wrlock(&shared->rwlock);
        shared->ready = 1;
        sleep(seconds);
        pthread_rwlock_unlock(&shared->rwlock);
        _exit(0);
    }
    while (!shared->ready)
        usleep(1000);
    must(pthread_rwlock_rdlock(&shared->rwlock) == 0);
}

static void by_shared_futex(void)
{
    struct shared *shared = make_shared();

    if (branch() == 0) {
        shared->word = 1;
        syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
        _exit(0);
    }
    while (shared->word == 0)
        syscall(SYS_futex, &shared->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void *compute(void *arg)
{
    time_t end = time(NULL) + (time_t)seconds;

    for (volatile unsigned i = 0; time(NULL) < end; i++)
        ;
    return arg;
}

static void by_computing(void)
{
    pthread_join(start(compute, NULL), NULL);
}

static void *sleep_it(void *arg)
{
    sleep(seconds);
    return arg;
}

static void by_sleeping(void)
{
    pthread_join(start(sleep_it, NULL), NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} all[] = {
    { "read", by_read },
    { "poll", by_poll },
    { "epoll", by_epoll },
    { "aio", by_aio },
    { "timerfd", by_timerfd },
    { "pause", by_pause },
    { "handler", by_handler },
    { "timer", by_timer },
    { "sigwait", by_sigwait },
    { "child", by_child },
    { "queue", by_queue },
    { "shared-cond", by_shared_cond },
    { "shared-rwlock", by_shared_rwlock },
    { "shared-futex", by_shared_futex },
    { "computing", by_computing },
    { "sleeping", by_sleeping },
};

int main(int argc, char **argv)
{
    if (argc > 2)
        seconds = (unsigned)atoi(argv[2]);
    for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, argv[1]) == 0) {
            crowd();
            all[i].run();
            puts("done");
            fflush(stdout);
            _exit(0);
        }
    return 2;
}
