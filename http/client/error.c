/* error.c - libcurl's codes as errno, and words */
#include "http/client/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    CURLcode code;
    int error;
} codes[] = {
    { CURLE_OUT_OF_MEMORY, ENOMEM },
    { CURLE_SETOPT_OPTION_SYNTAX, ENOMEM }, /* CURLOPT_RESOLVE, which is ours */
    { CURLE_ABORTED_BY_CALLBACK, ECANCELED },
    { CURLE_URL_MALFORMAT, EINVAL },
    /* It looks nothing up: it could not keep what we told it. */
    { CURLE_COULDNT_RESOLVE_HOST, ENOMEM },
    { CURLE_COULDNT_RESOLVE_PROXY, ENOMEM },
    { CURLE_COULDNT_CONNECT, ECONNREFUSED },
    { CURLE_OPERATION_TIMEDOUT, ETIMEDOUT },
    { CURLE_GOT_NOTHING, ECONNRESET },
    { CURLE_PARTIAL_FILE, ECONNRESET },
    { CURLE_SEND_ERROR, ECONNRESET },
    { CURLE_RECV_ERROR, ECONNRESET }, /* or what it says of chunks: below */
    { CURLE_SEND_FAIL_REWIND, ECONNRESET },
    { CURLE_PEER_FAILED_VERIFICATION, EKEYREJECTED },
    { CURLE_SSL_ISSUER_ERROR, EKEYREJECTED },
    { CURLE_SSL_CACERT_BADFILE, ENOENT },
    { CURLE_SSL_CERTPROBLEM, ENOENT },
    { CURLE_FILESIZE_EXCEEDED, EMSGSIZE },
    { CURLE_BAD_FUNCTION_ARGUMENT, EINVAL },
};

/* libcurl's limits of a head are no error of the connection, nor of ours.  That a
 * line is too long 7.88 calls a lack of memory, without a word (later ones:
 * CURLE_TOO_LARGE); a true lack just there is taken for one, too. */
static bool is_too_long(const struct http_reply *reply, CURLcode code)
{
    curl_off_t began = 0;

    if (code == CURLE_RECV_ERROR)
        return strstr(reply->text, "response headers") != NULL;
    return code == CURLE_OUT_OF_MEMORY && !reply->head && reply->easy != NULL &&
           curl_easy_getinfo(reply->easy, CURLINFO_STARTTRANSFER_TIME_T,
                             &began) == CURLE_OK &&
           began > 0;
}

int http__error_of(struct http_reply *reply, CURLcode code)
{
    long system = 0;
    int error = EBADMSG; /* what it sent was no good */

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            error = codes[i].error;
    if (is_too_long(reply, code)) {
        error = EBADMSG;
        if (reply->text[0] == '\0')
            strcpy(reply->text, "A line of the answer's head is too long");
    }
    if (reply->text[0] == '\0')
        snprintf(reply->text, sizeof reply->text, "%s",
                 curl_easy_strerror(code));
    if (code == CURLE_RECV_ERROR && strstr(reply->text, "chunked") != NULL)
        error = EBADMSG;
    if (code == CURLE_COULDNT_CONNECT && reply->easy != NULL &&
        curl_easy_getinfo(reply->easy, CURLINFO_OS_ERRNO, &system) ==
            CURLE_OK &&
        system > 0)
        error = (int)system;
    return -error;
}

int http__fail(struct http_session *session, int error, const char *text)
{
    snprintf(session->error, sizeof session->error, "%s",
             text != NULL && *text != '\0' ? text
                                           : hub_resolver_strerror(error));
    return error;
}
