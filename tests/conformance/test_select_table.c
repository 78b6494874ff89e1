/* select() with more fds asked for than the sets have room for: the kernel looks
 * at no more of them than its table of fds holds, and programs rely on it */
#include "conformance.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <unistd.h>

static void *nothing(void *argument)
{
    return argument;
}

/* An fd_set that ends where a page begins that cannot be touched. */
START_TEST(does_not_touch_what_lies_behind_the_sets)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct timeval limit = {10, 0};
    pthread_t thread;
    fd_set *set;
    char *memory;
    int ends[2];

    if (conf_emulated()) {
        conf_skip("qemu itself reads all that the first argument says");
        return;
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, nothing, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + page, page, PROT_NONE), 0);
    set = (fd_set *)(void *)(memory + page - sizeof *set);
    conf_pipe(ends);
    conf_write_all(ends[1], "x", 1);
    FD_ZERO(set);
    FD_SET(ends[0], set);
    if (select(getdtablesize(), NULL, NULL, NULL, &(struct timeval){0, 0}) != 0) {
        conf_skip("select() here refuses so many fds (an emulator)");
        goto out;
    }
    ck_assert_int_eq(select(getdtablesize(), set, NULL, NULL, &limit), 1);
    ck_assert(FD_ISSET(ends[0], set));
out:
    ck_assert_int_eq(munmap(memory, 2 * page), 0);
    conf_close_both(ends);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, does_not_touch_what_lies_behind_the_sets, 1);
}

int main(void)
{
    return conf_main("select_table", add, CONF_THREADS);
}
