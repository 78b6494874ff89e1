/* session.c - a TLS session: shake hands, read, write, end
 *
 * Each call into OpenSSL runs to its end without a switch.  What it made is sent;
 * when it wants more input the greenlet waits for the socket. */
#include "tls_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUDGET 64

static __thread char open_error[256];

const char *hub_tls_open_error(void)
{
    return open_error;
}

/* ---- errors ---- */

static int say(struct hub_tls *tls, int error, const char *text)
{
    snprintf(tls->error, sizeof tls->error, "%s", text);
    return error;
}

/* A failed call: OpenSSL's reason, the socket's, or the certificate's. */
static int failure(struct hub_tls *tls)
{
    long verdict = SSL_get_verify_result(tls->native);
    unsigned long error = ERR_peek_last_error();
    int rc;

    if (tls->failed != 0)
        return say(tls, tls->failed, strerror(-tls->failed));
    rc = hub__tls_error_of(tls->error, sizeof tls->error);
    if (rc == -ENOMEM || tls->starved || verdict == X509_V_ERR_OUT_OF_MEM)
        return say(tls, -ENOMEM, strerror(ENOMEM));
    if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return say(tls, -ECONNRESET, "the other side is gone unannounced");
    if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verdict != X509_V_OK)
        return say(tls, -EKEYREJECTED,
                   X509_verify_cert_error_string(verdict));
    if (ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        rc = -EKEYREJECTED;
    return rc;
}

/* ---- one step ---- */

static int wait_to_send(struct hub_tls *tls, int64_t deadline_ns)
{
    int rc;

    while ((rc = hub__tls_send(tls)) == -EAGAIN) {
        if (deadline_ns == HUB_NOWAIT)
            return rc;
        rc = hub_wait_fd(tls->fd, HUB_WRITE, deadline_ns);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* After a call that has not succeeded: 0 when it is to be made again. */
static int after(struct hub_tls *tls, int result, int64_t deadline_ns)
{
    int kind, rc;

    tls->starved |= hub__tls_starved();
    kind = SSL_get_error(tls->native, result);
    if (kind == SSL_ERROR_ZERO_RETURN)
        return -ENODATA;
    if (kind != SSL_ERROR_WANT_READ) {
        rc = failure(tls);
        hub__tls_send(tls); /* the alert, if there is room for it */
        return rc;
    }
    /* Not to be held up by what the other side does not read. */
    rc = hub__tls_send(tls);
    if (rc < 0 && rc != -EAGAIN)
        return rc;
    if (deadline_ns == HUB_NOWAIT)
        return -EAGAIN;
    return hub_wait_fd(tls->fd, rc < 0 ? HUB_READ | HUB_WRITE : HUB_READ,
                       deadline_ns);
}

/* A cancellation point, and once in so many calls the others' turn, as a call on a
 * socket is: what the session has already comes without a wait. */
static int enter(void)
{
    static __thread unsigned calls;

    if (++calls % BUDGET == 0)
        hub_yield();
    return hub_canceled() != 0 ? hub_sleep(0) : 0;
}

static int begin(struct hub_tls *tls)
{
    if (tls->fd < 0)
        return -EBADF;
    hub__tls_errors_clear();
    return 0;
}

/* ---- opening ---- */

static bool is_address(const char *name)
{
    unsigned char address[16];

    return inet_pton(AF_INET, name, address) == 1 ||
           inet_pton(AF_INET6, name, address) == 1;
}

/* Whom we want, and whose certificate it must be. */
static int want(struct hub_tls *tls, const char *name)
{
    SSL *native = tls->native;

    if (name == NULL)
        return SSL_get_verify_mode(native) == SSL_VERIFY_NONE ? 0 : -EINVAL;
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(native), name) == 1
                   ? 0
                   : -ENOMEM;
    SSL_set_hostflags(native, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(native, name) == 1 &&
                   SSL_set1_host(native, name) == 1
               ? 0
               : -ENOMEM;
}

static int shake_hands(struct hub_tls *tls, int64_t deadline_ns)
{
    for (;;) {
        int rc = begin(tls), result;

        if (rc < 0)
            return rc;
        result = SSL_do_handshake(tls->native);
        if (result == 1)
            return wait_to_send(tls, deadline_ns);
        rc = after(tls, result, deadline_ns);
        if (rc == -ENODATA)
            return say(tls, -ECONNRESET, "closed during the handshake");
        if (rc < 0)
            return rc;
    }
}

static void dispose(struct hub_tls *tls)
{
    SSL_free(tls->native);
    hub_tls_context_unref(tls->context);
    OPENSSL_free(tls->out);
    OPENSSL_free(tls);
}

static struct hub_tls *make(struct hub_tls_context *context, int fd)
{
    struct hub_tls *tls = OPENSSL_zalloc(sizeof *tls);
    BIO *bio;

    if (tls == NULL)
        return NULL;
    tls->fd = fd;
    tls->context = hub__tls_context_ref(context);
    tls->native = SSL_new(context->native);
    bio = tls->native != NULL ? hub__tls_bio(tls) : NULL;
    if (bio == NULL) {
        dispose(tls);
        return NULL;
    }
    SSL_set_bio(tls->native, bio, bio);
    if (context->side == HUB_TLS_SERVER)
        SSL_set_accept_state(tls->native);
    else
        SSL_set_connect_state(tls->native);
    return tls;
}

static void note_protocol(struct hub_tls *tls)
{
    const unsigned char *name;
    unsigned size;

    SSL_get0_alpn_selected(tls->native, &name, &size);
    if (size > 0 && size < sizeof tls->protocol)
        memcpy(tls->protocol, name, size);
}

int hub_tls_open(struct hub_tls_context *context, int fd,
                 const char *server_name, int64_t deadline_ns,
                 struct hub_tls **out)
{
    struct hub_tls *tls = make(context, fd);
    int rc = tls != NULL ? 0 : -ENOMEM;

    open_error[0] = '\0';
    if (rc == 0 && context->side == HUB_TLS_CLIENT)
        rc = want(tls, server_name);
    if (rc == 0)
        rc = shake_hands(tls, deadline_ns);
    if (rc == 0) {
        note_protocol(tls);
        *out = tls;
        return 0;
    }
    if (tls != NULL) {
        memcpy(open_error, tls->error, sizeof open_error);
        dispose(tls);
    }
    return rc;
}

/* ---- reading and writing ---- */

ssize_t hub_tls_read(struct hub_tls *tls, void *buffer, size_t size,
                     int64_t deadline_ns)
{
    int rc = enter(), result;
    size_t got;

    if (rc < 0 || size == 0)
        return rc;
    for (tls->starved = false;;) {
        rc = begin(tls);
        if (rc < 0)
            return rc;
        result = SSL_read_ex(tls->native, buffer, size, &got);
        if (result == 1)
            return (ssize_t)got;
        rc = after(tls, result, deadline_ns);
        if (rc == -ENODATA)
            return 0;
        if (rc < 0)
            return rc;
    }
}

ssize_t hub_tls_write(struct hub_tls *tls, const void *data, size_t size,
                      int64_t deadline_ns)
{
    int rc = enter(), result;
    size_t put;

    if (rc == 0 && tls->said_end && size > 0)
        rc = -EPIPE;
    tls->starved = false;
    if (rc == 0)
        rc = wait_to_send(tls, deadline_ns); /* what earlier calls have taken */
    while (rc == 0 && size > 0) {
        rc = begin(tls);
        if (rc < 0)
            break;
        result = SSL_write_ex(tls->native, data, size, &put);
        if (result == 1) {
            rc = wait_to_send(tls, deadline_ns);
            /* Taken, though the rest of it is still to be sent. */
            return tls->failed == 0 ? (ssize_t)put : rc;
        }
        rc = after(tls, result, deadline_ns);
    }
    return rc == -ENODATA ? -EPIPE : rc;
}

int hub_tls_shutdown(struct hub_tls *tls, int64_t deadline_ns)
{
    int rc = begin(tls);

    if (rc < 0)
        return rc;
    if (!tls->said_end && SSL_shutdown(tls->native) < 0)
        return failure(tls);
    tls->said_end = true;
    return wait_to_send(tls, deadline_ns);
}

int hub_tls_close(struct hub_tls *tls)
{
    int fd = tls->fd;

    if (fd < 0)
        return 0;
    tls->fd = -1;
    hub_fd_closed(fd);
    return close(fd) < 0 ? -errno : 0;
}

void hub_tls_free(struct hub_tls *tls)
{
    hub_tls_close(tls);
    dispose(tls);
}

/* ---- looking ---- */

int hub_tls_fd(const struct hub_tls *tls)
{
    return tls->fd;
}

const char *hub_tls_protocol(const struct hub_tls *tls)
{
    return tls->protocol[0] != '\0' ? tls->protocol : NULL;
}

const char *hub_tls_version(const struct hub_tls *tls)
{
    return SSL_get_version(tls->native);
}

const char *hub_tls_server_name(const struct hub_tls *tls)
{
    return SSL_get_servername(tls->native, TLSEXT_NAMETYPE_host_name);
}

const char *hub_tls_error(const struct hub_tls *tls)
{
    return tls->error;
}

void *hub_tls_native(struct hub_tls *tls)
{
    return tls->native;
}

/* ---- as a transport ---- */

static ssize_t transport_read(void *self, void *buffer, size_t size,
                              int64_t deadline_ns)
{
    return hub_tls_read(self, buffer, size, deadline_ns);
}

static ssize_t transport_write(void *self, const void *data, size_t size,
                               int64_t deadline_ns)
{
    return hub_tls_write(self, data, size, deadline_ns);
}

static int transport_shutdown(void *self, int64_t deadline_ns)
{
    return hub_tls_shutdown(self, deadline_ns);
}

static int transport_flush(void *self, int64_t deadline_ns)
{
    return (int)hub_tls_write(self, NULL, 0, deadline_ns);
}

static int transport_close(void *self)
{
    return hub_tls_close(self);
}

static void transport_free(void *self)
{
    hub_tls_free(self);
}

static int transport_fd(const void *self)
{
    return hub_tls_fd(self);
}

const struct hub_transport hub_tls_transport = {
    .read = transport_read,
    .write = transport_write,
    .shutdown = transport_shutdown,
    .close = transport_close,
    .free = transport_free,
    .fd = transport_fd,
    .flush = transport_flush
};
