/* certificates.h - an authority and two certificates of it, in files of a folder */
#ifndef VIREO_TESTS_CERTIFICATES_H
#define VIREO_TESTS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

#endif
