/* dlopen.c - a library with static TLS must reach the blocks of living threads
 *
 * The wrapper (arch/.../dlopen.S) calls mp__before_dlopen() and jumps to the
 * original with its caller's return address, whose RUNPATH counts.  There is no
 * moment after: the blocks leave glibc's list at the next wait. */
#include "monkeypatch/monkeypatch_impl.h"
#include "monkeypatch/dlopen_impl.h"

bool mp__blocks_linked;

void mp__unlink_blocks(void)
{
    if (mp__hub->in_loader())
        return;
    mp__blocks_linked = false;
    mp__hub->tls_link(false);
}

static void link_blocks(void)
{
    if (mp__self == NULL || mp__blocks_linked || mp__live < 2)
        return;
    mp__blocks_linked = true;
    mp__hub->tls_link(true);
}

void *mp__before_dlopen(const char *path)
{
    mp__init();
    mp__foreign_greenlet(path);
    link_blocks();
    return *(void **)&mp__real.dlopen;
}

void *mp__before_dlmopen(void)
{
    mp__init();
    link_blocks();
    return *(void **)&mp__real.dlmopen;
}
