/* walk.c - from frame to frame of a stack that was copied
 *
 * By the tables of .eh_frame (walkrow.c); where there are none, as in code that was
 * made at run time, by frame pointers; where these lead nowhere, by searching for
 * what looks like a return address, which is marked as a guess. */
#include "hub/walk.h"
#include "frame.h"

#include <elf.h>
#include <string.h>

#define ROWS 512 /* ten thousand threads wait in a few places */
#define DEPTH 16  /* of expressions */

#if defined(__x86_64__)
#define FRAME_POINTER 6
#elif defined(__aarch64__)
#define FRAME_POINTER 29
#endif

/* ---- memory, registers ---- */

static bool word_at(const struct walk_stack *stack, uint64_t address,
                    uint64_t *word)
{
    uint64_t offset = address - stack->sp;

    if (stack->size < sizeof *word || offset > stack->size - sizeof *word)
        return false;
    memcpy(word, stack->bytes + offset, sizeof *word);
    return true;
}

static bool is_known(const struct walk_registers *registers, unsigned number)
{
    return number < CONTROL_REGISTERS && (registers->known >> number & 1) != 0;
}

static void set(struct walk_registers *registers, unsigned number,
                uint64_t value)
{
    registers->value[number] = value;
    registers->known |= (uint64_t)1 << number;
}

static void forget(struct walk_registers *registers, unsigned number)
{
    registers->known &= ~((uint64_t)1 << number);
}

/* Signed return addresses have their signature above. */
static uint64_t plain(uint64_t address)
{
    return address & (((uint64_t)1 << 48) - 1);
}

bool hub__walk_suspended(const struct walk_stack *stack,
                    struct walk_registers *registers)
{
    uint64_t word;

    registers->known = 0;
#if defined(__x86_64__)
    static const struct {
        unsigned number, offset;
    } saved[] = { { 12, FRAME_R12 }, { 13, FRAME_R13 }, { 14, FRAME_R14 },
                  { 15, FRAME_R15 }, { 3, FRAME_RBX },  { 6, FRAME_RBP },
                  { CONTROL_PC, FRAME_PC } };

    for (size_t i = 0; i < sizeof saved / sizeof *saved; i++) {
        if (!word_at(stack, stack->sp + saved[i].offset, &word))
            return false;
        set(registers, saved[i].number, word);
    }
#elif defined(__aarch64__)
    for (unsigned i = 0; i < 12; i++) {
        if (!word_at(stack, stack->sp + FRAME_REGISTERS + i * 8, &word))
            return false;
        set(registers, 19 + i, word);
    }
    if (!word_at(stack, stack->sp + FRAME_PC, &word))
        return false;
    set(registers, CONTROL_PC, plain(word));
#endif
    set(registers, CONTROL_SP, stack->sp + FRAME_SIZE);
    return true;
}

/* ---- expressions ---- */

struct evaluation {
    const struct walk_stack *stack;
    const struct walk_registers *registers;
    uint64_t values[DEPTH];
    int depth;
    bool failed;
};

static void push(struct evaluation *evaluation, uint64_t value)
{
    if (evaluation->depth == DEPTH)
        evaluation->failed = true;
    else
        evaluation->values[evaluation->depth++] = value;
}

static uint64_t pop(struct evaluation *evaluation)
{
    if (evaluation->depth == 0) {
        evaluation->failed = true;
        return 0;
    }
    return evaluation->values[--evaluation->depth];
}

static int64_t leb(struct walk_bytes *bytes, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0, byte = 0x80;

    for (; (byte & 0x80) != 0 && bytes->at < bytes->end; shift += 7) {
        byte = *bytes->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
    }
    if (is_signed && shift < 64 && (byte & 0x40) != 0)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

static uint64_t constant(struct walk_bytes *bytes, size_t size, bool is_signed)
{
    uint64_t value = 0;

    if ((size_t)(bytes->end - bytes->at) < size)
        size = (size_t)(bytes->end - bytes->at);
    memcpy(&value, bytes->at, size);
    bytes->at += size;
    if (is_signed && size > 0 && size < 8 && (value >> (size * 8 - 1)) != 0)
        value |= ~(uint64_t)0 << (size * 8);
    return value;
}

static void compute(struct evaluation *evaluation, unsigned code)
{
    uint64_t second = pop(evaluation), first = pop(evaluation);

    switch (code) {
    case 0x1a:
        push(evaluation, first & second);
        break;
    case 0x1c:
        push(evaluation, first - second);
        break;
    case 0x1e:
        push(evaluation, first * second);
        break;
    case 0x21:
        push(evaluation, first | second);
        break;
    case 0x22:
        push(evaluation, first + second);
        break;
    case 0x24:
        push(evaluation, second < 64 ? first << second : 0);
        break;
    case 0x2a:
        push(evaluation, (int64_t)first >= (int64_t)second);
        break;
    default:
        evaluation->failed = true;
    }
}

static void operation(struct evaluation *evaluation, struct walk_bytes *bytes)
{
    unsigned code = *bytes->at++;
    uint64_t word;

    if (code >= 0x30 && code <= 0x4f) { /* lit */
        push(evaluation, code - 0x30);
    } else if (code >= 0x70 && code <= 0x8f) { /* breg */
        evaluation->failed |= !is_known(evaluation->registers, code - 0x70);
        push(evaluation, evaluation->registers->value[code - 0x70] +
                             (uint64_t)leb(bytes, true));
    } else if (code >= 0x08 && code <= 0x0f) { /* const1u to const8s */
        push(evaluation, constant(bytes, (size_t)1 << ((code - 8) / 2),
                                  (code & 1) != 0));
    } else if (code == 0x10 || code == 0x11) { /* constu, consts */
        push(evaluation, (uint64_t)leb(bytes, code == 0x11));
    } else if (code == 0x23) { /* plus_uconst */
        push(evaluation, pop(evaluation) + (uint64_t)leb(bytes, false));
    } else if (code == 0x06) { /* deref */
        evaluation->failed |= !word_at(evaluation->stack, pop(evaluation),
                                       &word);
        push(evaluation, evaluation->failed ? 0 : word);
    } else if (code == 0x12) { /* dup */
        word = pop(evaluation);
        push(evaluation, word);
        push(evaluation, word);
    } else {
        compute(evaluation, code);
    }
}

static bool evaluate(const struct walk_stack *stack,
                     const struct walk_registers *registers,
                     struct walk_bytes bytes, const uint64_t *first,
                     uint64_t *value)
{
    struct evaluation evaluation = { .stack = stack, .registers = registers };

    if (first != NULL)
        push(&evaluation, *first);
    while (bytes.at < bytes.end && !evaluation.failed)
        operation(&evaluation, &bytes);
    *value = pop(&evaluation);
    return !evaluation.failed;
}

/* ---- one step ---- */

/* Expressions are where the session has mapped them. */
static const struct walk_row *row_of(struct hub__symbols *symbols,
                                     uint64_t address)
{
    static struct {
        uint64_t address, session;
        bool found;
        struct walk_row row;
    } rows[ROWS];
    const uint64_t session = hub__symbols_session(symbols);
    size_t place = (size_t)((address ^ address >> 12) % ROWS);

    if (rows[place].address != address || rows[place].session != session) {
        rows[place].address = address;
        rows[place].session = session;
        rows[place].found = hub__walk_row(symbols, address, &rows[place].row);
    }
    return rows[place].found ? &rows[place].row : NULL;
}

static bool find_cfa(const struct walk_stack *stack, const struct walk_row *row,
                     const struct walk_registers *now, uint64_t *cfa)
{
    if (row->by_expression)
        return evaluate(stack, now, row->cfa_expression, NULL, cfa);
    if (!is_known(now, row->cfa_register))
        return false;
    *cfa = now->value[row->cfa_register] + (uint64_t)row->cfa_offset;
    return true;
}

static bool recover(const struct walk_stack *stack, const struct walk_row *row,
                    const struct walk_registers *now, unsigned number,
                    uint64_t cfa, uint64_t *value)
{
    const int64_t place = row->registers[number].number;
    uint64_t address;

    switch (row->registers[number].rule) {
    case RULE_SAME:
        *value = now->value[number];
        return is_known(now, number);
    case RULE_AT:
        return word_at(stack, cfa + (uint64_t)place, value);
    case RULE_IS:
        *value = cfa + (uint64_t)place;
        return true;
    case RULE_REGISTER:
        *value = place < CONTROL_REGISTERS ? now->value[place] : 0;
        return is_known(now, (unsigned)place);
    case RULE_AT_EXPRESSION:
        return evaluate(stack, now, row->registers[number].expression, &cfa,
                        &address) &&
               word_at(stack, address, value);
    case RULE_IS_EXPRESSION:
        return evaluate(stack, now, row->registers[number].expression, &cfa,
                        value);
    default:
        return false;
    }
}

/* By the tables.  *ended: they say that it is the outermost. */
static bool step_by_table(const struct walk_stack *stack,
                          const struct walk_row *row,
                          struct walk_registers *registers, bool *ended)
{
    struct walk_registers before = *registers;
    uint64_t cfa, value;

    *ended = row->registers[row->return_register].rule == RULE_UNDEFINED;
    if (*ended || !find_cfa(stack, row, &before, &cfa) ||
        !recover(stack, row, &before, row->return_register, cfa, &value))
        return false;
    if (cfa <= before.value[CONTROL_SP] && !row->is_signal_frame &&
        row->registers[row->return_register].rule == RULE_AT)
        return false; /* it would go round in a circle */
    set(registers, CONTROL_PC, plain(value));
    for (unsigned i = 0; i < CONTROL_REGISTERS; i++) {
        if (row->registers[i].rule == RULE_SAME || i == CONTROL_PC ||
            i == CONTROL_SP)
            continue;
        if (recover(stack, row, &before, i, cfa, &value))
            set(registers, i, value);
        else
            forget(registers, i);
    }
    if (!row->is_signal_frame ||
        !recover(stack, row, &before, CONTROL_SP, cfa, &value))
        value = cfa;
    set(registers, CONTROL_SP, value);
    return true;
}

#if defined(__aarch64__)
/* Where a handler returns to is the kernel's own code, in no file: what was
 * interrupted is behind what the handler was told (struct rt_sigframe). */
static bool step_by_signal(struct hub__symbols *symbols,
                           const struct walk_stack *stack,
                           struct walk_registers *registers)
{
    const uint64_t sp = registers->value[CONTROL_SP], context = sp + 128 + 176;
    uint64_t number, pc, word;

    if (!word_at(stack, sp, &number) || (uint32_t)number == 0 ||
        (uint32_t)number > 64 || !word_at(stack, context + 264, &pc) ||
        !hub__symbols_is_code(symbols, (void *)(uintptr_t)pc))
        return false;
    for (unsigned i = 0; i <= CONTROL_SP; i++) {
        if (!word_at(stack, context + 8 + i * 8, &word))
            return false;
        set(registers, i, word);
    }
    set(registers, CONTROL_PC, pc);
    return true;
}
#else
static bool step_by_signal(struct hub__symbols *symbols,
                           const struct walk_stack *stack,
                           struct walk_registers *registers)
{
    (void)symbols;
    (void)stack;
    (void)registers;
    return false; /* there the tables have it */
}
#endif

/* What pushes of the frame pointer leave behind. */
static bool step_by_pointer(struct hub__symbols *symbols,
                            const struct walk_stack *stack,
                            struct walk_registers *registers)
{
    uint64_t at = registers->value[FRAME_POINTER], before, pc;

    if (!is_known(registers, FRAME_POINTER) ||
        at < registers->value[CONTROL_SP] || !word_at(stack, at, &before) ||
        !word_at(stack, at + 8, &pc) ||
        !hub__symbols_is_code(symbols, (void *)(uintptr_t)plain(pc)))
        return false;
    registers->known = 0;
    set(registers, FRAME_POINTER, before);
    set(registers, CONTROL_SP, at + 16);
    set(registers, CONTROL_PC, plain(pc));
    return true;
}

#if defined(__x86_64__)
static bool is_call_before(const unsigned char *end)
{
    static const unsigned char lengths[] = { 2, 3, 4, 6, 7 };

    if (end[-5] == 0xe8)
        return true;
    for (size_t i = 0; i < sizeof lengths; i++) {
        const unsigned char *at = end - lengths[i];

        if (at[0] == 0xff && (at[1] >> 3 & 7) == 2)
            return true;
    }
    return false;
}
#elif defined(__aarch64__)
static bool is_call_before(const unsigned char *end)
{
    uint32_t code;

    memcpy(&code, end - 4, sizeof code);
    return code >> 26 == 0x25 || (code & 0xfefff000) == 0xd63f0000;
}
#endif

/* Does a call end just before it? */
static bool follows_call(struct hub__symbols *symbols, uint64_t address)
{
    struct hub__image image;
    const Elf64_Ehdr *head;
    const unsigned char *code = NULL;

    if (!hub__symbols_image(symbols, (void *)(uintptr_t)(address - 8), &image))
        return false;
    head = (const void *)image.bytes;
    for (unsigned i = 0; i < head->e_phnum; i++) {
        const Elf64_Phdr *part =
            (const Elf64_Phdr *)(const void *)(image.bytes + head->e_phoff) + i;
        uint64_t offset = image.virtual - part->p_vaddr;

        if (part->p_type == PT_LOAD && image.virtual >= part->p_vaddr &&
            part->p_filesz >= 8 && offset <= part->p_filesz - 8 &&
            part->p_offset + offset + 8 <= image.size)
            code = (const unsigned char *)image.bytes + part->p_offset + offset;
    }
    return code != NULL && is_call_before(code + 8);
}

static bool step_by_search(struct hub__symbols *symbols,
                           const struct walk_stack *stack,
                           struct walk_registers *registers)
{
    uint64_t at = (registers->value[CONTROL_SP] + 7) & ~(uint64_t)7, pc;

    for (; word_at(stack, at, &pc); at += 8) {
        if (plain(pc) == 0 || !follows_call(symbols, plain(pc)))
            continue;
        registers->known = 0;
        set(registers, CONTROL_SP, at + 8);
        set(registers, CONTROL_PC, plain(pc));
        return true;
    }
    return false;
}

/* *is_call: of the frame, and then of its caller. */
static bool step(struct hub__symbols *symbols, const struct walk_stack *stack,
                 struct walk_registers *registers, bool *is_call, bool *guess)
{
    uint64_t pc = registers->value[CONTROL_PC] - (*is_call ? 1 : 0);
    const struct walk_row *row = row_of(symbols, pc);
    bool ended = false;

    *guess = false;
    *is_call = row == NULL || !row->is_signal_frame;
    if (row != NULL && step_by_table(stack, row, registers, &ended))
        return true;
    if (ended)
        return false;
    if (row == NULL && step_by_signal(symbols, stack, registers)) {
        *is_call = false;
        return true;
    }
    if (row == NULL && step_by_pointer(symbols, stack, registers))
        return true;
    *guess = true;
    return step_by_search(symbols, stack, registers);
}

int hub__walk(struct hub__symbols *symbols, const struct walk_stack *stack,
         const struct walk_registers *registers, bool interrupted,
         struct walk_frame frames[WALK_FRAMES])
{
    struct walk_registers now = *registers;
    bool is_call = !interrupted, guess = false;
    int count = 0;

    while (count < WALK_FRAMES && now.value[CONTROL_PC] != 0 &&
           hub__symbols_is_code(symbols,
                                (void *)(uintptr_t)now.value[CONTROL_PC])) {
        uint64_t pc = now.value[CONTROL_PC], sp = now.value[CONTROL_SP];

        frames[count++] = (struct walk_frame){ pc, is_call, guess };
        if (!step(symbols, stack, &now, &is_call, &guess) ||
            (now.value[CONTROL_PC] == pc && now.value[CONTROL_SP] == sp))
            break;
    }
    return count;
}
