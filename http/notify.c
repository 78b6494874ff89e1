/* notify.c - the protocol of sd_notify(3) */
#include "http/notify.h"

#include "hub/socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* "/path", or "@name" for an abstract one.  Returns the length, 0 for neither.
 */
static socklen_t read_name(const char *name, struct sockaddr_un *address)
{
    size_t size = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || size < 2 ||
        size >= sizeof address->sun_path)
        return 0;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, size);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

static void add_fd(struct msghdr *message, void *control, size_t size, int fd)
{
    struct cmsghdr *head;

    message->msg_control = control;
    message->msg_controllen = size;
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
}

int http__notify_open(void)
{
    return hub_socket(AF_UNIX, SOCK_DGRAM, 0);
}

/* Connected: then it is writable when the other side has room, of which there
 * is little (net.unix.max_dgram_qlen: 10).  And with each message: a path may
 * be another socket by then. */
int http__notify_send(int from, const char *to, const char *text, int fd,
                      int64_t deadline_ns)
{
    struct sockaddr_un address;
    struct iovec data = {(void *)text, strlen(text)};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {0};
    socklen_t length;
    int rc;

    if (to == NULL)
        return 0;
    length = read_name(to, &address);
    if (length == 0)
        return -EINVAL;
    if (fd >= 0)
        add_fd(&message, control, sizeof control, fd);
    if (connect(from, (struct sockaddr *)&address, length) < 0)
        return -errno;
    rc = (int)hub_sendmsg(from, &message, MSG_NOSIGNAL, deadline_ns);
    return rc < 0 ? rc : 0;
}

int http__notify_listen(char *name, size_t size)
{
    const int on = 1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    int fd = hub_socket(AF_UNIX, SOCK_DGRAM, 0), rc = 0;
    size_t used;

    if (fd < 0)
        return fd;
    /* The kernel chooses an abstract name.  Who sends is what it says. */
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        rc = -errno;
    used = length - offsetof(struct sockaddr_un, sun_path);
    if (rc == 0 && (length > sizeof address || used < 2 || used >= size))
        rc = -ENOBUFS;
    if (rc < 0) {
        hub_close(fd);
        return rc;
    }
    memcpy(name, address.sun_path, used);
    name[0] = '@';
    name[used] = '\0';
    return fd;
}

/* More than one fd is more than was asked for. */
static void take_fds(const struct cmsghdr *head, int *fd)
{
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int one;

        memcpy(&one, CMSG_DATA(head) + i * sizeof one, sizeof one);
        if (*fd < 0)
            *fd = one;
        else
            close(one);
    }
}

int http__notify_receive(int socket, char *text, size_t size, pid_t *sender,
                         int *fd)
{
    struct iovec data = {text, size - 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) +
                                          CMSG_SPACE(16 * sizeof(int))];
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *head;
    struct ucred who;
    ssize_t got = hub_recvmsg(socket, &message, MSG_CMSG_CLOEXEC, HUB_FOREVER);

    *sender = 0;
    *fd = -1;
    if (got < 0)
        return (int)got;
    text[got] = '\0';
    for (head = CMSG_FIRSTHDR(&message); head != NULL;
         head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET)
            continue;
        if (head->cmsg_type == SCM_RIGHTS)
            take_fds(head, fd);
        if (head->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&who, CMSG_DATA(head), sizeof who);
            *sender = who.pid;
        }
    }
    return (int)got;
}

bool http__notify_says(const char *message, const char *line)
{
    size_t size = strlen(line);

    for (;; message++) {
        if (strncmp(message, line, size) == 0 &&
            (message[size] == '\0' || message[size] == '\n'))
            return true;
        message = strchr(message, '\n');
        if (message == NULL)
            return false;
    }
}

void http__notify_value(const char *message, const char *name, char *value,
                        size_t size)
{
    size_t length = strlen(name);

    value[0] = '\0';
    for (; message != NULL; message = strchr(message, '\n')) {
        message += *message == '\n';
        if (strncmp(message, name, length) == 0 && message[length] == '=') {
            snprintf(value, size, "%.*s",
                     (int)strcspn(message + length + 1, "\n"),
                     message + length + 1);
            return;
        }
    }
}
