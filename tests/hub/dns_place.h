/* dns_place.h - a place where libc asks a DNS server of a test's own */
#ifndef TESTS_DNS_PLACE_H
#define TESTS_DNS_PLACE_H

/* Into network and mount namespaces where 127.0.0.1 is the server, for good.
 * Returns 0, or -1 where that is not allowed: it has said why on stderr. */
int dns_place_enter(void);

/* Says that libc cannot be tested for this reason, with errno.  Returns -1. */
int dns_place_say(const char *what, const char *path);

#endif
