/* endpoint.c - sockets by address: hub_connect_to(), hub_listen_on() */
#include "hub/io_impl.h"
#include "hub/socket.h"
#include "hub/socket_impl.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ADDRESSES 16 /* of one name, that are tried */
#define BACKLOG   128

static int find(const char *text, int type, struct hub_address *list,
                int64_t deadline_ns)
{
    struct hub__endpoint endpoint;
    int rc = hub__endpoint_parse(text, &endpoint);

    if (rc < 0)
        return rc;
    rc = hub__endpoint_numeric(&endpoint, list);
    if (rc == -ENOENT)
        return hub__names(endpoint.host, endpoint.port, type, list, ADDRESSES,
                          deadline_ns);
    return rc < 0 ? rc : 1;
}

static int connect_one(const struct hub_address *address, int64_t deadline_ns)
{
    int fd = hub_socket(address->storage.ss_family, SOCK_STREAM, 0), rc;

    if (fd < 0)
        return fd;
    rc = hub_connect(fd, (const struct sockaddr *)&address->storage,
                     address->length, deadline_ns);
    if (rc == 0)
        return fd;
    hub_close(fd);
    return rc;
}

/* Of a name's addresses another one may do better, unless there is no time. */
static bool is_final(int rc)
{
    return rc >= 0 || rc == -ETIMEDOUT || rc == -ECANCELED || rc == -EDEADLK;
}

int hub_connect_to(const char *address, int64_t deadline_ns)
{
    struct hub_address list[ADDRESSES];
    int count = find(address, SOCK_STREAM, list, deadline_ns), rc = count;

    for (int i = 0; i < count; i++) {
        rc = connect_one(&list[i], deadline_ns);
        if (is_final(rc) || hub_canceled() != 0)
            break;
    }
    return rc;
}

/* ---- listening ---- */

/* The file of a Unix socket outlives it.  One that somebody listens on is left:
 * bind() then says so. */
static void remove_stale(const struct hub_address *address)
{
    const struct sockaddr_un *un = (const void *)&address->storage;
    struct stat status;
    int probe, rc;

    if (un->sun_family != AF_UNIX || un->sun_path[0] == '\0' ||
        lstat(un->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return;
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    rc = connect(probe, (const struct sockaddr *)&address->storage,
                 address->length);
    if (rc < 0 && errno == ECONNREFUSED)
        unlink(un->sun_path);
    close(probe);
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int set_up(int fd, const struct hub_address *address, int backlog,
                  unsigned flags)
{
    int rc = 0;

    if (address->storage.ss_family != AF_UNIX) {
        rc = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (rc == 0 && (flags & HUB_LISTEN_REUSE_PORT))
            rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (rc == 0 && bind(fd, (const struct sockaddr *)&address->storage,
                        address->length) < 0)
        rc = -errno;
    if (rc == 0 && !(flags & HUB_LISTEN_DATAGRAM) &&
        listen(fd, backlog > 0 ? backlog : BACKLOG) < 0)
        rc = -errno;
    return rc;
}

static int listen_one(const struct hub_address *address, int backlog,
                      unsigned flags)
{
    int saved = errno, rc, fd;

    fd = hub_socket(address->storage.ss_family,
                    flags & HUB_LISTEN_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    remove_stale(address);
    rc = set_up(fd, address, backlog, flags);
    errno = saved;
    if (rc == 0)
        return fd;
    hub_close(fd);
    return rc;
}

/* ":80" stands for all addresses: of IPv6, which takes those of IPv4 too, or
 * where the kernel has none, of IPv4. */
static void any_of_ipv4(struct hub_address *address)
{
    const struct sockaddr_in6 *in6 = (const void *)&address->storage;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = in6->sin6_port};

    memcpy(&address->storage, &in, sizeof in);
    address->length = sizeof in;
}

int hub_listen_on(const char *address, int backlog, unsigned flags)
{
    int type = flags & HUB_LISTEN_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM;
    struct hub_address list[ADDRESSES];
    int count = find(address, type, list, HUB_FOREVER), rc = count;

    for (int i = 0; i < count; i++) {
        const struct sockaddr_in6 *in6 = (const void *)&list[i].storage;

        rc = listen_one(&list[i], backlog, flags);
        if (rc == -EAFNOSUPPORT && list[i].storage.ss_family == AF_INET6 &&
            IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr)) {
            any_of_ipv4(&list[i]);
            rc = listen_one(&list[i], backlog, flags);
        }
        if (rc >= 0)
            break;
    }
    return rc;
}
