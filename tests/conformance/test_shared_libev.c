/* libev, which the program uses too: loops, and memory from where it says */
#include "conf_threads.h"

#ifdef HAVE_LIBEV
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { PIPES = 40, LOOPS = 4, MARK = 0x5eed };

/* What comes from here begins with a mark: what does not is found. */
struct block {
    size_t mark, size;
} __attribute__((aligned(16)));

static size_t taken; /* atomic: blocks */

static void *memory_of_ours(void *memory, long size)
{
    struct block *old = memory != NULL ? (struct block *)memory - 1 : NULL, *new;

    CONF_CHECK(old == NULL || old->mark == MARK);
    if (old == NULL)
        __atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
    if (size != 0) {
        new = realloc(old, sizeof *new + (size_t)size);
        CONF_CHECK(new != NULL);
        new->mark = MARK;
        new->size = (size_t)size;
        return new + 1;
    }
    if (old != NULL)
        old->mark = 0;
    free(old);
    return NULL;
}

struct talk {
    struct ev_loop *loop;
    ev_io watchers[PIPES];
    ev_timer timers[PIPES];
    ev_async async;
    int ends[PIPES][2];
    int read, rang;
    bool told;
};

static void on_read(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct talk *talk = ev_userdata(loop);
    char byte;

    CONF_CHECK((events & EV_READ) != 0 && read(watcher->fd, &byte, 1) == 1);
    ev_io_stop(loop, watcher);
    talk->read++;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct talk *talk = ev_userdata(loop);

    (void)events;
    CONF_CHECK(write(talk->ends[timer - talk->timers][1], "x", 1) == 1);
    talk->rang++;
}

static void on_async(struct ev_loop *loop, ev_async *async, int events)
{
    (void)events;
    ((struct talk *)ev_userdata(loop))->told = true;
    ev_async_stop(loop, async);
}

static void open_talk(struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    talk->loop = ev_loop_new(EVFLAG_AUTO);
    CONF_CHECK(talk->loop != NULL);
    ev_set_userdata(talk->loop, talk);
    ev_async_init(&talk->async, on_async);
    ev_async_start(talk->loop, &talk->async);
}

static void run_talk(struct talk *talk)
{
    for (int i = 0; i < PIPES; i++) {
        CONF_CHECK(pipe2(talk->ends[i], O_CLOEXEC) == 0);
        ev_io_init(&talk->watchers[i], on_read, talk->ends[i][0], EV_READ);
        ev_io_start(talk->loop, &talk->watchers[i]);
        ev_timer_init(&talk->timers[i], on_timer, 0.0005 * i, 0.);
        ev_timer_start(talk->loop, &talk->timers[i]);
    }
    ev_run(talk->loop, 0);
    CONF_CHECK(talk->read == PIPES && talk->rang == PIPES && talk->told);
    for (int i = 0; i < PIPES; i++) {
        close(talk->ends[i][0]);
        close(talk->ends[i][1]);
    }
    ev_loop_destroy(talk->loop);
}

static void *talk_in_thread(void *argument)
{
    run_talk(argument);
    return argument;
}

static struct talk talks[LOOPS];

/* The loops are there before the first thread is, and grow in threads. */
static void converse(void)
{
    pthread_t threads[LOOPS];

    for (int i = 0; i < LOOPS; i++)
        open_talk(&talks[i]);
    for (int i = 1; i < LOOPS; i++)
        threads[i] = start_thread(talk_in_thread, &talks[i]);
    for (int i = 0; i < LOOPS; i++)
        ev_async_send(talks[i].loop, &talks[i].async);
    run_talk(&talks[0]);
    for (int i = 1; i < LOOPS; i++)
        join_thread(threads[i]);
}

/* To be called before any other function of libev is. */
static void __attribute__((constructor)) choose_memory(void)
{
    ev_set_allocator(memory_of_ours);
}
#endif

START_TEST(loops_run_in_threads)
{
#ifdef HAVE_LIBEV
    size_t before = taken;

    converse();
    ck_assert_uint_gt(taken, before);
    conf_assert_mapped();
    converse();
#else
    conf_assert_mapped();
    conf_skip("built without libev");
#endif
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, loops_run_in_threads, 1);
}

int main(void)
{
    return conf_main("shared_libev", add, CONF_THREADS);
}
