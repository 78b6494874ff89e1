/* listeners.c - descriptors that listen, and are handed over */
#include "http/listeners.h"
#include "http/memory.h"

#include "hub/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST = 3 }; /* of LISTEN_FDS */

/* ---- names ---- */

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 127 && c != ':' && c != '%';
}

char *http__listeners_encode(const char *text)
{
    char *name = http__malloc(3 * strlen(text) + 1), *at = name;

    if (name == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        if (is_plain((unsigned char)*text))
            *at++ = *text;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*text);
    }
    *at = '\0';
    return name;
}

char *http__listeners_decode(const char *name, size_t size)
{
    char *text = http__malloc(size + 1), *at = text;
    unsigned c;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '%' && i + 2 < size &&
            sscanf((char[]){name[i + 1], name[i + 2], '\0'}, "%2x", &c) == 1) {
            *at++ = (char)c;
            i += 2;
        } else {
            *at++ = name[i];
        }
    }
    *at = '\0';
    return text;
}

/* ---- the list ---- */

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static bool is_listener(int fd)
{
    return socket_option(fd, SO_TYPE) == SOCK_STREAM &&
           socket_option(fd, SO_ACCEPTCONN) == 1;
}

int http__listeners_add(struct http__listeners *listeners, int fd,
                        const char *name)
{
    struct http__listener *list =
        http__realloc(listeners->list, (listeners->count + 1) * sizeof *list);
    char *copy = name != NULL ? http__strdup(name) : NULL;

    if (list != NULL)
        listeners->list = list;
    if (list == NULL || (name != NULL && copy == NULL)) {
        free(copy);
        return -ENOMEM;
    }
    list[listeners->count++] = (struct http__listener){
        .fd = fd,
        .name = copy,
        .which = UINT_MAX,
        .own = socket_option(fd, SO_REUSEPORT) == 1,
    };
    return 0;
}

static int inherit(struct http__listeners *listeners, int fd,
                   const char **names)
{
    size_t size = *names != NULL ? strcspn(*names, ":") : 0;
    char *name = size > 0 ? http__listeners_decode(*names, size) : NULL;
    int rc = 0;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (*names != NULL)
        *names = (*names)[size] == ':' ? *names + size + 1 : NULL;
    if (is_listener(fd)) {
        hub_fd_wrap(fd);
        rc = http__listeners_add(listeners, fd, name);
    }
    free(name);
    return rc;
}

int http__listeners_inherit(struct http__listeners *listeners)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int rc = 0, fds = 0;

    if (pid != NULL && count != NULL && atol(pid) == (long)getpid())
        fds = atoi(count);
    for (int fd = FIRST; fd < FIRST + fds && rc == 0; fd++)
        rc = inherit(listeners, fd, &names);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rc;
}

/* ---- addresses ---- */

static bool same_address(const struct hub_address *a,
                         const struct hub_address *b)
{
    char first[256], second[256];

    /* As text: the length of a Unix address may or may not count a NUL. */
    return hub_address_format(a, first, sizeof first) > 0 &&
           hub_address_format(b, second, sizeof second) > 0 &&
           strcmp(first, second) == 0;
}

static bool listens_on(const struct http__listener *listener,
                       const char *address)
{
    struct hub_address wanted, has;

    if (listener->name != NULL && strcmp(listener->name, address) == 0)
        return true;
    return hub_address_parse(address, &wanted) == 0 &&
           hub_local_address(listener->fd, &has) == 0 &&
           same_address(&wanted, &has);
}

static size_t claim(struct http__listeners *listeners, const char *address,
                    unsigned which)
{
    size_t found = 0;

    for (size_t i = 0; i < listeners->count; i++) {
        struct http__listener *listener = &listeners->list[i];

        if (listener->which != UINT_MAX || !listens_on(listener, address))
            continue;
        if (listener->name == NULL)
            listener->name = http__strdup(address);
        listener->which = which;
        found++;
    }
    return found;
}

static int listen_once(struct http__listeners *listeners, const char *at,
                       const char *name, unsigned which, int backlog)
{
    int fd = hub_listen_on(at, backlog, HUB_LISTEN_REUSE_PORT);
    struct http__listener *made;
    int rc = fd < 0 ? fd : http__listeners_add(listeners, fd, name);

    if (rc < 0) {
        if (fd >= 0)
            hub_close(fd);
        return rc;
    }
    made = &listeners->list[listeners->count - 1];
    made->which = which;
    made->made = true;
    return 0;
}

static const struct http__listener *
first_of(const struct http__listeners *listeners, unsigned which)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->list[i].which == which)
            return &listeners->list[i];
    return NULL;
}

/* One that is shared out has a socket for each unit, all at the address of the
 * first: its port may have been the kernel's choice. */
static int open_address(struct http__listeners *listeners, const char *address,
                        unsigned which, int backlog, unsigned units)
{
    size_t have = claim(listeners, address, which);
    const struct http__listener *first;
    struct hub_address at;
    char text[256];
    int rc = 0;

    if (have == 0) {
        rc = listen_once(listeners, address, address, which, backlog);
        have = 1;
    }
    first = first_of(listeners, which);
    if (rc < 0 || first == NULL || hub_local_address(first->fd, &at) < 0)
        return rc;
    if (!first->own || at.storage.ss_family == AF_UNIX)
        return 0;
    rc = hub_address_format(&at, text, sizeof text);
    for (; have < units && rc >= 0; have++)
        rc = listen_once(listeners, text, address, which, backlog);
    return rc < 0 ? rc : 0;
}

/* Nothing is asked for: what was handed over, each address once. */
static int take_all(struct http__listeners *listeners)
{
    unsigned which = 0;

    for (size_t i = 0; i < listeners->count; i++) {
        struct hub_address at, other;

        if (listeners->list[i].which != UINT_MAX)
            continue;
        hub_local_address(listeners->list[i].fd, &at);
        for (size_t k = i; k < listeners->count; k++)
            if (hub_local_address(listeners->list[k].fd, &other) == 0 &&
                same_address(&at, &other))
                listeners->list[k].which = which;
        listeners->list[i].which = which++;
    }
    return which > 0 ? 0 : -EINVAL;
}

int http__listeners_open(struct http__listeners *listeners,
                         const char *const *addresses, int backlog,
                         unsigned units, const char **failed)
{
    int rc = addresses == NULL ? take_all(listeners) : 0;

    for (unsigned which = 0;
         rc == 0 && addresses != NULL && addresses[which] != NULL; which++) {
        *failed = addresses[which];
        rc = open_address(listeners, addresses[which], which, backlog, units);
    }
    return rc;
}

/* Those of one address are dealt out; each is somebody's, and each unit has
 * one: with fewer than units, several units share one. */
bool http__listeners_is_of(const struct http__listeners *listeners, size_t i,
                           unsigned unit, unsigned units)
{
    const struct http__listener *listener = &listeners->list[i];
    unsigned all = 0, number = 0;

    if (listener->which == UINT_MAX)
        return false;
    for (size_t k = 0; k < listeners->count; k++) {
        if (listeners->list[k].which != listener->which)
            continue;
        number += k < i;
        all++;
    }
    return all >= units ? number % units == unit : unit % all == number;
}

/* ---- those that are served no longer ---- */

void http__listeners_drop(struct http__listeners *listeners, const char *name)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct http__listener *listener = &listeners->list[i];

        if (listener->made && listener->name != NULL &&
            strcmp(listener->name, name) == 0)
            listener->dropped = true;
    }
}

static bool is_listened_on(const struct http__listeners *listeners,
                           const struct hub_address *at)
{
    struct hub_address other;

    for (size_t i = 0; i < listeners->count; i++)
        if (hub_local_address(listeners->list[i].fd, &other) == 0 &&
            same_address(at, &other))
            return true;
    return false;
}

static void unlink_address(const struct hub_address *at)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)&at->storage;

    if (local->sun_family == AF_UNIX && local->sun_path[0] != '\0')
        unlink(local->sun_path);
}

static void close_one(struct http__listeners *listeners, size_t i)
{
    struct http__listener *listener = &listeners->list[i];

    hub_close(listener->fd);
    free(listener->name);
    memmove(listener, listener + 1,
            (--listeners->count - i) * sizeof *listener);
}

/* With the last socket at a path goes its file. */
static void close_for_good(struct http__listeners *listeners, size_t i)
{
    struct hub_address at;
    bool known = hub_local_address(listeners->list[i].fd, &at) == 0;

    close_one(listeners, i);
    if (known && !is_listened_on(listeners, &at))
        unlink_address(&at);
}

void http__listeners_settle(struct http__listeners *listeners, bool serves)
{
    for (size_t i = listeners->count; i-- > 0;) {
        struct http__listener *listener = &listeners->list[i];
        bool over = serves ? listener->dropped : listener->fresh;

        listener->fresh = listener->dropped = false;
        if (over)
            close_for_good(listeners, i);
    }
}

/* Sockets of systemd may have one name and many addresses. */
bool http__listeners_is_unused(const struct http__listeners *listeners,
                               size_t i)
{
    const struct http__listener *one = &listeners->list[i];

    if (one->which != UINT_MAX)
        return false;
    for (size_t k = 0; one->name != NULL && k < listeners->count; k++)
        if (listeners->list[k].which != UINT_MAX &&
            listeners->list[k].name != NULL &&
            strcmp(listeners->list[k].name, one->name) == 0)
            return false;
    return true;
}

void http__listeners_close_unused(struct http__listeners *listeners)
{
    for (size_t i = listeners->count; i-- > 0;)
        if (listeners->list[i].which == UINT_MAX)
            close_one(listeners, i);
}

/* ---- handing over ---- */

static int set_variables(const struct http__listeners *listeners)
{
    char number[24];
    size_t size = 1;
    char *names;
    int rc;

    for (size_t i = 0; i < listeners->count; i++)
        size += 16 + (listeners->list[i].name != NULL
                          ? 3 * strlen(listeners->list[i].name)
                          : 0);
    names = http__calloc(1, size);
    if (names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < listeners->count; i++) {
        const char *name = listeners->list[i].name;
        char *encoded = http__listeners_encode(name != NULL ? name : "unknown");

        if (encoded == NULL) {
            free(names);
            return -ENOMEM;
        }
        strcat(strcat(names, i > 0 ? ":" : ""), encoded);
        free(encoded);
    }
    rc = setenv("LISTEN_FDNAMES", names, 1);
    free(names);
    snprintf(number, sizeof number, "%zu", listeners->count);
    rc |= setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof number, "%ld", (long)getpid());
    rc |= setenv("LISTEN_PID", number, 1);
    return rc == 0 ? 0 : -ENOMEM;
}

static void close_from(unsigned first)
{
    long most = sysconf(_SC_OPEN_MAX);

    if (close_range(first, UINT_MAX, 0) == 0)
        return;
    for (long fd = (long)first; fd < most && fd < 65536; fd++)
        close((int)fd);
}

/* First out of the way, then to their places. */
int http__listeners_hand_over(const struct http__listeners *listeners)
{
    int count = (int)listeners->count, rc = 0;

    for (int i = 0; i < count && rc == 0; i++) {
        int fd = fcntl(listeners->list[i].fd, F_DUPFD, FIRST + count);

        listeners->list[i].fd = fd;
        if (fd < 0)
            rc = -errno;
    }
    for (int i = 0; i < count && rc == 0; i++)
        if (dup2(listeners->list[i].fd, FIRST + i) < 0)
            rc = -errno;
    if (rc < 0)
        return rc;
    close_from((unsigned)(FIRST + count));
    return set_variables(listeners);
}

/* ---- the end ---- */

void http__listeners_unlink(const struct http__listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct hub_address at;

        if (listeners->list[i].made &&
            hub_local_address(listeners->list[i].fd, &at) == 0)
            unlink_address(&at);
    }
}

void http__listeners_free(struct http__listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->list[i].fd >= 0)
            hub_close(listeners->list[i].fd);
        free(listeners->list[i].name);
    }
    free(listeners->list);
    *listeners = (struct http__listeners){NULL, 0};
}
