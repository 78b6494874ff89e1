/* deadlock.h - threads that wait for each other, and for nothing else
 *
 * The monitor looks (hub/onlooker.h): all here is raw but for what the files say. */
#ifndef DEADLOCK_H
#define DEADLOCK_H

#include "monkeypatch/monkeypatch_impl.h"

/* A thread that waits without an end for what only a thread of this process can
 * do, or a signal's handler. */
struct mp__stuck {
    uint32_t id;
    uint32_t owner; /* who can do it, alone; 0: that is not known */
    uint32_t of;    /* MP_OF() */
    uint32_t mark;  /* enum mp__mark */
    int32_t next;   /* the owner's place in the list; -1: it is not there */
    const void *object;
    const struct hub__waiter *waiter;
    int64_t since;
};

enum mp__mark { MP_MARK_NEW, MP_MARK_VISITED, MP_MARK_GOES_ON, MP_MARK_STUCK, MP_MARK_CYCLE };

struct mp__deadlock {
    struct mp__stuck *list; /* by id */
    size_t count;   /* that could be looked at */
    size_t threads; /* that the process has */
    size_t stuck, cycles; /* how many are in a cycle, or wait for one that is */
    bool all;     /* nobody can go on */
    bool handled; /* but a signal's handler might end a wait */
    bool again;     /* a wait was too short yet, or a helper had not ended */
    uint64_t print; /* of what makes it one: the same again is no other */
    int64_t now;
};

/* VIREO_DEADLOCK: 0 says nothing, 1, 2 also where a handler might end it. */
bool mp__deadlock_option(const char *value);
int64_t mp__deadlock_look(int64_t now);
void mp__deadlock_forked(void);

/* deadlock_scan.c.  Fills it but for `now`; false: nothing is dead-locked.  Until
 * the next one. */
bool mp__deadlock_scan(struct mp__deadlock *found);

/* deadlock_report.c: to what the control socket shows, and, if `says`, stderr. */
void mp__deadlock_report(const struct mp__deadlock *found, bool says);

#endif
