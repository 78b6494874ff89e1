/* A table of descriptors that is full: each call that makes one says EMFILE, the
 * others go on, also those that were waiting before, and those that begin to
 * wait.  What waits needs no descriptor. */
#include "conf_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static struct rlimit before;
static int filled[256], count_filled;

/* The limit a little above what is used; what is left below it is used up. */
static void fill_table(void)
{
    struct rlimit low;
    int fd = dup(0);

    CONF_CHECK(fd >= 0);
    close(fd);
    CONF_CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = (rlim_t)fd + 20;
    CONF_CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while ((fd = dup(0)) >= 0)
        filled[count_filled++] = fd;
    CONF_CHECK(errno == EMFILE);
}

static void clear_table(void)
{
    CONF_CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    while (count_filled > 0)
        close(filled[--count_filled]);
}

/* No ck_assert(): what follows could not open anything either. */
#define IS_FULL(call) CONF_CHECK((errno = 0, (call) == -1) && errno == EMFILE)

START_TEST(calls_that_make_one_say_so)
{
    int pair[2] = {-1, -1};
    sigset_t none;

    sigemptyset(&none);
    fill_table();
    IS_FULL(socket(AF_INET, SOCK_STREAM, 0));
    IS_FULL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    IS_FULL(pipe(pair));
    IS_FULL(pipe2(pair, O_CLOEXEC));
    IS_FULL(open("/dev/null", O_RDONLY));
    IS_FULL(openat(AT_FDCWD, "/dev/null", O_RDONLY));
    IS_FULL(creat("/dev/null", 0600));
    IS_FULL(dup(0));
    IS_FULL(fcntl(0, F_DUPFD, 0));
    IS_FULL(fcntl(0, F_DUPFD_CLOEXEC, 0));
    IS_FULL(epoll_create1(0));
    IS_FULL(eventfd(0, 0));
    IS_FULL(timerfd_create(CLOCK_MONOTONIC, 0));
    IS_FULL(signalfd(-1, &none, 0));
    CONF_CHECK(fopen("/dev/null", "r") == NULL && errno == EMFILE);
    errno = 0;
    CONF_CHECK(popen("true", "r") == NULL && errno == EMFILE);
    CONF_CHECK(pair[0] == -1);
    clear_table();
}
END_TEST

/* accept() says so and the peer stays in the queue for when there is room. */
START_TEST(accept_leaves_the_peer_in_the_queue)
{
    struct sockaddr_in at;
    int listener = conf_listen(&at, 5), client, accepted;

    client = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(client, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    fill_table();
    IS_FULL(accept(listener, NULL, NULL));
    IS_FULL(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    clear_table();
    accepted = accept(listener, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    conf_write_all(client, "x", 1);
    conf_read_all(accepted, (char[1]){0}, 1);
    close(accepted);
    close(client);
    close(listener);
}
END_TEST

static void *accept_one(void *listener)
{
    int fd = accept(*(int *)listener, NULL, NULL);

    return (void *)(intptr_t)(fd < 0 ? -errno : fd);
}

/* The table was not full when it began to wait: Linux has reserved a number then.
 * The peer is accepted, by this call or by the next. */
START_TEST(accept_that_waits_loses_no_peer)
{
    struct sockaddr_in at;
    int listener = conf_listen(&at, 5), client;
    pthread_t thread;
    int accepted;

    client = socket(AF_INET, SOCK_STREAM, 0);
    thread = start_thread(accept_one, &listener);
    let_block();
    fill_table();
    CONF_CHECK(connect(client, (struct sockaddr *)&at, sizeof at) == 0);
    accepted = (int)(intptr_t)join_thread(thread);
    clear_table();
    if (accepted == -EMFILE)
        accepted = accept(listener, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    close(accepted);
    close(client);
    close(listener);
}
END_TEST

/* ---- waits in a full table ---- */

static int pipes[2], sockets[2];

static void *write_later(void *fd)
{
    sleep_ms(30);
    conf_write_all(*(int *)fd, "abcd", 4);
    return NULL;
}

static void *poll_it(void *argument)
{
    struct pollfd one = {pipes[0], POLLIN, 0};
    fd_set set;

    (void)argument;
    CONF_CHECK(poll(&one, 1, 10000) == 1 && one.revents == POLLIN);
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    CONF_CHECK(select(pipes[0] + 1, &set, NULL, NULL, NULL) == 1);
    conf_read_all(pipes[0], (char[4]){0}, 4);
    return NULL;
}

static void *receive_it(void *argument)
{
    char bytes[4];

    CONF_CHECK(recv(sockets[0], bytes, 4, MSG_WAITALL) == 4);
    CONF_CHECK(memcmp(bytes, "abcd", 4) == 0);
    return argument;
}

static void wait_for_all(void)
{
    pthread_t threads[4] = {
        start_thread(poll_it, NULL), start_thread(receive_it, NULL),
        start_thread(write_later, &pipes[1]),
        start_thread(write_later, &sockets[1])};

    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
}

START_TEST(threads_wait_in_a_full_table)
{
    conf_pipe(pipes);
    conf_tcp_pair(sockets);
    fill_table();
    for (int i = 0; i < 3; i++)
        wait_for_all();
    clear_table();
    conf_close_both(pipes);
    conf_close_both(sockets);
}
END_TEST

static void *sleep_and_lock(void *lock)
{
    sem_t *done = lock;
    struct timespec soon = {0, 5 * CONF_MS};

    CONF_CHECK(nanosleep(&soon, NULL) == 0);
    CONF_CHECK(sem_post(done) == 0);
    return NULL;
}

START_TEST(threads_sleep_and_wait_for_locks_in_a_full_table)
{
    struct timespec until;
    pthread_t threads[20];
    sem_t done;

    ck_assert_int_eq(sem_init(&done, 0, 0), 0);
    fill_table();
    for (int i = 0; i < 20; i++)
        threads[i] = start_thread(sleep_and_lock, &done);
    until = deadline_in(CLOCK_REALTIME, 20000);
    for (int i = 0; i < 20; i++)
        CONF_CHECK(sem_timedwait(&done, &until) == 0);
    for (int i = 0; i < 20; i++)
        join_thread(threads[i]);
    clear_table();
    ck_assert_int_eq(sem_destroy(&done), 0);
}
END_TEST

/* Files that are not in memory, and look-ups, run elsewhere under a runtime. */
static void *use_files(void *argument)
{
    char path[CONF_PATH], bytes[4096], name[CONF_PATH + 8];
    int fd = *(int *)argument;
    struct stat status;

    CONF_CHECK(pwrite(fd, "abcd", 4, 0) == 4);
    CONF_CHECK(fsync(fd) == 0);
    CONF_CHECK(pread(fd, bytes, sizeof bytes, 0) == 4);
    CONF_CHECK(stat("/proc/self", &status) == 0);
    conf_make_dir(path);
    snprintf(name, sizeof name, "%s/x", path);
    CONF_CHECK(mkfifo(name, 0600) == 0);
    errno = 0;
    CONF_CHECK(open(name, O_RDONLY) == -1 && errno == EMFILE);
    CONF_CHECK(unlink(name) == 0 && rmdir(path) == 0);
    return NULL;
}

START_TEST(files_are_used_in_a_full_table)
{
    char path[CONF_PATH], name[CONF_PATH + 8];
    pthread_t threads[4];
    int fd;

    conf_make_dir(path);
    snprintf(name, sizeof name, "%s/file", path);
    fd = open(name, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    fill_table();
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(use_files, &fd);
    for (int i = 0; i < 4; i++)
        join_thread(threads[i]);
    clear_table();
    close(fd);
    unlink(name);
    rmdir(path);
}
END_TEST

static void *wait_for_a_child(void *child)
{
    int status = 0;

    CONF_CHECK(waitpid(*(pid_t *)child, &status, 0) == *(pid_t *)child);
    return (void *)(intptr_t)WEXITSTATUS(status);
}

START_TEST(children_are_waited_for_in_a_full_table)
{
    pthread_t threads[2];
    pid_t children[2];

    fill_table();
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        CONF_CHECK(children[i] >= 0);
        if (children[i] == 0) {
            conf_child_begin();
            usleep(30000);
            _exit(7 + i);
        }
        threads[i] = start_thread(wait_for_a_child, &children[i]);
    }
    for (int i = 0; i < 2; i++)
        CONF_CHECK((intptr_t)join_thread(threads[i]) == 7 + i);
    clear_table();
}
END_TEST

/* ---- the first threads are made when the table is full already ---- */

static void *nothing(void *argument)
{
    return argument;
}

static void receive_a_right(void)
{
    char space[CMSG_SPACE(sizeof(int))], byte;
    struct iovec one = {&byte, 1};
    struct msghdr message = {.msg_iov = &one,
                             .msg_iovlen = 1,
                             .msg_control = space,
                             .msg_controllen = sizeof space};
    int fd = 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    *head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd),
                             .cmsg_level = SOL_SOCKET,
                             .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    CONF_CHECK(sendmsg(sockets[1], &message, 0) == 1);
    message.msg_controllen = sizeof space;
    CONF_CHECK(recvmsg(sockets[0], &message, 0) == 1);
    CONF_CHECK(message.msg_flags & MSG_CTRUNC);
    CONF_CHECK(message.msg_controllen == 0);
}

START_TEST(a_descriptor_that_is_sent_is_cut_off)
{
    conf_unix_pair(sockets);
    fill_table();
    receive_a_right();
    clear_table();
    conf_close_both(sockets);
}
END_TEST

static void *resolve(void *argument)
{
    struct addrinfo hint = {.ai_flags = AI_NUMERICHOST}, *found;

    CONF_CHECK(getaddrinfo("127.0.0.1", "80", &hint, &found) == 0);
    freeaddrinfo(found);
    return argument;
}

START_TEST(numbers_are_looked_up_in_a_full_table)
{
    fill_table();
    for (int i = 0; i < 3; i++)
        join_thread(start_thread(resolve, NULL));
    join_thread(start_thread(nothing, NULL));
    clear_table();
}
END_TEST

static void *wait_for_a_signal(void *argument)
{
    struct timespec soon = {0, 20 * CONF_MS};
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CONF_CHECK(sigtimedwait(&set, NULL, &soon) == -1 && errno == EAGAIN);
    CONF_CHECK(sem_post(argument) == 0);
    CONF_CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
    CONF_CHECK(info.si_pid == getpid());
    return NULL;
}

START_TEST(signals_are_waited_for_in_a_full_table)
{
    sigset_t set, mask;
    pthread_t thread;
    sem_t ready;

    ck_assert_int_eq(sem_init(&ready, 0, 0), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &mask), 0);
    fill_table();
    thread = start_thread(wait_for_a_signal, &ready);
    CONF_CHECK(sem_wait(&ready) == 0);
    let_block();
    CONF_CHECK(kill(getpid(), SIGUSR1) == 0);
    join_thread(thread);
    clear_table();
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    ck_assert_int_eq(sem_destroy(&ready), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, calls_that_make_one_say_so, 1);
    conf_test(tcase, accept_leaves_the_peer_in_the_queue, 1);
    conf_test(tcase, accept_that_waits_loses_no_peer, 1);
    conf_test(tcase, threads_wait_in_a_full_table, 1);
    conf_test(tcase, threads_sleep_and_wait_for_locks_in_a_full_table, 1);
    conf_test(tcase, files_are_used_in_a_full_table, 1);
    conf_test(tcase, children_are_waited_for_in_a_full_table, 1);
    conf_test(tcase, a_descriptor_that_is_sent_is_cut_off, 1);
    conf_test(tcase, signals_are_waited_for_in_a_full_table, 1);
    conf_test(tcase, numbers_are_looked_up_in_a_full_table, 1);
}

int main(void)
{
    return conf_main("full_table", add, CONF_THREADS);
}
