/* thread.c - threads that use greenlets: their beginning, end, and what they leave
 *
 * The end of a thread is told by a key's destructor, without the GIL and when its
 * Python thread state is gone.  What it owned is given up later, by the main thread
 * in a pending call, or by who uses the package next (G-141, G-142).  `lock` is for
 * what is touched without the GIL; nothing is called with it held. */
#include "impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

__thread struct pyg__thread *pyg__word;
int pyg__attention;
Py_ssize_t pyg__mains;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t exit_key;
static struct pyg__thread *all;    /* under the lock, as the next two */
static struct pyg__thread *exited; /* to be cleaned up */
static size_t exited_count;
static struct greenlet *abandoned; /* by hub_data[1]; under the GIL */
static clock_t clocks;             /* -1: the search is off */

/* ---- the beginning ---- */

static int set_up(struct pyg__thread *self)
{
    struct pyg *main = pyg__new_main();

    if (main == NULL)
        return -1;
    self->vireo = greenlet__thread_self();
    self->main = self->current = main;
    main->stack = &self->vireo->main;
    main->thread = self;
    Py_INCREF(main->object); /* as current */
    self->refs = 2;
    self->stack_size = pyg__stack_default();
    return 0;
}

/* G-110.  The collector may run in here, and with it whatever makes one, too. */
struct pyg__thread *pyg__thread_make(void)
{
    struct pyg__thread *self = PyMem_RawCalloc(1, sizeof *self);

    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (set_up(self) < 0 || pyg__word != NULL) {
        if (self->main != NULL) {
            self->refs = 1;
            self->main->thread = NULL;
            Py_DECREF(self->main->object);
            Py_DECREF(self->main->object);
        }
        PyMem_RawFree(self);
        return pyg__word;
    }
    if (pthread_setspecific(exit_key, self) != 0)
        Py_FatalError("greenlet: no memory for a thread");
    pthread_mutex_lock(&lock);
    self->next = all;
    all = self;
    pthread_mutex_unlock(&lock);
    pyg__word = self;
    return self;
}

void pyg__thread_unref(struct pyg__thread *thread)
{
    if (--thread->refs == 0)
        PyMem_RawFree(thread);
}

/* ---- what other threads drop ---- */

bool pyg__leave_to_owner(struct pyg *g)
{
    struct pyg__thread *owner = g->thread;
    bool left;

    pthread_mutex_lock(&lock);
    left = !pyg__has_exited(owner);
    if (left) {
        g->next_dropped = owner->dropped;
        greenlet__write(owner->dropped, g);
    }
    pthread_mutex_unlock(&lock);
    return left;
}

static struct pyg *take_dropped(struct pyg__thread *thread)
{
    struct pyg *dropped;

    pthread_mutex_lock(&lock);
    dropped = thread->dropped;
    greenlet__write(thread->dropped, NULL);
    pthread_mutex_unlock(&lock);
    return dropped;
}

static void give_up(struct pyg *dropped)
{
    struct pyg *next;

    for (; dropped != NULL; dropped = next) {
        next = dropped->next_dropped;
        Py_DECREF(dropped->object);
    }
}

/* ---- the end ---- */

static void unlink_thread(struct pyg__thread *thread)
{
    struct pyg__thread **link = &all;

    while (*link != NULL && *link != thread)
        link = &(*link)->next;
    if (*link != NULL)
        *link = thread->next;
}

/* With the lock held. */
static void queue_exited(struct pyg__thread *thread)
{
    __atomic_store_n(&thread->exited, true, __ATOMIC_RELEASE);
    thread->queued = exited;
    exited = thread;
    exited_count++;
}

static int clean_up(void *unused);

/* Without the GIL. */
static void thread_exit(void *data)
{
    struct pyg__thread *self = data;

    pyg__word = NULL;
    pyg__stacks_unwatch(self->signal_stack);
    pthread_mutex_lock(&lock);
    unlink_thread(self);
    queue_exited(self);
    pthread_mutex_unlock(&lock);
    if (!Py_IsInitialized() || pyg__finalizing())
        return;
    if (Py_AddPendingCall(clean_up, NULL) != 0) /* too many: somebody else */
        greenlet__write(pyg__attention, 1);
}

/* The last reference to a main whose thread has exited is often one that a stack of
 * that thread has, in the middle of a call of parent.switch(): nobody will give it
 * up.  Whatever else refers to it, the collector knows. */
static void search_main(PyObject *main)
{
    PyObject *gc, *found = NULL;
    clock_t start = clock();

    gc = PyImport_ImportModule("gc");
    if (gc != NULL)
        found = PyObject_CallMethod(gc, "get_referrers", "O", main);
    if (found != NULL && PyList_Check(found) && PyList_GET_SIZE(found) == 0)
        Py_DECREF(main);
    if (PyErr_Occurred())
        PyErr_Clear();
    Py_XDECREF(found);
    Py_XDECREF(gc);
    if (clocks >= 0)
        clocks += clock() - start;
}

static void clean_thread(struct pyg__thread *thread)
{
    PyObject *main = (PyObject *)thread->main->object;
    struct pyg *origin = thread->origin;

    Py_CLEAR(thread->tracer);
    give_up(take_dropped(thread));
    if (thread->current != thread->main) {
        /* It ended in the midst of one, whose frames are left as they are. */
        thread->current = thread->main;
    } else {
        Py_DECREF(main); /* as current */
        if (clocks >= 0 && Py_REFCNT(main) == 2)
            search_main(main);
        Py_DECREF(main);
    }
    if (origin != NULL)
        Py_DECREF(origin->object);
    pyg__thread_unref(thread);
}

static void free_abandoned(void);

/* A pending call; also by who uses the package. */
static int clean_up(void *unused)
{
    PyObject *type, *value, *traceback;
    struct pyg__thread *thread, *next;

    (void)unused;
    pthread_mutex_lock(&lock);
    thread = exited;
    exited = NULL;
    exited_count = 0;
    pthread_mutex_unlock(&lock);
    PyErr_Fetch(&type, &value, &traceback); /* G-103 */
    for (; thread != NULL; thread = next) {
        next = thread->queued;
        clean_thread(thread);
    }
    free_abandoned();
    greenlet_current(); /* context/ cleans up, too */
    PyErr_Restore(type, value, traceback);
    return 0;
}

struct pyg__thread *pyg__maintain(struct pyg__thread *self)
{
    PyObject *type, *value, *traceback;

    if (self == NULL)
        return NULL;
    if (greenlet__read(pyg__attention) != 0) {
        greenlet__write(pyg__attention, 0);
        clean_up(NULL);
    }
    PyErr_Fetch(&type, &value, &traceback); /* G-103 */
    give_up(take_dropped(self));
    PyErr_Restore(type, value, traceback);
    return self;
}

/* ---- stacks of threads that have exited ---- */

static struct greenlet *next_of(const struct greenlet *stack)
{
    return (struct greenlet *)(uintptr_t)stack->hub_data[1];
}

static void push(struct greenlet **list, struct greenlet *stack)
{
    stack->hub_data[1] = (uintptr_t)*list;
    *list = stack;
}

/* context/ marks them at its own end of the thread, which may come later than
 * ours; until then they are its own. */
static void free_abandoned(void)
{
    struct greenlet *stack = abandoned, *next;

    abandoned = NULL;
    for (; stack != NULL; stack = next) {
        next = next_of(stack);
        if (greenlet__read(stack->state) == GREENLET_ORPHAN)
            pyg__stack_spare(stack);
        else
            push(&abandoned, stack);
    }
}

void pyg__stack_abandon(struct greenlet *stack)
{
    push(&abandoned, stack);
    free_abandoned();
}

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* In the child the other threads are gone, as if they had exited. */
static void in_child(void)
{
    struct pyg__thread *self = pyg__word, *thread, *next;

    for (thread = all; thread != NULL; thread = next) {
        next = thread->next;
        if (thread != self)
            queue_exited(thread);
    }
    all = self;
    if (self != NULL)
        self->next = NULL;
    if (exited != NULL)
        greenlet__write(pyg__attention, 1);
    pthread_mutex_unlock(&lock);
}

int pyg__threads_init(void)
{
    static bool done;

    greenlet__thread_self(); /* whose handlers and keys come before ours */
    if (done)
        return 0;
    done = true;
    greenlet__exit_in_greenlet = true;
    if (pthread_key_create(&exit_key, thread_exit) != 0 ||
        pthread_atfork(before_fork, after_fork, in_child) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* ---- counters ---- */

PyObject *pyg__get_pending_cleanup_count(PyObject *module, PyObject *nothing)
{
    size_t count;

    (void)module;
    (void)nothing;
    pthread_mutex_lock(&lock);
    count = exited_count;
    pthread_mutex_unlock(&lock);
    return PyLong_FromSize_t(count);
}

PyObject *pyg__get_total_main_greenlets(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
    return PyLong_FromSsize_t(pyg__mains);
}

PyObject *pyg__get_clocks(PyObject *module, PyObject *nothing)
{
    (void)module;
    (void)nothing;
    if (clocks < 0)
        return Py_NewRef(Py_None);
    return PyLong_FromLong((long)clocks);
}

PyObject *pyg__enable_optional_cleanup(PyObject *module, PyObject *flag)
{
    int on = PyObject_IsTrue(flag);

    (void)module;
    if (on < 0)
        return NULL;
    if (!on)
        clocks = -1;
    else if (clocks < 0)
        clocks = 0;
    return Py_NewRef(Py_None);
}
