/* torture.h - what the scenes of hub/torture_io share
 *
 * A scene does what a program does with sockets, streams, servers ...: each party is
 * a greenlet with an fd of its own, which it closes at its end, so that whoever talks
 * to it comes to an end, too.  What calls return goes to see(): a scene in which an
 * allocation failed may end with other errors as well, but one of them must have said
 * so.  Nothing of Check: an allocation of its own would be none of ours. */
#ifndef VIREO_TESTS_TORTURE_H
#define VIREO_TESTS_TORTURE_H

#include "hub/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scene {
    const char *name;
    void (*play)(void);
};
extern const struct scene torture_sockets[], torture_streams[],
    torture_servers[], torture_tls[]; /* up to a name NULL */

struct party {
    void (*body)(struct party *party);
    int fd;
    void *object;
    struct greenlet *greenlet;
    bool begun;
};

/* Takes the result of a call: returns whether it succeeded. */
bool see_at(const char *where, int line, ssize_t rc);
#define see(rc) see_at(__FILE__, __LINE__, rc)
/* Data arrived that was not sent. */
void spoilt_at(const char *where, int line);
#define spoilt() spoilt_at(__FILE__, __LINE__)

/* Starts one; if that fails its fd is closed all the same. */
bool enter(struct party *party);
/* Until it has ended. */
void leave(struct party *party);

/* tls.c: certificates, and OpenSSL's own tables, before allocations fail. */
void torture_tls_start(void);
void torture_tls_end(void);

#endif
