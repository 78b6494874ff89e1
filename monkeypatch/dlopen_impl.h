/* dlopen_impl.h - what the assembly wrappers of dlopen() call */
#ifndef DLOPEN_IMPL_H
#define DLOPEN_IMPL_H

/* Both are called with the arguments of the original, which they return to go on
 * with. */
void *mp__before_dlopen(const char *path)
    __attribute__((visibility("hidden")));
void *mp__before_dlmopen(void) __attribute__((visibility("hidden")));

#endif
