/* resolvers.c - lookups: libc's of what /etc/hosts has, c-ares' of a server here */
#include "dns_server.h"
#include "torture.h"

#include <arpa/inet.h>
#include <netdb.h>

static int by_all_calls(const char *host, bool has_server)
{
    struct addrinfo hints = { .ai_family = AF_INET,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_CANONNAME },
                    *list;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(80) };
    char name[64], service[32];
    struct hostent *entry;
    int rc = hub_getaddrinfo(host, "http", &hints, SOON, &list), next;

    if (rc == 0) {
        address = *(struct sockaddr_in *)list->ai_addr;
        must(address.sin_port == htons(80));
        hub_freeaddrinfo(list);
    }
    next = hub_gethostbyname(host, AF_INET, SOON, &entry);
    if (next == 0)
        hub_freehostent(entry);
    if (rc != 0 || next != 0)
        return rc != 0 ? rc : next;
    next = hub_getnameinfo((struct sockaddr *)&address, sizeof address, name,
                           sizeof name, service, sizeof service, 0, SOON);
    must(next != 0 || !has_server || strcmp(name, host) == 0);
    rc = next;
    next = hub_gethostbyaddr(&address.sin_addr, 4, AF_INET, SOON, &entry);
    if (next == 0)
        hub_freehostent(entry);
    return rc != 0 ? rc : next;
}

TORTURE(resolver_thread)
{
    int rc = hub_resolver_set("thread");

    if (rc == 0)
        rc = by_all_calls("localhost", false);
    hub_threadpool_kill(hub_threadpool_default(), SOON);
    return rc;
}

static int with_server(uint16_t port)
{
    char servers[32];
    int rc;

    snprintf(servers, sizeof servers, "127.0.0.1:%u", (unsigned)port);
    rc = hub_config_set("resolver_nameservers", servers);
    if (rc == 0)
        rc = hub_resolver_set("ares");
    return rc == 0 ? by_all_calls("host.test", true) : rc;
}

TORTURE(resolver_ares)
{
    uint16_t port = 0;
    pid_t server = dns_server_start(&port);
    int rc;

    must(server > 0);
    rc = with_server(port);
    dns_server_stop(server);
    return rc;
}
