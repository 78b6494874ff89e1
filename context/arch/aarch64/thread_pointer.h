/* thread_pointer.h - reading and setting the thread pointer (TPIDR_EL0) */
#ifndef GREENLET_THREAD_POINTER_H
#define GREENLET_THREAD_POINTER_H

#include <stdbool.h>

/* x86-64's question; TPIDR_EL0 is always writable by user code. */
extern bool greenlet__fsgsbase;

static inline void *greenlet__thread_pointer(void)
{
    void *pointer;

    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
}

static inline void greenlet__set_thread_pointer(void *pointer)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(pointer) : "memory");
}

/* FPCR (rounding mode, traps), which fcontext does not carry. */
static inline unsigned long greenlet__fp_control(void)
{
    unsigned long control;

    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}

static inline void greenlet__set_fp_control(unsigned long control)
{
    if (__builtin_expect(greenlet__fp_control() != control, 0))
        __asm__ volatile("msr fpcr, %0" : : "r"(control));
}

/* What of the floating-point unit is a greenlet's own. */
static inline uint32_t greenlet__control_words(void)
{
    return (uint32_t)greenlet__fp_control();
}

#endif
