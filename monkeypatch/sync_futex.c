/* sync_futex.c - SYS_futex by way of syscall()
 *
 * Rust's locks, GLib's, and libstdc++'s guards of static variables come here.
 * Waiters are in the lot, private or not: libstdc++ and others leave the
 * private flag out for words that nobody shares.  Without that flag another
 * process may be meant, so a wake-up also goes to the kernel, and a wait on a
 * page that really is shared is made in the kernel by a helper, and so are all
 * where the kernel may wake, as the end of a thread of clone()'s does.  Where
 * nobody can say whether the page is shared, the wait is in the lot and looks at
 * the word now and then. */
#include "monkeypatch/clone.h"
#include "monkeypatch/sync_impl.h"
#include "monkeypatch/sys.h"

#include <limits.h>
#include <linux/futex.h>

/* How often a wait of the last kind looks. */
#define FUTEX_SLICE 20000000

struct kernel_wait {
    uint32_t *word;
    uint32_t expected;
    int64_t deadline;
    unsigned clock;
    uint32_t bits;
    struct timespec until;
    long rc;
};

static void kernel_wait_run(void *arg)
{
    struct kernel_wait *w = arg;

    w->rc = SYS_CALL(SYS_futex, w->word, FUTEX_WAIT_BITSET | w->clock,
                     w->expected,
                     w->deadline == HUB_FOREVER ? NULL : &w->until, NULL,
                     w->bits);
}

static int kernel_wait(uint32_t *word, uint32_t expected, int64_t deadline,
                       uint32_t bits)
{
    struct kernel_wait wait = {
        .word = word, .expected = expected, .deadline = deadline, .bits = bits};

    wait.clock = mp__futex_until(deadline, &wait.until);
    mp__offload(kernel_wait_run, &wait, HUB_OFFLOAD_LONG);
    return (int)wait.rc;
}

int sync_kernel_wait(uint32_t *word, uint32_t expected, int64_t deadline)
{
    return kernel_wait(word, expected, deadline, FUTEX_BITSET_MATCH_ANY);
}

int sync_kernel_wake(uint32_t *word, int n)
{
    return (int)SYS_CALL(SYS_futex, word, FUTEX_WAKE, n, 0, 0, 0);
}

/* ---- is it shared? ---- */

enum page { PAGE_PRIVATE, PAGE_SHARED, PAGE_UNKNOWN };

#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_FILE    ((uint64_t)1 << 61) /* or shared memory */

/* Of a page that was touched a moment ago.  A private page of a file that was
 * never written counts as shared, which is slow but right. */
static enum page page_of(const uint32_t *word)
{
    uint64_t entry = 0;
    uintptr_t page = (uintptr_t)word / (uintptr_t)getpagesize();
    long fd = SYS_CALL(SYS_openat, AT_FDCWD, "/proc/self/pagemap",
                       O_RDONLY | O_CLOEXEC, 0, 0, 0);
    long got;

    if (fd < 0)
        return PAGE_UNKNOWN;
    got = SYS_CALL(SYS_pread64, fd, &entry, sizeof entry, page * sizeof entry,
                   0, 0);
    sys_close((int)fd);
    if (got != sizeof entry || (entry & PAGEMAP_PRESENT) == 0)
        return PAGE_UNKNOWN;
    return (entry & PAGEMAP_FILE) != 0 ? PAGE_SHARED : PAGE_PRIVATE;
}

/* ---- wait ---- */

/* Whether the word can be read, asked of the kernel once a page: a comparison
 * that moves nobody.  A page that goes away later is not worth a system call
 * for each wait. */
static bool readable(uint32_t *word)
{
    static uintptr_t known[64];
    uintptr_t page = (uintptr_t)word / 4096;
    uintptr_t *slot = &known[page % 64];

    if (SYNC_LOAD(slot) == page)
        return true;
    if (SYS_CALL(SYS_futex, word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word, 0) ==
        -EFAULT)
        return false;
    SYNC_STORE(slot, page);
    return true;
}

static long wait_and_look(uint32_t *word, uint32_t expected, int64_t deadline,
                          uint32_t bits)
{
    for (;;) {
        int64_t slice = mp__now() + FUTEX_SLICE;
        int64_t until = mp__real_time_now(deadline);
        int rc = mp__lot_wait_bits(word, expected,
                                   slice < until ? slice : until,
                                   sync_interruptible(deadline), bits);

        if (rc != -ETIMEDOUT || slice >= until)
            return rc;
        if (SYNC_LOAD_ACQUIRE(word) != expected)
            return 0;
    }
}

static long futex_wait(uint32_t *word, int op, uint32_t expected,
                       const struct timespec *timeout, uint32_t bits)
{
    int64_t deadline = HUB_FOREVER;
    bool absolute = (op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;

    if (timeout != NULL) {
        if (!sync_nanoseconds_ok(timeout) || timeout->tv_sec < 0)
            return -EINVAL;
        deadline = !absolute ? mp__after(timeout)
                             : mp__at((op & FUTEX_CLOCK_REALTIME) != 0
                                          ? CLOCK_REALTIME
                                          : CLOCK_MONOTONIC,
                                      timeout);
    }
    if (!readable(word))
        return -EFAULT;
    if (SYNC_LOAD_ACQUIRE(word) != expected)
        return -EAGAIN;
    if ((op & FUTEX_PRIVATE_FLAG) == 0) {
        if (unlikely(mp__tids_cleared))
            return kernel_wait(word, expected, deadline, bits);
        switch (page_of(word)) {
        case PAGE_SHARED:
            return kernel_wait(word, expected, deadline, bits);
        case PAGE_UNKNOWN:
            return wait_and_look(word, expected, deadline, bits);
        case PAGE_PRIVATE:
            break;
        }
    }
    return mp__lot_wait_bits(word, expected, deadline,
                             sync_interruptible(deadline) | MP_OF_FUTEX, bits);
}

/* ---- wake ---- */

static long futex_wake(uint32_t *word, int op, int n)
{
    long woken;

    if (n <= 0)
        n = 1; /* as the kernel does */
    woken = mp__lot_wake(word, n);
    if (woken < n) { /* private: threads that are not ours, from before */
        long more =
            SYS_CALL(SYS_futex, word, FUTEX_WAKE | (op & FUTEX_PRIVATE_FLAG),
                     n - woken, 0, 0, 0);

        woken += more > 0 ? more : 0;
    }
    return woken;
}

static long futex_wake_bits(uint32_t *word, int op, int n, uint32_t bits)
{
    long woken;

    if (bits == 0)
        return -EINVAL;
    if (bits == FUTEX_BITSET_MATCH_ANY)
        return futex_wake(word, op, n);
    if (n <= 0)
        n = 1;
    woken = mp__hub->lot_wake_bits(word, n, bits);
    if (woken < n) {
        long more = SYS_CALL(SYS_futex, word,
                             FUTEX_WAKE_BITSET | (op & FUTEX_PRIVATE_FLAG),
                             n - woken, NULL, NULL, bits);

        woken += more > 0 ? more : 0;
    }
    return woken;
}

static long futex_requeue(uint32_t *from, int op, int n, int move, uint32_t *to)
{
    long done;

    if (n < 0 || move < 0)
        return -EINVAL;
    done = mp__hub->lot_requeue(from, n, move, to);
    if ((op & FUTEX_PRIVATE_FLAG) == 0 || mp__hosts) {
        long more = SYS_CALL(SYS_futex, from, FUTEX_REQUEUE | (op & FUTEX_PRIVATE_FLAG), n, move, to, 0);

        if (more > 0)
            done += more;
    }
    return done;
}

static uint32_t wake_op_apply(unsigned op, uint32_t old, uint32_t arg)
{
    switch (op) {
    case FUTEX_OP_SET:
        return arg;
    case FUTEX_OP_ADD:
        return old + arg;
    case FUTEX_OP_OR:
        return old | arg;
    case FUTEX_OP_ANDN:
        return old & ~arg;
    default:
        return old ^ arg;
    }
}

static bool wake_op_holds(unsigned cmp, int old, int arg)
{
    switch (cmp) {
    case FUTEX_OP_CMP_EQ:
        return old == arg;
    case FUTEX_OP_CMP_NE:
        return old != arg;
    case FUTEX_OP_CMP_LT:
        return old < arg;
    case FUTEX_OP_CMP_LE:
        return old <= arg;
    case FUTEX_OP_CMP_GT:
        return old > arg;
    default:
        return old >= arg;
    }
}

/* Twelve bits of `code`, with their sign. */
static int wake_op_arg(uint32_t code, unsigned shift)
{
    int bits = (int)(code >> shift & 0xfff);

    return bits >= 0x800 ? bits - 0x1000 : bits;
}

static long futex_wake_op(uint32_t *word, int op, int n, int n2,
                          uint32_t *word2, uint32_t code)
{
    unsigned kind = code >> 28 & 7, cmp = code >> 24 & 15;
    uint32_t arg = (uint32_t)wake_op_arg(code, 12);
    uint32_t old;
    long woken, more;

    if (kind > FUTEX_OP_XOR || cmp > FUTEX_OP_CMP_GE)
        return -ENOSYS;
    if (!readable(word2))
        return -EFAULT;
    if ((code >> 28 & FUTEX_OP_OPARG_SHIFT) != 0)
        arg = (uint32_t)1 << (arg & 31);
    old = SYNC_LOAD(word2);
    while (!SYNC_CAS(word2, &old, wake_op_apply(kind, old, arg)))
        continue;
    woken = futex_wake(word, op, n);
    if (woken < 0 || !wake_op_holds(cmp, (int)old, wake_op_arg(code, 0)))
        return woken;
    more = futex_wake(word2, op, n2);
    return more < 0 ? more : woken + more;
}

static bool bad_address(const uint32_t *word, long *error)
{
    *error = ((uintptr_t)word & 3) != 0 ? -EINVAL : -EFAULT;
    return ((uintptr_t)word & 3) != 0 || (uintptr_t)word < 4096;
}

/* Of operations on one word the other is not looked at. */
static bool bad_words(int op, const uint32_t *word, const uint32_t *word2,
                      long *error)
{
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_WAKE_OP:
        return bad_address(word, error) || bad_address(word2, error);
    default:
        return bad_address(word, error);
    }
}

/* Operations on words that hold kernel tids, which greenlets do not have. */
static bool wants_tids(int op)
{
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_TRYLOCK_PI:
    case FUTEX_UNLOCK_PI:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_CMP_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}

static long in_lot(uint32_t *word, int op, uint32_t value,
                   const struct timespec *timeout, uint32_t *word2,
                   uint32_t value3, bool *handled)
{
    int n = (int)value, n2 = (int)(intptr_t)timeout; /* where it is a number */

    *handled = true;
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_WAIT_BITSET:
        if (value3 == 0)
            return -EINVAL;
        return futex_wait(word, op, value, timeout, value3);
    case FUTEX_WAIT:
        return futex_wait(word, op, value, timeout, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE:
        return futex_wake(word, op, n);
    case FUTEX_WAKE_BITSET:
        return futex_wake_bits(word, op, n, value3);
    case FUTEX_CMP_REQUEUE:
        if (!readable(word))
            return -EFAULT;
        if (SYNC_LOAD_ACQUIRE(word) != value3)
            return -EAGAIN;
        return futex_requeue(word, op, n, n2, word2);
    case FUTEX_REQUEUE:
        return futex_requeue(word, op, n, n2, word2);
    case FUTEX_WAKE_OP:
        return futex_wake_op(word, op, n, n2, word2, value3);
    default:
        *handled = false;
        return 0;
    }
}

long mp__futex(uint32_t *word, int op, uint32_t value,
               const struct timespec *timeout, uint32_t *word2, uint32_t value3)
{
    bool handled;
    long rc;

    if (mp__self_offset != 0 && !mp__in_vfork_child) {
        if (bad_words(op, word, word2, &rc))
            return rc;
        if (mp__here != NULL && wants_tids(op))
            return -ENOSYS;
        rc = in_lot(word, op, value, timeout, word2, value3, &handled);
        if (handled)
            return rc;
    }
    return SYS_CALL(SYS_futex, word, op, value, timeout, word2, value3);
}
