/* address.c - addresses as text */
#include "hub/socket.h"
#include "hub/socket_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define UNIX_PREFIX "unix:"

static int parse_port(const char *text, uint16_t *port)
{
    unsigned long value = 0;

    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (unsigned long)(*text - '0');
        if (value > UINT16_MAX)
            return -EINVAL;
    }
    *port = (uint16_t)value;
    return 0;
}

static int copy_part(char *to, size_t room, const char *from, size_t length)
{
    if (length >= room)
        return -ENAMETOOLONG;
    memcpy(to, from, length);
    to[length] = '\0';
    return 0;
}

static int parse_host(const char *text, size_t length,
                      struct hub__endpoint *endpoint)
{
    if (length >= 2 && text[0] == '[') {
        if (text[length - 1] != ']')
            return -EINVAL;
        return copy_part(endpoint->host, sizeof endpoint->host, text + 1,
                         length - 2);
    }
    if (memchr(text, ':', length) != NULL)
        return -EINVAL; /* IPv6 without brackets: which part is the port? */
    if (length == 1 && text[0] == '*')
        length = 0;
    return copy_part(endpoint->host, sizeof endpoint->host, text, length);
}

/* NULL: it is not about a Unix socket. */
static const char *unix_path(const char *text)
{
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0)
        return text + sizeof UNIX_PREFIX - 1;
    return strchr(text, '/') != NULL ? text : NULL;
}

int hub__endpoint_parse(const char *text, struct hub__endpoint *endpoint)
{
    const char *path = unix_path(text), *colon = strrchr(text, ':');
    int rc;

    memset(endpoint, 0, sizeof *endpoint);
    if (path != NULL) {
        endpoint->kind = HUB__ENDPOINT_UNIX;
        if (path[0] == '\0' || (path[0] == '@' && path[1] == '\0'))
            return -EINVAL;
        return copy_part(endpoint->host, sizeof endpoint->host, path,
                         strlen(path));
    }
    endpoint->kind = HUB__ENDPOINT_INET;
    rc = parse_port(colon != NULL ? colon + 1 : text, &endpoint->port);
    if (rc < 0 || colon == NULL)
        return rc;
    return parse_host(text, (size_t)(colon - text), endpoint);
}

static int fill_unix(const char *path, struct hub_address *address)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&address->storage;
    size_t length = strlen(path);

    if (length >= sizeof un->sun_path)
        return -ENAMETOOLONG;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                  length + (path[0] != '@'));
    return 0;
}

static int fill_inet(const struct hub__endpoint *endpoint,
                     struct hub_address *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address->storage;

    if (inet_pton(AF_INET, endpoint->host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint->port);
        address->length = sizeof *in;
        return 0;
    }
    if (endpoint->host[0] == '\0')
        in6->sin6_addr = in6addr_any;
    else if (inet_pton(AF_INET6, endpoint->host, &in6->sin6_addr) != 1)
        return -ENOENT;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(endpoint->port);
    address->length = sizeof *in6;
    return 0;
}

int hub__endpoint_numeric(const struct hub__endpoint *endpoint,
                          struct hub_address *address)
{
    memset(address, 0, sizeof *address);
    return endpoint->kind == HUB__ENDPOINT_UNIX
               ? fill_unix(endpoint->host, address)
               : fill_inet(endpoint, address);
}

int hub_address_parse(const char *text, struct hub_address *address)
{
    struct hub__endpoint endpoint;
    int rc = hub__endpoint_parse(text, &endpoint);

    return rc < 0 ? rc : hub__endpoint_numeric(&endpoint, address);
}

/* ---- back to text ---- */

static int fits(int length, size_t size)
{
    return length >= 0 && (size_t)length < size ? length : -ENOBUFS;
}

static int format_unix(const struct hub_address *address, char *text,
                       size_t size)
{
    const struct sockaddr_un *un = (const void *)&address->storage;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t length = address->length > start ? address->length - start : 0;

    if (length > 0 && un->sun_path[0] == '\0')
        return fits(snprintf(text, size, UNIX_PREFIX "@%.*s", (int)length - 1,
                             un->sun_path + 1),
                    size);
    return fits(snprintf(text, size, UNIX_PREFIX "%.*s",
                         (int)strnlen(un->sun_path, length), un->sun_path),
                size);
}

int hub_address_format(const struct hub_address *address, char *text,
                       size_t size)
{
    const struct sockaddr_in *in = (const void *)&address->storage;
    const struct sockaddr_in6 *in6 = (const void *)&address->storage;
    char host[INET6_ADDRSTRLEN];

    switch (address->storage.ss_family) {
    case AF_UNIX:
        return format_unix(address, text, size);
    case AF_INET:
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        return fits(snprintf(text, size, "%s:%u", host, ntohs(in->sin_port)),
                    size);
    case AF_INET6:
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        return fits(
            snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port)), size);
    default:
        return -EAFNOSUPPORT;
    }
}

/* ---- of sockets ---- */

static int name_of(int fd, struct hub_address *address,
                   int (*ask)(int fd, struct sockaddr *address,
                              socklen_t *length))
{
    int saved = errno, rc = 0;

    memset(address, 0, sizeof *address);
    address->length = sizeof address->storage;
    if (ask(fd, (struct sockaddr *)&address->storage, &address->length) < 0)
        rc = -errno;
    errno = saved;
    return rc;
}

static int ask_local(int fd, struct sockaddr *address, socklen_t *length)
{
    return getsockname(fd, address, length);
}

static int ask_peer(int fd, struct sockaddr *address, socklen_t *length)
{
    return getpeername(fd, address, length);
}

int hub_local_address(int fd, struct hub_address *address)
{
    return name_of(fd, address, ask_local);
}

int hub_peer_address(int fd, struct hub_address *address)
{
    return name_of(fd, address, ask_peer);
}
