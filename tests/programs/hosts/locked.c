/* locked.c - the ordinary threaded program with all its memory locked
 *
 * Tells its highest RSS on stderr: natively each thread's whole stack is
 * resident, and no runtime may take much more than that. */
#include "../threaded.c"
#include <sys/mman.h>

static void tell_memory(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];

    while (status && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            fprintf(stderr, "%ld kB\n", atol(line + 6));
    if (status)
        fclose(status);
}

__attribute__((constructor)) static void lock_memory(void)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
        _exit(77);
    atexit(tell_memory);
}
