/* own_waits.h - threads that wait past libc, in a library that says so */
#ifndef OWN_WAITS_H
#define OWN_WAITS_H

/* One of `count` threads that run in turn, `rounds` times each. */
struct own_player {
    volatile int *turn; /* 0 at first, shared */
    int mine, count, rounds;
    void (*visit)(void); /* called in each turn */
};

/* A start routine; its argument is a struct own_player, and so its result. */
void *own_take_turns(void *player);
/* Wait, by a system call of the library, for *word to be `value`; and end that.
 */
void own_wait(volatile int *word, int value);
void own_set(volatile int *word, int value);
/* Compute with a lock held for which others wait by system calls of its own. */
void own_compute_locked(long rounds);

#endif
