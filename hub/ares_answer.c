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

static const struct {
    int type, protocol;
} kinds[] = { { SOCK_STREAM, IPPROTO_TCP },
              { SOCK_DGRAM, IPPROTO_UDP },
              { SOCK_RAW, 0 } };
enum { KINDS = 3 };

static bool is_wanted(const struct addrinfo *hints, int kind)
{
    return (hints->ai_socktype == 0 ||
            hints->ai_socktype == kinds[kind].type) &&
           (hints->ai_protocol == 0 || kinds[kind].protocol == 0 ||
            hints->ai_protocol == kinds[kind].protocol);
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
    size_t count = 0;

    for (node = found->nodes; node != NULL; node = node->ai_next)
        for (int kind = 0; kind < KINDS; kind++) {
            if (!is_wanted(&lookup->hints, kind))
                continue;
            list[count] = (struct addrinfo){
                .ai_family = node->ai_family,
                .ai_socktype = kinds[kind].type,
                .ai_protocol = lookup->hints.ai_protocol != 0
                                   ? lookup->hints.ai_protocol
                                   : kinds[kind].protocol,
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

void hub__ares_take_addresses(struct hub__lookup *lookup,
                              const struct ares_addrinfo *found)
{
    const struct ares_addrinfo_node *node;
    struct addrinfo *list;
    size_t nodes = 0;

    for (node = found->nodes; node != NULL; node = node->ai_next)
        nodes++;
    if (nodes == 0) {
        lookup->rc = -EAI_NODATA;
        return;
    }
    list = greenlet__calloc(nodes * KINDS, sizeof *list);
    if (list == NULL) {
        lookup->rc = -ENOMEM;
        return;
    }
    if (fill(list, lookup, found) == 0)
        lookup->rc = -EAI_SOCKTYPE;
    else if ((lookup->list = hub__addrinfo_copy(list)) == NULL)
        lookup->rc = -ENOMEM;
    free(list);
}
