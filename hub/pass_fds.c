/* pass_fds.c - descriptors over Unix sockets */
#include "hub/io_impl.h"
#include "hub/socket.h"

#include <string.h>
#include <unistd.h>

#define FDS_MAX 253 /* SCM_MAX_FD: the kernel takes no more at once */

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

ssize_t hub_send_fds(int fd, const void *data, size_t size, const int *fds,
                     size_t count, int64_t deadline_ns)
{
    union control control;
    struct iovec part = {(void *)(uintptr_t)data, size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
    struct cmsghdr *header;

    if (size == 0 || count == 0 || count > FDS_MAX)
        return -EINVAL;
    memset(&control, 0, sizeof control);
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return hub_sendmsg(fd, &message, 0, deadline_ns);
}

/* What came along: kept while there is room. */
static size_t take_fds(struct msghdr *message, int *fds, size_t room)
{
    struct hub *hub = hub__peek();
    size_t kept = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            hub__fd_gone(hub, fd); /* the number is new */
            if (kept < room)
                fds[kept++] = fd;
            else
                close(fd);
        }
    }
    return kept;
}

ssize_t hub_recv_fds(int fd, void *buffer, size_t size, int *fds, size_t *count,
                     int64_t deadline_ns)
{
    union control control;
    struct iovec part = {buffer, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    size_t room = *count;
    ssize_t got;

    *count = 0;
    got = hub_recvmsg(fd, &message, MSG_CMSG_CLOEXEC, deadline_ns);
    if (got >= 0)
        *count = take_fds(&message, fds, room);
    return got;
}
