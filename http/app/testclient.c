/* testclient.c - asking an application over a pair of sockets (V-24) */
#include "http/app/testclient_impl.h"

#include "hub/socket.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- lines ---- */

static struct http__testline **find(struct http__testline **at, const char *name, bool exact)
{
    while (*at != NULL && (exact ? strcmp((*at)->name, name)
                                 : strcasecmp((*at)->name, name)) != 0)
        at = &(*at)->next;
    return at;
}

static int set(struct http__testline **list, bool exact, const char *name,
               const char *value)
{
    struct http__testline **at = find(list, name, exact), *old = *at, *made = NULL;
    size_t length = strlen(name);

    if (value != NULL) {
        made = http__malloc(sizeof *made + length + strlen(value) + 2);
        if (made == NULL)
            return -ENOMEM;
        strcpy(made->name, name);
        made->value = strcpy(made->name + length + 1, value);
        made->next = old != NULL ? old->next : NULL;
    }
    if (made != NULL)
        *at = made;
    else if (old != NULL)
        *at = old->next;
    free(old);
    return 0;
}

static void free_lines(struct http__testline *line)
{
    while (line != NULL) {
        struct http__testline *next = line->next;

        free(line);
        line = next;
    }
}

static bool is_ours(const char *name)
{
    static const char *const names[] = {"Host",         "Connection",
                                        "Cookie",       "Content-Length",
                                        "Content-Type", "Transfer-Encoding"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

int http_testclient_set_header(struct http_testclient *client, const char *name,
                               const char *value)
{
    if (!http__is_token(name) || is_ours(name) ||
        (value != NULL && !http__is_value(value)))
        return -EINVAL;
    return set(&client->headers, false, name, value);
}

int http_testclient_set_cookie(struct http_testclient *client, const char *name,
                               const char *value)
{
    if (!http__is_token(name) ||
        (value != NULL && (!http__is_value(value) || strchr(value, ';'))))
        return -EINVAL;
    return set(&client->cookies, true, name, value);
}

const char *http_testclient_cookie(const struct http_testclient *client,
                                   const char *name)
{
    const struct http__testline *line = client->cookies;

    while (line != NULL && strcmp(line->name, name) != 0)
        line = line->next;
    return line != NULL ? line->value : NULL;
}

/* ---- making, ending ---- */

int http_testclient_new(struct http_app *app, struct http_testclient **client)
{
    struct http_testclient *made;
    int rc = app->error;

    if (rc < 0)
        return rc;
    made = http__calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->app = app;
    rc = http_server_new(http_app_view(app), NULL, &made->server);
    if (rc == 0)
        rc = http__app_run_around(app, &app->before_serving);
    if (rc < 0) {
        if (made->server != NULL)
            http_server_free(made->server);
        free(made);
        return rc;
    }
    *client = made;
    return 0;
}

void http_testclient_free(struct http_testclient *client)
{
    if (client == NULL)
        return;
    http_server_free(client->server);
    http__app_run_around(client->app, &client->app->after_serving);
    free_lines(client->headers);
    free_lines(client->cookies);
    free(client->answer.data);
    free(client);
}

/* ---- a request ---- */

struct asking {
    struct http_testclient *client;
    int server_fd, fd;
    char *head;
    size_t head_size;
    const void *body;
    size_t size;
    struct greenlet *server, *sender;
};

static void serve(void *arg)
{
    struct asking *asking = arg;

    http_server_connection(asking->client->server, asking->server_fd, NULL);
}

/* Beside who reads the answer: it may come before all was sent, and who is not
 * listened to any more has sent enough. */
static void send_all(void *arg)
{
    struct asking *asking = arg;

    if (hub_send_all(asking->fd, asking->head, asking->head_size, MSG_NOSIGNAL,
                     NULL, HUB_FOREVER) == 0 &&
        asking->size > 0)
        hub_send_all(asking->fd, asking->body, asking->size, MSG_NOSIGNAL, NULL,
                     HUB_FOREVER);
}

void http__testclient_fields(FILE *to, const struct http_testclient *client)
{
    const char *before = "Cookie: ";

    for (const struct http__testline *line = client->headers; line != NULL;
         line = line->next)
        fprintf(to, "%s: %s\r\n", line->name, line->value);
    for (const struct http__testline *line = client->cookies; line != NULL;
         line = line->next, before = "; ")
        fprintf(to, "%s%s=%s", before, line->name, line->value);
    if (client->cookies != NULL)
        fprintf(to, "\r\n");
}

static void write_head(FILE *to, const struct http_testclient *client,
                       const char *method, const char *target, const char *type,
                       size_t size)
{
    fprintf(to, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
            method, target);
    http__testclient_fields(to, client);
    if (type != NULL)
        fprintf(to, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, size);
    fprintf(to, "\r\n");
}

static int make_head(struct asking *asking, const char *method,
                     const char *target, const char *type)
{
    FILE *to = HTTP__ALLOCATION_FAILS()
                   ? NULL
                   : open_memstream(&asking->head, &asking->head_size);
    bool failed;

    if (to == NULL)
        return -ENOMEM;
    write_head(to, asking->client, method, target, type, asking->size);
    failed = ferror(to) != 0;
    return fclose(to) != 0 || failed ? -ENOMEM : 0;
}

/* ---- the answer ---- */

static int reserve(struct http__testtext *text)
{
    size_t room = 2 * text->room + 8192;
    char *data;

    if (text->room - text->size >= 4096)
        return 0;
    data = http__realloc(text->data, room);
    if (data == NULL)
        return -ENOMEM;
    text->data = data;
    text->room = room;
    return 0;
}

/* Byte by byte: what follows is not ours. */
int http__testclient_read_head(struct http__testtext *text, int fd)
{
    ssize_t got = 1;

    while (got == 1) {
        if (reserve(text) < 0)
            return -ENOMEM;
        got = hub_recv(fd, text->data + text->size, 1, 0, HUB_FOREVER);
        text->size += got == 1;
        text->data[text->size] = '\0';
        if (text->size >= 4 &&
            memcmp(text->data + text->size - 4, "\r\n\r\n", 4) == 0)
            return 0;
    }
    return got == 0 || got == -ECONNRESET ? -EPROTO : (int)got;
}

static int read_all(struct http__testtext *text, int fd)
{
    ssize_t got;

    do {
        if (reserve(text) < 0)
            return -ENOMEM;
        got = hub_recv(fd, text->data + text->size, text->room - text->size - 1,
                       0, HUB_FOREVER);
        if (got > 0)
            text->size += (size_t)got;
    } while (got > 0);
    text->data[text->size] = '\0';
    return got == -ECONNRESET ? 0 : (int)got;
}

int http__testclient_read_rest(struct http__testtext *text, int fd)
{
    return strncmp(text->data, "HTTP/1.1 101 ", 13) != 0 ? read_all(text, fd)
                                                         : 0;
}

/* In its place: the data move over what frames them. */
static int unchunk(struct http_testclient *client)
{
    char *from = client->body, *to = client->body;
    char *end = client->answer.data + client->answer.size;
    size_t line;
    uint64_t chunk;

    for (;;) {
        if (http__strict_chunk(from, (size_t)(end - from), &line, &chunk) != 1)
            return -EPROTO;
        from += line;
        if (chunk == 0)
            break;
        if (chunk + 2 > (size_t)(end - from))
            return -EPROTO;
        memmove(to, from, chunk);
        to += chunk;
        from += chunk + 2;
    }
    *to = '\0';
    client->body_size = (size_t)(to - client->body);
    return 0;
}

/* The next field of that name behind `after`, NULL: the first of all. */
static const char *field(const struct http_testclient *client, const char *name,
                         const char *after)
{
    size_t length = strlen(name);
    const char *line = after != NULL ? after : client->answer.data, *end;

    if (client->head == 0)
        return NULL;
    end = client->answer.data + client->head;
    while ((line += strlen(line) + 1) < end)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 2;
    return NULL;
}

/* "name=value; Path=..."; with Max-Age=0 it is deleted. */
static int take_cookie(struct http_testclient *client, const char *text)
{
    const char *end = text + strcspn(text, ";");
    const char *equals = memchr(text, '=', (size_t)(end - text));
    bool gone = strstr(end, "; Max-Age=0") != NULL;
    char *copy;
    int rc;

    if (equals == NULL)
        return 0;
    copy = http__malloc((size_t)(end - text) + 1);
    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = '\0';
    copy[equals - text] = '\0';
    rc = set(&client->cookies, true, copy,
             gone ? NULL : copy + (equals - text) + 1);
    free(copy);
    return rc;
}

/* Each line of the head ends with a 0 from here on. */
static int split_head(struct http_testclient *client)
{
    const struct http__testtext *answer = &client->answer;
    char *end = memmem(answer->data, answer->size, "\r\n\r\n", 4);
    char *to = answer->data;
    int status = 0;

    if (end == NULL || sscanf(answer->data, "HTTP/1.1 %d", &status) != 1)
        return -EPROTO;
    client->body = end + 4;
    client->body_size = (size_t)(answer->data + answer->size - client->body);
    for (char *from = answer->data; from < end; from++)
        if (*from != '\r')
            *to++ = *from == '\n' ? '\0' : *from;
    *to++ = '\0';
    client->head = (size_t)(to - answer->data);
    return status;
}

static int split(struct http_testclient *client)
{
    const char *cookie = NULL;
    int status, rc = 0;

    client->body = client->answer.data + client->answer.size;
    client->body_size = 0;
    status = split_head(client);
    if (status < 0)
        return status;
    if (field(client, "Transfer-Encoding", NULL) != NULL)
        rc = unchunk(client);
    while (rc == 0 && (cookie = field(client, "Set-Cookie", cookie)) != NULL)
        rc = take_cookie(client, cookie);
    return rc < 0 ? rc : status;
}

int http__testclient_take(struct http_testclient *client,
                          const struct http__testtext *text, int rc)
{
    free(client->answer.data);
    client->answer = *text;
    client->head = client->body_size = 0;
    client->body = NULL;
    return rc == 0 ? split(client) : rc;
}

static bool was_cut(const struct http_testclient *client, const char *method)
{
    const char *length = field(client, "Content-Length", NULL);

    return length != NULL && strcmp(method, "HEAD") != 0 &&
           strtoull(length, NULL, 10) != client->body_size &&
           strncmp(client->answer.data + 9, "304", 3) != 0;
}

/* ---- both ---- */

static int connect_to(struct asking *asking)
{
    int fds[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    asking->server_fd = fds[0];
    asking->fd = fds[1];
    rc = hub_fd_wrap(asking->fd);
    if (rc == 0) {
        asking->server = hub_spawn_raw(serve, asking);
        asking->sender = hub_spawn_raw(send_all, asking);
    }
    if (rc == 0 && asking->server != NULL && asking->sender != NULL)
        return 0;
    if (asking->server != NULL)
        hub_kill(asking->server); /* it has not begun, and fd is still ours */
    greenlet_unref(asking->server);
    if (asking->sender != NULL)
        hub_kill(asking->sender);
    greenlet_unref(asking->sender);
    hub_close(fds[0]);
    hub_close(fds[1]);
    return rc < 0 ? rc : -ENOMEM;
}

/* Both have ended when the answer has been read, or are ended. */
static void finish(struct asking *asking)
{
    struct hub_shield shield;

    hub_shield_begin(&shield);
    hub_kill_join(asking->sender, HUB_FOREVER);
    hub_close(asking->fd);
    hub_join(asking->server, HUB_FOREVER);
    hub_shield_end(&shield);
    greenlet_unref(asking->sender);
    greenlet_unref(asking->server);
}

bool http__testclient_is_target(const char *target)
{
    if (*target != '/' && strcmp(target, "*") != 0)
        return false;
    while (*target > ' ' && *target < 0x7f)
        target++;
    return *target == '\0';
}

int http_testclient_request(struct http_testclient *client, const char *method,
                            const char *target, const char *type,
                            const void *body, size_t size)
{
    struct asking asking = {.client = client, .body = body, .size = size};
    struct http__testtext text = {0};
    int saved = errno, rc;

    if (!http__is_token(method) || !http__testclient_is_target(target) ||
        (type == NULL && size > 0) || (type != NULL && !http__is_value(type)))
        return -EINVAL;
    rc = make_head(&asking, method, target, type);
    if (rc == 0)
        rc = connect_to(&asking);
    if (rc == 0) {
        rc = read_all(&text, asking.fd);
        finish(&asking);
    }
    rc = http__testclient_take(client, &text, rc);
    if (rc > 0 && was_cut(client, method))
        rc = -EPROTO;
    free(asking.head);
    errno = saved;
    return rc;
}

int http_testclient_get(struct http_testclient *client, const char *target)
{
    return http_testclient_request(client, "GET", target, NULL, NULL, 0);
}

int http_testclient_post(struct http_testclient *client, const char *target,
                         const char *type, const char *text)
{
    return http_testclient_request(client, "POST", target, type, text,
                                   strlen(text));
}

const char *http_testclient_header(const struct http_testclient *client,
                                   const char *name)
{
    return field(client, name, NULL);
}

const char *http_testclient_body(const struct http_testclient *client,
                                 size_t *size)
{
    if (size != NULL)
        *size = client->body_size;
    return client->body != NULL ? client->body : "";
}
