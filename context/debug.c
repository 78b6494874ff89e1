/* debug.c - where things are, for a debugger that has no debug information
 *
 * gdb/vireo-gdb.py reads this, in a live process and in a core file.  Offsets
 * are of this very build; `version` changes when a reader would have to. */
#include "context/greenlet_impl.h"
#include "frame.h"

#define OFFSET(type, field) .type##_##field = offsetof(struct type, field)

struct debug {
    char magic[8];
    uint32_t version, size;
    /* Where the addresses of the heads of three lists are: slabs of stacks, OS
     * threads that use greenlets, mapped threads. */
    const void *slabs, *threads, *mapped;
    const struct greenlet__slab_layout *slab;
    uint32_t greenlet_size, greenlet_context, greenlet_thread, greenlet_state,
        greenlet_is_main, greenlet_has, greenlet_refs, greenlet_parent,
        greenlet_run, greenlet_slot, greenlet_name;
    uint32_t greenlet__slot_base, greenlet__slot_size, greenlet__slot_guard;
    uint32_t greenlet__thread_current, greenlet__thread_thread_pointer,
        greenlet__thread_main;
    uint32_t greenlet__os_first, greenlet__os_next;
    uint32_t greenlet__mapped_thread, greenlet__mapped_next;
    uint32_t has_name, state_new, state_active, state_orphan, state_freed,
        state_waiting;
    uint32_t frame_registers; /* arch: frame.h */
};

extern const struct debug vireo_debug;

GREENLET_API const struct debug vireo_debug = {
    .magic = "vireo",
    .version = 2,
    .size = sizeof vireo_debug,
    .slabs = &greenlet__debug_slabs,
    .threads = &greenlet__debug_threads,
    .mapped = &greenlet__debug_mapped,
    .slab = &greenlet__slab_layout,
    .greenlet_size = sizeof(struct greenlet),
    OFFSET(greenlet, context),
    OFFSET(greenlet, thread),
    OFFSET(greenlet, state),
    OFFSET(greenlet, is_main),
    OFFSET(greenlet, has),
    OFFSET(greenlet, refs),
    OFFSET(greenlet, parent),
    OFFSET(greenlet, run),
    OFFSET(greenlet, slot),
    OFFSET(greenlet, name),
    OFFSET(greenlet__slot, base),
    OFFSET(greenlet__slot, size),
    OFFSET(greenlet__slot, guard),
    OFFSET(greenlet__thread, current),
    OFFSET(greenlet__thread, thread_pointer),
    OFFSET(greenlet__thread, main),
    OFFSET(greenlet__os, first),
    OFFSET(greenlet__os, next),
    OFFSET(greenlet__mapped, thread),
    OFFSET(greenlet__mapped, next),
    .has_name = HAS_NAME,
    .state_new = GREENLET_NEW,
    .state_active = GREENLET_ACTIVE,
    .state_orphan = GREENLET_ORPHAN,
    .state_freed = GREENLET_FREED,
    .state_waiting = GREENLET_WAITING,
    .frame_registers = FRAME_REGISTERS,
};
