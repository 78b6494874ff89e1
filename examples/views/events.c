/* events.c - server-sent events: a response that is made piece by piece
 *
 * usage: events [--bind ADDRESS]... */
#include <vireo/http.h>

/* Runs in the greenlet of its connection.  When the client goes away its waits
 * end with -ECANCELED, and writes with -EPIPE. */
static int count_down(struct http_stream *stream, void *data)
{
    int rc = 0;

    (void)data;
    for (int i = 3; i > 0 && rc == 0; i--) {
        rc = http_stream_event(stream, "count", "%d", i);
        if (rc == 0)
            rc = hub_sleep(300 * HUB_MILLISECOND);
    }
    return rc < 0 ? rc : http_stream_event(stream, "lift-off", "now");
}

static int events(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_stream(response, "text/event-stream", count_down,
                                NULL);
}

static int page(struct http_request *request, struct http_response *response)
{
    static const char html[] =
        "<!doctype html><ol id=log></ol><script>\n"
        "const source = new EventSource('/events');\n"
        "const tell = e => document.getElementById('log').append(\n"
        "    Object.assign(document.createElement('li'), {innerText: "
        "e.data}));\n"
        "source.addEventListener('count', tell);\n"
        "source.addEventListener('lift-off', e => {\n"
        "    tell(e); source.close(); });\n"
        "</script>\n";

    (void)request;
    http_response_set_header(response, "Content-Type",
                             "text/html; charset=utf-8");
    return http_response_write(response, html, sizeof html - 1);
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "GET", "/", "page", http_view_sync(page));
    http_app_route(app, "GET", "/events", "events", http_view_sync(events));
    return http_app_run(app, argc, argv) < 0;
}
