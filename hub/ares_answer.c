/* ares_answer.c - what c-ares found, as libc would say it */
#include "hub/ares.h"
#include "hub/resolver_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hub__ares_error(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
        return -EAI_NODATA;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return -EAI_NONAME;
    case ARES_ETIMEOUT:
    case ARES_ESERVFAIL:
    case ARES_ECONNREFUSED:
        return -EAI_AGAIN;
    case ARES_EBADFAMILY:
        return -EAI_FAMILY;
    case ARES_ESERVICE:
        return -EAI_SERVICE;
    case ARES_EBADFLAGS:
    case ARES_EBADHINTS:
        return -EAI_BADFLAGS;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return -ECANCELED;
    default:
        return -EAI_FAIL;
    }
}

static const char *canonical_name(const struct hub__lookup *lookup,
                                  const struct ares_addrinfo *found)
{
    const struct ares_addrinfo_cname *cname = found->cnames;

    if (cname == NULL)
        return found->name != NULL ? found->name : lookup->host;
    while (cname->next != NULL)
        cname = cname->next;
    return cname->name;
}

/* Each address as often as there are kinds of sockets, as libc has it. */
static size_t fill(struct addrinfo *list, struct hub__lookup *lookup,
                   const struct ares_addrinfo *found)
{
    const struct ares_addrinfo_node *node;
    const struct addrinfo *kind;
    size_t count = 0;

    for (node = found->nodes; node != NULL; node = node->ai_next)
        for (kind = lookup->kinds; kind != NULL; kind = kind->ai_next) {
            list[count] = (struct addrinfo){
                .ai_family = node->ai_family,
                .ai_socktype = kind->ai_socktype,
                .ai_protocol = kind->ai_protocol,
                .ai_addr = node->ai_addr,
                .ai_addrlen = (socklen_t)node->ai_addrlen
            };
            if (count > 0)
                list[count - 1].ai_next = &list[count];
            count++;
        }
    if (count > 0 && (lookup->hints.ai_flags & AI_CANONNAME))
        list[0].ai_canonname =
            (char *)(uintptr_t)canonical_name(lookup, found);
    return count;
}

static in_port_t *port_of(const struct addrinfo *info)
{
    return info->ai_family == AF_INET6
               ? &((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_port
               : &((struct sockaddr_in *)(void *)info->ai_addr)->sin_port;
}

static void set_ports(struct hub__lookup *lookup)
{
    const struct addrinfo *kind = NULL;
    struct addrinfo *at;

    for (at = lookup->list; at != NULL; at = at->ai_next) {
        kind = kind != NULL && kind->ai_next != NULL ? kind->ai_next
                                                     : lookup->kinds;
        *port_of(at) = *port_of(kind);
    }
}

static size_t count_nodes(const struct ares_addrinfo *found)
{
    const struct ares_addrinfo_node *node;
    size_t count = 0;

    for (node = found->nodes; node != NULL; node = node->ai_next)
        count++;
    return count;
}

void hub__ares_take_addresses(struct hub__lookup *lookup,
                              const struct ares_addrinfo *found)
{
    const struct addrinfo *kind;
    struct addrinfo *list;
    size_t nodes = count_nodes(found), kinds = 0;

    if (nodes == 0) {
        lookup->rc = -EAI_NODATA;
        return;
    }
    for (kind = lookup->kinds; kind != NULL; kind = kind->ai_next)
        kinds++;
    list = greenlet__calloc(nodes * kinds, sizeof *list);
    if (list != NULL && fill(list, lookup, found) > 0)
        lookup->list = hub__addrinfo_copy(list);
    free(list);
    if (lookup->list != NULL)
        set_ports(lookup);
    else
        lookup->rc = -ENOMEM;
}
