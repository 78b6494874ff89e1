/* tls_pair.h - for tests of TLS: certificates, and two sessions that meet over a
 * socket pair */
#ifndef VIREO_TESTS_TLS_PAIR_H
#define VIREO_TESTS_TLS_PAIR_H

#include "../unit.h"
#include "hub/hub.h"
#include "hub/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS   HUB_MILLISECOND
#define SOON hub_deadline(20 * HUB_SECOND)

/* ---- certificates, made here ---- */

static char folder[] = "/tmp/vireo-tls.XXXXXX";
static char ca_file[64], good_file[64], other_file[64];

static void extend(X509 *cert, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate(const char *name, EVP_PKEY *key, X509 *issuer,
                         EVP_PKEY *issuer_key, const char *names)
{
    static long serial;
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer)
                                              : subject);
    extend(cert, issuer != NULL ? issuer : cert, NID_basic_constraints,
           issuer != NULL ? "CA:FALSE" : "critical,CA:TRUE");
    if (names != NULL)
        extend(cert, issuer, NID_subject_alt_name, names);
    X509_sign(cert, issuer_key, EVP_sha256());
    return cert;
}

static void save(char *path, size_t room, const char *name, X509 *cert,
                 EVP_PKEY *key)
{
    FILE *file;

    snprintf(path, room, "%s/%s.pem", folder, name);
    file = fopen(path, "w");
    PEM_write_X509(file, cert);
    if (key != NULL)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

static void make_certificates(void)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = certificate("test authority", ca_key, NULL, ca_key, NULL);
    X509 *good = certificate("good", key, ca, ca_key,
                             "DNS:good.test,IP:127.0.0.1");
    X509 *other = certificate("other", key, ca, ca_key, "DNS:other.test");

    if (mkdtemp(folder) == NULL)
        exit(EXIT_FAILURE);
    save(ca_file, sizeof ca_file, "ca", ca, NULL);
    save(good_file, sizeof good_file, "good", good, key);
    save(other_file, sizeof other_file, "other", other, key);
    X509_free(ca);
    X509_free(good);
    X509_free(other);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

static void remove_certificates(void)
{
    unlink(ca_file);
    unlink(good_file);
    unlink(other_file);
    rmdir(folder);
}

/* ---- two sides ---- */

struct side {
    struct hub_tls_context *context;
    struct hub_tls *tls;
    int fd, rc;
    char name[64];
};

static struct hub_tls_context *server_context, *client_context;
static struct side server;
static int client_fd;

static void accept_one(void *arg)
{
    struct side *side = arg;

    side->rc = hub_tls_open(side->context, side->fd, NULL, SOON, &side->tls);
    if (side->rc < 0) {
        hub_fd_closed(side->fd);
        close(side->fd);
    } else if (hub_tls_server_name(side->tls) != NULL) {
        snprintf(side->name, sizeof side->name, "%s",
                 hub_tls_server_name(side->tls));
    }
}

/* The client's error; the server's is in server.rc. */
static int meet(const char *name, struct hub_tls **client)
{
    struct greenlet *g;
    int ends[2], rc;

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    server = (struct side){ .context = server_context, .fd = ends[0] };
    client_fd = ends[1];
    g = hub_spawn_raw(accept_one, &server);
    rc = hub_tls_open(client_context, client_fd, name, SOON, client);
    if (rc < 0) {
        hub_fd_closed(client_fd);
        close(client_fd);
    }
    ck_assert_int_eq(hub_join(g, SOON), 0);
    greenlet_unref(g);
    return rc;
}

static void part(struct hub_tls *client)
{
    hub_tls_free(client);
    if (server.tls != NULL)
        hub_tls_free(server.tls);
}

static void begin(void)
{
    hub_yield();
    server_context = hub_tls_context_new(HUB_TLS_SERVER);
    client_context = hub_tls_context_new(HUB_TLS_CLIENT);
    ck_assert_int_eq(
        hub_tls_use_certificate(server_context, good_file, NULL), 0);
    ck_assert_int_eq(hub_tls_trust(client_context, ca_file, NULL), 0);
}

static void end(void)
{
    hub_tls_context_unref(server_context);
    hub_tls_context_unref(client_context);
    ERR_clear_error();
}

#endif
