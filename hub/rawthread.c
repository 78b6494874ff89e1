/* rawthread.c - threads that libc does not know
 *
 * pthread_create() tells libc for ever that there are threads: malloc() locks
 * from then on, and references are counted with the bus locked.  What only looks
 * must not cost that.  Such a thread has a stack and a thread block of its own,
 * zeroes around a pointer to itself, so that errno and the stack protector have
 * their places; and all signals blocked. */
#include "hub/sight.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)96 * 1024)
#define BLOCK_SIZE ((size_t)64 * 1024) /* on each side of the pointer */
#define GUARD_SIZE ((size_t)4096)
#define FLAGS                                                               \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |     \
     CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |                   \
     CLONE_CHILD_CLEARTID)

/* The kernel's own size: libc's is for more signals than there are. */
#define KERNEL_SIGSET (_NSIG / 8)

/* Not FUTEX_PRIVATE_FLAG: the kernel's own wake at the end of a thread is not. */
void hub__raw_wait(uint32_t *word, uint32_t expected, int64_t most)
{
    struct timespec span = { (time_t)(most / HUB_SECOND),
                             (long)(most % HUB_SECOND) };
    int before = errno;

    syscall(SYS_futex, word, FUTEX_WAIT, expected,
            most == HUB_FOREVER ? NULL : &span, NULL, 0);
    errno = before;
}

void hub__raw_wake(uint32_t *word)
{
    int before = errno;

    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    errno = before;
}

bool hub__rawthread_runs(const struct hub__rawthread *thread)
{
    return __atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE) != 0;
}

void hub__rawthread_join(struct hub__rawthread *thread)
{
    int32_t tid;

    while ((tid = __atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE)) != 0)
        hub__raw_wait((uint32_t *)(void *)&thread->tid, (uint32_t)tid,
                      HUB_FOREVER);
}

bool hub__rawthread_allowed(void)
{
    return !greenlet__tools_present();
}

static char *map_memory(void)
{
    char *memory = mmap(NULL, GUARD_SIZE + STACK_SIZE + 2 * BLOCK_SIZE,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE,
                        -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    mprotect(memory, GUARD_SIZE, PROT_NONE);
    return memory;
}

/* Where libc and compilers look for the block's own address. */
static char *make_block(char *memory)
{
    char *block = memory + GUARD_SIZE + STACK_SIZE + BLOCK_SIZE;

    ((void **)(void *)block)[0] = block;
    ((void **)(void *)block)[2] = block;
    return block;
}

static int start(struct hub__rawthread *thread, int (*function)(void *),
                 void *arg)
{
    uint64_t all = UINT64_MAX, before;
    int rc = 0;

    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET);
    if (clone(function, thread->memory + GUARD_SIZE + STACK_SIZE, FLAGS, arg,
              &thread->tid, make_block(thread->memory), &thread->tid) < 0)
        rc = -errno;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET);
    return rc;
}

int hub__rawthread_run(struct hub__rawthread *thread, int (*function)(void *),
                       void *arg)
{
    int before = errno, rc = -EBUSY;

    if (__atomic_exchange_n(&thread->busy, 1, __ATOMIC_ACQUIRE) != 0)
        return -EBUSY;
    if (hub__rawthread_runs(thread))
        goto out;
    rc = -ENOMEM;
    if (thread->memory == NULL)
        thread->memory = map_memory();
    if (thread->memory != NULL)
        rc = start(thread, function, arg);
out:
    __atomic_store_n(&thread->busy, 0, __ATOMIC_RELEASE);
    errno = before;
    return rc;
}
