/* seen.c - for test_see.py: a program that links the library and does what its
 * arguments say, one after the other. */
#include <vireo/hub.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned long counter;

__attribute__((noinline)) static void spin_here(double seconds)
{
    int64_t until = hub_now() + (int64_t)(seconds * 1e9);

    while (hub_now() < until)
        for (int i = 0; i < 10000; i++)
            counter++;
}

__attribute__((noinline)) static void spin_without_calls(double seconds)
{
    (void)seconds;
    for (;;)
        counter++;
}

static double seconds;
static void (*how)(double seconds);

static int busy(void *arg, void **result)
{
    (void)arg;
    (void)result;
    how(seconds);
    counter++; /* no tail call */
    return 0;
}

static int waiting_one(void *arg, void **result)
{
    int rc = hub_sleep(1000 * HUB_SECOND);

    (void)arg;
    (void)result;
    counter++;
    return rc;
}

static int joiner(void *arg, void **result)
{
    int rc = hub_join(*(struct greenlet **)arg, HUB_FOREVER);

    (void)result;
    counter++;
    return rc;
}

/* Each waits for the end of the other. */
__attribute__((noinline)) static void dead_lock(void)
{
    static struct greenlet *first, *second;
    int rc;

    first = hub_spawn(joiner, &second);
    second = hub_spawn(joiner, &first);
    greenlet_set_name(first, "first");
    greenlet_set_name(second, "second");
    rc = hub_join(first, HUB_FOREVER);
    printf("dead-lock %s\n", strerror(-rc));
}

static void run_busy(void (*function)(double), const char *duration)
{
    struct greenlet *sleeper = hub_spawn(waiting_one, NULL);
    struct greenlet *g = hub_spawn(busy, NULL);

    how = function;
    seconds = atof(duration);
    greenlet_set_name(sleeper, "patient");
    greenlet_set_name(g, "hog");
    puts("busy");
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
    hub_kill(sleeper);
    hub_join(sleeper, HUB_FOREVER);
    greenlet_unref(sleeper);
}

static void in_child(const char *duration)
{
    pid_t child = fork();

    if (child == 0) {
        hub_reinit();
        printf("child %d\n", (int)getpid());
        hub_sleep(HUB_MILLISECOND); /* its loop comes round */
        run_busy(spin_here, duration);
        exit(0);
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    setlinebuf(stdout);
    hub_yield();
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *word = argv[i], *value = argv[i + 1];

        if (strcmp(word, "spin") == 0)
            run_busy(spin_here, value);
        else if (strcmp(word, "spin-without-calls") == 0)
            run_busy(spin_without_calls, value);
        else if (strcmp(word, "sleep") == 0)
            hub_sleep((int64_t)(atof(value) * 1e9));
        else if (strcmp(word, "say") == 0)
            puts(value);
        else if (strcmp(word, "child") == 0)
            in_child(value);
        else if (strcmp(word, "dead-lock") == 0)
            dead_lock();
    }
    printf("single-threaded %d\n", __libc_single_threaded);
    return 0;
}
