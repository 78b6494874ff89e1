/* tls.c - scenes: TLS, all of whose memory OpenSSL's functions give: they are ours */
#include "torture.h"

#include "../certificates.h"
#include "context/testhook.h"
#include "hub/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* As malloc() says it. */
static void *given(void *memory, size_t size)
{
    if (memory == NULL && size > 0)
        errno = ENOMEM;
    return memory;
}

static void *give(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return given(greenlet__malloc(size), size);
}

static void *give_more(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return given(greenlet__realloc(memory, size), size);
}

static void take(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* ---- before allocations fail ---- */

static SSL *side(SSL_CTX *context, BIO *bio, bool server)
{
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, bio, bio);
    if (server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

/* What OpenSSL makes once, and a process would hardly live without. */
static void shake_hands_once(void)
{
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    BIO *bios[2];
    SSL *ssl[2];

    BIO_new_bio_pair(&bios[0], 0, &bios[1], 0);
    SSL_CTX_use_certificate_chain_file(server, good_file);
    SSL_CTX_use_PrivateKey_file(server, good_file, SSL_FILETYPE_PEM);
    SSL_CTX_load_verify_locations(client, ca_file, NULL);
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    ssl[0] = side(server, bios[0], true);
    ssl[1] = side(client, bios[1], false);
    for (int i = 0; i < 20; i++)
        SSL_do_handshake(ssl[i % 2]);
    if (!SSL_is_init_finished(ssl[1]))
        puts("OpenSSL does not shake hands with itself");
    for (int i = 0; i < 2; i++)
        SSL_free(ssl[i]);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    ERR_clear_error();
}

void torture_tls_start(void)
{
    if (CRYPTO_set_mem_functions(give, give_more, take) != 1)
        puts("OpenSSL keeps its own memory");
    setenv("SSL_CERT_FILE", "/dev/null", 1); /* the system's are many */
    make_certificates();
    shake_hands_once();
}

void torture_tls_end(void)
{
    remove_certificates();
}

/* ---- scenes ---- */

/* OpenSSL forgets in many places that it had no memory, and says what did not
 * come of it; the other side sees its alert.  tls.h says so. */
static ssize_t told(ssize_t rc)
{
    return rc == -EBADMSG ? -ENOMEM : rc;
}

static struct hub_tls_context *contexts[2];

static bool make_contexts(void)
{
    for (int i = 0; i < 2; i++)
        contexts[i] =
            hub_tls_context_new(i == 0 ? HUB_TLS_SERVER : HUB_TLS_CLIENT);
    return see(contexts[0] != NULL && contexts[1] != NULL ? 0 : -ENOMEM) &&
           see(hub_tls_use_certificate(contexts[0], good_file, NULL)) &&
           see(hub_tls_set_alpn(contexts[0], "h2,http/1.1")) &&
           see(hub_tls_set_alpn(contexts[1], "http/1.1")) &&
           see(hub_tls_trust(contexts[1], ca_file, NULL));
}

static void free_contexts(void)
{
    for (int i = 0; i < 2; i++)
        if (contexts[i] != NULL)
            hub_tls_context_unref(contexts[i]);
}

static void serves(struct party *party)
{
    struct hub_stream *stream;
    struct hub_tls *tls;
    char data[5000];
    ssize_t got;

    if (!see(told(hub_tls_open(contexts[0], party->fd, NULL, HUB_FOREVER,
                                 &tls))))
        return;
    party->fd = -1;
    stream = hub_stream_new(&hub_tls_transport, tls);
    if (!see(stream != NULL ? 0 : -ENOMEM)) {
        hub_tls_free(tls);
        return;
    }
    while ((got = hub_stream_read(stream, data, sizeof data, HUB_FOREVER)) > 0)
        if (!see(told(hub_stream_write(stream, data, (size_t)got,
                                        HUB_FOREVER))) ||
            !see(told(hub_stream_flush(stream, HUB_FOREVER))))
            break;
    see(told(got));
    see(hub_stream_close(stream, HUB_NOWAIT));
}

static void ask(struct hub_tls *tls)
{
    char data[20000];
    size_t done = 0;
    ssize_t got = 1;

    if (!see(told(hub_tls_write(tls, "hello", 5, HUB_FOREVER))))
        return;
    while (done < 5 && got > 0) {
        got = hub_tls_read(tls, data + done, sizeof data - done, HUB_FOREVER);
        done += got > 0 ? (size_t)got : 0;
    }
    see(got == 0 ? -ENODATA : told(got));
    if (done == 5 && memcmp(data, "hello", 5) != 0)
        spoilt();
    see(told(hub_tls_shutdown(tls, HUB_FOREVER)));
}

static void play_tls(void)
{
    struct party server = { .body = serves, .fd = -1 };
    struct hub_tls *tls;
    int ends[2];

    if (make_contexts() &&
        see(hub_socketpair(AF_UNIX, SOCK_STREAM, 0, ends))) {
        server.fd = ends[1];
        enter(&server);
        if (see(told(hub_tls_open(contexts[1], ends[0], "good.test",
                                    HUB_FOREVER, &tls)))) {
            ask(tls);
            hub_tls_free(tls);
        } else {
            hub_close(ends[0]);
        }
        leave(&server);
    }
    free_contexts();
    ERR_clear_error();
}

const struct scene torture_tls[] = { { "tls", play_tls }, { NULL, NULL } };
