/* fallbacks.c - what this library does without, here
 *
 * For VIREO_VERBOSE=2 and `vireo conformance --preload`: each feature is asked
 * as those who use it ask, or they are asked what they have found. */
#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/real.h"
#include "monkeypatch/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2 /* since Linux 5.11 */
#define SYS_epoll_pwait2 441
#endif

static bool has_guard(void)
{
    return strcmp(mp__hub->guard_kind(), "markers") == 0;
}

/* Of the file system that the program is on. */
static bool has_rwf_nowait(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    long fd = SYS_CALL(SYS_openat, AT_FDCWD, "/proc/self/exe",
                       O_RDONLY | O_CLOEXEC, 0, 0, 0);
    long rc;

    if (fd < 0)
        return true; /* nobody knows */
    rc = SYS_CALL(SYS_preadv2, fd, &part, 1, 0, 0, RWF_NOWAIT);
    SYS_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
    return rc != -EOPNOTSUPP && rc != -ENOSYS;
}

static bool has_epoll_pwait2(void)
{
    return SYS_CALL(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, 0) != -ENOSYS;
}

static bool has_fsgsbase(void)
{
#if defined(__x86_64__)
    return *mp__hub->fsgsbase;
#else
    return true; /* the thread pointer is a register like others */
#endif
}

static bool has_pidfd(void)
{
    return SYS_CALL(SYS_pidfd_open, -1, 0, 0, 0, 0, 0) != -ENOSYS;
}

static bool has_robust(void)
{
    void *head;
    size_t length;

    return SYS_CALL(SYS_get_robust_list, 0, &head, &length, 0, 0, 0) == 0;
}

static bool has_rseq(void)
{
    return mp__hub->tls->rseq != -1;
}

static const struct {
    const char *name; /* as VIREO_TEST_MASK has it */
    unsigned bit;
    bool (*there)(void);
} features[] = {
    {"guard", FEATURE_GUARD, has_guard},
    {"rwf_nowait", FEATURE_RWF_NOWAIT, has_rwf_nowait},
    {"epoll_pwait2", FEATURE_EPOLL_PWAIT2, has_epoll_pwait2},
    {"fsgsbase", FEATURE_FSGSBASE, has_fsgsbase},
    {"pidfd", FEATURE_PIDFD, has_pidfd},
    {"robust", FEATURE_ROBUST, has_robust},
    {"rseq", FEATURE_RSEQ, has_rseq},
};

void mp__fallbacks(char *text, size_t size)
{
    size_t length = 0;

    snprintf(text, size, "none");
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if ((mp__options.masked & features[i].bit) != 0 ||
            !features[i].there()) {
            snprintf(text + length, size - length, "%s%s",
                     length > 0 ? ", " : "", features[i].name);
            length = strlen(text);
        }
}
