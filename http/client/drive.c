/* drive.c - libcurl's multi handle in the loop of the hub
 *
 * libcurl says which sockets it waits for, and until when.  They go into an epoll
 * set of the session's, with a timer's descriptor beside them; the hub watches that
 * set, as one descriptor, while there are transfers.  So nothing of ours is allocated
 * when libcurl changes its mind. */
#include "http/client/client_impl.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- what libcurl asks for ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
                     void *known)
{
    struct http_session *session = data;
    struct epoll_event event = { .data.fd = fd };
    static char there;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(session->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                   (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(session->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                  fd, &event) < 0) {
        session->starved = true; /* an error here would be libcurl's last word */
        return 0;
    }
    if (known == NULL)
        curl_multi_assign(session->multi, fd, &there);
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *data)
{
    struct http_session *session = data;
    struct itimerspec at = { .it_value = { 0, 0 } };

    (void)multi;
    if (ms > 0)
        at.it_value =
            (struct timespec){ ms / 1000, ms % 1000 * 1000 * 1000 };
    else if (ms == 0)
        at.it_value.tv_nsec = 1; /* 0 would stop it */
    return timerfd_settime(session->timer, 0, &at, NULL);
}

/* ---- what has happened ---- */

static void ended(struct http_session *session)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(session->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *reply = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &reply);
        http__transfer_end(
            (struct http_reply *)reply,
            code == CURLE_OK ? 0
                             : http__error_of((struct http_reply *)reply, code));
    }
}

static CURLMcode one(struct http_session *session,
                     const struct epoll_event *event)
{
    int what = 0, running, fd = event->data.fd;
    uint64_t times;

    if (fd == session->timer) {
        if (read(fd, &times, sizeof times) != sizeof times)
            return CURLM_OK;
        return curl_multi_socket_action(session->multi, CURL_SOCKET_TIMEOUT, 0,
                                        &running);
    }
    if (event->events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (event->events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    return curl_multi_socket_action(session->multi, fd, what, &running);
}

/* libcurl had no memory, or we no place, to note a socket: it does not say for whom,
 * and (7.88) has spoilt what it knows of it.  All that is under way ends. */
static void give_up(struct http_session *session)
{
    session->starved = false;
    while (session->first != NULL) {
        session->first->why = "no memory to wait for a socket";
        http__transfer_end(session->first, -ENOMEM);
    }
}

/* In the loop.  What does not fit comes with the next turn. */
static void drive(struct hub_watcher *watcher, int events, void *arg)
{
    struct http_session *session = arg;
    struct epoll_event ready[32];
    int count = epoll_wait(session->epoll, ready, 32, 0);

    (void)watcher;
    (void)events;
    for (int i = 0; i < count; i++)
        if (one(session, &ready[i]) != CURLM_OK || session->starved)
            give_up(session);
    ended(session);
}

/* ---- transfers ---- */

static int to_error(CURLMcode code)
{
    return code == CURLM_OK ? 0 : code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

int http__attach(struct http_reply *reply)
{
    struct http_session *session = reply->session;
    int rc = 0;

    if (session->first == NULL)
        rc = hub_watcher_start(session->watcher, drive, session);
    if (rc == 0)
        rc = to_error(curl_multi_add_handle(session->multi, reply->easy));
    if (rc < 0) {
        if (session->first == NULL)
            hub_watcher_stop(session->watcher);
        return rc;
    }
    reply->attached = true;
    reply->next = session->first;
    reply->link = &session->first;
    if (reply->next != NULL)
        reply->next->link = &reply->next;
    session->first = reply;
    return 0;
}

void http__detach(struct http_reply *reply)
{
    struct http_session *session = reply->session;

    if (!reply->attached)
        return;
    reply->attached = false;
    curl_multi_remove_handle(session->multi, reply->easy);
    *reply->link = reply->next;
    if (reply->next != NULL)
        reply->next->link = reply->link;
    if (session->first == NULL)
        hub_watcher_stop(session->watcher);
}

/* ---- life ---- */

static int descriptors(struct http_session *session)
{
    struct epoll_event event = { .events = EPOLLIN };

    session->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (session->epoll < 0)
        return -errno;
    session->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (session->timer < 0)
        return -errno;
    event.data.fd = session->timer;
    if (epoll_ctl(session->epoll, EPOLL_CTL_ADD, session->timer, &event) < 0)
        return -errno;
    return hub_watcher_io(session->epoll, HUB_READ, &session->watcher);
}

static int settings(struct http_session *session)
{
    long most = (long)session->options.connections;
    CURLM *multi = session->multi;

    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, session) ||
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) ||
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, session) ||
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) ||
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most) ||
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most) ||
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                          (long)session->options.per_host))
        return -ENOMEM;
    return 0;
}

int http__drive_open(struct http_session *session)
{
    int rc;

    session->epoll = session->timer = -1;
    session->multi = curl_multi_init();
    rc = session->multi != NULL ? settings(session) : -ENOMEM;
    return rc < 0 ? rc : descriptors(session);
}

void http__drive_close(struct http_session *session)
{
    hub_watcher_free(session->watcher);
    session->watcher = NULL;
    if (session->multi != NULL)
        curl_multi_cleanup(session->multi);
    session->multi = NULL;
    http__sockets_drop(session);
    if (session->timer >= 0)
        close(session->timer);
    if (session->epoll >= 0)
        hub_close(session->epoll);
    session->epoll = session->timer = -1;
}
