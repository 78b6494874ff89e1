/* tls_impl.h - what the files of libvireo-tls share
 *
 * OpenSSL's queue of errors is the OS thread's: it is emptied before each call into
 * OpenSSL and read right after it, never across a switch.  Of memory that it could
 * not have it says nothing now and then, or something else; but malloc() has left
 * ENOMEM in errno, which is handled in the same way. */
#ifndef HUB_TLS_IMPL_H
#define HUB_TLS_IMPL_H

#include "hub/tls.h"

#include <openssl/ssl.h>

struct hub__tls_name {
    struct hub__tls_name *next;
    struct hub_tls_context *context;
    char name[];
};

struct hub_tls_context {
    unsigned refs; /* atomic */
    enum hub_tls_side side;
    SSL_CTX *native;
    unsigned char *alpn; /* a byte of length before each */
    unsigned alpn_size;
    struct hub__tls_name *names;
};

struct hub_tls {
    SSL *native;
    struct hub_tls_context *context;
    int fd;
    int failed;         /* what recv() or send() said last, or what ends it */
    bool said_end, input_ended;
    bool starved;       /* memory was short in the call that is made */
    unsigned char *out; /* made by OpenSSL, not sent yet */
    size_t out_size, out_room, out_sent;
    char protocol[256];
    char error[256];
};

/* context.c */
void hub__tls_errors_clear(void);
bool hub__tls_starved(void); /* since then */
struct hub_tls_context *hub__tls_context_ref(struct hub_tls_context *context);
/* What the queue says, for a failed call: a negative errno, and in words.  It is
 * empty then. */
int hub__tls_error_of(char *text, size_t room);

/* bio.c: between OpenSSL and the socket */
BIO *hub__tls_bio(struct hub_tls *tls);
/* Send what there is; returns 0, -EAGAIN when the socket is full, or an error. */
int hub__tls_send(struct hub_tls *tls);

#endif
