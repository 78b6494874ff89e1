/* resolver.h - names and addresses of hosts
 *
 * Three resolvers: `thread` (the default) calls libc's on the thread pool of the hub,
 * so at most ten at once, and answers as libc does; `ares` asks servers by itself,
 * with any number at once (libcares.so.2, opened when it is chosen; docs/hub.md
 * lists where it differs); `block` calls libc's at once and stops the thread.
 * The option `resolver` (config.h), VIREO_RESOLVER in the environment, names those
 * to try, the first that is there is used.  Numbers are never asked for.
 *
 * Returned errors: a negative errno, or a positive one: that is libc's EAI_ code
 * with its sign turned, EAI_NONAME being a negative number there. */
#ifndef VIREO_RESOLVER_H
#define VIREO_RESOLVER_H

#include "hub/hub.h"

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;
struct hostent;

/* getaddrinfo(3), which lets others run.  Switches.
 * Ownership: *result is given (hub_freeaddrinfo()), when this returns 0.
 * Returns 0; -EAI_...; -ENOMEM; or why it ended early: the request goes on, its
 * answer is thrown away. */
HUB_API int hub_getaddrinfo(const char *host, const char *service,
                            const struct addrinfo *hints, int64_t deadline_ns,
                            struct addrinfo **result);
HUB_API void hub_freeaddrinfo(struct addrinfo *list);

/* getnameinfo(3).  Switches.  Returns as hub_getaddrinfo(). */
HUB_API int hub_getnameinfo(const struct sockaddr *address, socklen_t size,
                            char *host, size_t host_size, char *service,
                            size_t service_size, int flags,
                            int64_t deadline_ns);

/* gethostbyname2(3) and gethostbyaddr(3).  Switches.
 * Ownership: *result is given (hub_freehostent()), when this returns 0.
 * Returns as hub_getaddrinfo(); -EAFNOSUPPORT for another family than AF_INET and
 * AF_INET6, -EINVAL for another size than its addresses have. */
HUB_API int hub_gethostbyname(const char *name, int family, int64_t deadline_ns,
                              struct hostent **result);
HUB_API int hub_gethostbyaddr(const void *address, socklen_t size, int family,
                              int64_t deadline_ns, struct hostent **result);
HUB_API void hub_freehostent(struct hostent *host);

/* The text of what one of these returned.  Borrowed. */
HUB_API const char *hub_resolver_strerror(int error);

/* Choose the resolver of this process for lookups that follow: names, separated
 * by commas; the first that is there is taken.  One that is not says so in one
 * line on stderr.  This is hub_config_set() of `resolver`.  Thread-safe.
 * Returns 0; -ELIBACC when none of them is there, -EINVAL for a name that is none,
 * -ENOMEM: nothing has changed. */
HUB_API int hub_resolver_set(const char *names);

/* The name of the one in use.  Thread-safe.  Borrowed, for ever. */
HUB_API const char *hub_resolver_name(void);

#ifdef __cplusplus
}
#endif
#endif
