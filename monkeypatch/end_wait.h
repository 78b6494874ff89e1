/* end_wait.h - ending the wait of a mapped thread from any thread */
#ifndef END_WAIT_H
#define END_WAIT_H

#include "monkeypatch/carrier.h"
#include "monkeypatch/sys.h"

enum {
    MP_END_CANCEL = 1,    /* if it is a cancellation point */
    MP_END_LOOK = 2,      /* it goes on to wait, when it has looked */
    MP_END_INTERRUPT = 4, /* -EINTR, for a handler without SA_RESTART */
    MP_END_RESTART = 8    /* for one with it */
};

/* Does nothing if it is in no wait.  Thread-safe; `thread` is valid until this
 * returns. */
void mp__end_wait(struct mp__thread *thread, unsigned why);
void mp__end_wait_forked(void);

/* With one carrier mp__all is changed by one OS thread.  It locks to take a thread
 * out; another locks for as long as it walks the list or uses what it has found
 * there.  With several all of them lock, also for detaching and joining.  An OS
 * thread that has the lock may take it again, as its handlers do. */
void mp__all_lock(void);
void mp__all_unlock(void);
/* For handlers, which may have interrupted who has a lock of libc's: who has this one
 * may be in fork(), which takes those.  False: another OS thread has it. */
bool mp__all_try(void);
/* This OS thread has it: a handler must not jump out of what it does there. */
bool mp__all_is_held(void);
/* Where one who looks at all of them, and lets go of the lock between, goes on; under
 * the lock. */
enum { MP_CURSOR_CONTROL, MP_CURSOR_MONITOR, MP_CURSORS };
extern struct mp__thread *mp__all_cursors[MP_CURSORS];
/* In a carrier that walks the list, or looks for a thread in it. */
static inline bool mp__all_stay(void)
{
    if (likely(!mp__several))
        return false;
    mp__all_lock();
    return true;
}
static inline void mp__all_stayed(const bool *locked)
{
    if (*locked)
        mp__all_unlock();
}
#define MP_ALL_STAY                                            \
    __attribute__((cleanup(mp__all_stayed), unused)) bool all_stay = \
        mp__all_stay()
uint64_t mp__all_lock_elsewhere(void); /* with all signals blocked */
void mp__all_unlock_elsewhere(uint64_t before);

#endif
