/* signal_own.h - signals that a thread's own calls raise: SIGPIPE and SIGXFSZ
 *
 * The kernel sends them to the thread that made the call, and all mapped threads
 * are one to it; or to a helper, which made it for one of them. */
#ifndef SIGNAL_OWN_H
#define SIGNAL_OWN_H

#include "monkeypatch/monkeypatch_impl.h"

#include <signal.h>

/* Some thread has blocked one of them. */
extern bool mp__signal_own;
/* `self` runs now. */
void mp__signal_own_enter(struct mp__thread *self);
/* What a call has raised on a helper, which blocks all signals: taken there, and
 * given to the thread that called, whose handler may run at once. */
struct mp__raised {
    siginfo_t info[2];
    int count;
};
void mp__raised_take(struct mp__raised *raised);
void mp__raised_give(const struct mp__raised *raised);

#endif
