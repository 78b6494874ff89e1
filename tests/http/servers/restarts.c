/* A server that is restarted: answers "PID GENERATION\n", where GENERATION is the
 * text in the file that the environment names, as this program found it.
 *
 * restarts [-w workers] [-u hubs] [-b behaviour] address...
 * Behaviours, of the generation that has them alone:
 *   exit   it ends before it is ready
 *   hang   it never is ready
 *   crash  its workers end before they are ready */
#include <vireo/http.h>
#include <vireo/hub.h>
#include <vireo/master.h>
#include <vireo/server.h>
#include <vireo/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char generation[64] = "0";
static int64_t pause_ns;

static void answer(int fd)
{
    char text[256], body[128];
    int size = snprintf(body, sizeof body, "%ld %s\n", (long)getpid(),
                        generation);

    size = snprintf(text, sizeof text,
                    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
                    "Connection: close\r\n\r\n%s", size, body);
    hub_send_all(fd, text, (size_t)size, 0, NULL, hub_deadline(10 * HUB_SECOND));
}

static void serve(int fd, const struct hub_address *peer, void *arg)
{
    char data[4096];
    size_t have = 0;

    (void)peer;
    (void)arg;
    while (have < sizeof data - 1) {
        ssize_t got = hub_recv(fd, data + have, sizeof data - 1 - have, 0,
                               hub_deadline(60 * HUB_SECOND));

        if (got <= 0)
            return;
        have += (size_t)got;
        data[have] = '\0';
        if (strstr(data, "\r\n\r\n") != NULL)
            break;
    }
    if (strncmp(data, "GET /slow", 9) == 0)
        hub_sleep(500 * HUB_MILLISECOND);
    answer(fd);
}

static int run(struct http_worker *worker, void *arg)
{
    const struct hub_server_options options = { .pool = 10000 };
    struct hub_server *servers[16];
    int count, rc = 0;

    if (strcmp(arg, "crash") == 0)
        return -EIO;
    if (strcmp(arg, "hang") == 0)
        return hub_sleep(1000 * HUB_SECOND);
    for (count = 0; count < 16 && rc >= 0; count++) {
        int fd = http_worker_listener(worker, (size_t)count, NULL);

        if (fd < 0)
            break;
        rc = hub_server_of_fd(fd, serve, NULL, &options, &servers[count]);
        if (rc == 0)
            rc = hub_server_start(servers[count]);
    }
    if (rc == 0)
        rc = http_worker_ready(worker);
    if (rc == 0)
        rc = http_worker_wait(worker, HUB_FOREVER);
    for (int i = 0; i < count; i++)
        hub_server_stop(servers[i], http_worker_time_left(worker));
    for (int i = 0; i < count; i++)
        hub_server_free(servers[i]);
    return rc;
}

/* "GENERATION BEHAVIOUR" */
static const char *read_generation(void)
{
    static char behaviour[64] = "";
    const char *path = getenv("GENERATION_FILE");
    FILE *file = path != NULL ? fopen(path, "re") : NULL;

    if (file != NULL) {
        if (fscanf(file, "%63s %63s", generation, behaviour) < 1)
            exit(3);
        fclose(file);
    }
    return behaviour;
}

int main(int argc, char **argv)
{
    struct http_master_options options = { .workers = 2,
                                           .ready_ns = 3 * HUB_SECOND,
                                           .drain_ns = 5 * HUB_SECOND };
    const char *behaviour = read_generation();
    int option, rc;

    (void)pause_ns;
    while ((option = getopt(argc, argv, "w:u:p:")) != -1) {
        if (option == 'w')
            options.workers = (unsigned)atoi(optarg);
        else if (option == 'u')
            options.hubs = (unsigned)atoi(optarg);
        else if (option == 'p')
            options.pid_file = optarg;
        else
            return 2;
    }
    if (strcmp(behaviour, "exit") == 0)
        return 9;
    if (optind < argc)
        options.listen = (const char *const *)argv + optind;
    rc = http_master_run(&options, run, (void *)behaviour);
    return rc == 0 ? 0 : 1;
}
