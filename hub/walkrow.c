/* walkrow.c - what .eh_frame says of a place in a function: where its caller's
 * registers are
 *
 * All is read from the file that is mapped there, and nothing outside of it, what-
 * ever it says. */
#include "hub/walk.h"

#include <elf.h>
#include <string.h>

#define STATES 8 /* that are remembered at once */

/* A pointer into the image, and what the byte there is in the file's own terms. */
struct place {
    struct walk_bytes bytes;
    uint64_t virtual;
};

/* What a CIE says for all its functions. */
struct common {
    uint64_t code_align;
    int64_t data_align;
    unsigned return_register;
    uint8_t encoding; /* of pointers in an FDE */
    bool has_augmentation, is_signal_frame;
    struct walk_bytes program;
};

/* ---- bytes ---- */

static uint64_t fixed(struct walk_bytes *bytes, size_t size)
{
    uint64_t value = 0;

    if ((size_t)(bytes->end - bytes->at) < size) {
        bytes->at = bytes->end;
        return 0;
    }
    memcpy(&value, bytes->at, size); /* both processors are little-endian */
    bytes->at += size;
    return value;
}

/* LEB128.  *shift: the bits that it had; returns with the last byte in *byte. */
static uint64_t leb(struct walk_bytes *bytes, unsigned *shift, unsigned *byte)
{
    uint64_t value = 0;

    *shift = 0;
    do {
        *byte = (unsigned)fixed(bytes, 1);
        if (*shift < 64)
            value |= (uint64_t)(*byte & 0x7f) << *shift;
        *shift += 7;
    } while ((*byte & 0x80) != 0 && bytes->at < bytes->end);
    return value;
}

static uint64_t unsigned_leb(struct walk_bytes *bytes)
{
    unsigned shift, byte;

    return leb(bytes, &shift, &byte);
}

static int64_t signed_leb(struct walk_bytes *bytes)
{
    unsigned shift, byte;
    uint64_t value = leb(bytes, &shift, &byte);

    if (shift < 64 && (byte & 0x40) != 0)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

static struct walk_bytes block(struct walk_bytes *bytes, uint64_t size)
{
    struct walk_bytes part = *bytes;

    if (size > (uint64_t)(bytes->end - bytes->at))
        size = (uint64_t)(bytes->end - bytes->at);
    bytes->at += size;
    part.end = bytes->at;
    return part;
}

static bool is_signed(uint8_t encoding)
{
    return (encoding & 0x08) != 0;
}

/* DW_EH_PE_*: in the lower half what it looks like, above what it is relative
 * to. */
static uint64_t pointer(struct place *from, uint8_t encoding, uint64_t data)
{
    const unsigned char *began = from->bytes.at;
    uint64_t here = from->virtual, value;

    switch (encoding & 0x07) {
    case 0x01:
        value = is_signed(encoding) ? (uint64_t)signed_leb(&from->bytes)
                                    : unsigned_leb(&from->bytes);
        break;
    case 0x02:
        value = fixed(&from->bytes, 2);
        value = is_signed(encoding) ? (uint64_t)(int16_t)value : value;
        break;
    case 0x03:
        value = fixed(&from->bytes, 4);
        value = is_signed(encoding) ? (uint64_t)(int32_t)value : value;
        break;
    default:
        value = fixed(&from->bytes, 8);
    }
    from->virtual += (uint64_t)(from->bytes.at - began);
    if ((encoding & 0x70) == 0x10)
        value += here;
    else if ((encoding & 0x70) == 0x30)
        value += data;
    return value;
}

/* ---- in the file ---- */

static const Elf64_Phdr *parts(const struct hub__image *image, unsigned *count)
{
    const Elf64_Ehdr *head = (const void *)image->bytes;

    *count = head->e_phnum;
    return (const void *)(image->bytes + head->e_phoff);
}

static bool find_place(const struct hub__image *image, uint64_t virtual,
                       struct place *place)
{
    unsigned count;
    const Elf64_Phdr *part = parts(image, &count);

    for (; count > 0; count--, part++) {
        uint64_t offset = virtual - part->p_vaddr;

        if (part->p_type != PT_LOAD || virtual < part->p_vaddr ||
            offset >= part->p_filesz || part->p_offset > image->size ||
            part->p_filesz > image->size - part->p_offset)
            continue;
        place->virtual = virtual;
        place->bytes.at = (const unsigned char *)image->bytes +
                          part->p_offset + offset;
        place->bytes.end = (const unsigned char *)image->bytes +
                           part->p_offset + part->p_filesz;
        return true;
    }
    return false;
}

/* The last of the table's functions that begins at or before it: its FDE. */
static bool search_table(const struct hub__image *image, struct place *fde)
{
    const Elf64_Phdr *part;
    struct place head;
    uint64_t data = 0, count, low = 0;
    unsigned parts_left;
    struct {
        int32_t function, fde;
    } const *table;
    uint8_t to_frame, to_count, entries;

    for (part = parts(image, &parts_left); parts_left > 0; parts_left--, part++)
        if (part->p_type == PT_GNU_EH_FRAME)
            data = part->p_vaddr;
    if (data == 0 || !find_place(image, data, &head) ||
        fixed(&head.bytes, 1) != 1)
        return false;
    to_frame = (uint8_t)fixed(&head.bytes, 1);
    to_count = (uint8_t)fixed(&head.bytes, 1);
    entries = (uint8_t)fixed(&head.bytes, 1);
    head.virtual += 4;
    pointer(&head, to_frame, data);
    count = pointer(&head, to_count, data);
    if (entries != 0x3b || /* relative to the table, four bytes, signed */
        count > (uint64_t)(head.bytes.end - head.bytes.at) / sizeof *table)
        return false;
    table = (const void *)head.bytes.at;
    for (uint64_t high = count; low < high;) {
        uint64_t middle = low + (high - low) / 2;

        if (data + (uint64_t)(int64_t)table[middle].function <= image->virtual)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 &&
           find_place(image, data + (uint64_t)(int64_t)table[low - 1].fde, fde);
}

/* ---- CIE and FDE ---- */

static bool read_common(struct place cie, struct common *common)
{
    uint64_t length = fixed(&cie.bytes, 4);
    const char *letters;
    struct walk_bytes *bytes = &cie.bytes;
    unsigned version;

    if (length == 0 || length > (uint64_t)(bytes->end - bytes->at))
        return false;
    bytes->end = bytes->at + length;
    if (fixed(bytes, 4) != 0)
        return false;
    version = (unsigned)fixed(bytes, 1);
    letters = (const char *)bytes->at;
    if (memchr(letters, '\0', (size_t)(bytes->end - bytes->at)) == NULL)
        return false;
    bytes->at += strlen(letters) + 1;
    common->code_align = unsigned_leb(bytes);
    common->data_align = signed_leb(bytes);
    common->return_register = (unsigned)(version == 1 ? fixed(bytes, 1)
                                                      : unsigned_leb(bytes));
    common->encoding = 0;
    common->is_signal_frame = false;
    common->has_augmentation = *letters == 'z';
    if (common->has_augmentation) {
        struct place data = { .bytes = block(bytes, unsigned_leb(bytes)) };

        for (letters++; *letters != '\0'; letters++)
            if (*letters == 'R')
                common->encoding = (uint8_t)fixed(&data.bytes, 1);
            else if (*letters == 'P')
                pointer(&data, (uint8_t)fixed(&data.bytes, 1), 0);
            else if (*letters == 'L')
                fixed(&data.bytes, 1);
            else if (*letters == 'S')
                common->is_signal_frame = true;
    }
    common->program = *bytes;
    return common->return_register < CONTROL_REGISTERS;
}

struct machine {
    const struct common *common;
    uint64_t at, wanted; /* places in the code */
    struct walk_row row, initial;
    struct walk_row remembered[STATES];
    int depth;
};

static void set(struct machine *machine, uint64_t number, enum walk_rule rule,
                int64_t value)
{
    if (number >= CONTROL_REGISTERS)
        return;
    machine->row.registers[number].rule = (uint8_t)rule;
    machine->row.registers[number].number = value;
}

static void set_expression(struct machine *machine, uint64_t number,
                           enum walk_rule rule, struct walk_bytes *bytes)
{
    struct walk_bytes expression = block(bytes, unsigned_leb(bytes));

    if (number >= CONTROL_REGISTERS)
        return;
    machine->row.registers[number].rule = (uint8_t)rule;
    machine->row.registers[number].expression = expression;
}

static void restore(struct machine *machine, uint64_t number)
{
    if (number < CONTROL_REGISTERS)
        machine->row.registers[number] = machine->initial.registers[number];
}

static void define_cfa(struct machine *machine, uint64_t number, int64_t offset)
{
    machine->row.by_expression = false;
    machine->row.cfa_register = (unsigned)number;
    machine->row.cfa_offset = offset;
}

/* Those that have their operand in the upper bits aside. */
static bool long_operation(struct machine *machine, unsigned code,
                           struct walk_bytes *bytes)
{
    const int64_t scale = machine->common->data_align;
    uint64_t number;

    switch (code) {
    case 0x00: /* DW_CFA_nop */
        return true;
    case 0x01: /* set_loc: nobody writes it */
        return false;
    case 0x02: case 0x03: case 0x04: /* advance_loc1, 2, 4 */
        machine->at += fixed(bytes, 1u << (code - 2)) *
                       machine->common->code_align;
        return true;
    case 0x05: /* offset_extended */
        number = unsigned_leb(bytes);
        set(machine, number, RULE_AT, (int64_t)unsigned_leb(bytes) * scale);
        return true;
    case 0x06: /* restore_extended */
        restore(machine, unsigned_leb(bytes));
        return true;
    case 0x07: /* undefined */
        set(machine, unsigned_leb(bytes), RULE_UNDEFINED, 0);
        return true;
    case 0x08: /* same_value */
        set(machine, unsigned_leb(bytes), RULE_SAME, 0);
        return true;
    case 0x09: /* register */
        number = unsigned_leb(bytes);
        set(machine, number, RULE_REGISTER, (int64_t)unsigned_leb(bytes));
        return true;
    case 0x0a: /* remember_state */
        if (machine->depth == STATES)
            return false;
        machine->remembered[machine->depth++] = machine->row;
        return true;
    case 0x0b: /* restore_state */
        if (machine->depth == 0)
            return false;
        machine->row = machine->remembered[--machine->depth];
        return true;
    default:
        return false;
    }
}

static bool cfa_operation(struct machine *machine, unsigned code,
                          struct walk_bytes *bytes)
{
    const int64_t scale = machine->common->data_align;
    uint64_t number;

    switch (code) {
    case 0x0c: /* def_cfa */
        number = unsigned_leb(bytes);
        define_cfa(machine, number, (int64_t)unsigned_leb(bytes));
        return true;
    case 0x0d: /* def_cfa_register */
        machine->row.cfa_register = (unsigned)unsigned_leb(bytes);
        return true;
    case 0x0e: /* def_cfa_offset */
        machine->row.cfa_offset = (int64_t)unsigned_leb(bytes);
        return true;
    case 0x0f: /* def_cfa_expression */
        machine->row.by_expression = true;
        machine->row.cfa_expression = block(bytes, unsigned_leb(bytes));
        return true;
    case 0x10: /* expression */
        number = unsigned_leb(bytes);
        set_expression(machine, number, RULE_AT_EXPRESSION, bytes);
        return true;
    case 0x11: /* offset_extended_sf */
        number = unsigned_leb(bytes);
        set(machine, number, RULE_AT, signed_leb(bytes) * scale);
        return true;
    case 0x12: /* def_cfa_sf */
        number = unsigned_leb(bytes);
        define_cfa(machine, number, signed_leb(bytes) * scale);
        return true;
    case 0x13: /* def_cfa_offset_sf */
        machine->row.cfa_offset = signed_leb(bytes) * scale;
        return true;
    case 0x14: /* val_offset */
        number = unsigned_leb(bytes);
        set(machine, number, RULE_IS, (int64_t)unsigned_leb(bytes) * scale);
        return true;
    case 0x16: /* val_expression */
        number = unsigned_leb(bytes);
        set_expression(machine, number, RULE_IS_EXPRESSION, bytes);
        return true;
    case 0x2d: /* aarch64: signed from here on, or no more */
        return true;
    case 0x2e: /* GNU_args_size */
        unsigned_leb(bytes);
        return true;
    default:
        return long_operation(machine, code, bytes);
    }
}

/* Up to the place that is wanted. */
static bool run(struct machine *machine, struct walk_bytes program)
{
    while (program.at < program.end && machine->at <= machine->wanted) {
        unsigned code = (unsigned)fixed(&program, 1), low = code & 0x3f;

        switch (code >> 6) {
        case 1: /* advance_loc */
            machine->at += low * machine->common->code_align;
            break;
        case 2: /* offset */
            set(machine, low, RULE_AT,
                (int64_t)unsigned_leb(&program) * machine->common->data_align);
            break;
        case 3:
            restore(machine, low);
            break;
        default:
            if (!cfa_operation(machine, code, &program))
                return false;
        }
    }
    return true;
}

static bool read_function(const struct hub__image *image, struct place fde,
                          struct machine *machine, struct common *common)
{
    struct place cie;
    uint64_t length = fixed(&fde.bytes, 4), back, size, began;

    if (length == 0 || length > (uint64_t)(fde.bytes.end - fde.bytes.at))
        return false;
    fde.bytes.end = fde.bytes.at + length;
    fde.virtual += 4;
    back = fixed(&fde.bytes, 4);
    if (back == 0 || !find_place(image, fde.virtual - back, &cie) ||
        !read_common(cie, common))
        return false;
    fde.virtual += 4;
    began = pointer(&fde, common->encoding, 0);
    size = pointer(&fde, common->encoding & 0x0f, 0);
    if (image->virtual < began || image->virtual - began >= size)
        return false;
    if (common->has_augmentation)
        block(&fde.bytes, unsigned_leb(&fde.bytes));
    machine->common = common;
    machine->wanted = UINT64_MAX - 1;
    machine->at = 0;
    if (!run(machine, common->program))
        return false;
    machine->initial = machine->row;
    machine->at = began;
    machine->wanted = image->virtual;
    return run(machine, fde.bytes);
}

bool hub__walk_row(struct hub__symbols *symbols, uint64_t address,
                   struct walk_row *row)
{
    static struct machine machine; /* large, for a stack */
    struct hub__image image;
    struct common common;
    struct place fde;

    memset(&machine, 0, sizeof machine);
    if (!hub__symbols_image(symbols, (const void *)(uintptr_t)address, &image) ||
        !search_table(&image, &fde) ||
        !read_function(&image, fde, &machine, &common))
        return false;
    *row = machine.row;
    row->return_register = common.return_register;
    row->is_signal_frame = common.is_signal_frame;
    return true;
}
