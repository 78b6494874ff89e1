/* httpd.c - the plainest threaded server: a pthread for each connection
 *
 * HTTP/1.1 with keep-alive, blocking accept, recv and send, default stacks.
 * Prints the port that the kernel chose, then serves until a signal ends it.
 * It knows nothing of Vireo: the demo and the tests run it as it is, and again
 * under the preload.  GET /sleep waits 100 ms before it answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/plain\r\n"
                             "Content-Length: 14\r\n"
                             "\r\n"
                             "Hello, World!\n";

static int send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Answer every complete request in buf; return how many bytes they took, or
 * -1 when the peer is gone.  Requests have no body. */
static ssize_t answer_requests(int fd, char *buf)
{
    char *start = buf, *end;

    while ((end = strstr(start, "\r\n\r\n")) != NULL) {
        if (strncmp(start, "GET /sleep ", 11) == 0)
            usleep(100 * 1000);
        if (send_all(fd, answer, sizeof answer - 1) < 0)
            return -1;
        start = end + 4;
    }
    return start - buf;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg, one = 1;
    char buf[2048];
    size_t have = 0;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (have < sizeof buf - 1) {
        ssize_t n = recv(fd, buf + have, sizeof buf - 1 - have, 0), used;

        if (n <= 0)
            break;
        have += (size_t)n;
        buf[have] = '\0';
        used = answer_requests(fd, buf);
        if (used < 0)
            break;
        have -= (size_t)used;
        memmove(buf, buf + used, have);
    }
    close(fd);
    return NULL;
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 ||
        listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0) {
        perror("httpd: listen");
        exit(1);
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    int listener = listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    struct rlimit files;
    pthread_attr_t attr;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd < 0 && errno != ECONNABORTED && errno != EINTR) {
            perror("httpd: accept");
            return 1;
        }
        if (fd >= 0 &&
            pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd)) {
            fputs("httpd: no thread for a connection\n", stderr);
            close(fd);
        }
    }
}
