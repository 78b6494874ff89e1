/* overflow.c - a stack that ends is named before the process dies
 *
 * The handler needs a stack of its own: the one that overflowed has no room. */
#include "context/greenlet_impl.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALTERNATE_SIZE ((size_t)64 * 1024)

static struct sigaction before;

/* No stdio here: the fault may have come from inside it. */
static char *append(char *at, const char *text)
{
    while (*text != '\0')
        *at++ = *text++;
    return at;
}

static char *append_number(char *at, uintptr_t number, unsigned base)
{
    char digits[24];
    int count = 0;

    do
        digits[count++] = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

bool greenlet__overflow_report(const void *address)
{
    const struct greenlet *self;
    struct greenlet__slot slot;
    char line[200], *at = line;
    ssize_t ignored;

    if (!greenlet__slot_guard_hit(address, &slot))
        return false;
    self = greenlet__word->current;
    at = append(at, "vireo: stack overflow in greenlet 0x");
    at = append_number(at, (uintptr_t)self, 16);
    if (greenlet_name(self)[0] != '\0') {
        at = append(at, " \"");
        at = append(at, greenlet_name(self));
        at = append(at, "\"");
    }
    at = append(at, ", its stack has ");
    at = append_number(at, (slot.size - slot.guard) / 1024, 10);
    at = append(at, self->is_main ? " KiB (VIREO_STACK=SIZE makes it larger)\n"
                                  : " KiB (a larger stack_size was needed)\n");
    ignored = write(STDERR_FILENO, line, (size_t)(at - line));
    (void)ignored;
    return true;
}

/* After the report the fault is repeated under the disposition that was there
 * before: the program's own handler, or the default that ends it. */
static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    greenlet__overflow_report(info->si_addr);
    sigaction(signal_number, &before, NULL);
}

void greenlet__overflow_watch(void)
{
    struct sigaction action = { .sa_sigaction = on_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigaction now;
    stack_t stack;

    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE)) {
        void *memory = mmap(NULL, ALTERNATE_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
            return;
        stack = (stack_t){ .ss_sp = memory, .ss_size = ALTERNATE_SIZE };
        if (sigaltstack(&stack, NULL) != 0)
            return;
    }
    if (sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        before = now;
        sigaction(SIGSEGV, &action, NULL);
    }
}

void greenlet_watch_overflow(void)
{
    greenlet__overflow_watch();
}
