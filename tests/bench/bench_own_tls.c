/* bench_own_tls.c - a switch between greenlets with TLS blocks of their own
 *
 * As a mapped pthread has: the thread pointer is written at each switch.  The
 * public call refuses such a switch (they count as two threads); the hub makes
 * it by the floor that is measured here, without its scheduler. */
#include "bench.h"

#include "context/switch.h"

#include <unistd.h>

enum { STACK = 128 * 1024, GUARD = 4096 };

static struct greenlet *home;

/* As the library's own functions that switch: see GREENLET__SWITCHES. */
static GREENLET__SWITCHES __attribute__((noinline)) void
resume(struct greenlet *to)
{
    greenlet__resume(to);
}

static void bounce(struct greenlet *self)
{
    (void)self;
    greenlet__tls_enter();
    for (;;)
        resume(home);
}

static void find_layout(void)
{
    const char *why = "";
    int rc = greenlet__tls_find(&why);

    if (rc < 0)
        bench_fail(why, rc);
}

static void run_switch(long count, long extra)
{
    struct greenlet__mapped *mapped;
    struct bench_clock start;

    (void)extra;
    find_layout();
    home = greenlet_current();
    mapped = greenlet__map_thread(greenlet__thread_self()->os, STACK, GUARD, 0, NULL);
    if (!mapped)
        bench_fail("greenlet__map_thread", ENOMEM);
    greenlet__prepare(&mapped->thread.main, mapped->tls_start, bounce);
    resume(&mapped->thread.main);
    start = bench_now();
    for (long i = 0; i < count / 2; i++)
        resume(&mapped->thread.main);
    bench_report(start, count);
    fflush(stdout);
    _exit(EXIT_SUCCESS); /* it never ends */
}

/* The write alone, of the value that is there. */
static void run_write(long count, long extra)
{
    void *pointer = greenlet__thread_pointer();
    struct bench_clock start;

    (void)extra;
    find_layout();
    start = bench_now();
    for (long i = 0; i < count; i++)
        greenlet__set_thread_pointer(pointer);
    bench_report(start, count);
}

static const struct bench_case cases[] = {
    { "switch", run_switch },
    { "write", run_write },
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
