/* bench_hogs.c - how a thread that waits is served beside threads that compute
 *
 * bench_hogs sleep KIND HOGS COUNT   sleeps of 5 ms beside so many hogs
 * bench_hogs serve KIND HOGS         "port N", then echoes in a thread for each
 *                                    connection, beside the hogs, until killed
 * bench_hogs ask PORT COUNT          one connection, a small request every few ms
 * bench_hogs load PORT PATH CLIENTS MS
 *                                    GETs by so many clients at once, for that long
 *
 * The first two are run natively and preloaded, the others always natively.
 * `sleep` and `ask` end after MOST_NS with what they have, if that is FEWEST. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS      INT64_C(1000000)
#define NAP_NS  (5 * MS)
#define MOST_NS (1200 * MS)
#define FIRST   2 /* until all threads have begun: not counted */
#define FEWEST  4

enum { INTS = 100000, NODES = 2000, COPIED = 1 << 20, PATIENCE_S = 10 };

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void nap(int64_t ns)
{
    struct timespec t = { .tv_nsec = ns };

    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void start(void *(*function)(void *), void *arg, pthread_t *thread)
{
    int rc = pthread_create(thread, NULL, function, arg);

    if (rc != 0)
        bench_fail("pthread_create", rc);
}

static void *allocate(size_t size)
{
    void *block = malloc(size);

    if (block == NULL)
        bench_fail("malloc", errno);
    return block;
}

/* ---- hogs: none makes a call that waits ---- */

static _Atomic uint64_t sink;

static uint64_t mixed(uint64_t value)
{
    return (value ^ (value >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
}

static void *arithmetic(void *arg)
{
    uint64_t value = (uintptr_t)arg;

    for (;;) {
        for (int i = 0; i < 1000000; i++)
            value = mixed(value);
        sink = value;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;

    return (left > right) - (left < right);
}

static void *sort(void *arg)
{
    int *ints = allocate(INTS * sizeof *ints);
    uint64_t value = (uintptr_t)arg;

    for (;;) {
        for (int i = 0; i < INTS; i++)
            ints[i] = (int)((value = mixed(value)) >> 33);
        qsort(ints, INTS, sizeof *ints, compare);
        sink = (uint64_t)ints[0];
    }
    return NULL;
}

struct node {
    struct node *next;
    char bytes[];
};

static void *lists(void *arg)
{
    uint64_t value = (uintptr_t)arg;

    for (;;) {
        struct node *list = NULL, *node;

        for (int i = 0; i < NODES; i++) {
            value = mixed(value);
            node = allocate(sizeof *node + (value >> 33) % 200);
            node->next = list;
            list = node;
        }
        while ((node = list) != NULL) {
            list = node->next;
            free(node);
        }
        sink = value;
    }
    return NULL;
}

static void *copy(void *arg)
{
    char *from = allocate(COPIED), *to = allocate(COPIED);

    memset(from, (int)(uintptr_t)arg, COPIED);
    for (;;) {
        memcpy(to, from, COPIED);
        sink = (uint64_t)to[sink % COPIED];
    }
    return NULL;
}

static const struct kind {
    const char *name;
    void *(*run)(void *);
} kinds[] = {
    { "arithmetic", arithmetic },
    { "qsort", sort },
    { "malloc", lists },
    { "memcpy", copy },
};

static void start_hogs(const char *kind, long count)
{
    size_t i = 0;
    pthread_t thread;

    while (i < sizeof kinds / sizeof *kinds && strcmp(kinds[i].name, kind) != 0)
        i++;
    if (i == sizeof kinds / sizeof *kinds) {
        fprintf(stderr, "no kind of hog: %s\n", kind);
        exit(2);
    }
    for (long n = 0; n < count; n++)
        start(kinds[i].run, (void *)(intptr_t)(n + 1), &thread);
}

/* ---- what they are beside ---- */

struct times {
    int64_t *ns;
    long count, most;
    int64_t end;
};

static struct times times_new(long most)
{
    struct times times = { .most = most };

    times.ns = allocate((size_t)most * sizeof *times.ns);
    return times;
}

/* One more, and is that enough? */
static bool times_add(struct times *times, int64_t ns)
{
    if (times->end == 0)
        times->end = now() + MOST_NS;
    times->ns[times->count++] = ns;
    return times->count == times->most ||
           (times->count >= FEWEST && now() > times->end);
}

static int in_order(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Of sorted ones: the least that the part p of all is below, us. */
static double quantile(const struct times *times, double p)
{
    return (double)times->ns[(long)((double)times->count * p)] / 1e3;
}

static void times_report(struct times *times, const char *name, double less_us)
{
    double sum = 0;

    qsort(times->ns, (size_t)times->count, sizeof *times->ns, in_order);
    for (long i = 0; i < times->count; i++)
        sum += (double)times->ns[i] / 1e3;
    printf("%smean_us %.1f\n", name, sum / (double)times->count - less_us);
    printf("%sp50_us %.1f\n", name, quantile(times, 0.5) - less_us);
    printf("%sp99_us %.1f\n", name, quantile(times, 0.99) - less_us);
}

static void *sleeper(void *arg)
{
    struct times *times = arg;
    int64_t begin;

    for (int i = 0; i < FIRST; i++)
        nap(NAP_NS);
    do {
        begin = now();
        nap(NAP_NS);
    } while (!times_add(times, now() - begin));
    return NULL;
}

static int run_sleep(char **words)
{
    struct times times = times_new(atol(words[2]));
    pthread_t thread;

    start_hogs(words[0], atol(words[1]));
    start(sleeper, &times, &thread);
    pthread_join(thread, NULL);
    times_report(&times, "slept_", 0);
    times_report(&times, "late_", (double)NAP_NS / 1e3);
    printf("count %ld\n", times.count);
    return 0;
}

static void *echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[256];
    ssize_t got;

    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (send(fd, buffer, (size_t)got, MSG_NOSIGNAL) < 0)
            break;
    close(fd);
    return NULL;
}

static int run_serve(char **words)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd, one = 1;
    pthread_t thread;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 ||
        bind(listener, (struct sockaddr *)&address, length) < 0 ||
        listen(listener, 16) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        bench_fail("listen", errno);
    start_hogs(words[0], atol(words[1]));
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        start(echo, (void *)(intptr_t)fd, &thread);
        pthread_detach(thread);
    }
    return 0;
}

/* ---- clients ---- */

static int connected(const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(port));
    if (fd < 0)
        bench_fail("socket", errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        bench_fail("connect", errno);
    return fd;
}

/* With a time limit it ends when the process was stopped and goes on. */
static ssize_t receive(int fd, char *buffer, size_t size)
{
    ssize_t got;

    do
        got = recv(fd, buffer, size, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

static int64_t asked(int fd)
{
    static const char request[] = "a small message\n";
    char answer[sizeof request];
    int64_t begin = now();
    ssize_t got, all = 0;

    if (send(fd, request, sizeof request, MSG_NOSIGNAL) < 0)
        bench_fail("send", errno);
    do {
        got = receive(fd, answer + all, sizeof answer - (size_t)all);
        if (got <= 0)
            bench_fail("no answer", got < 0 ? errno : ECONNRESET);
        all += got;
    } while (all < (ssize_t)sizeof answer);
    return now() - begin;
}

/* 1 to 5 ms between requests: in step with no slice of time. */
static int run_ask(char **words)
{
    struct times times = times_new(atol(words[1]));
    int fd = connected(words[0]);
    uint64_t value = 1;

    for (int i = 0; i < FIRST; i++)
        asked(fd);
    do {
        value = mixed(value);
        nap(MS + (int64_t)(value >> 33) % (4 * MS));
    } while (!times_add(&times, asked(fd)));
    times_report(&times, "", 0);
    printf("count %ld\n", times.count);
    return 0;
}

struct load {
    const char *port, *path;
    int64_t end;
    _Atomic long answered;
};

static bool answered(const struct load *load)
{
    char buffer[4096];
    int fd = connected(load->port);
    ssize_t got, all = 0;

    snprintf(buffer, sizeof buffer,
             "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
             load->path);
    if (send(fd, buffer, strlen(buffer), MSG_NOSIGNAL) < 0)
        bench_fail("send", errno);
    while ((got = receive(fd, buffer + all, sizeof buffer - (size_t)all)) > 0)
        all += got;
    close(fd);
    return all > 12 && memcmp(buffer + 8, " 200", 4) == 0 && now() < load->end;
}

static void *client(void *arg)
{
    struct load *load = arg;

    while (now() < load->end)
        if (answered(load))
            load->answered++;
    return NULL;
}

/* Those that are without an answer at the end count for nothing. */
static int run_load(char **words)
{
    struct load load = { .port = words[0], .path = words[1] };
    long clients = atol(words[2]), ms = atol(words[3]);
    pthread_t thread;

    load.end = now() + ms * MS;
    for (long i = 0; i < clients; i++)
        start(client, &load, &thread);
    while (now() < load.end)
        nap(10 * MS);
    printf("answered %ld\nper_second %.2f\n", load.answered,
           (double)load.answered * 1e3 / (double)ms);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(char **words);
        int words;
    } verbs[] = {
        { "sleep", run_sleep, 3 },
        { "serve", run_serve, 2 },
        { "ask", run_ask, 2 },
        { "load", run_load, 4 },
    };

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0 && argc == 2 + verbs[i].words)
            return verbs[i].run(argv + 2);
    fprintf(stderr, "usage: %s sleep KIND HOGS COUNT | serve KIND HOGS | "
                    "ask PORT COUNT | load PORT PATH CLIENTS MS\n", argv[0]);
    return 2;
}
