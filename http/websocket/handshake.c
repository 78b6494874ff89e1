/* handshake.c - the opening handshake (RFC 6455, 4.2) */
#include "http/websocket/handshake.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { KEY = 24 }; /* 16 bytes in base64 */

static int refuse(struct http__handshake_answer *answer, int status,
                  const char *why)
{
    answer->why = why;
    return status;
}

/* The value of a field that must be there exactly once. */
static bool single(const struct http__fields *fields, const char *name,
                   struct http__span *value)
{
    struct http__span other;

    return fields->find(fields->request, name, 0, value) &&
           !fields->find(fields->request, name, 1, &other);
}

/* 4.2.1, 5: base64 of 16 bytes. */
static bool is_key(struct http__span key)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (key.size != KEY || memcmp(key.data + KEY - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < KEY - 2; i++)
        if (key.data[i] == '\0' || strchr(letters, key.data[i]) == NULL)
            return false;
    return true;
}

/* 4.2.2, 5.4. */
static int accept_key(struct http__span key, char *accept)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char text[KEY + sizeof guid - 1], hash[SHA_DIGEST_LENGTH];

    memcpy(text, key.data, KEY);
    memcpy(text + KEY, guid, sizeof guid - 1);
    if (SHA1(text, sizeof text, hash) == NULL)
        return -ENOMEM;
    EVP_EncodeBlock((unsigned char *)accept, hash, sizeof hash);
    return 101;
}

/* 4.2.1, 1 to 6. */
static int check(const struct http__handshake *asked,
                 struct http__handshake_answer *answer)
{
    struct http__span value;

    if (!http__fields_list_has(&asked->fields, "Upgrade", "websocket"))
        return refuse(answer, 426, "This is for WebSockets");
    if (!asked->is_get || !asked->is_11)
        return refuse(answer, 400, "A WebSocket begins with GET of HTTP/1.1");
    if (asked->has_body)
        return refuse(answer, 400, "A handshake has no body");
    if (!http__fields_list_has(&asked->fields, "Connection", "Upgrade"))
        return refuse(answer, 400, "Connection does not say Upgrade");
    if (!single(&asked->fields, "Sec-WebSocket-Version", &value))
        return refuse(answer, 400, "Sec-WebSocket-Version must be there once");
    if (!http__span_is(value, "13"))
        return refuse(answer, 426, "Only version 13 is spoken");
    if (!single(&asked->fields, "Sec-WebSocket-Key", &value) || !is_key(value))
        return refuse(answer, 400,
                      "Sec-WebSocket-Key must be there once, with 16 bytes");
    return accept_key(value, answer->accept);
}

/* ---- 4.2.2, 4: the origin ---- */

/* "http://host:port" is of the same host as Host says, whatever the scheme: in
 * front of us TLS may have ended. */
static bool is_same(const struct http__fields *fields, struct http__span origin)
{
    struct http__span host;
    const char *slashes = memmem(origin.data, origin.size, "://", 3);
    size_t scheme;

    if (slashes == NULL || !single(fields, "Host", &host))
        return false;
    scheme = (size_t)(slashes - origin.data) + 3;
    return origin.size - scheme == host.size &&
           strncasecmp(slashes + 3, host.data, host.size) == 0;
}

static bool is_welcome(const struct http__fields *fields,
                       const char *const *origins)
{
    struct http__span origin;

    if (origins == NULL || !fields->find(fields->request, "Origin", 0, &origin))
        return true;
    if (!single(fields, "Origin", &origin))
        return false;
    for (; *origins != NULL; origins++)
        if (strcmp(*origins, "*") == 0 ||
            (strcmp(*origins, "same") == 0 ? is_same(fields, origin)
                                           : http__span_is(origin, *origins)))
            return true;
    return false;
}

/* ---- subprotocols and extensions ---- */

static bool is_offered(const struct http__fields *fields, const char *protocol)
{
    struct http__span list, token;

    for (size_t n = 0;
         fields->find(fields->request, "Sec-WebSocket-Protocol", n, &list); n++)
        do {
            http__span_blanks(&list);
            /* Not http__span_is(): their case matters. */
            if (http__span_token(&list, &token) &&
                token.size == strlen(protocol) &&
                memcmp(token.data, protocol, token.size) == 0)
                return true;
            http__span_blanks(&list);
        } while (http__span_byte(&list, ','));
    return false;
}

/* 11.3.4: a list of tokens, at least one. */
static bool is_token_list(struct http__span list)
{
    struct http__span token;

    http__span_element(&list);
    do {
        if (!http__span_token(&list, &token))
            return false;
        http__span_blanks(&list);
        if (list.size > 0 && *list.data != ',')
            return false;
        http__span_element(&list);
    } while (list.size > 0);
    return true;
}

static bool are_protocols(const struct http__fields *fields)
{
    struct http__span list;

    for (size_t n = 0;
         fields->find(fields->request, "Sec-WebSocket-Protocol", n, &list); n++)
        if (!is_token_list(list))
            return false;
    return true;
}

static const char *choose(const struct http__fields *fields,
                          const char *const *protocols)
{
    for (; protocols != NULL && *protocols != NULL; protocols++)
        if (is_offered(fields, *protocols))
            return *protocols;
    return NULL;
}

static bool negotiate(const struct http__fields *fields,
                      const struct http_websocket_options *options,
                      struct http__deflate_terms *terms)
{
    struct http__span value;

    for (size_t n = 0; fields->find(fields->request, "Sec-WebSocket-Extensions",
                                    n, &value);
         n++)
        if (!http__extension_offer(value, options, terms))
            return false;
    return true;
}

int http__handshake(const struct http__handshake *asked,
                    const struct http_websocket_options *options,
                    struct http__handshake_answer *answer)
{
    int status;

    memset(answer, 0, sizeof *answer);
    status = check(asked, answer);
    if (status != 101)
        return status;
    if (!is_welcome(&asked->fields, options->origins))
        return refuse(answer, 403, "Not for pages of that origin");
    if (!are_protocols(&asked->fields))
        return refuse(answer, 400, "Sec-WebSocket-Protocol is no list");
    if (!negotiate(&asked->fields, options, &answer->deflate))
        return refuse(answer, 400, "Sec-WebSocket-Extensions is no list");
    answer->protocol = choose(&asked->fields, options->protocols);
    return 101;
}
