/* thread_pointer.h - reading and setting the thread pointer (FS base) */
#ifndef GREENLET_THREAD_POINTER_H
#define GREENLET_THREAD_POINTER_H

#include <asm/prctl.h>
#include <stdbool.h>
#include <sys/syscall.h>

/* The kernel lets user code write FS (AT_HWCAP2 bit 1, Linux 5.9). */
extern bool greenlet__fsgsbase;

static inline void *greenlet__thread_pointer(void)
{
    void *pointer;

    __asm__("mov %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

static inline void greenlet__set_thread_pointer(void *pointer)
{
    if (__builtin_expect(greenlet__fsgsbase, 1)) {
        __asm__ volatile("wrfsbase %0" : : "r"(pointer) : "memory");
    } else {
        long result;

        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(SYS_arch_prctl), "D"(ARCH_SET_FS), "S"(pointer)
                         : "rcx", "r11", "memory");
    }
}

/* fcontext carries MXCSR and the x87 control word itself. */
static inline unsigned long greenlet__fp_control(void)
{
    return 0;
}

static inline void greenlet__set_fp_control(unsigned long control)
{
    (void)control;
}

/* What of the floating-point unit is a greenlet's own: rounding, precision,
 * which exceptions trap; not which have been seen. */
static inline uint32_t greenlet__control_words(void)
{
    uint32_t mxcsr;
    uint16_t x87;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (mxcsr & ~UINT32_C(0x3f)) << 10 ^ x87;
}

#endif
