/* onlook.h - what the monitor does for this library (hub/onlooker.h), and what it
 * looks at threads with */
#ifndef ONLOOK_H
#define ONLOOK_H

#include "monkeypatch/monkeypatch_impl.h"

#define MP_ONLOOK_STACK ((size_t)16 * 1024)

/* The inner end of a stack. */
struct mp__onlook {
    struct walk_stack stack; /* `bytes` are these */
    struct walk_registers registers;
    bool exact; /* it was interrupted, and all registers are known */
    char bytes[MP_ONLOOK_STACK];
};

/* VIREO_BLOCKED: milliseconds, 0 for never. */
bool mp__onlook_option(const char *value);
/* A second thread is there now. */
void mp__onlook_begin(void);

/* ---- for the monitor's thread; with mp__all_lock_elsewhere() where it is given
 * a thread ---- */
struct mp__onlook *mp__onlook_room(void); /* there is one */
void mp__onlook_suspended(const struct mp__thread *thread,
                          struct mp__onlook *seen);
void mp__onlook_name(const struct mp__thread *thread, char name[32]);

#endif
