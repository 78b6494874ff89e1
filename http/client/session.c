/* session.c - sessions: options, and their beginning and end */
#include "http/client/client_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- libcurl ---- */

static CURLcode started;

/* Never taken back: other code of the process may use it at any time. */
static void start_curl(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int use_curl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (pthread_once(&once, start_curl) != 0)
        return -ENOMEM;
    return started == CURLE_OK ? 0 : -ENOMEM;
}

/* ---- options ---- */

static void choose(int64_t *value, int64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static int defaults(struct http_session_options *options)
{
    if (options->connections > INT32_MAX || options->per_host > INT32_MAX)
        return -EINVAL;
    if (options->connections == 0)
        options->connections = 100;
    if (options->per_host == 0 || options->per_host > options->connections)
        options->per_host = options->connections;
    if (options->redirects == 0)
        options->redirects = 10;
    if (options->limit == 0)
        options->limit = 16 * 1024 * 1024;
    if (options->buffer == 0)
        options->buffer = 64 * 1024;
    choose(&options->idle_timeout, 30 * HUB_SECOND);
    choose(&options->connect_timeout, 10 * HUB_SECOND);
    choose(&options->first_byte_timeout, 60 * HUB_SECOND);
    choose(&options->timeout, 300 * HUB_SECOND);
    return 0;
}

/* The texts of the options, one behind the other in one piece of memory. */
static int own_texts(struct http_session *session)
{
    struct http_session_options *options = &session->options;
    const char **const texts[] = { &options->user_agent, &options->ca_file,
                                   &options->certificate, &options->key,
                                   &options->proxy, &options->unix_socket };
    const size_t count = sizeof texts / sizeof *texts;
    size_t size = 1, length;
    char *at;

    for (size_t i = 0; i < count; i++)
        size += *texts[i] != NULL ? strlen(*texts[i]) + 1 : 0;
    at = session->texts = http__client_alloc(size);
    if (at == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (*texts[i] == NULL)
            continue;
        length = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(at, *texts[i], length);
        at += length;
    }
    return 0;
}

/* ---- life ---- */

void http__session_ref(struct http_session *session)
{
    session->refs++;
}

void http__session_unref(struct http_session *session)
{
    if (--session->refs > 0)
        return;
    http__hosts_drop(session);
    hub_semaphore_destroy(&session->permits);
    free(session->texts);
    free(session);
}

bool http__session_is_here(const struct http_session *session)
{
    return session->process == getpid();
}

int http__session_check(const struct http_session *session)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return -ENOMEM;
    if (hub != session->hub || hub_id(hub) != session->hub_id ||
        !http__session_is_here(session))
        return -EXDEV;
    return session->closed ? -EBADF : 0;
}

static int set_up(struct http_session *session)
{
    int rc = defaults(&session->options);

    if (rc == 0)
        rc = own_texts(session);
    if (rc == 0)
        rc = use_curl();
    if (rc < 0)
        return rc;
    hub_semaphore_init(&session->permits, (int)session->options.connections);
    return http__drive_open(session);
}

int http_session_new(const struct http_session_options *options,
                     struct http_session **session)
{
    struct hub *hub = hub_current();
    struct http_session *made =
        hub != NULL ? http__client_alloc(sizeof *made) : NULL;
    int rc;

    *session = NULL;
    if (made == NULL)
        return -ENOMEM;
    made->hub = hub;
    made->hub_id = hub_id(hub);
    made->process = getpid();
    made->refs = 1;
    made->epoll = made->timer = -1;
    if (options != NULL)
        made->options = *options;
    rc = set_up(made);
    if (rc < 0) {
        http__drive_close(made);
        http__session_unref(made);
        return rc;
    }
    *session = made;
    return 0;
}

void http_session_free(struct http_session *session)
{
    if (session == NULL || session->closed || !http__session_is_here(session))
        return;
    session->closed = true;
    while (session->first != NULL) {
        session->first->why = "the session was freed";
        http__transfer_end(session->first, -EBADF);
    }
    http__drive_close(session);
    http__session_unref(session);
}

/* ---- what is known of it ---- */

const char *http_session_error(const struct http_session *session)
{
    return session->error;
}

unsigned http_session_active(const struct http_session *session,
                             unsigned *waiting)
{
    if (waiting != NULL)
        *waiting = session->waiting;
    return session->active;
}
