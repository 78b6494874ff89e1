/* config.h - options of the hub
 *
 * Each can be set by call, by its name or its number, and by a variable of the
 * environment, which is read when the option is first asked for.  A call wins.
 * What does not pass as a value of the option is refused: by a call with -EINVAL;
 * in the environment with one line on stderr, and the default stays. */
#ifndef VIREO_CONFIG_H
#define VIREO_CONFIG_H

#include "hub/hub.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The environment variable is VIREO_ and the name in capitals. */
enum hub_option {
    HUB_OPTION_MONITOR,              /* the monitor runs; on */
    HUB_OPTION_MAX_BLOCKING_TIME,    /* a hub is blocked; 100 ms; 0: never */
    HUB_OPTION_MONITOR_REPORTS,      /* the monitor prints; on */
    HUB_OPTION_MONITOR_REPORT_INTERVAL, /* between two of a hub; 1 s */
    HUB_OPTION_MONITOR_MEMORY_PERIOD, /* 5 s; at least 100 ms */
    HUB_OPTION_MONITOR_MEMORY_MAX,   /* 0: no limit */
    HUB_OPTION_SWITCH_INTERVAL,      /* of hubs made from now on; 5 ms */
    HUB_OPTION_DUMP_SIGNAL,          /* "USR2"; "": none */
    HUB_OPTION_CONSOLE,              /* path of a socket; "": none */
    HUB_OPTION_TRACK_GREENLET_TREE,  /* as hub_track_spawn_tree(), from the first
                                        spawn of each hub on; off */
    HUB_OPTION_FORK,                 /* "caller" or "all" live on in a child; the
                                        rule of hub_set_fork_rule() */
    HUB_OPTION_RESOLVER,             /* "thread"; what hub_resolver_set() takes,
                                        and sets */
    /* What ares asks and how: of questions asked when none is open. */
    HUB_OPTION_RESOLVER_NAMESERVERS, /* "": those of the system */
    HUB_OPTION_RESOLVER_TIMEOUT,     /* of ares; 0: its own */
    HUB_OPTION_RESOLVER_TRIES,       /* of ares; 0: its own */
    HUB_OPTION_RESOLVER_NDOTS,       /* of ares; -1: its own */
    HUB_OPTION_RESOLVER_UDP_PORT,    /* of ares; 0: its own */
    HUB_OPTION_RESOLVER_TCP_PORT,    /* of ares; 0: its own */
    HUB_OPTION_RESOLVER_FLAGS,       /* of ares; -1: its own */
    /* Of pools made from now on, and of this hub's default one at once. */
    HUB_OPTION_THREADPOOL_SIZE,      /* threads at most; 10 */
    HUB_OPTION_THREADPOOL_IDLE_TIMEOUT, /* until an idle one ends; 5 s */
    HUB_OPTION_COUNT
};

enum hub_option_type {
    HUB_OPTION_BOOL,     /* "1", "yes", "on", "true"; "0", "no", "off", "false" */
    HUB_OPTION_INTEGER,  /* decimal */
    HUB_OPTION_DURATION, /* seconds, "0.1"; or "100ms", "50us"; a number is ns */
    HUB_OPTION_SIZE,     /* bytes, or with k, m, g, kb, mb, gb (of 1,024) */
    HUB_OPTION_TEXT,
    HUB_OPTION_CHOICE    /* one of some words; a number is its place */
};

struct hub_option_info {
    const char *name;        /* "max_blocking_time" */
    const char *environment; /* "VIREO_MAX_BLOCKING_TIME" */
    const char *summary;     /* a line for people */
    enum hub_option_type type;
    int64_t least, most;     /* of a number */
    const char *choices;     /* "thread|ares"; NULL: no choice */
};

/* What the option is.  Thread-safe.  Returns 0 or -ENOENT. */
HUB_API int hub_config_info(enum hub_option option,
                            struct hub_option_info *info);

/* The option of that name, as in hub_option_info, in any case.  Thread-safe.
 * Returns a number of enum hub_option, or -ENOENT. */
HUB_API int hub_config_find(const char *name);

/* Set an option from a text.  Thread-safe.
 * Returns 0, -ENOENT for an unknown name, -EINVAL for a text that is no value of
 * it, -ENOMEM, or why it could not be put into effect (dump_signal: as
 * hub_dump_on_signal(); resolver: -ELIBACC, as hub_resolver_set()). */
HUB_API int hub_config_set(const char *name, const char *text);

/* Its value as a text that hub_config_set() takes, cut off at `size`, as
 * snprintf() does.  Thread-safe.
 * Returns the length it would have, or -ENOENT. */
HUB_API int hub_config_get(const char *name, char *text, size_t size);

/* Set one that is a number.  Thread-safe.
 * Returns 0, -ENOENT, -EINVAL when it is a text or the number out of range. */
HUB_API int hub_config_set_number(enum hub_option option, int64_t number);

/* The number; 0 for a text and for what is no option.  Thread-safe. */
HUB_API int64_t hub_config_number(enum hub_option option);

/* Back to what the environment says, which is read anew.  Thread-safe.
 * Returns 0 or -ENOENT. */
HUB_API int hub_config_reset(const char *name);

#ifdef __cplusplus
}
#endif
#endif
