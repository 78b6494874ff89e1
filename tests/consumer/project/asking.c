/* asking.c - a program that links Vireo's HTTP client: two requests to a server that
 * says nothing, each until its time has passed */
#include <vireo/httpclient.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static struct http_session *session;
static char url[64];
static int order[4], count;

static void ask(void *arg)
{
    int number = *(int *)arg;
    struct http_session_request request = { .url = url,
                                            .timeout = number * HUB_SECOND };
    struct http_reply *reply;

    order[count++] = number;
    if (http_session_request(session, &request, &reply) == -ETIMEDOUT)
        order[count++] = number;
}

static int listen_somewhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -1;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return 0;
}

int main(void)
{
    int numbers[] = { 2, 1 };
    struct greenlet *g[2];

    if (listen_somewhere() < 0 || http_session_new(NULL, &session) != 0)
        return 1;
    for (int i = 0; i < 2; i++)
        g[i] = hub_spawn_raw(ask, &numbers[i]);
    for (int i = 0; i < 2; i++) {
        if (g[i] == NULL || hub_join(g[i], HUB_FOREVER) != 0)
            return 1;
        greenlet_unref(g[i]);
    }
    http_session_free(session);
    printf("%d %d %d %d\n", order[0], order[1], order[2], order[3]);
    return 0;
}
