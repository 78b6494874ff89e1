/* case.c - checks, and the helpers of the cases; see case.h
 *
 * A check may fail on any stack, so its message is made in a small buffer and
 * written without stdio. */
#include "main.h"

#include "../left.h"

#include <signal.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* ---- checks ---------------------------------------------------------------
 */

static void say(const char *format, va_list list, const char *end)
{
    char text[512];
    int length = vsnprintf(text, sizeof text - 1, format, list);
    size_t size =
        length < (int)sizeof text - 1 ? (size_t)length : sizeof text - 2;
    ssize_t ignored;

    strcpy(text + size, end);
    ignored = write(STDERR_FILENO, text, size + strlen(end));
    (void)ignored;
}

void case_say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(format, list, "\n");
    va_end(list);
}

void case_fail(const char *file, int line, const char *format, ...)
{
    const char *leaf = strrchr(file, '/');
    char place[300];
    va_list list;

    snprintf(place, sizeof place, "%s:%d: %s", leaf != NULL ? leaf + 1 : file,
             line, format);
    va_start(list, format);
    say(place, list, "\n");
    va_end(list);
    _exit(CASE_FAILED);
}

void case_skip(const char *reason)
{
    case_say("%s", reason);
    _exit(CASE_SKIPPED);
}

void case_int(const char *file, int line, const char *what, long long got,
              long long want)
{
    if (got != want)
        case_fail(file, line, "%s is %lld, should be %lld", what, got, want);
}

void case_ptr(const char *file, int line, const char *what, const void *got,
              const void *want)
{
    if (got != want)
        case_fail(file, line, "%s is %p, should be %p", what, got, want);
}

void case_str(const char *file, int line, const char *what, const char *got,
              const char *want)
{
    if (got == NULL || strcmp(got, want) != 0)
        case_fail(file, line, "%s is \"%s\", should be \"%s\"", what,
                  got != NULL ? got : "(null)", want);
}

void case_has(const char *file, int line, const char *what, const char *text,
              const char *part)
{
    if (text == NULL || strcasestr(text, part) == NULL)
        case_fail(file, line, "%s is \"%s\", should have \"%s\"", what,
                  text != NULL ? text : "(null)", part);
}

void case_caught(const char *file, int line, const struct greenlet_class *cls,
                 const void *payload)
{
    struct greenlet_exception caught;

    if (!greenlet_caught(&caught))
        case_fail(file, line, "nothing was caught, should be %s", cls->name);
    if (caught.cls != cls)
        case_fail(file, line, "caught %s (%s), should be %s", caught.cls->name,
                  caught.text != NULL ? caught.text : "", cls->name);
    if (caught.payload != caught.text) /* a text of the library's making */
        case_ptr(file, line, "payload", caught.payload, payload);
    greenlet_exception_clear(&caught);
}

/* ---- values and bodies ----------------------------------------------------
 */

const struct greenlet_class some_error = {"SomeError",
                                          &greenlet_exception_class, -EPROTO};
const struct greenlet_class some_exit = {"SomeExit", &greenlet_exit_class,
                                         -ECANCELED};
const struct greenlet_class some_base = {"SomeBase", &greenlet_base_class,
                                         -EINTR};

struct greenlet *make_below(greenlet_run *run, struct greenlet *parent)
{
    struct greenlet *g = greenlet_new(run, parent, 0);

    CHECK(g != NULL);
    return g;
}

struct greenlet *make(greenlet_run *run)
{
    return make_below(run, NULL);
}

struct greenlet *make_with(greenlet_run *run, void *closure)
{
    struct greenlet_callable callable = {run, closure, NULL};
    struct greenlet *g = greenlet_new_of(NULL, &callable, NULL, 0);

    CHECK(g != NULL);
    return g;
}

struct greenlet *make_of(const struct greenlet_type *type, greenlet_run *run)
{
    struct greenlet_callable callable = {run, NULL, NULL};
    struct greenlet *g =
        greenlet_new_of(type, run != NULL ? &callable : NULL, NULL, 0);

    CHECK(g != NULL);
    return g;
}

void *case_switch(const char *file, int line, struct greenlet *g, void *value)
{
    void *result = NULL;

    case_int(file, line, "greenlet_switch()",
             greenlet_switch(g, value, &result), 0);
    return result;
}

struct greenlet_exception record(const struct greenlet_class *cls,
                                 void *payload)
{
    return (struct greenlet_exception){.cls = cls, .payload = payload};
}

int throw_into(struct greenlet *g, const struct greenlet_class *cls,
               void *payload, void **result)
{
    struct greenlet_exception exception = record(cls, payload);

    return greenlet_throw(g, &exception, result);
}

int raise_here(const struct greenlet_class *cls, void *payload)
{
    struct greenlet_exception exception = record(cls, payload);

    return greenlet_raise(&exception);
}

int returns_value(void *value, void **result)
{
    *result = value;
    return 0;
}

int echoes(void *value, void **result)
{
    int rc;

    (void)result;
    do
        rc =
            greenlet_switch(greenlet_parent(greenlet_current()), value, &value);
    while (rc == 0);
    return rc;
}

int never_run(void *value, void **result)
{
    (void)value;
    (void)result;
    FAIL("a body ran that must not");
}

const char *caught_name(void)
{
    static const struct {
        const struct greenlet_class *cls;
        const char *name;
    } names[] = {
        {&greenlet_base_class, "base"},
        {&greenlet_exit_class, "exit"},
        {&greenlet_exception_class, "exception"},
        {&greenlet_error_class, "error"},
        {&greenlet_attribute_class, "attribute"},
        {&greenlet_type_class, "type"},
        {&greenlet_value_class, "value"},
        {&greenlet_system_class, "system"},
        {&greenlet_memory_class, "memory"},
        {&some_error, "some_error"},
        {&some_exit, "some_exit"},
        {&some_base, "some_base"},
    };
    const struct greenlet_exception *caught = greenlet_caught_peek();

    for (size_t i = 0; caught != NULL && i < sizeof names / sizeof *names; i++)
        if (caught->cls == names[i].cls)
            return names[i].name;
    return caught != NULL ? "unknown" : "nothing";
}

int waits(void *value, void **result)
{
    int rc =
        greenlet_switch(greenlet_parent(greenlet_current()), value, result);

    if (rc == 0)
        return raise_here(&some_error, NULL);
    note("%s", caught_name());
    return rc;
}

static char noted[4096];

void note(const char *format, ...)
{
    size_t length = strlen(noted);
    va_list list;

    if (length != 0 && length + 1 < sizeof noted)
        noted[length++] = ' ';
    va_start(list, format);
    vsnprintf(noted + length, sizeof noted - length, format, list);
    va_end(list);
}

const char *notes(void)
{
    return noted;
}

void forget_notes(void)
{
    noted[0] = '\0';
}

void count_destroy(void *counter)
{
    ++*(int *)counter;
}

/* ---- threads, processes ---------------------------------------------------
 */

void in_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, function, argument), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

bool threads_are_greenlets(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "libvireo-preload") != NULL;
}

int in_child(void (*function)(void *argument), void *argument, char *text,
             size_t size)
{
    int ends[2], status;
    size_t length = 0;
    ssize_t got;
    pid_t pid;

    CHECK_INT(pipe(ends), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it goes with its case */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        function(argument);
        _exit(0);
    }
    close(ends[1]);
    while (length < size - 1 &&
           (got = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- the leak check -------------------------------------------------------
 */

void case_state(struct case_state *now)
{
    greenlet_count(&now->counts);
    now->fds = (size_t)left_fds();
}

bool case_grew(const struct case_state *before, const struct case_state *now,
               char *text, size_t size)
{
    const struct greenlet_counts *old = &before->counts, *new = &now->counts;
    const struct {
        const char *what;
        size_t before, now;
    } counts[] = {
        {"greenlets", old->greenlets, new->greenlets},
        {"stack slots", old->slots_used, new->slots_used},
        {"main greenlets", old->mains, new->mains},
        {"exited threads", old->pending, new->pending},
        {"contexts", old->contexts, new->contexts},
        {"messages", old->messages, new->messages},
        {"file descriptors", before->fds, now->fds},
    };
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].now > counts[i].before && length < size)
            length += (size_t)snprintf(text + length, size - length,
                                       "%s%s: %zu before, %zu after",
                                       length != 0 ? "; " : "", counts[i].what,
                                       counts[i].before, counts[i].now);
    return length != 0;
}

void case_same_state(const char *file, int line,
                     const struct case_state *before)
{
    struct case_state now;
    char text[256];

    case_state(&now);
    if (case_grew(before, &now, text, sizeof text))
        case_fail(file, line, "left behind: %s", text);
}

static unsigned leaks_expected;

void case_leaks(unsigned count)
{
    leaks_expected = count;
}

static void *nothing(void *argument)
{
    return argument;
}

long case_torture; /* the n-th allocation fails in the case; 0: none */

/* A failing allocation of a case that passes all the same must leave nothing. */
static _Noreturn void end_tortured(const struct case_entry *entry,
                                   const struct case_state *before)
{
    bool failed = greenlet_test_fail(FAIL_ALLOCATION, 0) >= case_torture;
    struct case_state now;
    char text[256];

    case_state(&now);
    if (case_grew(before, &now, text, sizeof text)) {
        case_say("%s: allocation %ld: left behind: %s", entry->name,
                 case_torture, text);
        _exit(CASE_LEAKED);
    }
    _exit(failed ? CASE_SURVIVED : CASE_PASSED);
}

/* The first thread is where a preloaded runtime makes what it keeps. */
void case_run(const struct case_entry *entry)
{
    struct case_state before;

    greenlet_current();
    in_thread(nothing, NULL);
    case_state(&before);
    if (case_torture != 0)
        greenlet_test_fail(FAIL_ALLOCATION, case_torture);
    entry->run();
    CHECK_PTR(greenlet_gettrace(NULL), NULL);
    before.counts.greenlets += leaks_expected;
    before.counts.slots_used += leaks_expected;
    if (case_torture != 0)
        end_tortured(entry, &before);
    case_same_state(entry->name, 0, &before);
    _exit(CASE_PASSED);
}
