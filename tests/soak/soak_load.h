/* soak_load.h - what the two halves of the load generator share */
#ifndef VIREO_TESTS_SOAK_LOAD_H
#define VIREO_TESTS_SOAK_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND 1000000000LL
#define MS 1000000LL

enum stage { AWAY, CONNECTING, GREETED, ASKED, EXCHANGING };

struct client {
    int fd;
    enum stage stage;
    int64_t due, limit, began; /* not before; no later; of the exchange */
    /* Of the life. */
    int exchanges, wanted;
    bool slow, leaves, reset, small_buffers;
    /* Of the exchange. */
    const char *path;
    char head[256], answer_head[1024];
    size_t head_size, body, sent, answer_head_size, got;
    long answer; /* bytes of body that are to come; -1: not known yet */
    size_t leave_at_sent, leave_at_got;
    uint64_t key;
    bool half_close, closed_half, last;
};

struct options {
    uint16_t port, target;
    size_t clients;
    int64_t seconds, gap_ms, limit_s;
    uint64_t seed;
    const char *paths;
    bool whole, ending;
};

struct totals {
    long lives, exchanges, left_early, corrupt, lost, refused, stuck, slowest_ms;
    long long sent, received;
};

extern struct options options;
extern struct totals totals;
extern int64_t now;

int64_t clock_now(void);
uint64_t mix(uint64_t x);
/* A random number below `below`. */
uint64_t chance(uint64_t below);
/* The client's life ends with an error, which is counted; the first is told. */
void wrong(struct client *client, long *count, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void leave(struct client *client, bool reset);
/* What to poll for; and what to do then. */
short client_events(const struct client *client);
void client_step(struct client *client, short events);

#endif
