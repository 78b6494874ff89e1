/* dns_server.c - answers a few names (RFC 1035), no more than tests ask for */
#include "dns_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { A = 1, CNAME = 5, PTR = 12, AAAA = 28, MANY = 60, UDP_MAX = 512 };
enum { NO_SUCH_NAME = 3 };

struct message {
    unsigned char bytes[4096];
    size_t size;
};

/* ---- the question ---- */

/* The name in lower case, with dots; returns what follows it, or 0. */
static size_t read_name(const struct message *m, size_t at, char *name)
{
    size_t length = 0;

    while (at < m->size && m->bytes[at] != 0) {
        size_t label = m->bytes[at++];

        if (label > 63 || at + label >= m->size || length + label > 250)
            return 0;
        for (size_t i = 0; i < label; i++) {
            char c = (char)m->bytes[at++];

            name[length++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        name[length++] = '.';
    }
    name[length > 0 ? length - 1 : 0] = '\0';
    return at + 1;
}

/* ---- the answer ---- */

static void put(struct message *m, const void *data, size_t size)
{
    memcpy(m->bytes + m->size, data, size);
    m->size += size;
}

static void put_16(struct message *m, unsigned value)
{
    unsigned char bytes[2] = { (unsigned char)(value >> 8),
                               (unsigned char)value };

    put(m, bytes, 2);
}

static void put_name(struct message *m, const char *name)
{
    unsigned char end = 0;

    while (*name != '\0') {
        size_t length = strcspn(name, ".");
        unsigned char label = (unsigned char)length;

        put(m, &label, 1);
        put(m, name, length);
        name += length + (name[length] == '.');
    }
    put(m, &end, 1);
}

/* A record of `name`, or of what was asked for (NULL). */
static void put_record(struct message *m, const char *name, int type,
                       const void *data, size_t size)
{
    if (name != NULL)
        put_name(m, name);
    else
        put_16(m, 0xc00c);
    put_16(m, (unsigned)type);
    put_16(m, 1);
    put_16(m, 0);
    put_16(m, 60);
    put_16(m, (unsigned)size);
    put(m, data, size);
}

static int put_host(struct message *m, const char *name, int type)
{
    static const unsigned char v4[4] = { 192, 0, 2, 1 };
    static const unsigned char v6[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };

    if (type == A)
        put_record(m, name, A, v4, sizeof v4);
    else if (type == AAAA)
        put_record(m, name, AAAA, v6, sizeof v6);
    return type == A || type == AAAA;
}

static int put_domain(struct message *m, int type, const char *target)
{
    struct message name = { .size = 0 };

    put_name(&name, target);
    put_record(m, NULL, type, name.bytes, name.size);
    return 1;
}

static int put_many(struct message *m, int type)
{
    if (type != A)
        return 0;
    for (unsigned char i = 1; i <= MANY; i++) {
        unsigned char address[4] = { 198, 51, 100, i };

        put_record(m, NULL, A, address, 4);
    }
    return MANY;
}

/* How many records, or -1: there is no such name. */
static int put_answers(struct message *m, const char *name, int type)
{
    static const unsigned char slow[4] = { 192, 0, 2, 9 };

    if (strcmp(name, "host.test") == 0)
        return put_host(m, NULL, type);
    if (strcmp(name, "alias.test") == 0)
        return put_domain(m, CNAME, "host.test") +
               put_host(m, "host.test", type);
    if (strcmp(name, "many.test") == 0)
        return put_many(m, type);
    if (strcmp(name, "slow.test") == 0) {
        usleep(300000);
        if (type == A)
            put_record(m, NULL, A, slow, sizeof slow);
        return type == A;
    }
    if (strcmp(name, "1.2.0.192.in-addr.arpa") == 0)
        return type == PTR ? put_domain(m, PTR, "host.test") : 0;
    return strcmp(name, "empty.test") == 0 ? 0 : -1;
}

/* False: there is to be no answer. */
static bool answer(const struct message *q, struct message *m, bool by_udp)
{
    char name[256] = "";
    size_t end = q->size > 12 ? read_name(q, 12, name) : 0;
    int count, type;

    if (end == 0 || end + 4 > q->size || strcmp(name, "silent.test") == 0)
        return false;
    type = q->bytes[end] << 8 | q->bytes[end + 1];
    end += 4;
    memcpy(m->bytes, q->bytes, end);
    m->size = end;
    count = put_answers(m, name, type);
    m->bytes[2] = 0x84 | (q->bytes[2] & 1);
    m->bytes[3] = (unsigned char)(0x80 | (count < 0 ? NO_SUCH_NAME : 0));
    if (by_udp && m->size > UDP_MAX) {
        m->bytes[2] |= 2; /* truncated */
        m->size = end;
        count = 0;
    }
    memset(m->bytes + 4, 0, 8);
    m->bytes[5] = 1;
    m->bytes[7] = (unsigned char)(count > 0 ? count : 0);
    return true;
}

/* ---- the server ---- */

static void answer_udp(int fd, const struct message *q,
                       const struct sockaddr_in *to)
{
    struct message m = { .size = 0 };

    if (answer(q, &m, true))
        sendto(fd, m.bytes, m.size, 0, (const struct sockaddr *)to, sizeof *to);
}

/* slow.test holds nobody else up: a process of its own for each question. */
static void serve_udp(int fd)
{
    struct message q;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(fd, q.bytes, sizeof q.bytes, 0,
                           (struct sockaddr *)&from, &size);

    q.size = got > 0 ? (size_t)got : 0;
    if (q.size < 17 || memcmp(q.bytes + 13, "slow", 4) != 0) {
        answer_udp(fd, &q, &from);
    } else if (fork() == 0) {
        answer_udp(fd, &q, &from);
        _exit(0);
    }
}

static bool read_exactly(int fd, void *buffer, size_t size)
{
    return recv(fd, buffer, size, MSG_WAITALL) == (ssize_t)size;
}

static void answer_tcp(int fd)
{
    unsigned char length[2];

    while (read_exactly(fd, length, 2)) {
        struct message q, m = { .size = 0 };

        q.size = (size_t)(length[0] << 8 | length[1]);
        if (q.size > sizeof q.bytes || !read_exactly(fd, q.bytes, q.size) ||
            !answer(&q, &m, false))
            break;
        length[0] = (unsigned char)(m.size >> 8);
        length[1] = (unsigned char)m.size;
        send(fd, length, 2, MSG_NOSIGNAL);
        send(fd, m.bytes, m.size, MSG_NOSIGNAL);
    }
}

/* Who asks may keep the connection. */
static void serve_tcp(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        return;
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer_tcp(fd);
        _exit(0);
    }
    close(fd);
}

static void serve(int udp, int tcp)
{
    struct pollfd fds[2] = { { udp, POLLIN, 0 }, { tcp, POLLIN, 0 } };

    signal(SIGCHLD, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        poll(fds, 2, -1);
        if (fds[1].revents)
            serve_tcp(tcp);
        if (fds[0].revents)
            serve_udp(udp);
    }
}

static int open_both(uint16_t *port, int *udp, int *tcp)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(*port) };
    socklen_t size = sizeof address;
    const int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *udp = socket(AF_INET, SOCK_DGRAM, 0);
    *tcp = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(*tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(*udp, (struct sockaddr *)&address, size) == 0 &&
        getsockname(*udp, (struct sockaddr *)&address, &size) == 0 &&
        bind(*tcp, (struct sockaddr *)&address, size) == 0 &&
        listen(*tcp, 16) == 0) {
        *port = ntohs(address.sin_port);
        return 0;
    }
    close(*udp);
    close(*tcp);
    return -errno;
}

pid_t dns_server_start(uint16_t *port)
{
    uint16_t wanted = *port;
    int udp, tcp, rc = -1;
    pid_t pid;

    /* The number that UDP gets may be taken for TCP. */
    for (int i = 0; i < 20 && rc != 0; i++) {
        *port = wanted;
        rc = open_both(port, &udp, &tcp);
    }
    if (rc != 0)
        return rc;
    pid = fork();
    if (pid == 0)
        serve(udp, tcp);
    close(udp);
    close(tcp);
    return pid < 0 ? -errno : pid;
}

void dns_server_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
