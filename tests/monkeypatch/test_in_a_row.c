/* A thread that never waits has to let others run now and then: one that makes calls
 * which need not wait, or signals conditions, many times in a row.  One that does
 * wait in between, for whatever, is left alone: its turn would end in the middle of
 * what it does, with locks that all who run meanwhile would queue up for. */
#include "../runner.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STRETCHES = 1000,
    CALLS = 40, /* a stretch: fewer than give way */
    SEEN_MOST = STRETCHES / 10, /* by the clock a computing thread gives way, too */
    FIRST_OF_OURS = 0x400000, /* gettid() of a thread that is a greenlet */
};

static int sockets[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t asked, answered, ping, pong;
static volatile int stretch; /* 0: none is under way */
static volatile bool stop;
static volatile int seen;
static int last_seen;

static void receive_nothing(void)
{
    char byte;

    (void)!recv(sockets[0], &byte, 1, MSG_DONTWAIT);
}

static void signal_nobody(void)
{
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
}

static void (*const calls[])(void) = {receive_nothing, signal_nobody};
enum { KINDS = sizeof calls / sizeof *calls };

static void take(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

/* Two of these always have one that is ready. */
static void *look(void *argument)
{
    bool first = argument != NULL;

    while (!stop) {
        take(first ? &ping : &pong);
        if (stretch != 0 && stretch != last_seen) {
            last_seen = stretch;
            seen++;
        }
        sem_post(first ? &pong : &ping);
    }
    return NULL;
}

static void *answer(void *argument)
{
    for (int i = 0; i < STRETCHES; i++) {
        take(&asked);
        sem_post(&answered);
    }
    return argument;
}

static void *work(void *call)
{
    for (int i = 1; i <= STRETCHES; i++) {
        sem_post(&asked);
        take(&answered);
        stretch = i;
        for (int k = 0; k < CALLS; k++)
            (*(void (*const *)(void))call)();
        stretch = 0;
    }
    return (void *)(long)gettid();
}

static void begin(void)
{
    stop = false;
    seen = last_seen = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    ck_assert_int_eq(sem_init(&asked, 0, 0), 0);
    ck_assert_int_eq(sem_init(&answered, 0, 0), 0);
    ck_assert_int_eq(sem_init(&ping, 0, 1), 0);
    ck_assert_int_eq(sem_init(&pong, 0, 0), 0);
}

START_TEST(who_waits_is_not_made_to_give_way)
    {
        pthread_t looking[2], answering, working;
        void *id;

        begin();
        pthread_create(&looking[0], NULL, look, NULL);
        pthread_create(&looking[1], NULL, look, &ping);
        pthread_create(&answering, NULL, answer, NULL);
        pthread_create(&working, NULL, work, (void *)&calls[_i]);
        ck_assert_int_eq(pthread_join(working, &id), 0);
        ck_assert_int_eq(pthread_join(answering, NULL), 0);
        stop = true;
        sem_post(&ping);
        sem_post(&pong);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_join(looking[i], NULL), 0);
        close(sockets[0]);
        close(sockets[1]);
        if ((long)id >= FIRST_OF_OURS) /* threads of the kernel run when they like */
            ck_assert_int_le(seen, SEEN_MOST);
    }
END_TEST

static void *call_until_seen(void *call)
{
    stretch = 1;
    while (seen == 0)
        (*(void (*const *)(void))call)();
    return NULL;
}

START_TEST(who_never_waits_gives_way)
    {
        pthread_t looking[2], working;

        begin();
        pthread_create(&looking[0], NULL, look, NULL);
        pthread_create(&looking[1], NULL, look, &ping);
        pthread_create(&working, NULL, call_until_seen, (void *)&calls[_i]);
        ck_assert_int_eq(pthread_join(working, NULL), 0);
        stop = true;
        sem_post(&ping);
        sem_post(&pong);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_join(looking[i], NULL), 0);
        close(sockets[0]);
        close(sockets[1]);
        stretch = 0;
    }
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("in_a_row");

    tcase_add_loop_test(tcase, who_waits_is_not_made_to_give_way, 0, KINDS);
    tcase_add_loop_test(tcase, who_never_waits_gives_way, 0, KINDS);
    return runner_run("in_a_row", tcase, CK_FORK_GETENV);
}
