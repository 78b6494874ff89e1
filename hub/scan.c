/* scan.c - what the kernel says of a thread, and what lies on a stack that cannot
 * be walked
 *
 * All memory of others is read by a system call that fails, where a pointer leads
 * nowhere any more. */
#include "hub/sight.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST ((uintptr_t)16 * 1024) /* of a stack */

/* The beginning of /proc/self/task/<tid>/<name>.  Returns its length, or -1. */
static long read_task(pid_t tid, const char *name, char *text, size_t size)
{
    struct hub__print path;
    int before = errno, fd;
    long got = -1;

    hub__print_open(&path, -1);
    hub__print(&path, "/proc/self/task/%d/%s", (int)tid, name);
    path.text[path.used] = '\0';
    fd = (int)syscall(SYS_openat, AT_FDCWD, path.text, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = syscall(SYS_read, fd, text, size - 1);
        syscall(SYS_close, fd);
    }
    text[got > 0 ? got : 0] = '\0';
    errno = before;
    return got;
}

static const char *number(const char *at, unsigned base, uint64_t *value)
{
    *value = 0;
    if (at[0] == '0' && at[1] == 'x')
        at += 2;
    for (;; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a' + 10)
                                                    : 99;

        if (digit >= base)
            return at;
        *value = *value * base + digit;
    }
}

/* "running", or the number of the call, six arguments, stack and code; -1 in
 * place of the number where it sleeps for another reason. */
bool hub__scan_call(pid_t tid, uint64_t words[HUB__CALL_WORDS])
{
    char text[256];
    const char *at = text;

    if (read_task(tid, "syscall", text, sizeof text) <= 0 || *text < '0' ||
        *text > '9')
        return false;
    for (int i = 0; i < HUB__CALL_WORDS; i++) {
        if (*at < '0' || *at > '9')
            return false;
        at = number(at, i == 0 ? 10 : 16, &words[i]);
        at += strspn(at, " \n");
    }
    return *at == '\0';
}

bool hub__scan_is_blocked(pid_t tid, uintptr_t *stack, uintptr_t *code)
{
    uint64_t words[HUB__CALL_WORDS];

    if (!hub__scan_call(tid, words))
        return false;
    *stack = (uintptr_t)words[HUB__CALL_STACK];
    *code = (uintptr_t)words[HUB__CALL_CODE];
    return true;
}

/* "time on a CPU, time it waited for one, how often", in ns */
int64_t hub__scan_delay(pid_t tid)
{
    char text[128];
    const char *at;
    uint64_t value;

    if (read_task(tid, "schedstat", text, sizeof text) <= 0)
        return 0;
    at = number(text, 10, &value);
    number(at + (*at == ' '), 10, &value);
    return (int64_t)value;
}

/* Where that call is not to be had (an emulator, a filter): is it mapped, at
 * least? */
static bool copy_mapped(void *to, const void *from, size_t size)
{
    uintptr_t page = (uintptr_t)from & ~(uintptr_t)4095;
    unsigned char resident[8];
    size_t length = (uintptr_t)from + size - page;

    if (length > sizeof resident * 4096 ||
        syscall(SYS_mincore, page, length, resident) != 0)
        return false;
    memcpy(to, from, size);
    return true;
}

bool hub__scan_copy(void *to, const void *from, size_t size)
{
    struct iovec local = { to, size }, remote = { (void *)(uintptr_t)from, size };
    int before = errno;
    long got = syscall(SYS_process_vm_readv, getpid(), &local, 1L, &remote, 1L,
                       0L);
    bool missing = got < 0 && (errno == ENOSYS || errno == EPERM);

    errno = before;
    return missing ? copy_mapped(to, from, size) : got == (long)size;
}

/* Does a call end just before that address? */
static bool follows_call(uintptr_t address)
{
#if defined(__x86_64__)
    static const unsigned char lengths[] = { 2, 3, 4, 6, 7 };
    unsigned char code[7];

    if (!hub__scan_copy(code, (const void *)(address - 7), sizeof code))
        return false;
    if (code[2] == 0xe8)
        return true;
    for (size_t i = 0; i < sizeof lengths; i++) {
        size_t at = sizeof code - lengths[i];

        if (code[at] == 0xff && (code[at + 1] >> 3 & 7) == 2)
            return true;
    }
    return false;
#elif defined(__aarch64__)
    uint32_t code;

    if (address % 4 != 0 ||
        !hub__scan_copy(&code, (const void *)(address - 4), sizeof code))
        return false;
    return code >> 26 == 0x25 || (code & 0xfefff000) == 0xd63f0000;
#endif
}

/* Signed return addresses have their signature in the bits above. */
static uintptr_t plain(uintptr_t word)
{
    return word & (((uintptr_t)1 << 48) - 1);
}

int hub__scan_range(uintptr_t stack, uintptr_t top, void **frames, int max)
{
    struct hub__symbols *symbols = hub__symbols_open();
    uintptr_t words[64];
    int count = 0;

    if (top - stack > MOST)
        top = stack + MOST;
    stack &= ~(uintptr_t)7;
    while (symbols != NULL && stack < top && count < max) {
        size_t size = top - stack < sizeof words ? top - stack : sizeof words;

        if (!hub__scan_copy(words, (const void *)stack, size))
            break;
        for (size_t i = 0; i < size / sizeof *words && count < max; i++) {
            const void *address = (const void *)plain(words[i]);

            if (hub__symbols_is_code(symbols, address) &&
                follows_call((uintptr_t)address))
                frames[count++] = (void *)(uintptr_t)address;
        }
        stack += size;
    }
    hub__symbols_close(symbols);
    return count;
}

int hub__scan_stack(const struct hub *hub, uintptr_t stack, uintptr_t code,
                    void **frames, int max)
{
    const struct greenlet *g = greenlet__read(hub->os->first->current);
    uintptr_t top = stack + MOST;
    struct greenlet copy;

    if (!hub__scan_copy(&copy, g, sizeof copy))
        return 0;
    if (!copy.is_main) {
        if (stack < (uintptr_t)copy.slot.base || stack >= (uintptr_t)g)
            return 0; /* an emulator's stack, not the program's */
        top = (uintptr_t)g;
    }
    frames[0] = (void *)code;
    return 1 + hub__scan_range(stack, top, frames + 1, max - 1);
}
