/* O_NONBLOCK belongs to the open file, which other processes and other numbers
 * share: whoever sets it sets it for all, and nobody else may */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DELAY_MS = 15 };

static bool is_nonblocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* ---- nobody but the program sets it ---- */

struct watch {
    volatile int stop, seen;
};

static struct watch *share_watch(void)
{
    struct watch *watch = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(watch, MAP_FAILED);
    return watch;
}

/* A child that looks at the shared files all the time. */
static pid_t start_watcher(struct watch *watch, const int *fds, int count)
{
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child != 0)
        return child;
    conf_child_begin();
    while (!watch->stop)
        for (int i = 0; i < count; i++)
            if (is_nonblocking(fds[i]))
                watch->seen = 1;
    _exit(0);
}

static void end_watcher(struct watch *watch, pid_t child)
{
    watch->stop = 1;
    ck_assert_int_eq(conf_child_status(child), 0);
    ck_assert_int_eq(watch->seen, 0);
    munmap(watch, 4096);
}

START_TEST(connecting_a_shared_socket_leaves_the_flag_alone)
{
    enum { SOCKETS = 200 };
    int fds[SOCKETS];
    struct sockaddr_in address;
    int listener = conf_listen(&address, SOCKETS);
    struct watch *watch = share_watch();
    pid_t child;

    for (int i = 0; i < SOCKETS; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    child = start_watcher(watch, fds, SOCKETS);
    sleep_ms(DELAY_MS);
    for (int i = 0; i < SOCKETS; i++)
        ck_assert_int_eq(
            connect(fds[i], (struct sockaddr *)&address, sizeof address), 0);
    end_watcher(watch, child);
    for (int i = 0; i < SOCKETS; i++)
        close(fds[i]);
    close(listener);
}
END_TEST

START_TEST(naming_the_peer_of_a_datagram_socket_leaves_it_alone)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct watch *watch = share_watch();
    pid_t child = start_watcher(watch, &fd, 1);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sleep_ms(DELAY_MS);
    for (int i = 0; i < 3000; i++) {
        address.sin_port = htons((uint16_t)(2000 + i));
        ck_assert_int_eq(
            connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    }
    end_watcher(watch, child);
    close(fd);
}
END_TEST

static void put(void *fd)
{
    conf_write_all(*(int *)fd, "x", 1);
}

/* What a shell has given us stays as it was while we wait on it, and after. */
START_TEST(waiting_on_an_inherited_file_leaves_the_flag_alone)
{
    int ends[2];
    struct watch *watch = share_watch();
    struct pollfd ready;
    pthread_t writer;
    pid_t child;
    char byte;

    conf_stream(_i, ends);
    child = start_watcher(watch, ends, 2);
    writer = start_later(DELAY_MS, put, &ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    join_thread(writer);
    ready = (struct pollfd){ ends[0], POLLIN, 0 };
    writer = start_later(DELAY_MS, put, &ends[1]);
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    join_thread(writer);
    ck_assert(!is_nonblocking(ends[0]));
    end_watcher(watch, child);
    conf_close_both(ends);
}
END_TEST

/* ---- and what is set holds for all who share it ---- */

enum { BY_DUP, BY_FORK, BY_MESSAGE, BY_FIONBIO, WAYS };

static int send_and_receive(int fd)
{
    int ends[2], got;
    char byte = 'f';
    struct iovec part = { &byte, 1 };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control };
    struct cmsghdr *head = &control.align;

    conf_unix_pair(ends);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    ck_assert_int_eq(sendmsg(ends[0], &message, 0), 1);
    ck_assert_int_eq(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 1);
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    ck_assert_int_eq(fcntl(got, F_GETFD), FD_CLOEXEC);
    conf_close_both(ends);
    return got;
}

static void set_in_child(int fd)
{
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        conf_child_begin();
        CONF_CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        _exit(0);
    }
    ck_assert_int_eq(conf_child_status(child), 0);
}

static void set_flag(int fd, int way)
{
    int copy = -1, on = 1;

    if (way == BY_FORK) {
        set_in_child(fd);
        return;
    }
    copy = way == BY_MESSAGE ? send_and_receive(fd) : dup(fd);
    ck_assert_int_ge(copy, 0);
    if (way == BY_FIONBIO)
        ck_assert_int_eq(ioctl(copy, FIONBIO, &on), 0);
    else
        ck_assert_int_eq(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
    close(copy);
}

START_TEST(a_flag_set_elsewhere_holds_here)
{
    int ends[2];
    char byte;
    pthread_t writer;

    conf_stream(_i / WAYS, ends);
    writer = start_later(0, put, &ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    join_thread(writer);
    set_flag(ends[0], _i % WAYS);
    ck_assert(is_nonblocking(ends[0]));
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
    writer = start_later(DELAY_MS, put, &ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    join_thread(writer);
    conf_close_both(ends);
}
END_TEST

START_TEST(a_listener_that_was_sent_away_may_be_emptied_there)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 4), copy, caller, fd;
    struct pollfd ready;

    copy = send_and_receive(listener);
    caller = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(
        connect(caller, (struct sockaddr *)&address, sizeof address), 0);
    ready = (struct pollfd){ copy, POLLIN, 0 };
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    fd = accept(copy, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(accept(listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(caller);
    close(listener);
    close(copy);
}
END_TEST

/* ---- a socket that is born with it ---- */

START_TEST(born_with_the_flag)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 4), caller, fd, ends[2];
    char byte;

    caller = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert(is_nonblocking(caller));
    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(accept(listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    if (connect(caller, (struct sockaddr *)&address, sizeof address) != 0)
        ck_assert_int_eq(errno, EINPROGRESS);
    ck_assert_int_eq(fcntl(listener, F_SETFL, 0), 0);
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
    close(caller);
    close(listener);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    ck_assert_int_eq(recv(ends[0], &byte, 1, MSG_WAITALL), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    conf_close_both(ends);
}
END_TEST

/* Linux does not hand a listener's flag on. */
START_TEST(an_accepted_socket_blocks)
{
    struct sockaddr_in address;
    int listener = conf_listen(&address, 4), caller, fd;

    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    caller = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(
        connect(caller, (struct sockaddr *)&address, sizeof address), 0);
    fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert(!is_nonblocking(fd));
    close(fd);
    close(caller);
    close(listener);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, connecting_a_shared_socket_leaves_the_flag_alone, 1);
    conf_test(tcase, naming_the_peer_of_a_datagram_socket_leaves_it_alone, 1);
    conf_test(tcase, waiting_on_an_inherited_file_leaves_the_flag_alone,
              CONF_STREAMS);
    conf_test(tcase, a_flag_set_elsewhere_holds_here, CONF_STREAMS * WAYS);
    conf_test(tcase, a_listener_that_was_sent_away_may_be_emptied_there, 1);
    conf_test(tcase, born_with_the_flag, 1);
    conf_test(tcase, an_accepted_socket_blocks, 1);
}

int main(void)
{
    return conf_main("shared_flags", add, CONF_THREADS);
}
