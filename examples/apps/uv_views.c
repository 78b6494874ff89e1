/* uv_views.c - async views on libuv
 *
 * Whoever has code for libuv keeps it: a view starts what it wants on a loop of its
 * request, and returns; callbacks fill the response, and it is sent when nothing is
 * left on the loop.  uv_run() waits in epoll_wait(), which suspends its greenlet alone,
 * since the program is linked to the preload library: there are as many loops as
 * requests, on one OS thread.
 *
 * usage: UPSTREAM_PORT=PORT uv_views [--bind ADDRESS]... */
#include <vireo/http.h>

#include <uv.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the adapter ---- */

struct uv_view {
    uv_loop_t loop;
    uv_async_t stop;
    int rc; /* what the view comes to; callbacks set it */
};

static void close_one(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_all(uv_async_t *stop)
{
    uv_walk(stop->loop, close_one, NULL);
}

static int run_loop(void *arg, void **result)
{
    struct uv_view *uv = arg;

    (void)result;
    uv_run(&uv->loop, UV_RUN_DEFAULT);
    close_all(&uv->stop);
    uv_run(&uv->loop, UV_RUN_DEFAULT); /* until they are closed */
    return 0;
}

/* libuv knows of no wait that is cancelled, and would end the process: so the loop
 * has a greenlet that nobody kills, and is told when its view was. */
static int wait_for(struct uv_view *uv)
{
    struct greenlet *runner = http_request_spawn(run_loop, uv);
    struct hub_shield shield;
    int rc;

    if (runner == NULL) {
        close_all(&uv->stop);
        uv_run(&uv->loop, UV_RUN_NOWAIT);
        return -ENOMEM;
    }
    rc = hub_join(runner, HUB_FOREVER);
    if (!hub_dead(runner)) {
        uv_async_send(&uv->stop);
        hub_shield_begin(&shield);
        hub_join(runner, HUB_FOREVER);
        hub_shield_end(&shield);
    }
    greenlet_unref(runner);
    return rc;
}

static int call(const struct http_view *view, struct uv_view *uv,
                struct http_request *request, struct http_response *response)
{
    http_view_async_function *function =
        (http_view_async_function *)view->function;
    struct hub_scope scope;
    int rc = hub_scope_begin(&scope, 0), ended, waited;

    if (rc < 0)
        return rc;
    rc = function(request, response, &scope);
    if (rc < 0)
        close_all(&uv->stop);
    waited = wait_for(uv);
    ended = hub_scope_end(&scope);
    if (rc < 0 || uv->rc != 0)
        return rc < 0 ? rc : uv->rc;
    return waited < 0 ? waited : ended < 0 ? ended : rc;
}

static int on_libuv(struct http_app *app, const struct http_view *view,
                    struct http_request *request,
                    struct http_response *response)
{
    struct uv_view *uv = http_request_alloc(request, sizeof *uv);
    int rc = uv != NULL ? uv_loop_init(&uv->loop) : -ENOMEM;

    (void)app;
    if (rc < 0)
        return rc; /* libuv's errors are negative errnos, too */
    uv->rc = 0;
    rc = uv_async_init(&uv->loop, &uv->stop, close_all);
    if (rc == 0) {
        uv_unref((uv_handle_t *)&uv->stop);
        http_g_set("uv", uv, NULL);
        rc = call(view, uv, request, response);
    }
    uv_loop_close(&uv->loop);
    return rc;
}

static struct uv_view *uv_of_request(void)
{
    return http_g_get("uv");
}

/* ---- a view: a timer and an upstream at once ---- */

struct asking {
    struct http_response *response;
    struct uv_view *uv;
    uv_timer_t timer;
    uv_tcp_t upstream;
    uv_connect_t connect;
    uv_write_t write;
    char text[64];
    size_t length;
    int left;
};

static void one_less(struct asking *asking, uv_handle_t *handle, int rc)
{
    if (rc < 0 && asking->uv->rc == 0)
        asking->uv->rc = rc;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
    if (--asking->left == 0 && asking->uv->rc == 0)
        asking->uv->rc = http_response_printf(asking->response, "upstream: %s\n",
                                              asking->text);
}

static void on_time(uv_timer_t *timer)
{
    one_less(timer->data, (uv_handle_t *)timer, 0);
}

static void on_space(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct asking *asking = handle->data;

    (void)size;
    *buffer = uv_buf_init(
        asking->text + asking->length,
        (unsigned)(sizeof asking->text - 1 - asking->length));
}

static void on_data(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct asking *asking = stream->data;

    (void)buffer;
    if (size > 0)
        asking->length += (size_t)size;
    else if (size < 0)
        one_less(asking, (uv_handle_t *)stream,
                 size == UV_EOF ? 0 : (int)size);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct asking *asking = connect->data;
    uv_buf_t question = uv_buf_init((char *)(uintptr_t) "hello\n", 6);
    uv_stream_t *stream = (uv_stream_t *)&asking->upstream;

    if (status == UV_ECANCELED)
        return; /* the view is not wanted any more */
    if (status == 0)
        status = uv_write(&asking->write, stream, &question, 1, NULL);
    if (status == 0)
        status = uv_read_start(stream, on_space, on_data);
    if (status < 0)
        one_less(asking, (uv_handle_t *)stream, status);
}

static int together(struct http_request *request,
                    struct http_response *response, struct hub_scope *scope)
{
    struct asking *asking = http_request_alloc(request, sizeof *asking);
    struct sockaddr_in address;
    int rc;

    (void)scope;
    if (asking == NULL)
        return -ENOMEM;
    memset(asking, 0, sizeof *asking);
    asking->response = response;
    asking->uv = uv_of_request();
    asking->left = 2;
    asking->timer.data = asking->upstream.data = asking->connect.data = asking;
    uv_timer_init(&asking->uv->loop, &asking->timer);
    uv_tcp_init(&asking->uv->loop, &asking->upstream);
    uv_ip4_addr("127.0.0.1", atoi(getenv("UPSTREAM_PORT")), &address);
    rc = uv_timer_start(&asking->timer, on_time, 50, 0);
    if (rc == 0)
        rc = uv_tcp_connect(&asking->connect, &asking->upstream,
                            (struct sockaddr *)&address, on_connect);
    return rc;
}

static int hello(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "hello\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    if (getenv("UPSTREAM_PORT") == NULL)
        return 2;
    http_app_set_adapter(app, on_libuv);
    http_app_route(app, "GET", "/together", "together",
                   http_view_async(together));
    http_app_route(app, "GET", "/hello", "hello", http_view_sync(hello));
    return http_app_run(app, argc, argv) < 0;
}
