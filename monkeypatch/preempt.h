/* preempt.h - turns for others while a thread computes: preempt.c */
#ifndef PREEMPT_H
#define PREEMPT_H

/* A second thread is there now; on the hub's OS thread. */
void mp__preempt_begin(void);
/* From now on nobody is interrupted. */
void mp__preempt_never(void);
void mp__preempt_forked(void);

#endif
