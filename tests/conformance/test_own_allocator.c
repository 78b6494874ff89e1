/* A program with a malloc() of its own, under a mutex of its own: whoever holds
 * it is taken off the processor now and then, and whoever else asks for memory
 * waits. */
#include "conformance.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { CLASSES = 48, SMALLEST = 6, CHUNK = 1 << 20, THREADS = 3, SLEEPERS = 40, MS = 300 };

struct block {
    size_t class; /* 16 bytes before what the program gets */
    struct block *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *unused[CLASSES];
static char *chunk, *chunk_end;
static volatile int slow; /* turns in a circle, with the lock held */
static unsigned long served;

static size_t class_of(size_t size)
{
    size_t class = SMALLEST;

    while (((size_t)1 << class) < size + 16)
        class ++;
    return class;
}

static struct block *cut(size_t class)
{
    size_t size = (size_t)1 << class, room = size > CHUNK ? size : CHUNK;
    struct block *block;

    if (chunk == NULL || (size_t)(chunk_end - chunk) < size) {
        chunk = mmap(NULL, room, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
            abort();
        chunk_end = chunk + room;
    }
    block = (struct block *)(void *)chunk;
    chunk += size;
    block->class = class;
    return block;
}

static void *take(size_t size)
{
    size_t class = class_of(size);
    struct block *block;

    pthread_mutex_lock(&lock);
    block = unused[class];
    if (block != NULL)
        unused[class] = block->next;
    else
        block = cut(class);
    for (int i = 0; i < slow; i++)
        served += (unsigned long)i;
    pthread_mutex_unlock(&lock);
    return (char *)block + 16;
}

static void give(void *memory)
{
    struct block *block;

    if (memory == NULL)
        return;
    block = (struct block *)(void *)((char *)memory - 16);
    pthread_mutex_lock(&lock);
    block->next = unused[block->class];
    unused[block->class] = block;
    pthread_mutex_unlock(&lock);
}

/* Called by these: the compiler knows what the library's do. */
static void *(*volatile get)(size_t size) = take;
static void (*volatile put)(void *memory) = give;

void *malloc(size_t size)
{
    return get(size);
}

void free(void *memory)
{
    put(memory);
}

void *calloc(size_t count, size_t size)
{
    void *memory = get(count * size);

    return memset(memory, 0, count * size);
}

void *realloc(void *memory, size_t size)
{
    void *larger = get(size);
    size_t had;

    if (memory == NULL)
        return larger;
    had =
        ((size_t)1 << ((struct block *)(void *)((char *)memory - 16))->class) -
        16;
    memcpy(larger, memory, had < size ? had : size);
    put(memory);
    return larger;
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    uintptr_t at;

    *memory = mmap(NULL, size + alignment + 16, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*memory == MAP_FAILED)
        return ENOMEM;
    at = ((uintptr_t)*memory + 16 + alignment - 1) & ~(alignment - 1);
    *memory = (void *)at;
    ((struct block *)(void *)(at - 16))->class =
        SMALLEST; /* goes to the least */
    return 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *memory;

    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * CONF_S + time.tv_nsec;
}

static void *works(void *arg)
{
    long long until = now() + MS * CONF_MS;
    long rounds = 0;

    (void)arg;
    while (now() < until) {
        char *memory = get(100);

        memset(memory, 1, 100);
        put(memory);
        rounds++;
    }
    return (void *)rounds;
}

static void *sleeps(void *arg)
{
    sleep_ms(2 * MS);
    return arg;
}

START_TEST(threads_sleep_while_others_allocate)
{
    pthread_t threads[THREADS], sleepers[SLEEPERS];

    slow = 20000;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, works, NULL), 0);
    for (int i = 0; i < SLEEPERS; i++) {
        ck_assert_int_eq(pthread_create(&sleepers[i], NULL, sleeps, NULL), 0);
        sched_yield();
    }
    for (int i = 0; i < SLEEPERS; i++)
        ck_assert_int_eq(pthread_join(sleepers[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *rounds;

        ck_assert_int_eq(pthread_join(threads[i], &rounds), 0);
        ck_assert_int_gt((long)rounds, 0);
    }
    slow = 0;
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, threads_sleep_while_others_allocate, 1);
}

int main(void)
{
    return conf_main("own_allocator", add, CONF_THREADS);
}
