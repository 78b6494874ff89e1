/* config.c - options of the hub: the table, and who may have which value */
#include "hub/config_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_TIME (INT64_C(1000000) * HUB_SECOND)

static const struct row {
    struct hub_option_info info;
    int64_t initial;
    const char *text; /* of a text */
} rows[HUB_OPTION_COUNT] = {
#define ROW(NAME, name, environment, type, least, most, initial, text,         \
            choices, summary)                                                  \
    [HUB_OPTION_##NAME] = {                                                    \
        {name, environment, summary, HUB_OPTION_##type, least, most, choices}, \
        initial,                                                               \
        text}
    ROW(MONITOR, "monitor", "VIREO_MONITOR", BOOL, 0, 1, 1, NULL, NULL,
        "the monitor runs"),
    ROW(MAX_BLOCKING_TIME, "max_blocking_time", "VIREO_MAX_BLOCKING_TIME",
        DURATION, 0, LONG_TIME, 100 * HUB_MILLISECOND, NULL, NULL,
        "how long a greenlet may keep its hub from others; 0: for ever"),
    ROW(MONITOR_REPORTS, "monitor_reports", "VIREO_MONITOR_REPORTS", BOOL, 0, 1,
        1, NULL, NULL, "the monitor prints what it finds"),
    ROW(MONITOR_REPORT_INTERVAL, "monitor_report_interval",
        "VIREO_MONITOR_REPORT_INTERVAL", DURATION, 0, LONG_TIME, HUB_SECOND,
        NULL, NULL, "between two reports of one hub, at least"),
    ROW(MONITOR_MEMORY_PERIOD, "monitor_memory_period",
        "VIREO_MONITOR_MEMORY_PERIOD", DURATION, 100 * HUB_MILLISECOND,
        LONG_TIME, 5 * HUB_SECOND, NULL, NULL, "how often memory is looked at"),
    ROW(MONITOR_MEMORY_MAX, "monitor_memory_max", "VIREO_MONITOR_MEMORY_MAX",
        SIZE, 0, INT64_MAX, 0, NULL, NULL,
        "memory of its own that the process should not exceed"),
    ROW(SWITCH_INTERVAL, "switch_interval", "VIREO_SWITCH_INTERVAL", DURATION,
        0, LONG_TIME, 5 * HUB_MILLISECOND, NULL, NULL,
        "how long a busy hub keeps the loop from looking at fds"),
    ROW(DUMP_SIGNAL, "dump_signal", "VIREO_DUMP_SIGNAL", TEXT, 0, 0, 0, "",
        NULL, "the signal that prints a dump"),
    ROW(CONSOLE, "console", "VIREO_CONSOLE", TEXT, 0, 0, 0, "", NULL,
        "the socket of a console; %p is the process"),
    ROW(TRACK_GREENLET_TREE, "track_greenlet_tree", "VIREO_TRACK_GREENLET_TREE",
        BOOL, 0, 1, 0, NULL, NULL,
        "hubs made from now on note who spawned whom"),
    ROW(FORK, "fork", "VIREO_FORK", CHOICE, 0, 1, 0, NULL, "caller|all",
        "which greenlets live on in the child of a fork"),
    ROW(RESOLVER, "resolver", "VIREO_RESOLVER", TEXT, 0, 0, 0, "thread", NULL,
        "who looks up names: thread, ares, block; by commas: the first there"),
    ROW(RESOLVER_NAMESERVERS, "resolver_nameservers",
        "VIREO_RESOLVER_NAMESERVERS", TEXT, 0, 0, 0, "", NULL,
        "servers that ares asks, by commas"),
    ROW(RESOLVER_TIMEOUT, "resolver_timeout", "VIREO_RESOLVER_TIMEOUT",
        DURATION, 0, LONG_TIME, 0, NULL, NULL, "of one query of ares"),
    ROW(RESOLVER_TRIES, "resolver_tries", "VIREO_RESOLVER_TRIES", INTEGER, 0,
        100, 0, NULL, NULL, "how often ares asks each server"),
    ROW(RESOLVER_NDOTS, "resolver_ndots", "VIREO_RESOLVER_NDOTS", INTEGER, -1,
        100, -1, NULL, NULL,
        "dots in a name that ares first takes for a whole one"),
    ROW(RESOLVER_UDP_PORT, "resolver_udp_port", "VIREO_RESOLVER_UDP_PORT",
        INTEGER, 0, 65535, 0, NULL, NULL, "of servers that ares asks"),
    ROW(RESOLVER_TCP_PORT, "resolver_tcp_port", "VIREO_RESOLVER_TCP_PORT",
        INTEGER, 0, 65535, 0, NULL, NULL, "of servers that ares asks"),
    ROW(RESOLVER_FLAGS, "resolver_flags", "VIREO_RESOLVER_FLAGS", INTEGER, -1,
        INT32_MAX, -1, NULL, NULL, "ARES_FLAG_..."),
    ROW(THREADPOOL_SIZE, "threadpool_size", "VIREO_THREADPOOL_SIZE", INTEGER, 1,
        10000, HUB_THREADPOOL_MAXSIZE, NULL, NULL, "threads of a pool at most"),
    ROW(THREADPOOL_IDLE_TIMEOUT, "threadpool_idle_timeout",
        "VIREO_THREADPOOL_IDLE_TIMEOUT", DURATION, 0, LONG_TIME,
        5 * HUB_SECOND, NULL, NULL,
        "after which an idle thread of a pool ends"),
#undef ROW
};

enum { UNREAD, READ };

static struct {
    uint32_t state; /* atomic */
    int64_t number; /* atomic */
    char *text;     /* under the lock; NULL: the initial one */
} values[HUB_OPTION_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_option(enum hub_option option)
{
    return (unsigned)option < HUB_OPTION_COUNT;
}

/* With the lock held.  `text` is good for the option. */
static int store(enum hub_option option, const char *text)
{
    const struct hub_option_info *info = &rows[option].info;
    int64_t number = 0;
    char *copy = NULL;

    if (info->type != HUB_OPTION_TEXT) {
        if (hub__option_parse(info, text, &number) < 0)
            return -EINVAL;
    } else {
        if (!hub__option_good(option, text))
            return -EINVAL;
        copy = greenlet__strdup(text);
        if (copy == NULL)
            return -ENOMEM;
    }
    free(values[option].text);
    values[option].text = copy;
    __atomic_store_n(&values[option].number, number, __ATOMIC_RELAXED);
    __atomic_store_n(&values[option].state, READ, __ATOMIC_RELEASE);
    return 0;
}

static void restore_initial(enum hub_option option)
{
    free(values[option].text);
    values[option].text = NULL;
    __atomic_store_n(&values[option].number, rows[option].initial,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&values[option].state, READ, __ATOMIC_RELEASE);
}

static void complain(const struct hub_option_info *info, const char *text)
{
    struct hub__print print;

    hub__print_open(&print, STDERR_FILENO);
    hub__print(&print, "vireo: %s=%s is not understood, and not used\n",
               info->environment, text);
    hub__print_flush(&print);
}

/* With the lock held. */
static void read_environment(enum hub_option option)
{
    const struct hub_option_info *info = &rows[option].info;
    const char *text = secure_getenv(info->environment);

    if (text == NULL || (text[0] == '\0' && info->type != HUB_OPTION_TEXT)) {
        restore_initial(option);
    } else if (store(option, text) < 0) {
        restore_initial(option);
        complain(info, text);
    }
}

static void ensure(enum hub_option option)
{
    if (likely(__atomic_load_n(&values[option].state, __ATOMIC_ACQUIRE) ==
               READ))
        return;
    pthread_mutex_lock(&lock);
    if (values[option].state != READ)
        read_environment(option);
    pthread_mutex_unlock(&lock);
}

int64_t hub__option(enum hub_option option)
{
    ensure(option);
    return __atomic_load_n(&values[option].number, __ATOMIC_RELAXED);
}

char *hub__option_text(enum hub_option option)
{
    char *copy;

    ensure(option);
    pthread_mutex_lock(&lock);
    copy = greenlet__strdup(values[option].text != NULL ? values[option].text
                                                        : rows[option].text);
    pthread_mutex_unlock(&lock);
    return copy;
}

void hub__options_read(void)
{
    for (int i = 0; i < HUB_OPTION_COUNT; i++)
        ensure((enum hub_option)i);
}

/* ---- for programs ---- */

int hub_config_info(enum hub_option option, struct hub_option_info *info)
{
    if (!is_option(option))
        return -ENOENT;
    *info = rows[option].info;
    return 0;
}

int hub_config_find(const char *name)
{
    for (int i = 0; i < HUB_OPTION_COUNT; i++)
        if (strcasecmp(rows[i].info.name, name) == 0)
            return i;
    return -ENOENT;
}

int hub_config_set(const char *name, const char *text)
{
    int option = hub_config_find(name), rc;

    if (option < 0)
        return option;
    rc = hub__option_check((enum hub_option)option, text);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&lock);
    rc = store((enum hub_option)option, text);
    pthread_mutex_unlock(&lock);
    if (rc == 0)
        hub__option_changed((enum hub_option)option);
    return rc;
}

int hub_config_set_number(enum hub_option option, int64_t number)
{
    if (!is_option(option))
        return -ENOENT;
    if (rows[option].info.type == HUB_OPTION_TEXT ||
        number < rows[option].info.least || number > rows[option].info.most)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    __atomic_store_n(&values[option].number, number, __ATOMIC_RELAXED);
    __atomic_store_n(&values[option].state, READ, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    hub__option_changed(option);
    return 0;
}

int64_t hub_config_number(enum hub_option option)
{
    return is_option(option) && rows[option].info.type != HUB_OPTION_TEXT
               ? hub__option(option)
               : 0;
}

int hub_config_get(const char *name, char *text, size_t size)
{
    int option = hub_config_find(name), length;
    char *own;

    if (option < 0)
        return option;
    if (rows[option].info.type != HUB_OPTION_TEXT)
        return hub__option_format(&rows[option].info,
                                  hub__option((enum hub_option)option), text,
                                  size);
    own = hub__option_text((enum hub_option)option);
    length = snprintf(text, size, "%s", own != NULL ? own : "");
    free(own);
    return length;
}

int hub_config_reset(const char *name)
{
    int option = hub_config_find(name);

    if (option < 0)
        return option;
    pthread_mutex_lock(&lock);
    read_environment((enum hub_option)option);
    pthread_mutex_unlock(&lock);
    hub__option_changed((enum hub_option)option);
    return 0;
}

void hub__config_forked(void)
{
    memset(&lock, 0, sizeof lock);
}
