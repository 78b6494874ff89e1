/* case.h - a conformance case: what the clause G-xxx says, seen from outside
 *
 * The program is installed and runs on the users' own machines: it needs the
 * public headers, libvireo.so and libc, and no test library.
 *
 * CASE(G_023, "a returned value is one value") { ... } registers a case; the
 * text says what must hold.  Several cases may share a clause: G_023, G_023b,
 * G_023c are all reported as G-023.  Each runs in a process of its own, in the
 * main greenlet of its only thread, between two counts of what exists: what it
 * leaves behind fails it (G-183).  The first CHECK that fails ends it, on
 * whatever stack. */
#ifndef VIREO_TESTS_CASE_H
#define VIREO_TESTS_CASE_H

#include <vireo/contextvar.h>
#include <vireo/gate.h>
#include <vireo/greenlet.h>
#include <vireo/inspect.h>

#include "../sanitized.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- registration ---------------------------------------------------------
 */

struct case_entry {
    const char *name; /* "G_023b" */
    const char *text;
    void (*run)(void);
    struct case_entry *next;
};
void case_register(struct case_entry *entry);

#define CASE(name_, text_)                                             \
    static void name_(void);                                           \
    __attribute__((constructor)) static void register_##name_(void)    \
    {                                                                  \
        static struct case_entry entry = {#name_, text_, name_, NULL}; \
                                                                       \
        case_register(&entry);                                         \
    }                                                                  \
    static void name_(void)

/* ---- checks ---------------------------------------------------------------
 */

/* End the case: it failed, it cannot run here. */
_Noreturn void case_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void case_skip(const char *reason);

void case_int(const char *file, int line, const char *what, long long got,
              long long want);
void case_ptr(const char *file, int line, const char *what, const void *got,
              const void *want);
void case_str(const char *file, int line, const char *what, const char *got,
              const char *want);
void case_has(const char *file, int line, const char *what, const char *text,
              const char *part);
void case_caught(const char *file, int line, const struct greenlet_class *cls,
                 const void *payload);

#define SKIP(reason) case_skip(reason)
#define SANITIZED (SANITIZED_ADDRESS || SANITIZED_THREAD)

/* A sanitizer's frames are larger, and the memory and the faults its own. */
#define SKIP_SANITIZED() \
    (SANITIZED ? SKIP("measures stacks, which a sanitizer changes") : (void)0)
#define FAIL(...) case_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition)   \
    ((condition) ? (void)0 \
                 : case_fail(__FILE__, __LINE__, "not so: %s", #condition))
/* got == want, for integers, pointers, strings. */
#define CHECK_INT(got, want) case_int(__FILE__, __LINE__, #got, got, want)
#define CHECK_PTR(got, want) case_ptr(__FILE__, __LINE__, #got, got, want)
#define CHECK_STR(got, want) case_str(__FILE__, __LINE__, #got, got, want)
/* The string contains `part`, in whatever case (of letters). */
#define CHECK_HAS(text, part) case_has(__FILE__, __LINE__, #text, text, part)
/* The calling greenlet caught a record of that very class with that payload;
 * it is taken and cleared. */
#define CHECK_CAUGHT(cls, payload) \
    case_caught(__FILE__, __LINE__, &(cls), payload)
/* ... and nothing is left to be caught. */
#define CHECK_NOTHING_CAUGHT() CHECK_PTR(greenlet_caught_peek(), NULL)

/* ---- values and bodies ----------------------------------------------------
 */

/* A small number as a value to send. */
#define V(number) ((void *)(intptr_t)(number))

/* A greenlet of `run` with the current one as its parent; never NULL. */
struct greenlet *make(greenlet_run *run);
struct greenlet *make_below(greenlet_run *run, struct greenlet *parent);
/* The same with something of its own: greenlet_closure() in the body. */
struct greenlet *make_with(greenlet_run *run, void *closure);
/* ... of a type. */
struct greenlet *make_of(const struct greenlet_type *type, greenlet_run *run);

/* Switch, which must return 0; what came back. */
#define SWITCH(g, value) case_switch(__FILE__, __LINE__, g, value)
void *case_switch(const char *file, int line, struct greenlet *g, void *value);
/* The same to the parent of the running greenlet. */
#define YIELD(value) SWITCH(greenlet_parent(greenlet_current()), value)

/* A record of `cls` with that payload, which nobody destroys. */
struct greenlet_exception record(const struct greenlet_class *cls,
                                 void *payload);
/* Throw one; returns as greenlet_throw(). */
int throw_into(struct greenlet *g, const struct greenlet_class *cls,
               void *payload, void **result);
/* For the end of a body: return raise_here(&cls, payload). */
int raise_here(const struct greenlet_class *cls, void *payload);

/* Classes of the program's own: an ordinary error (-EPROTO); one below
 * greenlet_exit_class; one directly below the root, as SystemExit is in Python
 * (-ECANCELED is the exit's alone: -EINTR). */
extern const struct greenlet_class some_error;
extern const struct greenlet_class some_exit;
extern const struct greenlet_class some_base;

/* Bodies that many cases need. */
greenlet_run returns_value; /* returns what it was sent */
greenlet_run echoes;        /* sends what it is sent to its parent, for ever;
                               ends by whatever is thrown */
greenlet_run never_run;     /* fails the case */
greenlet_run waits;         /* switches to its parent; then notes what was
                               thrown (caught_name()) and ends by it, or
                               ends by some_error */

/* What happened, in order: note("a"), note("b %d", 1); then
 * CHECK_STR(notes(), "a b 1").  One space between any two. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *notes(void);
void forget_notes(void);

/* The record that was caught last, in a word: "exit", "error", ... (the name
 * of the class here, less greenlet_ and _class), "nothing". */
const char *caught_name(void);

/* A destroy function that counts how often it was called, in *(int *)payload.
 */
void count_destroy(void *counter);

/* ---- threads, processes ---------------------------------------------------
 */

/* Run function(argument) in a thread from beginning to end. */
void in_thread(void *(*function)(void *), void *argument);

/* Preloaded, threads are greenlets of one OS thread: none goes on while another
 * stands in the kernel. */
bool threads_are_greenlets(void);

/* Run function(argument) in a child process and wait for it; what it wrote on
 * stderr (text).  Returns the wait status. */
int in_child(void (*function)(void *argument), void *argument, char *text,
             size_t size);

/* main.c --torture: what makes something may find no memory; the case ends then,
 * as it would by a check. */
extern long case_torture;
static inline void *case_made(const char *file, int line, void *made)
{
    if (made == NULL && case_torture != 0)
        case_fail(file, line, "no memory");
    return made;
}
#define CASE_MADE(call) case_made(__FILE__, __LINE__, call)
#define greenlet_new(...) CASE_MADE(greenlet_new(__VA_ARGS__))
#define greenlet_new_of(...) CASE_MADE(greenlet_new_of(__VA_ARGS__))
#define greenlet_weak_new(...) CASE_MADE(greenlet_weak_new(__VA_ARGS__))
#define greenlet_message_new() CASE_MADE(greenlet_message_new())
#define greenlet_var_new(...) CASE_MADE(greenlet_var_new(__VA_ARGS__))
#define greenlet_context_new() CASE_MADE(greenlet_context_new())
#define greenlet_context_copy(...) CASE_MADE(greenlet_context_copy(__VA_ARGS__))

/* context/testhook.h; NULL in a library that is built without tests. */
enum { FAIL_ALLOCATION, FAIL_SWITCH };
long greenlet_test_fail(int fault, long n) __attribute__((weak));

/* ---- the leak check -------------------------------------------------------
 */

struct case_state {
    struct greenlet_counts counts;
    size_t fds;
};
void case_state(struct case_state *now);
/* What there is more of in `now` than in `before` goes into text. */
bool case_grew(const struct case_state *before, const struct case_state *now,
               char *text, size_t size);
/* This case leaks `count` greenlets, because the clause says so. */
void case_leaks(unsigned count);

/* The same as a CHECK: nothing of the kind is left since `before`. */
#define CHECK_SAME_STATE(before) case_same_state(__FILE__, __LINE__, before)
void case_same_state(const char *file, int line,
                     const struct case_state *before);

#endif
