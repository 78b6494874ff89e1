#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vireo/hub.h>

/* sort | uniq -c, with a greenlet that feeds it and one that ticks meanwhile. */
static const char *const sort[] = { "sort", NULL };
static const char *const uniq[] = { "uniq", "-c", NULL };

static void feed(void *process)
{
    static const char *const words[] = { "pear", "apple", "pear", "fig" };
    int fd = hub_process_in(process);

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char line[16];
        int length = snprintf(line, sizeof line, "%s\n", words[i]);

        if (write(fd, line, (size_t)length) != length)
            break;
        hub_sleep(HUB_MILLISECOND);
    }
    hub_process_close_in(process); /* sort reads the end, and begins */
}

static int run(void)
{
    struct hub_process_options first = { .argv = sort,
                                         .in = HUB_PROCESS_PIPE,
                                         .out = HUB_PROCESS_PIPE };
    struct hub_process_options second = { .argv = uniq,
                                          .out = HUB_PROCESS_PIPE };
    struct hub_process *sorts, *counts;
    struct hub_process_output output;
    struct greenlet *feeder;
    int code, rc = hub_process_spawn(&first, &sorts);

    if (rc < 0)
        return rc;
    second.in = hub_process_out(sorts);
    rc = hub_process_spawn(&second, &counts);
    if (rc < 0)
        return rc;
    feeder = hub_spawn_raw(feed, sorts);
    rc = hub_process_communicate(counts, NULL, 0,
                                 hub_deadline(10 * HUB_SECOND), &output);
    if (rc == 0) {
        fputs(output.out, stdout);
        free(output.out);
        rc = hub_process_wait(sorts, HUB_FOREVER, &code);
    }
    if (rc == 0)
        printf("sort ended with %d\n", code);
    hub_join(feeder, HUB_FOREVER);
    greenlet_unref(feeder);
    hub_process_unref(sorts);
    hub_process_unref(counts);
    return rc;
}

int main(void)
{
    int rc = run();

    if (rc < 0)
        fprintf(stderr, "pipeline: %s\n", strerror(-rc));
    return rc < 0;
}
