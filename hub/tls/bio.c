/* bio.c - between OpenSSL and the socket
 *
 * Input comes straight from recv().  Output is collected, so that OpenSSL never
 * stops in the middle of a record: what it has taken, it has taken whole. */
#include "tls_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* errno is for what OpenSSL's memory says: see tls_impl.h. */
static int take_input(BIO *bio, char *buffer, int size)
{
    struct hub_tls *tls = BIO_get_data(bio);
    int before = errno, error;
    ssize_t got;

    BIO_clear_retry_flags(bio);
    do {
        got = recv(tls->fd, buffer, (size_t)size, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    error = errno;
    errno = before;
    tls->input_ended = got == 0;
    if (got >= 0)
        return (int)got;
    if (error == EAGAIN)
        BIO_set_retry_read(bio);
    else
        tls->failed = -error;
    return -1;
}

static int collect(BIO *bio, const char *data, int size)
{
    struct hub_tls *tls = BIO_get_data(bio);
    size_t wanted = tls->out_size + (size_t)size;

    if (wanted > tls->out_room) {
        unsigned char *out = OPENSSL_realloc(tls->out, wanted + wanted / 2);

        if (out == NULL) {
            tls->failed = -ENOMEM;
            return -1;
        }
        tls->out = out;
        tls->out_room = wanted + wanted / 2;
    }
    memcpy(tls->out + tls->out_size, data, (size_t)size);
    tls->out_size += (size_t)size;
    return size;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    const struct hub_tls *tls = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ||
           (command == BIO_CTRL_EOF && tls->input_ended);
}

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "vireo");
    if (method == NULL)
        return;
    BIO_meth_set_read(method, take_input);
    BIO_meth_set_write(method, collect);
    BIO_meth_set_ctrl(method, control);
}

BIO *hub__tls_bio(struct hub_tls *tls)
{
    BIO *bio;

    pthread_once(&once, make_method);
    bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

int hub__tls_send(struct hub_tls *tls)
{
    while (tls->out_sent < tls->out_size) {
        ssize_t put;

        if (tls->fd < 0)
            return -EBADF;
        put = send(tls->fd, tls->out + tls->out_sent,
                   tls->out_size - tls->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put >= 0)
            tls->out_sent += (size_t)put;
        else if (errno == EAGAIN)
            return -EAGAIN;
        else if (errno != EINTR)
            return tls->failed = -errno;
    }
    tls->out_sent = tls->out_size = 0;
    return 0;
}
