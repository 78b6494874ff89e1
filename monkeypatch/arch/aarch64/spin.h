/* spin.h - the values of libc's pthread_spinlock_t on aarch64 */
#ifndef ARCH_SPIN_H
#define ARCH_SPIN_H

enum { SPIN_FREE = 0, SPIN_HELD = 1 };

#endif
