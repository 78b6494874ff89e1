/* controldump_impl.h - what the files share that copy what all threads do */
#ifndef CONTROLDUMP_IMPL_H
#define CONTROLDUMP_IMPL_H

#include "hub/control.h"
#include "hub/sight.h"

#define CONTROL_HUBS 64
#define CONTROL_KINDS 16
#define CONTROL_LOCKS 1024

/* Of a hub, which may be gone by now. */
struct control__seen {
    struct control__hub head;
    const struct greenlet__os *os;
    const struct greenlet__thread *first;
};

#define CONTROL_SHAPES 256 /* a power of two */
#define CONTROL_CODES 256
#define CONTROL_PAGES 32768

/* Stacks that look alike are sent once. */
struct control__shapes {
    struct {
        uint64_t hash, greenlet;
    } seen[CONTROL_SHAPES];
    struct {
        uint64_t start, end;
    } code[CONTROL_CODES]; /* where there is code, in order */
    int code_count;
    uint8_t pages[CONTROL_PAGES / 8]; /* a bit for each of code, modulo their number */
};

struct control__dump {
    const struct hub__control *control;
    struct hub__control_out *out;
    size_t stack; /* bytes of each */
    int64_t now;
    struct control__seen hubs[CONTROL_HUBS];
    int hub_count;
    struct { /* of kinds of waits: there are few */
        const void *kind;
        char name[32];
    } kinds[CONTROL_KINDS];
    size_t locks[CONTROL_LOCKS]; /* where in out's buffer are those who wait for
                                    one: whose it is, is not known yet */
    int lock_count;
    struct control__shapes shapes;
};

/* ---- controldump.c ---- */
void control__record(struct control__dump *dump, enum control__kind kind,
                     const void *head, size_t size, const void *tail,
                     size_t more);

/* ---- controlshape.c ---- */
/* A line of /proc/self/maps. */
void control__shape_map(struct control__shapes *shapes, const char *line);
/* Whose stack of before looks like these bytes, which were at sp, or 0: then it is
 * the one that others may look like. */
uint64_t control__shape_find(struct control__shapes *shapes, uint64_t greenlet,
                             uint64_t sp, uint64_t high, const char *bytes,
                             size_t size);

/* ---- controlthread.c ---- */
/* For hub__control.visit, whose `data` is the dump: one record more in the buffer;
 * false: there is no room in it. */
bool control__put_listed(const struct hub__control_listed *listed, void *dump);
/* One of the program's own, which may go any time. */
void control__put_own(struct control__dump *dump, const struct greenlet *g);
/* Whose the locks are that those in the buffer wait for. */
void control__find_owners(struct control__dump *dump);
/* Where on a thread's stack `sp` is; *low 0: on none, or the main thread's. */
void control__find_stack(struct control__dump *dump, uint64_t sp, uint64_t *low,
                         uint64_t *high);

#endif
