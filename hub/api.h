/* api.h - the one table that libvireo-preload.so takes from libvireo.so
 *
 * The preload library must not have libvireo.so's names in the global scope, so
 * it opens it privately and asks for this.  Both are built from one tree; the
 * size and version say so. */
#ifndef HUB_API_TABLE_H
#define HUB_API_TABLE_H

#include "hub/control.h"
#include "hub/hub_impl.h"
#include "hub/onlooker.h"

#define HUB__API_VERSION 7

struct hub__api {
    unsigned version, size;
    /* start-up */
    struct greenlet__libc *libc; /* to be filled by the preload library */
    unsigned *masked;
    struct greenlet__tls_layout *tls;
    const bool *fsgsbase;
    bool *lenient; /* the loop of a program that knows nothing of it */
    int (*tls_find)(const char **why);
    void (*tls_enter)(void);
    void (*tls_link)(bool on);
    bool (*in_loader)(void);
    struct hub *(*get)(void);
    struct greenlet__thread *(*thread_self)(void);
    void (*thread_stays)(void);
    void (*thread_leaves)(void);
    void (*overflow_watch)(void);
    bool (*overflow_report)(const void *address);
    void (*fork_child)(void);
    void (*forked)(struct greenlet__mapped *self, pid_t tid);
    /* mapped threads */
    struct greenlet__mapped *(*map_thread)(struct hub *on, size_t stack,
                                           size_t guard, size_t room,
                                           void *memory);
    bool *several; /* hubs that have them */
    bool (*may_map)(const struct hub *on); /* from another's thread */
    bool (*map_more)(struct hub *own);     /* false: no memory */
    void (*unmap_thread)(struct greenlet__mapped *);
    void (*prepare)(struct greenlet *, void *top,
                    void (*entry)(struct greenlet *));
    void (*ready)(struct hub *, struct greenlet *);
    void (*leave)(struct hub *) __attribute__((noreturn));
    /* real threads that libc did not make */
    size_t (*bare_size)(void);
    char *(*bare_new)(void *memory, const struct greenlet__bare_words *words);
    void (*bare_end)(char *pointer, struct greenlet__bare_words *words);
    void (*bare_enter)(void);
    struct greenlet__thread **(*identity_in)(char *pointer);
    /* calls that other OS threads ask the loop for */
    void (*callback_init)(struct hub_callback *, struct hub *,
                          void (*)(void *), void *);
    void (*callback_push_remote)(struct hub_callback *);
    /* waiting */
    int (*clock)(clockid_t, struct timespec *); /* what deadlines go by */
    void (*watch_clock)(struct hub *, void (*was_set)(void));
    void (*timer_move)(struct hub *, struct hub__timer *, int64_t from,
                       int64_t to);
    void (*waiter_init)(struct hub__waiter *);
    int (*park)(struct hub__waiter *, int64_t deadline);
    int (*park_cancelable)(struct hub__waiter *, int64_t deadline);
    bool (*waiter_close)(struct hub__waiter *);
    bool (*wake)(struct hub__waiter *, int result);
    void (*yield)(void);
    /* hog.h */
    bool (*hog_gives_way)(struct hub *, bool first);
    void (*hogs_call)(struct hub *, void (*runs)(struct hub *));
    void (*hog_listen)(struct hub *, bool first);
    const int *(*epoll)(const struct hub *);
    bool (*apart_leave)(void); /* apart.c: the calling thread has no descriptors */
    int (*apart_copy)(int);    /* of a number of the process's; -1: none */
    void (*notify)(struct hub *); /* that descriptor is ready; async-signal-safe */
    int (*watch)(struct hub *, struct hub__fd_wait *);
    bool (*unwatch)(struct hub *, struct hub__fd_wait *);
    int (*lot_wait)(uint32_t *, uint32_t, int64_t, unsigned);
    int (*lot_wait_on)(struct hub__waiter *, uint32_t *, uint32_t, int64_t);
    int (*lot_wait_cancelable)(struct hub__waiter *, uint32_t *, uint32_t,
                               int64_t);
    int (*lot_wake)(uint32_t *, int);
    int (*lot_wake_bits)(uint32_t *, int, uint32_t);
    int (*lot_requeue)(uint32_t *, int, int, uint32_t *);
    int (*offload)(void (*)(void *), void *, enum hub__offload_kind);
    void (*signal_seen)(struct hub *, bool restart);
    /* fds */
    void (*fd_closing)(int);
    void (*fd_close_range)(unsigned, unsigned);
    void (*fd_release)(int);
    int (*fd_to_top)(int);
    bool (*fd_is_ours)(int);
    /* The program takes that number.  -EAGAIN: it is not free yet, and to be asked for
     * again; *asked, false at first: the hub that has it knows. */
    int (*fd_evacuate)(int, bool *asked);
    void (*fd_forget)(int);
    unsigned (*fd_lowest)(void);
    /* greenlets of the program's own */
    void (**hub_made)(struct greenlet__thread *); /* called where one was made */
    bool (*can_park)(void);     /* this OS thread has a hub, and is not in it */
    uint32_t (*owner_id)(void); /* of the running greenlet; 0: a main one */
    /* Called by the monitor, which has no thread-local data, with a system call
     * that a hub's thread has slept in for a while: number, six arguments, stack
     * pointer, program counter. */
    void (*watch_stuck)(void (*stuck)(pid_t tid, const uint64_t words[9]));
    /* onlooker.h.  0, -ECANCELED where the monitor is off, or why there is none. */
    int (*look_on)(const struct hub__onlooker *onlooker);
    struct hub__onlooker_tools tools;
    /* control.h */
    void (*control_start)(const struct hub__control *control);
    void (*control_end)(void);
    void (*control_forked)(void);
    /* statistics */
    void (*count)(struct greenlet_counts *);
    const char *(*guard_kind)(void);
};

/* Exported by libvireo.so. */
HUB_API const struct hub__api *vireo_api(void);

#endif
