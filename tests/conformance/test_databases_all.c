/* The user databases entry by entry, their rarer look-ups, and who is logged in */
#include "conformance.h"

#include <aliases.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <gshadow.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pwd.h>
#include <resolv.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>

static char room[4000];

/* Walk through all entries: the first by the plain call is the first by the one
 * with memory of its own. */
#define WALK(set, get, get_call, end, type, name)                         \
    do {                                                                  \
        type entry, *found = NULL, *plain;                                \
        char first[200] = "";                                             \
                                                                          \
        set;                                                              \
        plain = get;                                                      \
        if (plain != NULL)                                                \
            snprintf(first, sizeof first, "%s", plain->name);             \
        end;                                                              \
        set;                                                              \
        memset(&entry, 0, sizeof entry);                                  \
        if (get_call == 0 && found != NULL)                               \
            ck_assert_str_eq(entry.name, first);                          \
        else                                                              \
            ck_assert_str_eq(first, "");                                  \
        end;                                                              \
    } while (0)

START_TEST(entry_by_entry)
{
    int error;

    conf_assert_mapped();
    WALK(setpwent(), getpwent(), getpwent_r(&entry, room, 4000, &found),
         endpwent(), struct passwd, pw_name);
    WALK(setgrent(), getgrent(), getgrent_r(&entry, room, 4000, &found),
         endgrent(), struct group, gr_name);
    WALK(setspent(), getspent(), getspent_r(&entry, room, 4000, &found),
         endspent(), struct spwd, sp_namp);
    WALK(setsgent(), getsgent(), getsgent_r(&entry, room, 4000, &found),
         endsgent(), struct sgrp, sg_namp);
    WALK(setaliasent(), getaliasent(),
         getaliasent_r(&entry, room, 4000, &found), endaliasent(),
         struct aliasent, alias_name);
    WALK(sethostent(0), gethostent(),
         gethostent_r(&entry, room, 4000, &found, &error), endhostent(),
         struct hostent, h_name);
    WALK(setnetent(0), getnetent(),
         getnetent_r(&entry, room, 4000, &found, &error), endnetent(),
         struct netent, n_name);
    WALK(setprotoent(0), getprotoent(),
         getprotoent_r(&entry, room, 4000, &found), endprotoent(),
         struct protoent, p_name);
    WALK(setservent(0), getservent(),
         getservent_r(&entry, room, 4000, &found), endservent(),
         struct servent, s_name);
    WALK(setrpcent(0), getrpcent(), getrpcent_r(&entry, room, 4000, &found),
         endrpcent(), struct rpcent, r_name);
}
END_TEST

START_TEST(the_password_file_begins_with_root)
{
    struct passwd *entry;
    int users = 0;

    conf_assert_mapped();
    setpwent();
    ck_assert_str_eq(getpwent()->pw_name, "root");
    while ((entry = getpwent()) != NULL)
        users++;
    ck_assert_int_gt(users, 0);
    endpwent();
    ck_assert_int_eq(getpw(0, room), 0);
    ck_assert(strncmp(room, "root:", 5) == 0);
}
END_TEST

/* What is found, if it is there, is what was asked for. */
START_TEST(by_name_and_number)
{
    struct rpcent rpc, *found_rpc = NULL;
    struct protoent protocol, *found = NULL;
    struct spwd shadow, *found_shadow = NULL;
    struct sgrp group, *found_group = NULL;
    struct aliasent alias, *found_alias = NULL;
    struct netent net, *found_net = NULL;
    int error = 0;

    conf_assert_mapped();
    ck_assert_int_eq(getprotobynumber_r(6, &protocol, room, 4000, &found), 0);
    if (found != NULL)
        ck_assert_int_eq(found->p_proto, 6);
    ck_assert(getrpcbyname("no-such-program") == NULL);
    ck_assert(getrpcbynumber(987654) == NULL);
    getrpcbyname_r("portmapper", &rpc, room, 4000, &found_rpc);
    if (found_rpc != NULL)
        ck_assert_int_eq(found_rpc->r_number, 100000);
    getrpcbynumber_r(100000, &rpc, room, 4000, &found_rpc);
    if (found_rpc != NULL)
        ck_assert_str_eq(found_rpc->r_name, "portmapper");
    if (getspnam("root") != NULL)
        ck_assert_str_eq(getspnam("root")->sp_namp, "root");
    getspnam_r("root", &shadow, room, 4000, &found_shadow);
    if (found_shadow != NULL)
        ck_assert_str_eq(shadow.sp_namp, "root");
    ck_assert(getsgnam("no-such-group") == NULL);
    getsgnam_r("root", &group, room, 4000, &found_group);
    if (found_group != NULL)
        ck_assert_str_eq(group.sg_namp, "root");
    ck_assert(getaliasbyname("no-such-alias") == NULL);
    getaliasbyname_r("no-such-alias", &alias, room, 4000, &found_alias);
    ck_assert_ptr_null(found_alias);
    ck_assert(getnetbyname("no-such-net") == NULL);
    ck_assert(getnetbyaddr(0x7b7b7b, AF_INET) == NULL);
    getnetbyaddr_r(0x7b7b7b, AF_INET, &net, room, 4000, &found_net, &error);
    ck_assert_ptr_null(found_net);
}
END_TEST

START_TEST(groups_of_hosts_and_users)
{
    char *host, *user, *domain;

    conf_assert_mapped();
    ck_assert_int_eq(setnetgrent("no-such-netgroup"), 0);
    ck_assert_int_eq(getnetgrent(&host, &user, &domain), 0);
    ck_assert_int_eq(getnetgrent_r(&host, &user, &domain, room, 4000), 0);
    endnetgrent();
    ck_assert_int_eq(innetgr("no-such-netgroup", "h", "u", "d"), 0);
}
END_TEST

START_TEST(stations)
{
    struct ether_addr address = { { 1, 2, 3, 4, 5, 6 } };

    conf_assert_mapped();
    ck_assert_int_ne(ether_hostton("no-such-station", &address), 0);
    ck_assert_int_ne(ether_ntohost(room, &address), 0);
}
END_TEST

char *cuserid(char *buf);
int ruserpass(const char *host, const char **name, const char **password);
int __getlogin_r_chk(char *buf, size_t size, size_t room);

START_TEST(who_runs_this)
{
    char name[100];
    int rc;

    conf_assert_mapped();
    ck_assert_str_eq(cuserid(name), getpwuid(geteuid())->pw_name);
    rc = getlogin_r(name, sizeof name);
    if (rc == 0) {
        ck_assert_str_eq(getlogin(), name);
        ck_assert_int_eq(__getlogin_r_chk(room, 100, sizeof room), 0);
        ck_assert_str_eq(room, name);
    } else {
        ck_assert_ptr_null(getlogin());
        ck_assert_int_eq(__getlogin_r_chk(room, 100, sizeof room), rc);
    }
}
END_TEST

/* The server of the resolver is a port of ours that nobody reads: whoever asks
 * gives up after a second. */
START_TEST(the_resolver_with_a_domain)
{
    struct __res_state state = { 0 };
    unsigned char answer[512];
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_DGRAM, 0);

    conf_assert_mapped();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&address, &size),
                     0);
    ck_assert_int_eq(res_ninit(&state), 0);
    state.nscount = 1;
    state.nsaddr_list[0] = address;
    state.retrans = state.retry = 1;
    ck_assert_int_eq(res_nquerydomain(&state, "host", "example.org", C_IN,
                                      T_A, answer, sizeof answer), -1);
    res_nclose(&state);
    ck_assert_int_eq(res_init(), 0);
    _res.nscount = 1;
    _res.nsaddr_list[0] = address;
    _res.retrans = _res.retry = 1;
    ck_assert_int_eq(res_querydomain("host", "example.org", C_IN, T_A, answer,
                                     sizeof answer), -1);
    close(server);
}
END_TEST

/* ---- the file of those who are logged in ---- */

static char dir[CONF_PATH], path[CONF_PATH + 8];

static void make_utmp(void)
{
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/utmp", dir);
    close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

START_TEST(utmp)
{
    struct utmp entry = { .ut_type = USER_PROCESS, .ut_line = "tty9",
                          .ut_id = "9", .ut_user = "somebody" };
    struct utmp like = { .ut_type = USER_PROCESS, .ut_line = "tty9",
                         .ut_id = "9" };
    struct utmp memory, *found;

    conf_assert_mapped();
    make_utmp();
    ck_assert_int_eq(utmpname(path), 0);
    setutent();
    ck_assert_ptr_null(getutent());
    ck_assert_ptr_nonnull(pututline(&entry));
    setutent();
    ck_assert_str_eq(getutent()->ut_user, "somebody");
    setutent();
    ck_assert_str_eq(getutid(&like)->ut_user, "somebody");
    setutent();
    ck_assert_str_eq(getutline(&like)->ut_user, "somebody");
    setutent();
    ck_assert_int_eq(getutent_r(&memory, &found), 0);
    setutent();
    ck_assert_int_eq(getutid_r(&like, &memory, &found), 0);
    setutent();
    ck_assert_int_eq(getutline_r(&like, &memory, &found), 0);
    ck_assert_str_eq(memory.ut_user, "somebody");
    endutent();
    updwtmp(path, &entry);
    updwtmp("/no/such/file", &entry);
    logwtmp("tty-none", "", "");
    ck_assert_int_eq(logout("tty-no-such"), 0);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(utmpx)
{
    struct utmpx entry = { .ut_type = USER_PROCESS, .ut_line = "tty8",
                           .ut_id = "8", .ut_user = "another" };
    struct utmpx like = { .ut_type = USER_PROCESS, .ut_line = "tty8",
                          .ut_id = "8" };

    conf_assert_mapped();
    make_utmp();
    ck_assert_int_eq(utmpxname(path), 0);
    setutxent();
    ck_assert_ptr_nonnull(pututxline(&entry));
    setutxent();
    ck_assert_str_eq(getutxent()->ut_user, "another");
    setutxent();
    ck_assert_str_eq(getutxid(&like)->ut_user, "another");
    setutxent();
    ck_assert_str_eq(getutxline(&like)->ut_user, "another");
    endutxent();
    updwtmpx(path, &entry);
    login((struct utmp *)&entry); /* there is no terminal in the table */
    unlink(path);
    rmdir(dir);
}
END_TEST

/* ---- programs of other machines: nobody can be reached there ---- */

START_TEST(nobody_answers)
{
    char name[] = "255.255.255.255", *host = name; /* no TCP there */
    const char *user = "u", *password = "p";
    struct sockaddr_in address = { .sin_port = htons(514) };
    int second, saved = dup(STDERR_FILENO);

    conf_assert_mapped();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    close(STDERR_FILENO);
    ck_assert_int_eq(open("/dev/null", O_WRONLY), STDERR_FILENO);
    ck_assert_int_eq(rcmd(&host, address.sin_port, user, user, "true",
                          &second), -1);
    host = name;
    ck_assert_int_eq(rcmd_af(&host, address.sin_port, user, user, "true",
                             &second, AF_INET), -1);
    host = name;
    ck_assert_int_eq(rexec(&host, address.sin_port, user, password, "true",
                           &second), -1);
    host = name;
    ck_assert_int_eq(rexec_af(&host, address.sin_port, user, password, "true",
                              &second, AF_INET), -1);
    ck_assert_int_eq(ruserok("127.0.0.1", 0, "no-such-user", "no-such-user"),
                     -1);
    ck_assert_int_eq(ruserok_af("127.0.0.1", 0, "no-such-user",
                                "no-such-user", AF_INET), -1);
    ck_assert_int_eq(iruserok(address.sin_addr.s_addr, 0, "no-such-user",
                              "no-such-user"), -1);
    ck_assert_int_eq(iruserok_af(&address.sin_addr, 0, "no-such-user",
                                 "no-such-user", AF_INET), -1);
    ck_assert_int_eq(ruserpass("127.0.0.1", &user, &password), 0);
    dup2(saved, STDERR_FILENO);
    close(saved);
}
END_TEST

START_TEST(the_lock_of_the_password_file)
{
    conf_assert_mapped();
    if (geteuid() != 0 || lckpwdf() != 0) {
        conf_skip("the password file cannot be locked here");
        return;
    }
    ck_assert_int_eq(ulckpwdf(), 0);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, entry_by_entry, 1);
    conf_test(tcase, the_password_file_begins_with_root, 1);
    conf_test(tcase, by_name_and_number, 1);
    conf_test(tcase, groups_of_hosts_and_users, 1);
    conf_test(tcase, stations, 1);
    conf_test(tcase, who_runs_this, 1);
    conf_test(tcase, the_resolver_with_a_domain, 1);
    conf_test(tcase, utmp, 1);
    conf_test(tcase, utmpx, 1);
    conf_test(tcase, nobody_answers, 1);
    conf_test(tcase, the_lock_of_the_password_file, 1);
}

int main(void)
{
    return conf_main("databases_all", add, CONF_THREADS);
}
