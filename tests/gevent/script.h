/* script.h - what the scripts in C share: the twins of those in Python
 *
 * SCRIPT(name) { ... } registers one; it runs in the main greenlet of a process
 * of its own, and prints one line a step.  BODY(name) { ... } is the body of a
 * greenlet, which gets its step in `s`: a name for the log, a number, an object.
 * An exception of Python's is a status here: a body ends at the first error, as
 * if it had been thrown. */
#ifndef VIREO_TESTS_GEVENT_SCRIPT_H
#define VIREO_TESTS_GEVENT_SCRIPT_H

#include <vireo/hub.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between two timers whose order is looked at: 40 ms, or as often that as
 * GEVENT_SCRIPTS_SLOWER says. */
#define T script_t
extern int64_t script_t;

struct script_entry {
    const char *name;
    void (*run)(void);
    struct script_entry *next;
};
void script_register(struct script_entry *entry);
int script_run(const struct script_entry *entry);
void script_silent(void); /* nothing is logged from now on */
bool script_is_wanted(const struct script_entry *entry, char **names);

/* torture.c: allocations fail.  A script that cannot go on then ends so. */
enum { GAVE_UP = 75 };
int torture(const struct script_entry *entries, char **names);
/* Without it the script cannot go on. */
void enough(bool there);

#define SCRIPT(name_)                                                   \
    static void name_(void);                                            \
    __attribute__((constructor)) static void register_##name_(void)     \
    {                                                                   \
        static struct script_entry entry = { #name_, name_, NULL };     \
                                                                        \
        script_register(&entry);                                        \
    }                                                                   \
    static void name_(void)

struct step {
    const char *who;
    int64_t n;
    void *object;
    const char *what;
};
/* It lives until the script ends. */
struct step *step(const char *who, int64_t n, void *object);

#define BODY_OF(linkage, name_)                                     \
    static int name_##_body(struct step *s, void **result);         \
    linkage int name_(void *arg, void **result)                     \
    {                                                               \
        return name_##_body(arg, result);                           \
    }                                                               \
    static int name_##_body(struct step *s __attribute__((unused)), \
                            void **result __attribute__((unused)))
#define BODY(name_) BODY_OF(static, name_)
#define SHARED_BODY(name_) BODY_OF(, name_)

/* ---- the log ---- */

void say(const char *who, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *yes(bool value);
/* What ended a call, in one word. */
const char *word(int rc);
/* Log it, "done" for no error; returns rc. */
int attempt(const char *who, int rc);
/* Failures that nobody caught are lines of the log, until this is called. */
void quiet(void);

/* ---- greenlets; references belong to the script's end ---- */

struct greenlet *keep(struct greenlet *g);
struct greenlet *spawn(greenlet_run *run, const char *who, int64_t n,
                       void *object);
struct greenlet *spawn_says(const char *who, const char *what);
struct greenlet *spawn_ticks(const char *who, int64_t count);
struct greenlet *spawn_naps(const char *who, int64_t ns);
struct greenlet *spawn_fails(const char *who);
/* Not started. */
struct greenlet *unstarted(const char *who, const char *what);
struct greenlet *nobody(void);
void drain(void);
int join(struct greenlet *g);
void join_all(struct greenlet *const *list, size_t n);

/* Bodies: what the functions of these names in script.py are. */
greenlet_run says, ticks, naps, fails;
int tick(const char *who, int64_t count);
int nap(const char *who, int64_t ns);

/* What scripts fail with. */
extern const struct greenlet_class lost_class;
extern const struct greenlet_exception lost;
int fail(const char *who);

/* call_soon() of say(who, what) */
struct hub_callback *call_says(const char *who, const char *what);
/* A callback that switches to the greenlet `arg`. */
void switch_to(void *arg);

#endif
