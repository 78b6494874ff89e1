/* curl_threads.c - libcurl, whose resolver makes threads of its own
 *
 * usage: curl_threads port
 *
 * Easy handles in many threads, a multi handle with many transfers, waits that
 * another thread ends, timeouts with and without signals.  The server is
 * threading_http.py: / answers, /sleep does so after 100 ms.  Prints one line a
 * scene, the same in each run. */
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 50, ROUNDS = 5, TRANSFERS = 100 };

static const char *port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long right, wrong, alarms;

struct body {
    char text[64];
    size_t size;
};

static size_t keep(char *data, size_t one, size_t count, void *user)
{
    struct body *body = user;

    (void)one;
    if (body->size + count > sizeof body->text)
        return 0;
    memcpy(body->text + body->size, data, count);
    body->size += count;
    return count;
}

static CURL *new_handle(struct body *body, const char *path)
{
    CURL *easy = curl_easy_init();
    char url[128];

    if (easy == NULL)
        abort();
    /* A name, so that there is something to look up. */
    snprintf(url, sizeof url, "http://localhost:%s%s", port, path);
    body->size = 0;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
    return easy;
}

static void count(CURLcode code, const struct body *body)
{
    int good = code == CURLE_OK && body->size == 14 &&
               memcmp(body->text, "Hello, World!\n", 14) == 0;

    pthread_mutex_lock(&lock);
    right += good;
    wrong += !good;
    pthread_mutex_unlock(&lock);
    if (!good)
        fprintf(stderr, "%s\n", curl_easy_strerror(code));
}

static void say(const char *scene)
{
    printf("%s: %ld right, %ld wrong\n", scene, right, wrong);
    fflush(stdout);
    right = wrong = 0;
}

static void in_threads(void *(*function)(void *), void *argument)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, function, argument) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- easy handles ---- */

static void *easy_again_and_again(void *argument)
{
    struct body body;
    CURL *easy = new_handle(&body, argument);

    for (int i = 0; i < ROUNDS; i++) {
        body.size = 0;
        count(curl_easy_perform(easy), &body);
        /* Connections stay; a new one looks the name up again. */
        if (i == 2)
            curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    curl_easy_cleanup(easy);
    return NULL;
}

/* ---- handles that share what they look up ---- */

static pthread_mutex_t shares[CURL_LOCK_DATA_LAST];

static void take(CURL *easy, curl_lock_data what, curl_lock_access access,
                 void *user)
{
    (void)easy, (void)access, (void)user;
    pthread_mutex_lock(&shares[what]);
}

static void give(CURL *easy, curl_lock_data what, void *user)
{
    (void)easy, (void)user;
    pthread_mutex_unlock(&shares[what]);
}

static void *easy_shared(void *argument)
{
    struct body body;
    CURL *easy = new_handle(&body, "/");

    curl_easy_setopt(easy, CURLOPT_SHARE, argument);
    count(curl_easy_perform(easy), &body);
    curl_easy_cleanup(easy);
    return NULL;
}

static void sharing(void)
{
    CURLSH *share = curl_share_init();

    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        pthread_mutex_init(&shares[i], NULL);
    curl_share_setopt(share, CURLSHOPT_LOCKFUNC, take);
    curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, give);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    in_threads(easy_shared, share);
    curl_share_cleanup(share);
}

/* ---- one handle for many transfers ---- */

static void collect(CURLM *multi)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        struct body *body;
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&body);
        count(code, body);
        curl_multi_remove_handle(multi, easy);
        curl_easy_cleanup(easy);
    }
}

static void add(CURLM *multi, struct body *body, const char *path)
{
    CURL *easy = new_handle(body, path);

    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)body);
    curl_multi_add_handle(multi, easy);
}

static void *multi_run(void *argument)
{
    static const char *const paths[] = {"/", "/sleep"};
    int transfers = (int)(intptr_t)argument, running = 1;
    struct body *bodies = calloc((size_t)transfers, sizeof *bodies);
    CURLM *multi = curl_multi_init();

    for (int i = 0; i < transfers; i++)
        add(multi, &bodies[i], paths[i % 2]);
    while (running > 0) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            abort();
        collect(multi);
        if (running > 0)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    curl_multi_cleanup(multi);
    free(bodies);
    return NULL;
}

static void *wake_soon(void *multi)
{
    usleep(20 * 1000);
    curl_multi_wakeup(multi);
    return NULL;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Nothing to wait for but the other thread; without it a minute. */
static void waking(void)
{
    CURLM *multi = curl_multi_init();

    for (int i = 0; i < 20; i++) {
        double before = now();
        pthread_t waker;

        if (pthread_create(&waker, NULL, wake_soon, multi) != 0)
            abort();
        curl_multi_poll(multi, NULL, 0, 60000, NULL);
        right += now() - before < 50;
        pthread_join(waker, NULL);
    }
    curl_multi_cleanup(multi);
}

/* ---- time-outs ---- */

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void too_short(CURL *easy, long milliseconds)
{
    CURLcode code;

    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds);
    code = curl_easy_perform(easy);
    pthread_mutex_lock(&lock);
    right += code == CURLE_OPERATION_TIMEDOUT;
    wrong += code != CURLE_OPERATION_TIMEDOUT;
    pthread_mutex_unlock(&lock);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 60000L);
}

static void *too_short_then_long(void *argument)
{
    struct body body;
    CURL *easy = new_handle(&body, "/sleep");

    (void)argument;
    too_short(easy, 30);
    body.size = 0;
    count(curl_easy_perform(easy), &body);
    curl_easy_cleanup(easy);
    return NULL;
}

/* With signals allowed: libcurl may set its own handler of SIGALRM for a
 * look-up; afterwards ours and its alarm are as before. */
static void with_signals(void)
{
    struct sigaction ours = {.sa_handler = on_alarm}, after;
    struct body body;
    CURL *easy;

    sigaction(SIGALRM, &ours, NULL);
    alarm(300);
    easy = new_handle(&body, "/sleep");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 20L);
    too_short(easy, 30);
    for (int i = 0; i < 3; i++) {
        body.size = 0;
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        count(curl_easy_perform(easy), &body);
    }
    curl_easy_cleanup(easy);
    sigaction(SIGALRM, NULL, &after);
    right += after.sa_handler == on_alarm;
    right += alarm(0) > 200;
    right += alarms == 0;
}

/* ---- errors ---- */

static void *fail_each_way(void *argument)
{
    static const struct {
        const char *url;
        CURLcode code;
    } ways[] = {
        {"http://localhost:1/", CURLE_COULDNT_CONNECT},
        {"http://[::1/", CURLE_URL_MALFORMAT},
        {"nothing://localhost/", CURLE_UNSUPPORTED_PROTOCOL},
    };
    struct body body;

    (void)argument;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        CURL *easy = new_handle(&body, "/");
        CURLcode code;

        curl_easy_setopt(easy, CURLOPT_URL, ways[i].url);
        code = curl_easy_perform(easy);
        pthread_mutex_lock(&lock);
        right += code == ways[i].code;
        wrong += code != ways[i].code;
        pthread_mutex_unlock(&lock);
        curl_easy_cleanup(easy);
    }
    return NULL;
}

int main(int arguments_count, char **arguments)
{
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);

    if (arguments_count != 2)
        return 2;
    port = arguments[1];
    curl_global_init(CURL_GLOBAL_ALL);
    printf("resolver on threads: %d\n",
           (version->features & CURL_VERSION_ASYNCHDNS) != 0 &&
               version->ares == NULL);
    in_threads(easy_again_and_again, "/");
    say("easy");
    in_threads(easy_again_and_again, "/sleep");
    say("easy, slow answers");
    sharing();
    say("shared names");
    multi_run((void *)(intptr_t)TRANSFERS);
    say("multi");
    in_threads(multi_run, (void *)(intptr_t)4);
    say("multi in each thread");
    waking();
    say("wakeup");
    in_threads(too_short_then_long, NULL);
    say("timeouts");
    with_signals();
    say("timeouts with signals");
    in_threads(fail_each_way, NULL);
    say("errors");
    curl_global_cleanup();
    return 0;
}
