/* more.c - what the hub keeps of few greenlets, in memory of its own */
#include "context/testhook.h"
#include "hub/hub_impl.h"

#include <stdlib.h>
#include <string.h>

struct hub__more *hub__more(struct greenlet *g)
{
    struct hub__own *own = hub__own(g);

    if (own->more != NULL)
        return own->more;
    own->more = greenlet__malloc(sizeof *own->more);
    if (own->more == NULL)
        return NULL;
    memset(own->more, 0, sizeof *own->more);
    own->more->start.slot = HUB__NO_INDEX;
    own->more->greenlet = g;
    if (!(g->has & HAS_MORE)) {
        g->has |= HAS_MORE;
        g->deferred = NULL;
    }
    return own->more;
}

static void gone(struct greenlet *g)
{
    struct hub__more *more = hub__own(g)->more;

    if (more == NULL)
        return;
    hub__locals_end(more);
    hub__own(g)->more = NULL;
    hub__glinks_free(more);
    hub__ident_release(more);
    if (more->born != NULL)
        hub__born_free(more->born);
    greenlet_exception_clear(&more->killed);
    greenlet_exception_clear(&more->failed);
    free(more);
}

/* On its own stack, at its end. */
static void ends(struct greenlet *g)
{
    struct hub__more *more = hub__own(g)->more;

    if (more != NULL && more->locals != NULL)
        hub__locals_end(more);
}

/* Before main(): a thread that has no hub may have locals. */
static __attribute__((constructor)) void start(void)
{
    greenlet__hub_gone = gone;
    greenlet__hub_ends = ends;
}
