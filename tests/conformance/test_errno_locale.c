/* What libc keeps per thread without saying so: errno, the locale, buffers */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <wchar.h>

enum { THREADS = 10 };

static sem_t never;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int silent[2];

/* Calls that block and let others run; each says how it must leave errno. */
static void block_by_sleep(void)
{
    sleep_ms(1);
}
static void block_by_yield(void)
{
    sched_yield();
}
static void block_by_mutex(void)
{
    pthread_mutex_lock(&mutex);
    sleep_ms(1);
    pthread_mutex_unlock(&mutex);
}
static void block_by_read(void)
{
    char byte;

    conf_write_all(silent[1], "x", 1);
    conf_read_all(silent[0], &byte, 1);
}
static void (*const blocks[])(void) = {block_by_sleep, block_by_yield,
                                       block_by_mutex, block_by_read};

static void *keep_errno(void *argument)
{
    int number = 1000 + (int)(long)argument;

    CONF_CHECK(errno == 0);
    for (int i = 0; i < 12; i++) {
        errno = number;
        blocks[i % 4]();
        CONF_CHECK(errno == number);
    }
    return NULL;
}

static void in_threads(void *(*function)(void *))
{
    pthread_t threads[THREADS];

    for (long i = 0; i < THREADS; i++)
        threads[i] = start_thread(function, (void *)i);
    for (int i = 0; i < THREADS; i++)
        join_thread(threads[i]);
}

START_TEST(errno_belongs_to_the_thread)
{
    conf_pipe(silent);
    errno = ENOTTY;
    in_threads(keep_errno);
    ck_assert_int_eq(errno, ENOTTY);
    close(silent[0]);
    close(silent[1]);
}
END_TEST

/* A call that fails after others have run names its own failure. */
static void *fail_each_its_way(void *argument)
{
    struct timespec when;

    for (int i = 0; i < 5; i++) {
        errno = 0;
        switch ((long)argument % 4) {
        case 0:
            CONF_CHECK(read(-1, NULL, 0) == -1 && errno == EBADF);
            sleep_ms(1);
            CONF_CHECK(errno == EBADF);
            break;
        case 1:
            when = deadline_in(CLOCK_REALTIME, 2);
            CONF_CHECK(sem_timedwait(&never, &when) == -1);
            CONF_CHECK(errno == ETIMEDOUT);
            break;
        case 2:
            CONF_CHECK(open("/nonexistent/file", O_RDONLY) == -1);
            sched_yield();
            CONF_CHECK(errno == ENOENT);
            break;
        default:
            CONF_CHECK(sem_trywait(&never) == -1);
            sleep_ms(2);
            CONF_CHECK(errno == EAGAIN);
        }
    }
    return NULL;
}

START_TEST(each_failure_has_its_own_reason)
{
    ck_assert_int_eq(sem_init(&never, 0, 0), 0);
    in_threads(fail_each_its_way);
}
END_TEST

static void *compare_address(void *address)
{
    CONF_CHECK((void *)&errno != address);
    errno = 5;
    sleep_ms(1);
    CONF_CHECK(errno == 5);
    return &errno;
}

START_TEST(errno_has_an_address_per_thread)
{
    errno = 0;
    ck_assert_ptr_ne(join_thread(start_thread(compare_address, &errno)),
                     &errno);
    ck_assert_int_eq(errno, 0);
}
END_TEST

/* Every other thread has a locale of its own: UTF-8, where a character may be
 * many bytes. */
static locale_t utf8;

static void check_locale(bool own)
{
    CONF_CHECK(uselocale((locale_t)0) == (own ? utf8 : LC_GLOBAL_LOCALE));
    CONF_CHECK(MB_CUR_MAX == (own ? 6u : 1u));
    CONF_CHECK(btowc(0xe9) == WEOF);
}

static void *keep_locale(void *argument)
{
    bool own = (long)argument % 2 != 0;

    check_locale(false);
    if (own)
        CONF_CHECK(uselocale(utf8) == LC_GLOBAL_LOCALE);
    for (int i = 0; i < 10; i++) {
        if (i % 2)
            sched_yield();
        else
            sleep_ms(1);
        check_locale(own);
    }
    return NULL;
}

START_TEST(a_locale_belongs_to_the_thread)
{
    utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    if (utf8 == (locale_t)0) {
        conf_skip("there is no C.UTF-8 locale here");
        return;
    }
    in_threads(keep_locale);
    check_locale(false);
    freelocale(utf8);
}
END_TEST

/* Buffers of libc's own that a thread still uses when others have run. */
static void *keep_strerror(void *argument)
{
    char expected[64];
    int number = 5000 + (int)(long)argument;
    const char *text;

    snprintf(expected, sizeof expected, "Unknown error %d", number);
    text = strerror(number);
    sleep_ms(2);
    CONF_CHECK(strcmp(text, expected) == 0);
    for (int i = 0; i < 10; i++) {
        text = strerror(number);
        sched_yield();
        CONF_CHECK(strcmp(text, expected) == 0);
    }
    return NULL;
}

START_TEST(the_text_of_strerror_belongs_to_the_thread)
{
    in_threads(keep_strerror);
}
END_TEST

static void *keep_strerror_l(void *argument)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char expected[64];
    int number = 6000 + (int)(long)argument;
    const char *text = strerror_l(number, c);

    snprintf(expected, sizeof expected, "Unknown error %d", number);
    sleep_ms(2);
    CONF_CHECK(strcmp(text, expected) == 0);
    freelocale(c);
    return NULL;
}

START_TEST(the_text_of_strerror_l_belongs_to_the_thread)
{
    in_threads(keep_strerror_l);
}
END_TEST

static void *keep_strsignal(void *argument)
{
    char expected[64];
    int number = 200 + (int)(long)argument;
    const char *text = strsignal(number);

    snprintf(expected, sizeof expected, "Unknown signal %d", number);
    sleep_ms(2);
    CONF_CHECK(strcmp(text, expected) == 0);
    return NULL;
}

START_TEST(the_text_of_strsignal_belongs_to_the_thread)
{
    in_threads(keep_strsignal);
}
END_TEST

/* strtok() is one for all threads, strtok_r() is each thread's. */
static void *tokenise(void *argument)
{
    char text[] = "one two three", *state, *token;
    const char *const expected[] = {"one", "two", "three"};
    int count = 0;

    for (token = strtok_r(text, " ", &state); token != NULL;
         token = strtok_r(NULL, " ", &state)) {
        CONF_CHECK(strcmp(token, expected[count++]) == 0);
        sleep_ms(1);
    }
    CONF_CHECK(count == 3);
    return argument;
}

static void *sleep_between(void *argument)
{
    sleep_ms(10);
    return argument;
}

START_TEST(tokens_survive_waits)
{
    char text[] = "one two";
    pthread_t thread;

    in_threads(tokenise);
    ck_assert_str_eq(strtok(text, " "), "one");
    thread = start_thread(sleep_between, NULL);
    join_thread(thread);
    ck_assert_str_eq(strtok(NULL, " "), "two");
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, errno_belongs_to_the_thread, 1);
    conf_test(tcase, each_failure_has_its_own_reason, 1);
    conf_test(tcase, errno_has_an_address_per_thread, 1);
    conf_test(tcase, a_locale_belongs_to_the_thread, 1);
    conf_test(tcase, the_text_of_strerror_belongs_to_the_thread, 1);
    conf_test(tcase, the_text_of_strerror_l_belongs_to_the_thread, 1);
    conf_test(tcase, the_text_of_strsignal_belongs_to_the_thread, 1);
    conf_test(tcase, tokens_survive_waits, 1);
}

int main(void)
{
    return conf_main("errno_locale", add, CONF_THREADS);
}
