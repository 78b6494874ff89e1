/* A loop in a process that has no memory left. */
#include "foreign.h"
#include "hub/hub.h"
#include "../sanitized.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { COUNT = 600, BATCH = 20, BLOCKS = 1 << 16 };

static struct hub_crew_post posts[COUNT];
static int fds[COUNT], calls;
static void *blocks[BLOCKS];

static void count(struct hub_crew_post *post, int error)
{
    (void)post;
    calls += error == 0;
}

static void open_all(void)
{
    for (int i = 0; i < COUNT; i++) {
        fds[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
        ck_assert_int_ge(fds[i], 0);
    }
}

static void close_all(void)
{
    for (int i = 0; i < COUNT; i++)
        hub_close(fds[i]);
}

/* Not in an emulator, which would run out of it itself. */
static bool can_be_used_up(void)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    void *page;

    if (SANITIZED_ADDRESS || SANITIZED_THREAD)
        return false;
    if (setrlimit(RLIMIT_AS, &none) != 0)
        abort();
    page = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED)
        munmap(page, 1 << 20);
    if (setrlimit(RLIMIT_AS, &all) != 0)
        abort();
    return page == MAP_FAILED;
}

/* Check's assertions need memory. */
static unsigned use_up(void)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    unsigned n = 0;

    if (setrlimit(RLIMIT_AS, &none) != 0)
        abort();
    for (size_t size = 1 << 20; size >= 16; size /= 2)
        while (n < BLOCKS && (blocks[n] = malloc(size)) != NULL)
            n++;
    return n;
}

static void give_back(unsigned n)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

    while (n > 0)
        free(blocks[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
}

/* All of them, or for ever.  A poll has room for so many events only, and whom
 * it is about come after the sleeps that are over by then: it may take several. */
static void until_called(void)
{
    int64_t end = hub_now() + 10 * HUB_SECOND;

    while (calls < COUNT && hub_now() < end)
        hub_sleep(HUB_MILLISECOND);
    ck_assert_int_eq(calls, COUNT);
}

/* What the hub itself keeps of a descriptor is there from the first time; libev has
 * room for as many changes as there were at once. */
START_TEST(many_new_descriptors_when_there_is_no_memory)
{
    struct hub_crew *crew;
    unsigned used;

    ck_assert_int_eq(hub_crew_new(count, 0, &crew), 0);
    open_all();
    for (int i = 0; i < COUNT; i++) {
        hub_crew_post_init(&posts[i], crew);
        ck_assert_int_eq(hub_crew_wait(&posts[i], fds[i]), 0);
        if (i % BATCH == BATCH - 1)
            hub_sleep(HUB_MILLISECOND);
    }
    until_called();
    close_all();
    open_all();
    for (int round = 0; round < 2; round++) {
        calls = 0;
        used = use_up();
        for (int i = 0; i < COUNT; i++)
            hub_crew_wait(&posts[i], fds[i]);
        hub_sleep(HUB_MILLISECOND);
        give_back(used);
        ck_assert_uint_lt(used, BLOCKS);
        hub_sleep(20 * HUB_MILLISECOND); /* one that is called twice is seen */
        until_called();
        close_all();
        open_all();
    }
    close_all();
    hub_crew_free(crew);
}
END_TEST

int main(void)
{
    TCase *tcase;

    if (!can_be_used_up()) {
        puts("skipped: RLIMIT_AS has no effect (an emulator), or a sanitizer needs "
             "memory of its own");
        return 77;
    }
    tcase = unit_case();
    hub_sleep(1);
    tcase_add_test(tcase, many_new_descriptors_when_there_is_no_memory);
    return unit_run("loopmemory", tcase);
}
