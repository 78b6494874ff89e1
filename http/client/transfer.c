/* transfer.c - one exchange with a server: a handle of libcurl's, and its settings */
#include "http/client/client_impl.h"

#include <errno.h>
#include <string.h>

#define SET(option, value)                                \
    do {                                                  \
        if (code == CURLE_OK)                             \
            code = curl_easy_setopt(easy, option, value); \
    } while (0)

/* Out of http: there is no way but to https: and back; nothing is taken from the
 * environment, and no thread, signal or file is used that nobody asked for. */
static CURLcode set_basics(CURL *easy, const struct http_reply *reply)
{
    const struct http_session_options *options = &reply->session->options;
    const char *agent = options->user_agent;
    CURLcode code = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_URL, reply->url);
    SET(CURLOPT_HTTPHEADER, reply->headers);
    SET(CURLOPT_RESOLVE, reply->resolve);
    SET(CURLOPT_FRESH_CONNECT, reply->stale ? 1L : 0L);
    SET(CURLOPT_PROXY, options->proxy != NULL ? options->proxy : "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (agent == NULL)
        agent = "vireo/" VIREO_VERSION;
    if (*agent != '\0')
        SET(CURLOPT_USERAGENT, agent);
    if (!(reply->flags & HTTP_SESSION_PLAIN))
        SET(CURLOPT_ACCEPT_ENCODING, "");
    if (options->unix_socket != NULL && *options->unix_socket == '@')
        SET(CURLOPT_ABSTRACT_UNIX_SOCKET, options->unix_socket + 1);
    else if (options->unix_socket != NULL)
        SET(CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
    return code;
}

static CURLcode set_tls(CURL *easy, const struct http_session_options *options)
{
    bool insecure = options->flags & HTTP_SESSION_INSECURE;
    CURLcode code = CURLE_OK;

    SET(CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    if (options->ca_file != NULL) {
        SET(CURLOPT_CAINFO, options->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* the system's no longer */
    }
    if (options->certificate != NULL) {
        SET(CURLOPT_SSLCERT, options->certificate);
        SET(CURLOPT_SSLKEY, options->key != NULL ? options->key
                                                 : options->certificate);
    }
    return code;
}

static long rounded(int64_t ns, int64_t unit)
{
    int64_t count = ns / unit + (ns % unit != 0);

    return count < INT32_MAX ? (long)count : INT32_MAX;
}

/* The time to connect is ours to look at; libcurl divides what it is told by the
 * number of addresses. */
static CURLcode set_times(CURL *easy, const struct http_reply *reply)
{
    int64_t idle = reply->session->options.idle_timeout, left;
    CURLcode code = CURLE_OK;

    if (idle >= 0)
        SET(CURLOPT_MAXAGE_CONN, rounded(idle, HUB_SECOND));
    if (reply->connect_by != HUB_FOREVER) {
        left = reply->connect_by - hub_now();
        SET(CURLOPT_CONNECTTIMEOUT_MS,
            left > 0 ? rounded(left, HUB_MILLISECOND) : 1L);
    }
    return code;
}

static int64_t size_of_body(const struct http_session_request *request)
{
    if (request->upload == NULL)
        return (int64_t)request->body_size;
    return request->upload_size > 0 ? request->upload_size : -1;
}

static CURLcode set_method(CURL *easy, const struct http_reply *reply)
{
    CURLcode code = CURLE_OK;

    if (reply->body) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE,
            (curl_off_t)size_of_body(reply->request));
        SET(CURLOPT_CUSTOMREQUEST, reply->method);
    } else if (strcmp(reply->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else {
        SET(CURLOPT_CUSTOMREQUEST, reply->method);
    }
    return code;
}

static int to_error(CURLcode code)
{
    return code == CURLE_OK              ? 0
           : code == CURLE_OUT_OF_MEMORY ? -ENOMEM
                                         : -EINVAL;
}

int http__transfer_prepare(struct http_reply *reply)
{
    CURLcode code;
    int rc;

    if (reply->easy != NULL)
        curl_easy_cleanup(reply->easy);
    reply->text[0] = '\0';
    reply->easy = curl_easy_init();
    if (reply->easy == NULL)
        return -ENOMEM;
    rc = http__callbacks_set(reply);
    if (rc < 0)
        return rc;
    code = set_basics(reply->easy, reply);
    if (code == CURLE_OK)
        code = set_tls(reply->easy, &reply->session->options);
    if (code == CURLE_OK)
        code = set_times(reply->easy, reply);
    if (code == CURLE_OK)
        code = set_method(reply->easy, reply);
    return to_error(code);
}

/* More of a redirect's body than is worth while: not an error. */
static bool was_skipped(const struct http_reply *reply)
{
    return reply->follow && reply->error == 0;
}

void http__transfer_end(struct http_reply *reply, int error)
{
    long status = 0;

    if (!reply->attached)
        return;
    /* Another one, if libcurl has tried again without an Expect. */
    if (reply->head && !reply->follow &&
        curl_easy_getinfo(reply->easy, CURLINFO_RESPONSE_CODE, &status) ==
            CURLE_OK)
        reply->status = (int)status;
    if (was_skipped(reply))
        error = 0;
    if (error == 0 && !reply->head) { /* no error to libcurl */
        error = -ECONNRESET;
        reply->why = "the server went away in the middle of its head";
    }
    if (reply->error == 0)
        reply->error = error;
    http__detach(reply);
    http__host_leave(reply);
    reply->done = true;
    hub_event_set(&reply->event);
}
