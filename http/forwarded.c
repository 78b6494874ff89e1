/* forwarded.c - X-Forwarded-* and Forwarded, from trusted peers
 *
 * Lists are read once, from the front: a proxy adds at the end, so what a
 * trusted one added decides, and everything before it may be invented.  `found`
 * is what the list would mean if it ended here. */
#include "http/forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

/* Bytes not read yet. */
struct text {
    const char *at, *end;
};

/* One hop: an element of Forwarded, or an address of X-Forwarded-For. */
struct hop {
    struct hub_address address;
    bool has_address; /* not "unknown", nor a name that hides it */
    const char *proto, *host;
    size_t host_size;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct text trimmed(struct text text)
{
    while (text.at < text.end && is_blank(*text.at))
        text.at++;
    while (text.at < text.end && is_blank(text.end[-1]))
        text.end--;
    return text;
}

static size_t size_of(struct text text)
{
    return (size_t)(text.end - text.at);
}

static bool says(struct text text, const char *word)
{
    return size_of(text) == strlen(word) &&
           strncasecmp(text.at, word, strlen(word)) == 0;
}

/* ---- values ---- */

/* A port, or a name that hides one (RFC 7239, 6.3), says nothing of who it is.
 */
static bool is_port(struct text text)
{
    unsigned value = 0;

    if (size_of(text) > 1 && *text.at == '_')
        return true;
    if (size_of(text) == 0 || size_of(text) > 5)
        return false;
    for (; text.at < text.end; text.at++) {
        if (*text.at < '0' || *text.at > '9')
            return false;
        value = value * 10 + (unsigned)(*text.at - '0');
    }
    return value <= 65535;
}

static bool read_ip(struct text text, int family, struct hub_address *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    char copy[INET6_ADDRSTRLEN];
    bool is_v4 = family == AF_INET;

    if (size_of(text) >= sizeof copy)
        return false;
    memcpy(copy, text.at, size_of(text));
    copy[size_of(text)] = '\0';
    memset(address, 0, sizeof *address);
    address->storage.ss_family = (sa_family_t)family;
    address->length = is_v4 ? sizeof *v4 : sizeof *v6;
    return inet_pton(family, copy,
                     is_v4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr) ==
           1;
}

/* "[2001:db8::1]" or "[2001:db8::1]:4711". */
static bool read_bracketed(struct text text, struct hub_address *address)
{
    const char *close = memchr(text.at, ']', size_of(text));

    if (close == NULL)
        return false;
    if (close + 1 != text.end &&
        (close[1] != ':' || !is_port((struct text){close + 2, text.end})))
        return false;
    return read_ip((struct text){text.at + 1, close}, AF_INET6, address);
}

/* Also an address of IPv6 without its brackets, as X-Forwarded-For has it. */
static bool read_node(struct text text, bool bare, struct hub_address *address)
{
    const char *colon;

    if (size_of(text) == 0)
        return false;
    if (*text.at == '[')
        return read_bracketed(text, address);
    colon = memchr(text.at, ':', size_of(text));
    if (colon == NULL)
        return read_ip(text, AF_INET, address);
    if (memchr(colon + 1, ':', (size_t)(text.end - colon - 1)) != NULL)
        return bare && read_ip(text, AF_INET6, address);
    return is_port((struct text){colon + 1, text.end}) &&
           read_ip((struct text){text.at, colon}, AF_INET, address);
}

static const char *read_proto(struct text text)
{
    if (says(text, "https") || says(text, "wss"))
        return "https";
    return says(text, "http") || says(text, "ws") ? "http" : NULL;
}

/* What a Host field may say, as far as it can be put into a page. */
static bool is_host(struct text text)
{
    static const char other[] = "-._~%:[]";

    if (size_of(text) == 0 || size_of(text) > 255)
        return false;
    for (; text.at < text.end; text.at++) {
        char c = *text.at;

        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
              (c != '\0' && strchr(other, c) != NULL)))
            return false;
    }
    return true;
}

/* ---- the list ---- */

/* What the list means with this hop at its end. */
static void pass(struct hop *found, const struct hop *hop,
                 const struct http_trust *trust)
{
    if (!hop->has_address || !http_trust_contains(trust, &hop->address)) {
        *found = *hop;
    } else if (!found->has_address) {
        found->address = hop->address;
        found->has_address = true;
        if (found->proto == NULL)
            found->proto = hop->proto;
        if (found->host == NULL) {
            found->host = hop->host;
            found->host_size = hop->host_size;
        }
    }
}

static void read_x(struct text text, const struct http_trust *trust,
                   struct hop *found)
{
    while (text.at <= text.end) {
        const char *comma = memchr(text.at, ',', size_of(text));
        const char *end = comma != NULL ? comma : text.end;
        struct hop hop = {.proto = NULL};

        hop.has_address =
            read_node(trimmed((struct text){text.at, end}), true, &hop.address);
        pass(found, &hop, trust);
        text.at = end + 1;
    }
}

/* ---- Forwarded ---- */

/* The end of an element or of a pair: the next of `stops` outside quotes; NULL
 * when a quote is not closed. */
static const char *find(struct text text, char stop)
{
    bool quoted = false;

    for (; text.at < text.end; text.at++) {
        if (*text.at == '"')
            quoted = !quoted;
        else if (quoted && *text.at == '\\' && text.at + 1 < text.end)
            text.at++;
        else if (!quoted && *text.at == stop)
            break;
    }
    return quoted ? NULL : text.at;
}

/* Without its quotes; empty for what is no value.  A value with a backslash is
 * none: no address or host has one. */
static struct text unquoted(struct text text)
{
    const struct text none = {text.at, text.at};

    if (size_of(text) > 0 && *text.at == '"') {
        if (size_of(text) < 2 || text.end[-1] != '"')
            return none;
        text.at++;
        text.end--;
    }
    if (memchr(text.at, '"', size_of(text)) != NULL ||
        memchr(text.at, '\\', size_of(text)) != NULL)
        return none;
    return text;
}

/* for=, proto=, host=; others are let pass.  Each may be there once. */
static bool read_pair(struct text pair, struct hop *hop, unsigned *seen)
{
    static const char *const names[] = {"for", "proto", "host"};
    const char *equals = memchr(pair.at, '=', size_of(pair));
    struct text name = {pair.at, equals};
    struct text value;
    unsigned which = 0;

    if (equals == NULL || equals == pair.at)
        return false;
    value = unquoted((struct text){equals + 1, pair.end});
    if (size_of(value) == 0)
        return false;
    while (which < 3 && !says(name, names[which]))
        which++;
    if (which < 3 && *seen >> which & 1)
        return false;
    *seen |= 1u << which;
    if (which == 0) {
        hop->has_address = read_node(value, false, &hop->address);
        return hop->has_address || *value.at == '_' || says(value, "unknown");
    }
    if (which == 1)
        hop->proto = read_proto(value);
    if (which == 2 && is_host(value)) {
        hop->host = value.at;
        hop->host_size = size_of(value);
    }
    return true;
}

static bool read_element(struct text element, struct hop *hop)
{
    unsigned seen = 0;

    memset(hop, 0, sizeof *hop);
    while (element.at < element.end) {
        const char *end = find(element, ';');
        struct text pair;

        if (end == NULL)
            return false;
        pair = trimmed((struct text){element.at, end});
        if (size_of(pair) > 0 && !read_pair(pair, hop, &seen))
            return false;
        element.at = end + 1;
    }
    return true;
}

static void read_forwarded(struct text text, const struct http_trust *trust,
                           struct hop *found)
{
    const struct hop nothing = {.proto = NULL};

    while (text.at < text.end) {
        const char *end = find(text, ',');
        struct hop hop;

        if (end == NULL) { /* nobody knows where an element begins */
            *found = nothing;
            return;
        }
        struct text element = trimmed((struct text){text.at, end});

        if (size_of(element) > 0) {
            if (read_element(element, &hop))
                pass(found, &hop, trust);
            else
                *found = nothing;
        }
        text.at = end + 1;
    }
}

/* ---- all ---- */

/* What was added last: behind the last comma of the last field. */
static struct text last_of(const struct http__forwarded_list *list)
{
    struct text text = {NULL, NULL};
    const char *comma;

    if (list->count == 0)
        return text;
    text.at = list->values[list->count - 1].data;
    text.end = text.at + list->values[list->count - 1].size;
    comma = memrchr(text.at, ',', size_of(text));
    if (comma != NULL)
        text.at = comma + 1;
    return trimmed(text);
}

static void read_x_rest(const struct http__forwarded_fields *fields,
                        struct hop *found)
{
    struct text host = last_of(&fields->host);

    found->proto = NULL;
    found->host = NULL;
    if (fields->proto.count > 0)
        found->proto = read_proto(last_of(&fields->proto));
    if (fields->host.count > 0 && is_host(host)) {
        found->host = host.at;
        found->host_size = size_of(host);
    }
}

void http__forwarded_read(enum http__forwarded_kind kind,
                          const struct http_trust *trust,
                          const struct hub_address *peer,
                          const struct http__forwarded_fields *fields,
                          struct http__forwarded *result)
{
    struct hop found = {.proto = NULL};

    *result = (struct http__forwarded){.client = *peer};
    if (!http_trust_contains(trust, peer))
        return;
    for (size_t i = 0; i < fields->client.count; i++) {
        const struct http__forwarded_value *value = &fields->client.values[i];
        struct text text = {value->data, value->data + value->size};

        if (kind == HTTP__FORWARDED_X)
            read_x(text, trust, &found);
        else
            read_forwarded(text, trust, &found);
    }
    if (kind == HTTP__FORWARDED_X)
        read_x_rest(fields, &found);
    if (found.has_address)
        result->client = found.address;
    result->proto = found.proto;
    result->host = found.host;
    result->host_size = found.host_size;
}
