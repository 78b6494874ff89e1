/* control.h - the control socket: a process says what it does to those who may
 * know
 *
 * A thread of libc's own serves it, with a table of descriptors of its own, so that
 * it answers while hubs are blocked and takes no number of the program's.  It looks
 * at everything from outside: no greenlet, no lock of the program's and no malloc
 * is involved, and what may change meanwhile is copied by the kernel. */
#ifndef HUB_CONTROL_H
#define HUB_CONTROL_H

#include "hub/control_wire.h"
#include "hub/hub_impl.h"
#include "hub/print.h"

struct hub__control_listed {
    const struct greenlet *greenlet;
    const void *room; /* NULL: no thread's */
    bool mapped;      /* it is the main one of an identity of its own */
    const struct greenlet *next[2]; /* mapped ones to follow, or NULL: to be fetched */
};

/* What the preload library knows, and libvireo.so does not.  All are called by
 * the control thread. */
struct hub__control {
    const char *directory; /* NULL: the usual ones */
    const char *runtime;   /* $XDG_RUNTIME_DIR as the program began, or NULL */
    size_t room_size;
    /* Visit some of the threads that are alive, from where the last call stopped
     * on (`first`: from the beginning), until visit() says that it has no room for
     * more.  The memory of each, and its stack, stays as long as the visit lasts;
     * no thread can end meanwhile.  False: there are no more. */
    bool (*visit)(bool first,
                  bool (*visit)(const struct hub__control_listed *, void *),
                  void *data);
    /* What the room says. */
    void (*describe)(const void *room, struct control__thread *thread);
    /* Lines of `key value`. */
    void (*stats)(char *text, size_t size);
    /* Have that OS thread, which runs, say its registers and copy its stack; how
     * many bytes, 0 if it does not answer. */
    size_t (*interrupt)(pid_t tid, uint64_t registers[CONTROL_REGISTERS],
                        void *stack, size_t most);
    int verbose; /* 0: failures are not told */
};

/* Serve it from now on.  `control` is good for ever.  A process has one. */
void hub__control_start(const struct hub__control *control);
/* The process ends: nobody finds it any more. */
void hub__control_end(void);
/* In the child of a fork(): it has none. */
void hub__control_forked(void);

/* ---- controlsocket.c ---- */

/* A socket that listens at `path`: in the directory, or in one of those that are
 * usual, by the process's id.  Or a negative errno, with the path that would not
 * do. */
int hub__control_listen(const struct hub__control *control, char path[108]);
/* Who is at the other end may ask. */
bool hub__control_may_ask(int fd);

/* ---- controldump.c ---- */

/* Text or records on the way to a client; what cannot be sent is dropped. */
struct hub__control_out {
    int fd; /* a socket */
    bool failed;
    char *buffer;
    size_t used, size;
};
void hub__control_put(struct hub__control_out *out, const void *bytes,
                      size_t size);
void hub__control_flush(struct hub__control_out *out);
void hub__control_dump(const struct hub__control *control,
                       struct hub__control_out *out, size_t stack);

#endif
