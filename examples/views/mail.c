/* mail.c - an e-mail that is sent behind the response: 202 at once
 *
 * The greenlet outlives its request by an explicit call, and the server drains
 * it when it stops.  What has to outlive the process belongs into a task queue.
 *
 * usage: mail [--bind ADDRESS]... */
#include <vireo/http.h>

#include <errno.h>

/* It has a copy of the view's context: the request is still the current one,
 * and lives as long as this greenlet. */
static int send_mail(void *arg, void **result)
{
    struct http_request *request = http_request_current();
    int rc =
        hub_sleep(300 * HUB_MILLISECOND); /* a mail server takes its time */

    (void)arg;
    (void)result;
    if (rc == 0)
        http_app_log(http_request_app(request), HTTP_APP_INFO,
                     "mail to %s: sent",
                     http_request_form_field(request, "to"));
    return rc;
}

static int order(struct http_request *request, struct http_response *response)
{
    struct greenlet *mail;
    int rc = http_request_form(request);

    if (rc < 0)
        return rc;
    if (http_request_form_field(request, "to") == NULL)
        return 400;
    mail = http_request_spawn(send_mail, NULL);
    if (mail == NULL)
        return -ENOMEM;
    greenlet_unref(mail); /* it runs on without us */
    http_response_set_status(response, 202);
    return http_response_text(response, "The mail is on its way.\n");
}

int main(int argc, char **argv)
{
    struct http_app *app = http_app_new();

    http_app_route(app, "POST", "/orders", "order", http_view_sync(order));
    return http_app_run(app, argc, argv) < 0;
}
