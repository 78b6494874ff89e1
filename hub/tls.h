/* tls.h - TLS clients and servers, by OpenSSL; link libvireo-tls
 *
 * A library of its own, so that libvireo.so needs no OpenSSL.  A session lies on a
 * connected stream socket; it is a struct hub_transport, too.  One greenlet may read
 * while another writes.  Errors of all calls: those of recv() and send(), -EBADMSG
 * for what is no good TLS or what the other side refused, -EKEYREJECTED for a
 * certificate that is not trusted or of another name, -ECONNRESET for an end that
 * the other side has not announced, -EBADF after hub_tls_close(), -ENOMEM, and why
 * a wait ended early.  hub_tls_error() has the words.
 *
 * OpenSSL's "internal error" is -ENOMEM, since that is what it says of most memory
 * that it could not have.  In a handshake, and where a session's tickets are read,
 * it may say instead what did not come of it ("no suitable signature algorithm", a
 * "bad signature", "EVP lib"), and the other side is told of an alert: -EBADMSG. */
#ifndef VIREO_TLS_H
#define VIREO_TLS_H

#include "hub/transport.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hub_tls_context;
struct hub_tls;

enum hub_tls_side { HUB_TLS_CLIENT, HUB_TLS_SERVER };
enum hub_tls_verify {
    HUB_TLS_VERIFY_NONE,     /* anybody: for servers unless set */
    HUB_TLS_VERIFY_OPTIONAL, /* of clients: what is shown must be good */
    HUB_TLS_VERIFY_REQUIRED  /* for clients unless set */
};

/* ---- what sessions have in common ---------------------------------------------- */

/* Settings of TLS 1.2 and later.  A client trusts what the system does.
 * Ownership: given (hub_tls_context_unref()); sessions keep it.  NULL: no memory. */
HUB_API struct hub_tls_context *hub_tls_context_new(enum hub_tls_side side);
HUB_API void hub_tls_context_unref(struct hub_tls_context *context);

/* Show the certificates of a PEM file, ours first, whose key is in another, or in
 * the same (NULL).  They block: before serving.
 * Returns 0; -ENOMEM; -ENOENT or what else keeps a file from being read; -EBADMSG
 * for one that is none; -EKEYREJECTED when the two do not belong together. */
HUB_API int hub_tls_use_certificate(struct hub_tls_context *context,
                                    const char *chain_file,
                                    const char *key_file);

/* Trust the authorities of a PEM file or a folder (either may be NULL), and the
 * system's no longer.  Returns as hub_tls_use_certificate(). */
HUB_API int hub_tls_trust(struct hub_tls_context *context, const char *file,
                          const char *folder);

/* Whom to believe.  Returns 0, -EINVAL. */
HUB_API int hub_tls_set_verify(struct hub_tls_context *context,
                               enum hub_tls_verify verify);

/* Protocols above, "h2,http/1.1", what we prefer first (ALPN).  A server that has
 * none in common with a client refuses it.
 * Returns 0, -EINVAL, -ENOMEM. */
HUB_API int hub_tls_set_alpn(struct hub_tls_context *context,
                             const char *protocols);

/* Of a server: who asks for this name (SNI; "*.example.org" for any below) gets
 * the certificates of `other`, which is kept.  Returns 0, -EINVAL, -ENOMEM. */
HUB_API int hub_tls_add_name(struct hub_tls_context *context, const char *name,
                             struct hub_tls_context *other);

/* OpenSSL's SSL_CTX, for what is not here.  Borrowed. */
HUB_API void *hub_tls_context_native(struct hub_tls_context *context);

/* ---- sessions ------------------------------------------------------------------- */

/* Make a session on a connected socket and shake hands, all of it by the deadline.
 * A client names the host that it wants (SNI, and the certificate must be its); it
 * may leave that out (NULL) only if it verifies nothing.  Switches.
 *
 * Ownership: *tls is given (hub_tls_free()); with it fd, also to be closed by us:
 * but when this fails fd stays the caller's.
 * Returns 0, -EINVAL, -ENOMEM, or an error of the list above. */
HUB_API int hub_tls_open(struct hub_tls_context *context, int fd,
                         const char *server_name, int64_t deadline_ns,
                         struct hub_tls **tls);

/* Read at most `size` bytes, as many as are there; 0 at the announced end.
 * HUB_NOWAIT: -EAGAIN instead of waiting.  Switches.  Returns how many. */
HUB_API ssize_t hub_tls_read(struct hub_tls *tls, void *buffer, size_t size,
                             int64_t deadline_ns);

/* Write at least one of `size` bytes.  When it ends with an error it has taken
 * none; what it has taken and could not send by the deadline goes with the next
 * call, also with one of 0 bytes, which returns 0 when all is sent.  Switches.
 * Returns how many. */
HUB_API ssize_t hub_tls_write(struct hub_tls *tls, const void *data,
                              size_t size, int64_t deadline_ns);

/* Announce the end of what we write; reading goes on.  Switches.  Returns 0. */
HUB_API int hub_tls_shutdown(struct hub_tls *tls, int64_t deadline_ns);

/* Close the socket, without announcing: waits in it end with -EBADF. */
HUB_API int hub_tls_close(struct hub_tls *tls);

/* hub_tls_close() and free it, when nobody is in a call any more. */
HUB_API void hub_tls_free(struct hub_tls *tls);

/* -1 when it is closed. */
HUB_API int hub_tls_fd(const struct hub_tls *tls);

/* The protocol that both chose (ALPN), or NULL; "TLSv1.3"; the name that a client
 * asked for, or NULL; what went wrong last, in words, or "".  Borrowed from tls. */
HUB_API const char *hub_tls_protocol(const struct hub_tls *tls);
HUB_API const char *hub_tls_version(const struct hub_tls *tls);
HUB_API const char *hub_tls_server_name(const struct hub_tls *tls);
HUB_API const char *hub_tls_error(const struct hub_tls *tls);

/* Of the last hub_tls_open() that failed in this thread.  Borrowed, until the next
 * one. */
HUB_API const char *hub_tls_open_error(void);

/* OpenSSL's SSL, for what is not here: no call that reads or writes.  Borrowed. */
HUB_API void *hub_tls_native(struct hub_tls *tls);

/* For a stream: its object is a struct hub_tls. */
HUB_API extern const struct hub_transport hub_tls_transport;

#ifdef __cplusplus
}
#endif
#endif
