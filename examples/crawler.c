/* A crawler with a pool: at most four pages are fetched at a time.  Pages that are
 * found go into a queue; main takes them out and gives each a greenlet of the
 * pool, waiting while that is full.  The site is served by the program itself:
 * page n links to 2n and 2n + 1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vireo/hub.h>

enum { PAGES = 20, AT_A_TIME = 4 };

static char site[64];
static struct hub_queue to_visit;
static int links[PAGES + 1]; /* of each page; -1: on its list, 0: not seen */
static int fetching, most;

static void serve(int fd, const struct hub_address *peer, void *unused)
{
    char request[16] = "", answer[64];
    long page;

    (void)peer;
    (void)unused;
    if (hub_recv(fd, request, sizeof request - 1, 0, HUB_FOREVER) <= 0)
        return;
    page = strtol(request, NULL, 10);
    hub_sleep(2 * HUB_MILLISECOND);
    snprintf(answer, sizeof answer, "%ld %ld\n", 2 * page, 2 * page + 1);
    hub_send_all(fd, answer, strlen(answer), 0, NULL, HUB_FOREVER);
}

/* The text of a page.  Returns 0 or a negative errno; nothing takes longer than a
 * second. */
static int fetch(long page, char *text, size_t size)
{
    int64_t deadline = hub_deadline(HUB_SECOND);
    int fd = hub_connect_to(site, deadline);
    char request[16];
    ssize_t got;

    if (fd < 0)
        return fd;
    snprintf(request, sizeof request, "%ld\n", page);
    got = hub_send_all(fd, request, strlen(request), 0, NULL, deadline);
    if (got >= 0)
        got = hub_recv(fd, text, size - 1, 0, deadline);
    hub_close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got < 0 ? (int)got : 0;
}

static void found(long page)
{
    if (page > PAGES || links[page] != 0)
        return;
    links[page] = -1;
    hub_queue_put(&to_visit, (void *)page, HUB_FOREVER);
}

static int visit(void *arg, void **result)
{
    long page = (long)arg, next;
    char text[64], *at = text, *end;
    int rc, count = 0;

    (void)result;
    if (++fetching > most)
        most = fetching;
    rc = fetch(page, text, sizeof text);
    fetching--;
    for (; rc == 0 && (next = strtol(at, &end, 10)) > 0; at = end) {
        count++;
        found(next);
    }
    links[page] = count;
    hub_queue_task_done(&to_visit);
    return rc;
}

/* Until the queue is shut down. */
static int crawl(void *arg, void **result)
{
    struct hub_group *pool = arg;
    void *page;
    int rc;

    (void)result;
    while ((rc = hub_queue_get(&to_visit, HUB_FOREVER, &page)) == 0)
        hub_group_spawn(pool, visit, page, HUB_FOREVER, NULL);
    return rc == -ESHUTDOWN ? 0 : rc;
}

static void report(void)
{
    int pages = 0, all = 0;

    for (int page = 1; page <= PAGES; page++) {
        pages += links[page] > 0;
        all += links[page];
    }
    printf("%d pages with %d links, %d at a time\n", pages, all, most);
}

int main(void)
{
    struct hub_group *pool = hub_pool_new(AT_A_TIME);
    struct hub_server *server;
    struct hub_address address;
    struct greenlet *crawler;

    if (pool == NULL || hub_queue_init(&to_visit, HUB_UNBOUNDED) < 0 ||
        hub_server_new("127.0.0.1:0", serve, NULL, NULL, &server) < 0 ||
        hub_server_start(server) < 0)
        return 1;
    hub_server_address(server, &address);
    hub_address_format(&address, site, sizeof site);
    crawler = hub_spawn(crawl, pool);
    found(1);
    hub_queue_join(&to_visit, HUB_FOREVER); /* nothing is left to visit */
    hub_queue_shutdown(&to_visit, false);
    hub_join(crawler, HUB_FOREVER);
    greenlet_unref(crawler);
    hub_group_join(pool, HUB_FOREVER, 0);
    report();
    hub_group_free(pool);
    hub_queue_destroy(&to_visit);
    hub_server_stop(server, HUB_SECOND);
    hub_server_free(server);
    return 0;
}
