/* proxy.c - the PROXY protocol, both versions
 *
 * Nothing is allocated.  Strict: what a good proxy never sends is refused,
 * because only a client that pretends to be one would. */
#include "http/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

enum {
    V1_MAX = 107, /* the specification's, with CRLF */
    V2_HEAD = 16, /* signature, command, family, length */
    V2_INET = 12, /* two addresses and ports */
    V2_INET6 = 36,
    V2_UNIX = 216,
    TLV_CRC32C = 0x03,
    TLV_SSL = 0x20,    /* PP2_TYPE_SSL: "The PP2_TYPE_SSL type and subtypes",
                          2.2.6 of proxy-protocol.txt, 2.2.5 of older ones */
    TLV_SSL_CLIENT = 1 /* PP2_CLIENT_SSL: the client came over TLS */
};

static const char v1_begin[] = "PROXY ";
static const unsigned char v2_begin[12] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- version 1: a line ---- */

/* A decimal without a sign or zeros before it, 0 ... 65535. */
static int read_port(const char *text, in_port_t *port)
{
    unsigned value = 0;
    size_t size = strlen(text);

    if (size == 0 || size > 5 || (size > 1 && text[0] == '0'))
        return -EBADMSG;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EBADMSG;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *port = htons((uint16_t)value);
    return value <= 65535 ? 0 : -EBADMSG;
}

static int read_address(int family, const char *host, const char *port,
                        struct hub_address *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    bool is_v4 = family == AF_INET;

    memset(address, 0, sizeof *address);
    address->storage.ss_family = (sa_family_t)family;
    address->length = is_v4 ? sizeof *v4 : sizeof *v6;
    if (inet_pton(family, host,
                  is_v4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr) != 1)
        return -EBADMSG;
    return read_port(port, is_v4 ? &v4->sin_port : &v6->sin6_port);
}

/* "TCP4 SOURCE DESTINATION PORT PORT", with one blank between two. */
static int read_line(char *line, struct http__proxy *proxy)
{
    char *word[5], *at = line;
    size_t count = 0;
    int family, rc;

    for (;;) {
        word[count++] = at;
        at = strchr(at, ' ');
        if (at == NULL)
            break;
        *at++ = '\0';
        if (strcmp(word[0], "UNKNOWN") == 0)
            return 0; /* the rest of the line says nothing */
        if (count == 5)
            return -EBADMSG;
    }
    if (count == 1 && strcmp(word[0], "UNKNOWN") == 0)
        return 0;
    if (count != 5 ||
        (strcmp(word[0], "TCP4") != 0 && strcmp(word[0], "TCP6") != 0))
        return -EBADMSG;
    family = word[0][3] == '4' ? AF_INET : AF_INET6;
    rc = read_address(family, word[1], word[3], &proxy->source);
    if (rc == 0)
        rc = read_address(family, word[2], word[4], &proxy->destination);
    proxy->known = rc == 0;
    return rc;
}

static int parse_v1(const char *data, size_t size, size_t *length,
                    struct http__proxy *proxy)
{
    size_t seen = size < V1_MAX ? size : V1_MAX;
    const char *end = memchr(data, '\n', seen);
    char line[V1_MAX];
    size_t at;

    if (end == NULL && memchr(data, '\r', seen > 0 ? seen - 1 : 0) != NULL)
        return -EBADMSG; /* a CR that no LF follows */
    if (end == NULL)
        return size < V1_MAX ? 0 : -EBADMSG;
    at = (size_t)(end - data);
    if (at < sizeof v1_begin || memchr(data, '\0', at) != NULL ||
        memchr(data, '\r', at) != data + at - 1)
        return -EBADMSG;
    *length = at + 1;
    at -= sizeof v1_begin; /* without "PROXY ", CR and LF: and its NUL */
    memcpy(line, data + sizeof v1_begin - 1, at);
    line[at] = '\0';
    return read_line(line, proxy) < 0 ? -EBADMSG : 1;
}

/* ---- version 2: binary ---- */

static void take_inet(struct hub_address *address, const unsigned char *host,
                      const unsigned char *port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;

    address->length = sizeof *v4;
    v4->sin_family = AF_INET;
    memcpy(&v4->sin_addr, host, 4);
    memcpy(&v4->sin_port, port, 2);
}

static void take_inet6(struct hub_address *address, const unsigned char *host,
                       const unsigned char *port)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;

    address->length = sizeof *v6;
    v6->sin6_family = AF_INET6;
    memcpy(&v6->sin6_addr, host, 16);
    memcpy(&v6->sin6_port, port, 2);
}

static void take_unix(struct hub_address *address, const unsigned char *path)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&address->storage;

    address->length = sizeof *local;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path, V2_UNIX / 2);
}

/* Returns how many bytes the addresses take, or -EBADMSG. */
static int take_addresses(unsigned family, const unsigned char *at, size_t size,
                          struct http__proxy *proxy)
{
    static const uint8_t sizes[] = {0, V2_INET, V2_INET6, V2_UNIX};
    unsigned kind = family >> 4;

    if (kind >= sizeof sizes || (family & 15) > 2 || size < sizes[kind])
        return -EBADMSG;
    if ((kind == 0) != ((family & 15) == 0))
        return -EBADMSG; /* unspecified is 0x00 alone */
    if ((family & 15) == 2)
        return -EBADMSG; /* datagrams, on a stream */
    proxy->known = kind != 0;
    if (kind == 1) {
        take_inet(&proxy->source, at, at + 8);
        take_inet(&proxy->destination, at + 4, at + 10);
    } else if (kind == 2) {
        take_inet6(&proxy->source, at, at + 32);
        take_inet6(&proxy->destination, at + 16, at + 34);
    } else if (kind == 3) {
        take_unix(&proxy->source, at);
        take_unix(&proxy->destination, at + V2_UNIX / 2);
    }
    return sizes[kind];
}

/* CRC-32C (RFC 4960), of a whole header in which the checksum itself is zero.
 */
static uint32_t crc32c(const unsigned char *data, size_t size, size_t hole)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= i - hole < 4 ? 0 : data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
    }
    return ~crc;
}

static bool sum_is_good(const unsigned char *data, size_t size, size_t at)
{
    uint32_t sum = (uint32_t)data[at] << 24 | (uint32_t)data[at + 1] << 16 |
                   (uint32_t)data[at + 2] << 8 | data[at + 3];

    return crc32c(data, size, at) == sum;
}

/* What follows the addresses: type, length, value. */
static int take_more(const unsigned char *data, size_t at, size_t size,
                     struct http__proxy *proxy)
{
    bool summed = false;

    while (at < size) {
        size_t length;

        if (size - at < 3)
            return -EBADMSG;
        length = (size_t)data[at + 1] << 8 | data[at + 2];
        if (size - at - 3 < length)
            return -EBADMSG;
        if (data[at] == TLV_SSL) {
            if (length < 5)
                return -EBADMSG;
            proxy->tls = (data[at + 3] & TLV_SSL_CLIENT) != 0;
        } else if (data[at] == TLV_CRC32C) {
            if (summed || length != 4 || !sum_is_good(data, size, at + 3))
                return -EBADMSG;
            summed = true;
        }
        at += 3 + length;
    }
    return 0;
}

static int parse_v2(const unsigned char *data, size_t size, size_t *length,
                    struct http__proxy *proxy)
{
    unsigned command;
    size_t all;
    int rc;

    if (size > 12 && data[12] >> 4 != 2)
        return -EBADMSG;
    if (size < V2_HEAD)
        return 0;
    command = data[12] & 15;
    all = V2_HEAD + ((size_t)data[14] << 8 | data[15]);
    if (command > 1 || all > HTTP__PROXY_MAX)
        return -EBADMSG;
    if (size < all)
        return 0;
    *length = all;
    if (command ==
        0) /* LOCAL: the proxy itself; what it adds is not looked at */
        return 1;
    rc = take_addresses(data[13], data + V2_HEAD, all - V2_HEAD, proxy);
    if (rc >= 0)
        rc = take_more(data, V2_HEAD + (size_t)rc, all, proxy);
    return rc < 0 ? rc : 1;
}

/* ---- both ---- */

static bool begins(const void *data, size_t size, const void *with,
                   size_t count)
{
    return memcmp(data, with, size < count ? size : count) == 0;
}

int http__proxy_parse(const void *data, size_t size, size_t *length,
                      struct http__proxy *proxy)
{
    int rc;

    memset(proxy, 0, sizeof *proxy);
    if (size == 0)
        return 0;
    if (begins(data, size, v2_begin, sizeof v2_begin))
        rc = parse_v2(data, size, length, proxy);
    else if (begins(data, size, v1_begin, sizeof v1_begin - 1))
        rc = parse_v1(data, size, length, proxy);
    else
        rc = -EBADMSG;
    if (rc != 1)
        memset(proxy, 0, sizeof *proxy);
    return rc;
}
