/* control_wire.h - what a process says at its control socket
 *
 * One request a connection, a line:
 *     stats             a text, `key value` in each line
 *     dump [BYTES]      records, as below, with BYTES of each stack at most
 * A refusal is a line that begins with CONTROL_REFUSED.  Both ends are of one
 * build, or the greeting says that they are not.
 *
 * The process only copies: walking stacks and finding names is up to who asks. */
#ifndef CONTROL_WIRE_H
#define CONTROL_WIRE_H

#include <stdint.h>

#define CONTROL_REFUSED "refused: "
#define CONTROL_STACK 16384 /* BYTES of those who do not say */
#define CONTROL_STACK_MOST 65536
/* In the order that DWARF has; where it has no number for it, the program
 * counter comes last. */
#define CONTROL_REGISTERS 33
#if defined(__x86_64__)
#define CONTROL_SP 7
#define CONTROL_PC 16
#elif defined(__aarch64__)
#define CONTROL_SP 31
#define CONTROL_PC 32
#endif
#define CONTROL_GREETING 0x3265726976ull /* "vire2" */

enum control__kind {
    CONTROL_MAPS = 1, /* text of /proc/self/maps, in pieces */
    CONTROL_HUB,
    CONTROL_THREAD,  /* one greenlet, and its stack */
    CONTROL_RUNNING, /* what the OS thread of a hub is in, and the stack */
    CONTROL_REPORT,  /* one of before: how many ns ago, and its text */
    CONTROL_END
};

/* What follows the greeting, each with `size` bytes behind it. */
struct control__record {
    uint32_t kind, size;
};

enum control__doing {
    CONTROL_POLLS,    /* its loop waits for something to happen */
    CONTROL_SWITCHES, /* it goes from one to the next */
    CONTROL_COMPUTES, /* the running one has not let others run */
    CONTROL_SLEEPS    /* the same, in a system call */
};

struct control__hub {
    uint64_t loop; /* its greenlet */
    uint64_t switches;
    int64_t unmoved_ns; /* how long it has not switched, as far as is known */
    uint32_t id;
    int32_t tid;
    uint32_t doing; /* enum control__doing */
    uint32_t padding;
};

enum control__state {
    CONTROL_NEW,
    CONTROL_READY,  /* runs when its turn comes, or runs */
    CONTROL_WAITS,
    CONTROL_ENDED
};

enum control__flag {
    CONTROL_IS_MAIN = 1,
    CONTROL_IS_LOOP = 2,
    CONTROL_IS_THREAD = 4, /* else a greenlet of the program's own */
    CONTROL_MOVED = 8      /* while it was looked at: no stack */
};

struct control__thread {
    uint64_t greenlet;
    uint64_t room, room_size; /* where its own data are: what is joined */
    uint64_t start;           /* what it began with */
    uint64_t sp;              /* of the jump that suspended it; 0: no stack */
    uint64_t low, high;       /* its stack; low 0: not known */
    uint64_t like; /* the greenlet before it whose stack has the same return
                      addresses at the same places; 0: its own follows */
    uint64_t object;          /* what it waits for: an fd, an address; or 0 */
    int64_t waited_ns, left_ns; /* left: -1 without a deadline */
    uint32_t id;                /* as gettid() has it; 0: none */
    uint32_t owner; /* of the lock that it waits for: whose it is; 0: not known */
    uint32_t state, flags;
    uint32_t hub;
    uint32_t readers; /* who have the read-write lock that it waits for */
    char kind[32]; /* of what it waits for */
    char name[32];
};

struct control__running {
    uint64_t registers[CONTROL_REGISTERS];
    int64_t call;    /* the system call that it sleeps in, or -1 */
    uint64_t low, high; /* the bytes that follow are from sp on */
    uint32_t hub;
    uint32_t exact; /* all registers are known, not stack and code alone */
};

#endif
