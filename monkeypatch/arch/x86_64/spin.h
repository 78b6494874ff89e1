/* spin.h - the values of libc's pthread_spinlock_t on x86-64 */
#ifndef ARCH_SPIN_H
#define ARCH_SPIN_H

enum { SPIN_FREE = 1, SPIN_HELD = 0 };

#endif
