/* conf_waits_ipc.c - queues, semaphores, children; see conf_waits.h */
#include "conf_waits_scenes.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- POSIX queues ---- */

static const char *no_queues(void)
{
    mqd_t queue = mq_open("/vireo-conf-try", O_CREAT | O_RDWR, 0600, NULL);

    if (queue == (mqd_t)-1)
        return "this system has no POSIX message queues";
    mq_close(queue);
    mq_unlink("/vireo-conf-try");
    return NULL;
}

static void open_queue(struct conf_scene *scene)
{
    struct mq_attr shape = { .mq_maxmsg = 1, .mq_msgsize = 8 };

    snprintf(scene->path, sizeof scene->path, "/vireo-conf-%d", (int)getpid());
    scene->id = mq_open(scene->path, O_CREAT | O_RDWR, 0600, &shape);
    ck_assert_int_ge(scene->id, 0);
}

static void full_queue(struct conf_scene *scene)
{
    open_queue(scene);
    ck_assert_int_eq(mq_send(scene->id, "x", 1, 0), 0);
}

static void put_message(struct conf_scene *scene)
{
    CONF_CHECK(mq_send(scene->id, "x", 1, 0) == 0);
}

static void take_message(struct conf_scene *scene)
{
    char bytes[8];

    CONF_CHECK(mq_receive(scene->id, bytes, sizeof bytes, NULL) == 1);
}

static long call_mq_receive(struct conf_scene *scene)
{
    char bytes[8];

    return mq_receive(scene->id, bytes, sizeof bytes, NULL);
}

static long call_mq_timedreceive(struct conf_scene *scene)
{
    struct timespec until;
    char bytes[8];

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    return mq_timedreceive(scene->id, bytes, sizeof bytes, NULL, &until);
}

static long call_mq_send(struct conf_scene *scene)
{
    return mq_send(scene->id, "y", 1, 0);
}

static void close_queue(struct conf_scene *scene)
{
    mq_close(scene->id);
    mq_unlink(scene->path);
}

/* ---- System V ---- */

struct letter {
    long type;
    char text[8];
};

static void open_box(struct conf_scene *scene)
{
    scene->id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    ck_assert_int_ge(scene->id, 0);
}

static void full_box(struct conf_scene *scene)
{
    static const char large[1024];
    struct {
        long type;
        char text[sizeof large];
    } letter = { 1, { 0 } };

    open_box(scene);
    while (msgsnd(scene->id, &letter, sizeof large, IPC_NOWAIT) == 0)
        ;
    while (msgsnd(scene->id, &letter, 1, IPC_NOWAIT) == 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
}

static void put_letter(struct conf_scene *scene)
{
    struct letter letter = { 1, "x" };

    CONF_CHECK(msgsnd(scene->id, &letter, 1, 0) == 0);
}

static void take_letter(struct conf_scene *scene)
{
    struct letter letter;

    CONF_CHECK(msgrcv(scene->id, &letter, 8, 0, MSG_NOERROR) >= 0);
}

static long call_msgrcv(struct conf_scene *scene)
{
    struct letter letter;

    return msgrcv(scene->id, &letter, 8, 0, 0);
}

static long call_msgsnd(struct conf_scene *scene)
{
    struct letter letter = { 1, "x" };

    return msgsnd(scene->id, &letter, 8, 0);
}

static void close_box(struct conf_scene *scene)
{
    msgctl(scene->id, IPC_RMID, NULL);
}

static void open_set(struct conf_scene *scene)
{
    scene->id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    ck_assert_int_ge(scene->id, 0);
}

static long call_semop(struct conf_scene *scene)
{
    struct sembuf down = { 0, -1, 0 };

    return semop(scene->id, &down, 1);
}

static long call_semtimedop(struct conf_scene *scene)
{
    struct sembuf down = { 0, -1, 0 };
    struct timespec limit = { 30, 0 };

    return semtimedop(scene->id, &down, 1, &limit);
}

static void put_up(struct conf_scene *scene)
{
    struct sembuf up = { 0, 1, 0 };

    CONF_CHECK(semop(scene->id, &up, 1) == 0);
}

static void close_set(struct conf_scene *scene)
{
    semctl(scene->id, 0, IPC_RMID);
}

/* ---- children ---- */

static void open_child(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_PIPE);
    scene->child = fork();
    ck_assert_int_ge(scene->child, 0);
    if (scene->child == 0) {
        char byte;

        conf_child_begin();
        conf_read_all(scene->ends[0], &byte, 1);
        _exit(0);
    }
}

static long call_waitpid(struct conf_scene *scene)
{
    int status;
    long rc = waitpid(scene->child, &status, 0);

    if (rc > 0)
        scene->child = 0;
    return rc;
}

static long call_wait4(struct conf_scene *scene)
{
    int status;
    long rc = wait4(-1, &status, 0, NULL);

    if (rc > 0)
        scene->child = 0;
    return rc;
}

static long call_waitid(struct conf_scene *scene)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)scene->child, &info, WEXITED | WNOWAIT);
}

static void close_child(struct conf_scene *scene)
{
    if (scene->child != 0)
        ck_assert_int_eq(conf_child_status(scene->child), 0);
    conf_scene_close(scene);
}

const struct conf_wait conf_waits_ipc[] = {
    { "mq_receive", true, open_queue, call_mq_receive, put_message,
      close_queue, no_queues },
    { "mq_timedreceive", true, open_queue, call_mq_timedreceive, put_message,
      close_queue, no_queues },
    { "mq_send", true, full_queue, call_mq_send, take_message, close_queue,
      no_queues },
    { "msgrcv", false, open_box, call_msgrcv, put_letter, close_box, NULL },
    { "msgsnd", false, full_box, call_msgsnd, take_letter, close_box, NULL },
    { "semop", false, open_set, call_semop, put_up, close_set, NULL },
    { "semtimedop", false, open_set, call_semtimedop, put_up, close_set,
      NULL },
    { "waitpid", true, open_child, call_waitpid, conf_scene_put, close_child,
      NULL },
    { "wait4(-1)", true, open_child, call_wait4, conf_scene_put, close_child,
      NULL },
    { "waitid", true, open_child, call_waitid, conf_scene_put, close_child,
      NULL },
    { 0 }
};
