/* resolver.c - which resolver answers, and what needs none */
#include "hub/config_impl.h"
#include "hub/resolver_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- those that call libc ---- */

static bool is_there(void)
{
    return true;
}

static int on_thread(void *arg, void **result)
{
    (void)result;
    hub__lookup_libc(arg);
    hub__lookup_drop(arg);
    return 0;
}

/* It never ran, and never will: cancelled by us, with its pool, or in the child of
 * a fork, where its thread is not. */
static bool is_off(struct hub_work *work)
{
    int rc = hub_work_cancel(work);

    return rc == 0 ||
           (rc == -EALREADY && hub_work_get(work, HUB_NOWAIT, NULL) < 0);
}

static int ask_by_thread(struct hub__lookup *lookup, int64_t deadline_ns)
{
    struct hub_threadpool *pool = hub_threadpool_default();
    struct hub_work *work;
    int rc;

    if (pool == NULL)
        return -ENOMEM;
    __atomic_add_fetch(&lookup->refs, 1, __ATOMIC_RELAXED);
    rc = hub_threadpool_spawn(pool, on_thread, lookup, deadline_ns, &work);
    if (rc == 0) {
        rc = hub_work_get(work, deadline_ns, NULL);
        if (rc == 0 || !is_off(work))
            lookup = NULL; /* the thread drops it */
        hub_work_unref(work);
    }
    if (lookup != NULL)
        hub__lookup_drop(lookup);
    return rc;
}

static int ask_at_once(struct hub__lookup *lookup, int64_t deadline_ns)
{
    (void)deadline_ns;
    hub__lookup_libc(lookup);
    return 0;
}

const struct hub__resolver hub__resolver_thread = { "thread", is_there,
                                                    ask_by_thread };
const struct hub__resolver hub__resolver_block = { "block", is_there,
                                                   ask_at_once };

/* ---- which one: the option says it ---- */

static const struct hub__resolver *const all[] = {
    &hub__resolver_thread, &hub__resolver_ares, &hub__resolver_block
};
static const struct hub__resolver *chosen; /* atomic; NULL: to be looked up */

static const struct hub__resolver *find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strlen(all[i]->name) == length &&
            strncasecmp(all[i]->name, name, length) == 0)
            return all[i];
    return NULL;
}

bool hub__resolver_known(const char *names)
{
    do {
        size_t length = strcspn(names, ",");

        if (find(names, length) == NULL)
            return false;
        names += length;
    } while (*names++ == ',');
    return true;
}

/* The first that is there, of names that are known; NULL: none. */
static const struct hub__resolver *first_of(const char *names)
{
    do {
        size_t length = strcspn(names, ",");
        const struct hub__resolver *resolver = find(names, length);

        if (resolver != NULL && resolver->open())
            return resolver;
        names += length;
    } while (*names++ == ',');
    return NULL;
}

int hub__resolver_check(const char *names)
{
    if (!hub__resolver_known(names))
        return -EINVAL;
    return first_of(names) != NULL ? 0 : -ELIBACC;
}

void hub__resolver_changed(void)
{
    __atomic_store_n(&chosen, NULL, __ATOMIC_RELEASE);
}

/* What the option names; NULL: no memory to look. */
static const struct hub__resolver *resolver_in_use(void)
{
    const struct hub__resolver *found =
        __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    char *names;

    if (found != NULL)
        return found;
    names = hub__option_text(HUB_OPTION_RESOLVER);
    if (names == NULL)
        return NULL;
    found = first_of(names);
    if (found == NULL)
        found = &hub__resolver_thread;
    free(names);
    __atomic_store_n(&chosen, found, __ATOMIC_RELEASE);
    return found;
}

int hub_resolver_set(const char *names)
{
    return hub_config_set("resolver", names);
}

const char *hub_resolver_name(void)
{
    const struct hub__resolver *resolver = resolver_in_use();

    return resolver != NULL ? resolver->name : hub__resolver_thread.name;
}

const char *hub_resolver_strerror(int error)
{
    return error > 0 ? gai_strerror(-error) : strerror(-error);
}

/* ---- questions ---- */

static bool is_number(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* An address, with a scope or without. */
static bool is_address(const char *text)
{
    struct in6_addr address;
    struct in_addr v4;
    char copy[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "%");

    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1 ||
           (text[length] == '\0' && strpbrk(text, " \t\n\v\f\r") == NULL &&
            inet_aton(text, &v4) != 0); /* 127.1, 0x7f000001, too */
}

bool hub__lookup_is_local(const struct hub__lookup *lookup)
{
    switch (lookup->kind) {
    case LOOKUP_ADDRESSES:
        return lookup->host == NULL || is_address(lookup->host) ||
               (lookup->hints.ai_flags & AI_NUMERICHOST) != 0;
    case LOOKUP_NAME:
        return !lookup->wants_host || (lookup->flags & NI_NUMERICHOST) != 0;
    case LOOKUP_HOST:
        return is_address(lookup->host);
    case LOOKUP_REVERSE:
        break;
    }
    return false;
}

/* Nor anybody for a service. */
static bool needs_nobody(const struct hub__lookup *lookup)
{
    if (!hub__lookup_is_local(lookup))
        return false;
    if (lookup->kind == LOOKUP_NAME)
        return !lookup->wants_service || (lookup->flags & NI_NUMERICSERV) != 0;
    return lookup->service == NULL || is_number(lookup->service);
}

static struct hub__lookup *make(enum hub__lookup_kind kind, const char *host,
                                const char *service)
{
    struct hub__lookup *lookup = greenlet__calloc(1, sizeof *lookup);

    if (lookup == NULL)
        return NULL;
    lookup->refs = 1;
    lookup->kind = kind;
    if (host != NULL)
        lookup->host = greenlet__strdup(host);
    if (service != NULL)
        lookup->service = greenlet__strdup(service);
    if ((host == NULL || lookup->host != NULL) &&
        (service == NULL || lookup->service != NULL))
        return lookup;
    hub__lookup_drop(lookup);
    return NULL;
}

static int ask(struct hub__lookup *lookup, int64_t deadline_ns)
{
    const struct hub__resolver *resolver = NULL;
    int rc = 0, saved = errno;

    if (needs_nobody(lookup))
        hub__lookup_libc(lookup);
    else if ((resolver = resolver_in_use()) == NULL)
        rc = -ENOMEM;
    else
        rc = resolver->ask(lookup, deadline_ns);
    errno = saved;
    return rc < 0 ? rc : lookup->rc;
}

int hub__lookup_kinds(struct hub__lookup *lookup, int64_t deadline_ns)
{
    const char *host =
        lookup->hints.ai_family == AF_INET6 ? "::1" : "127.0.0.1";
    struct hub__lookup *of = make(LOOKUP_ADDRESSES, host, lookup->service);
    int rc = 0;

    if (of == NULL)
        return -ENOMEM;
    of->hinted = lookup->hinted;
    of->hints = lookup->hints;
    of->hints.ai_flags &= ~(AI_CANONNAME | AI_ADDRCONFIG);
    if (needs_nobody(of))
        hub__lookup_libc(of);
    else
        rc = ask_by_thread(of, deadline_ns);
    if (rc == 0) {
        lookup->rc = of->rc;
        lookup->kinds = of->list;
        of->list = NULL;
    }
    hub__lookup_drop(of);
    return rc;
}

int hub_getaddrinfo(const char *host, const char *service,
                    const struct addrinfo *hints, int64_t deadline_ns,
                    struct addrinfo **result)
{
    struct hub__lookup *lookup = make(LOOKUP_ADDRESSES, host, service);
    int rc;

    if (lookup == NULL)
        return -ENOMEM;
    if (hints != NULL) {
        lookup->hinted = true;
        lookup->hints.ai_flags = hints->ai_flags;
        lookup->hints.ai_family = hints->ai_family;
        lookup->hints.ai_socktype = hints->ai_socktype;
        lookup->hints.ai_protocol = hints->ai_protocol;
    }
    rc = ask(lookup, deadline_ns);
    if (rc == 0) {
        *result = lookup->list;
        lookup->list = NULL;
    }
    hub__lookup_drop(lookup);
    return rc;
}

/* Returns 0, or what libc says when it does not fit. */
static int give_text(char *to, size_t room, const char *text)
{
    if (to == NULL || room == 0)
        return 0;
    if (strlen(text) >= room)
        return -EAI_OVERFLOW;
    strcpy(to, text);
    return 0;
}

int hub_getnameinfo(const struct sockaddr *address, socklen_t size, char *host,
                    size_t host_size, char *service, size_t service_size,
                    int flags, int64_t deadline_ns)
{
    struct hub__lookup *lookup;
    int rc;

    if (size > sizeof lookup->address || size < sizeof address->sa_family)
        return -EAI_FAMILY;
    lookup = make(LOOKUP_NAME, NULL, NULL);
    if (lookup == NULL)
        return -ENOMEM;
    memcpy(&lookup->address, address, size);
    lookup->size = size;
    lookup->flags = flags;
    lookup->wants_host = host != NULL && host_size > 0;
    lookup->wants_service = service != NULL && service_size > 0;
    rc = ask(lookup, deadline_ns);
    if (rc == 0)
        rc = give_text(host, host_size, lookup->host_text);
    if (rc == 0)
        rc = give_text(service, service_size, lookup->service_text);
    hub__lookup_drop(lookup);
    return rc;
}

static int ask_for_entry(struct hub__lookup *lookup, int64_t deadline_ns,
                         struct hostent **result)
{
    int rc = ask(lookup, deadline_ns);

    if (rc == 0) {
        *result = lookup->entry;
        lookup->entry = NULL;
    }
    hub__lookup_drop(lookup);
    return rc;
}

int hub_gethostbyname(const char *name, int family, int64_t deadline_ns,
                      struct hostent **result)
{
    struct hub__lookup *lookup;

    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    lookup = make(LOOKUP_HOST, name, NULL);
    if (lookup == NULL)
        return -ENOMEM;
    lookup->family = family;
    return ask_for_entry(lookup, deadline_ns, result);
}

int hub_gethostbyaddr(const void *address, socklen_t size, int family,
                      int64_t deadline_ns, struct hostent **result)
{
    struct hub__lookup *lookup;
    struct sockaddr_in *v4;
    struct sockaddr_in6 *v6;

    if (family != AF_INET && family != AF_INET6)
        return -EAFNOSUPPORT;
    if (size != (family == AF_INET ? sizeof v4->sin_addr : sizeof v6->sin6_addr))
        return -EINVAL;
    lookup = make(LOOKUP_REVERSE, NULL, NULL);
    if (lookup == NULL)
        return -ENOMEM;
    v4 = (struct sockaddr_in *)&lookup->address;
    v6 = (struct sockaddr_in6 *)&lookup->address;
    lookup->address.ss_family = (sa_family_t)family;
    lookup->family = family;
    lookup->size = family == AF_INET ? sizeof *v4 : sizeof *v6;
    memcpy(family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr,
           address, size);
    return ask_for_entry(lookup, deadline_ns, result);
}
