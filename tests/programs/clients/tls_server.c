/* tls_server.c - OpenSSL with a thread for each connection
 *
 * usage: tls_server certificate+key-file
 *
 * Prints the port that the kernel chose.  Each line that a client sends comes
 * back.  The line "resumed" is answered by whether the session was, "half"
 * makes the server say all it has and close its side alone, and then count what
 * still comes; it says the count on its standard output.  A signal ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *context;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long handshakes, refused;

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int send_all(SSL *ssl, const char *data, int size)
{
    while (size > 0) {
        int n = SSL_write(ssl, data, size);

        if (n <= 0)
            return -1;
        data += n;
        size -= n;
    }
    return 0;
}

static void close_one_side(SSL *ssl)
{
    char buffer[4096];
    long count = 0;
    int n;

    SSL_shutdown(ssl); /* only says that we are done */
    while ((n = SSL_read(ssl, buffer, sizeof buffer)) > 0)
        count += n;
    printf("after half close %ld\n", count);
    fflush(stdout);
}

/* -1: there is nothing more to say. */
static int answer(SSL *ssl, const char *line, int size)
{
    if (strncmp(line, "resumed\n", 8) == 0) {
        const char *said = SSL_session_reused(ssl) ? "yes\n" : "no\n";

        return send_all(ssl, said, (int)strlen(said));
    }
    if (strncmp(line, "half\n", 5) == 0) {
        close_one_side(ssl);
        return -1;
    }
    if (strncmp(line, "counts\n", 7) == 0) {
        char said[64];

        pthread_mutex_lock(&lock);
        snprintf(said, sizeof said, "%ld %ld\n", handshakes, refused);
        pthread_mutex_unlock(&lock);
        return send_all(ssl, said, (int)strlen(said));
    }
    return send_all(ssl, line, size);
}

static void serve_lines(SSL *ssl)
{
    char buffer[16384];
    int have = 0, n;

    while ((n = SSL_read(ssl, buffer + have, (int)sizeof buffer - have)) > 0) {
        char *start = buffer, *end;

        have += n;
        while ((end = memchr(start, '\n', (size_t)(buffer + have - start))) !=
               NULL) {
            if (answer(ssl, start, (int)(end + 1 - start)) != 0)
                return;
            start = end + 1;
        }
        have = (int)(buffer + have - start);
        memmove(buffer, start, (size_t)have);
    }
    SSL_shutdown(ssl);
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    SSL *ssl = SSL_new(context);
    int good = ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1;

    pthread_mutex_lock(&lock);
    if (good)
        handshakes++;
    else
        refused++;
    pthread_mutex_unlock(&lock);
    if (good)
        serve_lines(ssl);
    SSL_free(ssl);
    ERR_clear_error();
    close(fd);
    return NULL;
}

static void prepare(const char *file)
{
    static const unsigned char id[] = "tls_server";

    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL ||
        SSL_CTX_use_certificate_file(context, file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1)
        die(file);
    SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments)
{
    pthread_attr_t detached;
    pthread_t thread;
    int listener;

    if (count != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    prepare(arguments[1]);
    listener = listen_anywhere();
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            die("accept");
        if (fd >= 0 && pthread_create(&thread, &detached, serve,
                                      (void *)(intptr_t)fd) != 0)
            close(fd);
    }
}
