/* context.c - what TLS sessions have in common */
#include "tls_impl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- errors ---- */

void hub__tls_errors_clear(void)
{
    ERR_clear_error();
    errno = 0;
}

bool hub__tls_starved(void)
{
    return errno == ENOMEM;
}

/* An internal error of OpenSSL's is what it says of most memory that it lacked. */
int hub__tls_error_of(char *text, size_t room)
{
    bool no_memory = hub__tls_starved();
    unsigned long error = ERR_peek_last_error(), first = ERR_peek_error(), at;

    while ((at = ERR_get_error()) != 0)
        no_memory |= ERR_GET_REASON(at) == ERR_R_MALLOC_FAILURE ||
                     ERR_GET_REASON(at) == ERR_R_INTERNAL_ERROR;
    if (no_memory || ERR_SYSTEM_ERROR(first)) {
        int number = no_memory ? ENOMEM : ERR_GET_REASON(first);

        snprintf(text, room, "%s", strerror(number));
        return -number;
    }
    if (error == 0) {
        text[0] = '\0';
        return -EBADMSG;
    }
    ERR_error_string_n(error, text, room);
    if (ERR_GET_LIB(error) == ERR_LIB_X509 &&
        ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
        return -EKEYREJECTED;
    return -EBADMSG;
}

/* Of a call on a context: also what has gone well, but for a part that there was
 * no memory for. */
static int result_of(bool done)
{
    char text[256];

    if (!done || hub__tls_starved())
        return hub__tls_error_of(text, sizeof text);
    return 0;
}

/* ---- life ---- */

struct hub_tls_context *hub__tls_context_ref(struct hub_tls_context *context)
{
    __atomic_add_fetch(&context->refs, 1, __ATOMIC_RELAXED);
    return context;
}

void hub_tls_context_unref(struct hub_tls_context *context)
{
    if (__atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    while (context->names != NULL) {
        struct hub__tls_name *name = context->names;

        context->names = name->next;
        hub_tls_context_unref(name->context);
        OPENSSL_free(name);
    }
    SSL_CTX_free(context->native);
    OPENSSL_free(context->alpn);
    OPENSSL_free(context);
}

static const struct hub__tls_name *
find_name(const struct hub_tls_context *context, const char *wanted)
{
    const char *below = strchr(wanted, '.');
    const struct hub__tls_name *name;

    for (name = context->names; name != NULL; name = name->next)
        if (strcasecmp(name->name, wanted) == 0 ||
            (name->name[0] == '*' && below != NULL &&
             strcasecmp(name->name + 1, below) == 0))
            return name;
    return NULL;
}

static int choose_name(SSL *native, int *alert, void *arg)
{
    const char *wanted = SSL_get_servername(native, TLSEXT_NAMETYPE_host_name);
    const struct hub__tls_name *name =
        wanted != NULL ? find_name(arg, wanted) : NULL;

    (void)alert;
    if (name != NULL)
        SSL_set_SSL_CTX(native, name->context->native);
    return SSL_TLSEXT_ERR_OK;
}

static int choose_protocol(SSL *native, const unsigned char **out,
                           unsigned char *size, const unsigned char *in,
                           unsigned in_size, void *arg)
{
    const struct hub_tls_context *context = arg;
    unsigned char *chosen;

    (void)native;
    if (SSL_select_next_proto(&chosen, size, context->alpn, context->alpn_size,
                              in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A certificate that could not be looked at for want of memory is called weak, or
 * its chain too long; the alert that says so then clears errno. */
static int judge(int good, X509_STORE_CTX *chain)
{
    if (!good && hub__tls_starved())
        X509_STORE_CTX_set_error(chain, X509_V_ERR_OUT_OF_MEM);
    return good;
}

/* The system's, from a file and a folder.  SSL_CTX_set_default_verify_paths() would
 * look at the folder as an OSSL_STORE too, whose loader OpenSSL frees twice where it
 * has no memory to open it. */
static bool trust_the_systems(SSL_CTX *native)
{
    return SSL_CTX_set_default_verify_file(native) == 1 &&
           SSL_CTX_set_default_verify_dir(native) == 1;
}

static int set_up(struct hub_tls_context *context)
{
    SSL_CTX *native = context->native;

    hub__tls_errors_clear();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(native, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    if (context->side == HUB_TLS_CLIENT) {
        SSL_CTX_set_verify(native, SSL_VERIFY_PEER, judge);
        return result_of(trust_the_systems(native));
    }
    SSL_CTX_set_tlsext_servername_callback(native, choose_name);
    SSL_CTX_set_tlsext_servername_arg(native, context);
    return result_of(SSL_CTX_set_session_id_context(
                         native, (const unsigned char *)"vireo", 5) == 1);
}

struct hub_tls_context *hub_tls_context_new(enum hub_tls_side side)
{
    struct hub_tls_context *context = OPENSSL_zalloc(sizeof *context);

    if (context == NULL)
        return NULL;
    context->refs = 1;
    context->side = side;
    context->native = SSL_CTX_new(
        side == HUB_TLS_SERVER ? TLS_server_method() : TLS_client_method());
    if (context->native == NULL || set_up(context) < 0) {
        hub_tls_context_unref(context);
        return NULL;
    }
    return context;
}

void *hub_tls_context_native(struct hub_tls_context *context)
{
    return context->native;
}

/* ---- settings ---- */

int hub_tls_use_certificate(struct hub_tls_context *context,
                            const char *chain_file, const char *key_file)
{
    SSL_CTX *native = context->native;

    hub__tls_errors_clear();
    return result_of(
        SSL_CTX_use_certificate_chain_file(native, chain_file) == 1 &&
        SSL_CTX_use_PrivateKey_file(native,
                                    key_file != NULL ? key_file : chain_file,
                                    SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(native) == 1);
}

int hub_tls_trust(struct hub_tls_context *context, const char *file,
                  const char *folder)
{
    X509_STORE *store = X509_STORE_new();

    if (store == NULL)
        return -ENOMEM;
    hub__tls_errors_clear();
    SSL_CTX_set_cert_store(context->native, store);
    return result_of((file == NULL && folder == NULL) ||
                     SSL_CTX_load_verify_locations(context->native, file,
                                                   folder) == 1);
}

int hub_tls_set_verify(struct hub_tls_context *context,
                       enum hub_tls_verify verify)
{
    static const int modes[] = {
        [HUB_TLS_VERIFY_NONE] = SSL_VERIFY_NONE,
        [HUB_TLS_VERIFY_OPTIONAL] = SSL_VERIFY_PEER,
        [HUB_TLS_VERIFY_REQUIRED] =
            SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    };

    if ((int)verify < HUB_TLS_VERIFY_NONE || verify > HUB_TLS_VERIFY_REQUIRED)
        return -EINVAL;
    SSL_CTX_set_verify(context->native, modes[verify], judge);
    return 0;
}

/* "h2,http/1.1" as it goes over the wire; 0: not good. */
static unsigned encode(unsigned char *to, const char *protocols)
{
    unsigned size = 0;

    do {
        size_t length = strcspn(protocols, ",");

        if (length == 0 || length > 255)
            return 0;
        to[size++] = (unsigned char)length;
        memcpy(to + size, protocols, length);
        size += (unsigned)length;
        protocols += length;
    } while (*protocols++ == ',');
    return size;
}

int hub_tls_set_alpn(struct hub_tls_context *context, const char *protocols)
{
    unsigned char *wire = OPENSSL_malloc(strlen(protocols) + 2);
    unsigned size = wire != NULL ? encode(wire, protocols) : 0;

    if (size == 0) {
        int rc = wire != NULL ? -EINVAL : -ENOMEM;

        OPENSSL_free(wire);
        return rc;
    }
    OPENSSL_free(context->alpn);
    context->alpn = wire;
    context->alpn_size = size;
    if (context->side == HUB_TLS_SERVER)
        SSL_CTX_set_alpn_select_cb(context->native, choose_protocol, context);
    else if (SSL_CTX_set_alpn_protos(context->native, wire, size) != 0)
        return -ENOMEM;
    return 0;
}

int hub_tls_add_name(struct hub_tls_context *context, const char *name,
                     struct hub_tls_context *other)
{
    struct hub__tls_name *made;

    if (context->side != HUB_TLS_SERVER || other->side != HUB_TLS_SERVER ||
        other == context || name[0] == '\0')
        return -EINVAL;
    made = OPENSSL_malloc(sizeof *made + strlen(name) + 1);
    if (made == NULL)
        return -ENOMEM;
    strcpy(made->name, name);
    made->context = hub__tls_context_ref(other);
    made->next = context->names;
    context->names = made;
    return 0;
}
