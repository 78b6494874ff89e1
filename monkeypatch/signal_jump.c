/* signal_jump.c - signal masks over siglongjmp() and setcontext()
 *
 * What libc saves is the kernel thread's mask, in a set that has far more room:
 * the thread's own goes to its end. */
#include "monkeypatch/signal_impl.h"

#include <setjmp.h>
#include <stdlib.h>

enum { KERNELS, SAVED_MARK = 1024 / 64 - 2, SAVED_MASK };

#define MARK UINT64_C(0x766972656f6d6173) /* any that is not there by chance */

static uint64_t *words_of(sigset_t *set)
{
    return (uint64_t *)(void *)set;
}

static void save(sigset_t *set)
{
    uint64_t *words = words_of(set);

    if (mp__self == NULL || mp__in_vfork_child) {
        words[SAVED_MARK] = 0;
        return;
    }
    words[SAVED_MARK] = MARK;
    words[SAVED_MASK] = mp__self->signal_mask;
}

/* What was saved before there were threads is the kernel's, and was main's; what
 * a handler got is its thread's. */
static void restore(sigset_t *set)
{
    uint64_t *words = words_of(set);
    uint64_t mask =
        words[SAVED_MARK] == MARK ? words[SAVED_MASK] : words[KERNELS];

    if (mask != mp__self->signal_mask)
        mp__signal_mask_set(mp__self, mask);
    words[KERNELS] = mp__signal_mask_applied();
}

/* ---- sigsetjmp and siglongjmp ---- */

void mp__jump_saves(struct __jmp_buf_tag *buffer)
    __attribute__((visibility("hidden")));
void mp__jump_saves(struct __jmp_buf_tag *buffer)
{
    save((sigset_t *)(void *)&buffer->__saved_mask);
}

static void jump_restores(struct __jmp_buf_tag *buffer)
{
    if (mp__self != NULL && !mp__in_vfork_child && buffer->__mask_was_saved)
        restore((sigset_t *)(void *)&buffer->__saved_mask);
}

void __longjmp_chk(struct __jmp_buf_tag buffer[1], int value)
    __attribute__((noreturn));

#define JUMP(name)                                                    \
    MP_EXPORT void name(struct __jmp_buf_tag buffer[1], int value)    \
    {                                                                 \
        mp__init();                                                   \
        jump_restores(buffer);                                        \
        mp__real.name(buffer, value);                                 \
        abort();                                                      \
    }

JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)

/* ---- getcontext (sigsetjmp.S), setcontext and swapcontext ---- */

void mp__context_saves(ucontext_t *context)
    __attribute__((visibility("hidden")));
void mp__context_saves(ucontext_t *context)
{
    save(&context->uc_sigmask);
}

/* From a copy: the same context may be gone to again. */
MP_EXPORT int setcontext(const ucontext_t *wanted)
{
    ucontext_t copy;

    mp__init();
    if (mp__self == NULL || mp__in_vfork_child)
        return mp__real.setcontext(wanted);
    copy = *wanted;
    restore(&copy.uc_sigmask);
    return mp__real.setcontext(&copy);
}

MP_EXPORT int swapcontext(ucontext_t *old, const ucontext_t *wanted)
{
    ucontext_t copy;

    mp__init();
    save(&old->uc_sigmask);
    if (mp__self == NULL || mp__in_vfork_child)
        return mp__real.swapcontext(old, wanted);
    copy = *wanted;
    restore(&copy.uc_sigmask);
    return mp__real.swapcontext(old, &copy);
}
