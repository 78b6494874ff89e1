/* thread_words.c - what the kernel is to do in memory when a thread ends:
 * set_robust_list() and set_tid_address()
 *
 * The kernel keeps one of each for the thread that runs all of them; those of
 * mapped threads are kept here, and done here at their end.  When the process
 * is killed the kernel knows the lists of its own threads alone. */
#include "monkeypatch/end_wait.h"
#include "monkeypatch/io_impl.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/sync_impl.h"
#include "monkeypatch/sys.h"
#include "monkeypatch/wrap_syscall.h"

#include <limits.h>
#include <linux/futex.h>

#define MOST  2048 /* entries of a list; the kernel's ROBUST_LIST_LIMIT */
#define IS_PI ((uintptr_t)1)

/* ---- at the end ---- */

/* The kernel makes nothing of a list in memory that is gone. */
static bool is_there(const void *address, size_t len)
{
    return address != NULL && mp__readable(address, len);
}

static bool usable(const uint32_t *word)
{
    return (uintptr_t)word % sizeof *word == 0 && is_there(word, sizeof *word);
}

static void owner_dies(uint32_t *word, uint32_t id, bool pending)
{
    uint32_t value, dead;

    if (!usable(word))
        return;
    value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    do {
        if ((value & FUTEX_TID_MASK) != id) {
            if (pending && value == 0) /* unlocked, and had not woken yet */
                mp__futex(word, FUTEX_WAKE, 1, NULL, NULL, 0);
            return;
        }
        dead = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    } while (!__atomic_compare_exchange_n(word, &value, dead, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    if ((value & FUTEX_WAITERS) != 0)
        mp__futex(word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static struct robust_list *plain(struct robust_list *entry)
{
    return (struct robust_list *)((uintptr_t)entry & ~IS_PI);
}

static void walk(const struct robust_list_head *head, uint32_t id)
{
    struct robust_list *entry = plain(head->list.next), *next;
    struct robust_list *pending = plain(head->list_op_pending);
    long offset = head->futex_offset;

    for (int i = 0; i < MOST && entry != &head->list; i++) {
        if (!is_there(entry, sizeof *entry))
            return;
        /* Whoever gets the lock may free the entry. */
        next = plain(entry->next);
        if (entry != pending)
            owner_dies((uint32_t *)(void *)((char *)entry + offset), id, false);
        if (next == entry) /* the copy of a list that was empty */
            break;
        entry = next;
    }
    if (pending != NULL)
        owner_dies((uint32_t *)(void *)((char *)pending + offset), id, true);
}

void mp__words_end(struct mp__thread *self)
{
    struct robust_list_head *head = self->robust_list;
    uint32_t *word = self->tid_address;

    self->robust_list = NULL;
    self->tid_address = NULL;
    if (is_there(head, sizeof *head))
        walk(head, self->id);
    if (word == &self->tid_word || !usable(word))
        return;
    __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
    mp__futex(word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- the calls ---- */

/* What libc tells the kernel of a thread; NULL: not known. */
static void *libc_list(const struct mp__thread *thread)
{
    ptrdiff_t at = mp__hub->tls->robust;

    return at < 0 ? NULL : (char *)thread->handle + at;
}

/* False: not one that is kept here. */
static bool list_by_id(pid_t id, void **list)
{
    const struct mp__thread *thread;
    MP_ALL_STAY;

    thread = id == 0 ? mp__self : mp__thread_by_id(id);
    if (thread == NULL || (thread == &mp__main && thread->robust_list == NULL))
        return false;
    *list = thread->robust_list != NULL ? thread->robust_list
                                        : libc_list(thread);
    return true;
}

static long get_list(const struct mp__arguments *call, bool *handled)
{
    void *list;

    *handled = list_by_id(INT(0), &list);
    if (!*handled)
        return 0;
    if (!is_there(PTR(1), sizeof list) || !is_there(PTR(2), sizeof(size_t)))
        return -EFAULT;
    *(size_t *)PTR(2) = sizeof(struct robust_list_head);
    *(void **)PTR(1) = list;
    return 0;
}

long mp__words_syscall(const struct mp__arguments *call, bool *handled)
{
    struct mp__thread *self = mp__self;

    *handled = self != NULL && mp__in_vfork_child == 0;
    if (!*handled)
        return 0;
    switch (call->n) {
    case SYS_get_robust_list:
        return get_list(call, handled);
    case SYS_set_robust_list:
        if (SIZE(1) != sizeof(struct robust_list_head))
            return -EINVAL;
        /* Libc's locks are let go elsewhere: mp__mutex_thread_ends(). */
        self->robust_list = PTR(0) == libc_list(self) ? NULL : PTR(0);
        return 0;
    case SYS_set_tid_address:
        self->tid_address = PTR(0);
        return (long)self->id;
    default:
        *handled = false;
        return 0;
    }
}

/* What set_tid_address() may be given back later. */
void *mp__words_tid_address(struct mp__thread *self)
{
    return self->tid_address != NULL ? self->tid_address : &self->tid_word;
}
