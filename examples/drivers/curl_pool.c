/* curl_pool.c - an HTTP upstream by libcurl's easy handles, from many greenlets at once
 *
 * A handle keeps its connection from request to request.
 *
 * usage: curl_pool URL GREENLETS       (rounds.h says what it reads)
 *
 * GET URL/SECONDS/NUMBER is to answer NUMBER after so many seconds. */
#include "rounds.h"

#include <curl/curl.h>

struct answer {
    char text[32];
    size_t length;
};

static const char *url;

static size_t keep(char *data, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    size_t more = size * count;

    if (more >= sizeof answer->text - answer->length)
        return 0;
    memcpy(answer->text + answer->length, data, more);
    answer->length += more;
    answer->text[answer->length] = '\0';
    return more;
}

static int open_it(void **conn, void *arg)
{
    CURL *made = curl_easy_init();

    (void)arg;
    if (made == NULL)
        return -ENOMEM;
    curl_easy_setopt(made, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(made, CURLOPT_WRITEFUNCTION, keep);
    *conn = made;
    return 0;
}

static void close_it(void *conn, void *arg)
{
    (void)arg;
    curl_easy_cleanup(conn);
}

static int ask(void *conn, double seconds, int number, bool *broken)
{
    struct answer answer = { .length = 0 };
    char text[256];
    CURLcode code;
    long status = 0;

    snprintf(text, sizeof text, "%s/%f/%d", url, seconds, number);
    curl_easy_setopt(conn, CURLOPT_URL, text);
    curl_easy_setopt(conn, CURLOPT_WRITEDATA, &answer);
    code = curl_easy_perform(conn);
    *broken = code != CURLE_OK;
    if (code != CURLE_OK)
        return -EIO;
    curl_easy_getinfo(conn, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return -EIO;
    return atoi(answer.text) == number ? 0 : -EBADMSG;
}

int main(int argc, char **argv)
{
    struct hub_connpool_options options = { .open = open_it,
                                            .close = close_it };
    int rc;

    if (argc != 3 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: curl_pool URL GREENLETS\n");
        return 2;
    }
    url = argv[1];
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    rc = rounds_run(&options, ask, atoi(argv[2]));
    curl_global_cleanup();
    return rc;
}
