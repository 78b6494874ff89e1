/* A server that is restarted: answers "PID GENERATION CLIENT SCHEME HOST\n",
 * where GENERATION is what the file that GENERATION_FILE names said when this
 * program began, and behind it there may be a behaviour:
 *   exit               it ends before it is ready
 *   hang               it is never ready
 *   crash              its workers end before they are ready
 *   late               they are ready after half a second
 *   listen             no other behaviour
 * and behind that ADDRESSES, where it listens, and not where its arguments say.
 *
 * restarts [-w workers] [-u hubs] [-p pid-file] [-l access-log] [-t trusted]
 *          [-c certificate] [-n NAME=certificate] [-x] [-f] [address...]
 * -x: the PROXY protocol; -f: Forwarded instead of X-Forwarded-*. */
#include <vireo/http.h>
#include <vireo/hub.h>
#include <vireo/serve.h>
#include <vireo/websocket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESSES = 48 };

static char generation[64] = "0", behaviour[64];
static __thread unsigned hub_index; /* a hub has a thread of its own */
static char *addresses[ADDRESSES];
static int address_count;

static int ticks(struct http_stream *stream, void *data)
{
    int rc = 0;

    (void)data;
    for (int i = 0; i < 10 && rc == 0; i++) {
        rc = http_stream_event(stream, "tick", "%d", i);
        if (rc == 0)
            rc = hub_sleep(50 * HUB_MILLISECOND);
    }
    return rc;
}

/* What comes, with the generation before it. */
static int echo(struct http_websocket *socket, void *data)
{
    struct http_websocket_message message;
    char text[1024];
    int rc = 0;

    (void)data;
    while (rc == 0 &&
           http_websocket_receive(socket, &message, HUB_FOREVER) == 1) {
        int size = snprintf(text, sizeof text, "%s %.*s", generation,
                            (int)message.size, (const char *)message.data);

        rc = http_websocket_send(socket, message.type, text, (size_t)size,
                                 HUB_FOREVER);
    }
    return rc;
}

static int view(struct http_request *request, struct http_response *response)
{
    const char *path = http_request_path(request);
    char client[128] = "";

    if (strcmp(path, "/slow") == 0)
        hub_sleep(500 * HUB_MILLISECOND);
    if (strcmp(path, "/events") == 0)
        return http_response_stream(response, "text/event-stream", ticks, NULL);
    if (strcmp(path, "/socket") == 0)
        return http_websocket_accept(request, response, NULL, echo, NULL);
    if (strcmp(path, "/hub") == 0)
        return http_response_printf(response, "%ld %s %u\n", (long)getpid(),
                                    generation, hub_index);
    if (strcmp(path, "/block") == 0) /* a worker that does not come back */
        sleep(60);
    for (volatile int on = strcmp(path, "/spin") == 0; on;)
        ; /* the same, computing */
    hub_address_format(http_request_peer(request), client, sizeof client);
    return http_response_printf(
        response, "%ld %s %s %s %s\n", (long)getpid(), generation, client,
        http_request_scheme(request), http_request_host(request));
}

static int begin(struct http_worker *worker, struct http_server *server,
                 void *data)
{
    hub_index = http_worker_index(worker);
    (void)server;
    (void)data;
    if (strcmp(behaviour, "crash") == 0)
        return -EIO;
    if (strcmp(behaviour, "late") == 0)
        return hub_sleep(500 * HUB_MILLISECOND);
    if (strcmp(behaviour, "hang") == 0)
        return hub_sleep(1000 * HUB_SECOND);
    return 0;
}

static void read_generation(void)
{
    const char *path = getenv("GENERATION_FILE");
    FILE *file = path != NULL ? fopen(path, "re") : NULL;

    if (file == NULL)
        return;
    if (fscanf(file, "%63s %63s", generation, behaviour) < 1)
        exit(3);
    while (address_count < ADDRESSES &&
           fscanf(file, "%ms", &addresses[address_count]) == 1)
        address_count++;
    fclose(file);
}

static struct http_serve_certificate certificates[8];
static size_t certificate_count;

static void add_certificate(char *text, bool named)
{
    struct http_serve_certificate *one = &certificates[certificate_count++];
    char *equals = named ? strchr(text, '=') : NULL;

    one->chain = text;
    if (equals == NULL)
        return;
    *equals = '\0';
    one->name = text;
    one->chain = equals + 1;
}

static int read_options(int argc, char **argv,
                        struct http_serve_options *options,
                        struct http_serve_listener *all)
{
    int option;

    while ((option = getopt(argc, argv, "w:u:p:l:t:c:n:xf")) != -1) {
        if (option == 'w')
            options->master.workers = (unsigned)atoi(optarg);
        else if (option == 'u')
            options->master.hubs = (unsigned)atoi(optarg);
        else if (option == 'p')
            options->master.pid_file = optarg;
        else if (option == 'l')
            options->access_log = optarg;
        else if (option == 't')
            options->trusted = optarg;
        else if (option == 'c' || option == 'n')
            add_certificate(optarg, option == 'n');
        else if (option == 'x')
            all->proxy = true;
        else if (option == 'f')
            options->forwarded = HTTP_SERVE_FORWARDED;
        else
            return 2;
    }
    all->certificates = certificates;
    all->certificate_count = certificate_count;
    return 0;
}

int main(int argc, char **argv)
{
    struct http_serve_options options = {
        .master = {.workers = 2,
                   .ready_ns = 3 * HUB_SECOND,
                   .drain_ns = 5 * HUB_SECOND},
        .begin = begin,
    };
    struct http_serve_listener listeners[ADDRESSES], all = {.address = NULL};
    int rc = read_options(argc, argv, &options, &all);
    bool moved;

    if (rc != 0)
        return rc;
    read_generation();
    if (strcmp(behaviour, "exit") == 0)
        return 9;
    moved = address_count > 0;
    for (int i = optind; i < argc && address_count < ADDRESSES && !moved; i++)
        addresses[address_count++] = argv[i];
    for (int i = 0; i < address_count; i++) {
        listeners[i] = all;
        listeners[i].address = addresses[i];
    }
    options.listener_count = (size_t)address_count;
    options.listeners = listeners;
    rc = http_serve(&options, http_view_sync(view));
    return rc == 0 ? 0 : 1;
}
