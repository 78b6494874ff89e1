/* runtime.c - in libvireo.a alone: a program that has the runtime in itself
 *
 * There is one runtime in a process.  The preload library cannot see this copy
 * by itself, so it is told, before main(); what comes of it, it decides. */
#include <dlfcn.h>
#include <stddef.h>

__attribute__((constructor(102))) static void say_so(void)
{
    void (*refuse)(void);

    *(void **)&refuse = dlsym(RTLD_DEFAULT, "vireo_preload_refuse_static");
    if (refuse != NULL)
        refuse();
}
