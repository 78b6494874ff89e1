/* native_threads.c - threads that stay threads of the kernel
 *
 * VIREO_NATIVE_THREADS is a list of globs, with commas between them.  A thread
 * is native if one fits the object that its start routine is in (by its path or
 * the last part of it), the routine's name, or the name that the thread begins
 * with; and so are later threads of a start routine that gave itself such a
 * name.  `none` takes the built-in list away.
 *
 * Once the program has a userfaultfd all are: memory that it has registered there
 * is an access that sleeps in the kernel until another thread has brought the page,
 * which no other mapped thread can.  To interrupt the access would not do: what is
 * to be read at the descriptor is there as long as somebody sleeps.
 *
 * Built in: libraries whose threads wait for each other by system calls that go
 * past libc, so that mapped ones would wait for ever, and objects that say by a
 * note that they are such (native_notes.c). */
#include "monkeypatch/native_threads.h"
#include "monkeypatch/per_thread.h"
#include "monkeypatch/preempt.h"
#include "monkeypatch/sys.h"

#include <dlfcn.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_SIZE = 256, LIST_SIZE = 2048, LEARNED = 64 };

static const char built_in[] = "libgomp.so*,libomp.so*,libomp-*.so*,libiomp5.so";
static char wanted[LIST_SIZE]; /* a copy: programs write titles over theirs */
static bool with_built_in = true;

typedef void *start_routine(void *);
static start_routine *learned[LEARNED]; /* they name themselves so */
static bool all; /* from now on; atomic */

uint32_t mp__natives; /* lot word: native ones of the program alive */

bool mp__native_threads_parse(const char *text)
{
    if (strlen(text) >= sizeof wanted)
        return false;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, ",");

        if (length >= PATTERN_SIZE)
            return false;
        if (length == 4 && memcmp(at, "none", 4) == 0)
            with_built_in = false;
        at += length;
        at += *at == ',';
    }
    strcpy(wanted, text);
    return true;
}

static bool fits(const char *patterns, const char *name)
{
    char pattern[PATTERN_SIZE];

    while (*patterns != '\0') {
        size_t length = strcspn(patterns, ",");

        memcpy(pattern, patterns, length);
        pattern[length] = '\0';
        if (length > 0 && fnmatch(pattern, name, 0) == 0)
            return true;
        patterns += length;
        patterns += *patterns == ',';
    }
    return false;
}

static bool object_fits(const char *patterns, const char *path)
{
    const char *slash = strrchr(path, '/');

    return fits(patterns, path) ||
           (slash != NULL && fits(patterns, slash + 1));
}

static bool routine_fits(start_routine *start)
{
    Dl_info info;

    /* Its code, when a mapped thread calls it, runs on stacks that are too small
     * for a signal, and with locks that no other mapped thread can wait for. */
    if (with_built_in &&
        mp__object_has_own_waits((void *)(uintptr_t)start)) {
        mp__preempt_never();
        return true;
    }
    if (dladdr((void *)(uintptr_t)start, &info) == 0)
        return false;
    if (info.dli_fname != NULL &&
        ((with_built_in && object_fits(built_in, info.dli_fname)) ||
         object_fits(wanted, info.dli_fname)))
        return true;
    return *wanted != '\0' && info.dli_sname != NULL &&
           info.dli_saddr == (void *)(uintptr_t)start &&
           fits(wanted, info.dli_sname);
}

static bool is_learned(start_routine *start)
{
    for (int i = 0; i < LEARNED && learned[i] != NULL; i++)
        if (learned[i] == start)
            return true;
    return false;
}

/* Most programs have few start routines, and ask for them again and again. */
static bool is_native(start_routine *start)
{
    static start_routine *mapped[16];
    size_t place = (uintptr_t)start / 16 % 16;

    if (likely(start == mapped[place]))
        return false;
    if (routine_fits(start))
        return true;
    mapped[place] = start;
    return false;
}

bool mp__native_thread(start_routine *start)
{
    char name[16] = "";

    if (unlikely(__atomic_load_n(&all, __ATOMIC_RELAXED)))
        return true;
    if (unlikely(*wanted != '\0')) {
        pthread_getname_np(pthread_self(), name, sizeof name);
        if (is_learned(start) || fits(wanted, name))
            return true;
    }
    return is_native(start);
}

void mp__native_threads_from_now(const char *why)
{
    if (!__atomic_exchange_n(&all, true, __ATOMIC_RELAXED))
        mp__say(2, "the program has %s: threads that it makes from now on are "
                   "the kernel's", why);
}

void mp__native_thread_named(start_routine *start, const char *name)
{
    if (likely(*wanted == '\0') || start == NULL || !fits(wanted, name))
        return;
    for (int i = 0; i < LEARNED; i++) {
        if (learned[i] == start)
            return;
        if (learned[i] == NULL) {
            learned[i] = start;
            return;
        }
    }
}

/* ---- making one ---- */

struct begin {
    start_routine *start;
    void *arg;
};

/* What its waits on locks of ours need that are to end when it is cancelled. */
struct native {
    struct native *next, **back;
    pthread_t handle;
    struct hub__waiter *waiter;
};

static __thread struct native *self
    __attribute__((tls_model("initial-exec")));
static struct native *natives;
static bool taken; /* guards the list and all waiters in it */

static void lock(void)
{
    while (__atomic_test_and_set(&taken, __ATOMIC_ACQUIRE))
        SYS_CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void unlock(void)
{
    __atomic_clear(&taken, __ATOMIC_RELEASE);
}

const void *mp__native_self(void)
{
    return &self;
}

static void link_native(struct native *native)
{
    native->handle = pthread_self();
    lock();
    native->next = natives;
    native->back = &natives;
    if (natives != NULL)
        natives->back = &native->next;
    natives = native;
    unlock();
    self = native;
}

static void unlink_native(struct native *native)
{
    self = NULL;
    lock();
    *native->back = native->next;
    if (native->next != NULL)
        native->next->back = native->back;
    unlock();
}

void mp__native_cancelled(pthread_t handle)
{
    struct native *native;

    lock();
    for (native = natives; native != NULL; native = native->next)
        if (pthread_equal(native->handle, handle) && native->waiter != NULL)
            mp__hub->wake(native->waiter, -ECANCELED);
    unlock();
}

bool mp__native_wait_begins(struct hub__waiter *waiter)
{
    if (self == NULL)
        return false;
    lock();
    self->waiter = waiter;
    unlock();
    return true;
}

void mp__native_wait_ends(void)
{
    lock();
    self->waiter = NULL;
    unlock();
}

void mp__natives_forked(void)
{
    natives = NULL;
    taken = false;
    mp__natives = 0;
    all = false;
}

static void one_less(void)
{
    if (__atomic_sub_fetch(&mp__natives, 1, __ATOMIC_SEQ_CST) == 0)
        mp__lot_wake(&mp__natives, INT_MAX);
}

/* Also when it is cancelled, or exits. */
static void ends(struct native *native)
{
    unlink_native(native);
    one_less();
}

static void *run(void *data)
{
    struct begin begin = *(struct begin *)data;
    struct native native __attribute__((cleanup(ends))) = { NULL, NULL, 0,
                                                            NULL };

    free(data);
    link_native(&native);
    return begin.start(begin.arg);
}

struct creation {
    pthread_t *handle;
    const pthread_attr_t *attr;
    struct begin *begin;
    int rc;
};

static void create(void *data)
{
    struct creation *creation = data;

    creation->rc = mp__real.pthread_create(creation->handle, creation->attr,
                                           run, creation->begin);
}

/* libc copies what the new thread begins with from the thread whose block is
 * loaded, and the kernel the mask. */
int mp__native_thread_create(pthread_t *handle, const pthread_attr_t *attr,
                             start_routine *start, void *arg)
{
    struct begin *begin = malloc(sizeof *begin);
    struct creation creation = { handle, attr, begin, 0 };

    if (begin == NULL)
        return EAGAIN;
    *begin = (struct begin){ start, arg };
    __atomic_add_fetch(&mp__natives, 1, __ATOMIC_SEQ_CST);
    mp__own_mask_begins();
    mp__on_os_tcb(create, &creation);
    mp__own_mask_ends();
    if (creation.rc != 0) {
        one_less();
        free(begin);
    }
    return creation.rc;
}
