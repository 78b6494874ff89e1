/* libc_table.c - what libc's own table for exceptions says of its functions
 *
 * .eh_frame of the object that libc is: read in place, without a lock or an
 * allocation, so also in a signal handler.  Of what it can say only what compilers
 * write for plain C is understood; all else is "not known". */
#include "monkeypatch/libc_table.h"
#include "monkeypatch/preempt.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
enum { REGISTER_SP = 7, REGISTER_LINK = 16 };
#elif defined(__aarch64__)
enum { REGISTER_SP = 31, REGISTER_LINK = 30 };
#endif

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
    uint8_t rest[]; /* three numbers, the augmentation, instructions */
};

static const struct header *header; /* libc's; NULL: not to be used */
static uintptr_t begin, end;

void mp__libc_table_begin(void)
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

bool mp__libc_has(uintptr_t pc)
{
    return header != NULL && pc >= begin && pc < end;
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

static const struct common *common_of(const struct frame *frame)
{
    return (const void *)((uintptr_t)&frame->common -
                          (uintptr_t)(intptr_t)frame->common);
}

static bool is_plain(const struct frame *frame)
{
    const struct common *common = common_of(frame);

    return frame->size < UINT32_MAX && common->size < UINT32_MAX &&
           common->id == 0 && memcmp(common->augmentation, "zR", 3) == 0 &&
           frame->augmentation == 0;
}

bool mp__libc_function(uintptr_t pc, struct mp__libc_function *function)
{
    const struct frame *frame = mp__libc_has(pc) ? find(pc) : NULL;

    if (frame == NULL || !is_plain(frame))
        return false;
    function->start = (uintptr_t)&frame->code + (uintptr_t)(intptr_t)frame->code;
    if (pc < function->start || pc - function->start >= frame->code_size)
        return false;
    function->frame = frame;
    function->first = frame->instructions;
    function->last = (const uint8_t *)&frame->common + frame->size;
    return true;
}

/* ---- the row for one instruction ---- */

struct reader {
    const uint8_t *at, *last;
    bool fails;
};

static uint64_t number(struct reader *reader, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte = 0x80;

    while ((byte & 0x80) != 0 && reader->at < reader->last && shift < 63) {
        byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    }
    reader->fails |= (byte & 0x80) != 0;
    if (is_signed && (byte & 0x40) != 0)
        value |= ~UINT64_C(0) << shift;
    return value;
}

static uint64_t bytes(struct reader *reader, unsigned count)
{
    uint64_t value = 0;

    if (reader->last - reader->at < (ptrdiff_t)count) {
        reader->fails = true;
        return 0;
    }
    memcpy(&value, reader->at, count); /* both architectures: lowest first */
    reader->at += count;
    return value;
}

struct units {
    uint64_t code;
    int64_t data;
};

static void set_cfa(struct mp__libc_row *row, uint64_t from)
{
    row->by_sp = from == REGISTER_SP;
}

static void set_link(struct mp__libc_row *row, uint64_t which, bool saved,
                     int64_t at)
{
    if (which != REGISTER_LINK)
        return;
    row->link_saved = saved;
    row->link = at;
}

enum {
    CFA_NOP, CFA_ADVANCE_1 = 2, CFA_ADVANCE_2, CFA_ADVANCE_4, CFA_OFFSET,
    CFA_RESTORE, CFA_UNDEFINED, CFA_SAME, CFA_REMEMBER = 0x0a,
    CFA_RESTORE_STATE, CFA_DEF, CFA_DEF_REGISTER, CFA_DEF_OFFSET,
    CFA_SHORT_ADVANCE = 0x40, CFA_SHORT_OFFSET = 0x80, CFA_SHORT_RESTORE = 0xc0
};

struct machine {
    struct reader reader;
    struct units units;
    struct mp__libc_row row, initial, kept[4];
    unsigned kept_count;
    uint64_t location;
};

static void keep_or_restore(struct machine *m, bool keep)
{
    const unsigned most = sizeof m->kept / sizeof *m->kept;

    if (keep ? m->kept_count == most : m->kept_count == 0)
        m->reader.fails = true;
    else if (keep)
        m->kept[m->kept_count++] = m->row;
    else
        m->row = m->kept[--m->kept_count];
}

static void change(struct machine *m, uint8_t code)
{
    struct reader *reader = &m->reader;
    uint64_t which;

    switch (code) {
    case CFA_NOP:
        break;
    case CFA_OFFSET:
        which = number(reader, false);
        set_link(&m->row, which, true,
                 (int64_t)number(reader, false) * m->units.data);
        break;
    case CFA_RESTORE:
        set_link(&m->row, number(reader, false), m->initial.link_saved,
                 m->initial.link);
        break;
    case CFA_SAME:
        set_link(&m->row, number(reader, false), false, 0);
        break;
    case CFA_REMEMBER:
    case CFA_RESTORE_STATE:
        keep_or_restore(m, code == CFA_REMEMBER);
        break;
    case CFA_DEF:
        set_cfa(&m->row, number(reader, false));
        m->row.cfa = (int64_t)number(reader, false);
        break;
    case CFA_DEF_REGISTER:
        set_cfa(&m->row, number(reader, false));
        break;
    case CFA_DEF_OFFSET:
        m->row.cfa = (int64_t)number(reader, false);
        break;
    default: /* signed return addresses, too */
        reader->fails = true;
    }
}

static void step(struct machine *m)
{
    uint8_t code = (uint8_t)bytes(&m->reader, 1), low = code & 0x3f;

    switch (code & 0xc0) {
    case CFA_SHORT_ADVANCE:
        m->location += low * m->units.code;
        return;
    case CFA_SHORT_OFFSET:
        set_link(&m->row, low, true,
                 (int64_t)number(&m->reader, false) * m->units.data);
        return;
    case CFA_SHORT_RESTORE:
        set_link(&m->row, low, m->initial.link_saved, m->initial.link);
        return;
    }
    if (code >= CFA_ADVANCE_1 && code <= CFA_ADVANCE_4)
        m->location += bytes(&m->reader, 1U << (code - CFA_ADVANCE_1)) *
                       m->units.code;
    else
        change(m, code);
}

/* What all functions begin with; false: it is of another kind. */
static bool begins(struct machine *m, const struct common *common)
{
    m->reader = (struct reader){ common->rest,
                                 (const uint8_t *)&common->id + common->size,
                                 false };
    m->units.code = number(&m->reader, false);
    m->units.data = (int64_t)number(&m->reader, true);
    if (number(&m->reader, false) != REGISTER_LINK ||
        number(&m->reader, false) != 1 || bytes(&m->reader, 1) != PCREL_4)
        return false;
    while (!m->reader.fails && m->reader.at < m->reader.last)
        step(m);
    m->initial = m->row;
    return !m->reader.fails;
}

bool mp__libc_row(const struct mp__libc_function *function, uintptr_t pc,
                  struct mp__libc_row *row)
{
    struct machine m;
    struct mp__libc_row before;

    memset(&m, 0, sizeof m);
    if (!begins(&m, common_of(function->frame)))
        return false;
    m.reader = (struct reader){ function->first, function->last, false };
    before = m.row;
    while (!m.reader.fails && m.reader.at < m.reader.last) {
        step(&m);
        if (m.location > pc - function->start)
            break;
        before = m.row;
    }
    *row = before;
    return !m.reader.fails && before.by_sp;
}
