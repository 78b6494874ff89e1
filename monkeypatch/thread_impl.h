/* thread_impl.h - what the thread_*.c files share */
#ifndef THREAD_IMPL_H
#define THREAD_IMPL_H

#include "monkeypatch/monkeypatch_impl.h"

/* What pthread_cleanup_push() expands to in C without exceptions; pthread.h
 * declares them only there.  The buffer is shorter than a jmp_buf: no mask. */
int mp__set_jump(void *buffer, int save_mask) __asm__("__sigsetjmp")
    __attribute__((returns_twice));
void __pthread_register_cancel(__pthread_unwind_buf_t *buffer);
void __pthread_unregister_cancel(__pthread_unwind_buf_t *buffer);
_Noreturn void __pthread_unwind_next(__pthread_unwind_buf_t *buffer);

/* libc's default stack size now. */
size_t mp__thread_default_size(void);
/* The memory of a thread that has ended and is known to nobody any more. */
void mp__thread_free(struct mp__thread *thread);
void mp__threads_forked(struct mp__thread *self);

#endif
