/* resolver_impl.h - what resolvers share: names.c, resolver.c, lookup.c, ares.c */
#ifndef HUB_RESOLVER_IMPL_H
#define HUB_RESOLVER_IMPL_H

#include "hub/hub_impl.h"
#include "hub/resolver.h"

#include <netdb.h>
#include <netinet/in.h>

enum hub__lookup_kind {
    LOOKUP_ADDRESSES, /* getaddrinfo() */
    LOOKUP_NAME,      /* getnameinfo() */
    LOOKUP_HOST,      /* gethostbyname2() */
    LOOKUP_REVERSE    /* gethostbyaddr() */
};

/* A question and its answer.  It outlives the greenlet that asks, when that gives
 * up: so all in it is its own. */
struct hub__lookup {
    uint32_t refs; /* atomic: who asks, who answers */
    enum hub__lookup_kind kind;
    char *host, *service; /* NULL: none */
    bool hinted;
    struct addrinfo hints;
    struct sockaddr_storage address;
    socklen_t size;
    int family, flags;
    bool wants_host, wants_service; /* of LOOKUP_NAME */
    /* the answer */
    int rc;
    struct addrinfo *list;
    struct hostent *entry;
    char host_text[NI_MAXHOST], service_text[NI_MAXSERV];
    /* of ares.c */
    struct addrinfo *kinds; /* of sockets that are wanted, with the port */
    struct hub__waiter *waiter;
    struct hub__ares *ares;
    bool done;
};

struct hub__resolver {
    const char *name;
    /* Is it there?  False: it has said why not. */
    bool (*open)(void);
    /* Answer.  Returns 0 when lookup->rc is good, or why it ended early. */
    int (*ask)(struct hub__lookup *lookup, int64_t deadline_ns);
};
extern const struct hub__resolver hub__resolver_thread, hub__resolver_block,
    hub__resolver_ares;

/* resolver.c: no server knows more of its host than libc does. */
bool hub__lookup_is_local(const struct hub__lookup *lookup);
/* lookup->kinds, by libc, which looks services up; or lookup->rc as libc has it
 * for what makes no sense.  Switches.  Returns 0, or why it ended early. */
int hub__lookup_kinds(struct hub__lookup *lookup, int64_t deadline_ns);

/* lookup.c */
void hub__lookup_libc(struct hub__lookup *lookup); /* blocks */
void hub__lookup_drop(struct hub__lookup *lookup);
/* Copies in one piece of memory; NULL: no memory. */
struct addrinfo *hub__addrinfo_copy(const struct addrinfo *list);
struct hostent *hub__hostent_copy(const struct hostent *host);
int hub__error_of_h_errno(int error);

#endif
