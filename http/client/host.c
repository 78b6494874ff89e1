/* host.c - hosts: who may have a connection to one, and where it is
 *
 * Names are looked up here, by the hub's resolver, and given to libcurl: its own
 * would make a thread for each, and wait for it where a request is cancelled. */
#include "http/client/client_impl.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#ifndef CURLU_PUNYCODE
#define CURLU_PUNYCODE 0
#endif

/* ---- where a request goes ---- */

static int part_of(CURLU *url, CURLUPart part, unsigned flags, char *text,
                   size_t size)
{
    char *found;
    CURLUcode code = curl_url_get(url, part, &found, flags);
    int length;

    if (code != CURLUE_OK)
        return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    length = snprintf(text, size, "%s", found);
    curl_free(found);
    return length > 0 && (size_t)length < size ? 0 : -EINVAL;
}

static bool is_numeric(const char *host)
{
    struct in6_addr address;

    return *host == '[' || inet_pton(AF_INET, host, &address) == 1;
}

static int look_at_scheme(CURLU *parts, struct http__target *target)
{
    char scheme[32];
    int rc = part_of(parts, CURLUPART_SCHEME, 0, scheme, sizeof scheme);

    target->secure = rc == 0 && strcasecmp(scheme, "https") == 0;
    target->plain = rc == 0 && strcasecmp(scheme, "http") == 0;
    return rc;
}

static int fill(CURLU *parts, struct http__target *target)
{
    char host[1024], key[1040];
    int rc = part_of(parts, CURLUPART_HOST, CURLU_PUNYCODE, host, sizeof host);

    if (rc < 0)
        return rc;
    target->numeric = is_numeric(host);
    snprintf(key, sizeof key, "%s:%s", host, target->port);
    target->key = http__client_copy(key);
    target->host = http__client_copy(host);
    return target->key != NULL && target->host != NULL ? 0 : -ENOMEM;
}

static int split(CURLU *parts, struct http__target *target)
{
    int rc = look_at_scheme(parts, target);

    if (rc < 0)
        return rc;
    if (!target->secure && !target->plain)
        return -EPROTONOSUPPORT;
    rc = part_of(parts, CURLUPART_PORT, CURLU_DEFAULT_PORT, target->port,
                 sizeof target->port);
    return rc < 0 ? rc : fill(parts, target);
}

/* 1080 unless it says otherwise, but 443 of https. */
static int split_proxy(CURLU *parts, struct http__target *target)
{
    int rc = look_at_scheme(parts, target);

    if (rc < 0)
        return rc;
    rc = part_of(parts, CURLUPART_PORT, 0, target->port, sizeof target->port);
    if (rc == -EINVAL)
        rc = snprintf(target->port, sizeof target->port, "%s",
                      target->secure ? "443" : "1080");
    return rc < 0 ? rc : fill(parts, target);
}

static int parse(const char *url, unsigned flags,
                 int (*split_it)(CURLU *, struct http__target *),
                 struct http__target *target)
{
    CURLU *parts = curl_url();
    CURLUcode code;
    int rc;

    *target = (struct http__target){ .host = NULL };
    if (parts == NULL)
        return -ENOMEM;
    code = curl_url_set(parts, CURLUPART_URL, url, flags);
    rc = code == CURLUE_OK                   ? split_it(parts, target)
         : code == CURLUE_OUT_OF_MEMORY      ? -ENOMEM
         : code == CURLUE_UNSUPPORTED_SCHEME ? -EPROTONOSUPPORT
                                             : -EINVAL;
    curl_url_cleanup(parts);
    if (rc < 0)
        http__target_drop(target);
    return rc;
}

int http__target_parse(const char *url, struct http__target *target)
{
    return parse(url, 0, split, target);
}

int http__client_proxy_parse(const char *url, struct http__target *target)
{
    return parse(url, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME, split_proxy,
                 target);
}

int http__target_next(const char *from, const char *location, char **url)
{
    CURLU *parts = curl_url();
    char *found = NULL;
    CURLUcode code = CURLUE_OUT_OF_MEMORY;

    if (parts != NULL)
        code = curl_url_set(parts, CURLUPART_URL, from, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_URL, location,
                            CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE |
                                CURLU_ALLOW_SPACE);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_URL, &found, 0);
    *url = code == CURLUE_OK ? http__client_copy(found) : NULL;
    curl_free(found);
    curl_url_cleanup(parts);
    if (code != CURLUE_OK && code != CURLUE_OUT_OF_MEMORY)
        return -EINVAL;
    return *url != NULL ? 0 : -ENOMEM;
}

void http__target_drop(struct http__target *target)
{
    free(target->host);
    free(target->key);
    *target = (struct http__target){ .host = NULL };
}

/* ---- the table ---- */

/* What nobody uses goes when it is old, or when there are many. */
static struct http__host *find(struct http_session *session, const char *key)
{
    struct http__host **at = &session->hosts, *host;
    int64_t now = hub_now();
    unsigned unused = 0;

    while ((host = *at) != NULL) {
        if (strcmp(host->key, key) == 0)
            return host;
        if (host->users == 0 &&
            (host->good_until < now || ++unused > HTTP__KEPT_HOSTS)) {
            *at = host->next;
            free(host->addresses);
            free(host);
        } else {
            at = &host->next;
        }
    }
    return NULL;
}

static struct http__host *enter(struct http_session *session, const char *key)
{
    struct http__host *host = find(session, key);
    size_t size = strlen(key) + 1;

    if (host != NULL)
        return host;
    host = http__client_alloc(sizeof *host + size);
    if (host == NULL)
        return NULL;
    memcpy(host->key, key, size);
    hub_semaphore_init(&host->permits, (int)session->options.per_host);
    host->next = session->hosts;
    session->hosts = host;
    return host;
}

void http__hosts_drop(struct http_session *session)
{
    struct http__host *host;

    while ((host = session->hosts) != NULL) {
        session->hosts = host->next;
        free(host->addresses);
        free(host);
    }
}

/* ---- permits: of the host first, and then of the session ---- */

/* Both, or none: who has one of the host and waits for the session's keeps only
 * others of that host waiting. */
static int take_both(struct http_session *session, struct http__host *host,
                     int64_t deadline_ns)
{
    int rc = hub_semaphore_acquire(&host->permits, deadline_ns);

    if (rc < 0)
        return rc;
    rc = hub_semaphore_acquire(&session->permits, deadline_ns);
    if (rc == 0 && session->closed) {
        hub_semaphore_release(&session->permits);
        rc = -EBADF;
    }
    if (rc < 0)
        hub_semaphore_release(&host->permits);
    return rc;
}

int http__host_enter(struct http_reply *reply, const struct http__target *target)
{
    struct http_session *session = reply->session;
    struct http__host *host = enter(session, target->key);
    int rc;

    if (host == NULL)
        return -ENOMEM;
    host->users++;
    session->waiting++;
    rc = take_both(session, host, reply->all_by);
    session->waiting--;
    if (rc < 0) {
        host->users--;
        if (rc == -ETIMEDOUT && hub_canceled() == 0)
            snprintf(reply->text, sizeof reply->text,
                     "all connections are in use, and none became free in time");
        return rc;
    }
    session->active++;
    reply->host = host;
    return 0;
}

void http__host_leave(struct http_reply *reply)
{
    struct http__host *host = reply->host;

    if (host == NULL)
        return;
    reply->host = NULL;
    host->users--;
    reply->session->active--;
    hub_semaphore_release(&reply->session->permits);
    hub_semaphore_release(&host->permits);
}

/* ---- names ---- */

static int append(char **text, const struct addrinfo *address)
{
    size_t before = *text != NULL ? strlen(*text) : 0;
    bool six = address->ai_family == AF_INET6;
    char number[INET6_ADDRSTRLEN + 4], *longer;
    const void *where =
        six ? (void *)&((struct sockaddr_in6 *)address->ai_addr)->sin6_addr
            : (void *)&((struct sockaddr_in *)address->ai_addr)->sin_addr;

    if (inet_ntop(address->ai_family, where, number, sizeof number) == NULL)
        return 0;
    longer = http__client_resize(*text, before + strlen(number) + 4);
    if (longer == NULL)
        return -ENOMEM;
    *text = longer;
    sprintf(longer + before, six ? "%s[%s]" : "%s%s", before > 0 ? "," : "",
            number);
    return 0;
}

static int look_up(struct http_reply *reply, const struct http__target *target,
                   char **addresses)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    int rc = hub_getaddrinfo(target->host, NULL, &hints, reply->connect_by,
                             &list);

    if (rc < 0)
        return rc;
    if (rc > 0) {
        snprintf(reply->text, sizeof reply->text, "%s: %s", target->host,
                 hub_resolver_strerror(rc));
        return -ENOENT;
    }
    for (struct addrinfo *at = list; at != NULL && rc == 0; at = at->ai_next)
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
            rc = append(addresses, at);
    hub_freeaddrinfo(list);
    return rc < 0 || *addresses != NULL ? rc : -ENOENT;
}

static int remember(struct http_reply *reply, const struct http__target *target,
                    struct http__host *host)
{
    char *addresses = NULL;
    int rc;

    if (host->addresses != NULL && host->good_until > hub_now())
        return 0;
    rc = look_up(reply, target, &addresses);
    if (rc < 0) {
        free(addresses);
        return rc;
    }
    free(host->addresses); /* another request may have asked meanwhile */
    host->addresses = addresses;
    host->good_until = hub_deadline(HTTP__NAME_LIFE);
    return 0;
}

static int tell(struct http_reply *reply, const struct http__host *host)
{
    size_t size = strlen(host->key) + strlen(host->addresses) + 3;
    char *text = http__client_alloc(size);
    struct curl_slist *list = NULL;

    if (text != NULL) {
        snprintf(text, size, "+%s:%s", host->key, host->addresses);
        list = curl_slist_append(reply->resolve, text);
        free(text);
    }
    if (list == NULL)
        return -ENOMEM;
    reply->resolve = list;
    return 0;
}

int http__host_resolve(struct http_reply *reply,
                       const struct http__target *target)
{
    struct http__host *host;
    int rc;

    if (target->numeric)
        return 0;
    host = enter(reply->session, target->key);
    if (host == NULL)
        return -ENOMEM;
    host->users++;
    rc = remember(reply, target, host);
    host->users--;
    return rc < 0 ? rc : tell(reply, host);
}
