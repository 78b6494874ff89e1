/* fields.c - the request's method and fields: what may not be sent is refused here,
 * since libcurl sends what it is given */
#include "http/client/client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9110, 5.6.2. */
static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool http__is_method(const char *text)
{
    size_t length = strspn(text, token);

    return length > 0 && length <= 64 && text[length] == '\0';
}

/* Fields of which the framing is made, and what follows from it. */
static bool is_ours(const char *field, size_t name)
{
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding",
                                        "Upgrade" };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strlen(ours[i]) == name && strncasecmp(field, ours[i], name) == 0)
            return true;
    return false;
}

static bool begins(const char *field, const char *name)
{
    return strncasecmp(field, name, strlen(name)) == 0;
}

/* Not for whom a redirect leads to. */
static bool stays(const char *field)
{
    return begins(field, "Authorization:") || begins(field, "Cookie:") ||
           begins(field, "Host:");
}

/* About a body, which a redirect has taken away. */
static bool of_body(const char *field)
{
    return begins(field, "Content-");
}

static bool is_value(const char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static int append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);

    if (longer == NULL)
        return -ENOMEM;
    *list = longer;
    return 0;
}

/* libcurl takes "Name;" for a field without a value, and "Name:" for none. */
static int append_field(struct curl_slist **list, const char *field, size_t name)
{
    char *empty;
    int rc;

    if (field[name + 1 + strspn(field + name + 1, " \t")] != '\0')
        return append(list, field);
    empty = http__client_alloc(name + 2);
    if (empty == NULL)
        return -ENOMEM;
    memcpy(empty, field, name);
    empty[name] = ';';
    rc = append(list, empty);
    free(empty);
    return rc;
}

static int check(const char *field, size_t *name)
{
    *name = strspn(field, token);
    if (*name == 0 || field[*name] != ':' || !is_value(field + *name) ||
        is_ours(field, *name))
        return -EINVAL;
    return 0;
}

/* Expect is not sent unless it was asked for: it costs a second with servers that
 * know nothing of it.  Nor is a type that libcurl thinks of. */
static int append_ours(struct curl_slist **list, bool expects, bool typed)
{
    int rc = expects ? 0 : append(list, "Expect:");

    return rc < 0 || typed ? rc : append(list, "Content-Type:");
}

int http__fields_make(const struct http_reply *reply, bool away,
                      struct curl_slist **list)
{
    const char *const *field = reply->request->headers;
    bool expects = false, typed = false;
    size_t name;
    int rc = 0;

    for (; rc == 0 && field != NULL && *field != NULL; field++) {
        rc = check(*field, &name);
        if (rc < 0 || (away && stays(*field)) ||
            (!reply->body && reply->redirects > 0 && of_body(*field)))
            continue;
        expects = expects || begins(*field, "Expect:");
        typed = typed || begins(*field, "Content-Type:");
        rc = append_field(list, *field, name);
    }
    return rc < 0 ? rc : append_ours(list, expects, typed);
}
