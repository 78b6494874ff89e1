/* dlopen.c - a library with static TLS must reach the blocks of living threads
 *
 * The wrapper (arch/.../dlopen.S) calls mp__before_dlopen() and jumps to the
 * original with its caller's return address, whose RUNPATH counts.  There is no
 * moment after: the blocks leave glibc's list at the next wait. */
#include "monkeypatch/carrier.h"
#include "monkeypatch/dlopen_impl.h"

uint64_t mp__blocks_linked;

/* Each carrier has the list linked while it is, or may be, in ld.so. */
static uint64_t own_bit(void)
{
    return UINT64_C(1) << (mp__self->carrier - mp__carriers);
}

void mp__unlink_blocks(void)
{
    uint64_t own;

    if (mp__self == NULL || mp__hub->in_loader())
        return;
    own = own_bit();
    if (__atomic_fetch_and(&mp__blocks_linked, ~own, __ATOMIC_ACQ_REL) & own)
        mp__hub->tls_link(false);
}

static void link_blocks(void)
{
    uint64_t own;

    if (mp__self == NULL || mp__live < 2)
        return;
    own = own_bit();
    if (!(__atomic_fetch_or(&mp__blocks_linked, own, __ATOMIC_ACQ_REL) & own))
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
