/* dlopen_impl.h - what the assembly wrappers of dlopen() call */
#ifndef DLOPEN_IMPL_H
#define DLOPEN_IMPL_H

/* Both return the original to go on with. */
void *mp__before_dlopen(void) __attribute__((visibility("hidden")));
void *mp__before_dlmopen(void) __attribute__((visibility("hidden")));

#endif
