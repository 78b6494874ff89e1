/* controlsocket.c - where the control socket is, and who may talk to it
 *
 * In the directory that VIREO_CONTROL names, or else the first of these that will
 * do: $XDG_RUNTIME_DIR/vireo, /run/user/UID/vireo, /tmp/vireo-UID.  Nobody else may
 * be able to write there: who can, could put a socket of his in the place of ours.
 * It listens before it has its name, so that one that refuses is a dead one's. */
#include "hub/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PRIVATE_MODE 0600
#define BACKLOG 8

static int check_directory(const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (lstat(path, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_uid == geteuid() && (st.st_mode & 022) == 0 ? 0 : -EPERM;
}

static int make_address(struct sockaddr_un *address, const char *directory,
                        const char *suffix)
{
    int length;

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    length = snprintf(address->sun_path, sizeof address->sun_path, "%s/%ld%s",
                      directory, (long)getpid(), suffix);
    return length < (int)sizeof address->sun_path ? 0 : -ENAMETOOLONG;
}

/* A process of another namespace may have the same number, and share the
 * directory. */
static int check_free(const struct sockaddr_un *address)
{
    struct stat st;
    int fd, rc = 0;

    if (lstat(address->sun_path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const void *)address, sizeof *address) == 0 ||
        errno == EAGAIN)
        rc = -EADDRINUSE;
    close(fd);
    return rc;
}

static int listen_in(const char *directory, char path[108])
{
    struct sockaddr_un name, early;
    int rc, fd = -1;

    snprintf(path, 108, "%s", directory);
    rc = check_directory(directory);
    if (rc == 0)
        rc = make_address(&early, directory, ".new");
    if (rc < 0)
        return rc;
    make_address(&name, directory, "");
    strcpy(path, name.sun_path);
    rc = check_free(&name);
    if (rc < 0)
        return rc;
    unlink(early.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The first is what bind() gives it, less what umask() takes. */
    if (fchmod(fd, PRIVATE_MODE) < 0 ||
        bind(fd, (void *)&early, sizeof early) < 0 ||
        chmod(early.sun_path, PRIVATE_MODE) < 0 || listen(fd, BACKLOG) < 0 ||
        rename(early.sun_path, name.sun_path) < 0) {
        rc = -errno;
        unlink(early.sun_path);
        close(fd);
        return rc;
    }
    return fd;
}

int hub__control_listen(const struct hub__control *control, char path[108])
{
    const char *runtime = control->runtime;
    char place[256];
    struct stat st;
    int fd = -ENOENT;

    if (control->directory != NULL)
        return listen_in(control->directory, path);
    if (runtime != NULL && runtime[0] == '/' &&
        snprintf(place, sizeof place, "%s/vireo", runtime) < (int)sizeof place)
        fd = listen_in(place, path);
    if (fd >= 0)
        return fd;
    snprintf(place, sizeof place, "/run/user/%lu", (unsigned long)geteuid());
    if (stat(place, &st) == 0) {
        strcat(place, "/vireo");
        fd = listen_in(place, path);
    }
    if (fd >= 0)
        return fd;
    snprintf(place, sizeof place, "/tmp/vireo-%lu", (unsigned long)geteuid());
    return listen_in(place, path);
}

bool hub__control_may_ask(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}
