/* ident.c - small numbers and names of greenlets
 *
 * The numbers of a hub outlive it as long as a greenlet has one, and may be
 * given back by another thread. */
#include "context/testhook.h"
#include "hub/hub_impl.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

struct hub__idents {
    uint32_t lock;
    uint32_t users; /* greenlets that have one, and the hub */
    uint32_t next;  /* none from here on was ever given */
    uint32_t count, room;
    uint32_t *unused; /* a heap of those below: the smallest first; has room for
                         all that were ever given */
};

static void lock(struct hub__idents *idents)
{
    while (__atomic_exchange_n(&idents->lock, 1, __ATOMIC_ACQUIRE) != 0)
        sched_yield();
}

static void unlock(struct hub__idents *idents)
{
    __atomic_store_n(&idents->lock, 0, __ATOMIC_RELEASE);
}

static struct hub__idents *idents_of(struct hub *hub)
{
    if (hub->idents == NULL)
        hub->idents = greenlet__calloc(1, sizeof *hub->idents);
    if (hub->idents != NULL && hub->idents->users == 0)
        hub->idents->users = 1;
    return hub->idents;
}

static int make_room(struct hub__idents *idents)
{
    uint32_t room = idents->room * 2 + 8;
    uint32_t *unused;

    if (idents->next < idents->room)
        return 0;
    unused = greenlet__realloc(idents->unused, room * sizeof *unused);
    if (unused == NULL)
        return -ENOMEM;
    idents->unused = unused;
    idents->room = room;
    return 0;
}

static void push(struct hub__idents *idents, uint32_t ident)
{
    uint32_t at = idents->count++;

    while (at > 0 && idents->unused[(at - 1) / 2] > ident) {
        idents->unused[at] = idents->unused[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    idents->unused[at] = ident;
}

static uint32_t pop(struct hub__idents *idents)
{
    uint32_t least = idents->unused[0];
    uint32_t last = idents->unused[--idents->count], at = 0, child;

    while ((child = 2 * at + 1) < idents->count) {
        if (child + 1 < idents->count &&
            idents->unused[child + 1] < idents->unused[child])
            child++;
        if (idents->unused[child] >= last)
            break;
        idents->unused[at] = idents->unused[child];
        at = child;
    }
    idents->unused[at] = last;
    return least;
}

static int give(struct hub__idents *idents, struct hub__more *more)
{
    int rc = 0;

    lock(idents);
    if (idents->count > 0)
        more->ident = pop(idents);
    else if ((rc = make_room(idents)) == 0)
        more->ident = idents->next++;
    if (rc == 0) {
        more->idents = idents;
        idents->users++;
    }
    unlock(idents);
    return rc;
}

void hub__idents_drop(struct hub__idents *idents)
{
    bool last;

    lock(idents);
    last = --idents->users == 0;
    unlock(idents);
    if (last) {
        free(idents->unused);
        free(idents);
    }
}

void hub__ident_release(struct hub__more *more)
{
    struct hub__idents *idents = more->idents;

    if (idents == NULL)
        return;
    more->idents = NULL;
    lock(idents);
    push(idents, more->ident);
    unlock(idents);
    hub__idents_drop(idents);
}

int hub_minimal_ident(struct greenlet *g)
{
    struct hub *hub = hub__get();
    struct hub__idents *idents;
    struct hub__more *more;
    int rc = hub__check_owner(g);

    if (rc < 0)
        return rc;
    idents = hub != NULL ? idents_of(hub) : NULL;
    more = hub__more(g);
    if (idents == NULL || more == NULL)
        return -ENOMEM;
    if (more->idents == NULL)
        rc = give(idents, more);
    return rc < 0 ? rc : (int)more->ident;
}

const char *hub_greenlet_name(struct greenlet *g)
{
    char name[32];
    int ident;

    if (greenlet_name(g)[0] != '\0')
        return greenlet_name(g);
    ident = hub_minimal_ident(g);
    if (ident < 0)
        return "";
    snprintf(name, sizeof name, "Greenlet-%d", ident);
    greenlet_set_name(g, name);
    return greenlet_name(g);
}

int hub_greenlet_repr(struct greenlet *g, char *text, size_t size)
{
    const char *name = hub_greenlet_name(g);
    const void *function = g->hub_kept[HUB_KEPT_FUNCTION];
    Dl_info info;

    if (!(hub__own(g)->flags & HUB__SPAWNED))
        return snprintf(text, size, "<greenlet \"%s\" at %p>", name,
                        (void *)g);
    if (dladdr(function, &info) != 0 && info.dli_sname != NULL &&
        info.dli_saddr == function)
        return snprintf(text, size, "<greenlet \"%s\" at %p: %s(%p)>", name,
                        (void *)g, info.dli_sname, g->hub_kept[HUB_KEPT_ARG]);
    return snprintf(text, size, "<greenlet \"%s\" at %p: %p(%p)>", name,
                    (void *)g, function, g->hub_kept[HUB_KEPT_ARG]);
}
