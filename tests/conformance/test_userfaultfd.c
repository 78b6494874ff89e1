/* userfaultfd(2): a thread brings the pages that others wait for */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 3, SIZE = PAGE * PAGES };

static int fd;
static char *area;
static pthread_t bringer;

/* 0: it is not allowed here. */
static int open_it(void)
{
    struct uffdio_api api = {.api = UFFD_API};

    fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        conf_skip("userfaultfd() is refused");
        return 0;
    }
    ck_assert_int_eq(ioctl(fd, UFFDIO_API, &api), 0);
    return 1;
}

static void bring(uint64_t address)
{
    char page[PAGE];
    struct uffdio_copy copy = {.dst = address & ~(uint64_t)(PAGE - 1),
                               .src = (uintptr_t)page,
                               .len = PAGE};

    memset(page, 'a' + (int)((copy.dst - (uintptr_t)area) / PAGE), PAGE);
    CONF_CHECK(ioctl(fd, UFFDIO_COPY, &copy) == 0 || errno == EEXIST);
}

/* Until all pages are there: as the man page has it, poll() and read(). */
static void *bring_pages(void *argument)
{
    for (int left = PAGES; left > 0; left--) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        struct uffd_msg message;

        CONF_CHECK(poll(&ready, 1, -1) == 1);
        if (read(fd, &message, sizeof message) < 0) {
            CONF_CHECK(errno == EAGAIN); /* it has been woken meanwhile */
            left++;
            continue;
        }
        CONF_CHECK(message.event == UFFD_EVENT_PAGEFAULT);
        bring(message.arg.pagefault.address);
    }
    return argument;
}

static int begin(void)
{
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};

    if (sysconf(_SC_PAGESIZE) != PAGE) {
        conf_skip("pages of another size");
        return 0;
    }
    if (!open_it())
        return 0;
    area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    ck_assert_ptr_ne(area, MAP_FAILED);
    range.range.start = (uintptr_t)area;
    range.range.len = SIZE;
    ck_assert_int_eq(ioctl(fd, UFFDIO_REGISTER, &range), 0);
    bringer = start_thread(bring_pages, NULL);
    return 1;
}

static void end(void)
{
    join_thread(bringer);
    ck_assert_int_eq(munmap(area, SIZE), 0);
    ck_assert_int_eq(close(fd), 0);
}

static void *touch(void *argument)
{
    const volatile char *bytes = area;

    for (int i = 0; i < PAGES; i++)
        CONF_CHECK(bytes[i * PAGE + 1] == 'a' + i);
    return argument;
}

static void *wait_and_touch(void *argument)
{
    CONF_CHECK(sem_wait(argument) == 0);
    return touch(argument);
}

/* Before any other test: no thread is from before a userfaultfd later. */
START_TEST(a_thread_that_is_older_gets_them)
    {
        pthread_t thread;
        sem_t go;

        ck_assert_int_eq(sem_init(&go, 0, 0), 0);
        thread = start_thread(wait_and_touch, &go);
        let_block();
        if (begin()) {
            ck_assert_int_eq(sem_post(&go), 0);
            join_thread(thread);
            end();
        } else {
            pthread_cancel(thread);
            join_thread(thread);
        }
    }
END_TEST

START_TEST(a_thread_gets_them)
    {
        if (!begin())
            return;
        join_thread(start_thread(touch, NULL));
        end();
    }
END_TEST

START_TEST(main_gets_them)
    {
        if (!begin())
            return;
        touch(NULL);
        end();
    }
END_TEST

START_TEST(what_waited_goes_on_with_its_value)
    {
        volatile double before = 0.1, sum;

        if (!begin())
            return;
        sum = before * 3 + (double)(((volatile char *)area)[PAGE] - 'b');
        touch(NULL);
        ck_assert(sum == before * 3);
        end();
    }
END_TEST

START_TEST(string_functions_get_them)
    {
        /* Not a call that the compiler makes something else of. */
        void *(*volatile copy)(void *, const void *, size_t) = memcpy;
        char bytes[SIZE];

        if (!begin())
            return;
        copy(bytes, area, SIZE);
        for (int i = 0; i < SIZE; i++)
            ck_assert_int_eq(bytes[i], 'a' + i / PAGE);
        end();
    }
END_TEST

static void *write_own(void *argument)
{
    char *own = argument;

    own[2] = 'x';
    return argument;
}

START_TEST(writes_of_several_threads)
    {
        pthread_t threads[PAGES];

        if (!begin())
            return;
        for (int i = 0; i < PAGES; i++)
            threads[i] = start_thread(write_own, area + (size_t)i * PAGE);
        for (int i = 0; i < PAGES; i++)
            join_thread(threads[i]);
        touch(NULL);
        for (int i = 0; i < PAGES; i++)
            ck_assert_int_eq(area[i * PAGE + 2], 'x');
        end();
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_thread_that_is_older_gets_them, 1);
    conf_test(tcase, a_thread_gets_them, 1);
    conf_test(tcase, main_gets_them, 1);
    conf_test(tcase, what_waited_goes_on_with_its_value, 1);
    conf_test(tcase, string_functions_get_them, 1);
    conf_test(tcase, writes_of_several_threads, 1);
}

int main(void)
{
    return conf_main("userfaultfd", add, CONF_THREADS);
}
