/* Resolvers, both against a DNS server of the test's own.
 *
 * libc's knows servers by /etc/resolv.conf and port 53 alone: so the program moves
 * into network and mount namespaces of its own.  Where that is not allowed its
 * tests against the server are skipped, and say so. */
#include "../unit.h"
#include "dns_place.h"
#include "dns_server.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS HUB_MILLISECOND

static bool libc_has_server;
static pid_t server, server_53;

static const char *const names[] = { "thread", "ares" };

/* False: this one cannot be tested here. */
static bool use(int which)
{
    ck_assert_int_eq(hub_resolver_set(names[which]), 0);
    return which == 1 || libc_has_server;
}

static char text[INET6_ADDRSTRLEN];

static const char *text_of(const struct addrinfo *info)
{
    ck_assert_int_eq(getnameinfo(info->ai_addr, info->ai_addrlen, text,
                                 sizeof text, NULL, 0, NI_NUMERICHOST),
                     0);
    return text;
}

static int count(const struct addrinfo *list)
{
    int n = 0;

    for (; list != NULL; list = list->ai_next)
        n++;
    return n;
}

START_TEST(a_name_has_addresses_of_both_families)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    bool v4 = false, v6 = false;

    if (!use(_i))
        return;
    ck_assert_int_eq(
        hub_getaddrinfo("host.test", "80", &hints, HUB_FOREVER, &list), 0);
    ck_assert_int_eq(count(list), 2);
    for (struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        v4 = v4 || strcmp(text_of(at), "192.0.2.1") == 0;
        v6 = v6 || strcmp(text_of(at), "2001:db8::1") == 0;
        ck_assert_int_eq(at->ai_socktype, SOCK_STREAM);
        ck_assert_int_eq(ntohs(((struct sockaddr_in *)at->ai_addr)->sin_port),
                         80);
    }
    ck_assert(v4 && v6);
    hub_freeaddrinfo(list);
}
END_TEST

START_TEST(without_a_kind_of_socket_each_is_listed)
{
    struct addrinfo hints = { .ai_family = AF_INET,
                              .ai_flags = AI_CANONNAME },
                    *list;

    if (!use(_i))
        return;
    ck_assert_int_eq(
        hub_getaddrinfo("alias.test", NULL, &hints, HUB_FOREVER, &list), 0);
    ck_assert_int_eq(count(list), 3);
    ck_assert_int_eq(list->ai_socktype, SOCK_STREAM);
    ck_assert_int_eq(list->ai_next->ai_socktype, SOCK_DGRAM);
    ck_assert_int_eq(list->ai_next->ai_next->ai_socktype, SOCK_RAW);
    ck_assert_str_eq(list->ai_canonname, "host.test");
    ck_assert_ptr_null(list->ai_next->ai_canonname);
    hub_freeaddrinfo(list);
}
END_TEST

/* ---- beside libc's own ---- */

static void expect_same(const struct addrinfo *got, const struct addrinfo *libc)
{
    for (; libc != NULL; libc = libc->ai_next, got = got->ai_next) {
        ck_assert_ptr_nonnull(got);
        ck_assert_int_eq(got->ai_family, libc->ai_family);
        ck_assert_int_eq(got->ai_socktype, libc->ai_socktype);
        ck_assert_int_eq(got->ai_protocol, libc->ai_protocol);
        ck_assert_uint_eq(got->ai_addrlen, libc->ai_addrlen);
        ck_assert_int_eq(memcmp(got->ai_addr, libc->ai_addr, got->ai_addrlen),
                         0);
    }
    ck_assert_ptr_null(got);
}

static void ask_both(const char *host, const char *service, int flags,
                     int family, int type)
{
    struct addrinfo hints = { .ai_flags = flags, .ai_family = family,
                              .ai_socktype = type },
                    *libc = NULL, *got = NULL;
    int rc = getaddrinfo(host, service, &hints, &libc);

    ck_assert_int_eq(
        hub_getaddrinfo(host, service, &hints, HUB_FOREVER, &got), -rc);
    if (rc != 0)
        return;
    expect_same(got, libc);
    freeaddrinfo(libc);
    hub_freeaddrinfo(got);
}

START_TEST(what_needs_no_server_is_as_libc_has_it)
{
    ck_assert_int_eq(hub_resolver_set(names[_i]), 0);
    ask_both(NULL, "http", 0, 0, SOCK_STREAM);
    ask_both(NULL, "domain", AI_PASSIVE, 0, 0);
    ask_both(NULL, "no-such-service", 0, 0, SOCK_STREAM);
    ask_both(NULL, NULL, 0, 0, 0);
    ask_both("127.1", NULL, 0, 0, SOCK_STREAM);
    ask_both("0x7f000001", "http", 0, AF_INET, SOCK_STREAM);
    ask_both("127.0.0.1", "http", 0, AF_INET6, SOCK_STREAM);
    ask_both("127.0.0.1", "http", AI_V4MAPPED, AF_INET6, SOCK_STREAM);
    ask_both("::1", "domain", 0, 0, 0);
    ask_both("host.test", NULL, AI_NUMERICHOST, 0, 0);
    ask_both("host.test", "http", AI_NUMERICSERV, 0, SOCK_STREAM);
    ask_both("host.test", NULL, 0x40000000, 0, 0);
    ask_both("host.test", NULL, 0, 77, 0);
    ask_both("host.test", NULL, 0, 0, 77);
    ask_both("host.test", "tftp", 0, 0, SOCK_STREAM);
    ask_both("host.test", "-1", 0, 0, SOCK_STREAM);
}
END_TEST

START_TEST(services_and_kinds_of_sockets_are_as_libc_has_them)
{
    if (!use(_i))
        return;
    if (!libc_has_server) { /* ares: but then libc cannot be asked */
        fprintf(stderr, "resolver: not compared with libc\n");
        return;
    }
    ask_both("host.test", "http", 0, AF_INET, 0);
    ask_both("host.test", "domain", 0, AF_INET6, 0);
    ask_both("host.test", "65536", 0, AF_INET, SOCK_STREAM);
    ask_both("host.test", "", 0, AF_INET, SOCK_STREAM);
    ask_both("host.test", NULL, 0, AF_INET, SOCK_SEQPACKET);
    ask_both("alias.test", "53", 0, AF_INET, SOCK_DGRAM);
    ask_both("many.test", "http", 0, AF_INET6, 0);
}
END_TEST

START_TEST(an_address_without_a_name_is_a_number_or_an_error)
{
    struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
    char host[64];

    if (!use(_i))
        return;
    inet_pton(AF_INET6, "2001:db8::77", &address.sin6_addr);
    ck_assert_int_eq(hub_getnameinfo((struct sockaddr *)&address,
                                     sizeof address, host, sizeof host, NULL,
                                     0, 0, HUB_FOREVER),
                     0);
    ck_assert_str_eq(host, "2001:db8::77");
    ck_assert_int_eq(hub_getnameinfo((struct sockaddr *)&address,
                                     sizeof address, host, sizeof host, NULL,
                                     0, NI_NAMEREQD, HUB_FOREVER),
                     -EAI_NONAME);
    ck_assert_int_eq(hub_getnameinfo((struct sockaddr *)&address,
                                     sizeof address, host, sizeof host, NULL,
                                     0, 0x8000, HUB_FOREVER),
                     -EAI_BADFLAGS);
}
END_TEST

START_TEST(an_answer_too_long_for_udp_comes_by_tcp)
{
    struct addrinfo hints = { .ai_family = AF_INET,
                              .ai_socktype = SOCK_STREAM },
                    *list;

    if (!use(_i))
        return;
    ck_assert_int_eq(
        hub_getaddrinfo("many.test", NULL, &hints, HUB_FOREVER, &list), 0);
    ck_assert_int_eq(count(list), 60);
    hub_freeaddrinfo(list);
}
END_TEST

START_TEST(what_there_is_not_is_told_apart)
{
    struct addrinfo hints = { .ai_family = AF_INET }, *list;

    if (!use(_i))
        return;
    ck_assert_int_eq(
        hub_getaddrinfo("none.test", NULL, &hints, HUB_FOREVER, &list),
        -EAI_NONAME);
    ck_assert_int_eq(
        hub_getaddrinfo("empty.test", NULL, &hints, HUB_FOREVER, &list),
        -EAI_NODATA);
    ck_assert_str_eq(hub_resolver_strerror(-EAI_NONAME),
                     gai_strerror(EAI_NONAME));
}
END_TEST

static int waited[30];

static void looks_up_slowly(void *arg)
{
    struct addrinfo hints = { .ai_family = AF_INET }, *list;
    int *rc = arg;

    *rc = hub_getaddrinfo("slow.test", NULL, &hints, HUB_FOREVER, &list);
    if (*rc == 0)
        hub_freeaddrinfo(list);
}

/* By threads: no more than ten at once, so three rounds. */
START_TEST(many_look_up_at_once)
{
    enum { N = 30 };
    struct greenlet *g[N];
    struct hub_threadpool_counts counts;

    if (!use(_i))
        return;
    for (int i = 0; i < N; i++)
        g[i] = hub_spawn_raw(looks_up_slowly, &waited[i]);
    hub_sleep(20 * MS);
    if (_i == 0) {
        hub_threadpool_count(hub_threadpool_default(), &counts);
        ck_assert_uint_eq(counts.threads, 10);
    }
    for (int i = 0; i < N; i++) {
        hub_join(g[i], HUB_FOREVER);
        greenlet_unref(g[i]);
        ck_assert_int_eq(waited[i], 0);
    }
}
END_TEST

START_TEST(a_lookup_ends_with_its_deadline)
{
    struct addrinfo *list;

    if (!use(_i))
        return;
    ck_assert_int_eq(hub_getaddrinfo("silent.test", NULL, NULL,
                                     hub_deadline(30 * MS), &list),
                     -ETIMEDOUT);
}
END_TEST

static void looks_up_in_vain(void *arg)
{
    struct addrinfo *list;

    *(int *)arg =
        hub_getaddrinfo("slow.test", NULL, NULL, HUB_FOREVER, &list);
}

START_TEST(a_lookup_can_be_killed)
{
    int rc = 1;
    struct greenlet *g;

    if (!use(_i))
        return;
    g = hub_spawn_raw(looks_up_in_vain, &rc);
    hub_sleep(20 * MS);
    hub_kill(g);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    ck_assert_int_eq(rc, -ECANCELED);
    greenlet_unref(g);
}
END_TEST

START_TEST(an_address_has_a_name)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(443) };
    char host[64], service[32];

    if (!use(_i))
        return;
    inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
    ck_assert_int_eq(hub_getnameinfo((struct sockaddr *)&address,
                                     sizeof address, host, sizeof host,
                                     service, sizeof service, NI_NUMERICSERV,
                                     HUB_FOREVER),
                     0);
    ck_assert_str_eq(host, "host.test");
    ck_assert_str_eq(service, "443");
    ck_assert_int_eq(hub_getnameinfo((struct sockaddr *)&address,
                                     sizeof address, host, 4, NULL, 0, 0,
                                     HUB_FOREVER),
                     -EAI_OVERFLOW);
}
END_TEST

START_TEST(the_older_calls_answer_too)
{
    struct hostent *host;
    struct in_addr address;

    if (!use(_i))
        return;
    ck_assert_int_eq(
        hub_gethostbyname("alias.test", AF_INET, HUB_FOREVER, &host), 0);
    ck_assert_str_eq(host->h_name, "host.test");
    ck_assert_str_eq(host->h_aliases[0], "alias.test");
    inet_pton(AF_INET, "192.0.2.1", &address);
    ck_assert_int_eq(memcmp(host->h_addr_list[0], &address, 4), 0);
    hub_freehostent(host);
    ck_assert_int_eq(
        hub_gethostbyaddr(&address, 4, AF_INET, HUB_FOREVER, &host), 0);
    ck_assert_str_eq(host->h_name, "host.test");
    hub_freehostent(host);
    ck_assert_int_eq(
        hub_gethostbyname("none.test", AF_INET, HUB_FOREVER, &host),
        -EAI_NONAME);
    ck_assert_int_eq(hub_gethostbyname("x", AF_UNIX, HUB_FOREVER, &host),
                     -EAFNOSUPPORT);
    ck_assert_int_eq(
        hub_gethostbyaddr(&address, 5, AF_INET, HUB_FOREVER, &host), -EINVAL);
}
END_TEST

START_TEST(a_child_looks_up_by_itself)
{
    struct addrinfo *list;
    int rc = 1, status;
    struct greenlet *g;
    pid_t pid;

    if (!use(_i))
        return;
    if (WITH_TSAN && _i == 0) {
        fprintf(stderr, "resolver: ThreadSanitizer allows no threads in the "
                        "child of a fork()\n");
        return;
    }
    g = hub_spawn_raw(looks_up_slowly, &rc);
    hub_sleep(20 * MS); /* a question is open */
    pid = fork();
    if (pid == 0) {
        rc = hub_getaddrinfo("host.test", NULL, NULL, HUB_FOREVER, &list);
        _exit(rc == 0 ? 0 : 1);
    }
    hub_join(g, HUB_FOREVER);
    ck_assert_int_eq(rc, 0);
    greenlet_unref(g);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* No thread is started, nothing is asked. */
START_TEST(numbers_need_nobody)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    struct hub_threadpool_counts counts;
    struct hostent *host;

    use(_i);
    hub_threadpool_kill(hub_threadpool_default(), HUB_FOREVER);
    ck_assert_int_eq(
        hub_getaddrinfo("127.0.0.1", "80", &hints, HUB_FOREVER, &list), 0);
    ck_assert_str_eq(text_of(list), "127.0.0.1");
    hub_freeaddrinfo(list);
    ck_assert_int_eq(hub_getaddrinfo("::1", NULL, &hints, HUB_FOREVER, &list),
                     0);
    hub_freeaddrinfo(list);
    hints.ai_flags = AI_PASSIVE;
    ck_assert_int_eq(hub_getaddrinfo(NULL, "0", &hints, HUB_FOREVER, &list),
                     0);
    hub_freeaddrinfo(list);
    ck_assert_int_eq(
        hub_gethostbyname("127.0.0.1", AF_INET, HUB_FOREVER, &host), 0);
    hub_freehostent(host);
    hub_threadpool_count(hub_threadpool_default(), &counts);
    ck_assert_uint_eq(counts.threads, 0);
    hub_threadpool_kill(hub_threadpool_default(), HUB_FOREVER);
}
END_TEST

START_TEST(the_name_says_which)
{
    use(_i);
    ck_assert_str_eq(hub_resolver_name(), names[_i]);
    ck_assert_int_eq(hub_resolver_set("nonsense"), -EINVAL);
    ck_assert_str_eq(hub_resolver_name(), names[_i]);
    ck_assert_int_eq(hub_resolver_set("block,ares"), 0);
    ck_assert_str_eq(hub_resolver_name(), "block");
}
END_TEST

/* Nobody listens on port 1. */
START_TEST(servers_are_those_that_the_options_name_just_then)
{
    struct addrinfo *list;

    use(1);
    ck_assert_int_eq(
        hub_getaddrinfo("host.test", NULL, NULL, HUB_FOREVER, &list), 0);
    hub_freeaddrinfo(list);
    ck_assert_int_eq(hub_config_set("resolver_tries", "1"), 0);
    ck_assert_int_eq(hub_config_set("resolver_timeout", "50ms"), 0);
    ck_assert_int_eq(hub_config_set("resolver_nameservers", "127.0.0.1:1"), 0);
    ck_assert_int_eq(
        hub_getaddrinfo("host.test", NULL, NULL, HUB_FOREVER, &list),
        -EAI_AGAIN);
    ck_assert_int_eq(hub_config_reset("resolver_tries"), 0);
    ck_assert_int_eq(hub_config_reset("resolver_timeout"), 0);
    ck_assert_int_eq(hub_config_reset("resolver_nameservers"), 0);
    ck_assert_int_eq(
        hub_getaddrinfo("host.test", NULL, NULL, HUB_FOREVER, &list), 0);
    hub_freeaddrinfo(list);
}
END_TEST

START_TEST(a_killed_pool_ends_the_lookups_that_wait_for_it)
{
    enum { N = 12 };
    struct greenlet *g[N];

    if (!use(0))
        return;
    for (int i = 0; i < N; i++)
        g[i] = hub_spawn_raw(looks_up_slowly, &waited[i]);
    hub_sleep(20 * MS);
    ck_assert_int_eq(hub_threadpool_kill(hub_threadpool_default(), HUB_FOREVER),
                     0);
    for (int i = 0; i < N; i++) {
        hub_join(g[i], HUB_FOREVER);
        greenlet_unref(g[i]);
        if (i < 10) /* it has a place, and maybe a thread */
            ck_assert(waited[i] == 0 || waited[i] == -ECANCELED);
        else
            ck_assert_int_eq(waited[i], -ESHUTDOWN);
    }
}
END_TEST

static void connects_to_slow(void *arg)
{
    *(int *)arg = hub_connect_to("silent.test:80", hub_deadline(50 * MS));
}

START_TEST(who_connects_to_a_name_waits_for_it_no_longer_than_told)
{
    int rc = 1;
    struct greenlet *g;

    if (!use(_i))
        return;
    g = hub_spawn_raw(connects_to_slow, &rc);
    ck_assert_int_eq(hub_join(g, HUB_FOREVER), 0);
    greenlet_unref(g);
    ck_assert_int_eq(rc, -ETIMEDOUT);
    ck_assert_int_eq(hub_connect_to("none.test:80", HUB_FOREVER), -ENOENT);
}
END_TEST

static void start_servers(void)
{
    uint16_t port = 53;
    char servers[64];

    if (dns_place_enter() == 0) {
        server_53 = dns_server_start(&port);
        if (server_53 < 0)
            dns_place_say("port 53", "");
    }
    libc_has_server = server_53 > 0;
    port = 0;
    server = dns_server_start(&port);
    if (server <= 0) {
        fprintf(stderr, "no DNS server: %s\n", strerror((int)-server));
        exit(EXIT_FAILURE);
    }
    snprintf(servers, sizeof servers, "127.0.0.1:%u", (unsigned)port);
    setenv("VIREO_RESOLVER_NAMESERVERS", servers, 1);
    setenv("VIREO_RESOLVER_TIMEOUT", "2s", 1);
}

/* What is still under way belongs to no test. */
static void settle(void)
{
    hub_resolver_set("thread");
    hub_destroy();
    while ((hub__own_threads() - hub__monitor_threads()) > 0)
        hub_sleep(MS);
    hub_destroy();
}

static unsigned fds_at_first;

static void begin(void)
{
    fds_at_first = unit_count_fds();
}

static void end(void)
{
    settle();
    ck_assert_uint_eq(unit_count_fds(), fds_at_first);
}

int main(void)
{
    TCase *tcase = tcase_create("unit");
    int rc;

    start_servers();
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, a_name_has_addresses_of_both_families, 0, 2);
    tcase_add_loop_test(tcase, without_a_kind_of_socket_each_is_listed, 0, 2);
    tcase_add_loop_test(tcase, what_needs_no_server_is_as_libc_has_it, 0, 2);
    tcase_add_loop_test(
        tcase, services_and_kinds_of_sockets_are_as_libc_has_them, 0, 2);
    tcase_add_loop_test(
        tcase, an_address_without_a_name_is_a_number_or_an_error, 0, 2);
    tcase_add_loop_test(tcase, an_answer_too_long_for_udp_comes_by_tcp, 0, 2);
    tcase_add_loop_test(tcase, what_there_is_not_is_told_apart, 0, 2);
    tcase_add_loop_test(tcase, many_look_up_at_once, 0, 2);
    tcase_add_loop_test(tcase, a_lookup_ends_with_its_deadline, 0, 2);
    tcase_add_loop_test(tcase, a_lookup_can_be_killed, 0, 2);
    tcase_add_test(tcase, a_killed_pool_ends_the_lookups_that_wait_for_it);
    tcase_add_test(tcase, servers_are_those_that_the_options_name_just_then);
    tcase_add_loop_test(
        tcase, who_connects_to_a_name_waits_for_it_no_longer_than_told, 0, 2);
    tcase_add_loop_test(tcase, an_address_has_a_name, 0, 2);
    tcase_add_loop_test(tcase, the_older_calls_answer_too, 0, 2);
    tcase_add_loop_test(tcase, a_child_looks_up_by_itself, 0, 2);
    tcase_add_loop_test(tcase, numbers_need_nobody, 0, 2);
    tcase_add_loop_test(tcase, the_name_says_which, 0, 2);
    rc = unit_run("resolver", tcase);
    dns_server_stop(server);
    dns_server_stop(server_53);
    return rc;
}
