/* conf_waits_file.c - read, write, open and locks; see conf_waits.h */
#include "conf_waits_scenes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void empty_pipe(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_PIPE);
}

static void empty_fifo(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_FIFO);
}

static void empty_tcp(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_TCP);
}

static void empty_pty(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_PTY);
}

static void full_pipe(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_PIPE);
}

static void full_unix(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_UNIX);
}

static void full_pty(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_PTY);
}

static long call_read(struct conf_scene *scene)
{
    char bytes[8];

    return read(scene->ends[0], bytes, sizeof bytes);
}

static long call_readv(struct conf_scene *scene)
{
    char bytes[8];
    struct iovec parts[2] = { { bytes, 4 }, { bytes + 4, 4 } };

    return readv(scene->ends[0], parts, 2);
}

static long call_write(struct conf_scene *scene)
{
    return write(scene->ends[0], "x", 1);
}

static long call_writev(struct conf_scene *scene)
{
    struct iovec parts[2] = { { (char *)"x", 1 }, { (char *)"y", 1 } };

    return writev(scene->ends[0], parts, 2);
}

/* ---- fds that count ---- */

static void open_event(struct conf_scene *scene)
{
    scene->other = -1;
    scene->ends[0] = eventfd(0, 0);
    scene->ends[1] = dup(scene->ends[0]);
}

static void add_event(struct conf_scene *scene)
{
    CONF_CHECK(eventfd_write(scene->ends[1], 1) == 0);
}

static void full_event(struct conf_scene *scene)
{
    open_event(scene);
    ck_assert_int_eq(eventfd_write(scene->ends[1], UINT64_MAX - 1), 0);
}

static long call_write_event(struct conf_scene *scene)
{
    return eventfd_write(scene->ends[0], 1);
}

static long call_write_large_event(struct conf_scene *scene)
{
    uint64_t many = 77;

    return write(scene->ends[0], &many, sizeof many);
}

static void take_event(struct conf_scene *scene)
{
    uint64_t value;

    CONF_CHECK(read(scene->ends[1], &value, sizeof value) == sizeof value);
}

static void open_timer(struct conf_scene *scene)
{
    scene->other = -1;
    scene->ends[0] = timerfd_create(CLOCK_MONOTONIC, 0);
    scene->ends[1] = dup(scene->ends[0]);
}

static void arm(struct conf_scene *scene)
{
    struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };

    CONF_CHECK(timerfd_settime(scene->ends[1], 0, &soon, NULL) == 0);
}

static void open_inotify(struct conf_scene *scene)
{
    scene->other = -1;
    conf_make_dir(scene->path);
    scene->ends[0] = inotify_init1(0);
    scene->ends[1] = dup(scene->ends[0]);
    ck_assert_int_ge(inotify_add_watch(scene->ends[0], scene->path, IN_CREATE),
                     0);
}

static long call_read_notice(struct conf_scene *scene)
{
    char bytes[1024];

    return read(scene->ends[0], bytes, sizeof bytes);
}

static void make_file(struct conf_scene *scene)
{
    char path[CONF_PATH + 40];

    snprintf(path, sizeof path, "%s/new", scene->path);
    CONF_CHECK(mkdir(path, 0700) == 0);
    CONF_CHECK(rmdir(path) == 0);
}

static void close_inotify(struct conf_scene *scene)
{
    rmdir(scene->path);
    conf_scene_close(scene);
}

/* ---- open ---- */

static void make_fifo(struct conf_scene *scene)
{
    char dir[CONF_PATH];

    conf_make_dir(dir);
    snprintf(scene->path, sizeof scene->path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(scene->path, 0600), 0);
    scene->ends[0] = scene->ends[1] = scene->other = -1;
}

static long call_open_read(struct conf_scene *scene)
{
    return scene->ends[0] = open(scene->path, O_RDONLY);
}

static long call_open_write(struct conf_scene *scene)
{
    return scene->ends[0] = openat(AT_FDCWD, scene->path, O_WRONLY | O_CLOEXEC);
}

static void open_other_end(struct conf_scene *scene)
{
    scene->ends[1] = open(scene->path, O_RDWR);
    CONF_CHECK(scene->ends[1] >= 0);
    sleep_ms(10);
}

static void remove_fifo(struct conf_scene *scene)
{
    for (int i = 0; i < 2; i++)
        if (scene->ends[i] >= 0)
            close(scene->ends[i]);
    unlink(scene->path);
    *strrchr(scene->path, '/') = '\0';
    rmdir(scene->path);
}

/* ---- locks: a child has the file ---- */

static void hold_lock(const char *path, int ready, int until)
{
    int fd = open(path, O_RDWR);
    char byte;
    pid_t parent = getppid();

    conf_child_begin();
    CONF_CHECK(fd >= 0 && parent > 0);
    CONF_CHECK(flock(fd, LOCK_EX) == 0);
    CONF_CHECK(lockf(fd, F_LOCK, 0) == 0);
    conf_write_all(ready, "r", 1);
    CONF_CHECK(read(until, &byte, 1) >= 0);
    _exit(0);
}

static void open_locked(struct conf_scene *scene)
{
    char dir[CONF_PATH], byte;
    int ready[2], until[2];

    conf_make_dir(dir);
    snprintf(scene->path, sizeof scene->path, "%s/file", dir);
    scene->ends[0] = open(scene->path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(scene->ends[0], 0);
    conf_pipe(ready);
    conf_pipe(until);
    scene->child = fork();
    ck_assert_int_ge(scene->child, 0);
    if (scene->child == 0)
        hold_lock(scene->path, ready[1], until[0]);
    conf_read_all(ready[0], &byte, 1);
    conf_close_both(ready);
    close(until[0]);
    scene->ends[1] = until[1];
    scene->other = -1;
}

static void let_unlock(struct conf_scene *scene)
{
    conf_write_all(scene->ends[1], "x", 1);
}

static void close_locked(struct conf_scene *scene)
{
    ck_assert_int_eq(conf_child_status(scene->child), 0);
    remove_fifo(scene);
}

static long call_flock(struct conf_scene *scene)
{
    return flock(scene->ends[0], LOCK_EX);
}

static long call_lockf(struct conf_scene *scene)
{
    return lockf(scene->ends[0], F_LOCK, 0);
}

static long call_setlkw(struct conf_scene *scene)
{
    struct flock lock = { .l_type = F_WRLCK };

    return fcntl(scene->ends[0], F_SETLKW, &lock);
}

static long call_ofd_setlkw(struct conf_scene *scene)
{
    struct flock lock = { .l_type = F_WRLCK };

    return fcntl(scene->ends[0], F_OFD_SETLKW, &lock);
}

/* ---- from fd to fd ---- */

static void full_to_file(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_UNIX);
    scene->other = open("/proc/self/exe", O_RDONLY);
    ck_assert_int_ge(scene->other, 0);
}

static long call_sendfile(struct conf_scene *scene)
{
    off_t at = 0;

    return sendfile(scene->ends[0], scene->other, &at, 1);
}

static void empty_to_null(struct conf_scene *scene)
{
    conf_scene_empty(scene, CONF_PIPE);
    scene->other = open("/dev/null", O_WRONLY);
}

static long call_splice(struct conf_scene *scene)
{
    return splice(scene->ends[0], NULL, scene->other, NULL, 1, 0);
}

static void full_from_zero(struct conf_scene *scene)
{
    conf_scene_full(scene, CONF_PIPE);
    scene->other = open("/dev/zero", O_RDONLY);
}

static long call_splice_in(struct conf_scene *scene)
{
    return splice(scene->other, NULL, scene->ends[0], NULL, 1, 0);
}

static long call_tee(struct conf_scene *scene)
{
    int into[2];
    long rc;
    int error;

    CONF_CHECK(pipe(into) == 0);
    rc = tee(scene->ends[0], into[1], 1, 0);
    error = errno;
    close(into[0]);
    close(into[1]);
    errno = error;
    return rc;
}

static long call_vmsplice(struct conf_scene *scene)
{
    static char byte = 'v';
    struct iovec part = { &byte, 1 };

    return vmsplice(scene->ends[0], &part, 1, 0);
}

static long call_preadv2(struct conf_scene *scene)
{
    char byte;
    struct iovec part = { &byte, 1 };

    return preadv2(scene->ends[0], &part, 1, -1, 0);
}

static long call_pwritev2(struct conf_scene *scene)
{
    struct iovec part = { (char *)"x", 1 };

    return pwritev2(scene->ends[0], &part, 1, -1, 0);
}

#define WAIT_AND(what, open, call, release, close) \
    { what, true, open, call, release, close, NULL }

const struct conf_wait conf_waits_file[] = {
    WAIT("read(pipe)", empty_pipe, call_read, conf_scene_put),
    WAIT("read(fifo)", empty_fifo, call_read, conf_scene_put),
    WAIT("read(tcp)", empty_tcp, call_read, conf_scene_put),
    WAIT("read(pty)", empty_pty, call_read, conf_scene_put),
    WAIT("readv(pipe)", empty_pipe, call_readv, conf_scene_put),
    WAIT("readv(tcp)", empty_tcp, call_readv, conf_scene_put),
    WAIT("write(pipe)", full_pipe, call_write, conf_scene_drain),
    WAIT("write(unix)", full_unix, call_write, conf_scene_drain),
    WAIT("write(pty)", full_pty, call_write, conf_scene_drain),
    WAIT("writev(pipe)", full_pipe, call_writev, conf_scene_drain),
    WAIT("writev(unix)", full_unix, call_writev, conf_scene_drain),
    WAIT("preadv2(pipe)", empty_pipe, call_preadv2, conf_scene_put),
    WAIT("pwritev2(pipe)", full_pipe, call_pwritev2, conf_scene_drain),
    WAIT("read(eventfd)", open_event, call_read, add_event),
    WAIT("write(eventfd)", full_event, call_write_event, take_event),
    WAIT("write(eventfd, 77)", full_event, call_write_large_event, take_event),
    WAIT("read(timerfd)", open_timer, call_read, arm),
    WAIT_AND("read(inotify)", open_inotify, call_read_notice, make_file,
             close_inotify),
    WAIT_AND("open(O_RDONLY)", make_fifo, call_open_read, open_other_end,
             remove_fifo),
    WAIT_AND("openat(O_WRONLY)", make_fifo, call_open_write, open_other_end,
             remove_fifo),
    WAIT_AND("flock", open_locked, call_flock, let_unlock, close_locked),
    WAIT_AND("lockf", open_locked, call_lockf, let_unlock, close_locked),
    WAIT_AND("fcntl(F_SETLKW)", open_locked, call_setlkw, let_unlock,
             close_locked),
    WAIT_AND("fcntl(F_OFD_SETLKW)", open_locked, call_ofd_setlkw, let_unlock,
             close_locked),
    WAIT("sendfile", full_to_file, call_sendfile, conf_scene_drain),
    WAIT("splice(from)", empty_to_null, call_splice, conf_scene_put),
    WAIT("splice(to)", full_from_zero, call_splice_in, conf_scene_drain),
    WAIT("tee", empty_pipe, call_tee, conf_scene_put),
    WAIT("vmsplice", full_pipe, call_vmsplice, conf_scene_drain),
    { 0 }
};
