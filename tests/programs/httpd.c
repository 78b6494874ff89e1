/* httpd.c - the plainest threaded server: a pthread for each connection
 *
 * HTTP/1.1 with keep-alive, blocking accept, recv and send, default stacks.
 * Prints the port that the kernel chose, then serves until a signal ends it.
 * It knows nothing of Vireo: the demo and the tests run it as it is, and again
 * under the preload.  GET /sleep waits 100 ms before it answers; a POST is
 * answered by its own body, piece by piece.  SIGUSR1 has a handler. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
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

/* Send the body back, of which `have` bytes are there; return how many of those
 * were of it.  Not inlined: its buffer is not to be on every thread's stack. */
static ssize_t __attribute__((noinline))
echo(int fd, const char *head, const char *body, size_t have)
{
    const char *field = strcasestr(head, "\r\nContent-Length:");
    size_t left = field != NULL && field < body ? strtoul(field + 17, NULL, 10)
                                                : 0;
    size_t used = have < left ? have : left;
    char piece[4096];
    int size = snprintf(piece, sizeof piece,
                        "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", left);

    if (send_all(fd, piece, (size_t)size) < 0 || send_all(fd, body, used) < 0)
        return -1;
    for (left -= used; left > 0;) {
        size_t most = left < sizeof piece ? left : sizeof piece;
        ssize_t n = recv(fd, piece, most, 0);

        if (n <= 0 || send_all(fd, piece, (size_t)n) < 0)
            return -1;
        left -= (size_t)n;
    }
    return (ssize_t)used;
}

/* Answer every complete request of the `have` bytes in buf; return how many they
 * took, or -1 when the peer is gone.  Only a POST has a body. */
static ssize_t answer_requests(int fd, char *buf, size_t have)
{
    char *start = buf, *end;

    while ((end = strstr(start, "\r\n\r\n")) != NULL) {
        if (strncmp(start, "POST ", 5) == 0) {
            ssize_t used = echo(fd, start, end + 4,
                                have - (size_t)(end + 4 - buf));

            if (used < 0)
                return -1;
            start = end + 4 + used;
            continue;
        }
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
        used = answer_requests(fd, buf, have);
        if (used < 0)
            break;
        have -= (size_t)used;
        memmove(buf, buf + used, have);
    }
    close(fd);
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
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
    signal(SIGUSR1, on_signal);
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
