/* unwind.c - the unwinder that works on a frame of ours is the process's
 *
 * Cancellation, pthread_exit() and C++ exceptions pass through wrappers that
 * have cleanups.  Their personality routine must come from the same libgcc as
 * the unwinder that calls it, which is the one that libc and libstdc++ load: a
 * copy linked into this library aborts, since its tables were never filled. And
 * this library must not need libgcc_s, which a program in C does without.  So
 * these two look it up, as libc's own do; when they are called it is loaded. */
#include "monkeypatch/monkeypatch_impl.h"

#include <stdlib.h>

/* The types of <unwind.h>, which would make the names visible. */
typedef int personality(int version, int actions, uint64_t class,
                        void *exception, void *context);
typedef void resume(void *exception);

MP_HIDDEN personality __gcc_personality_v0;
MP_HIDDEN resume _Unwind_Resume;

static void *of_libgcc(const char *name)
{
    static void *library;
    void *found;

    if (library == NULL)
        library = mp__real.dlopen("libgcc_s.so.1", RTLD_NOW);
    found = library != NULL ? dlsym(library, name) : NULL;
    if (found == NULL) {
        mp__say(0, "libgcc_s.so.1 is needed to unwind");
        abort();
    }
    return found;
}

int __gcc_personality_v0(int version, int actions, uint64_t class,
                         void *exception, void *context)
{
    static personality *theirs;

    if (theirs == NULL)
        *(void **)&theirs = of_libgcc("__gcc_personality_v0");
    return theirs(version, actions, class, exception, context);
}

void _Unwind_Resume(void *exception)
{
    static resume *theirs;

    if (theirs == NULL)
        *(void **)&theirs = of_libgcc("_Unwind_Resume");
    theirs(exception);
    abort();
}
