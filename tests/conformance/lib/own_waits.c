/* own_waits.c - a library that waits by system calls in assembly, and says so
 * by the note of Go's linker */
#include "own_waits.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

/* What Go's linker leaves: an owner, a kind, a name for the build. */
__asm__(".pushsection .note.go.buildid, \"a\", %note\n"
        ".balign 4\n"
        ".long 4, 8, 4\n"
        ".ascii \"Go\\0\\0\"\n"
        ".ascii \"anybuild\"\n"
        ".popsection\n");

static long own_call(long number, volatile int *word, long operation,
                     long value)
{
#ifdef __x86_64__
    register long limit __asm__("r10") = 0;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(word), "S"(operation), "d"(value),
                       "r"(limit)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long call __asm__("x8") = number;
    register long first __asm__("x0") = (long)word;
    register long second __asm__("x1") = operation;
    register long third __asm__("x2") = value;
    register long limit __asm__("x3") = 0;

    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(call), "r"(second), "r"(third), "r"(limit)
                     : "memory");
    return first;
#endif
}

void own_wait(volatile int *word, int value)
{
    int seen;

    while ((seen = *word) != value)
        own_call(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen);
}

void own_set(volatile int *word, int value)
{
    *word = value;
    own_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void *own_take_turns(void *data)
{
    struct own_player *player = data;

    for (int i = 0; i < player->rounds; i++) {
        own_wait(player->turn, i * player->count + player->mine);
        player->visit();
        own_set(player->turn, i * player->count + player->mine + 1);
    }
    return data;
}

/* 0: free; 1: taken; 2: somebody waits, too. */
static volatile int taken;

void own_compute_locked(long rounds)
{
    int seen = __sync_val_compare_and_swap(&taken, 0, 1);

    while (seen != 0) {
        if (seen == 2 || __sync_val_compare_and_swap(&taken, 1, 2) != 0)
            own_call(SYS_futex, &taken, FUTEX_WAIT_PRIVATE, 2);
        seen = __sync_val_compare_and_swap(&taken, 0, 2);
    }
    for (volatile long i = 0; i < rounds; i++)
        continue;
    if (__atomic_exchange_n(&taken, 0, __ATOMIC_SEQ_CST) == 2)
        own_call(SYS_futex, &taken, FUTEX_WAKE_PRIVATE, 1);
}
