/* onlooker.h - what the preload library has the monitor look at
 *
 * All of it is raw, as in sight.h, and runs on the monitor's thread. */
#ifndef HUB_ONLOOKER_H
#define HUB_ONLOOKER_H

#include "hub/kept.h"
#include "hub/walk.h"

struct hub;

struct hub__onlooker {
    /* A turn of the monitor.  When the next look is wanted, at the latest;
     * HUB_FOREVER: when something has happened. */
    int64_t (*look)(int64_t now);
    /* The hub's OS thread has kept others waiting for so long, and does so still.
     * False: nothing was reported, since it did not show itself; again soon. */
    bool (*blocked)(const struct hub *hub, int tid, int64_t ns);
    int64_t blocked_after; /* ns; 0: never */
};

extern const struct hub__onlooker *hub__onlooker; /* NULL: there is none */

/* What it has for that. */
struct hub__onlooker_tools {
    void (*print)(struct hub__print *print, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
    void (*print_seconds)(struct hub__print *print, int64_t ns);
    int (*print_walk)(struct hub__print *print, struct hub__symbols *symbols,
                      const struct walk_stack *stack,
                      const struct walk_registers *registers, bool interrupted);
    struct hub__symbols *(*symbols_open)(void);
    void (*symbols_close)(struct hub__symbols *symbols);
    struct hub__print *(*kept_begin)(void);
    void (*kept_end)(enum hub__kept_kind kind, int64_t blocked, bool says);
    void (*kept_gone)(void);
    bool (*scan_copy)(void *to, const void *from, size_t size);
    bool (*scan_call)(int tid, uint64_t words[9]);
    unsigned (*own_threads)(void);
    void (*rouse)(void); /* a look soon; async-signal-safe */
};

#endif
