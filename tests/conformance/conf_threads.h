/* conf_threads.h - what the programs about threads and locks share
 *
 * "Blocked" is not something a program can see of another thread.  The tests
 * give the other thread time to get there (let_block()); one that is late
 * makes a test weaker, never wrong. */
#ifndef CONFORMANCE_THREADS_H
#define CONFORMANCE_THREADS_H

#include "conformance.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Time for other threads to get into the call they are about to make. */
static inline void let_block(void)
{
    sleep_ms(20);
}

/* The time on `clock` in `ms` milliseconds; a negative `ms` is past. */
static inline struct timespec deadline_in(clockid_t clock, int ms)
{
    struct timespec when;
    long long ns;

    clock_gettime(clock, &when);
    ns = when.tv_nsec + ms * CONF_MS;
    when.tv_sec += ns / CONF_S;
    when.tv_nsec = ns % CONF_S;
    if (when.tv_nsec < 0) {
        when.tv_nsec += CONF_S;
        when.tv_sec--;
    }
    return when;
}

/* A deadline that no call may accept when it has to wait. */
static inline struct timespec bad_deadline(void)
{
    struct timespec when = deadline_in(CLOCK_REALTIME, 1000);

    when.tv_nsec = CONF_S;
    return when;
}

/* Run `body` in a child process; how that ended, as conf_child_status() has
 * it.  A body that returns ends the child with status 0. */
static inline int run_child(void (*body)(void))
{
    pid_t child;

    fflush(NULL);
    child = fork();
    CONF_CHECK(child >= 0);
    if (child == 0) {
        conf_child_begin();
        body();
        _exit(0);
    }
    return conf_child_status(child);
}

/* Does `address` lie in [start, start + size)? */
static inline bool lies_in(const void *address, const void *start, size_t size)
{
    return (uintptr_t)address - (uintptr_t)start < size;
}

/* Zeroed memory that a child made by fork() shares. */
static inline void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CONF_CHECK(memory != MAP_FAILED);
    return memory;
}

/* A thread's body: what runs while another waits counts in an int that
 * processes may share. */
static inline void *count_meanwhile(void *counter)
{
    for (int i = 0; i < 10; i++) {
        sleep_ms(1);
        __atomic_add_fetch((int *)counter, 1, __ATOMIC_SEQ_CST);
    }
    return counter;
}

/* Until it has, for ten seconds at most. */
static inline void wait_until_counted(const volatile int *counter)
{
    for (int i = 0; i < 10000 && *counter == 0; i++)
        sleep_ms(1);
}

#endif
