/* signal.c - signals as greenlets
 *
 * The handler counts, and sends a callback to each hub that has a watcher: both
 * without locks or memory.  In the loop each watcher compares the count with what
 * it has seen, so that nothing is lost that the kernel gave.
 *
 * What the handler walks is never freed: an ear per hub, used again when its hub
 * has closed. */
#include "hub/signal.h"
#include "hub/schedule.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SIGNALS 64

struct ear {
    struct ear *next;     /* of all, for ever */
    struct hub *hub;      /* atomic; NULL: free */
    uint32_t busy;        /* atomic: handlers that look at it */
    uint64_t listens;     /* atomic: a bit per signal */
    uint32_t queued;      /* atomic: the callback is on its way */
    struct hub_callback callback;
    struct hub__part part;
    struct hub_signal *watchers; /* its hub's */
};

struct hub_signal {
    struct hub_signal *next;
    struct ear *ear; /* NULL: its hub has closed */
    int number;
    void (*handler)(int number, void *arg);
    void *arg;
    uint32_t seen;
    uint32_t untaken; /* without handler: what nobody has taken */
    unsigned refs;
    bool keeps, stopped;
    struct hub__link *links; /* who waits */
};

static const struct hub__wait_kind waits_for_signal = { "signal", NULL };

static struct ear *ears; /* atomic: handlers walk it */
static uint32_t counts[SIGNALS + 1]; /* atomic */
static int wakeup_fd = -1;           /* atomic */

/* Under the lock: how many watchers a signal has, and what was there before. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned watched[SIGNALS + 1];
static struct sigaction before[SIGNALS + 1];

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

/* ---- in the signal handler ---- */

static void tell_ear(struct ear *ear, int number)
{
    __atomic_add_fetch(&ear->busy, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ear->hub, __ATOMIC_SEQ_CST) != NULL &&
        (__atomic_load_n(&ear->listens, __ATOMIC_SEQ_CST) & bit_of(number)) &&
        __atomic_exchange_n(&ear->queued, 1, __ATOMIC_SEQ_CST) == 0)
        hub__callback_push_remote(&ear->callback);
    __atomic_sub_fetch(&ear->busy, 1, __ATOMIC_SEQ_CST);
}

static void on_signal(int number)
{
    int saved = errno, fd = __atomic_load_n(&wakeup_fd, __ATOMIC_RELAXED);
    struct ear *ear = __atomic_load_n(&ears, __ATOMIC_ACQUIRE);

    __atomic_add_fetch(&counts[number], 1, __ATOMIC_SEQ_CST);
    for (; ear != NULL; ear = ear->next)
        tell_ear(ear, number);
    if (fd >= 0) {
        unsigned char byte = (unsigned char)number;
        ssize_t put = write(fd, &byte, 1);

        (void)put; /* full: it knows already */
    }
    errno = saved;
}

int hub_signal_set_wakeup_fd(int fd)
{
    return __atomic_exchange_n(&wakeup_fd, fd, __ATOMIC_RELAXED);
}

/* ---- the native action ---- */

static bool is_ours(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && now.sa_handler == on_signal;
}

/* A handler that the program has set meanwhile is left alone, and is what will
 * be there in the end. */
static int watch(int number)
{
    struct sigaction ours = { .sa_handler = on_signal,
                              .sa_flags = SA_RESTART | SA_ONSTACK };
    struct sigaction was;
    int rc = 0;

    sigemptyset(&ours.sa_mask);
    pthread_mutex_lock(&lock);
    if (sigaction(number, &ours, &was) < 0)
        rc = -errno;
    else if (was.sa_handler != on_signal)
        before[number] = was;
    if (rc == 0)
        watched[number]++;
    pthread_mutex_unlock(&lock);
    return rc;
}

static void unwatch(int number)
{
    pthread_mutex_lock(&lock);
    if (--watched[number] == 0 && is_ours(number))
        sigaction(number, &before[number], NULL);
    pthread_mutex_unlock(&lock);
}

static bool can_be_watched(int number)
{
    return number >= 1 && number <= SIGNALS && number != SIGKILL &&
           number != SIGSTOP && (number < 32 || number >= SIGRTMIN);
}

int hub_signal_reset(int number, void (*action)(int number))
{
    struct sigaction native = { .sa_handler = action };
    int rc;

    if (!can_be_watched(number) || (action != SIG_DFL && action != SIG_IGN))
        return -EINVAL;
    sigemptyset(&native.sa_mask);
    pthread_mutex_lock(&lock);
    rc = sigaction(number, &native, NULL) < 0 ? -errno : 0;
    if (rc == 0)
        before[number] = native;
    pthread_mutex_unlock(&lock);
    return rc;
}

/* ---- in the loop ---- */

static void drop(struct hub_signal *watcher)
{
    if (--watcher->refs == 0)
        free(watcher);
}

static void run_handler(void *arg)
{
    struct hub_signal *watcher = arg;

    if (!watcher->stopped)
        watcher->handler(watcher->number, watcher->arg);
    drop(watcher);
}

/* What there is no memory for now comes with the next. */
static bool deliver(struct hub_signal *watcher)
{
    struct greenlet *g;

    if (watcher->handler == NULL) {
        struct hub__link *link = hub__link_take(&watcher->links);

        watcher->untaken++;
        if (link != NULL)
            link->notify(link);
        return true;
    }
    watcher->refs++;
    g = hub_spawn_raw(run_handler, watcher);
    if (g == NULL)
        watcher->refs--;
    else
        greenlet_unref(g);
    return g != NULL;
}

static void dispatch(void *arg)
{
    struct ear *ear = arg;
    struct hub_signal *watcher;

    __atomic_store_n(&ear->queued, 0, __ATOMIC_SEQ_CST);
    for (watcher = ear->watchers; watcher != NULL; watcher = watcher->next) {
        uint32_t now =
            __atomic_load_n(&counts[watcher->number], __ATOMIC_SEQ_CST);

        while (watcher->seen != now && deliver(watcher))
            watcher->seen++;
    }
}

/* ---- ears ---- */

/* Handlers that found the hub are done with it before it is freed. */
static void deafen(struct ear *ear)
{
    __atomic_store_n(&ear->listens, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&ear->hub, NULL, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&ear->busy, __ATOMIC_SEQ_CST) != 0)
        sched_yield();
}

static void hub_closes(struct ear *ear)
{
    struct hub_signal *watcher, *next;

    for (watcher = ear->watchers; watcher != NULL; watcher = next) {
        next = watcher->next;
        watcher->ear = NULL;
        watcher->stopped = true;
        unwatch(watcher->number);
    }
    ear->watchers = NULL;
    deafen(ear);
}

/* What came before the fork is the parent's. */
static void is_child(struct ear *ear, enum hub__part_event event)
{
    struct hub_signal *watcher;

    if (event == HUB__PART_ALONE)
        __atomic_store_n(&ear->queued, 0, __ATOMIC_SEQ_CST);
    for (watcher = ear->watchers; watcher != NULL; watcher = watcher->next) {
        watcher->seen =
            __atomic_load_n(&counts[watcher->number], __ATOMIC_SEQ_CST);
        if (event == HUB__PART_ALONE) {
            watcher->links = NULL;
            ear->hub->active += watcher->keeps;
        }
    }
}

static void tell(struct hub__part *part, struct hub *hub,
                 enum hub__part_event event)
{
    struct ear *ear = container_of(part, struct ear, part);

    (void)hub;
    if (event == HUB__PART_CLOSES)
        hub_closes(ear);
    else if (event == HUB__PART_ALONE || event == HUB__PART_ALL)
        is_child(ear, event);
}

/* In the child of a fork(): other threads, and so their hubs, are not there. */
void hub__signals_forked(const struct hub *hub)
{
    pthread_mutex_init(&lock, NULL);
    for (struct ear *ear = ears; ear != NULL; ear = ear->next) {
        ear->busy = 0;
        if (ear->hub != hub)
            ear->hub = NULL;
    }
}

void hub__signals_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void hub__signals_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static struct ear *free_ear(void)
{
    struct ear *ear;

    for (ear = ears; ear != NULL; ear = ear->next)
        if (__atomic_load_n(&ear->hub, __ATOMIC_SEQ_CST) == NULL)
            return ear;
    ear = greenlet__calloc(1, sizeof *ear);
    if (ear == NULL)
        return NULL;
    ear->next = ears;
    __atomic_store_n(&ears, ear, __ATOMIC_RELEASE);
    return ear;
}

static struct ear *ear_of(struct hub *hub)
{
    struct ear *ear;

    pthread_mutex_lock(&lock);
    for (ear = ears; ear != NULL; ear = ear->next)
        if (__atomic_load_n(&ear->hub, __ATOMIC_SEQ_CST) == hub)
            goto out;
    ear = free_ear();
    if (ear == NULL)
        goto out;
    hub__callback_init(&ear->callback, hub, dispatch, ear);
    __atomic_store_n(&ear->queued, 0, __ATOMIC_SEQ_CST);
    ear->part.tell = tell;
    ear->watchers = NULL;
    hub__part_add(hub, &ear->part);
    __atomic_store_n(&ear->hub, hub, __ATOMIC_SEQ_CST);
out:
    pthread_mutex_unlock(&lock);
    return ear;
}

/* ---- for programs ---- */

static int check_owner(const struct hub_signal *watcher)
{
    struct hub *owner = watcher->ear != NULL ? watcher->ear->hub : NULL;

    if (owner != NULL && owner == hub__peek())
        return 0;
    return hub__fail_owner("the signal watcher", owner);
}

int hub_signal_start(int number, void (*handler)(int number, void *arg),
                     void *arg, struct hub_signal **out)
{
    struct hub *hub = hub__get();
    struct hub_signal *watcher, **end;
    struct ear *ear;
    int rc;

    if (!can_be_watched(number))
        return -EINVAL;
    ear = hub != NULL ? ear_of(hub) : NULL;
    watcher = ear != NULL ? greenlet__calloc(1, sizeof *watcher) : NULL;
    if (watcher == NULL)
        return -ENOMEM;
    *watcher = (struct hub_signal){ .ear = ear, .number = number,
                                    .handler = handler, .arg = arg, .refs = 1 };
    watcher->seen = __atomic_load_n(&counts[number], __ATOMIC_SEQ_CST);
    for (end = &ear->watchers; *end != NULL; end = &(*end)->next)
        ;
    *end = watcher;
    __atomic_or_fetch(&ear->listens, bit_of(number), __ATOMIC_SEQ_CST);
    rc = watch(number);
    if (rc < 0) {
        *end = NULL;
        drop(watcher);
        return rc;
    }
    *out = watcher;
    return 0;
}

static void take_out(struct hub_signal *watcher)
{
    struct ear *ear = watcher->ear;
    struct hub_signal **at = &ear->watchers, *other;
    uint64_t listens = 0;

    while (*at != watcher)
        at = &(*at)->next;
    *at = watcher->next;
    for (other = ear->watchers; other != NULL; other = other->next)
        listens |= bit_of(other->number);
    __atomic_store_n(&ear->listens, listens, __ATOMIC_SEQ_CST);
    unwatch(watcher->number);
}

int hub_signal_stop(struct hub_signal *watcher)
{
    if (watcher->ear != NULL) {
        int rc = check_owner(watcher);

        if (rc < 0)
            return rc;
        hub_signal_set_ref(watcher, false);
        take_out(watcher);
    }
    watcher->stopped = true;
    hub__link_notify(&watcher->links);
    drop(watcher);
    return 0;
}

int hub_signal_set_ref(struct hub_signal *watcher, bool keeps)
{
    int rc = check_owner(watcher);

    if (rc < 0)
        return rc;
    watcher->ear->hub->active += (long)keeps - (long)watcher->keeps;
    watcher->keeps = keeps;
    return 0;
}

static int take(struct hub_signal *watcher, int64_t deadline_ns)
{
    struct hub__waiter waiter;
    struct hub__wait_link link = { .link.notify = hub__wait_link_notify,
                                   .waiter = &waiter };
    int rc = hub__waiter_begin(&waiter, &waits_for_signal,
                               (const void *)(intptr_t)watcher->number);

    if (rc < 0)
        return rc;
    hub__link_add(&watcher->links, &link.link);
    rc = hub__park_cancelable(&waiter, deadline_ns);
    if (hub__link_is_linked(&link.link))
        hub__link_remove(&watcher->links, &link.link);
    return rc;
}

/* Whoever was told and cannot take it tells the next. */
static void pass_on(struct hub_signal *watcher)
{
    struct hub__link *link =
        watcher->untaken > 0 ? hub__link_take(&watcher->links) : NULL;

    if (link != NULL)
        link->notify(link);
}

int hub_signal_wait(struct hub_signal *watcher, int64_t deadline_ns)
{
    int rc = check_owner(watcher);

    if (rc == 0 && watcher->handler != NULL)
        rc = -EINVAL;
    watcher->refs++;
    while (rc == 0 && watcher->untaken == 0 && !watcher->stopped)
        rc = take(watcher, deadline_ns);
    if (rc == 0 && watcher->untaken == 0)
        rc = -ECANCELED;
    if (rc == 0) {
        watcher->untaken--;
        rc = watcher->number;
    } else {
        pass_on(watcher);
    }
    drop(watcher);
    return rc;
}
