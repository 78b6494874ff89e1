/* tools.c - sanitizers and valgrind, where the process has them
 *
 * Found at run time: a program compiled with a sanitizer works with a library
 * compiled without.  Only a real thread's own identity is looked after, since
 * the sanitizers keep their state in its TLS block.  This file is compiled
 * without any (CMakeLists.txt): between the call that announces a switch and
 * the switch itself nothing may be recorded. */
#include "context/switch.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) ((void)(start), (void)(end))
#endif

#define WEAK __attribute__((weak))

/* AddressSanitizer's and LeakSanitizer's. */
WEAK void __sanitizer_start_switch_fiber(void **fake, const void *bottom,
                                         size_t size);
WEAK void __sanitizer_finish_switch_fiber(void *fake, const void **bottom,
                                          size_t *size);
WEAK void __asan_unpoison_memory_region(const void *start, size_t size);
WEAK void __lsan_register_root_region(const void *start, size_t size);
/* ThreadSanitizer's. */
WEAK void *__tsan_get_current_fiber(void);
WEAK void *__tsan_create_fiber(unsigned flags);
WEAK void __tsan_destroy_fiber(void *fiber);
WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags);

/* valgrind is known by what it preloads, too: its header may have been missing. */
bool greenlet__tools_present(void)
{
    const char *preload = getenv("LD_PRELOAD");

    if (preload != NULL && strstr(preload, "vgpreload_") != NULL)
        return true;
    return __sanitizer_start_switch_fiber != NULL ||
           __tsan_switch_to_fiber != NULL || RUNNING_ON_VALGRIND != 0;
}

/* What AddressSanitizer takes for the stack of the thread itself; known once it
 * was left for the first time. */
static __thread const void *main_bottom;
static __thread size_t main_size;

void greenlet__tools_thread(struct greenlet__thread *thread)
{
    if (thread->thread_pointer != greenlet__thread_pointer())
        return; /* a block that is being made */
    if (__sanitizer_start_switch_fiber != NULL &&
        __asan_unpoison_memory_region != NULL)
        thread->tools |= TOOL_ASAN;
    if (__tsan_switch_to_fiber != NULL) {
        thread->tools |= TOOL_TSAN;
        thread->main.fiber = __tsan_get_current_fiber();
    }
}

/* Once for each: a slot stays a stack for as long as the process lives.  What a
 * suspended greenlet points to is not leaked. */
void greenlet__tools_slot(char *bottom, char *top)
{
    VALGRIND_STACK_REGISTER(bottom, top);
    if (__lsan_register_root_region != NULL)
        __lsan_register_root_region(bottom, (size_t)(top - bottom));
}

/* Frames that were left and not returned from have their red zones still. */
void greenlet__tools_fresh(struct greenlet *g, char *bottom, char *top)
{
    if (g->thread->tools & TOOL_ASAN) {
        __asan_unpoison_memory_region(bottom, (size_t)(top - bottom));
        g->fake_stack = NULL;
    }
    if (g->thread->tools & TOOL_TSAN) {
        if (g->has & HAS_FIBER) /* of the hub, before a fork */
            greenlet__tools_gone(g);
        g->fiber = __tsan_create_fiber(0);
        g->has |= HAS_FIBER;
    }
}

void greenlet__tools_gone(struct greenlet *g)
{
    g->has &= (uint8_t)~HAS_FIBER;
    __tsan_destroy_fiber(g->fiber);
}

static void tell_asan(struct greenlet *from, const struct greenlet *to)
{
    const void *bottom = main_bottom;
    size_t size = main_size;

    if (!to->is_main) {
        bottom = to->slot.base + to->slot.guard;
        size = to->slot.size - to->slot.guard;
    }
    __sanitizer_start_switch_fiber(
        from->state == GREENLET_LEAVING ? NULL : &from->fake_stack, bottom,
        size);
}

static void leave(struct greenlet *from, struct greenlet *to)
{
    if (from->thread->tools == 0 || to->thread != from->thread)
        return;
    if (from->thread->tools & TOOL_ASAN)
        tell_asan(from, to);
    if (from->thread->tools & TOOL_TSAN)
        __tsan_switch_to_fiber(to->fiber, 0);
}

void greenlet__tools_arrive(struct greenlet *self,
                            const struct greenlet *previous)
{
    const void *bottom;
    size_t size;

    if (previous->thread != self->thread || !(self->thread->tools & TOOL_ASAN))
        return;
    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
    if (previous->is_main) {
        main_bottom = bottom;
        main_size = size;
    }
}

void (*greenlet__watch_switch)(struct greenlet *from, struct greenlet *to);

void greenlet__jump_slowly(struct greenlet *from, struct greenlet *to)
{
    struct greenlet__transfer transfer;

    if (from->thread->tools & TOOL_WATCHED)
        greenlet__watch_switch(from, to);
    if (from->thread->tools & TOOL_CXX)
        greenlet__cxx_save(from);
    leave(from, to);
    transfer = greenlet__jump_bare(from->thread, from, to->thread, to);
    greenlet__cxx_restore(from);
    greenlet__tools_arrive(from, transfer.data);
    greenlet__arrived_seen(transfer);
}
