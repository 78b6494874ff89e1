/* A load client: many connections, each request checked to its last byte.
 *
 * hammer ADDRESS CONNECTIONS REQUESTS [PATH]
 * ADDRESS is HOST:PORT (IPv4) or a path.  A connection is used until an answer
 * says that it is closed.  Prints one line of JSON: how many answers came, how
 * many requests failed and how: refused (no connection), reset or ended (before
 * the answer was complete), bad (no answer of ours), and the longest wait. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED, RESET, ENDED, BAD, KINDS };
static const char *const kinds[] = {"refused", "reset", "ended", "bad"};

static struct sockaddr_storage address;
static socklen_t address_size;
static char request[512];
static atomic_long left, done, failed[KINDS], connections, slowest_ms;

static void parse_address(const char *text)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_un *local = (struct sockaddr_un *)&address;
    const char *colon = strchr(text, ':');

    if (strchr(text, '/') != NULL) {
        local->sun_family = AF_UNIX;
        snprintf(local->sun_path, sizeof local->sun_path, "%s", text);
        address_size = sizeof *local;
        return;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)atoi(colon != NULL ? colon + 1 : text));
    inet_pton(AF_INET, "127.0.0.1", &v4->sin_addr);
    address_size = sizeof *v4;
}

/* Who was stopped and goes on has calls with a time limit end with EINTR
 * (signal(7)): that is nobody's failure.  A second connect() waits on. */
static int open_connection(void)
{
    const struct timeval patience = {.tv_sec = 8};
    const int on = 1;
    int rc;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (address.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    do
        rc = connect(fd, (struct sockaddr *)&address, address_size);
    while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        close(fd);
        return -1;
    }
    connections++;
    return fd;
}

/* The whole answer.  Returns 1 with the connection good for more, 0, or minus 1
 * and the kind of failure. */
static int read_answer(int fd)
{
    char data[8192];
    size_t have = 0, need = 0;

    while (need == 0 || have < need) {
        ssize_t got = recv(fd, data + have, sizeof data - 1 - have, 0);
        char *end, *length;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1 - RESET;
        if (got == 0)
            return -1 - ENDED;
        have += (size_t)got;
        data[have] = '\0';
        end = strstr(data, "\r\n\r\n");
        if (end == NULL)
            continue;
        length = strcasestr(data, "\r\nContent-Length:");
        if (strncmp(data, "HTTP/1.1 200 ", 13) != 0 || length == NULL)
            return -1 - BAD;
        need = (size_t)(end + 4 - data) + (size_t)atol(length + 17);
    }
    if (have > need)
        return -1 - BAD;
    return strcasestr(data, "\r\nConnection: close") == NULL;
}

static int ask(int *fd)
{
    ssize_t sent;
    int rc;

    if (*fd < 0)
        *fd = open_connection();
    if (*fd < 0)
        return -1 - REFUSED;
    do
        sent = send(*fd, request, strlen(request), MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    rc = sent < 0 ? -1 - RESET : read_answer(*fd);
    if (rc <= 0) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *client(void *arg)
{
    int fd = -1;

    while (atomic_fetch_sub(&left, 1) > 0) {
        long began = now_ms(), took;
        int rc = ask(&fd);

        if (rc < 0)
            failed[-1 - rc]++;
        else
            done++;
        took = now_ms() - began;
        for (long most = slowest_ms; took > most;)
            if (atomic_compare_exchange_weak(&slowest_ms, &most, took))
                break;
    }
    if (fd >= 0)
        close(fd);
    return arg;
}

int main(int argc, char **argv)
{
    int count = argc > 3 ? atoi(argv[2]) : 0;
    pthread_t threads[1024];
    pthread_attr_t small;

    if (count < 1 || count > 1024)
        return 2;
    parse_address(argv[1]);
    left = atol(argv[3]);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n",
             argc > 4 ? argv[4] : "/");
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], &small, client, NULL) != 0)
            return 3;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("{\"done\": %ld, \"connections\": %ld, \"slowest_ms\": %ld", done,
           connections, slowest_ms);
    for (int i = 0; i < KINDS; i++)
        printf(", \"%s\": %ld", kinds[i], failed[i]);
    printf("}\n");
    return 0;
}
