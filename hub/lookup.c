/* lookup.c - questions to libc's resolver, and copies of its answers
 *
 * Whoever resolved it, an answer is one piece of memory of ours. */
#include "hub/resolver_impl.h"

#include <errno.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

/* ---- copies ---- */

/* Room for `size` bytes, aligned for anything. */
static size_t room_for(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static size_t size_of(const struct addrinfo *list)
{
    size_t size = 0;

    for (; list != NULL; list = list->ai_next)
        size += room_for(sizeof *list) + room_for(list->ai_addrlen) +
                (list->ai_canonname != NULL
                     ? room_for(strlen(list->ai_canonname) + 1)
                     : 0);
    return size;
}

static void *place(char **at, const void *data, size_t size)
{
    void *here = *at;

    memcpy(here, data, size);
    *at += room_for(size);
    return here;
}

struct addrinfo *hub__addrinfo_copy(const struct addrinfo *list)
{
    char *memory = greenlet__malloc(size_of(list) + 1), *at = memory;
    struct addrinfo *first = NULL, **end = &first;

    if (memory == NULL)
        return NULL;
    for (; list != NULL; list = list->ai_next) {
        struct addrinfo *copy = place(&at, list, sizeof *list);

        copy->ai_next = NULL;
        copy->ai_addr = place(&at, list->ai_addr, list->ai_addrlen);
        if (list->ai_canonname != NULL)
            copy->ai_canonname = place(&at, list->ai_canonname,
                                       strlen(list->ai_canonname) + 1);
        *end = copy;
        end = &copy->ai_next;
    }
    if (first == NULL)
        free(memory);
    return first;
}

static size_t count_of(char *const *list)
{
    size_t count = 0;

    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

static char **copy_list(char **at, char *const *list, size_t length)
{
    size_t count = count_of(list);
    char **copy = (char **)(void *)*at;

    *at += room_for((count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = place(at, list[i], length != 0 ? length : strlen(list[i]) + 1);
    copy[count] = NULL;
    return copy;
}

struct hostent *hub__hostent_copy(const struct hostent *host)
{
    size_t aliases = count_of(host->h_aliases);
    size_t addresses = count_of(host->h_addr_list);
    size_t size = room_for(sizeof *host) + room_for(strlen(host->h_name) + 1) +
                  room_for((aliases + 1) * sizeof(char *)) +
                  room_for((addresses + 1) * sizeof(char *)) +
                  addresses * room_for((size_t)host->h_length);
    struct hostent *copy;
    char *at;

    for (size_t i = 0; i < aliases; i++)
        size += room_for(strlen(host->h_aliases[i]) + 1);
    at = greenlet__malloc(size);
    if (at == NULL)
        return NULL;
    copy = place(&at, host, sizeof *host);
    copy->h_name = place(&at, host->h_name, strlen(host->h_name) + 1);
    copy->h_aliases = copy_list(&at, host->h_aliases, 0);
    copy->h_addr_list =
        copy_list(&at, host->h_addr_list, (size_t)host->h_length);
    return copy;
}

void hub_freeaddrinfo(struct addrinfo *list)
{
    free(list);
}

void hub_freehostent(struct hostent *host)
{
    free(host);
}

void hub__lookup_drop(struct hub__lookup *lookup)
{
    if (__atomic_sub_fetch(&lookup->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    free(lookup->list);
    free(lookup->kinds);
    free(lookup->entry);
    free(lookup->host);
    free(lookup->service);
    free(lookup);
}

/* ---- libc ---- */

int hub__error_of_h_errno(int error)
{
    switch (error) {
    case HOST_NOT_FOUND:
        return -EAI_NONAME;
    case TRY_AGAIN:
        return -EAI_AGAIN;
    case NO_DATA:
        return -EAI_NODATA;
    case NETDB_INTERNAL:
        return -ENOMEM;
    default:
        return -EAI_FAIL;
    }
}

/* libc keeps a thread's sockets in the thread's block, and after a fork() it gives
 * the blocks of threads that are gone to new ones as they were: such a thread would
 * take answers out of the parent's sockets. */
static void close_inherited(void)
{
    static __thread bool looked;

    if (looked || !hub__is_child())
        return;
    looked = true;
    if (_res.options & RES_INIT)
        res_nclose(&_res);
    _res.options = 0; /* libc begins anew */
}

static int addresses(struct hub__lookup *lookup)
{
    struct addrinfo *found;
    int rc = getaddrinfo(lookup->host, lookup->service,
                         lookup->hinted ? &lookup->hints : NULL, &found);

    if (rc == EAI_SYSTEM)
        return errno != 0 ? -errno : -EAI_FAIL;
    if (rc != 0)
        return -rc;
    lookup->list = hub__addrinfo_copy(found);
    freeaddrinfo(found);
    return lookup->list != NULL ? 0 : -ENOMEM;
}

static int name(struct hub__lookup *lookup)
{
    int rc = getnameinfo((struct sockaddr *)&lookup->address, lookup->size,
                         lookup->wants_host ? lookup->host_text : NULL,
                         lookup->wants_host ? NI_MAXHOST : 0,
                         lookup->wants_service ? lookup->service_text : NULL,
                         lookup->wants_service ? NI_MAXSERV : 0, lookup->flags);

    return rc == EAI_SYSTEM ? -errno : -rc;
}

static int ask_for_entry(struct hub__lookup *lookup, char *buffer, size_t room,
                         struct hostent *entry, struct hostent **found,
                         int *h_error)
{
    const struct sockaddr_in *v4 = (struct sockaddr_in *)&lookup->address;
    const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&lookup->address;
    const void *address = &v4->sin_addr;

    if (lookup->kind == LOOKUP_HOST)
        return gethostbyname2_r(lookup->host, lookup->family, entry, buffer,
                                room, found, h_error);
    if (lookup->family == AF_INET6)
        address = &v6->sin6_addr;
    return gethostbyaddr_r(address, lookup->family == AF_INET6 ? 16 : 4,
                           lookup->family, entry, buffer, room, found,
                           h_error);
}

static int entry_of(struct hub__lookup *lookup)
{
    struct hostent entry, *found = NULL;
    size_t room = 1024;
    char *buffer = NULL;
    int rc, h_error = 0;

    do {
        free(buffer);
        room *= 2;
        buffer = greenlet__malloc(room);
        if (buffer == NULL)
            return -ENOMEM;
        rc = ask_for_entry(lookup, buffer, room, &entry, &found, &h_error);
    } while (rc == ERANGE && room < 1024 * 1024);
    if (rc == 0 && found != NULL) {
        lookup->entry = hub__hostent_copy(found);
        rc = lookup->entry != NULL ? 0 : -ENOMEM;
    } else {
        rc = hub__error_of_h_errno(h_error);
    }
    free(buffer);
    return rc;
}

void hub__lookup_libc(struct hub__lookup *lookup)
{
    close_inherited();
    switch (lookup->kind) {
    case LOOKUP_ADDRESSES:
        lookup->rc = addresses(lookup);
        break;
    case LOOKUP_NAME:
        lookup->rc = name(lookup);
        break;
    case LOOKUP_HOST:
    case LOOKUP_REVERSE:
        lookup->rc = entry_of(lookup);
        break;
    }
}
