/* What each architecture's assembly promises: registers, alignment, unwinding. */
#include "../unit.h"

#include "context/switch.h"
#include "first_frame.h"

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>

static int depth;
static uintptr_t entry_misalignment;

static __attribute__((noinline)) int look_at_the_stack(void *value,
                                                       void **result)
{
    void *frames[32];
    long double aligned = 1.0L; /* needs 16 bytes */

    (void)value;
    entry_misalignment = (uintptr_t)&aligned % 16;
    depth = backtrace(frames, 32);
    *result = NULL;
    return 0;
}

START_TEST(a_backtrace_stops_at_the_entry)
{
    struct greenlet *g = greenlet_new(look_at_the_stack, NULL, 0);

    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_gt(depth, 1);
    ck_assert_int_lt(depth, 8);
    ck_assert_uint_eq(entry_misalignment, 0);
    greenlet_unref(g);
}
END_TEST

static int clobbers(void *value, void **result)
{
    struct greenlet *parent = greenlet_parent(greenlet_current());
    double x = 1, y = 2, z = 3;
    long a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;

    (void)result;
    while (value != NULL) {
        a = (a + b * c) % 1000;
        d = (d + e * f) % 1000;
        x = y * z + 1;
        y = x / z;
        if (greenlet_switch(parent, (void *)(a + d + (long)x), &value) < 0)
            break;
    }
    return 0;
}

/* Many live values on both sides, so that every callee-saved register has one. */
START_TEST(callee_saved_registers_survive)
{
    struct greenlet *g = greenlet_new(clobbers, NULL, 0);
    long a = 11, b = 22, c = 33, d = 44, e = 55, f = 66;
    double u = 0.5, v = 1.5, w = 2.5, x = 3.5;
    long expected = a + b + c + d + e + f;
    double sum = u + v + w + x;

    for (int i = 0; i < 100; i++) {
        void *value;

        ck_assert_int_eq(greenlet_switch(g, &depth, &value), 0);
        a++, b--, c++, d--, e++, f--;
        u += 1, v -= 1, w += 1, x -= 1;
    }
    ck_assert_int_eq(a + b + c + d + e + f, expected);
    ck_assert_double_eq(u + v + w + x, sum);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    greenlet_unref(g);
}
END_TEST

static int ends(void *value, void **result)
{
    clobbers(NULL, result);
    *result = value;
    return 0;
}

static int yields_once(void *value, void **result)
{
    return greenlet_switch(greenlet_parent(greenlet_current()), value, result);
}

/* So too where the switch is the first to a greenlet, and the last from it. */
START_TEST(callee_saved_registers_survive_a_beginning_and_an_end)
{
    long a = 11, b = 22, c = 33, d = 44, e = 55, f = 66;
    double u = 0.5, v = 1.5, w = 2.5, x = 3.5;
    long expected = a + b + c + d + e + f;
    double sum = u + v + w + x;

    for (int i = 0; i < 100; i++) {
        struct greenlet *g = greenlet_new(ends, NULL, 0);
        struct greenlet *other = greenlet_new(yields_once, NULL, 0);
        void *value;

        ck_assert_int_eq(greenlet_switch(g, &value, &value), 0);
        ck_assert_ptr_eq(value, &value);
        a++, b--, c++, d--, e++, f--;
        ck_assert_int_eq(greenlet_switch(other, &depth, &value), 0);
        ck_assert_ptr_eq(value, &depth);
        u += 1, v -= 1, w += 1, x -= 1;
        ck_assert_int_eq(greenlet_switch(other, g, &value), 0);
        ck_assert_ptr_eq(value, g);
        greenlet_unref(other);
        greenlet_unref(g);
    }
    ck_assert_int_eq(a + b + c + d + e + f, expected);
    ck_assert_double_eq(u + v + w + x, sum);
}
END_TEST

static int inner_mode;

static int changes_the_mode(void *value, void **result)
{
    (void)value;
    (void)result;
    inner_mode = fegetround();
    fesetround(FE_TOWARDZERO);
    return 0;
}

static int changes_it_and_yields(void *value, void **result)
{
    changes_the_mode(value, result);
    greenlet_switch(greenlet_parent(greenlet_current()), NULL, NULL);
    return fegetround() == FE_TOWARDZERO ? 0 : -EINVAL;
}

/* Not of who makes it: that may be long ago. */
START_TEST(a_new_one_has_the_rounding_mode_of_who_starts_it)
{
    struct greenlet *g = greenlet_new(changes_the_mode, NULL, 0);
    struct greenlet *other = greenlet_new(changes_it_and_yields, NULL, 0);

    fesetround(FE_UPWARD);
    ck_assert_int_eq(greenlet_switch(g, NULL, NULL), 0);
    ck_assert_int_eq(inner_mode, FE_UPWARD);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    fesetround(FE_DOWNWARD);
    ck_assert_int_eq(greenlet_switch(other, NULL, NULL), 0);
    ck_assert_int_eq(inner_mode, FE_DOWNWARD);
    ck_assert_int_eq(fegetround(), FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(greenlet_switch(other, NULL, NULL), 0);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    greenlet_unref(other);
    greenlet_unref(g);
}
END_TEST

/* ---- the frame of jump_fcontext(), as frame.h has it ---- */

/* void jump_marked(void *context)
 *
 * Jumps there with 1 in the first of the registers that the frame keeps, 2 in the
 * next, and the first number that no register has above the frame. */
void jump_marked(void *context);
extern const char jump_marked_returns[];

#if defined(__x86_64__)
enum { MARKS = 6 };
__asm__(".text\n\t.globl jump_marked, jump_marked_returns\n"
        "jump_marked:\n\t"
        "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\t"
        "pushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movl $1, %r12d\n\tmovl $2, %r13d\n\tmovl $3, %r14d\n\t"
        "movl $4, %r15d\n\tmovl $5, %ebx\n\tmovl $6, %ebp\n\t"
        "pushq $7\n\t"
        "call jump_fcontext\n"
        "jump_marked_returns:\n\t"
        "popq %rcx\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\t"
        "popq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t"
        "ret\n");
#else
enum { MARKS = 11 };
__asm__(".text\n\t.align 4\n\t.globl jump_marked, jump_marked_returns\n"
        "jump_marked:\n\t"
        "stp x29, x30, [sp, #-0x70]!\n\t"
        "stp x19, x20, [sp, #0x10]\n\tstp x21, x22, [sp, #0x20]\n\t"
        "stp x23, x24, [sp, #0x30]\n\tstp x25, x26, [sp, #0x40]\n\t"
        "stp x27, x28, [sp, #0x50]\n\t"
        "mov x19, #1\n\tmov x20, #2\n\tmov x21, #3\n\tmov x22, #4\n\t"
        "mov x23, #5\n\tmov x24, #6\n\tmov x25, #7\n\tmov x26, #8\n\t"
        "mov x27, #9\n\tmov x28, #10\n\tmov x29, #11\n\t"
        "mov x9, #12\n\tstr x9, [sp, #-16]!\n\t"
        "bl jump_fcontext\n"
        "jump_marked_returns:\n\t"
        "add sp, sp, #16\n\t"
        "ldp x19, x20, [sp, #0x10]\n\tldp x21, x22, [sp, #0x20]\n\t"
        "ldp x23, x24, [sp, #0x30]\n\tldp x25, x26, [sp, #0x40]\n\t"
        "ldp x27, x28, [sp, #0x50]\n\t"
        "ldp x29, x30, [sp], #0x70\n\t"
        "ret\n");
#endif

static uintptr_t frame[FRAME_SIZE / 8 + 1];

/* Where what greenlet__first_frame() makes begins: as after a call, with the
 * transfer.  Back to who came. */
static void looks_where_it_comes_from(void *context, void *data)
{
    memcpy(frame, context, sizeof frame);
    jump_fcontext(context, data);
    abort();
}

START_TEST(the_frame_of_a_jump_is_what_was_read_in_its_code)
{
    static char stack[16 * 1024];
    void (*entry)(void) = (void (*)(void))looks_where_it_comes_from;

    jump_marked(greenlet__first_frame(stack + sizeof stack, entry));
    for (int i = 0; i < MARKS; i++)
        ck_assert_uint_eq(frame[FRAME_REGISTERS / 8 + i], i + 1);
    ck_assert_uint_eq(frame[FRAME_PC / 8], (uintptr_t)jump_marked_returns);
    ck_assert_uint_eq(frame[FRAME_SIZE / 8], MARKS + 1);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case();

    tcase_add_test(tcase, a_backtrace_stops_at_the_entry);
    tcase_add_test(tcase, callee_saved_registers_survive);
    tcase_add_test(tcase,
                   callee_saved_registers_survive_a_beginning_and_an_end);
    tcase_add_test(tcase, a_new_one_has_the_rounding_mode_of_who_starts_it);
    tcase_add_test(tcase, the_frame_of_a_jump_is_what_was_read_in_its_code);
    return unit_run("arch", tcase);
}
