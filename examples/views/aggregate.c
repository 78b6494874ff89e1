/* aggregate.c - three services asked at once: as long as the slowest
 *
 * The services are views of this program, so that it needs no others: they are
 * asked over real connections.
 *
 * usage: aggregate [--bind ADDRESS]... */
#include <vireo/http.h>
#include <vireo/httpclient.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_session
    *session; /* keeps connections for the next request */

/* A service: half a second, and a word. */
static int service(struct http_request *request, struct http_response *response)
{
    int rc = hub_sleep(500 * HUB_MILLISECOND);

    return rc < 0 ? rc
                  : http_response_text(response,
                                       http_request_path_arg(request, "what"));
}

static int fetch(void *url, void **text)
{
    struct http_reply *reply;
    int rc = http_session_get(session, url, &reply);

    if (rc < 0)
        return rc;
    *text = strdup(http_reply_body(reply, NULL));
    rc = http_reply_status(reply) != 200 ? -EIO : *text == NULL ? -ENOMEM : 0;
    http_reply_free(reply);
    return rc;
}

/* Fails if one of the three does; what the others brought is dropped by free().
 */
static int aggregate(struct http_request *request,
                     struct http_response *response, struct hub_scope *scope)
{
    static const char *const what[] = {"users", "posts", "tags"};
    struct hub_task *task[3];
    char url[3][200];
    void *text[3];
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++) {
        snprintf(url[i], sizeof url[i], "http://%s/service/%s",
                 http_request_host(request), what[i]);
        rc = hub_task_create(scope, &task[i], fetch, url[i], free);
    }
    if (rc == 0)
        rc = hub_task_gather(task, 3, hub_deadline(5 * HUB_SECOND), text);
    if (rc < 0)
        return rc;
    rc = http_response_jsonf(response, "[s,s,s]", text[0], text[1], text[2]);
    for (int i = 0; i < 3; i++)
        free(text[i]);
    return rc;
}

static int begin(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    return http_session_new(NULL, &session);
}

static int end(struct http_request *request, struct http_response *response)
{
    (void)request;
    (void)response;
    http_session_free(session);
    return 0;
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_before_serving(app, http_view_sync(begin));
    http_app_after_serving(app, http_view_sync(end));
    http_app_route(app, "GET", "/service/<what>", "service",
                   http_view_sync(service));
    http_app_route(app, "GET", "/", "aggregate", http_view_async(aggregate));
    return http_app_run(app, argc, argv) < 0;
}
