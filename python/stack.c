/* stack.c - stacks of Python greenlets: how large, what is where, given back
 *
 *   high   control block of context/
 *          frames of the interpreter (its "data stack"), which grow upwards
 *   entry  C frames, which grow downwards
 *   ...
 *   low    guard
 *
 * The interpreter would map 16 KiB for the first frames of each; here their first
 * page is that of the first C frames.  They do not lie at the low end: whoever
 * overflows would write into them before it meets the guard. */
#include "impl.h"

#include "context/fresh.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGE          ((size_t)4096)
#define CHUNK         ((size_t)16 * 1024) /* as the interpreter's own */
#define SMALLEST      ((size_t)128 * 1024)
#define ROUND         ((size_t)64 * 1024)
#define LARGEST       ((size_t)1 << 40)
#define USUAL_LARGEST ((size_t)8 << 20) /* where the thread's has no limit */
/* Of the page that the two share: what the C frames of a greenlet that waits in a
 * call or two of Python take. */
#define FOR_C ((size_t)2816)

#define SIGNAL_STACK ((size_t)64 * 1024)

static size_t chosen; /* by stack_size() or the environment; 0: the thread's */

/* ---- how large ---- */

/* "4M", "512K", bytes.  0: none of these. */
static size_t parse_size(const char *text)
{
    char *end;
    unsigned long long size = strtoull(text, &end, 10);

    if (*end == 'K' || *end == 'k')
        size <<= 10, end++;
    else if (*end == 'M' || *end == 'm')
        size <<= 20, end++;
    return *end == '\0' && size >= SMALLEST && size <= LARGEST ? size : 0;
}

/* What a thread may use before it overflows, a greenlet of its may: recursion ends
 * where it did (G-153). */
static size_t of_thread(void)
{
    pthread_attr_t attributes;
    size_t size = 0;
    void *base;

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &base, &size);
        pthread_attr_destroy(&attributes);
    }
    if (size == 0 || size > USUAL_LARGEST)
        return USUAL_LARGEST;
    /* Of the main thread some pages are missing, other ones each time. */
    size = (size + ROUND - 1) / ROUND * ROUND;
    return size < SMALLEST ? SMALLEST : size;
}

size_t pyg__stack_default(void)
{
    static bool asked;
    const char *text;

    if (!asked) {
        asked = true;
        text = getenv("VIREO_PYTHON_STACK");
        if (chosen == 0 && text != NULL)
            chosen = parse_size(text);
    }
    return chosen != 0 ? chosen : of_thread();
}

PyObject *pyg__stack_size(PyObject *module, PyObject *args)
{
    struct pyg__thread *self = pyg__thread_self();
    Py_ssize_t size = -1;
    size_t before;

    (void)module;
    if (self == NULL || !PyArg_ParseTuple(args, "|n:stack_size", &size))
        return NULL;
    before = self->stack_size;
    if (size > 0 && ((size_t)size < SMALLEST || (size_t)size > LARGEST))
        return PyErr_Format(PyExc_ValueError,
                            "size not valid: %zd bytes, %zu at least", size,
                            SMALLEST);
    if (size >= 0) {
        chosen = (size_t)size;
        self->stack_size = pyg__stack_default();
    }
    return PyLong_FromSize_t(before);
}

/* ---- where ---- */

void *pyg__stack_chunk(struct greenlet *stack, size_t *size)
{
    uintptr_t low = ((uintptr_t)stack - CHUNK) & ~(uintptr_t)(PAGE - 1);

    low -= PAGE - FOR_C;
    *size = (uintptr_t)stack - low;
    return (void *)low;
}

/* ---- free ones ---- */

/* Of threads that have exited: who frees them need not be who starts the next. */
static struct greenlet *spare; /* by hub_data[1] */

static void give_back(char *low, char *high)
{
    high = (char *)((uintptr_t)high & ~(uintptr_t)(PAGE - 1));
    if (high > low)
        madvise(low, (size_t)(high - low), MADV_DONTNEED);
}

void pyg__stack_spare(struct greenlet *stack)
{
    struct greenlet__os *os = greenlet__thread_self()->os;

    greenlet__write(os->live, greenlet__read(os->live) - 1);
    greenlet__write(stack->state, GREENLET_FREED);
    give_back(stack->slot.base + stack->slot.guard, (char *)stack);
    stack->hub_data[1] = (uintptr_t)spare;
    spare = stack;
}

static void use_spare(struct pyg__thread *self)
{
    struct greenlet *stack = spare;

    spare = (struct greenlet *)(uintptr_t)stack->hub_data[1];
    greenlet__slot_give(&self->vireo->os->pool, &stack->slot);
}

struct greenlet *pyg__stack_new(struct pyg__thread *self, struct pyg *g,
                                void (*entry)(struct greenlet *stack))
{
    struct greenlet *stack;
    size_t size;

    if (unlikely(spare != NULL))
        use_spare(self);
    stack = greenlet__make(self->stack_size);
    if (unlikely(stack == NULL)) {
        PyErr_SetString(PyExc_MemoryError,
                        "no memory for a greenlet's stack");
        return NULL;
    }
    if (unlikely(!self->vireo->started))
        pyg__stacks_watch(self);
    self->vireo->started = 1;
    stack->hub_data[0] = (uintptr_t)g;
    greenlet__prepare(stack, pyg__stack_chunk(stack, &size), entry);
    return stack;
}

/* ---- overflow ---- */

/* The report needs a stack for signals; a thread of Python has none. */
void pyg__stacks_watch(struct pyg__thread *self)
{
    stack_t stack;
    void *memory;

    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE)) {
        memory = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return;
        stack = (stack_t){ .ss_sp = memory, .ss_size = SIGNAL_STACK };
        if (sigaltstack(&stack, NULL) != 0) {
            munmap(memory, SIGNAL_STACK);
            return;
        }
        self->signal_stack = memory;
    }
    greenlet__overflow_watch();
}

/* The thread exits. */
void pyg__stacks_unwatch(void *signal_stack)
{
    stack_t now, off = { .ss_flags = SS_DISABLE };

    if (signal_stack == NULL || sigaltstack(NULL, &now) != 0)
        return;
    if (now.ss_sp != signal_stack || sigaltstack(&off, NULL) == 0)
        munmap(signal_stack, SIGNAL_STACK);
}

/* ---- memory ---- */

/* 128: what the ABI lets a function use below its stack pointer. */
static int trim(struct greenlet *stack, void *data)
{
    size_t *trimmed = data;

    if (greenlet__read(stack->thread) != greenlet__word ||
        stack->state != GREENLET_ACTIVE || stack == greenlet__word->current)
        return 0;
    give_back(stack->slot.base + stack->slot.guard,
              (char *)stack->context - 128);
    *trimmed += 1;
    return 0;
}

static size_t trim_free(const struct greenlet__pool *pool)
{
    const struct greenlet__size_class *class;
    struct greenlet__link *link;
    size_t trimmed = 0;

    for (class = pool->classes; class != NULL; class = class->next)
        for (link = class->free; link != NULL; trimmed++) {
            give_back((char *)(link + 1) - class->stride + class->guard,
                      (char *)link);
            link = (struct greenlet__link *)(link->next & ~GREENLET__FREE);
        }
    return trimmed;
}

/* Pages that suspended greenlets of this thread touched and do not use go back to
 * the system, and so do those of free stacks. */
PyObject *pyg__trim_stacks(PyObject *module, PyObject *nothing)
{
    struct pyg__thread *self = pyg__thread_self();
    size_t stacks = 0;

    (void)module;
    (void)nothing;
    if (self == NULL)
        return NULL;
    greenlet__slots_each(trim, &stacks);
    stacks += trim_free(&self->vireo->os->pool);
    return PyLong_FromSize_t(stacks);
}
