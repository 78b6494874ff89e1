/* trust.c - lists of networks */
#include "http/trust.h"
#include "http/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* All addresses are compared as IPv6: those of IPv4 lie in ::ffff:0:0/96. */
struct network {
    struct in6_addr address;
    unsigned prefix;
};

struct http_trust {
    bool anybody, local;
    size_t count;
    struct network networks[];
};

static const unsigned char mapped[12] = {0, 0, 0, 0, 0,   0,
                                         0, 0, 0, 0, 255, 255};

static void map_v4(struct in6_addr *to, const struct in_addr *from)
{
    memcpy(to->s6_addr, mapped, sizeof mapped);
    memcpy(to->s6_addr + sizeof mapped, from, sizeof *from);
}

static unsigned bit_of(const struct in6_addr *address, unsigned n)
{
    return address->s6_addr[n / 8] >> (7 - n % 8) & 1u;
}

static bool is_inside(const struct network *network,
                      const struct in6_addr *address)
{
    unsigned bytes = network->prefix / 8, rest = network->prefix % 8;

    if (memcmp(network->address.s6_addr, address->s6_addr, bytes) != 0)
        return false;
    return rest == 0 || (network->address.s6_addr[bytes] >> (8 - rest)) ==
                            (address->s6_addr[bytes] >> (8 - rest));
}

static int read_prefix(const char *text, unsigned most, unsigned *prefix)
{
    unsigned value = 0;

    if (*text == '\0' || strlen(text) > 3)
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *prefix = value;
    return value <= most ? 0 : -EINVAL;
}

/* "10.0.0.0/8"; text is changed. */
static int read_network(char *text, struct network *network)
{
    char *slash = strchr(text, '/');
    struct in_addr v4;
    unsigned most = 128;
    int rc = 0;

    if (slash != NULL)
        *slash = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) {
        map_v4(&network->address, &v4);
        most = 32;
    } else if (inet_pton(AF_INET6, text, &network->address) != 1) {
        return -EINVAL;
    }
    network->prefix = most;
    if (slash != NULL)
        rc = read_prefix(slash + 1, most, &network->prefix);
    network->prefix += 128 - most;
    for (unsigned n = network->prefix; n < 128; n++)
        if (bit_of(&network->address, n)) /* who meant more, or less? */
            rc = -EINVAL;
    return rc;
}

static int add(struct http_trust *trust, char *word)
{
    if (strcmp(word, "*") == 0)
        trust->anybody = true;
    else if (strcmp(word, "unix") == 0)
        trust->local = true;
    else
        return read_network(word, &trust->networks[trust->count++]);
    return 0;
}

int http_trust_new(const char *networks, struct http_trust **trust)
{
    size_t size = strlen(networks) + 1;
    size_t room = size / 2 + 1; /* a word and what is between, at the least */
    struct http_trust *made =
        http__calloc(1, sizeof *made + room * sizeof *made->networks);
    char *copy = http__malloc(size), *rest, *word;
    int rc = made != NULL && copy != NULL ? 0 : -ENOMEM;

    if (rc == 0) {
        memcpy(copy, networks, size);
        for (word = strtok_r(copy, ", \t", &rest); word != NULL && rc == 0;
             word = strtok_r(NULL, ", \t", &rest))
            rc = add(made, word);
    }
    free(copy);
    if (rc == 0)
        *trust = made;
    else
        free(made);
    return rc;
}

void http_trust_free(struct http_trust *trust)
{
    free(trust);
}

bool http_trust_contains(const struct http_trust *trust,
                         const struct hub_address *address)
{
    const struct sockaddr *any = (const struct sockaddr *)&address->storage;
    struct in6_addr wanted;

    if (trust == NULL)
        return false;
    if (trust->anybody)
        return true;
    if (any->sa_family == AF_UNIX)
        return trust->local;
    if (any->sa_family == AF_INET)
        map_v4(&wanted, &((const struct sockaddr_in *)any)->sin_addr);
    else if (any->sa_family == AF_INET6)
        wanted = ((const struct sockaddr_in6 *)any)->sin6_addr;
    else
        return false;
    for (size_t i = 0; i < trust->count; i++)
        if (is_inside(&trust->networks[i], &wanted))
            return true;
    return false;
}
