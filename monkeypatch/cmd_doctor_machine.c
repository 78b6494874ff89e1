/* cmd_doctor_machine.c - limits, kernel and processor */
#include "monkeypatch/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, Linux 6.13 */
#define LEAST_FDS 32
#define FEW_FDS 4096
#define USUAL_STACK (1024 * 1024)
#define GUARDED_PART 2 /* mprotect() makes two mappings of one */

/* By its effect: emulators say yes to what they do not know. */
static bool has_guard_markers(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    bool guarded = false;

    if (page == MAP_FAILED)
        return false;
    if (madvise(page, 4096, GUARD_INSTALL) == 0 && pipe(ends) == 0) {
        guarded = write(ends[1], page, 1) < 0 && errno == EFAULT;
        close(ends[0]);
        close(ends[1]);
    }
    munmap(page, 4096);
    return guarded;
}

static long number_in(const char *path)
{
    FILE *file = fopen(path, "re");
    long number = -1;

    if (file != NULL) {
        if (fscanf(file, "%ld", &number) != 1)
            number = -1;
        fclose(file);
    }
    return number;
}

static void look_at_guards(void)
{
    long maps = number_in("/proc/sys/vm/max_map_count");

    if (has_guard_markers())
        doctor_say(DOCTOR_OK, "guards", "guard markers: no mapping is split, "
                                        "vm.max_map_count is no limit");
    else
        doctor_say(DOCTOR_NOTE, "guards",
                   "no guard markers (Linux 6.13): by mprotect(), up to some "
                   "%ld threads by vm.max_map_count=%ld; stacks beyond have "
                   "none", maps > 0 ? maps / GUARDED_PART : 32753, maps);
}

static void look_at_fds(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max < LEAST_FDS)
        doctor_say(DOCTOR_NO, "nofile", "no more than %lu descriptors are "
                                        "allowed, the loop needs some",
                   (unsigned long)limit.rlim_max);
    else if (limit.rlim_cur < FEW_FDS)
        doctor_say(DOCTOR_NOTE, "nofile", "%lu descriptors (hard limit %lu): a "
                                          "connection needs one each",
                   (unsigned long)limit.rlim_cur,
                   (unsigned long)limit.rlim_max);
    else
        doctor_say(DOCTOR_OK, "nofile", "%lu descriptors",
                   (unsigned long)limit.rlim_cur);
}

static void look_at_memory(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        doctor_say(DOCTOR_WARN, "memory", "RLIMIT_AS leaves address space for "
                                          "some %lu stacks of 1 MiB",
                   (unsigned long)(limit.rlim_cur / USUAL_STACK));
    if (number_in("/proc/sys/vm/overcommit_memory") == 2)
        doctor_say(DOCTOR_WARN, "memory", "vm.overcommit_memory=2: stacks count "
                                          "in full");
}

static void look_at_filters(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[128];
    int mode = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "Seccomp: %d", &mode);
    if (file != NULL)
        fclose(file);
    if (mode != 0)
        doctor_say(DOCTOR_NOTE, "seccomp", "a filter is in force here; if it "
                                           "forbids epoll, timerfd or eventfd, "
                                           "threads run natively");
}

static void look_at_processor(void)
{
#if defined(__x86_64__)
    if ((getauxval(AT_HWCAP2) & 2) == 0)
        doctor_say(DOCTOR_NOTE, "fsgsbase", "not there: each switch of threads "
                                            "is a system call");
#endif
}

void doctor_machine(void)
{
    struct utsname name;

    if (uname(&name) == 0)
        doctor_say(DOCTOR_OK, "kernel", "Linux %s, %s", name.release,
                   name.machine);
    look_at_guards();
    look_at_fds();
    look_at_memory();
    look_at_filters();
    look_at_processor();
}
