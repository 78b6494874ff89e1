/* per_thread.h - what the kernel keeps per thread, while greenlets share one
 *
 * Scheduling and names are recorded for each mapped thread, reported, and not
 * applied.  Credentials are either the process's or refused. */
#ifndef PER_THREAD_H
#define PER_THREAD_H

#include "monkeypatch/monkeypatch_impl.h"

/* thread_sched.c */

/* A new mapped thread: what it inherits from the calling one, and what `attr`
 * (may be NULL) asks for.  Returns an error number. */
int mp__sched_created(struct mp__thread *thread, const pthread_attr_t *attr);
void mp__sched_free(struct mp__thread *thread);
/* What pthread_getattr_np() says of it.  Returns 0 or ENOMEM. */
int mp__sched_report(struct mp__thread *thread, pthread_attr_t *attr);
/* By that id (0: the caller) a mapped thread is meant, of which we keep all this. */
bool mp__sched_is_ours(pid_t id);

/* sched_setattr() and sched_getattr(), which older libcs do not have. */
int mp__sched_setattr(pid_t id, const void *attributes, unsigned flags);
int mp__sched_getattr(pid_t id, void *attributes, unsigned size,
                      unsigned flags);

/* The timer slack of the calling thread, which is not the main one. */
long mp__slack_get(void);
long mp__slack_set(unsigned long value);
/* ioprio_set() and ioprio_get(): a result or -errno; *handled false: not about a
 * thread whose is recorded. */
long mp__ioprio_set(int which, int who, int value, bool *handled);
long mp__ioprio_get(int which, int who, bool *handled);

/* thread_name.c: prctl() by names and timer slack.  True: *result is set. */
bool mp__prctl_recorded(int option, unsigned long value, long *result);

/* thread_words.c: get_robust_list(), set_robust_list(), set_tid_address() by
 * syscall(); and PR_GET_TID_ADDRESS. */
struct mp__arguments;
long mp__words_syscall(const struct mp__arguments *call, bool *handled);
void *mp__words_tid_address(struct mp__thread *self);

/* thread_ids.c: one of ours.  And the process's instead of it. */
bool mp__is_thread_id(pid_t id);
pid_t mp__process_of(pid_t id);
/* May the caller send this to the thread or process of that id? */
bool mp__may_queue(pid_t id, const siginfo_t *info);

/* credentials.c: a raw system call that changes what one kernel thread has.
 * *handled false: not such a one, or harmless; else a result or -errno. */
long mp__credential_syscall(const struct mp__arguments *call, bool *handled);

/* If the calling thread has given up to gain privileges the kernel is told. */
void mp__privileges_settle(void);

/* signal.c */

/* The program's handlers are called by ours: where threads are mapped, and where
 * greenlets of the program's park. */
static inline bool mp__signals_tracked(void)
{
    return (mp__self != NULL || mp__hosts) && mp__in_vfork_child == 0;
}
bool mp__signal_has_handler(int number, bool *restarts);
/* The program's handler, on the calling thread, with its mask. */
void mp__signal_run(int number, siginfo_t *info, void *context);

/* wrap_signal_old.c: what siginterrupt() said last. */
bool mp__signal_interrupts(int number);

/* signal_thread.c: a handler of ours finds whose the signal is; see there. */
bool mp__signal_hand_over(int number, siginfo_t *info, const void *context);
/* timer.c: a timer sent it that is for one thread (NULL: which has ended). */
bool mp__timer_target(const siginfo_t *info, struct mp__thread **target);
/* signal_owner.c: fcntl() and ioctl() by which a file's signals are for who has an
 * id.  True: *rc is set, a result or -errno. */
bool mp__owner_call(int fd, int command, void *arg, long *rc);
bool mp__owner_ioctl(int fd, unsigned long request, void *arg, long *rc);
/* In a handler.  True: the signal is for the owners of files, of which the first is
 * told (NULL: all have ended) and the others are left it. */
bool mp__owners(siginfo_t *info, struct mp__thread **first,
                int (*leave)(struct mp__thread *, const siginfo_t *));
/* signal_thread.c: rt_tgsigqueueinfo().  True: *rc is set, a result or
 * -errno. */
bool mp__signal_queue_info(const struct mp__arguments *call, long *rc);
/* signal_queue.c: take one of `set` that was sent to that thread. */
bool mp__signal_dequeue(struct mp__thread *thread, uint64_t set,
                        siginfo_t *info);
/* signal_mask.c: what is started meanwhile begins with the thread's own mask. */
void mp__own_mask_begins(void);
void mp__own_mask_ends(void);

#endif
