/* greenlets.c - a program that has greenlets in several states, for test_gdb.py */
#include <vireo/greenlet.h>

#include <stdio.h>
#include <stdlib.h>

void everything_is_there(void);

static struct greenlet *home;

__attribute__((noinline)) long innermost(long depth)
{
    greenlet_switch(home, NULL, NULL);
    return depth + 1;
}

__attribute__((noinline)) long middle(long depth)
{
    volatile long here = depth + 40;

    return innermost(depth + 1) + here;
}

__attribute__((noinline)) long outermost(long depth)
{
    return middle(depth + 1) * 3;
}

static int run(void *value, void **result)
{
    *result = (void *)outermost((long)value);
    return 0;
}

__attribute__((noinline)) void everything_is_there(void)
{
    __asm__ volatile("" : : : "memory");
}

static int stops(void *value, void **result)
{
    everything_is_there();
    if (value != NULL)
        abort(); /* for those who cannot set breakpoints */
    *result = NULL;
    return 0;
}

int main(int argc, char **argv)
{
    struct greenlet *parked, *finished, *fresh, *running;

    (void)argv;
    home = greenlet_current();
    parked = greenlet_new(run, NULL, 0);
    greenlet_set_name(parked, "parked one");
    greenlet_switch(parked, (void *)1, NULL);
    finished = greenlet_new(greenlet_not_callable, NULL, 0);
    greenlet_switch(finished, NULL, NULL);
    fresh = greenlet_new(run, NULL, 0);
    running = greenlet_new(stops, NULL, 256 * 1024);
    greenlet_set_name(running, "at work");
    greenlet_switch(running, argc > 1 ? home : NULL, NULL);
    greenlet_unref(running);
    greenlet_unref(fresh);
    greenlet_unref(finished);
    greenlet_unref(parked);
    puts("done");
    return 0;
}
