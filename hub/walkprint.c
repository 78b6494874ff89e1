/* walkprint.c - the frames of a stack that was copied, as lines */
#include "hub/walk.h"

#include <string.h>

static void find(struct hub__symbols *symbols, const struct walk_frame *frame,
                 struct hub__symbol *symbol)
{
    hub__symbols_find(symbols,
                      (const void *)(uintptr_t)(frame->pc - frame->is_call),
                      symbol);
    symbol->offset += frame->is_call;
}

/* Of this library or the one that is preloaded. */
static bool is_library(struct hub__symbols *symbols,
                       const struct walk_frame *frame)
{
    static const char start[] = "libvireo";
    struct hub__symbol symbol;

    find(symbols, frame, &symbol);
    return symbol.file != NULL &&
           strncmp(symbol.file, start, sizeof start - 1) == 0;
}

static int first_shown(struct hub__symbols *symbols,
                       const struct walk_frame *frames, int count)
{
    int first = 0;

    while (first < count && is_library(symbols, &frames[first]))
        first++;
    return first > 0 && first < count ? first - 1 : 0;
}

/* What called main() is left out. */
static int end_shown(struct hub__symbols *symbols,
                     const struct walk_frame *frames, int first, int count)
{
    for (int i = first + 1; i < count; i++) {
        struct hub__symbol symbol;

        find(symbols, &frames[i], &symbol);
        if (symbol.name != NULL && strcmp(symbol.name, "call_main") == 0)
            return i;
    }
    while (count > first + 1 && is_library(symbols, &frames[count - 1]))
        count--;
    return count;
}

/* What compilers add, as ".localalias", tells nothing. */
static void print_name(struct hub__print *print, const char *name)
{
    for (; *name != '\0' && *name != '.'; name++)
        hub__print(print, "%c", *name);
}

static void print_frame(struct hub__print *print, struct hub__symbols *symbols,
                        int number, const struct walk_frame *frame)
{
    struct hub__symbol symbol;

    find(symbols, frame, &symbol);
    hub__print(print, "      #%d 0x%lx", number, (unsigned long)frame->pc);
    hub__print(print, " ");
    print_name(print, symbol.name != NULL ? symbol.name : "");
    if (symbol.name != NULL || symbol.file != NULL)
        hub__print(print, "+0x%lx", (unsigned long)symbol.offset);
    if (symbol.file != NULL && symbol.file[0] != '\0')
        hub__print(print, " (%s)", symbol.file);
    hub__print(print, "%s\n", frame->is_guess ? " ?" : "");
}

int hub__print_walk(struct hub__print *print, struct hub__symbols *symbols,
                    const struct walk_stack *stack,
                    const struct walk_registers *registers, bool interrupted)
{
    static struct walk_frame frames[WALK_FRAMES];
    struct walk_registers suspended;
    int count, first, end;

    if (registers == NULL) {
        if (!hub__walk_suspended(stack, &suspended))
            return 0;
        registers = &suspended;
    }
    count = hub__walk(symbols, stack, registers, interrupted, frames);
    first = first_shown(symbols, frames, count);
    end = end_shown(symbols, frames, first, count);
    for (int i = first; i < end; i++)
        print_frame(print, symbols, i - first, &frames[i]);
    return end - first;
}
