/* dns_place.c - namespaces with a resolv.conf of their own */
#include "dns_place.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

int dns_place_say(const char *what, const char *path)
{
    fprintf(stderr, "resolver: the thread resolver is not tested against the "
                    "server: %s %s: %s\n", what, path, strerror(errno));
    return -1;
}

static int write_file(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t put = fd >= 0 ? write(fd, content, strlen(content)) : -1;

    if (fd >= 0)
        close(fd);
    return put == (ssize_t)strlen(content) ? 0 : -1;
}

static int replace(const char *path, const char *content)
{
    char name[64];
    int rc;

    snprintf(name, sizeof name, "/tmp/vireo-resolver.%d", (int)getpid());
    if (write_file(name, content) < 0)
        return dns_place_say("writing", name);
    rc = mount(name, path, NULL, MS_BIND, NULL);
    unlink(name);
    return rc < 0 ? dns_place_say("binding", path) : 0;
}

static int raise_loopback(void)
{
    struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), rc;

    strcpy(request.ifr_name, "lo");
    rc = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return rc < 0 ? dns_place_say("raising", "lo") : 0;
}

int dns_place_enter(void)
{
    char map[64];
    uid_t uid = getuid();
    int flags = CLONE_NEWNS | CLONE_NEWNET;

    if (unshare(uid != 0 ? flags | CLONE_NEWUSER : flags) < 0)
        return dns_place_say("unshare", "");
    snprintf(map, sizeof map, "0 %d 1", (int)uid);
    if (uid != 0 && write_file("/proc/self/uid_map", map) < 0)
        return dns_place_say("mapping", "/proc/self/uid_map");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return dns_place_say("private", "/");
    if (raise_loopback() < 0 ||
        replace("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n") < 0)
        return -1;
    if (access("/etc/nsswitch.conf", F_OK) == 0)
        return replace("/etc/nsswitch.conf", "hosts: files dns\n");
    return 0;
}
