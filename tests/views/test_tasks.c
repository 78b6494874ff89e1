/* Tasks and greenlets of views that fail with nobody to see it (V-09). */
#include "views.h"

#include <fcntl.h>

static int fails(void *arg, void **result)
{
    (void)result;
    hub_yield();
    return (int)(intptr_t)arg;
}

/* Nobody awaits it. */
static int forgets(struct http_request *request, struct http_response *response,
                   struct hub_scope *scope)
{
    int rc = hub_task_create(scope, NULL, fails, (void *)(intptr_t)-EIO, NULL);

    (void)request;
    if (rc == 0)
        rc = hub_scope_join(scope, HUB_FOREVER);
    return rc == 0 ? http_response_text(response, "text") : rc;
}

static int spawns(struct http_request *request, struct http_response *response)
{
    struct greenlet *g = http_request_spawn(fails, (void *)(intptr_t)-EIO);

    (void)request;
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    return http_response_text(response, "text");
}

/* What the hub says while that is asked for. */
static const char *said_of(const char *path)
{
    static char text[2048];
    int ends[2];
    ssize_t n;

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    hub_set_error_fd(ends[1]);
    ask(path);
    hub_set_error_fd(2);
    n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    close(ends[1]);
    return text;
}

START_TEST(v09_an_error_that_nobody_awaits_names_the_view)
    {
        http_app_route(app, NULL, "/in/<int:n>", "forgets",
                       http_view_async(forgets));
        http_app_route(app, NULL, "/out", "spawns", http_view_sync(spawns));
        views_serve();
        ck_assert_ptr_nonnull(
            strstr(said_of("/in/7"), " (of GET /in/<int:n>, forgets) failed"));
        ck_assert_ptr_nonnull(strstr(said_of("/in/7"), "Input/output error"));
        ck_assert_ptr_nonnull(
            strstr(said_of("/out"), " (of GET /out, spawns) failed"));
    }
END_TEST

int main(void)
{
    TCase *tcase = views_case();

    tcase_add_test(tcase, v09_an_error_that_nobody_awaits_names_the_view);
    return unit_run("tasks", tcase);
}
