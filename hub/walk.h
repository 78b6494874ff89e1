/* walk.h - stacks that were copied from another process, walked by the tables of
 * the files that its code is from */
#ifndef HUB_WALK_H
#define HUB_WALK_H

#include "hub/control_wire.h"
#include "hub/symbols.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALK_FRAMES 128

struct walk_stack {
    const char *bytes;
    uint64_t sp, size; /* of what was copied, from sp on */
};

struct walk_registers {
    uint64_t value[CONTROL_REGISTERS];
    uint64_t known; /* a bit for each */
};

struct walk_frame {
    uint64_t pc;
    bool is_call;  /* pc is where it goes on; else where it was interrupted */
    bool is_guess; /* found by searching the stack: may be left from before */
};

/* Where jump_fcontext() left a greenlet that is suspended: at the beginning of its
 * stack.  False: there is not enough of it. */
bool hub__walk_suspended(const struct walk_stack *stack,
                    struct walk_registers *registers);
/* The frames, innermost first; how many. */
int hub__walk(struct hub__symbols *symbols, const struct walk_stack *stack,
         const struct walk_registers *registers, bool interrupted,
         struct walk_frame frames[WALK_FRAMES]);

/* ---- walkprint.c ---- */

/* A line for each frame, as hub__print_frames() has them; `registers` NULL: it is
 * suspended.  Of the library the function that the program called is shown, alone.
 * Returns how many.  One caller at a time. */
int hub__print_walk(struct hub__print *print, struct hub__symbols *symbols,
                    const struct walk_stack *stack,
                    const struct walk_registers *registers, bool interrupted);

/* ---- walkrow.c ---- */

enum walk_rule {
    RULE_SAME, /* not saved: it has the value that it had */
    RULE_UNDEFINED,
    RULE_AT,       /* at the frame's address + number */
    RULE_IS,       /* it is that */
    RULE_REGISTER, /* in another one */
    RULE_AT_EXPRESSION,
    RULE_IS_EXPRESSION
};

struct walk_bytes {
    const unsigned char *at, *end;
};

/* How to get from a place in a function to its caller. */
struct walk_row {
    bool by_expression; /* the frame's address: */
    unsigned cfa_register;
    int64_t cfa_offset;
    struct walk_bytes cfa_expression;
    unsigned return_register;
    bool is_signal_frame;
    struct {
        uint8_t rule; /* enum walk_rule */
        int64_t number;
        struct walk_bytes expression;
    } registers[CONTROL_REGISTERS];
};

/* For `address` of the process; false: its file has nothing about it. */
bool hub__walk_row(struct hub__symbols *symbols, uint64_t address,
                   struct walk_row *row);

#endif
