/* hello.c - an application with one view, and one that greets by name
 *
 * usage: hello [--bind ADDRESS]... */
#include <vireo/http.h>

static int hello(struct http_request *request, struct http_response *response)
{
    (void)request;
    return http_response_text(response, "Hello, world\n");
}

static int greet(struct http_request *request, struct http_response *response)
{
    return http_response_jsonf(response, "{s:s}", "hello",
                               http_request_path_arg(request, "name"));
}

int main(int argc, char **argv)
{
    struct http_app *app =
        http_app_new(); /* errors stick, and run tells them */

    http_app_route(app, "GET", "/", "hello", http_view_sync(hello));
    http_app_route(app, "GET", "/hello/<name>", "greet", http_view_sync(greet));
    return http_app_run(app, argc, argv) < 0;
}
