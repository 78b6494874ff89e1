/* bench_counts.c - allocations and system calls of the plain-pointer path
 *
 * Not times but counts.  malloc() and its kin are this program's own, which the
 * library calls too, and count.  System calls are counted by a seccomp filter
 * that turns each into SIGSYS, in a child that counts on shared memory and then
 * exits.  A count that sees nothing proves nothing: one allocation and one
 * system call are made first, and must be seen. */
#include "bench.h"

#include <vireo/greenlet.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct counts {
    long allocations, system_calls;
    int seen; /* both counters saw what they must see */
};

static struct counts *counts;
static int counting;

/* ---- allocations ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static void allocation(void)
{
    if (counting)
        counts->allocations++;
}

void *malloc(size_t size)
{
    allocation();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocation();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocation();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocation();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    allocation();
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

/* ---- system calls ---- */

static void on_system_call(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    counts->system_calls++;
}

#define ALLOW(number)                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),       \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void trap_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    struct sigaction action = { .sa_sigaction = on_system_call,
                                .sa_flags = SA_SIGINFO };

    if (sigaction(SIGSYS, &action, NULL) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        bench_fail("seccomp", errno);
}

/* From here on everything counts.  Made once to be seen, then from zero. */
static void start_counting(void)
{
    void *volatile memory;

    trap_system_calls();
    counting = 1;
    memory = malloc(100);
    syscall(SYS_getppid);
    counts->seen = counts->allocations == 1 && counts->system_calls == 1;
    free(memory);
    counts->allocations = counts->system_calls = 0;
}

/* ---- what is counted ---- */

static int bounce(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());

    *result = NULL;
    while (value && greenlet_switch(parent, value, &value) == 0)
        ;
    return 0;
}

static int nothing(void *value, void **result)
{
    *result = value;
    return 0;
}

static void switches(long count)
{
    struct greenlet *g = greenlet_new(bounce, NULL, 0);
    void *value;

    if (!g || greenlet_switch(g, g, &value) < 0)
        bench_fail("greenlet_switch", ENOMEM);
    start_counting();
    for (long i = 0; i < count / 2; i++)
        if (greenlet_switch(g, g, &value) < 0 || value != g)
            _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

static void one_life(void)
{
    struct greenlet *g = greenlet_new(nothing, NULL, 0);
    void *value;

    if (!g || greenlet_switch(g, g, &value) < 0 || value != g)
        _exit(EXIT_FAILURE);
    greenlet_unref(g);
}

static void lives(long count)
{
    one_life();
    start_counting();
    for (long i = 0; i < count; i++)
        one_life();
    _exit(EXIT_SUCCESS);
}

static void in_child(void (*run)(long count), long count)
{
    int status = 0;
    pid_t pid;

    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED)
        bench_fail("mmap", errno);
    pid = fork();
    if (pid == 0)
        run(count);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        bench_fail("fork", errno);
    if (status != 0)
        bench_fail("the child that counts failed", ECHILD);
    if (!counts->seen)
        bench_fail("the counters see nothing", ENOTSUP);
    printf("allocations %ld\nsystem_calls %ld\n", counts->allocations,
           counts->system_calls);
}

static void run_switch(long count, long extra)
{
    (void)extra;
    in_child(switches, count);
}

static void run_life(long count, long extra)
{
    (void)extra;
    in_child(lives, count);
}

static const struct bench_case cases[] = {
    { "switch", run_switch },
    { "life", run_life },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
