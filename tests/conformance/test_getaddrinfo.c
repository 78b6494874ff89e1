/* getaddrinfo(3), getnameinfo(3), gethostbyname(3): what needs no network */
#include "conformance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { SOME_ERRNO = 4242, THREADS = 20 };

START_TEST(a_number_is_an_address)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    struct sockaddr_in *address;

    ck_assert_int_eq(getaddrinfo("127.1.2.3", "8080", &hints, &found), 0);
    address = (struct sockaddr_in *)(void *)found->ai_addr;
    ck_assert_int_eq(found->ai_family, AF_INET);
    ck_assert_uint_eq(ntohs(address->sin_port), 8080);
    ck_assert_uint_eq(ntohl(address->sin_addr.s_addr), 0x7f010203);
    ck_assert_ptr_null(found->ai_next);
    freeaddrinfo(found);
    ck_assert_int_eq(getaddrinfo("::1", "80", &hints, &found), 0);
    ck_assert_int_eq(found->ai_family, AF_INET6);
    freeaddrinfo(found);
}
END_TEST

START_TEST(localhost_is_found)
{
    struct addrinfo hints = { .ai_family = AF_INET,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    struct sockaddr_in *address;

    ck_assert_int_eq(getaddrinfo("localhost", NULL, &hints, &found), 0);
    address = (struct sockaddr_in *)(void *)found->ai_addr;
    ck_assert_uint_eq(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
    freeaddrinfo(found);
}
END_TEST

START_TEST(tells_errors_by_its_result)
{
    struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST };
    struct addrinfo odd = { .ai_family = 9999 };
    struct addrinfo *found = NULL;

    ck_assert_int_eq(getaddrinfo("no-number", NULL, &numeric, &found),
                     EAI_NONAME);
    ck_assert_int_eq(getaddrinfo(NULL, NULL, NULL, &found), EAI_NONAME);
    ck_assert_int_eq(getaddrinfo("127.0.0.1", NULL, &odd, &found), EAI_FAMILY);
    numeric.ai_flags |= AI_NUMERICSERV;
    ck_assert_int_eq(getaddrinfo("127.0.0.1", "http", &numeric, &found),
                     EAI_NONAME);
    ck_assert_str_eq(gai_strerror(EAI_NONAME), "Name or service not known");
}
END_TEST

START_TEST(getnameinfo_writes_numbers)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(8080) };
    char host[40] = "", service[20] = "";

    address.sin_addr.s_addr = htonl(0x7f010203);
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&address, sizeof address,
                                 host, sizeof host, service, sizeof service,
                                 NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
    ck_assert_str_eq(host, "127.1.2.3");
    ck_assert_str_eq(service, "8080");
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&address, sizeof address,
                                 host, 3, NULL, 0, NI_NUMERICHOST),
                     EAI_OVERFLOW);
    ck_assert_int_eq(getnameinfo((struct sockaddr *)&address, 3, host,
                                 sizeof host, NULL, 0, NI_NUMERICHOST),
                     EAI_FAMILY);
}
END_TEST

START_TEST(gethostbyname_finds_localhost)
{
    struct hostent *host = gethostbyname("localhost");
    struct in_addr loopback = { htonl(INADDR_LOOPBACK) };

    ck_assert_ptr_nonnull(host);
    ck_assert_int_eq(host->h_addrtype, AF_INET);
    ck_assert_mem_eq(host->h_addr_list[0], &loopback, 4);
    host = gethostbyname("127.9.8.7");
    ck_assert_ptr_nonnull(host);
    ck_assert_int_eq(host->h_addr_list[0][1], 9);
    host = gethostbyaddr(&loopback, 4, AF_INET);
    if (host == NULL)
        conf_skip("this machine has no name for 127.0.0.1");
    else
        ck_assert_int_eq(host->h_length, 4);
}
END_TEST

/* Each thread asks something else and gets its own answer. */
static void *look_up(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    struct addrinfo hints = { .ai_family = AF_INET };

    for (int i = 0; i < 5; i++) {
        struct addrinfo *found = NULL;
        struct sockaddr_in *address;
        uint32_t expected = number % 2 ? INADDR_LOOPBACK : 0x7f000100 + number;
        char name[20], host[40];

        CONF_CHECK(inet_ntop(AF_INET, &(uint32_t){ htonl(expected) }, name,
                             sizeof name) == name);
        errno = SOME_ERRNO;
        CONF_CHECK(getaddrinfo(number % 2 ? "localhost" : name, NULL, &hints,
                               &found) == 0);
        address = (struct sockaddr_in *)(void *)found->ai_addr;
        CONF_CHECK(ntohl(address->sin_addr.s_addr) == expected);
        CONF_CHECK(getnameinfo(found->ai_addr, found->ai_addrlen, host,
                               sizeof host, NULL, 0, NI_NUMERICHOST) == 0);
        CONF_CHECK(strcmp(host, name) == 0);
        freeaddrinfo(found);
    }
    return argument;
}

START_TEST(twenty_threads_get_answers_of_their_own)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start_thread(look_up, (void *)i);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_ptr_eq(join_thread(threads[i]), (void *)i);
}
END_TEST

/* A label of 70 letters is no name: that needs no server to be known. */
static void *fail_to_find(void *argument)
{
    CONF_CHECK(gethostbyname("0123456789012345678901234567890123456789"
                             "0123456789012345678901234567890.invalid") ==
               NULL);
    CONF_CHECK(h_errno == HOST_NOT_FOUND || h_errno == TRY_AGAIN ||
               h_errno == NO_RECOVERY);
    return argument;
}

START_TEST(h_errno_belongs_to_the_thread)
{
    h_errno = 77;
    join_thread(start_thread(fail_to_find, NULL));
    ck_assert_int_eq(h_errno, 77);
}
END_TEST

START_TEST(the_reentrant_ones_use_the_room_they_are_given)
{
    struct hostent entry, *found = NULL;
    char room[1024];
    int error = 0;

    ck_assert_int_eq(gethostbyname_r("127.0.0.9", &entry, room, sizeof room,
                                     &found, &error),
                     0);
    ck_assert_ptr_eq(found, &entry);
    ck_assert_int_eq(found->h_addr_list[0][3], 9);
    ck_assert_int_eq(
        gethostbyname_r("127.0.0.9", &entry, room, 4, &found, &error), ERANGE);
    ck_assert_int_eq(gethostbyname2_r("::1", AF_INET6, &entry, room,
                                      sizeof room, &found, &error),
                     0);
    ck_assert_int_eq(found->h_length, 16);
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, a_number_is_an_address, 1);
    conf_test(tcase, localhost_is_found, 1);
    conf_test(tcase, tells_errors_by_its_result, 1);
    conf_test(tcase, getnameinfo_writes_numbers, 1);
    conf_test(tcase, gethostbyname_finds_localhost, 1);
    conf_test(tcase, twenty_threads_get_answers_of_their_own, 1);
    conf_test(tcase, h_errno_belongs_to_the_thread, 1);
    conf_test(tcase, the_reentrant_ones_use_the_room_they_are_given, 1);
}

int main(void)
{
    return conf_main("getaddrinfo", add, CONF_THREADS);
}
