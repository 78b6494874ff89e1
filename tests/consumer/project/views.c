/* views.c - a program that links Vireo's HTTP library: two views, each run by a
 * greenlet of its own, and each waits */
#include <vireo/http.h>

#include <stdio.h>

static int order[4], count;

static int view(struct http_request *request, struct http_response *response)
{
    int number = request != NULL ? 2 : 1; /* no more than a mark here */

    (void)response;
    order[count++] = number;
    if (hub_sleep(number * HUB_SECOND) != 0)
        return 500;
    order[count++] = number;
    return 0;
}

static void serve(void *arg)
{
    struct http_view sleeps = http_view_sync(view);

    sleeps.call(&sleeps, arg, NULL);
}

int main(void)
{
    struct greenlet *g[2];

    g[0] = hub_spawn_raw(serve, order);
    g[1] = hub_spawn_raw(serve, NULL);
    for (int i = 0; i < 2; i++) {
        if (g[i] == NULL || hub_join(g[i], HUB_FOREVER) != 0)
            return 1;
        greenlet_unref(g[i]);
    }
    printf("%d %d %d %d\n", order[0], order[1], order[2], order[3]);
    return 0;
}
