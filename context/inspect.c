/* inspect.c - looking at greenlets from outside (inspect.h) */
#include "context/greenlet_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)

/* Seen from its own OS thread one alone runs; what other threads run is what
 * each identity last switched to. */
static bool running(const struct greenlet *g,
                    const struct greenlet__thread *owner)
{
    const struct greenlet__thread *self = greenlet__thread_peek();

    if (self != NULL && owner->os == self->os)
        return g == self->current;
    return g == greenlet__read(owner->current);
}

enum greenlet_state greenlet_state_of(const struct greenlet *g)
{
    const struct greenlet__thread *owner = greenlet__read(g->thread);

    switch (greenlet__read(g->state)) {
    case GREENLET_NEW:
        return GREENLET_IS_NEW;
    case GREENLET_ACTIVE:
    case GREENLET_WAITING:
        return running(g, owner) ? GREENLET_IS_RUNNING : GREENLET_IS_SUSPENDED;
    case GREENLET_ORPHAN:
        return GREENLET_IS_ORPHAN;
    default:
        return GREENLET_IS_DEAD;
    }
}

static const char *state_words(const struct greenlet *g)
{
    static const char *const words[] = {
        [GREENLET_IS_NEW] = " suspended pending",
        [GREENLET_IS_RUNNING] = " current active started",
        [GREENLET_IS_SUSPENDED] = " suspended active started",
        [GREENLET_IS_DEAD] = " dead",
        [GREENLET_IS_ORPHAN] = " (thread exited) dead"
    };

    if (greenlet__read(g->thread) == &greenlet__gone)
        return words[GREENLET_IS_ORPHAN];
    return words[greenlet_state_of(g)];
}

int greenlet_describe(const struct greenlet *g, char *text, size_t size)
{
    const char *name = greenlet_name(g);
    const char *quote = name[0] != '\0' ? "\"" : "";
    const struct greenlet__thread *thread = greenlet__tree_of(g);

    return snprintf(text, size, "<greenlet %p%s%s%s%s thread %p%s%s>",
                    (const void *)g, quote[0] != '\0' ? " " : "", quote, name,
                    quote, (const void *)thread, state_words(g),
                    g->is_main && !greenlet_dead(g) ? " main" : "");
}

int greenlet_stack(const struct greenlet *g, void **base, size_t *size)
{
    if (g->is_main)
        return -EINVAL;
    *base = g->slot.base + g->slot.guard;
    *size = (size_t)((const char *)g - (char *)*base);
    return 0;
}

/* From the lowest page that is resident to the top: stacks grow downwards, and
 * nothing gives their pages back. */
static size_t touched(char *bottom, char *top)
{
    unsigned char resident[64];
    size_t step = sizeof resident * PAGE;

    for (; bottom < top; bottom += step) {
        size_t length =
            (size_t)(top - bottom) < step ? (size_t)(top - bottom) : step;

        if (mincore(bottom, length, resident) != 0)
            return 0;
        for (size_t i = 0; i * PAGE < length; i++)
            if (resident[i] & 1)
                return (size_t)(top - bottom) - i * PAGE;
    }
    return 0;
}

/* The highest address of the stack of the calling thread itself. */
static const char *own_stack_top(void)
{
    pthread_attr_t attr;
    void *bottom = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return NULL;
    pthread_attr_getstack(&attr, &bottom, &size);
    pthread_attr_destroy(&attr);
    return (char *)bottom + size;
}

int greenlet_stack_use(const struct greenlet *g, struct greenlet_stack_use *use)
{
    const char *top = NULL;
    int before = errno;

    memset(use, 0, sizeof *use);
    if (g->slot.size != 0) {
        top = g->slot.base + g->slot.size;
        use->reserved = g->slot.size;
        use->high_water =
            touched(g->slot.base + g->slot.guard, g->slot.base + g->slot.size);
    } else if (greenlet__read(g->thread) == greenlet__thread_self()) {
        top = own_stack_top();
    }
    if (top != NULL && greenlet_state_of(g) == GREENLET_IS_SUSPENDED)
        use->used = (size_t)(top - (const char *)g->context);
    errno = before;
    return 0;
}

struct visit {
    int (*each)(struct greenlet *g, void *data);
    void *data;
};

static int visit(struct greenlet *g, void *data)
{
    const struct visit *visitor = data;

    if (greenlet__read(g->state) == GREENLET_FREED)
        return 0;
    return visitor->each(g, visitor->data);
}

int greenlet_each(int (*each)(struct greenlet *g, void *data), void *data)
{
    struct visit visitor = {each, data};

    return greenlet__slots_each(visit, &visitor);
}
