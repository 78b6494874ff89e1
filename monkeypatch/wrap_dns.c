/* wrap_dns.c - resolver calls that use the calling thread's state
 *
 * Each has a twin that is told which state; that one may run on a helper. */
#include "monkeypatch/io_impl.h"

#include <resolv.h>

/* The state of the calling thread, initialised; NULL: that failed. */
static res_state own_state(void)
{
    res_state state = __res_state();

    if ((state->options & RES_INIT) == 0 && res_ninit(state) < 0)
        return NULL;
    return state;
}

/* By their plain names, the twins are ours. */
MP_EXPORT int res_query(const char *name, int class, int type,
                        unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_query)(name, class, type, answer, room);
    state = own_state();
    return state == NULL ? -1
                         : res_nquery(state, name, class, type, answer, room);
}

MP_EXPORT int res_search(const char *name, int class, int type,
                         unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_search)(name, class, type, answer, room);
    state = own_state();
    return state == NULL ? -1
                         : res_nsearch(state, name, class, type, answer, room);
}

MP_EXPORT int res_send(const unsigned char *question, int size,
                       unsigned char *answer, int room)
{
    res_state state;

    if (!MP_ACTIVE(dns))
        return MP_REAL(res_send)(question, size, answer, room);
    state = own_state();
    return state == NULL ? -1
                         : res_nsend(state, question, size, answer, room);
}
