/* effects.c - options: which texts are good, and what a change does at once */
#include "hub/config_impl.h"
#include "hub/dump.h"
#include "hub/monitor.h"

#include <errno.h>
#include <stdlib.h>

static int last_dump_signal; /* as the option has it; 0: none */

/* Also of the environment's. */
bool hub__option_good(enum hub_option option, const char *text)
{
    return option != HUB_OPTION_RESOLVER || hub__resolver_known(text);
}

int hub__option_check(enum hub_option option, const char *text)
{
    int number;

    if (option == HUB_OPTION_RESOLVER)
        return hub__resolver_check(text);
    if (option != HUB_OPTION_DUMP_SIGNAL)
        return 0;
    number = hub__signal_number(text);
    if (number < 0 || number == last_dump_signal)
        return number < 0 ? number : 0;
    number = hub_dump_on_signal(number);
    if (number == 0)
        last_dump_signal = hub__signal_number(text);
    return number;
}

static void dump_signal_from_environment(void)
{
    char *text = hub__option_text(HUB_OPTION_DUMP_SIGNAL);
    struct hub__print print;

    if (text == NULL)
        return;
    if (hub__option_check(HUB_OPTION_DUMP_SIGNAL, text) < 0) {
        hub__print_open(&print, 2);
        hub__print(&print, "vireo: dump_signal=%s is not used: no signal that "
                           "a handler can be set for, or it has one\n", text);
        hub__print_flush(&print);
    }
    free(text);
}

void hub__option_changed(enum hub_option option)
{
    if (option == HUB_OPTION_DUMP_SIGNAL)
        dump_signal_from_environment();
    else if (option == HUB_OPTION_TRACK_GREENLET_TREE && hub__peek() != NULL)
        hub_track_spawn_tree(hub__option(option) != 0);
    else if (option == HUB_OPTION_MONITOR && !hub__option(option))
        hub_monitor_stop();
    else if (option == HUB_OPTION_MONITOR)
        hub_monitor_start();
    else if (option <= HUB_OPTION_MONITOR_MEMORY_MAX)
        hub__monitor_rouse();
    else if (option == HUB_OPTION_RESOLVER)
        hub__resolver_changed();
    else if (option >= HUB_OPTION_RESOLVER_NAMESERVERS &&
             option <= HUB_OPTION_RESOLVER_FLAGS)
        hub__ares_changed();
    else if (option == HUB_OPTION_THREADPOOL_SIZE ||
             option == HUB_OPTION_THREADPOOL_IDLE_TIMEOUT)
        hub__threadpool_changed(option);
}

void hub__options_start(void)
{
    if (!hub__lenient)
        dump_signal_from_environment();
}

/* Once a process, as soon as there is a hub that can serve it. */
void hub__options_hub(void)
{
    static uint32_t served;

    if (hub__lenient)
        return;
    if (hub__option(HUB_OPTION_TRACK_GREENLET_TREE))
        hub_track_spawn_tree(true);
    if (__atomic_exchange_n(&served, 1, __ATOMIC_RELAXED) == 0)
        hub__console_start();
}
