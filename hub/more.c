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
    hub__own(g)->more = NULL;
    greenlet_exception_clear(&more->killed);
    greenlet_exception_clear(&more->failed);
    free(more);
}

void hub__more_start(void)
{
    greenlet__hub_gone = gone;
}
