/* secured.c - a program that links Vireo's TLS: two clients, each of whom waits for
 * a server that says nothing until its deadline */
#include <vireo/tls.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct hub_tls_context *context;
static int order[4], count;

static void client(void *arg)
{
    int number = *(int *)arg, ends[2];
    struct hub_tls *tls;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
        return;
    order[count++] = number;
    if (hub_tls_open(context, ends[0], NULL,
                     hub_deadline(number * number * HUB_SECOND),
                     &tls) == -ETIMEDOUT)
        order[count++] = number;
    hub_close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    int numbers[] = {2, 1};
    struct greenlet *g[2];

    context = hub_tls_context_new(HUB_TLS_CLIENT);
    if (context == NULL ||
        hub_tls_set_verify(context, HUB_TLS_VERIFY_NONE) != 0)
        return 1;
    for (int i = 0; i < 2; i++)
        g[i] = hub_spawn_raw(client, &numbers[i]);
    for (int i = 0; i < 2; i++) {
        if (g[i] == NULL || hub_join(g[i], HUB_FOREVER) != 0)
            return 1;
        greenlet_unref(g[i]);
    }
    hub_tls_context_unref(context);
    printf("%d %d %d %d\n", order[0], order[1], order[2], order[3]);
    return 0;
}
