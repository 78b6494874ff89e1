/* init.c - the moments of start-up: constructor, first thread
 *
 * The constructor reads the options and opens libvireo.so (after a chroot it
 * could not be found); it makes no thread and no fd.  Everything else waits for
 * the first pthread_create(), so that a program without threads never sees it. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/clone.h"
#include "monkeypatch/control_impl.h"
#include "monkeypatch/deadlock.h"
#include "monkeypatch/native_threads.h"
#include "monkeypatch/onlook.h"
#include "monkeypatch/thread_impl.h"
#include "thread_pointer.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mp__options mp__options = { .stack = 1024 * 1024,
                                   .groups = MP_ALL,
                                   .files = MP_FILES_READS,
                                   .hubs = 1,
                                   .preempt = true };
const struct hub__api *mp__hub;

static int resolved;    /* the originals are known */
static int initialised; /* options read, libvireo.so opened or not */
static bool linked; /* by the program itself: threads are real at first */
static int started; /* 0 not yet, 1 runs, -1 stands aside */
static const char *why_closed =
    "libvireo.so cannot be opened or is of another version";

void mp__say(int level, const char *format, ...)
{
    char line[512];
    va_list list;
    int saved = errno, length;
    ssize_t ignored;

    if (level > mp__options.verbose)
        return;
    length = snprintf(line, sizeof line, "vireo: ");
    va_start(list, format);
    length += vsnprintf(line + length, sizeof line - (size_t)length - 1, format,
                        list);
    va_end(list);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    ignored = mp__real.write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
    errno = saved;
}

/* ---- options ---- */

struct word {
    const char *name;
    unsigned bit;
};

static const struct word groups[] = {
    { "file", MP_file },       { "socket", MP_socket },
    { "poll", MP_poll },       { "time", MP_time },
    { "dns", MP_dns },         { "thread", MP_thread },
    { "sync", MP_sync },       { "process", MP_process },
    { "signal", MP_signal },   { "stdio", MP_stdio },
    { "all", MP_ALL },         { NULL, 0 }
};

static const struct word features[] = {
    { "guard", FEATURE_GUARD },       { "rwf_nowait", FEATURE_RWF_NOWAIT },
    { "epoll_pwait2", FEATURE_EPOLL_PWAIT2 },
    { "fsgsbase", FEATURE_FSGSBASE }, { "pidfd", FEATURE_PIDFD },
    { "robust", FEATURE_ROBUST },     { "rseq", FEATURE_RSEQ },
    { NULL, 0 }
};

static unsigned bit_of(const struct word *words, const char *text,
                       size_t length)
{
    for (; words->name != NULL; words++)
        if (strlen(words->name) == length &&
            strncmp(words->name, text, length) == 0)
            return words->bit;
    return 0;
}

unsigned mp__group_of(const char *name)
{
    return bit_of(groups, name, strlen(name));
}

/* "a,b,-c": a list without a leading `-` word begins from nothing. */
static bool parse_list(const struct word *words, const char *text,
                       unsigned *bits)
{
    unsigned result = *text == '-' ? *bits : 0;

    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        bool off = *text == '-';
        unsigned bit = bit_of(words, text + off, length - off);

        if (bit == 0)
            return false;
        result = off ? result & ~bit : result | bit;
        text += length;
        text += *text == ',';
    }
    *bits = result;
    return true;
}

static bool parse_size(const char *text, size_t *size)
{
    unsigned long long value;
    char *end;

    if (strcmp(text, "native") == 0) {
        *size = 0;
        return true;
    }
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno == 0 && (*end == 'K' || *end == 'k') && value < 1ull << 40) {
        value <<= 10;
        end++;
    } else if (errno == 0 && (*end == 'M' || *end == 'm') &&
               value < 1ull << 30) {
        value <<= 20;
        end++;
    }
    if (errno != 0 || *end != '\0' || value < (unsigned long long)PTHREAD_STACK_MIN ||
        value > 1ull << 32)
        return false;
    *size = (size_t)value;
    return true;
}

static bool parse_flag(const char *text, bool *flag)
{
    if ((text[0] != '0' && text[0] != '1') || text[1] != '\0')
        return false;
    *flag = text[0] == '1';
    return true;
}

static bool parse_level(const char *text, int *level)
{
    if (text[0] < '0' || text[0] > '3' || text[1] != '\0')
        return false;
    *level = text[0] - '0';
    return true;
}

static bool parse_groups(const char *text)
{
    unsigned wanted = mp__options.groups;

    if (!parse_list(groups, text, &wanted))
        return false;
    if ((wanted & (MP_thread | MP_sync)) == MP_thread) {
        mp__say(0, "VIREO_PATCH: threads cannot be mapped without `sync`; "
                   "`sync` stays on");
        wanted |= MP_sync;
    }
    mp__options.groups = wanted;
    return true;
}

static bool parse_files(const char *text, uint8_t *files)
{
    static const char *const words[] = { "direct", "reads", "pool" };

    for (uint8_t i = MP_FILES_DIRECT; i <= MP_FILES_POOL; i++)
        if (strcmp(text, words[i]) == 0) {
            *files = i;
            return true;
        }
    return false;
}

/* Read by the other libraries (hub/config.c, http/takeover.c, python/stack.c). */
static bool is_of_others(const char *name)
{
    static const char *const names[] = {
        "ARES_", "CONSOLE", "DUMP_", "FORK",   "MASTER",      "MAX_",
        "MONITOR", "PYTHON_", "RELOAD_", "RESOLVER", "SWITCH_", "TEST_",
        "THREADPOOL_", "TRACK_"
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* False: there is such an option and its value is no good. */
static bool parse_option(const char *name, const char *value, bool *known)
{
    *known = true;
    if (strcmp(name, "STACK") == 0)
        return parse_size(value, &mp__options.stack);
    if (strcmp(name, "PATCH") == 0)
        return parse_groups(value);
    if (strcmp(name, "STATS") == 0)
        return parse_flag(value, &mp__options.stats);
    if (strcmp(name, "REQUIRE") == 0)
        return parse_flag(value, &mp__options.require);
    if (strcmp(name, "PREEMPT") == 0)
        return parse_flag(value, &mp__options.preempt);
    if (strcmp(name, "CONTROL") == 0)
        return mp__control_option(value);
    if (strcmp(name, "DEADLOCK") == 0)
        return mp__deadlock_option(value);
    if (strcmp(name, "BLOCKED") == 0)
        return mp__onlook_option(value);
    if (strcmp(name, "NATIVE_THREADS") == 0)
        return mp__native_threads_parse(value);
    if (strcmp(name, "VERBOSE") == 0)
        return parse_level(value, &mp__options.verbose);
    if (strcmp(name, "FILES") == 0)
        return parse_files(value, &mp__options.files);
    if (strcmp(name, "HUBS") == 0) {
        mp__carriers_option(value);
        return true;
    }
    if (strcmp(name, "TEST_MASK") == 0)
        return parse_list(features, value, &mp__options.masked);
    *known = is_of_others(name);
    return true;
}

static void parse_environment(void)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        char name[32];
        size_t length;
        bool known;

        if (strncmp(*entry, "XDG_RUNTIME_DIR=", 16) == 0)
            mp__control_environment(*entry + 16);
        if (strncmp(*entry, "VIREO_", 6) != 0)
            continue;
        length = strcspn(*entry, "=");
        if ((*entry)[length] == '\0' || length - 6 >= sizeof name)
            continue;
        memcpy(name, *entry + 6, length - 6);
        name[length - 6] = '\0';
        if (!parse_option(name, *entry + length + 1, &known))
            mp__say(0, "%s: not a value it can have; the default is used",
                    *entry);
        else if (!known)
            mp__say(0, "VIREO_%s: no such option; ignored", name);
    }
}

/* ---- constructor ---- */

/* Under a sanitizer's runtime RTLD_DEEPBIND would hide its interceptors; then the
 * runtime's calls of libc lead to the wrappers here, unless each is bound again: the
 * hub's own futex would be waited for by the hub. */
extern int __asan_init __attribute__((weak));

#define RUNTIME "libvireo.so." VIREO_SOVERSION

typedef const struct hub__api *api_function(void);

/* Beside this library, for us alone; NULL if it cannot be. */
static api_function *open_beside(char path[PATH_MAX])
{
    int flags = RTLD_NOW | RTLD_LOCAL;
    api_function *table;
    char *slash;
    Dl_info info;

    if (dladdr(&mp__options, &info) == 0 ||
        strlen(info.dli_fname) + sizeof RUNTIME > PATH_MAX)
        return NULL;
    strcpy(path, info.dli_fname);
    slash = strrchr(path, '/');
    strcpy(slash != NULL ? slash + 1 : path, RUNTIME);
    if (&__asan_init == NULL)
        flags |= RTLD_DEEPBIND;
    *(void **)&table = mp__real_symbol_of(path, flags, "vireo_api");
    return table;
}

/* One runtime a process: the one that the program has loaded, if it has. */
static void open_library(void)
{
    char path[PATH_MAX] = RUNTIME;
    api_function *table;
    const char *forbidden;
    bool shared;

    *(void **)&table = mp__real_symbol_of(RUNTIME, RTLD_NOW | RTLD_NOLOAD,
                                          "vireo_api");
    shared = table != NULL;
    forbidden = shared ? NULL : mp__forbidden_by();
    if (forbidden != NULL) {
        why_closed = forbidden;
        if (!mp__options.require)
            mp__say(0, "%s; running native", forbidden);
        return;
    }
    if (!shared)
        table = open_beside(path);
    if (table == NULL || table()->version != HUB__API_VERSION ||
        table()->size != sizeof *mp__hub) {
        /* If threads must be mapped, the first one made says it. */
        if (!mp__options.require)
            mp__say(0, "%s cannot be opened or is of another version; "
                       "running native", path);
        return;
    }
    mp__hub = table();
    if (shared || &__asan_init != NULL)
        mp__runtime_calls_libc((void *)(uintptr_t)table);
    if (!shared && &__asan_init != NULL)
        mp__loop_calls_runtime((void *)(uintptr_t)table);
    if (shared || linked)
        mp__hosts_start();
    mp__hub->libc->pthread_create = mp__real.pthread_create;
    mp__hub->libc->pthread_join = mp__real.pthread_join;
    mp__hub->libc->calloc = calloc; /* of the whole program */
    mp__hub->libc->free = free;
    mp__hub->libc->keyless = !mp__hosts;
    *mp__hub->masked = mp__options.masked;
    *mp__hub->lenient = !mp__hosts; /* else when threads are mapped */
}

/* What any wrapper needs.  It may be called from another library's constructor,
 * with a lock of malloc's held: nothing here allocates. */
void mp__init(void)
{
    int saved = errno;

    if (likely(resolved))
        return;
    resolved = 1;
    mp__real_resolve();
    errno = saved;
}

/* The copy that the program calls reaches libc through this one, which may not
 * map threads that the other one makes. */
static bool stays_out(void)
{
    const char *other = mp__in_front();

    if (other == NULL)
        return false;
    mp__say(0, "preloaded twice: %s is in front; this copy does nothing",
            other);
    mp__options.groups = 0;
    started = -1;
    return true;
}

static void initialise(void)
{
    int saved = errno;

    mp__init();
    if (initialised)
        return;
    initialised = 1;
    mp__options.libc_stack = mp__thread_default_size();
    linked = mp__linked();
    if (linked)
        mp__options.groups &= ~(unsigned)MP_thread;
    if (!stays_out()) {
        parse_environment();
        open_library();
    }
    errno = saved;
}

__attribute__((constructor(101))) static void construct(void)
{
    initialise();
}

/* ---- the first thread ---- */

static int stand_aside(const char *why)
{
    started = -1;
    if (mp__options.require) {
        mp__say(0, "cannot map threads: %s (VIREO_REQUIRE=1)", why);
        _exit(97);
    }
    if (mp__hub != NULL) /* else it has been said */
        mp__say(0, "cannot map threads: %s; running native", why);
    if (!mp__hosts)
        mp__hub = NULL; /* locks wait in the kernel, as all threads are real */
    return -ENOTSUP;
}

static void adopt_main_thread(void)
{
    struct mp__thread *main_thread = &mp__main;

    main_thread->identity = mp__hub->thread_self();
    main_thread->handle = pthread_self();
    main_thread->id = (uint32_t)getpid();
    greenlet__fsgsbase = *mp__hub->fsgsbase;
    mp__self_offset =
        (char *)&mp__self - (char *)main_thread->identity->thread_pointer;
    mp__all = main_thread;
    mp__live = 1;
    mp__staying = 1;
    mp__carriers_start();
    mp__self = main_thread;
    mp__here = main_thread;
}

int mp__tls_find(const char **why)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    mp__real.pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = mp__hub->tls_find(why);
    mp__real.pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static bool is_sandboxed(void)
{
    sigset_t all, before;
    bool rc;

    sigfillset(&all);
    mp__real.pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = mp__sandboxed();
    mp__real.pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* The loop's fds are the program's, too. */
static bool few_fds(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < 32;
}

static void say_what_runs(void)
{
    char missing[128];

    if (mp__options.verbose < 2)
        return;
    mp__fallbacks(missing, sizeof missing);
    mp__say(2, "runs, guards: %s; fall-backs: %s", mp__hub->guard_kind(),
            missing);
}

int mp__start(void)
{
    const char *why = "";

    if (likely(started != 0))
        return started > 0 ? 0 : -ENOTSUP;
    initialise();
    if (!(mp__options.groups & MP_thread)) {
        if (!mp__hosts) {
            started = -1;
            mp__hub = NULL;
        }
        return -ENOTSUP;
    }
    if (mp__hub == NULL)
        return stand_aside(why_closed);
    if (getpid() != (pid_t)mp__real.syscall(SYS_gettid))
        return stand_aside("the first thread was not made by the main one");
    if (few_fds())
        return stand_aside("no more than 31 descriptors are allowed");
    if (is_sandboxed())
        return stand_aside("a seccomp filter forbids epoll, timerfd or eventfd");
    if (mp__tls_find(&why) < 0)
        return stand_aside(why);
    *mp__hub->lenient = true;
    if (mp__hub->get() == NULL)
        return stand_aside("no descriptor or memory for the loop");
    adopt_main_thread();
    mp__real_time_start();
    mp__signals_start();
    started = 1;
    say_what_runs();
    return 0;
}

int mp__patch_all(void)
{
    initialise();
    if (getpid() != (pid_t)mp__real.syscall(SYS_gettid))
        return -EPERM;
    mp__options.groups = MP_ALL;
    return mp__start();
}

/* ---- another runtime ---- */

/* From libvireo.a, before main(): the program has the runtime in itself.  Found
 * by its name, so that nothing of it is linked where it is not needed. */
MP_EXPORT void vireo_preload_refuse_static(void);
MP_EXPORT void vireo_preload_refuse_static(void)
{
    bool ends = linked || mp__options.require || started > 0;

    initialise();
    mp__say(0, "this program has libvireo.a in it, and there is one runtime in "
               "a process; link libvireo.so instead: %s",
            ends ? "ending" : "running native");
    if (ends)
        _exit(97);
    started = -1;
    mp__hosts = false;
    mp__self_offset = 0;
    mp__hub = NULL;
}
