/* Message queues and semaphores of System V and POSIX, asynchronous I/O, and
 * calls that wait for storage: another thread of the program must run while one
 * waits in them. */
#include "conformance.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <termios.h>
#include <unistd.h>

struct message {
    long type;
    char text[8];
};

static int queue;

static void send_message(void *text)
{
    struct message message = { .type = 5 };

    strcpy(message.text, text);
    CONF_CHECK(msgsnd(queue, &message, sizeof message.text, 0) == 0);
}

START_TEST(msgrcv_waits_for_a_message)
{
    struct message message;
    pthread_t sender;

    queue = msgget(IPC_PRIVATE, 0600);
    ck_assert_int_ge(queue, 0);
    errno = 0;
    ck_assert_int_eq(msgrcv(queue, &message, sizeof message.text, 0,
                            IPC_NOWAIT), -1);
    ck_assert_int_eq(errno, ENOMSG);
    sender = start_later(20, send_message, "hello");
    errno = 33;
    ck_assert_int_eq(msgrcv(queue, &message, sizeof message.text, 5, 0),
                     sizeof message.text);
    ck_assert_int_eq(errno, 33);
    ck_assert_str_eq(message.text, "hello");
    join_thread(sender);
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}
END_TEST

static void take_message(void *unused)
{
    struct message message;

    (void)unused;
    CONF_CHECK(msgrcv(queue, &message, sizeof message.text, 0, 0) > 0);
}

START_TEST(msgsnd_waits_for_room)
{
    struct message message = { .type = 1 };
    pthread_t taker;
    int sent = 0;

    queue = msgget(IPC_PRIVATE, 0600);
    while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0)
        sent++;
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_gt(sent, 0);
    taker = start_later(20, take_message, NULL);
    ck_assert_int_eq(msgsnd(queue, &message, sizeof message.text, 0), 0);
    join_thread(taker);
    ck_assert_int_eq(msgctl(queue, IPC_RMID, NULL), 0);
}
END_TEST

static int set;

static void raise_semaphore(void *unused)
{
    struct sembuf up = { 0, 1, 0 };

    (void)unused;
    CONF_CHECK(semop(set, &up, 1) == 0);
}

START_TEST(semop_waits_for_another_thread)
{
    const struct timespec wait = { 0, 20 * 1000000 };
    struct sembuf down = { 0, -1, 0 };
    pthread_t thread;
    int64_t from = now_ns();

    set = semget(IPC_PRIVATE, 1, 0600);
    ck_assert_int_ge(set, 0);
    errno = 0;
    ck_assert_int_eq(semtimedop(set, &down, 1, &wait), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_ge(now_ns() - from, 20 * CONF_MS);
    thread = start_later(20, raise_semaphore, NULL);
    ck_assert_int_eq(semop(set, &down, 1), 0);
    join_thread(thread);
    ck_assert_int_eq(semctl(set, 0, IPC_RMID), 0);
}
END_TEST

static mqd_t posix_queue;

static void send_posix(void *priority)
{
    CONF_CHECK(mq_send(posix_queue, "word", 5, (unsigned)(intptr_t)priority) ==
               0);
}

static void open_posix_queue(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 };
    char name[40];

    snprintf(name, sizeof name, "/conf-queues-%d", getpid());
    posix_queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    ck_assert_int_ge(posix_queue, 0);
    ck_assert_int_eq(mq_unlink(name), 0);
}

START_TEST(mq_receive_waits_for_a_message)
{
    struct timespec past = { 1, 0 };
    unsigned priority = 0;
    pthread_t sender;
    char text[16];

    open_posix_queue();
    sender = start_later(20, send_posix, (void *)3);
    ck_assert_int_eq(mq_receive(posix_queue, text, sizeof text, &priority), 5);
    ck_assert_str_eq(text, "word");
    ck_assert_uint_eq(priority, 3);
    join_thread(sender);
    errno = 0;
    ck_assert_int_eq(mq_timedreceive(posix_queue, text, sizeof text, NULL,
                                     &past), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(mq_close(posix_queue), 0);
}
END_TEST

static void receive_posix(void *unused)
{
    char text[16];

    (void)unused;
    CONF_CHECK(mq_receive(posix_queue, text, sizeof text, NULL) == 1);
}

START_TEST(mq_send_waits_for_room)
{
    struct timespec past = { 1, 0 };
    pthread_t receiver;

    open_posix_queue();
    ck_assert_int_eq(mq_send(posix_queue, "1", 1, 0), 0);
    ck_assert_int_eq(mq_send(posix_queue, "2", 1, 0), 0);
    errno = 0;
    ck_assert_int_eq(mq_timedsend(posix_queue, "3", 1, 0, &past), -1);
    ck_assert_int_eq(errno, ETIMEDOUT);
    receiver = start_later(20, receive_posix, NULL);
    ck_assert_int_eq(mq_send(posix_queue, "3", 1, 0), 0);
    join_thread(receiver);
    ck_assert_int_eq(mq_close(posix_queue), 0);
}
END_TEST

static int pipe_ends[2];

static void write_pipe(void *unused)
{
    (void)unused;
    conf_write_all(pipe_ends[1], "bytes", 5);
}

START_TEST(aio_suspend_waits_for_a_request)
{
    char text[16];
    struct aiocb request = { .aio_buf = text, .aio_nbytes = sizeof text };
    const struct aiocb *list[] = { &request };
    const struct timespec wait = { 0, 10 * 1000000 };
    pthread_t writer;

    conf_pipe(pipe_ends);
    request.aio_fildes = pipe_ends[0];
    request.aio_sigevent.sigev_notify = SIGEV_NONE;
    ck_assert_int_eq(aio_read(&request), 0);
    errno = 0;
    ck_assert_int_eq(aio_suspend(list, 1, &wait), -1);
    ck_assert_int_eq(errno, EAGAIN);
    writer = start_later(20, write_pipe, NULL);
    ck_assert_int_eq(aio_suspend(list, 1, NULL), 0);
    ck_assert_int_eq(aio_error(&request), 0);
    ck_assert_int_eq(aio_return(&request), 5);
    join_thread(writer);
    conf_close_both(pipe_ends);
}
END_TEST

START_TEST(lio_listio_waits_for_all_requests)
{
    char text[16];
    struct aiocb request = { .aio_buf = text, .aio_nbytes = sizeof text,
                             .aio_lio_opcode = LIO_READ };
    struct aiocb *list[] = { &request };
    pthread_t writer;

    conf_pipe(pipe_ends);
    request.aio_fildes = pipe_ends[0];
    writer = start_later(20, write_pipe, NULL);
    ck_assert_int_eq(lio_listio(LIO_WAIT, list, 1, NULL), 0);
    ck_assert_int_eq(aio_return(&request), 5);
    join_thread(writer);
    conf_close_both(pipe_ends);
}
END_TEST

START_TEST(getaddrinfo_a_may_be_waited_for)
{
    struct gaicb request = { .ar_name = "127.0.0.1" };
    struct gaicb *list[] = { &request };
    const struct gaicb *again[] = { &request };

    ck_assert_int_eq(getaddrinfo_a(GAI_WAIT, list, 1, NULL), 0);
    ck_assert_int_eq(gai_error(&request), 0);
    freeaddrinfo(request.ar_result);
    ck_assert_int_eq(getaddrinfo_a(GAI_NOWAIT, list, 1, NULL), 0);
    while (gai_error(&request) == EAI_INPROGRESS)
        gai_suspend(again, 1, NULL);
    ck_assert_int_eq(gai_error(&request), 0);
    freeaddrinfo(request.ar_result);
}
END_TEST

START_TEST(what_is_written_can_be_made_sure_of)
{
    char dir[CONF_PATH], path[CONF_PATH + 8];
    int ends[2], file;

    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    conf_write_all(file, "text", 4);
    ck_assert_int_eq(fsync(file), 0);
    ck_assert_int_eq(fdatasync(file), 0);
    ck_assert_int_eq(sync_file_range(file, 0, 4, SYNC_FILE_RANGE_WRITE), 0);
    close(file);
    unlink(path);
    rmdir(dir);
    errno = 0;
    ck_assert_int_eq(fsync(-1), -1);
    ck_assert_int_eq(errno, EBADF);

    conf_stream(CONF_PTY, ends);
    conf_write_all(ends[1], "text", 4);
    ck_assert_int_eq(tcdrain(ends[1]), 0);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, msgrcv_waits_for_a_message, 1);
    conf_test(tcase, msgsnd_waits_for_room, 1);
    conf_test(tcase, semop_waits_for_another_thread, 1);
    conf_test(tcase, mq_receive_waits_for_a_message, 1);
    conf_test(tcase, mq_send_waits_for_room, 1);
    conf_test(tcase, aio_suspend_waits_for_a_request, 1);
    conf_test(tcase, lio_listio_waits_for_all_requests, 1);
    conf_test(tcase, getaddrinfo_a_may_be_waited_for, 1);
    conf_test(tcase, what_is_written_can_be_made_sure_of, 1);
}

int main(void)
{
    return conf_main("queues", add, CONF_THREADS);
}
