/* machine.c - what is under the cases: CPU, kernel, libc */
#include "machine.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* Is `word` on the line of the file that begins with `key`? */
static bool line_has(const char *path, const char *key, const char *word)
{
    FILE *file = fopen(path, "re");
    char line[4096];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found =
            strncmp(line, key, strlen(key)) == 0 && strstr(line, word) != NULL;
    fclose(file);
    return found;
}

/* The kernel reads the new mask before it looks at `how`: EFAULT is a guard,
 * EINVAL an ordinary page, and no mask changes. */
bool machine_guard_markers(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool found;

    if (page == MAP_FAILED)
        return false;
    found = madvise(page, size, MADV_GUARD_INSTALL) == 0 &&
            syscall(SYS_rt_sigprocmask, 12345, page, NULL, 8) == -1 &&
            errno == EFAULT;
    munmap(page, size);
    return found;
}

static void feature(struct machine *machine, const char *name, bool found)
{
    machine->features[machine->feature_count].name = name;
    machine->features[machine->feature_count++].found = found;
}

static void look_at_features(struct machine *machine)
{
    unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    bool x86 = false, arm = false, shadow;

#if defined(__x86_64__)
    x86 = true;
#elif defined(__aarch64__)
    arm = true;
#endif
    /* In use by this thread, or there and off: the kernel says which. */
    shadow = line_has("/proc/self/status", "x86_Thread_features:", "shstk");
    feature(machine, "fsgsbase", x86 && (caps2 & 2) != 0);
    feature(machine, "guard markers", machine_guard_markers());
    feature(machine, "shadow stack", x86 && shadow);
    feature(machine, "shadow stack (off)",
            x86 && !shadow &&
                line_has("/proc/cpuinfo", "flags", " user_shstk"));
    feature(machine, "BTI", arm && (caps2 & 1ul << 17) != 0);
    feature(machine, "PAC", arm && (caps & 1ul << 30) != 0);
}

void machine_look(struct machine *machine)
{
    struct utsname name;

    memset(machine, 0, sizeof *machine);
    uname(&name);
    snprintf(machine->architecture, sizeof machine->architecture, "%s",
             name.machine);
    snprintf(machine->kernel, sizeof machine->kernel, "%s", name.release);
    snprintf(machine->libc, sizeof machine->libc, "glibc %s",
             gnu_get_libc_version());
    look_at_features(machine);
}

void machine_features(const struct machine *machine, char *text, size_t size)
{
    size_t length = 0;

    snprintf(text, size, "none");
    for (int i = 0; i < machine->feature_count; i++)
        if (machine->features[i].found && length < size) {
            snprintf(text + length, size - length, "%s%s",
                     length > 0 ? ", " : "", machine->features[i].name);
            length = strlen(text);
        }
}
