/* raw_syscall.h - a system call that leaves errno alone (x86-64) */
#ifndef MONKEYPATCH_ARCH_RAW_SYSCALL_H
#define MONKEYPATCH_ARCH_RAW_SYSCALL_H

/* The kernel clobbers rcx (return address) and r11 (flags). */
static inline long mp__syscall(long n, long a, long b, long c, long d, long e,
                               long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long rc;

    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return rc;
}

#endif
