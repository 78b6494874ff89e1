/* Users, groups, services, protocols, networks: look-ups that may ask a server */
#include "conformance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>
#include <string.h>
#include <unistd.h>

static char room[4000];

START_TEST(users)
{
    struct passwd entry, *found = NULL;

    ck_assert_int_eq(getpwuid(0)->pw_uid, 0);
    ck_assert_str_eq(getpwuid(0)->pw_name, "root");
    ck_assert_int_eq(getpwnam("root")->pw_uid, 0);
    errno = 0;
    ck_assert_ptr_null(getpwnam("no-such-user-here"));
    ck_assert_int_eq(getpwnam_r("root", &entry, room, sizeof room, &found), 0);
    ck_assert_ptr_eq(found, &entry);
    ck_assert_str_eq(entry.pw_name, "root");
    ck_assert_int_eq(getpwuid_r(0, &entry, room, sizeof room, &found), 0);
    ck_assert_str_eq(found->pw_name, "root");
    ck_assert_int_eq(getpwuid_r(0, &entry, room, 1, &found), ERANGE);
    ck_assert_int_eq(getpwnam_r("no-such-user-here", &entry, room, sizeof room,
                                &found), 0);
    ck_assert_ptr_null(found);
}
END_TEST

START_TEST(groups)
{
    struct group entry, *found = NULL;
    gid_t list[100];
    int count = 100;

    ck_assert_str_eq(getgrgid(0)->gr_name, "root");
    ck_assert_int_eq(getgrnam("root")->gr_gid, 0);
    ck_assert_int_eq(getgrnam_r("root", &entry, room, sizeof room, &found), 0);
    ck_assert_int_eq(found->gr_gid, 0);
    ck_assert_int_eq(getgrgid_r(0, &entry, room, sizeof room, &found), 0);
    ck_assert_str_eq(found->gr_name, "root");
    ck_assert_int_eq(getgrgid_r(0, &entry, room, 1, &found), ERANGE);
    ck_assert_int_ge(getgrouplist("root", 0, list, &count), 1);
    ck_assert_int_eq(list[0], 0);
    count = 0;
    ck_assert_int_eq(getgrouplist("root", 0, list, &count), -1);
    ck_assert_int_ge(count, 1);
}
END_TEST

START_TEST(groups_of_the_process)
{
    gid_t before[100], after[100];
    int had = getgroups(100, before), has;

    if (geteuid() != 0) {
        conf_skip("initgroups() needs root");
        return;
    }
    ck_assert_int_ge(had, 0);
    ck_assert_int_eq(initgroups("root", 12345), 0);
    has = getgroups(100, after);
    ck_assert_int_ge(has, 1);
    ck_assert_int_eq(after[0] == 12345 || after[has - 1] == 12345, 1);
    ck_assert_int_eq(setgroups((size_t)had, before), 0);
    ck_assert_int_eq(getgroups(100, after), had);
}
END_TEST

START_TEST(services_and_protocols)
{
    struct servent service, *found = NULL;
    struct protoent protocol, *proto = NULL;

    if (getservbyname("http", "tcp") == NULL) {
        conf_skip("no /etc/services");
        return;
    }
    ck_assert_int_eq(ntohs((uint16_t)getservbyname("http", "tcp")->s_port), 80);
    ck_assert_str_eq(getservbyport(htons(80), "tcp")->s_name, "http");
    ck_assert_int_eq(getservbyname_r("http", "tcp", &service, room, sizeof room,
                                     &found), 0);
    ck_assert_int_eq(ntohs((uint16_t)found->s_port), 80);
    ck_assert_int_eq(getservbyport_r(htons(80), "tcp", &service, room,
                                     sizeof room, &found), 0);
    ck_assert_str_eq(found->s_name, "http");
    ck_assert_int_eq(getprotobyname("tcp")->p_proto, IPPROTO_TCP);
    ck_assert_str_eq(getprotobynumber(IPPROTO_UDP)->p_name, "udp");
    ck_assert_int_eq(getprotobyname_r("tcp", &protocol, room, sizeof room,
                                      &proto), 0);
    ck_assert_int_eq(proto->p_proto, IPPROTO_TCP);
}
END_TEST

START_TEST(hosts_and_networks)
{
    struct hostent host, *found = NULL;
    struct netent net, *network = NULL;
    struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
    int error = 0;

    ck_assert_int_eq(gethostbyname2("127.0.0.1", AF_INET)->h_length, 4);
    ck_assert_int_eq(gethostbyaddr_r(&loopback, sizeof loopback, AF_INET, &host,
                                     room, sizeof room, &found, &error), 0);
    ck_assert(found == NULL || found->h_addrtype == AF_INET);
    sethostent(1);
    ck_assert_int_eq(gethostent_r(&host, room, sizeof room, &found, &error), 0);
    ck_assert_ptr_nonnull(found);
    endhostent();
    ck_assert_int_eq(getnetbyname_r("no-such-network-here", &net, room,
                                    sizeof room, &network, &error), 0);
    ck_assert_ptr_null(network);
}
END_TEST

/* A question that the library refuses before it asks anybody. */
START_TEST(the_resolver_refuses_a_bad_name)
{
    unsigned char answer[100], question[4] = { 0 };
    struct __res_state state;
    char name[400];

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(res_query(name, 1, 1, answer, sizeof answer), -1);
    ck_assert_int_eq(h_errno, NO_RECOVERY);
    ck_assert_int_eq(res_search(name, 1, 1, answer, sizeof answer), -1);
    memset(&state, 0, sizeof state);
    ck_assert_int_eq(res_ninit(&state), 0);
    ck_assert_int_eq(res_nquery(&state, name, 1, 1, answer, sizeof answer), -1);
    ck_assert_int_eq(res_nsearch(&state, name, 1, 1, answer, sizeof answer),
                     -1);
    ck_assert_int_eq(res_nsend(&state, question, 4, answer, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(res_send(question, 4, answer, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    res_nclose(&state);
}
END_TEST

static void *ask_again_and_again(void *argument)
{
    char own[2000];

    for (int i = 0; i < 20; i++) {
        struct passwd entry, *found;
        struct group group, *in;

        CONF_CHECK(getpwnam_r("root", &entry, own, sizeof own, &found) == 0);
        CONF_CHECK(found != NULL && found->pw_uid == 0);
        CONF_CHECK(getgrgid_r(0, &group, own, sizeof own, &in) == 0);
        CONF_CHECK(strcmp(in->gr_name, "root") == 0);
    }
    return argument;
}

START_TEST(many_threads_get_answers_of_their_own)
{
    pthread_t threads[20];

    for (int i = 0; i < 20; i++)
        threads[i] = start_thread(ask_again_and_again, NULL);
    for (int i = 0; i < 20; i++)
        join_thread(threads[i]);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, users, 1);
    conf_test(tcase, groups, 1);
    conf_test(tcase, groups_of_the_process, 1);
    conf_test(tcase, services_and_protocols, 1);
    conf_test(tcase, hosts_and_networks, 1);
    conf_test(tcase, the_resolver_refuses_a_bad_name, 1);
    conf_test(tcase, many_threads_get_answers_of_their_own, 1);
}

int main(void)
{
    return conf_main("databases", add, CONF_THREADS);
}
