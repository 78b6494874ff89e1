/* deadlock.c - when the monitor looks for deadlocks, and what it tells of them
 *
 * A look costs as much as there are threads: none is made while nothing has
 * changed, and looks take a thousandth of the time at most. */
#include "monkeypatch/deadlock.h"
#include "monkeypatch/carrier.h"

#define SECOND_NS INT64_C(1000000000)
#define SHARE 1000
#define STILL_NS (60 * SECOND_NS)  /* what does not show in switches: handlers */
#define REPORT_NS (10 * SECOND_NS) /* between two */

static int level = 1;

static struct {
    int64_t last, next; /* looks; 0: none */
    uint64_t switches;  /* at the last look */
    bool again;         /* which is to be followed by another */
    uint64_t pending;   /* what it saw; 0: nothing */
    int64_t pending_since;
    uint64_t told; /* what was reported, if that is still so */
    int64_t told_at;
} state;

bool mp__deadlock_option(const char *value)
{
    if (value[0] < '0' || value[0] > '2' || value[1] != '\0')
        return false;
    level = value[0] - '0';
    return true;
}

void mp__deadlock_forked(void)
{
    state.last = state.next = state.told_at = 0;
    state.pending = state.told = 0;
}

static void nothing(void)
{
    if (state.told != 0)
        mp__hub->tools.kept_gone();
    state.told = state.pending = 0;
}

/* When it is to be looked at again. */
static int64_t confirm(const struct mp__deadlock *found)
{
    const int64_t now = found->now;

    if (found->print != state.pending) {
        state.pending = found->print;
        state.pending_since = now;
    }
    if (found->print == state.told)
        return HUB_FOREVER;
    if (now - state.pending_since < SECOND_NS)
        return state.pending_since + SECOND_NS;
    if (state.told_at != 0 && now - state.told_at < REPORT_NS)
        return state.told_at + REPORT_NS;
    mp__deadlock_report(found, level > (found->handled && found->cycles == 0));
    state.told = found->print;
    state.told_at = now;
    return HUB_FOREVER;
}

static int64_t look(int64_t now)
{
    struct mp__deadlock found = { .now = now };
    int64_t again = HUB_FOREVER, rest;

    if (mp__deadlock_scan(&found))
        again = confirm(&found);
    else
        nothing();
    state.again = found.again;
    rest = (mp__now() - now) * SHARE;
    state.next = now + (rest > SECOND_NS ? rest : SECOND_NS);
    return again > state.next ? again : state.next;
}

static uint64_t all_switches(void)
{
    const struct mp__carrier *carrier = NULL;
    uint64_t sum = 0;

    while ((carrier = mp__carrier_next(carrier)) != NULL)
        if (carrier->hub != NULL)
            sum += greenlet__read(carrier->hub->switches);
    return sum;
}

int64_t mp__deadlock_look(int64_t now)
{
    const struct hub *hub = mp__main.identity != NULL
                                ? mp__main.identity->os->hub
                                : NULL;
    uint64_t switches;
    int64_t again;

    if (hub == NULL || mp__hosts || mp__self_offset == 0)
        return HUB_FOREVER;
    if (now < state.next)
        return state.next;
    switches = all_switches();
    if (switches == state.switches && state.pending == state.told &&
        !state.again && now - state.last < STILL_NS)
        return state.last + STILL_NS;
    state.switches = switches;
    state.last = now;
    again = look(now);
    if (state.again)
        return state.next;
    return again < now + STILL_NS ? again : now + STILL_NS;
}
