/* preempt_leaf.c - places in libc where a thread can be stopped all the same
 *
 * Functions that never have a frame of their own (memcpy(), strlen()) hold nothing:
 * one that takes a lock has one, to call who waits for it.  The table by which
 * exceptions find their way says of such a function that nothing changes from its
 * first to its last instruction.  And any function is through when it has come to
 * its `ret`.  In both cases the return address is where it was when the function
 * began; if that is in the program's code nobody in libc waits for it to return. */
#include "monkeypatch/preempt.h"

#include <link.h>
#include <string.h>

/* .eh_frame_hdr as all linkers write it. */
struct header {
    uint8_t version, pointer_kind, count_kind, table_kind;
    int32_t frames;
    uint32_t count;
    struct entry {
        int32_t code, frame; /* from the header on; in order of `code` */
    } table[];
};
enum { VERSION = 1, PCREL_4 = 0x1b, UDATA_4 = 0x03, DATAREL_4 = 0x3b };

/* What .eh_frame has for a function, and for many in common. */
struct frame {
    uint32_t size;
    int32_t common; /* back from here */
    int32_t code;   /* from here */
    uint32_t code_size;
    uint8_t augmentation; /* its length */
    uint8_t instructions[];
};
struct common {
    uint32_t size, id;
    uint8_t version;
    char augmentation[3];
};

static const struct header *header; /* libc's; NULL: not to be used */
static uintptr_t begin, end;

void mp__preempt_leaf_begin(void)
{
    struct dl_find_object found;
    const struct header *seen;

    if (mp__find_object == NULL ||
        mp__find_object((void *)(uintptr_t)strlen, &found) != 0 ||
        strstr(found.dlfo_link_map->l_name, "libc.so") == NULL)
        return;
    seen = found.dlfo_eh_frame;
    if (seen == NULL || seen->version != VERSION ||
        seen->pointer_kind != PCREL_4 || seen->count_kind != UDATA_4 ||
        seen->table_kind != DATAREL_4 || seen->count == 0)
        return;
    begin = (uintptr_t)found.dlfo_map_start;
    end = (uintptr_t)found.dlfo_map_end;
    header = seen;
}

/* That of the last function that begins at `pc` or before. */
static const struct frame *find(uintptr_t pc)
{
    int64_t offset = (int64_t)(pc - (uintptr_t)header);
    uint32_t low = 0, high = header->count;

    if (offset < header->table[0].code)
        return NULL;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (header->table[middle].code <= offset)
            low = middle;
        else
            high = middle;
    }
    return (const void *)((uintptr_t)header +
                          (uintptr_t)(intptr_t)header->table[low].frame);
}

static bool is_plain(const struct frame *frame)
{
    const struct common *common =
        (const void *)((uintptr_t)&frame->common -
                       (uintptr_t)(intptr_t)frame->common);

    return frame->size < UINT32_MAX && common->id == 0 &&
           memcmp(common->augmentation, "zR", 3) == 0 &&
           frame->augmentation == 0;
}

static bool has_no_frame(uintptr_t pc)
{
    const struct frame *frame = find(pc);
    uintptr_t start;
    const uint8_t *last;

    if (frame == NULL || !is_plain(frame))
        return false;
    start = (uintptr_t)&frame->code + (uintptr_t)(intptr_t)frame->code;
    if (pc < start || pc - start >= frame->code_size)
        return false;
    last = (const uint8_t *)&frame->common + frame->size;
    for (const uint8_t *at = frame->instructions; at < last; at++)
        if (*at != 0) /* DW_CFA_nop */
            return false;
    return true;
}

#if defined(__x86_64__)
static bool is_return(uintptr_t pc)
{
    return *(const uint8_t *)pc == 0xc3;
}

static uintptr_t returns_to(const ucontext_t *context)
{
    return *(const uintptr_t *)CONTEXT_SP(context);
}
#elif defined(__aarch64__)
static bool is_return(uintptr_t pc)
{
    return *(const uint32_t *)pc == 0xd65f03c0;
}

static uintptr_t returns_to(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.regs[30];
}
#endif

bool mp__preempt_at_leaf(const ucontext_t *context)
{
    uintptr_t pc = CONTEXT_PC(context);

    return header != NULL && pc >= begin && pc < end &&
           (is_return(pc) || has_no_frame(pc)) &&
           mp__preempt_in_program(returns_to(context));
}
