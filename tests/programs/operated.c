/* operated.c - a program with something to see in it, for the commands that look
 *
 * operated waits    threads that wait: a mutex, a cond, a join, a pipe, time
 * operated hog      one computes in a static function, one is to be served
 * operated calls    one sleeps in a system call of its own
 * operated fds      prints the numbers of files it opens, before and after
 * operated fork     the child makes a thread of its own
 * operated churn    threads come and go, wait and run
 * Each prints "up PID" and goes on until its standard input ends. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t reader_thread;
static int ends[2];

static pthread_t start(const char *name, void *(*function)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, NULL) != 0)
        exit(2);
    pthread_setname_np(thread, name);
    return thread;
}

static void up(void)
{
    printf("up %ld\n", (long)getpid());
    fflush(stdout);
}

static void stay(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

/* ---- waits ---- */

static void *hold(void *arg)
{
    pthread_mutex_lock(&mutex);
    sleep(1000);
    return arg;
}

static void __attribute__((noinline)) want_lock(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void *want(void *arg)
{
    usleep(1000);
    want_lock();
    return arg;
}

static void *wait_cond(void *arg)
{
    pthread_mutex_lock(&other);
    pthread_cond_wait(&cond, &other);
    return arg;
}

static void __attribute__((noinline)) read_pipe(void)
{
    char byte;

    if (read(ends[0], &byte, 1) < 0)
        perror("read");
}

static void *reader(void *arg)
{
    read_pipe();
    return arg;
}

static void *join_reader(void *arg)
{
    pthread_join(reader_thread, NULL);
    return arg;
}

static void waits(void)
{
    if (pipe(ends) < 0)
        exit(2);
    start("holder", hold);
    start("wanter", want);
    start("conder", wait_cond);
    reader_thread = start("reader", reader);
    start("joiner", join_reader);
    usleep(50000);
}

/* ---- hog, calls ---- */

static volatile unsigned long counter;

static void __attribute__((noinline)) crunch(void)
{
    for (;;)
        counter++;
}

static void *hog(void *arg)
{
    crunch();
    return arg;
}

static void *sleep_itself(void *arg)
{
    struct timespec span = { 1000, 0 };
    long rc;

#if defined(__x86_64__)
    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"((long)SYS_nanosleep), "D"(&span), "S"(NULL)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_nanosleep;
    register long first __asm__("x0") = (long)&span;
    register long second __asm__("x1") = 0;

    __asm__ volatile("svc #0"
                     : "+r"(first)
                     : "r"(number), "r"(second)
                     : "memory");
    rc = first;
#endif
    (void)rc;
    return arg;
}

/* ---- fds, fork, churn ---- */

static void *nothing(void *arg)
{
    return arg;
}

static void fds(void)
{
    struct stat st;

    for (int i = 0; i < 3; i++) {
        int fd = open("/dev/null", O_RDONLY), copy = dup(fd);

        printf("%d %d\n", fd, copy);
        if (i == 1) {
            pthread_join(start("first", nothing), NULL);
            usleep(100000);
        }
    }
    for (int fd = 0; fd < 1000; fd++)
        if (fstat(fd, &st) == 0 && fd > 2)
            printf("%d is open\n", fd);
    printf("umask %o\n", (unsigned)umask(0));
}

static void fork_one(void)
{
    pid_t child;

    start("parents", nothing);
    child = fork();
    if (child == 0) {
        start("childs", hold);
        usleep(20000);
        printf("child %ld\n", (long)getpid());
        fflush(stdout);
        stay();
        exit(0);
    }
}

static void *short_one(void *arg)
{
    usleep((unsigned)(random() % 2000));
    return arg;
}

static void *churner(void *arg)
{
    for (;;) {
        pthread_t threads[8];

        for (int i = 0; i < 8; i++)
            threads[i] = start("short", short_one);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
    return arg;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "waits") == 0) {
        waits();
    } else if (strcmp(what, "hog") == 0) {
        start("hog", hog);
    } else if (strcmp(what, "calls") == 0) {
        start("caller", sleep_itself);
    } else if (strcmp(what, "fds") == 0) {
        fds();
        return 0;
    } else if (strcmp(what, "fork") == 0) {
        fork_one();
    } else if (strcmp(what, "churn") == 0) {
        for (int i = 0; i < 20; i++)
            start("churner", churner);
    } else {
        return 2;
    }
    up();
    stay();
    return 0;
}
