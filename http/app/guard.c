/* guard.c - a call of a view, and the way out of it from any depth (V-16)
 *
 * http_request_abort() unwinds to the frame below that called the view.  The
 * unwinder runs on top of the stack that it takes apart, which stays as it is
 * until the longjmp(): so what lies in those frames can still be left in good
 * order. */
#include "http/app/app_impl.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>
#include <unwind.h>

_Static_assert(sizeof(struct _Unwind_Exception) <=
                   sizeof(((struct http__guard *)0)->exception),
               "struct http__guard has room for it");

/* ---- calling ---- */

static void enter(struct http__call *call, struct http__guard *guard)
{
    guard->greenlet = greenlet_current();
    guard->deferred = greenlet_deferred();
    guard->entered = hub_entered();
    guard->scope = call->scope;
    guard->timeout = call->timeout;
    guard->outer = call->guards;
    call->guards = guard;
}

static void leave(struct http__call *call, const struct http__guard *guard)
{
    struct http__guard **at = &call->guards;

    while (*at != guard)
        at = &(*at)->outer;
    *at = guard->outer;
}

/* Its frame is the first that is not unwound. */
static __attribute__((noinline)) int guarded(struct http__guard *guard,
                                             const struct http_view *view,
                                             struct http_request *request,
                                             struct http_response *response)
{
    guard->frame = __builtin_frame_address(0);
    if (_setjmp(guard->back) != 0)
        return guard->status;
    return view->call(view, request, response);
}

int http_view_call(const struct http_view *view, struct http_request *request,
                   struct http_response *response)
{
    struct http__call *call = request->call;
    struct http__guard guard;
    int rc;

    if (call == NULL)
        return view->call(view, request, response);
    enter(call, &guard);
    rc = guarded(&guard, view, request, response);
    leave(call, &guard);
    return rc;
}

/* ---- may these frames be unwound? ---- */

static void refuse(struct http_request *request, int status, const char *why)
{
    dprintf(2, "vireo: http: http_request_abort(%d) of %s %s: %s\n", status,
            http_request_verb(request), http_request_path(request), why);
    abort();
}

/* Is it linked to us, or is it the program?  Such code may be unwound, for its
 * authors can know of http_request_abort(). */
static bool knows_us(const struct link_map *object)
{
    const char *strings = NULL;
    const ElfW(Dyn) * at;

    if (object == NULL || object->l_name[0] == '\0')
        return true;
    for (at = object->l_ld; at->d_tag != DT_NULL; at++)
        if (at->d_tag == DT_STRTAB)
            strings = (const char *)at->d_un.d_ptr;
    for (at = object->l_ld; at->d_tag != DT_NULL && strings != NULL; at++)
        if ((at->d_tag == DT_NEEDED || at->d_tag == DT_SONAME) &&
            strncmp(strings + at->d_un.d_val, "libvireo", 8) == 0)
            return true;
    return false;
}

struct walk {
    const struct http__guard *guard;
    const char *stranger; /* a library that knows nothing of us */
    bool arrived;
};

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    void *pc = (void *)_Unwind_GetIP(context);
    struct link_map *object = NULL;
    Dl_info info;

    if ((char *)_Unwind_GetCFA(context) > (char *)walk->guard->frame) {
        walk->arrived = true;
        return _URC_END_OF_STACK;
    }
    if (dladdr1(pc, &info, (void **)&object, RTLD_DL_LINKMAP) != 0 &&
        _Unwind_GetLanguageSpecificData(context) == NULL && !knows_us(object))
        walk->stranger = info.dli_fname;
    return walk->stranger != NULL ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static void check_frames(struct http_request *request, int status,
                         const struct http__guard *guard)
{
    struct walk walk = {.guard = guard};
    char why[256];

    _Unwind_Backtrace(look, &walk);
    if (walk.stranger != NULL) {
        snprintf(why, sizeof why,
                 "called below a function of %s, which cannot "
                 "be unwound",
                 walk.stranger);
        refuse(request, status, why);
    }
    if (!walk.arrived)
        refuse(request, status, "a frame cannot be unwound");
}

/* ---- unwinding ---- */

static _Unwind_Reason_Code stop(int version, _Unwind_Action actions,
                                _Unwind_Exception_Class cls,
                                struct _Unwind_Exception *exception,
                                struct _Unwind_Context *context, void *arg)
{
    struct http__guard *guard = arg;

    (void)version;
    (void)cls;
    (void)exception;
    if ((char *)_Unwind_GetCFA(context) > (char *)guard->frame) {
        hub_leave_since(guard->entered);
        _longjmp(guard->back, 1);
    }
    return actions & _UA_END_OF_STACK ? _URC_FATAL_PHASE2_ERROR
                                      : _URC_NO_REASON;
}

static void caught(_Unwind_Reason_Code reason,
                   struct _Unwind_Exception *exception)
{
    (void)reason;
    (void)exception;
    dprintf(2, "vireo: http: http_request_abort() was caught by a catch (...) "
               "that does not throw it on\n");
    abort();
}

static struct http__guard *find(struct http__call *call)
{
    struct http__guard *guard = call != NULL ? call->guards : NULL;

    while (guard != NULL && guard->greenlet != greenlet_current())
        guard = guard->outer;
    return guard;
}

void http_request_abort(struct http_request *request, int status)
{
    struct http__call *call = request->call;
    struct http__guard *guard = find(call);
    struct _Unwind_Exception *exception;

    if (status < 300 || status > 599)
        refuse(request, status, "no such status");
    if (guard == NULL)
        refuse(request, status, "not called below a view, in its greenlet");
    check_frames(request, status, guard);
    if (status >= 500)
        http__debug_trace(call, __builtin_return_address(0), guard->frame);
    guard->status = call->aborted = status;
    greenlet_run_deferred(guard->deferred);
    call->scope = guard->scope; /* those that were entered since are left */
    call->timeout = guard->timeout;
    exception = (struct _Unwind_Exception *)(void *)guard->exception;
    memset(exception, 0, sizeof guard->exception);
    exception->exception_cleanup = caught;
    _Unwind_ForcedUnwind(exception, stop, guard);
    refuse(request, status, "a frame cannot be unwound");
    __builtin_unreachable();
}
