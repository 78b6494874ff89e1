/* foreign_greenlet.c - is Python's own greenlet safe for async views?
 *
 * Vireo gives Python threads, not greenlets: a program that imports the module
 * has upstream's.  Whether each of its greenlets has context variables of its
 * own depends on how it was built, and the constant GREENLET_USE_CONTEXT_VARS
 * tells: Flask 2.0 refused async views where it is missing or false.  Here one
 * line says so.
 *
 * That a file of the module is loaded is noticed by its name; the look itself
 * is a pending call of Python's, which runs in its main thread with its lock
 * held, and again until the import is over.  Nothing of Python is linked: it is
 * asked for by name, and only in a process that has it. */
#include "monkeypatch/monkeypatch_impl.h"

#include <limits.h>
#include <string.h>

/* Python makes so many pending calls at once, without running a program between
 * them: one look in so many is enough. */
enum { CALLS_AT_ONCE = 32 };
/* Looks before an import that takes long is left alone until a file is opened;
 * looks then; and how often in succession the module may not be there. */
enum { LOOKS = 20000, LOOKS_AGAIN = 50, ABSENCES = 100 };

enum { IDLE, LOOKING, WAITING };

static struct {
    int (*is_initialized)(void);
    int (*add_pending_call)(int (*function)(void *), void *arg);
    void *(*modules)(void);                                /* borrowed */
    void *(*get_item)(void *dictionary, const char *name); /* borrowed */
    void *(*get_attribute)(void *object, const char *name);
    int (*is_true)(void *object);
    const char *(*as_utf8)(void *text);
    void (*unref)(void *object);
    void (*clear_error)(void);
} python;

static char said[PATH_MAX]; /* the file of the module that was spoken of last */
static int state;           /* atomic */
static int calls, looks_left, absences;

/* ---- Python ---- */

static bool find_python(void)
{
    static const struct {
        const char *name;
        void **where;
    } functions[] = {
        {"Py_IsInitialized", (void **)&python.is_initialized},
        {"Py_AddPendingCall", (void **)&python.add_pending_call},
        {"PyImport_GetModuleDict", (void **)&python.modules},
        {"PyDict_GetItemString", (void **)&python.get_item},
        {"PyObject_GetAttrString", (void **)&python.get_attribute},
        {"PyObject_IsTrue", (void **)&python.is_true},
        {"PyUnicode_AsUTF8", (void **)&python.as_utf8},
        {"Py_DecRef", (void **)&python.unref},
        {"PyErr_Clear", (void **)&python.clear_error},
    };

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        *functions[i].where = mp__real_symbol(functions[i].name);
        if (*functions[i].where == NULL)
            return false;
    }
    return true;
}

/* 1, 0, or -1: there is no such attribute. */
static int truth_of(void *object, const char *name)
{
    void *value = object != NULL ? python.get_attribute(object, name) : NULL;
    int truth;

    if (value == NULL) {
        python.clear_error();
        return -1;
    }
    truth = python.is_true(value);
    python.unref(value);
    if (truth < 0)
        python.clear_error();
    return truth;
}

static bool is_being_imported(void *module)
{
    void *spec = python.get_attribute(module, "__spec__");
    int truth;

    if (spec == NULL) {
        python.clear_error();
        return false;
    }
    truth = truth_of(spec, "_initializing");
    python.unref(spec);
    return truth == 1;
}

/* The attribute, which should be text; "?" if it is not. */
static void copy_text(void *module, const char *name, char *text, size_t size)
{
    void *value = python.get_attribute(module, name);
    const char *found = value != NULL ? python.as_utf8(value) : NULL;

    if (found == NULL)
        python.clear_error();
    snprintf(text, size, "%s", found != NULL ? found : "?");
    if (value != NULL)
        python.unref(value);
}

static void say(void *module, bool safe)
{
    char version[64], file[PATH_MAX];

    copy_text(module, "__version__", version, sizeof version);
    copy_text(module, "__file__", file, sizeof file);
    if (strcmp(file, said) == 0)
        return;
    strcpy(said, file);
    if (safe)
        mp__say(2, "greenlet %s: async views are safe", version);
    else
        mp__say(0,
                "greenlet %s (%.300s) has no context variables per greenlet: "
                "async views are not safe with it",
                version, file);
}

/* The constant of the package, or of the extension inside it, which has it
 * before the package is complete.  Returns the state that follows.
 *
 * Python takes a module out for a moment as its import ends; one that stays
 * away could not be imported. */
static int look(void)
{
    static const char constant[] = "GREENLET_USE_CONTEXT_VARS";
    void *modules = python.modules(), *module = NULL;
    int truth;

    if (modules != NULL)
        module = python.get_item(modules, "greenlet");
    if (module == NULL)
        return ++absences < ABSENCES ? LOOKING : IDLE;
    absences = 0;
    truth = truth_of(module, constant);
    if (truth < 0)
        truth =
            truth_of(python.get_item(modules, "greenlet._greenlet"), constant);
    if (truth < 0 && is_being_imported(module))
        return --looks_left > 0 ? LOOKING : WAITING;
    say(module, truth == 1);
    return IDLE;
}

/* The pending call; 0 is no exception. */
static int look_or_wait(void *unused)
{
    int next = LOOKING;

    (void)unused;
    if (calls++ % CALLS_AT_ONCE == 0)
        next = look();
    if (next == LOOKING && python.add_pending_call(look_or_wait, NULL) != 0)
        next = IDLE;
    if (next != LOOKING)
        __atomic_store_n(&state, next, __ATOMIC_RELEASE);
    return 0;
}

/* ---- the file ---- */

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* `name` is `module` with one of the endings of an extension, of source, or of
 * what was compiled from it. */
static bool is_module(const char *name, const char *module)
{
    size_t length = strlen(module);
    bool tagged;

    if (strncmp(name, module, length) != 0 || name[length] != '.')
        return false;
    name += length + 1;
    tagged = strncmp(name, "cpython-", 8) == 0;
    return strcmp(name, "so") == 0 || strcmp(name, "abi3.so") == 0 ||
           strcmp(name, "py") == 0 ||
           (tagged && (ends_in(name, ".so") || ends_in(name, ".pyc")));
}

/* A module of that name, or the file that a package of that name begins with.
 */
static bool looks_like_greenlet(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    return is_module(name, "greenlet") || is_module(name, "_greenlet") ||
           (is_module(name, "__init__") &&
            (strstr(path, "/greenlet/__init__.") != NULL ||
             strstr(path, "/greenlet/__pycache__/") != NULL));
}

static void begin(int looks)
{
    calls = absences = 0;
    looks_left = looks;
    if (!find_python() || python.is_initialized() == 0 ||
        python.add_pending_call(look_or_wait, NULL) != 0)
        __atomic_store_n(&state, IDLE, __ATOMIC_RELEASE);
}

void mp__foreign_greenlet(const char *path)
{
    int before = __atomic_load_n(&state, __ATOMIC_RELAXED);
    int saved = errno;

    if (likely(before != WAITING) &&
        (path == NULL || likely(strstr(path, "greenlet") == NULL) ||
         !looks_like_greenlet(path)))
        return;
    if (before == LOOKING ||
        !__atomic_compare_exchange_n(&state, &before, LOOKING, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    begin(before == WAITING ? LOOKS_AGAIN : LOOKS);
    errno = saved;
}
