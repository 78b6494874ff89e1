/* unwind.c - cancellation and exceptions pass through our frames
 *
 * What gcc emits for cleanup attributes calls these two of libgcc.  A copy of
 * our own would be given the contexts of another unwinder, the one that libc or
 * the program uses; linking to libgcc_s would load it into every program.  When
 * somebody unwinds it is there already. */
#include "monkeypatch/monkeypatch_impl.h"

#include <stdlib.h>
#include <unwind.h>

typedef _Unwind_Reason_Code personality(int, _Unwind_Action,
                                        _Unwind_Exception_Class,
                                        struct _Unwind_Exception *,
                                        struct _Unwind_Context *);

personality __gcc_personality_v0 MP_HIDDEN;

static void *libgcc(const char *name)
{
    void *found = mp__real_symbol_of("libgcc_s.so.1", RTLD_NOW, name);

    if (found == NULL) {
        mp__say(0, "libgcc_s.so.1 is missing: a thread cannot be unwound");
        abort();
    }
    return found;
}

_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions,
                                         _Unwind_Exception_Class cls,
                                         struct _Unwind_Exception *exception,
                                         struct _Unwind_Context *context)
{
    static personality *original;

    if (original == NULL)
        *(void **)&original = libgcc("__gcc_personality_v0");
    return original(version, actions, cls, exception, context);
}

void _Unwind_Resume(struct _Unwind_Exception *exception)
{
    static void (*original)(struct _Unwind_Exception *);

    if (original == NULL)
        *(void **)&original = libgcc("_Unwind_Resume");
    original(exception);
    abort();
}
