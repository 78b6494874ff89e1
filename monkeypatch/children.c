/* children.c - a real thread that watches the children of the process
 *
 * Nothing that could be polled tells that *some* child has ended.  While
 * greenlets wait for that, one real thread waits in waitid(), with WNOWAIT: it
 * takes nothing away, so whoever looks next finds what there is.  It moves a word on
 * which the greenlets are parked, and looks again only when one of them has
 * asked again: until somebody reaps, waitid() would return at once.
 *
 * A watcher that sleeps for ends of children alone sees no stop: when more is asked
 * for than it was started with, another takes its place, and it goes once it has
 * returned. */
#include "monkeypatch/children.h"
#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/own_thread.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#define IDLE_NS 1000000000
#define PAUSE_MIN_NS 1000000 /* between looks at a child that nobody reaps */
#define PAUSE_MAX_NS 16000000
#define NO_THREAD_NS 10000000

static struct {
    uint32_t changes; /* lot word: parked greenlets */
    uint32_t asked;   /* lot word: the watcher */
    uint32_t taken;   /* changes that somebody has been told of */
    int running; /* what the watcher looks for; 0: there is none */
    int options; /* all that was ever asked for */
    pid_t pid;   /* whose children: the child of fork() has no watcher */
} watch;

#define LOAD(field) __atomic_load_n(&watch.field, __ATOMIC_SEQ_CST)
#define STORE(field, value) \
    __atomic_store_n(&watch.field, value, __ATOMIC_SEQ_CST)

static bool replace(int *running, int by)
{
    return __atomic_compare_exchange_n(&watch.running, running, by, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Wait for a change.  False: there are no children. */
static bool look(siginfo_t *info, int options)
{
    long rc;

    do {
        rc = SYS_CALL(SYS_waitid, P_ALL, 0, info, options | WNOWAIT, NULL, 0);
    } while (rc == -EINTR);
    return rc == 0;
}

/* Nobody has asked for a while.  True: nor in this moment. */
static bool ends(int options)
{
    int running = options;

    if (!replace(&running, 0))
        return true;
    running = 0;
    return LOAD(asked) == 0 || !replace(&running, options);
}

static void *watcher(void *argument)
{
    const int options = (int)(intptr_t)argument;
    siginfo_t last = {0}, info = {0};
    uint32_t taken = 0;
    int64_t pause = PAUSE_MIN_NS;
    bool first = true; /* its predecessor may have taken what was asked */

    while (LOAD(running) == options) {
        bool same;

        if (__atomic_exchange_n(&watch.asked, 0, __ATOMIC_SEQ_CST) == 0 &&
            !first &&
            mp__lot_wait(&watch.asked, 0, mp__now() + IDLE_NS, 0) ==
                -ETIMEDOUT &&
            ends(options))
            return NULL;
        first = false;
        if (!look(&info, options))
            info.si_pid = 0;
        same = info.si_pid == last.si_pid && info.si_code == last.si_code &&
               taken == LOAD(taken);
        taken = LOAD(taken);
        pause = !same ? PAUSE_MIN_NS
                      : pause < PAUSE_MAX_NS ? pause * 2 : pause;
        last = info;
        __atomic_add_fetch(&watch.changes, 1, __ATOMIC_SEQ_CST);
        mp__lot_wake(&watch.changes, INT_MAX);
        if (same) {
            struct timespec time = {0, (long)pause};

            SYS_CALL(SYS_nanosleep, &time, NULL, 0, 0, 0, 0);
        }
    }
    return NULL;
}

/* A child that is traced stops at each step: the next one is no look at the same. */
void mp__children_taken(void)
{
    __atomic_add_fetch(&watch.taken, 1, __ATOMIC_SEQ_CST);
}

uint32_t mp__children_seen(void)
{
    return LOAD(changes);
}

/* False: no thread was to be had. */
static bool ask(int options)
{
    int running;

    options |= __atomic_fetch_or(&watch.options, options, __ATOMIC_SEQ_CST);
    STORE(asked, 1);
    mp__lot_wake(&watch.asked, INT_MAX);
    running = LOAD(running);
    /* Another thread may have asked for more since: never replace that one. */
    if ((running & options) == options || !replace(&running, options))
        return true;
    if (mp__own_thread(watcher, (void *)(intptr_t)options, 0, NULL) == 0)
        return true;
    STORE(running, 0);
    return false;
}

int mp__children_wait(uint32_t seen, int options)
{
    const unsigned how = MP_CANCEL | MP_INTERRUPTIBLE | MP_RESTARTS;
    pid_t pid = getpid();
    int rc;

    if (watch.pid != pid) {
        watch.pid = pid;
        watch.running = 0;
        watch.options = 0;
    }
    if (!ask(options)) { /* look now and then */
        rc = mp__sleep_until(mp__now() + NO_THREAD_NS, how);
        return rc == -EINTR ? rc : 0;
    }
    rc = mp__lot_wait(&watch.changes, seen, HUB_FOREVER, how);
    return rc == -EINTR ? rc : 0;
}
