/* listeners.h - descriptors that listen, and are handed over
 *
 * They come from systemd or from the program before this one (LISTEN_FDS, with
 * names in LISTEN_FDNAMES), or are opened here, and are kept for as long as a
 * program serves them. */
#ifndef HTTP_LISTENERS_H
#define HTTP_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

struct http__listener {
    int fd;
    char *name;     /* what it was asked for as; NULL: nothing */
    unsigned which; /* of the addresses asked for; UINT_MAX: none of them */
    bool own;       /* of an address that is shared out by SO_REUSEPORT */
    bool made;      /* opened here, or by a program of ours: not systemd's */
    /* While another program is being started: */
    bool fresh;   /* it was made by that one */
    bool dropped; /* that one does not serve it */
};

struct http__listeners {
    struct http__listener *list;
    size_t count;
};

/* Take what LISTEN_FDS hands to this process, and clear the variables.
 * Returns 0 or -ENOMEM. */
int http__listeners_inherit(struct http__listeners *listeners);

/* One for each address and unit, of those that are there and new ones.
 * addresses NULL: those that are there.  Switches for names. Returns 0; -EINVAL
 * when that is none; what listening failed with, with *failed the address;
 * -ENOMEM. */
int http__listeners_open(struct http__listeners *listeners,
                         const char *const *addresses, int backlog,
                         unsigned units, const char **failed);

/* One more, which is given.  name is copied (NULL: none).  Returns 0, -ENOMEM.
 */
int http__listeners_add(struct http__listeners *listeners, int fd,
                        const char *name);

/* What a program that is being started says: it does not serve the listeners of
 * this name.  Those that are systemd's stay, for programs after it. */
void http__listeners_drop(struct http__listeners *listeners, const char *name);
/* It serves now: what it has dropped is closed; or it does not: what it has made
 * is.  Unix sockets lose their files. */
void http__listeners_settle(struct http__listeners *listeners, bool serves);
/* Does nobody here serve the i-th, nor another one of its name? */
bool http__listeners_is_unused(const struct http__listeners *listeners,
                               size_t i);
/* Close those that are not served here. */
void http__listeners_close_unused(struct http__listeners *listeners);

/* Is it one of unit's, of so many? */
bool http__listeners_is_of(const struct http__listeners *listeners, size_t i,
                           unsigned unit, unsigned units);

/* In the child of a fork(), before exec: let them be 3 and on, with LISTEN_FDS,
 * LISTEN_PID and LISTEN_FDNAMES, and close all others.  Returns 0 or a negative
 * errno. */
int http__listeners_hand_over(const struct http__listeners *listeners);

/* Those of Unix sockets that were made here lose their files. */
void http__listeners_unlink(const struct http__listeners *listeners);
void http__listeners_free(struct http__listeners *listeners);

/* ":" ends a name in LISTEN_FDNAMES.  Given, NULL: no memory. */
char *http__listeners_encode(const char *text);
char *http__listeners_decode(const char *name, size_t size);

#endif
