/* http_login.c - an extension: views for those alone who have logged in
 *
 * It is a wrapper (http_view_wrap()) around sync, async and WebSocket views;
 * who is logged in stands in the signed session.  `http_login --bind
 * 127.0.0.1:8080` serves; without an argument the program asks itself, and
 * ends. */
#include <vireo/http.h>

#include <stdio.h>
#include <string.h>

/* ---- the extension ---- */

struct login {
    const char *endpoint; /* of the page where one logs in */
};

/* A browser is led to the page where it can log in, and from there back; who is
 * none is told. */
static int login_required(struct http_request *request,
                          struct http_response *response,
                          const struct http_view *inner, void *data)
{
    const struct login *login = data;
    const char *accept = http_request_header(request, "Accept"), *location;

    if (http_request_session_get(request, "user") != NULL)
        return http_view_call(inner, request, response);
    if (accept == NULL || strstr(accept, "text/html") == NULL)
        return 401;
    location = http_request_url_for(request, login->endpoint, "next",
                                    http_request_path(request), NULL);
    return location != NULL ? http_response_redirect(response, location, 303)
                            : 500;
}

/* A path of ours: "//evil.example" and "/\evil.example" are none. */
static bool is_ours(const char *path)
{
    return path != NULL && path[0] == '/' && path[1] != '/' && path[1] != '\\';
}

/* ---- an application ---- */

/* A real one has a table, of hashes (crypt(3)) of passwords. */
static bool knows(const char *name, const char *password)
{
    return name != NULL && password != NULL && strcmp(name, "ada") == 0 &&
           strcmp(password, "1843") == 0;
}

static int log_in(struct http_request *request, struct http_response *response)
{
    const char *name = http_request_form_field(request, "name");
    const char *next = http_request_arg(request, "next");
    int rc;

    if (!knows(name, http_request_form_field(request, "password")))
        return 403;
    rc = http_request_session_clear(request); /* nobody else's is taken over */
    if (rc == 0)
        rc = http_request_session_set(request, "user", name);
    return rc < 0 ? rc
                  : http_response_redirect(response, is_ours(next) ? next : "/",
                                           303);
}

static int ask_who(struct http_request *request, struct http_response *response)
{
    static const char form[] =
        "<!DOCTYPE html><title>Log in</title><form method=post>\n"
        "<label>Name <input name=name autocomplete=username></label>\n"
        "<label>Password <input name=password type=password></label>\n"
        "<button>Log in</button></form>\n";

    (void)request;
    http_response_set_header(response, "Content-Type", "text/html");
    return http_response_write(response, form, sizeof form - 1);
}

static int log_out(struct http_request *request, struct http_response *response)
{
    int rc = http_request_session_clear(request);

    return rc < 0 ? rc : http_response_redirect(response, "/", 303);
}

static int home(struct http_request *request, struct http_response *response,
                struct hub_scope *scope)
{
    (void)scope;
    return http_response_printf(response, "home of %s",
                                http_request_session_get(request, "user"));
}

static int greet(struct http_request *request, struct http_response *response)
{
    const char *user = http_request_session_get(request, "user");
    struct http_websocket *socket;
    int rc = http_websocket_open(request, response, &socket);

    return rc == 0 ? http_websocket_send(socket, HTTP_WEBSOCKET_TEXT, user,
                                         strlen(user), HUB_FOREVER)
                   : rc;
}

static void put_together(struct http_app *app)
{
    static const char *const secrets[] = {"of a file, in a real one"};
    static struct login login = {"ask_who"};

    http_app_set_secrets(app, secrets, 1);
    http_app_route(app, "GET", "/login", "ask_who", http_view_sync(ask_who));
    http_app_route(app, "POST", "/login", "log_in", http_view_sync(log_in));
    http_app_route(app, "POST", "/logout", "log_out", http_view_sync(log_out));
    http_app_route(
        app, "GET", "/home", "home",
        http_view_wrap(app, http_view_async(home), login_required, &login));
    http_app_websocket(
        app, "/greet", "greet",
        http_view_wrap(app, http_view_sync(greet), login_required, &login));
}

/* ---- what a browser would ask ---- */

static void told(const char *what, struct http_testclient *client, int status)
{
    const char *location = http_testclient_header(client, "Location");

    printf("%s: %d %s\n", what, status,
           location != NULL ? location : http_testclient_body(client, NULL));
}

static void log_in_as(struct http_testclient *client, const char *what,
                      const char *target, const char *form)
{
    told(what, client,
         http_testclient_post(client, target,
                              "application/x-www-form-urlencoded", form));
}

static void greeted(struct http_testclient *client)
{
    struct http_websocket_message message;
    struct http_testsocket *socket;
    int rc = http_testsocket_open(client, "/greet", NULL, &socket);

    printf("WebSocket: %d", rc);
    if (rc == 101 &&
        http_testsocket_receive(socket, &message, HUB_FOREVER) == 1)
        printf(" %s", message.data);
    printf("\n");
    http_testsocket_free(socket);
}

static int ask_all(struct http_app *app)
{
    struct http_testclient *client;
    int rc = http_testclient_new(app, &client);

    if (rc < 0)
        return rc;
    told("a program", client, http_testclient_get(client, "/home"));
    http_testclient_set_header(client, "Accept", "text/html");
    told("a browser", client, http_testclient_get(client, "/home"));
    http_testclient_set_header(client, "Accept", NULL);
    greeted(client);
    log_in_as(client, "wrong", "/login", "name=ada&password=1815");
    log_in_as(client, "right", "/login?next=/home", "name=ada&password=1843");
    told("home", client, http_testclient_get(client, "/home"));
    greeted(client);
    log_in_as(client, "led astray", "/login?next=//evil.example",
              "name=ada&password=1843");
    log_in_as(client, "out", "/logout", "");
    told("home", client, http_testclient_get(client, "/home"));
    http_testclient_set_cookie(client, "session", "eyJ1c2VyIjoiYWRhIn0.1.x");
    told("forged", client, http_testclient_get(client, "/home"));
    http_testclient_free(client);
    return 0;
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();
    int rc;

    put_together(app);
    if (argc > 1)
        return http_app_run(app, argc, argv) == 0 ? 0 : 1;
    rc = ask_all(app);
    http_app_free(app);
    return rc == 0 ? 0 : 1;
}
