/* communicate.c - talk to a child by all its pipes at once
 *
 * A greenlet for each pipe, which goes on when the one who waits for them gives
 * up: nothing that was read is lost, and the next call finds them. */
#include "hub/process_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

/* write() to a pipe that nobody reads, without the signal: it is held back, and
 * taken if it was not there before. */
static ssize_t write_quietly(int fd, const void *data, size_t size)
{
    static const struct timespec now = { 0, 0 };
    sigset_t pipe, before, pending;
    ssize_t put;
    int error;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    sigpending(&pending);
    put = write(fd, data, size);
    error = errno;
    if (put < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return put < 0 ? -error : put;
}

static void write_all(void *arg)
{
    struct hub_process *process = arg;
    size_t done = 0;

    while (done < process->in_size && process->fds[0] >= 0) {
        ssize_t put = write_quietly(process->fds[0], process->in_data + done,
                                    process->in_size - done);

        if (put > 0)
            done += (size_t)put;
        else if (put == -EAGAIN
                     ? hub_wait_fd(process->fds[0], HUB_WRITE, HUB_FOREVER) < 0
                     : put != -EINTR)
            break; /* it does not want it */
    }
    hub__process_close(process, 0);
    hub__process_drop(process);
}

static int make_room(struct hub__capture *capture)
{
    size_t room = capture->room + capture->room / 2 + CHUNK;
    char *data;

    if (capture->room - capture->size > CHUNK / 2)
        return 0;
    data = greenlet__realloc(capture->data, room);
    if (data == NULL)
        return -ENOMEM;
    capture->data = data;
    capture->room = room;
    return 0;
}

static int read_all(struct hub_process *process, int which,
                    struct hub__capture *capture)
{
    for (;;) {
        ssize_t got;
        int rc = make_room(capture), fd = process->fds[which];

        if (rc < 0 || fd < 0)
            return rc;
        got = read(fd, capture->data + capture->size,
                   capture->room - capture->size - 1);
        if (got == 0)
            return 0;
        if (got > 0)
            capture->size += (size_t)got;
        else if (errno != EAGAIN && errno != EINTR)
            return -errno;
        else if (errno == EAGAIN &&
                 (rc = hub_wait_fd(fd, HUB_READ, HUB_FOREVER)) < 0)
            return rc;
    }
}

static void read_out(void *arg)
{
    struct hub_process *process = arg;

    process->out.rc = read_all(process, 1, &process->out);
    hub__process_close(process, 1);
    hub__process_drop(process);
}

static void read_err(void *arg)
{
    struct hub_process *process = arg;

    process->err.rc = read_all(process, 2, &process->err);
    hub__process_close(process, 2);
    hub__process_drop(process);
}

static int talk(struct hub_process *process, int which,
                void (*function)(void *arg))
{
    if (process->fds[which] < 0)
        return 0;
    hub__process_ref(process);
    process->talkers[which] = hub_spawn_raw(function, process);
    if (process->talkers[which] != NULL)
        return 0;
    hub__process_drop(process);
    return -ENOMEM;
}

static int start(struct hub_process *process, const void *input, size_t size)
{
    int rc;

    if (process->talks)
        return 0;
    if (size > 0) {
        process->in_data = greenlet__malloc(size);
        if (process->in_data == NULL)
            return -ENOMEM;
        memcpy(process->in_data, input, size);
        process->in_size = size;
    }
    process->talks = true;
    rc = talk(process, 0, write_all);
    if (rc == 0)
        rc = talk(process, 1, read_out);
    if (rc == 0)
        rc = talk(process, 2, read_err);
    return rc;
}

/* One that has not begun never will: its reference is dropped here. */
void hub__process_stop_talking(struct hub_process *process)
{
    for (int i = 0; i < 3; i++) {
        struct greenlet *g = process->talkers[i];

        if (g == NULL)
            continue;
        process->talkers[i] = NULL;
        if (!hub_ready(g)) {
            hub_kill(g);
            if (hub_ready(g))
                hub__process_drop(process);
        }
        greenlet_unref(g);
    }
}

static void give(struct hub__capture *capture, char **data, size_t *size)
{
    if (capture->data != NULL)
        capture->data[capture->size] = '\0';
    *data = capture->data;
    *size = capture->size;
    *capture = (struct hub__capture){ .data = NULL };
}

int hub_process_communicate(struct hub_process *process, const void *input,
                            size_t size, int64_t deadline_ns,
                            struct hub_process_output *output)
{
    int rc = hub__process_check(process);

    if (rc == 0)
        rc = start(process, input, size);
    for (int i = 0; i < 3 && rc == 0; i++)
        if (process->talkers[i] != NULL)
            rc = hub_join(process->talkers[i], deadline_ns);
    if (rc == 0)
        rc = hub_process_wait(process, deadline_ns, NULL);
    if (rc == 0)
        rc = process->out.rc < 0 ? process->out.rc : process->err.rc;
    if (rc < 0 || output == NULL)
        return rc;
    give(&process->out, &output->out, &output->out_size);
    give(&process->err, &output->err, &output->err_size);
    return 0;
}

/* It ends for sure, and its status is taken. */
static void put_an_end(struct hub_process *process)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    hub_process_signal(process, SIGKILL);
    hub_process_wait(process, HUB_FOREVER, NULL);
    hub_shield_end(&shield);
}

int hub_process_run(const struct hub_process_options *options,
                    const void *input, size_t size, int64_t deadline_ns,
                    struct hub_process_output *output, int *code)
{
    struct hub_process *process;
    int rc = hub_process_spawn(options, &process);

    if (rc < 0)
        return rc;
    rc = hub_process_communicate(process, input, size, deadline_ns, output);
    if (rc < 0)
        put_an_end(process);
    else
        rc = hub_process_wait(process, HUB_FOREVER, code);
    hub_process_unref(process);
    return rc;
}
