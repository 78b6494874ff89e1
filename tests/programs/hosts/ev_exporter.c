/* ev_exporter.c - a program that defines and exports libev's names itself
 *
 * A host may carry its own copy of libev, or something else by these names.
 * The runtime's calls must reach its own libev, never these. */
#include <stdio.h>
#include <stdlib.h>

#define TRAP(name)                                          \
    void name(void);                                        \
    void name(void)                                         \
    {                                                       \
        fputs("the host's " #name " was called\n", stderr); \
        abort();                                            \
    }

TRAP(ev_run)
TRAP(ev_break)
TRAP(ev_loop_new)
TRAP(ev_default_loop)
TRAP(ev_loop_destroy)
TRAP(ev_loop_fork)
TRAP(ev_io_start)
TRAP(ev_io_stop)
TRAP(ev_timer_start)
TRAP(ev_timer_stop)
TRAP(ev_timer_again)
TRAP(ev_async_start)
TRAP(ev_async_send)
TRAP(ev_prepare_start)
TRAP(ev_check_start)
TRAP(ev_feed_event)
TRAP(ev_feed_fd_event)
TRAP(ev_invoke_pending)
TRAP(ev_set_allocator)
TRAP(ev_set_userdata)
TRAP(ev_userdata)
TRAP(ev_ref)
TRAP(ev_unref)
TRAP(ev_now)
TRAP(ev_now_update)
TRAP(ev_backend)
TRAP(ev_version_major)
TRAP(ev_version_minor)

/* The rest is the ordinary threaded program. */
#include "../threaded.c"
