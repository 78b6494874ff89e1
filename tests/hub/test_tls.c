/* TLS sessions, both sides in greenlets, over socket pairs. */
#include "tls_pair.h"

START_TEST(what_one_writes_the_other_reads)
{
    struct hub_tls *client;
    char text[32];

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(server.rc, 0);
    ck_assert_int_eq(hub_tls_write(client, "hello", 5, SOON), 5);
    ck_assert_int_eq(hub_tls_read(server.tls, text, sizeof text, SOON), 5);
    ck_assert_int_eq(memcmp(text, "hello", 5), 0);
    ck_assert_str_eq(hub_tls_version(client), "TLSv1.3");
    ck_assert_str_eq(server.name, "good.test");
    part(client);
}
END_TEST

START_TEST(an_end_is_announced_and_reading_goes_on)
{
    struct hub_tls *client;
    char text[8];

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(hub_tls_shutdown(client, SOON), 0);
    ck_assert_int_eq(hub_tls_read(server.tls, text, sizeof text, SOON), 0);
    ck_assert_int_eq(hub_tls_write(client, "x", 1, SOON), -EPIPE);
    ck_assert_int_eq(hub_tls_write(server.tls, "bye", 3, SOON), 3);
    ck_assert_int_eq(hub_tls_read(client, text, sizeof text, SOON), 3);
    part(client);
}
END_TEST

START_TEST(an_end_without_a_word_is_an_error)
{
    struct hub_tls *client;
    char text[8];

    ck_assert_int_eq(meet("good.test", &client), 0);
    hub_tls_close(server.tls);
    ck_assert_int_eq(hub_tls_read(client, text, sizeof text, SOON),
                     -ECONNRESET);
    ck_assert_int_eq(hub_tls_read(server.tls, text, sizeof text, SOON),
                     -EBADF);
    part(client);
}
END_TEST

START_TEST(a_certificate_of_another_name_is_refused)
{
    struct hub_tls *client;

    ck_assert_int_eq(meet("bad.test", &client), -EKEYREJECTED);
    ck_assert_int_eq(server.rc, -EBADMSG); /* it is told */
}
END_TEST

START_TEST(an_address_may_be_a_name)
{
    struct hub_tls *client;

    ck_assert_int_eq(meet("127.0.0.1", &client), 0);
    ck_assert_str_eq(server.name, "");
    part(client);
    ck_assert_int_eq(meet("127.0.0.2", &client), -EKEYREJECTED);
}
END_TEST

START_TEST(without_trust_there_is_none)
{
    struct hub_tls *client;

    ck_assert_int_eq(hub_tls_trust(client_context, NULL, NULL), 0);
    ck_assert_int_eq(meet("good.test", &client), -EKEYREJECTED);
    ck_assert_int_eq(meet(NULL, &client), -EINVAL);
    hub_tls_set_verify(client_context, HUB_TLS_VERIFY_NONE);
    ck_assert_int_eq(meet(NULL, &client), 0);
    part(client);
}
END_TEST

/* By its name a folder of certificates finds one. */
static void name_in_folder(char *path, size_t room, const char *file)
{
    FILE *stream = fopen(file, "r");
    X509 *cert = PEM_read_X509(stream, NULL, NULL, NULL);

    fclose(stream);
    snprintf(path, room, "%s/%08lx.0", folder,
             X509_NAME_hash_ex(X509_get_subject_name(cert), NULL, NULL, NULL));
    X509_free(cert);
    ck_assert_int_eq(symlink(file, path), 0);
}

START_TEST(a_client_trusts_what_the_system_does)
{
    static const int expected[] = { -EKEYREJECTED, 0, 0 };
    struct hub_tls *client;
    char path[80] = "";
    int rc;

    setenv("SSL_CERT_FILE", _i == 1 ? ca_file : "/dev/null", 1);
    setenv("SSL_CERT_DIR", folder, 1);
    if (_i == 2)
        name_in_folder(path, sizeof path, ca_file);
    hub_tls_context_unref(client_context);
    client_context = hub_tls_context_new(HUB_TLS_CLIENT);
    rc = meet("good.test", &client);
    unlink(path);
    ck_assert_int_eq(rc, expected[_i]);
    if (rc == 0)
        part(client);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}
END_TEST

START_TEST(a_server_may_ask_who_comes)
{
    struct hub_tls *client;
    char text[8];

    ck_assert_int_eq(hub_tls_trust(server_context, ca_file, NULL), 0);
    ck_assert_int_eq(
        hub_tls_set_verify(server_context, HUB_TLS_VERIFY_REQUIRED), 0);
    /* With TLS 1.3 the client learns it when it reads. */
    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(server.rc, -EKEYREJECTED);
    ck_assert_int_lt(hub_tls_read(client, text, sizeof text, SOON), 0);
    part(client);
    ck_assert_int_eq(
        hub_tls_use_certificate(client_context, good_file, NULL), 0);
    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(server.rc, 0);
    part(client);
}
END_TEST

START_TEST(each_name_has_its_certificate)
{
    struct hub_tls_context *other = hub_tls_context_new(HUB_TLS_SERVER);
    struct hub_tls *client;

    ck_assert_int_eq(meet("other.test", &client), -EKEYREJECTED);
    ck_assert_int_eq(hub_tls_use_certificate(other, other_file, NULL), 0);
    ck_assert_int_eq(hub_tls_add_name(server_context, "OTHER.test", other), 0);
    hub_tls_context_unref(other);
    ck_assert_int_eq(meet("other.test", &client), 0);
    part(client);
    ck_assert_int_eq(meet("good.test", &client), 0);
    part(client);
}
END_TEST

START_TEST(both_agree_on_a_protocol_or_part)
{
    struct hub_tls *client;

    ck_assert_int_eq(hub_tls_set_alpn(server_context, "h2,http/1.1"), 0);
    ck_assert_int_eq(hub_tls_set_alpn(client_context, "http/1.1,h2"), 0);
    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_str_eq(hub_tls_protocol(client), "h2");
    ck_assert_str_eq(hub_tls_protocol(server.tls), "h2");
    part(client);
    ck_assert_int_eq(hub_tls_set_alpn(client_context, "smtp"), 0);
    ck_assert_int_eq(meet("good.test", &client), -EBADMSG);
    ck_assert_int_eq(server.rc, -EBADMSG);
    ck_assert_int_eq(hub_tls_set_alpn(client_context, "a,,b"), -EINVAL);
}
END_TEST

START_TEST(a_handshake_ends_with_its_deadline)
{
    struct hub_tls *client;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(hub_tls_open(client_context, ends[0], "good.test",
                                  hub_deadline(20 * MS), &client),
                     -ETIMEDOUT);
    hub_fd_closed(ends[0]);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(what_is_no_tls_is_said_so)
{
    struct hub_tls *tls;
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(write(ends[1], "GET / HTTP/1.0\r\n\r\n", 18), 18);
    ck_assert_int_eq(hub_tls_open(server_context, ends[0], NULL, SOON, &tls),
                     -EBADMSG);
    ck_assert_ptr_nonnull(strstr(hub_tls_open_error(), "http request"));
    close(ends[0]);
    close(ends[1]);
}
END_TEST

enum { BULK = 3000000 };

static void writes_bulk(void *arg)
{
    char *data = malloc(BULK);
    size_t done = 0;

    memset(data, 'b', BULK);
    while (done < BULK) {
        ssize_t put = hub_tls_write(arg, data + done, BULK - done, SOON);

        ck_assert_int_gt(put, 0);
        done += (size_t)put;
    }
    free(data);
}

static size_t read_bulk(struct hub_tls *tls)
{
    size_t done = 0;
    char buffer[5000];

    while (done < BULK) {
        ssize_t got = hub_tls_read(tls, buffer, sizeof buffer, SOON);

        ck_assert_int_gt(got, 0);
        done += (size_t)got;
    }
    return done;
}

static void reads_bulk(void *arg)
{
    ck_assert_uint_eq(read_bulk(arg), BULK);
}

START_TEST(both_ways_at_once)
{
    struct hub_tls *client;
    struct greenlet *g[3];

    ck_assert_int_eq(meet("good.test", &client), 0);
    g[0] = hub_spawn_raw(writes_bulk, client);
    g[1] = hub_spawn_raw(writes_bulk, server.tls);
    g[2] = hub_spawn_raw(reads_bulk, client);
    ck_assert_uint_eq(read_bulk(server.tls), BULK);
    for (int i = 0; i < 3; i++) {
        hub_join(g[i], HUB_FOREVER);
        greenlet_unref(g[i]);
    }
    part(client);
}
END_TEST

/* What has been taken is not lost, what has not is not sent. */
START_TEST(a_write_that_times_out_loses_nothing)
{
    static char block[16384];
    struct hub_tls *client;
    size_t taken = 0, got = 0;
    ssize_t put;

    memset(block, 'w', sizeof block);
    ck_assert_int_eq(meet("good.test", &client), 0);
    while ((put = hub_tls_write(client, block, sizeof block,
                                hub_deadline(5 * MS))) > 0)
        taken += (size_t)put;
    ck_assert_int_eq(put, -ETIMEDOUT);
    ck_assert_int_eq(hub_tls_write(client, block, 1, HUB_NOWAIT), -EAGAIN);
    while (got < taken) {
        char buffer[4096];
        ssize_t n = hub_tls_read(server.tls, buffer, sizeof buffer,
                                 hub_deadline(5 * MS));

        if (n == -ETIMEDOUT) /* the rest waits in the session */
            n = hub_tls_shutdown(client, SOON);
        ck_assert_int_ge(n, 0);
        got += (size_t)n;
    }
    ck_assert_uint_eq(got, taken);
    hub_tls_shutdown(client, SOON);
    ck_assert_int_eq(hub_tls_read(server.tls, block, sizeof block, SOON), 0);
    part(client);
}
END_TEST

static void closes(void *arg)
{
    hub_tls_close(arg);
}

START_TEST(close_ends_a_read_that_waits)
{
    struct hub_tls *client;
    struct greenlet *g;
    char byte;

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(hub_tls_read(client, &byte, 1, HUB_NOWAIT), -EAGAIN);
    ck_assert_int_eq(hub_tls_read(client, &byte, 1, hub_deadline(MS)),
                     -ETIMEDOUT);
    g = hub_spawn_raw(closes, client);
    ck_assert_int_eq(hub_tls_read(client, &byte, 1, SOON), -EBADF);
    ck_assert_int_eq(hub_tls_fd(client), -1);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    part(client);
}
END_TEST

START_TEST(it_is_a_transport)
{
    const struct hub_transport *t = &hub_tls_transport;
    struct hub_tls *client;
    char text[8];

    ck_assert_int_eq(meet("good.test", &client), 0);
    ck_assert_int_eq(t->write(client, "abc", 3, SOON), 3);
    ck_assert_int_eq(t->read(server.tls, text, sizeof text, SOON), 3);
    ck_assert_int_eq(t->fd(client), hub_tls_fd(client));
    ck_assert_int_eq(t->shutdown(client, SOON), 0);
    ck_assert_int_eq(t->read(server.tls, text, sizeof text, SOON), 0);
    ck_assert_int_eq(t->close(client), 0);
    t->free(client);
    t->free(server.tls);
}
END_TEST

START_TEST(files_that_are_no_good_are_refused)
{
    ck_assert_int_eq(
        hub_tls_use_certificate(server_context, "/no/such/file", NULL),
        -ENOENT);
    ck_assert_int_eq(
        hub_tls_use_certificate(server_context, "/proc/self/status", NULL),
        -EBADMSG);
    ck_assert_int_eq(hub_tls_trust(client_context, "/no/such/file", NULL),
                     -ENOENT);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("unit");
    int rc;

    make_certificates();
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
    tcase_add_test(tcase, what_one_writes_the_other_reads);
    tcase_add_test(tcase, an_end_is_announced_and_reading_goes_on);
    tcase_add_test(tcase, an_end_without_a_word_is_an_error);
    tcase_add_test(tcase, a_certificate_of_another_name_is_refused);
    tcase_add_test(tcase, an_address_may_be_a_name);
    tcase_add_test(tcase, without_trust_there_is_none);
    tcase_add_loop_test(tcase, a_client_trusts_what_the_system_does, 0, 3);
    tcase_add_test(tcase, a_server_may_ask_who_comes);
    tcase_add_test(tcase, each_name_has_its_certificate);
    tcase_add_test(tcase, both_agree_on_a_protocol_or_part);
    tcase_add_test(tcase, a_handshake_ends_with_its_deadline);
    tcase_add_test(tcase, what_is_no_tls_is_said_so);
    tcase_add_test(tcase, both_ways_at_once);
    tcase_add_test(tcase, a_write_that_times_out_loses_nothing);
    tcase_add_test(tcase, close_ends_a_read_that_waits);
    tcase_add_test(tcase, it_is_a_transport);
    tcase_add_test(tcase, files_that_are_no_good_are_refused);
    rc = unit_run("tls", tcase);
    remove_certificates();
    return rc;
}
