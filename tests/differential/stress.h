/* stress.h - random operations with a model of what must happen
 *
 * Each thread has slots with references to greenlets of its own.  Whoever sends
 * something notes it in `sent`; whatever arrives next in this thread, in
 * whichever greenlet, must be that.  All that is made is counted until it is
 * destroyed. */
#ifndef DIFFERENTIAL_STRESS_H
#define DIFFERENTIAL_STRESS_H

#include "context/contextvar.h"
#include "context/greenlet.h"
#include "context/inspect.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 24, SHARED = 16 };

#define CHECK(condition)                                                 \
    do {                                                                 \
        if (!(condition)) {                                              \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, \
                    #condition);                                         \
            abort();                                                     \
        }                                                                \
    } while (0)

enum what { NOTHING, PLAIN, MESSAGE, RECORD };

/* What is on its way. */
struct sent {
    enum what what;
    uintptr_t plain; /* PLAIN */
    size_t positional, keywords;
    void *first;           /* MESSAGE: its first value; RECORD: the payload */
    bool exit;             /* RECORD: of exit or below */
    struct greenlet *held; /* the receiver, until something arrives: a hook
                              might drop it */
};

struct thread {
    uint64_t random;
    long id;       /* of this life: addresses come again */
    long ops;      /* left to do */
    bool abandons; /* it will exit with suspended greenlets */
    bool closing;
    int depth; /* of hooks inside each other */
    struct sent sent;
    struct greenlet *slots[SLOTS];
    struct greenlet *main;
    uintptr_t number;
};
extern __thread struct thread *self;

/* The userdata of each greenlet. */
struct node {
    uint64_t magic;
    long owner; /* the thread that made it: its id */
    bool begun, ended, dies, finalized;
    struct greenlet *g;
    struct node *next, **link; /* all there are, under nodes_lock */
};
extern struct node *nodes;
extern pthread_mutex_t nodes_lock;

/* Made and not yet destroyed; atomic. */
struct live {
    long boxes, records, closures, nodes, values;
};
extern struct live live;
void count(long *what, long by);

extern struct greenlet_var *vars[4];

/* ---- stress_model.c */
uint64_t draw(void);
size_t below(size_t n);
bool chance(unsigned percent);
struct node *node_of(const struct greenlet *g); /* NULL for a main */
void send_plain(struct greenlet *g);
void send_message(struct greenlet *g);
void send_record(struct greenlet *g);
/* A refused call to a greenlet of another thread. */
void send_foreign(struct greenlet *g);
/* What arrived in the greenlet that runs is what was sent; its end is near if
 * it was a kill. */
void arrived(int rc, void *value);
/* A record that a body or a tracer ends by. */
int raise_record(void);
void *value_new(void);
void value_free(void *value);

/* ---- stress_ops.c */
void operate(void);
void drop_one(void);
void make_one(struct greenlet **slot);
struct shared {
    struct greenlet *g;
    long owner; /* the thread it belongs to: its id */
};
extern struct shared shared[SHARED];
void share(size_t at, struct greenlet *g); /* the reference is given */
extern pthread_mutex_t shared_lock;
void let_go(struct greenlet *g);

#endif
