/* Writes that end when the storage has what was written (O_DSYNC, O_SYNC,
 * O_DIRECT): other threads go on meanwhile.
 *
 * How long a disk takes nobody can say.  So the bytes come from a page that is
 * not there until another thread has made it (userfaultfd): in the kernel the
 * write waits for that as it would for the disk. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 65536 }; /* a multiple of what any kernel has */

static char dir[CONF_PATH], path[CONF_PATH + 20];
static char *content, *absent;
static int faults;

static void setup(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    content = aligned_alloc(PAGE, PAGE);
    conf_fill(content, PAGE, 7);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
    free(content);
}

/* A page whose first use waits, or false. */
static bool make_absent(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

    faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (faults < 0)
        return false;
    if (ioctl(faults, UFFDIO_API, &api) < 0) {
        close(faults);
        return false;
    }
    absent = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(absent, MAP_FAILED);
    range.range.start = (uintptr_t)absent;
    range.range.len = PAGE;
    ck_assert_int_eq(ioctl(faults, UFFDIO_REGISTER, &range), 0);
    return true;
}

static void drop_absent(void)
{
    munmap(absent, PAGE);
    close(faults);
}

/* The thread that the others wait for. */
static void *make_page(void *unused)
{
    struct pollfd wait = { .fd = faults, .events = POLLIN };
    struct uffdio_copy copy = { .dst = (uintptr_t)absent,
                                .src = (uintptr_t)content,
                                .len = PAGE };
    struct uffd_msg message;

    CONF_CHECK(poll(&wait, 1, -1) == 1);
    CONF_CHECK(read(faults, &message, sizeof message) == sizeof message);
    CONF_CHECK(message.event == UFFD_EVENT_PAGEFAULT);
    sleep_ms(5);
    CONF_CHECK(ioctl(faults, UFFDIO_COPY, &copy) == 0);
    return unused;
}

static ssize_t by_write(int fd)
{
    return write(fd, absent, PAGE);
}

static ssize_t by_writev(int fd)
{
    struct iovec parts[2] = { { absent, PAGE / 2 },
                              { absent + PAGE / 2, PAGE / 2 } };

    return writev(fd, parts, 2);
}

static ssize_t by_pwrite(int fd)
{
    return pwrite(fd, absent, PAGE, 0);
}

static ssize_t by_pwritev(int fd)
{
    struct iovec parts[2] = { { absent, PAGE / 2 },
                              { absent + PAGE / 2, PAGE / 2 } };

    return pwritev(fd, parts, 2, 0);
}

static ssize_t by_pwritev2(int fd)
{
    struct iovec parts[2] = { { absent, PAGE / 2 },
                              { absent + PAGE / 2, PAGE / 2 } };

    return pwritev2(fd, parts, 2, 0, 0);
}

enum { WAYS = 5 };
static ssize_t (*const ways[WAYS])(int) = { by_write, by_writev, by_pwrite,
                                            by_pwritev, by_pwritev2 };

/* The call says itself that it waits for the storage. */
static int its_flags;
static off_t its_place;

static ssize_t by_flags(int fd)
{
    struct iovec part = { absent, PAGE };

    return pwritev2(fd, &part, 1, its_place, its_flags);
}

static void goes_on_beside(int fd, ssize_t (*way)(int))
{
    pthread_t other;

    if (!make_absent()) {
        conf_skip("userfaultfd() is not allowed here");
        return;
    }
    other = start_thread(make_page, NULL);
    ck_assert_int_eq(way(fd), PAGE);
    join_thread(other);
    drop_absent();
    memset(content, 0, PAGE);
    ck_assert_int_eq(pread(fd, content, PAGE, 0), PAGE);
    ck_assert(conf_filled(content, PAGE, 7));
}

START_TEST(other_threads_go_on_while_a_file_is_written_through)
{
    static const int flags[] = { O_DSYNC, O_SYNC };
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | flags[_i / WAYS],
                  0600);

    ck_assert_int_ge(fd, 0);
    goes_on_beside(fd, ways[_i % WAYS]);
    close(fd);
}
END_TEST

START_TEST(other_threads_go_on_while_a_file_is_written_past_the_cache)
{
    bool later = _i / WAYS == 1; /* it has been written to before that is set */
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | (later ? 0 : O_DIRECT),
                  0600);

    if (fd >= 0 && later) {
        ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
        if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT) < 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) {
        ck_assert_int_eq(errno, EINVAL);
        conf_skip("the file system has no O_DIRECT");
        return;
    }
    goes_on_beside(fd, ways[_i % WAYS]);
    close(fd);
}
END_TEST

START_TEST(other_threads_go_on_while_a_call_says_so_itself)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    if (conf_emulated()) {
        conf_skip("qemu has no pwritev2()");
    } else {
        its_flags = _i % 2 ? RWF_SYNC : RWF_DSYNC;
        its_place = _i / 2 ? -1 : 0;
        goes_on_beside(fd, by_flags);
        ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), _i / 2 ? PAGE : 0);
    }
    close(fd);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup, teardown);
    conf_test(tcase, other_threads_go_on_while_a_file_is_written_through,
              2 * WAYS);
    conf_test(tcase,
              other_threads_go_on_while_a_file_is_written_past_the_cache,
              2 * WAYS);
    conf_test(tcase, other_threads_go_on_while_a_call_says_so_itself, 4);
}

int main(void)
{
    return conf_main("write_through", add, CONF_THREADS);
}
