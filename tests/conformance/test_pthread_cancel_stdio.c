/* pthread_cancel(3) of a thread that does nothing but print: it ends at a
 * write() inside, and the FILE's lock is free */
#include "conf_threads.h"

#include <stdatomic.h>

static FILE *file;
static atomic_int rounds;

static void *print(void *argument)
{
    for (;; rounds++)
        fprintf(file, "%d\n", (int)rounds);
    return argument;
}

static void *put(void *argument)
{
    for (;; rounds++)
        fputs("line\n", file);
    return argument;
}

static void *put_and_flush(void *argument)
{
    for (;; rounds++) {
        fputc('x', file);
        fflush(file);
    }
    return argument;
}

static void *write_blocks(void *argument)
{
    static char block[3000];

    for (;; rounds++)
        fwrite(block, sizeof block, 1, file);
    return argument;
}

static const struct {
    int buffering;
    void *(*body)(void *);
} cases[] = {
    {_IOLBF, print}, {_IONBF, print},         {_IOFBF, print},
    {_IOLBF, put},   {_IOFBF, put_and_flush}, {_IOFBF, write_blocks},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(ends_a_thread_that_never_waits)
    {
        pthread_t thread;

        rounds = 0;
        file = fopen("/dev/null", "we");
        ck_assert_ptr_nonnull(file);
        setvbuf(file, NULL, cases[_i].buffering, BUFSIZ);
        thread = start_thread(cases[_i].body, NULL);
        while (rounds < 100)
            sleep_ms(1);
        ck_assert_int_eq(pthread_cancel(thread), 0);
        ck_assert_ptr_eq(join_thread(thread), PTHREAD_CANCELED);
        ck_assert_int_eq(ftrylockfile(file), 0);
        funlockfile(file);
        fclose(file);
    }
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, ends_a_thread_that_never_waits, CASES);
}

int main(void)
{
    return conf_main("pthread_cancel_stdio", add, CONF_THREADS);
}
