/* websocket_room.c - an application with chat rooms: WebSocket views
 *
 * `websocket_room --bind 127.0.0.1:8080` serves browsers; without an argument,
 * or with a number, the program has so many members talk in a room, and ends.
 */
#include <vireo/http.h>
#include <vireo/hub.h>
#include <vireo/queue.h>
#include <vireo/task.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* ---- what is said ---- */

/* One text for all who hear it. */
struct words {
    unsigned refs;
    size_t size;
    char text[];
};

static void words_unref(struct words *words)
{
    if (--words->refs == 0)
        free(words);
}

static struct words *words_new(const char *name, const char *text)
{
    size_t room = strlen(name) + strlen(text) + 3;
    struct words *words = malloc(sizeof *words + room);

    if (words != NULL) {
        words->refs = 1;
        words->size = (size_t)snprintf(words->text, room, "%s: %s", name, text);
    }
    return words;
}

/* ---- members ---- */

/* Lives in the frame of its view. */
struct member {
    struct member *next;
    const char *room;
    struct http_websocket *socket;
    struct hub_queue queue; /* what it has not heard yet */
};
static struct member *members;

/* Nobody waits for who is slow: who is 100 behind is sent away. */
static void say_to_all(const char *room, struct words *words)
{
    for (struct member *m = members; m != NULL; m = m->next) {
        if (strcmp(m->room, room) != 0)
            continue;
        words->refs++;
        if (hub_queue_try_put(&m->queue, words) < 0) {
            words_unref(words);
            hub_queue_shutdown(&m->queue, false);
        }
    }
}

/* The task of a member that sends.  A client that is gone is seen by who
 * receives. */
static int hear(void *arg, void **result)
{
    struct member *member = arg;
    void *item;
    int rc;

    (void)result;
    while ((rc = hub_queue_get(&member->queue, HUB_FOREVER, &item)) == 0) {
        struct words *words = item;

        http_websocket_send(member->socket, HTTP_WEBSOCKET_TEXT, words->text,
                            words->size, HUB_FOREVER);
        words_unref(words);
    }
    if (rc == -ESHUTDOWN)
        http_websocket_close(member->socket, HTTP_WEBSOCKET_TRY_LATER,
                             "too slow", HUB_FOREVER);
    return 0;
}

static void leave(void *arg)
{
    struct member *member = arg, **at = &members;
    void *item;

    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    while (hub_queue_try_get(&member->queue, &item) == 0)
        words_unref(item);
    hub_queue_destroy(&member->queue);
}

static int talk(struct http_request *request, struct member *member)
{
    struct http_websocket_message message;
    const char *name = http_request_arg(request, "name");
    int rc;

    while ((rc = http_websocket_receive(member->socket, &message,
                                        HUB_FOREVER)) == 1) {
        struct words *words =
            words_new(name != NULL ? name : "somebody", message.data);

        if (words == NULL)
            return -ENOMEM;
        say_to_all(member->room, words);
        words_unref(words);
    }
    return rc;
}

/* Async: one task sends what others say, while the view receives.  The task has
 * ended when what was deferred is run. */
static int room(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    struct member *member = http_request_alloc(request, sizeof *member);
    struct hub_task *task;
    int rc = member != NULL ? 0 : -ENOMEM;

    if (rc == 0)
        rc = http_websocket_open(request, response, &member->socket);
    if (rc == 0)
        rc = hub_queue_init(&member->queue, 100);
    if (rc != 0)
        return rc;
    member->room = http_request_path_arg(request, "room");
    member->next = members;
    members = member;
    greenlet_defer(leave, member);
    rc = hub_task_create(scope, &task, hear, member, NULL);
    return rc == 0 ? talk(request, member) : rc;
}

/* ---- the page ---- */

static const char html[] =
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Room</title>\n"
    "<meta name=viewport content='width=device-width'>\n"
    "<style>:root{color-scheme:light dark;font:16px/1.5 system-ui}\n"
    "body{max-width:40em;margin:2em auto;padding:0 1em}\n"
    "#said{min-height:10em;padding:0;list-style:none}\n"
    "input{font:inherit;width:100%;box-sizing:border-box;padding:.4em}</"
    "style>\n"
    "<h1>Room</h1><p id=state role=status>connecting</p>\n"
    "<ul id=said aria-live=polite></ul>\n"
    "<form><label>Say <input autocomplete=off></label></form>\n"
    "<script>\n"
    "const $ = s => document.querySelector(s);\n"
    "const query = location.search || '?name=guest';\n"
    "const ws = new WebSocket(location.origin.replace(/^http/, 'ws') +\n"
    "                         '/rooms/lobby' + query);\n"
    "ws.onopen = () => { $('#state').textContent = 'connected';\n"
    "                    ws.send('hello'); };\n"
    "ws.onclose = e => { $('#state').textContent = 'closed: ' + e.code; };\n"
    "ws.onmessage = e => { const li = document.createElement('li');\n"
    "                      li.textContent = e.data; $('#said').append(li); };\n"
    "$('form').onsubmit = e => { e.preventDefault();\n"
    "                            ws.send($('input').value);\n"
    "                            $('input').value = ''; };\n"
    "</script></html>\n";

static int page(struct http_request *request, struct http_response *response)
{
    (void)request;
    http_response_set_header(response, "Content-Type",
                             "text/html; charset=utf-8");
    return http_response_write(response, html, sizeof html - 1);
}

/* ---- many members, in this process ---- */

enum { SPEAKERS = 10 };

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "room: %s\n", strerror(-rc));
        exit(EXIT_FAILURE);
    }
}

/* Two descriptors for each member. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Returns how many heard the same as the first. */
static int listen_to(struct http_testsocket **guests, int count)
{
    struct http_websocket_message message;
    char first[SPEAKERS][64];
    int same = 0;

    for (int i = 0; i < count; i++) {
        int alike = 0;

        for (int k = 0; k < SPEAKERS; k++) {
            must(http_testsocket_receive(guests[i], &message, HUB_FOREVER) - 1);
            if (i == 0)
                snprintf(first[k], sizeof first[k], "%s", message.data);
            alike += strcmp(first[k], message.data) == 0;
        }
        same += alike == SPEAKERS;
    }
    return same;
}

static void play(struct http_app *app, int count)
{
    struct http_testsocket **guests = calloc((size_t)count, sizeof *guests);
    struct http_testclient *client;
    char text[64];

    if (guests == NULL)
        must(-ENOMEM);
    allow_descriptors();
    must(http_testclient_new(app, &client));
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "/rooms/lobby?name=member+%d", i);
        if (http_testsocket_open(client, text, NULL, &guests[i]) != 101)
            must(-EPROTO);
    }
    for (int i = 0; i < SPEAKERS; i++)
        must(http_testsocket_send(guests[i], HTTP_WEBSOCKET_TEXT, "hello", 5));
    printf("%d members are in the room\n", count);
    printf("%d have heard the same %d messages, in the same order\n",
           listen_to(guests, count), SPEAKERS);
    for (int i = 0; i < count; i++)
        http_testsocket_free(guests[i]);
    printf("%s is left\n", members == NULL ? "nobody" : "somebody");
    http_testclient_free(client);
    free(guests);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();
    int count = argc > 1 ? atoi(argv[1]) : 50;

    http_app_route(app, "GET", "/", "page", http_view_sync(page));
    http_app_websocket(app, "/rooms/<room>", "room", http_view_async(room));
    if (argc > 2 || count <= 0)
        return http_app_run(app, argc, argv) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    play(app, count);
    http_app_free(app);
    return EXIT_SUCCESS;
}
