/* sync_gate.c - who in this process holds a lock that is in libc's format */
#include "monkeypatch/sync_gate.h"
#include "monkeypatch/sys.h"

#include <string.h>
#include <sys/mman.h>

enum { GATE_HEADS = 64 };

/* `lock` is held for a few instructions and never across a switch. */
static struct {
    uint32_t lock;
    uint32_t count; /* gates in use */
    struct sync_gate *free;
    struct sync_gate *heads[GATE_HEADS];
} gates;

static void gates_lock(void)
{
    while (__atomic_exchange_n(&gates.lock, 1, __ATOMIC_ACQUIRE) != 0)
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void gates_unlock(void)
{
    __atomic_store_n(&gates.lock, 0, __ATOMIC_RELEASE);
}

static struct sync_gate **gate_head(const void *object)
{
    uintptr_t key = (uintptr_t)object >> 3;

    return &gates.heads[(key ^ (key >> 9)) % GATE_HEADS];
}

/* A page of free gates.  mmap, since malloc may be what wants the lock. */
static bool gates_refill(void)
{
    size_t size = 4096, i;
    struct sync_gate *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return false;
    for (i = 0; i < size / sizeof *page; i++) {
        page[i].next = gates.free;
        gates.free = &page[i];
    }
    return true;
}

struct sync_gate *sync_gate_get(void *object, bool make)
{
    struct sync_gate **head = gate_head(object), *gate;

    if (!make && SYNC_LOAD(&gates.count) == 0)
        return NULL;
    gates_lock();
    for (gate = *head; gate != NULL && gate->object != object;)
        gate = gate->next;
    if (gate == NULL && make && (gates.free != NULL || gates_refill())) {
        gate = gates.free;
        gates.free = gate->next;
        *gate = (struct sync_gate){.next = *head, .object = object};
        *head = gate;
        gates.count++;
    }
    if (gate != NULL)
        gate->users++;
    gates_unlock();
    return gate;
}

void sync_gate_put(struct sync_gate *gate)
{
    struct sync_gate **link;

    gates_lock();
    if (--gate->users == 0) {
        for (link = gate_head(gate->object); *link != gate;)
            link = &(*link)->next;
        *link = gate->next;
        gate->next = gates.free;
        gates.free = gate;
        gates.count--;
    }
    gates_unlock();
}

void sync_gate_leave(struct sync_gate *gate)
{
    SYNC_STORE(&gate->owner, 0);
    sync_word_unlock(&gate->word);
    sync_gate_put(gate);
}

void sync_gate_reset(void *object)
{
    struct sync_gate *gate = sync_gate_get(object, false);

    if (gate == NULL)
        return;
    if (SYNC_LOAD(&gate->owner) != 0)
        sync_gate_leave(gate);
    sync_gate_put(gate);
}

struct sync_gate *sync_gate_of(uint32_t owner,
                               bool (*fits)(const struct sync_gate *gate))
{
    struct sync_gate *gate = NULL;
    unsigned i;

    if (SYNC_LOAD(&gates.count) == 0)
        return NULL;
    gates_lock();
    for (i = 0; i < GATE_HEADS && gate == NULL; i++) {
        gate = gates.heads[i];
        while (gate != NULL && (gate->owner != owner || !fits(gate)))
            gate = gate->next;
    }
    gates_unlock();
    return gate;
}

/* What is held is held by the parent, whose tids are in it; the child holds
 * nothing.  Gates that were in use are given up for ever. */
void sync_gate_forked(void)
{
    gates.lock = 0;
    gates.count = 0;
    memset(gates.heads, 0, sizeof gates.heads);
}
