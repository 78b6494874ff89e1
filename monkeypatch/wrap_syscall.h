/* wrap_syscall.h - the two halves of syscall() */
#ifndef WRAP_SYSCALL_H
#define WRAP_SYSCALL_H

#include <stdbool.h>

struct mp__arguments {
    long n, a[6];
};

#define INT(i) ((int)call->a[i])
#define UINT(i) ((unsigned)call->a[i])
#define SIZE(i) ((size_t)call->a[i])
#define PTR(i) ((void *)call->a[i])

/* The call itself: -1 and errno, or its result. */
long mp__raw_syscall(const struct mp__arguments *call);

/* wrap_syscall_more.c: true if it is one of these; *rc as libc returns it. */
bool mp__syscall_moves(const struct mp__arguments *call, long *rc);
bool mp__syscall_waits(const struct mp__arguments *call, long *rc);
bool mp__syscall_signals(const struct mp__arguments *call, long *rc);
bool mp__syscall_schedules(const struct mp__arguments *call, long *rc);
/* thread_ids.c, the same */
bool mp__syscall_ids(const struct mp__arguments *call, long *rc);
bool mp__syscall_elsewhere(const struct mp__arguments *call, long *rc);
/* wrap_syscall.c, the same: signals by ids */
bool mp__syscall_sends(const struct mp__arguments *call, long *rc);
/* timer.c, the same */
bool mp__syscall_timers(const struct mp__arguments *call, long *rc);

#endif
