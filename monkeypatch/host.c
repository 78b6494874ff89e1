/* host.c - OS threads with a hub of the program's own
 *
 * In a program that links libvireo.so the greenlets of a hub share the TLS block
 * of their OS thread, so one struct stands for all of them.  Nothing of a
 * thread's life is in it: to pthread_*, signal masks and credentials such a thread
 * is a real one (mp__self is NULL there), only its waits park, and end by its
 * handlers. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/io_impl.h"

bool mp__hosts;

__thread struct mp__thread mp__host;

/* From libvireo.so, on the OS thread that has a hub now.  A mapped thread is
 * known already. */
static void hub_made(struct greenlet__thread *identity)
{
    if (mp__here != NULL || mp__in_vfork_child != 0)
        return;
    mp__host.host = 1;
    mp__host.identity = identity;
    mp__host.carrier = mp__carriers; /* what is counted */
    mp__host.io_budget = MP_IO_BUDGET;
    mp__here = &mp__host;
}

void mp__hosts_start(void)
{
    mp__hosts = true;
    mp__self_offset =
        (char *)&mp__self - (char *)__builtin_thread_pointer();
    *mp__hub->hub_made = hub_made;
    mp__signals_start_hosts();
}
