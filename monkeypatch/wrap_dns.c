/* wrap_dns.c - look-ups that are no plain OFFLOAD
 *
 * getaddrinfo() and getnameinfo() of numbers ask nobody: no helper then.  The
 * old resolver calls use the state of the calling thread; each has a twin that
 * is told which state, and that one may run on a helper. */
#include "monkeypatch/io_impl.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>

/* ---- names and addresses ---- */

static bool is_number(const char *text)
{
    return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static bool is_address(const char *node)
{
    struct in6_addr six;
    struct in_addr four;

    return inet_aton(node, &four) != 0 || inet_pton(AF_INET6, node, &six) == 1;
}

/* True if nothing has to be looked up anywhere. */
static bool is_numeric(const char *node, const char *service,
                       const struct addrinfo *hints)
{
    int flags = hints != NULL ? hints->ai_flags : 0;

    return (node == NULL || (flags & AI_NUMERICHOST) || is_address(node)) &&
           (service == NULL || (flags & AI_NUMERICSERV) || is_number(service));
}

struct look_up {
    const char *node, *service;
    const struct addrinfo *hints;
    struct addrinfo **found;
    const struct sockaddr *address;
    socklen_t size, host_room, service_room;
    char *host_buf, *service_buf;
    int flags, result, error;
};

static void forwards(void *arg)
{
    struct look_up *call = arg;

    errno = call->error;
    call->result = mp__real.getaddrinfo(call->node, call->service, call->hints,
                                        call->found);
    call->error = errno;
}

static void backwards(void *arg)
{
    struct look_up *call = arg;

    errno = call->error;
    call->result = mp__real.getnameinfo(
        call->address, call->size, call->host_buf, call->host_room,
        call->service_buf, call->service_room, call->flags);
    call->error = errno;
}

static int look_up(void (*function)(void *), struct look_up *call)
{
    call->error = errno;
    mp__offload(function, call, HUB_OFFLOAD_LONG);
    errno = call->error; /* EAI_SYSTEM */
    return call->result;
}

MP_EXPORT int getaddrinfo(const char *node, const char *service,
                          const struct addrinfo *hints,
                          struct addrinfo **found)
{
    struct look_up call = {.node = node, .service = service, .hints = hints,
                           .found = found};

    if (!MP_ACTIVE(dns) || is_numeric(node, service, hints))
        return MP_REAL(getaddrinfo)(node, service, hints, found);
    return look_up(forwards, &call);
}

MP_EXPORT int getnameinfo(const struct sockaddr *address, socklen_t size,
                          char *host, socklen_t host_room, char *service,
                          socklen_t service_room, int flags)
{
    struct look_up call = {.address = address, .size = size, .host_buf = host,
                           .host_room = host_room, .service_buf = service,
                           .service_room = service_room, .flags = flags};

    if (!MP_ACTIVE(dns) ||
        ((host == NULL || (flags & NI_NUMERICHOST)) &&
         (service == NULL || (flags & NI_NUMERICSERV))))
        return MP_REAL(getnameinfo)(address, size, host, host_room, service,
                                    service_room, flags);
    return look_up(backwards, &call);
}

/* ---- the old resolver ---- */

/* The state of the calling thread, initialised; NULL: that failed. */
static res_state own_state(void)
{
    res_state state = __res_state();

    if ((state->options & RES_INIT) == 0 && res_ninit(state) < 0)
        return NULL;
    return state;
}

/* By their plain names, the twins are ours. */
MP_EXPORT int res_query(const char *name, int class, int type,
                        unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_query)(name, class, type, answer, room);
    state = own_state();
    return state == NULL ? -1
                         : res_nquery(state, name, class, type, answer, room);
}

MP_EXPORT int res_search(const char *name, int class, int type,
                         unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_search)(name, class, type, answer, room);
    state = own_state();
    return state == NULL ? -1
                         : res_nsearch(state, name, class, type, answer, room);
}

MP_EXPORT int res_send(const unsigned char *question, int size,
                       unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_send)(question, size, answer, room);
    state = own_state();
    return state == NULL ? -1
                         : res_nsend(state, question, size, answer, room);
}

MP_EXPORT int res_querydomain(const char *name, const char *domain, int class,
                              int type, unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_querydomain)(name, domain, class, type, answer,
                                        room);
    state = own_state();
    return state == NULL ? -1
                         : res_nquerydomain(state, name, domain, class, type,
                                            answer, room);
}

/* The names of before glibc 2.34. */
MP_SPELLING(res_query, __res_query);
MP_SPELLING(res_search, __res_search);
MP_SPELLING(res_send, __res_send);
MP_SPELLING(res_querydomain, __res_querydomain);
