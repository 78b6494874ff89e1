/* libc_table.h - libc's functions, as its table for exceptions has them */
#ifndef LIBC_TABLE_H
#define LIBC_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct frame;

struct mp__libc_function {
    uintptr_t start;
    const struct frame *frame;
    const uint8_t *first, *last; /* instructions for unwinders */
};

/* At one place in a function. */
struct mp__libc_row {
    bool by_sp;      /* the frame's address is sp + cfa; else it is not known */
    bool link_saved; /* the return address is at the frame's address + link; else
                        in its register */
    int64_t cfa, link;
};

/* Once; before that, and where libc's table is of another kind, nothing is libc's. */
void mp__libc_table_begin(void);
/* These are async-signal-safe.  The function that has `pc`; false: it is not libc's, or
 * its table says more than is understood. */
bool mp__libc_has(uintptr_t pc);
bool mp__libc_function(uintptr_t pc, struct mp__libc_function *function);
bool mp__libc_row(const struct mp__libc_function *function, uintptr_t pc,
                  struct mp__libc_row *row);

#endif
