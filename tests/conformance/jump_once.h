/* jump_once.h - a handler that leaves by siglongjmp(), where it is wanted */
#ifndef CONFORMANCE_JUMP_ONCE_H
#define CONFORMANCE_JUMP_ONCE_H

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf escape;
static volatile sig_atomic_t armed; /* it may be left to `escape`, once */

static void jump_once(int number)
{
    (void)number;
    if (!armed)
        return;
    armed = 0;
    siglongjmp(escape, 1);
}

#endif
