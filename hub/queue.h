/* queue.h - queues of pointers between greenlets
 *
 * Items pass through: nothing is copied or freed.  Fair: who has waited longest is
 * served first, also before who comes just then.  A get that ends early never
 * loses an item, and a put that returns an error has put nothing.  They work across
 * hubs, and from threads without one: everything here is thread-safe unless it
 * says otherwise.  In a callback of the loop put and get do what they can without
 * waiting, or fail with -EDEADLK. */
#ifndef VIREO_QUEUE_H
#define VIREO_QUEUE_H

#include "hub/object.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As many items as there is memory for. */
#define HUB_UNBOUNDED INT64_C(-1)
/* More cannot be in one. */
#define HUB_QUEUE_MAX (INT64_C(1) << 30)

/* An item that ends hub_queue_next() and hub_channel_next(). */
HUB_API extern const char hub_queue_end;
#define HUB_QUEUE_END ((void *)(uintptr_t)&hub_queue_end)

/* ---- Queue ---------------------------------------------------------------------- */

/* The program's, in its place while it is used. */
struct hub_queue {
    uint64_t private_[20];
};

/* First in, first out; maxsize items, or HUB_UNBOUNDED.  0 means HUB_UNBOUNDED, and
 * one line to where the hub reports errors, since capacity 0 is a hub_channel.
 * Returns 0, or -EINVAL for NULL, another negative maxsize, or one beyond
 * HUB_QUEUE_MAX. */
HUB_API int hub_queue_init(struct hub_queue *queue, int64_t maxsize);

/* The same without hub_queue_task_done() and hub_queue_join(): a SimpleQueue. */
HUB_API int hub_simple_queue_init(struct hub_queue *queue, int64_t maxsize);

/* Last in, first out: a LifoQueue. */
HUB_API int hub_lifo_queue_init(struct hub_queue *queue, int64_t maxsize);

/* The least first; of equal ones the first that was put.  compare(a, b, arg) is
 * negative when a goes before b, positive when behind; it is called with the queue
 * locked, and must not wait or call it (-EDEADLK).
 * Returns as hub_queue_init(), and -EINVAL without compare. */
HUB_API int hub_priority_queue_init(struct hub_queue *queue, int64_t maxsize,
                                    int (*compare)(const void *a, const void *b,
                                                   void *arg),
                                    void *arg);

/* What is done with items that hub_queue_shutdown() or hub_queue_destroy() drops;
 * NULL: nothing.  It may wait.  To be set before the queue is used. */
HUB_API void hub_queue_set_drop(struct hub_queue *queue,
                                void (*drop)(void *item, void *arg), void *arg);

/* Drop what is in it and give back its memory.  Returns 0, or -EBUSY with nothing
 * done: somebody waits for it. */
HUB_API int hub_queue_destroy(struct hub_queue *queue);

/* Put an item; waits while the queue is full.  Switches, unless there is room.
 * Returns 0; -ETIMEDOUT (Full); -ESHUTDOWN; -EINVAL for NULL; -ENOMEM; or why it
 * ended early. */
HUB_API int hub_queue_put(struct hub_queue *queue, void *item,
                          int64_t deadline_ns);

/* The same without waiting: -EAGAIN when it is full.  Never switches. */
HUB_API int hub_queue_try_put(struct hub_queue *queue, void *item);

/* Take an item; waits while there is none.  Switches, unless there is one.
 * Returns 0 with it in *item (unless item is NULL); -ETIMEDOUT (Empty); -ESHUTDOWN
 * when it is shut down and empty; -EINVAL for NULL; -ENOMEM; or why it ended
 * early. */
HUB_API int hub_queue_get(struct hub_queue *queue, int64_t deadline_ns,
                          void **item);

/* The same without waiting: -EAGAIN when there is none.  Never switches. */
HUB_API int hub_queue_try_get(struct hub_queue *queue, void **item);

/* hub_queue_get() that leaves the item where it is: another may take it.  peek
 * switches, unless there is one; try_peek never. */
HUB_API int hub_queue_peek(struct hub_queue *queue, int64_t deadline_ns,
                           void **item);
HUB_API int hub_queue_try_peek(struct hub_queue *queue, void **item);

/* For loops: hub_queue_get() without deadline.  Switches.
 * Returns 1 with an item, 0 when that was HUB_QUEUE_END, which is then taken; or a
 * negative errno as hub_queue_get(). */
HUB_API int hub_queue_next(struct hub_queue *queue, void **item);

/* No more puts: those that wait and later ones end with -ESHUTDOWN, gets when the
 * queue is empty.  `immediate` drops what is in it, as if it were done.
 * Returns 0, also the second time; -EINVAL for NULL; -EDEADLK in a signal handler
 * that interrupted this library.  With immediate it may switch, if drop does. */
HUB_API int hub_queue_shutdown(struct hub_queue *queue, bool immediate);

/* One item that was taken has been dealt with.
 * Returns how many have not; -EDOM when all had been; -ENOTSUP for a simple queue;
 * -EINVAL for NULL; -EDEADLK as above. */
HUB_API int64_t hub_queue_task_done(struct hub_queue *queue);

/* Wait until all items that were put have been dealt with.  Switches.
 * Returns 0, -ETIMEDOUT, -ENOTSUP for a simple queue, -EINVAL for NULL, or why it
 * ended early. */
HUB_API int hub_queue_join(struct hub_queue *queue, int64_t deadline_ns);

/* How many items are in it; how many were put and not dealt with; none is in it; as
 * many as may be are. */
HUB_API int64_t hub_queue_size(const struct hub_queue *queue);
HUB_API int64_t hub_queue_unfinished(const struct hub_queue *queue);
HUB_API bool hub_queue_empty(const struct hub_queue *queue);
HUB_API bool hub_queue_full(const struct hub_queue *queue);

/* For hub_wait() and hub_rawlink(): ready while an item is there, or when it is
 * shut down. */
HUB_API struct hub_object hub_queue_object(struct hub_queue *queue);

/* ---- Channel -------------------------------------------------------------------- */

/* A queue of capacity 0: a put waits until a get takes the item.  The program's,
 * in its place while it is used.  All zero: nobody waits. */
struct hub_channel {
    uint64_t private_[4];
};

/* Nobody waits. */
HUB_API void hub_channel_init(struct hub_channel *channel);

/* Returns 0, or -EBUSY with nothing done: somebody waits. */
HUB_API int hub_channel_destroy(struct hub_channel *channel);

/* Give an item to who has waited longest for one, and let it run; or wait for
 * somebody who takes it.  Switches.  What greenlet_throw() throws into the caller
 * of put or get after the item has changed hands is thrown when it waits next.
 * Returns 0; -ETIMEDOUT (Full); -ESHUTDOWN; -EINVAL for NULL; or why it ended
 * early. */
HUB_API int hub_channel_put(struct hub_channel *channel, void *item,
                            int64_t deadline_ns);

/* The same without waiting: -EAGAIN when nobody waits for an item.  Never
 * switches. */
HUB_API int hub_channel_try_put(struct hub_channel *channel, void *item);

/* Take the item of who has waited longest to put one, or wait for one.  Switches,
 * unless somebody waits to put.
 * Returns 0 with it in *item (unless item is NULL); -ETIMEDOUT (Empty); -ESHUTDOWN;
 * -EINVAL for NULL; or why it ended early. */
HUB_API int hub_channel_get(struct hub_channel *channel, int64_t deadline_ns,
                            void **item);

/* The same without waiting: -EAGAIN when nobody waits to put.  Never switches. */
HUB_API int hub_channel_try_get(struct hub_channel *channel, void **item);

/* For loops, as hub_queue_next().  Switches. */
HUB_API int hub_channel_next(struct hub_channel *channel, void **item);

/* All that wait, and later calls, end with -ESHUTDOWN.  Returns 0, -EINVAL for
 * NULL, -EDEADLK in a signal handler that interrupted this library. */
HUB_API int hub_channel_shutdown(struct hub_channel *channel);

/* For hub_wait() and hub_rawlink(): ready while somebody waits to put, or when it
 * is shut down. */
HUB_API struct hub_object hub_channel_object(struct hub_channel *channel);

#ifdef __cplusplus
}
#endif
#endif
