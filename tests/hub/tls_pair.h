/* tls_pair.h - for tests of TLS: certificates, and two sessions that meet over a
 * socket pair */
#ifndef VIREO_TESTS_TLS_PAIR_H
#define VIREO_TESTS_TLS_PAIR_H

#include "../unit.h"
#include "certificates.h"
#include "hub/hub.h"
#include "hub/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS   HUB_MILLISECOND
#define SOON hub_deadline(20 * HUB_SECOND)

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
