/* trust.h - which peers are believed: proxies of our own */
#ifndef VIREO_TRUST_H
#define VIREO_TRUST_H

#include "http/view.h"

#include "hub/socket.h"

#ifdef __cplusplus
extern "C" {
#endif

struct http_trust;

/* Networks, with commas or blanks between: "10.0.0.0/8, 192.0.2.7, fd00::/8,
 * unix". An address stands for itself alone, "unix" for peers on Unix sockets,
 * "*" for anybody.  An IPv4 address that a socket of IPv6 shows
 * (::ffff:a.b.c.d) is one of IPv4. Ownership: *trust is given
 * (http_trust_free()); it does not change, and threads may share it. Returns 0,
 * -EINVAL for what is no network, or has bits set beyond its prefix; -ENOMEM.
 */
HTTP_API int http_trust_new(const char *networks, struct http_trust **trust);

/* NULL: nothing. */
HTTP_API void http_trust_free(struct http_trust *trust);

/* Is the address in one of them?  In NULL none is.  Thread-safe. */
HTTP_API bool http_trust_contains(const struct http_trust *trust,
                                  const struct hub_address *address);

#ifdef __cplusplus
}
#endif
#endif
