/* conf_waits.h - every call that may wait for ever, with a scene where it does
 *
 * What is asked of all of them (signals, cancellation, time limits) is asked
 * with this table. */
#ifndef CONF_WAITS_H
#define CONF_WAITS_H

#include "conformance.h"

struct conf_scene {
    int ends[2]; /* the call is made on ends[0] */
    int other;   /* -1, or one more fd */
    int id;      /* of System V */
    pid_t child;
    char path[CONF_PATH + 20];
};

struct conf_wait {
    const char *name;
    bool restarts; /* after a handler with SA_RESTART */
    void (*open)(struct conf_scene *);
    long (*call)(struct conf_scene *);
    void (*release)(struct conf_scene *); /* what it waits for; any thread */
    void (*close)(struct conf_scene *);
    const char *(*missing)(void); /* NULL, or why it cannot be tried here */
};

/* The i-th of them, or NULL. */
const struct conf_wait *conf_wait_at(int i);

#endif
