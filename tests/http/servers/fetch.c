/* A program that fetches: one session, its URLs one after the other; for each a line
 * "STATUS BYTES SUM" (of the body's bytes), or "error NAME".
 *
 * fetch [-t timeout-ms] [-b first-byte-ms] [-l limit] [-m method] [-d delay-ms] [-o] [-p] [-c] [-k]
 *       URL...
 * -o: the body is read piece by piece; -p: no compressed answers; -c: all at once;
 * -k: any certificate is good;
 * -d: so long after one request comes the next.
 * At the end "peak KB": the most memory that it had. */
#include <vireo/httpclient.h>
#include <vireo/hub.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct http_session *session;
static struct http_session_request request;
static bool opens, at_once;
static int64_t delay;
static struct http_session_options options;

static void tell(int rc, int status, size_t bytes, unsigned long sum)
{
    if (rc < 0)
        printf("error %s\n", strerrorname_np(-rc));
    else
        printf("%d %zu %lu\n", status, bytes, sum);
    fflush(stdout);
}

static unsigned long sum_of(const unsigned char *data, size_t size)
{
    unsigned long sum = 0;

    while (size > 0)
        sum += data[--size];
    return sum;
}

static ssize_t read_all(struct http_reply *reply, size_t *bytes,
                        unsigned long *sum)
{
    unsigned char buffer[8192];
    ssize_t got;

    while ((got = http_reply_read(reply, buffer, sizeof buffer,
                                  hub_deadline(20 * HUB_SECOND))) > 0) {
        *bytes += (size_t)got;
        *sum += sum_of(buffer, (size_t)got);
    }
    return got;
}

static void fetch(void *arg)
{
    struct http_session_request own = request;
    struct http_reply *reply = NULL;
    size_t bytes = 0;
    unsigned long sum = 0;
    ssize_t rc;

    own.url = arg;
    if (opens)
        rc = http_session_open(session, &own, &reply);
    else
        rc = http_session_request(session, &own, &reply);
    if (rc == 0 && opens) {
        rc = read_all(reply, &bytes, &sum);
    } else if (rc == 0) {
        const void *body = http_reply_body(reply, &bytes);

        sum = sum_of(body, bytes);
    }
    tell((int)rc, rc == 0 ? http_reply_status(reply) : 0, bytes, sum);
    http_reply_free(reply);
}

static int read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "t:b:l:m:d:opck")) != -1) {
        if (option == 't')
            request.timeout = atol(optarg) * HUB_MILLISECOND;
        else if (option == 'b')
            request.first_byte_timeout = atol(optarg) * HUB_MILLISECOND;
        else if (option == 'l')
            request.limit = (size_t)atol(optarg);
        else if (option == 'm')
            request.method = optarg;
        else if (option == 'd')
            delay = atol(optarg) * HUB_MILLISECOND;
        else if (option == 'o')
            opens = true;
        else if (option == 'p')
            request.flags |= HTTP_SESSION_PLAIN;
        else if (option == 'k')
            options.flags = HTTP_SESSION_INSECURE;
        else if (option == 'c')
            at_once = true;
        else
            return -1;
    }
    if (request.method != NULL && strcmp(request.method, "POST") == 0) {
        request.body = "body";
        request.body_size = 4;
    }
    return 0;
}

static void fetch_all(int count, char **urls)
{
    struct greenlet **all = calloc((size_t)count, sizeof *all);

    for (int i = 0; i < count; i++) {
        all[i] = hub_spawn_raw(fetch, urls[i]);
        if (!at_once)
            hub_join(all[i], HUB_FOREVER);
        if (delay > 0)
            hub_sleep(delay);
    }
    for (int i = 0; i < count; i++) {
        hub_join(all[i], HUB_FOREVER);
        greenlet_unref(all[i]);
    }
    free(all);
}

int main(int argc, char **argv)
{
    struct rusage usage;
    int rc = read_options(argc, argv);

    if (rc < 0)
        return 2;
    rc = http_session_new(&options, &session);
    if (rc < 0)
        return 1;
    fetch_all(argc - optind, argv + optind);
    http_session_free(session);
    getrusage(RUSAGE_SELF, &usage);
    printf("peak %ld\n", usage.ru_maxrss);
    hub_destroy();
    return 0;
}
