/* socket.h - sockets: the calls of socket(2) and its kin, which park the
 * greenlet
 *
 * The fd is a plain one.  Each call is tried first and waits only when it would
 * block; of those who wait for one fd the oldest goes first.  After 64 calls in
 * a row that needed no wait the others get their turn.
 *
 * Deadlines: HUB_NOWAIT returns -EAGAIN instead of waiting, and so does the
 * flag MSG_DONTWAIT.  A call that ends with an error has moved no data, unless
 * it says so; the next one goes on.  SIGPIPE is never raised: -EPIPE.
 *
 * Errors of all of them, besides their own and those of the system call:
 * -ENOMEM, and why a wait ended early (hub.h); those of a scope that has ended
 * also come before anything is tried.  -EDEADLK in a callback of the loop,
 * where what needs no wait works.
 *
 * Rules: sockets that were made here are closed by hub_close(), and used
 * through the hub of one thread; before one is handed to another thread
 * hub_fd_closed() is called here, and there hub_fd_wrap().  Others may be used
 * as they are, but for -EINVAL where it says "non-blocking". */
#ifndef VIREO_SOCKET_H
#define VIREO_SOCKET_H

#include "hub/hub.h"

#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making and closing ---- */

/* socket(2), non-blocking, closed by exec.
 * Returns the fd (given), or a negative errno. */
HUB_API int hub_socket(int domain, int type, int protocol);

/* socketpair(2), so too.  Returns 0 or a negative errno. */
HUB_API int hub_socketpair(int domain, int type, int protocol, int fds[2]);

/* Take an fd that somebody else made: it becomes non-blocking, for all who
 * share the open file, and what was known of its number is forgotten.
 * Ownership: fd stays the caller's, who closes it by hub_close().
 * Returns 0, or -EBADF. */
HUB_API int hub_fd_wrap(int fd);

/* A second number for the same file, as hub_fd_wrap() would have it.
 * Returns the fd (given), or a negative errno. */
HUB_API int hub_dup(int fd);

/* Close fd.  Waits for it end with -EBADF, those in other hubs when their loops
 * come to it, also when the number is used again before they run.  Not a cancellation point; does not switch.
 * Returns 0 or a negative errno: fd is closed then too. */
HUB_API int hub_close(int fd);

/* shutdown(2).  Who waits on that side looks again: a reader gets 0, a writer
 * -EPIPE.  Does not switch.  Returns 0 or a negative errno. */
HUB_API int hub_shutdown(int fd, int how);

/* ---- connections ---- */

/* connect(2), to its end.  fd becomes non-blocking.  Switches.
 * Returns 0, or a negative errno, also the one that the connection failed with;
 * with HUB_NOWAIT -EINPROGRESS while it is under way.  After any error but
 * -EINPROGRESS and -EISCONN the socket is only good for hub_close(). */
HUB_API int hub_connect(int fd, const struct sockaddr *address,
                        socklen_t length, int64_t deadline_ns);

/* accept4(2): a socket as hub_socket() makes them.  address and length may be
 * NULL.  fd becomes non-blocking.  Switches.
 * Returns the new fd (given), or a negative errno. */
HUB_API int hub_accept(int fd, struct sockaddr *address, socklen_t *length,
                       int64_t deadline_ns);

/* ---- data ---- */

/* recv(2).  With MSG_WAITALL, on a stream, it goes on until `size` bytes are there:
 * fewer are returned when the end, an error (which the next call has), or why a wait
 * ended early comes in between, and what MSG_PEEK finds.  Switches.
 * Returns how many bytes, 0 at the end, or a negative errno. */
HUB_API ssize_t hub_recv(int fd, void *buffer, size_t size, int flags,
                         int64_t deadline_ns);

/* recvfrom(2) and recvmsg(2), so too. */
HUB_API ssize_t hub_recvfrom(int fd, void *buffer, size_t size, int flags,
                             struct sockaddr *address, socklen_t *length,
                             int64_t deadline_ns);
HUB_API ssize_t hub_recvmsg(int fd, struct msghdr *message, int flags,
                            int64_t deadline_ns);

/* recv(2) until `size` bytes are there.  *received, unless NULL, is how many
 * are in the buffer, also when it fails.  Switches.
 * Returns 0, -ENODATA when the end came before, or a negative errno. */
HUB_API int hub_recv_all(int fd, void *buffer, size_t size, size_t *received,
                         int64_t deadline_ns);

/* send(2): as much as can be sent at once, at least one byte.  Switches.
 * Returns how many bytes, or a negative errno. */
HUB_API ssize_t hub_send(int fd, const void *data, size_t size, int flags,
                         int64_t deadline_ns);

/* sendto(2) and sendmsg(2), so too. */
HUB_API ssize_t hub_sendto(int fd, const void *data, size_t size, int flags,
                           const struct sockaddr *address, socklen_t length,
                           int64_t deadline_ns);
HUB_API ssize_t hub_sendmsg(int fd, const struct msghdr *message, int flags,
                            int64_t deadline_ns);

/* send(2) until all is sent, within one deadline.  *sent, unless NULL, is how
 * much was, also when it fails.  Two greenlets that do this on one socket may
 * mix their bytes.  Switches.  Returns 0 or a negative errno. */
HUB_API int hub_send_all(int fd, const void *data, size_t size, int flags,
                         size_t *sent, int64_t deadline_ns);

/* ---- descriptors over Unix sockets ---- */

/* Send data (at least one byte) and with its first byte `count` fds (1 ...
 * 253).  They stay the caller's.  Switches.
 * Returns how many bytes, -EINVAL for no data or another count, or a negative
 * errno. */
HUB_API ssize_t hub_send_fds(int fd, const void *data, size_t size,
                             const int *fds, size_t count, int64_t deadline_ns);

/* recv(2), with the fds that came along: at entry *count says for how many
 * there is room, at exit how many are there (given; closed by exec, otherwise
 * as they were sent: hub_fd_wrap() makes them non-blocking).  Others are
 * closed, and those for which no number is left are lost.  Switches.
 * Returns how many bytes, 0 at the end, or a negative errno; then *count is
 * 0. */
HUB_API ssize_t hub_recv_fds(int fd, void *buffer, size_t size, int *fds,
                             size_t *count, int64_t deadline_ns);

/* ---- addresses ---- */

struct hub_address {
    socklen_t length;
    struct sockaddr_storage storage;
};

/* From text: "127.0.0.1:80", "[::1]:80", "*:80" or ":80" (any address of IPv6,
 * where there is none of IPv4), "80"; "unix:PATH", or anything with a '/', for
 * a Unix socket; "unix:@NAME" for an abstract one.  Names are for
 * hub_connect_to() and hub_listen_on().
 * Returns 0; -EINVAL for what is none of these; -ENAMETOOLONG for a path beyond
 * what fits; -ENOENT for a host that is a name. */
HUB_API int hub_address_parse(const char *text, struct hub_address *address);

/* To the same kind of text; at most `size` bytes, of which the last is 0.
 * Returns the length of the text, -ENOBUFS if it does not fit,
 * -EAFNOSUPPORT. */
HUB_API int hub_address_format(const struct hub_address *address, char *text,
                               size_t size);

/* getsockname(2) and getpeername(2).  Return 0 or a negative errno. */
HUB_API int hub_local_address(int fd, struct hub_address *address);
HUB_API int hub_peer_address(int fd, struct hub_address *address);

/* A stream socket, connected to "host:port" or a path (hub_address_parse()).
 * Of a name's addresses one after the other is tried.  Switches.
 * Returns the fd (given), or the error of the last one: a negative errno;
 * -ENOENT for a name without address. */
HUB_API int hub_connect_to(const char *address, int64_t deadline_ns);

enum {
    HUB_LISTEN_DATAGRAM = 1,  /* a datagram socket, bound */
    HUB_LISTEN_REUSE_PORT = 2 /* several sockets share the port */
};

/* A socket that listens there: SO_REUSEADDR is set, a socket's file that nobody
 * listens on any more is replaced; backlog 0 stands for 128.  Switches for
 * names.
 * Returns the fd (given), or a negative errno. */
HUB_API int hub_listen_on(const char *address, int backlog, unsigned flags);

#ifdef __cplusplus
}
#endif
#endif
