/* symbols.c: names for code addresses. */
#include "../unit.h"
#include "hub/hub.h"
#include "hub/sight.h"
#include "hub/walk.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct hub__symbols *symbols;

static void setup(void)
{
    unit_setup();
    symbols = hub__symbols_open();
    ck_assert_ptr_nonnull(symbols);
}

static void teardown(void)
{
    hub__symbols_close(symbols);
    unit_teardown();
}

/* Not exported: dladdr() does not know it. */
static __attribute__((noinline)) int hidden_function(void)
{
    __asm__ volatile("");
    return 1;
}

START_TEST(a_static_function_has_its_name)
{
    struct hub__symbol symbol;

    hub__symbols_find(symbols, (const char *)hidden_function + 1, &symbol);
    ck_assert_str_eq(symbol.name, "hidden_function");
    ck_assert_uint_eq(symbol.offset, 1);
    ck_assert(strstr(symbol.file, "symbols") != NULL);
    ck_assert(!symbol.ours);
    ck_assert_int_eq(hidden_function(), 1);
}
END_TEST

START_TEST(a_function_of_a_shared_library_has_its_name)
{
    struct hub__symbol symbol;

    hub__symbols_find(symbols, dlsym(RTLD_DEFAULT, "getenv"), &symbol);
    ck_assert_ptr_nonnull(symbol.name);
    ck_assert(strstr(symbol.name, "getenv") != NULL);
}
END_TEST

START_TEST(what_is_no_code_has_no_name)
{
    struct hub__symbol symbol;
    int local = 0;

    hub__symbols_find(symbols, &local, &symbol);
    ck_assert_ptr_null(symbol.name);
    ck_assert(!hub__symbols_is_code(symbols, &local));
    ck_assert(hub__symbols_is_code(symbols, (void *)hidden_function));
    hub__symbols_find(NULL, (void *)hidden_function, &symbol);
    ck_assert_ptr_null(symbol.name);
}
END_TEST

/* This program has the library in it. */
START_TEST(functions_of_the_library_are_told_by_their_names)
{
    struct hub__symbol symbol;

    hub__symbols_find(symbols, (void *)hub_sleep, &symbol);
    ck_assert_str_eq(symbol.name, "hub_sleep");
    ck_assert(symbol.ours);
}
END_TEST

static int sleeps(void *arg, void **result)
{
    int rc = hub_sleep(HUB_SECOND * 1000);

    (void)arg;
    (void)result;
    __asm__ volatile(""); /* no tail call */
    return rc == -ECANCELED ? 0 : rc;
}

START_TEST(frames_begin_and_end_with_those_of_the_program)
{
    struct greenlet *g = hub_spawn(sleeps, NULL);
    struct hub__print print;
    void *frames[32];
    int fd = hub__text_fd(), count;
    char *text;

    hub_yield();
    count = greenlet_backtrace(g, frames, 32);
    hub__print_open(&print, fd);
    hub__print_frames(&print, symbols, frames, count, false);
    hub__print_flush(&print);
    text = hub__text_of(fd);
    ck_assert(strstr(text, " sleeps+0x") != NULL);
    ck_assert_msg(strstr(text, "park") == NULL &&
                      strstr(text, "run_task") == NULL &&
                      strstr(text, "greenlet__") == NULL,
                  "%s", text);
    free(text);
    close(fd);
    hub_kill(g);
    hub_join(g, HUB_FOREVER);
    greenlet_unref(g);
}
END_TEST

#if defined(__x86_64__)
/* What a handler returns to: libc's tables say by expressions where all is. */
static uint64_t returner(void)
{
    struct {
        void *handler;
        unsigned long flags;
        uint64_t restorer, mask;
    } action;
    struct sigaction ours = { .sa_handler = SIG_IGN };

    ours.sa_handler = (void (*)(int))(void *)hidden_function;
    ck_assert_int_eq(sigaction(SIGURG, &ours, NULL), 0);
    ck_assert_int_eq(syscall(SYS_rt_sigaction, SIGURG, NULL, &action, 8L), 0);
    return action.restorer;
}

static void walk_from(uint64_t pc)
{
    static const char bytes[4096];
    static struct walk_frame frames[WALK_FRAMES];
    const struct walk_stack stack = { bytes, (uint64_t)(uintptr_t)bytes,
                                      sizeof bytes };
    struct walk_registers registers = { .known = ~(uint64_t)0 };

    registers.value[CONTROL_PC] = pc;
    registers.value[CONTROL_SP] = stack.sp;
    ck_assert_int_ge(hub__walk(symbols, &stack, &registers, true, frames), 1);
}

/* What was read in one session is not there in the next: its files are mapped
 * elsewhere, and here other memory is where they were. */
START_TEST(a_walk_uses_nothing_of_an_earlier_session)
{
    const uint64_t pc = returner();
    struct hub__image image;

    walk_from(pc);
    ck_assert(hub__symbols_image(symbols, (void *)(uintptr_t)pc, &image));
    hub__symbols_close(symbols);
    ck_assert(mmap((void *)(uintptr_t)image.bytes, image.size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                       MAP_FIXED_NOREPLACE,
                   -1, 0) != MAP_FAILED);
    symbols = hub__symbols_open();
    walk_from(pc);
}
END_TEST
#endif

int main(void)
{
    TCase *tcase = tcase_create("unit");

    hub_yield();
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_static_function_has_its_name);
    tcase_add_test(tcase, a_function_of_a_shared_library_has_its_name);
    tcase_add_test(tcase, what_is_no_code_has_no_name);
    tcase_add_test(tcase, functions_of_the_library_are_told_by_their_names);
    tcase_add_test(tcase, frames_begin_and_end_with_those_of_the_program);
#if defined(__x86_64__)
    tcase_add_test(tcase, a_walk_uses_nothing_of_an_earlier_session);
#endif
    return unit_run("symbols", tcase);
}
