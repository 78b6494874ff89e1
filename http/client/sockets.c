/* sockets.c - the sockets of a session: which of them has something to say while
 * nothing is asked
 *
 * Whatever comes on a kept connection between two requests (more than a length had
 * announced, an answer that nobody asked for) would be taken for the answer to the
 * next one.  libcurl (7.88) looks only for the end there; and what it has chosen it
 * names by addresses, so that the descriptors are noted as it opens them. */
#include "http/client/client_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct http__socket {
    struct http__socket *next;
    int fd, port; /* of ours; 0: not connected yet, or a Unix socket */
    char address[INET6_ADDRSTRLEN];
};

static void forget(struct http_session *session, int fd)
{
    struct http__socket **at = &session->sockets, *gone;

    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    free(gone);
}

void http__sockets_drop(struct http_session *session)
{
    while (session->sockets != NULL)
        forget(session, session->sockets->fd);
}

/* Of one that libcurl gives up while it connects it does not tell us: that is seen
 * when its number comes again, or at the end. */
static curl_socket_t on_open(void *data, curlsocktype purpose,
                             struct curl_sockaddr *to)
{
    struct http_session *session = data;
    struct http__socket *made = http__client_alloc(sizeof *made);

    (void)purpose;
    if (made == NULL)
        return CURL_SOCKET_BAD;
    made->fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (made->fd < 0) {
        free(made);
        return CURL_SOCKET_BAD;
    }
    forget(session, made->fd);
    made->next = session->sockets;
    session->sockets = made;
    return made->fd;
}

static int on_close(void *data, curl_socket_t fd)
{
    forget(data, fd);
    return close(fd);
}

int http__sockets_set(CURL *easy, struct http_session *session)
{
    if (curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, session) ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, session))
        return -ENOMEM;
    return 0;
}

/* Of one that may be connected. */
static int port_of(const struct http__socket *one)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;

    if (getsockname(one->fd, (struct sockaddr *)&name, &size) < 0)
        return 0;
    if (name.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&name)->sin_port);
    if (name.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&name)->sin6_port);
    return 0;
}

void http__socket_note(struct http_session *session, const char *address,
                       int port)
{
    struct http__socket *one = session->sockets;
    int saved = errno;

    while (one != NULL && (one->port != 0 || port_of(one) != port))
        one = one->next;
    errno = saved;
    if (one == NULL || port <= 0 || strlen(address) >= sizeof one->address)
        return;
    one->port = port;
    strcpy(one->address, address);
}

bool http__socket_has_more(const struct http_session *session,
                           const char *address, int port)
{
    const struct http__socket *one = session->sockets;
    int saved = errno;
    ssize_t got;
    char byte;

    while (one != NULL &&
           (one->port != port || strcmp(one->address, address) != 0))
        one = one->next;
    if (one == NULL || port <= 0)
        return false;
    got = recv(one->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    errno = saved;
    return got >= 0;
}
