/* sync_gate.h - who in this process holds a lock that is in libc's format
 *
 * libc tells owners apart by kernel tid, which all greenlets of an OS thread
 * share, and in which an id of ours would not be unique among processes. */
#ifndef SYNC_GATE_H
#define SYNC_GATE_H

#include "monkeypatch/sync_impl.h"

struct sync_gate {
    struct sync_gate *next;
    void *object;   /* the lock: its address is the key */
    uint32_t owner; /* id of the greenlet that holds the lock; 0: nobody */
    uint32_t depth; /* its further locks of a recursive mutex */
    uint32_t word;  /* mutexes: taken by the one inside */
    uint32_t users; /* who look at this, and the holder; gone with the last */
    bool is_mutex;
};

/* The gate of `object`, counted; NULL when there is none and `make` is false or
 * memory has run out. */
struct sync_gate *sync_gate_get(void *object, bool make);
void sync_gate_put(struct sync_gate *gate);
/* The holder goes; its count with it. */
void sync_gate_leave(struct sync_gate *gate);
/* The object is free again: nobody here holds it any more. */
void sync_gate_reset(void *object);
/* One that `owner` holds and that `fits`, not counted. */
struct sync_gate *sync_gate_of(uint32_t owner,
                               bool (*fits)(const struct sync_gate *gate));

#endif
